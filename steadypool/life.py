"""How a pool changes its size, ends, begins anew and is looked after; how one of its connections is closed."""

import logging
from collections import deque
from dataclasses import replace
from time import monotonic
from typing import Any, Self

from sqlalchemy import PoolProxiedConnection

from steadypool.core.connection import Use
from steadypool.core.housekeeping import watch_over
from steadypool.core.policy import PoolPolicy
from steadypool.core.rounds import Rounds
from steadypool.core.stats import CloseReason, Stats
from steadypool.entry import Entry
from steadypool.forking import disown
from steadypool.surface import Surface

log = logging.getLogger(__name__)

_ending: "set[Life]" = set()
"""Pools that were disposed of and have something left: nobody else has them, and it is to come back or to be closed."""


class Life(Surface):
    """The part of a pool that has nothing to do with acquire and release."""

    rounds: Rounds[Entry]
    longest_call_seconds: float
    policy: PoolPolicy
    max_overflow: int
    _is_awake: bool
    _is_disposed: bool
    _is_bare: bool
    """Whether nobody watches its statements: it was not made by `create_pool_engine`."""
    came_back: deque[Entry]
    """What was released in the middle of something else."""
    _made_with: dict[str, Any]

    def _begin(self, stats: Stats) -> None:
        raise NotImplementedError

    def _settle(self, use: Use, reason: CloseReason) -> bool:
        """Close what a use still has and give its permit to others; to do so twice, or too late, does no harm.

        Tell whether it had a connection.
        """
        entry = self.slots.claim(use)
        if entry is None:
            return False
        was_made = entry.state != "connecting"
        self._close(entry, reason)
        self.slots.leave(entry, use)
        return was_made

    def _close(self, entry: Entry, reason: CloseReason) -> None:
        """Close with a goodbye: the server counts a connection that just vanishes among its Aborted_clients."""
        entry.end(reason)
        try:
            entry.close()
        except Exception:  # not the driver's, which SQLAlchemy logs
            log.exception("a listener failed while a connection was being closed")

    def _invalidate(
        self, connection: PoolProxiedConnection, exception: BaseException | None = None, _checkin: bool = True
    ) -> None:
        """Have no connection used again that is as old as this one: a listener, or SQLAlchemy, says so."""
        before = self._invalidate_time
        super()._invalidate(connection, exception, _checkin)
        if self._invalidate_time != before:
            self.slots.condemn()

    def drain(self) -> None:
        """Have new connections made: idle ones are closed now, those in use, or being made, when they come back.

        For a database node that is to be left, or new credentials. Nobody waits, and nobody's work is ended.
        """
        self.slots.condemn("drained", unmade=True)
        for entry, reason in self.slots.evict(lambda idle, _: idle.condemned):
            self._close(entry, reason)

    def resize(self, size: int, max_overflow: int = 0) -> None:
        """Keep so many connections from now on, and lend so many more; raise ValueError for what makes no sense.

        Threads that wait are served where there are more; where there are fewer, idle ones are closed now, and those
        in use as they come back. It holds for what `Engine.dispose` puts in this pool's place as well.
        """
        if not self.pool_size:
            raise ValueError("a pool that keeps none, or any number, has no size to change")
        replace(self.policy, size=size, max_overflow=max_overflow)  # refuses what it would refuse there
        self.pool_size, self.max_overflow = size, max_overflow
        self._made_with |= {"pool_size": size, "max_overflow": max_overflow}
        self.slots.resize(permits=size + max_overflow, kept=size)
        for entry in self.slots.surplus():
            self._close(entry, "surplus")

    def dispose(self) -> None:
        """Close what is idle; what is lent is closed when it comes back. Whoever uses it again finds it empty."""
        self._is_disposed = True
        _ending.add(self)
        self.breaker.retire()
        self.slots.count()
        self.slots.condemn("disposed")
        try:
            for entry in self.slots.close():
                self._close(entry, "disposed")
        finally:
            self._is_awake = False

    def wake(self) -> None:
        """Begin: at the first use, in a process of its own, and where a pool that was disposed of is used again."""
        self._is_awake = True  # first: whoever disposes of it meanwhile has it woken again
        if self._is_disposed:
            _ending.add(self)
        watch_over(self)
        self.breaker.resume()
        self.slots.open_again()

    def recreate(self) -> Self:
        """Return a new pool with the same settings and listeners, which goes on counting where this one is."""
        new = self.__class__(
            self._creator,
            dialect=self._dialect,
            echo=self.echo,
            logging_name=self._orig_logging_name,
            reset_on_return=self._reset_on_return,
            _dispatch=self.dispatch,
            **self._made_with,
        )
        new._is_bare = self._is_bare
        new._begin(self.stats)
        new.breaker.probes = self.breaker.probes
        if not self._is_disposed:  # `Engine.dispose(close=False)`: what it has is nobody's any more who counts
            for entry in self.slots.all():
                self.stats.note_closed(entry, "detached", monotonic())
        return new

    def forget_parent(self) -> None:
        """Begin anew in a child process: two processes on one connection would read each other's answers."""
        left = self.slots.left_behind()
        self._begin(Stats())
        disown(left, self.driver)

    def patrol(self, now: float) -> None:
        """Look after all connections once; the housekeeping calls."""
        while self.came_back:
            self._do_return_conn(self.came_back.popleft())
        if self._is_disposed and not (self.slots.all() or self.came_back):
            _ending.discard(self)
        # Whoever was about to use a pool when it was disposed of may leave one in it, and nobody know of that any more.
        self.rounds.go(now, self.longest_call_seconds, keeps=not self._is_disposed)
