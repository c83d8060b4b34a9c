"""Keep-alive clients in a closed loop, which tell a lost request from one that HTTP lets them send again."""

from __future__ import annotations

import http.client
import random
import threading
import time
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import quote

from tests.support import cities

IDS = cities.first_ids()
CUT_OFF = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError)
"""How a connection that was closed before a byte of the answer looks from here."""


@dataclass
class Tally:
    """What became of the requests."""

    answered: int = 0
    resent: int = 0  # a kept-alive connection was closed before a byte of the answer came: RFC 9110 section 9.2.2
    not_begun: int = 0  # a fresh connection was refused, or closed before a byte of the answer came
    failed: list[str] = field(default_factory=list)


class Visitors:
    """So many threads, each with a connection that it keeps, asking for random cities until they are told to stop.

    Between two requests each pauses for up to `pause` seconds.
    """

    def __init__(self, port: int, count: int = 8, pause: float = 0) -> None:
        self.port, self.pause = port, pause
        self.tally = Tally()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._visit, args=(seed,)) for seed in range(count)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def wait_for(self, answers: int, seconds: float = 15) -> None:
        """Return once so many more requests have been answered."""
        enough, end = self.tally.answered + answers, time.monotonic() + seconds
        while self.tally.answered < enough:
            assert time.monotonic() < end, self.tally
            time.sleep(0.02)

    def _visit(self, seed: int) -> None:
        chance = random.Random(seed)
        connection = self._connection()
        while not self._stop.is_set():
            city = chance.choice(list(IDS))
            self._stop.wait(chance.uniform(0, self.pause))
            was_kept = connection.sock is not None
            try:
                status, text = _ask(connection, city)
            except CUT_OFF:
                self._count("resent" if was_kept else "not_begun")
                connection.close()
            except ConnectionRefusedError:
                self._count("not_begun")
                connection.close()
                time.sleep(0.05)
            except Exception as error:
                self._fail(f"{city}: {error!r}")
                connection.close()
            else:
                self._count("answered")
                if (status, text.strip()) != (200, f'City "{city}" is #{IDS[city]}'):
                    self._fail(f"{city}: {status} {text}")
        connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)

    def _count(self, what: str) -> None:
        with self._lock:
            setattr(self.tally, what, getattr(self.tally, what) + 1)

    def _fail(self, how: str) -> None:
        with self._lock:
            self.tally.failed.append(how)


def _ask(connection: http.client.HTTPConnection, city: str) -> tuple[int, str]:
    # A response that says "Connection: close" leaves connection.sock empty, and the next request connects anew.
    connection.request("GET", f"/?city={quote(city)}")
    response = connection.getresponse()
    return response.status, response.read().decode()
