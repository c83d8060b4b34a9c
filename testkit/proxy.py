"""A TCP proxy between an application and its database that has the faults of real networks, on demand.

One thread moves all bytes, and whatever the public methods change is changed in that thread. All faults but the cut
of a packet of MySQL's work with TLS inside.
"""

from __future__ import annotations

import itertools
import selectors
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from functools import partial
from math import inf
from time import monotonic
from typing import Any, TypeVar

from sqlalchemy import URL, make_url

from testkit.doors import Arrivals, Door
from testkit.links import Link, Stream, Weather
from testkit.packets import Counts, Cut, Direction, Hook, OneCut

T = TypeVar("T")
READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class Proxy:
    """Forwards 127.0.0.1:`port` to a server; `with` stops it."""

    def __init__(self, host: str, port: int, *, is_mysql: bool = True) -> None:
        self._door, self._hears = Door(), False
        self.port = self._door.port
        self._server, self._is_mysql = (host, port), is_mysql
        self._weather, self._links, self._numbers = Weather(), set[Link](), itertools.count(1)
        self._calls: deque[tuple[Callable[[], object], Future[Any]]] = deque()
        self._selector, self._is_stopped = selectors.DefaultSelector(), False
        self._ear, self._bell = socket.socketpair()
        for end in (self._ear, self._bell):
            end.setblocking(False)
        self._selector.register(self._ear, READ, lambda _: self._ear.recv(4096))
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)
        self._thread.start()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def url(self, url: str | URL) -> str:
        """Return an address of the server as one that leads through here."""
        return make_url(url).set(host="127.0.0.1", port=self.port).render_as_string(hide_password=False)

    # ---- faults; each lasts until heal() ----

    def heal(self) -> None:
        """Pass everything on again. Connections that have swallowed something stay deaf until their client goes."""
        self._call(self._heal)

    def refuse(self) -> None:
        """Refuse new connections."""
        self._call(lambda: self._receive("refuse"))

    def be_silent(self) -> None:
        """Accept new connections and never say a word."""
        self._call(lambda: self._receive("silent"))

    def lose_syns(self) -> None:
        """Leave attempts to connect unanswered, as a full backlog or a firewall does."""
        self._call(lambda: self._receive("lose"))

    def black_hole(self, *, existing: bool = True, new: bool = True, after_bytes: int = 0) -> None:
        """Swallow all bytes in both directions, each connection's from this number on; nothing is closed."""
        self._call(lambda: self._black_hole(existing, new, after_bytes))

    def freeze(self, seconds: float = inf) -> None:
        """Move nothing for that long; then all of it goes on and nothing is lost."""
        self._call(lambda: setattr(self._weather, "frozen_until", monotonic() + seconds))

    def delay(self, seconds: float) -> None:
        """Let every byte take that long, in each direction."""
        self._call(lambda: setattr(self._weather, "latency", seconds))

    def drip(self, seconds: float) -> None:
        """Give clients one byte at a time, with that pause between two."""
        self._call(lambda: setattr(self._weather, "drip", seconds))

    def lead_to(self, port: int) -> None:
        """Lead new connections to another server, as in a fail-over, for good; those that are open stay."""
        self._call(lambda: setattr(self, "_server", ("127.0.0.1", port)))

    def reset_all(self) -> int:
        """Send RST to all clients; return to how many."""
        return self._call(lambda: self._end_all(reset=True))

    def close_all(self) -> int:
        """Close all connections in order; return how many."""
        return self._call(lambda: self._end_all(reset=False))

    def cut(self, when: Cut, direction: Direction = "to server", *, number: int = 1, holding: bytes = b"") -> OneCut:
        """Cut one connection, once, at the n-th packet from now on (of those that hold these bytes)."""
        one = OneCut(direction, when, number, holding)
        self.watch(one)
        return one

    def watch(self, hook: Hook | None) -> None:
        """Let this see every packet before it goes on, in the proxy's thread, and say whether to cut."""
        self._call(lambda: setattr(self._weather, "hook", hook))

    # ---- counters ----

    def counts(self) -> Counts:
        """Return what has passed so far."""
        return self._call(self._weather.counts.copy)

    @contextmanager
    def counting(self) -> Iterator[Counts]:
        """Yield counts that hold, after the block, what passed during it."""
        before, during = self.counts(), Counts()
        yield during
        vars(during).update(vars(self.counts() - before))

    def stop(self) -> None:
        """Close everything, within a second."""
        if self._thread.is_alive():
            self._call(self._stop)
            self._thread.join(1)

    # ---- from here on all runs in the proxy's thread ----

    def _call(self, work: Callable[[], T]) -> T:
        if threading.current_thread() is self._thread:  # from a hook
            return work()
        done: Future[T] = Future()
        self._calls.append((work, done))
        with suppress(OSError):  # it has been rung often enough, or the call was heard without it and ended all
            self._bell.send(b"!")
        return done.result(10)

    def _run(self) -> None:
        self._watch_listener()
        while not self._is_stopped:
            for key, events in self._selector.select(self._seconds_to_wait()):
                key.data(events)
            answers = [self._answer(*self._calls.popleft()) for _ in range(len(self._calls))]
            for link in list(self._links):
                link.move_on()
                self._watch_link(link)
            self._watch_listener()
            for answer in answers:  # what was called for is done now, to the last socket
                answer()
        for left in (self._door, self._ear, self._bell, self._selector):
            left.close()

    def _answer(self, work: Callable[[], object], done: Future[Any]) -> Callable[[], None]:
        try:
            result = work()
        except Exception as error:
            return partial(done.set_exception, error)
        return partial(done.set_result, result)

    def _seconds_to_wait(self) -> float | None:
        if self._weather.is_frozen():
            due = self._weather.frozen_until
        else:
            due = min((way.due() for link in self._links for way in (link.up, link.down)), default=inf)
        return None if due == inf else max(0.0, due - monotonic())

    def _watch_listener(self) -> None:
        wanted = self._weather.arrivals in ("pass", "silent") and not self._weather.is_frozen()
        if wanted and not self._hears:
            self._selector.register(self._door.listener, READ, self._accept)
        elif self._hears and not wanted:
            self._selector.unregister(self._door.listener)
        self._hears = wanted

    def _watch_link(self, link: Link) -> None:
        is_frozen = self._weather.is_frozen()
        for here, there in ((link.up, link.down), (link.down, link.up)):
            wanted = 0 if here.has_ended or here.is_full() else READ
            wanted |= WRITE if there.is_blocked else 0
            self._watch(link, here, 0 if is_frozen or link.is_over else wanted, there)
        link.close_what_is_over()
        if link.is_over:
            self._links.discard(link)

    def _watch(self, link: Link, here: Stream, wanted: int, there: Stream) -> None:
        if here.watched == wanted:
            return

        def react(events: int) -> None:
            if events & WRITE:
                there.is_blocked = False
            if events & READ and not link.is_over:
                link.read(here)

        if here.watched:
            self._selector.unregister(here.source)
        if wanted:
            self._selector.register(here.source, wanted, react)
        here.watched = wanted

    def _accept(self, _: int) -> None:
        with suppress(BlockingIOError):
            client, _address = self._door.listener.accept()
            server = socket.socket()
            for end in (client, server):
                end.setblocking(False)
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            link = Link(next(self._numbers), client, server, self._weather, self._is_mysql)
            if self._weather.arrivals == "pass":
                server.connect_ex(self._server)
            self._links.add(link)

    def _receive(self, arrivals: Arrivals) -> None:
        if self._hears:
            self._selector.unregister(self._door.listener)
            self._hears = False
        self._weather.arrivals = arrivals
        self._door.treat(arrivals)

    def _black_hole(self, existing: bool, new: bool, after_bytes: int) -> None:
        self._weather.is_black, self._weather.hole = True, after_bytes if new else inf
        for link in self._links if existing else ():
            link.swallow_after(after_bytes)

    def _heal(self) -> None:
        if self._weather.arrivals != "pass":
            self._receive("pass")
        self._weather.clear_up()

    def _end_all(self, *, reset: bool) -> int:
        for link in self._links:
            link.end(reset=reset)
        return len(self._links)

    def _stop(self) -> None:
        self._is_stopped = True
        self._end_all(reset=False)
