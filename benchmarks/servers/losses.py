"""How many requests fail when a server stops, reloads, or replaces its workers under load."""

from __future__ import annotations

import http.client
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import quote

from benchmarks import sakila
from benchmarks.bench import wrk
from benchmarks.servers.speed import processes
from benchmarks.stacks import Running
from testkit.clients import GOOD, Clients, Question, Request
from testkit.kept_alive import NOT_BEGUN, was_dropped
from testkit.waiting import eventually

CLIENTS = 16
NAMES = list(wrk.IDS)
SECONDS = 25
"""How long something may take that is waited for."""
PAUSE_SECONDS = 0.05
"""After a failure."""
AFTERWARDS = 500
"""So many answers come before and after an event."""


class NotTakenError(Exception):
    """A new connection was refused, or reset before a byte of an answer came: perhaps nobody had accepted it."""


class OneTry:
    """One client's connection, which is kept, and looked at before it is used; nothing is sent twice."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)

    def ask(self, question: Question) -> tuple[int, str]:
        """Return status and text."""
        if was_dropped(self._connection.sock):
            self.close()
        is_new = self._connection.sock is None
        try:
            self._connection.request("GET", question.path)
            answer = self._connection.getresponse()
            return answer.status, answer.read().decode()
        except Exception as error:
            self.close()
            time.sleep(PAUSE_SECONDS)
            raise NotTakenError(repr(error)) if is_new and isinstance(error, NOT_BEGUN) else error from None

    def close(self) -> None:
        """Close the connection; the next question opens another."""
        self._connection.close()


@dataclass(frozen=True)
class Loss:
    """Of so many requests, how many failed in so many events; `remark` says what else there is to know."""

    asked: int = 0
    failed: int = 0
    events: int = 0
    remark: str = ""

    def __add__(self, other: Loss) -> Loss:
        """Return both together."""
        return Loss(
            self.asked + other.asked,
            self.failed + other.failed,
            self.events + other.events,
            self.remark or other.remark,
        )


def at_stop(running: Running) -> Loss:
    """Stop it. Who comes too late has lost nothing."""
    with asking(running) as clients:
        running.signal(signal.SIGTERM)
        has_ended = eventually(lambda: running.process.poll() is not None, 2 * SECONDS)
    failed = [each for each in failures(clients) if not isinstance(each.error, NotTakenError)]
    return Loss(len(clients.requests), len(failed), 1, "" if has_ended else f"not over after {2 * SECONDS} s")


def at_reload(running: Running, how: signal.Signals) -> Loss:
    """Have it reload, and wait until others answer."""
    before = _others(running)
    with asking(running) as clients:
        running.signal(how)
        is_replaced = eventually(lambda: _has_new(running, before), SECONDS)
        _wait_for(clients, AFTERWARDS)
    return Loss(len(clients.requests), len(failures(clients)), 1, "" if is_replaced else f"not over after {SECONDS} s")


def at_recycling(running: Running, times: int) -> Loss:
    """Wait until its workers have been replaced so many times by themselves."""
    done = 0
    with asking(running) as clients:
        while done < times:
            before = _others(running)
            if not eventually(lambda: _has_new(running, before), SECONDS):  # noqa: B023 -- called at once
                break
            done += 1
    return Loss(len(clients.requests), len(failures(clients)), done, "" if done else f"nobody replaced in {SECONDS} s")


@contextmanager
def asking(running: Running) -> Iterator[Clients]:
    """Have clients ask while the block goes on."""
    clients = Clients(lambda: OneTry(running.port))
    with clients.asking(CLIENTS, _choose):
        _wait_for(clients, AFTERWARDS)
        yield clients


def _wait_for(clients: Clients, answers: int) -> None:
    enough = clients.statuses[200] + answers
    eventually(lambda: clients.statuses[200] >= enough, SECONDS)


def _choose(_: int, dice: random.Random) -> Question:
    name = dice.choice(NAMES)
    return Question(f"/?city={quote(name)}", name, sakila.answer(name))


def failures(clients: Clients) -> list[Request]:
    """Return the requests that have no right answer."""
    return [each for each in list(clients.requests) if each.ended is None or each.status not in GOOD or each.is_wrong]


def _others(running: Running) -> set[int]:
    return {process.pid for process in processes(running)[1:]}


def _has_new(running: Running, before: set[int]) -> bool:
    """Tell whether processes are there that were not, and of those that were, all but a helper are gone."""
    now = _others(running)
    return bool(now - before) and len(now & before) < len(before)
