"""What happens when the database cannot be reached: one thread finds out when it is back, all others stay away from it.

    closed ── a connect fails, or a call is overdue ─> half-open ─ half a second of failed probes ──> open
       ^                                                   │                                           │
       └───────────────────────────── a probe succeeds ────┴───────────────────────────────────────────┘

While it is not closed nobody else connects, so a server that comes back is not met by a storm. Whoever is under way
waits for the probe within their deadline; whoever comes once it is open is refused at once. Idle connections are lent
nevertheless, as long as something answers: a server that is full or wants another password serves them well, and those
of one that went away are known to be closed. Only silence speaks against them, too.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from math import inf
from random import SystemRandom
from threading import Condition, RLock
from time import monotonic
from types import MappingProxyType
from typing import Literal

from steadypool.core.deadline import Deadline
from steadypool.core.errors import DatabaseDownError, DatabaseMisconfiguredError
from steadypool.core.knock import (
    HELD,
    PATIENCE_SECONDS,
    PAUSE_SECONDS,
    QUICK_SECONDS,
    Attempt,
    Knock,
    held_seconds,
    spacing_seconds,
)
from steadypool.core.threads import start_thread

State = Literal["closed", "half-open", "open"]
OPEN_AFTER_SECONDS = 0.5
MOST_KNOCKS = 2 * HELD
"""Where somebody's own creator has no end, probes must have one."""
MISCONFIGURED_SECONDS = 1.0
"""The time between two tries of what cannot succeed before somebody changes something: each may be a handshake that
the server sees interrupted, and holds against our host."""
DICE = SystemRandom()  # without a state that a fork would share or that a test has seeded

Rest = Callable[[float, Sequence[Knock]], None]

log = logging.getLogger(__name__)


class Breaker:
    """Knows whether the database can be reached; each pool has one."""

    def __init__(
        self,
        clock: Callable[[], float] = monotonic,
        rest: Rest | None = None,
        told: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._clock = clock
        self._log = logging.LoggerAdapter(log, told)
        self._why = "nobody knows why"
        # To enter a Condition is Python code, in which an exception from outside would keep the lock for good.
        self._lock = RLock()
        self._changed = Condition(self._lock)
        self._rest = rest or (lambda seconds, knocks: self._await(knocks, seconds))
        self._since = self._opened = 0.0
        self._last_connect = 0.0
        self._given_up = False
        self.answered = -inf
        """When (by the clock) a connect or a probe last succeeded."""
        self._misconfigured, self._next_turn, self._knocks = "", 0.0, tuple[Knock, ...]()
        self.probe: Attempt | None = None
        """Makes a connection and closes it; raises if it cannot."""
        self.state: State = "closed"
        self.silent = False
        """Whether the last probe had no answer at all."""
        self.probes = 0

    def admit(self, deadline: Deadline | None) -> None:
        """Refuse, with DatabaseDownError, whoever came after it opened."""
        if self.state == "open" and (deadline is None or deadline.started >= self._opened):
            raise DatabaseDownError(f"no connection could be made for {self._clock() - self._since:.1f} s: {self._why}")

    def wait(self, seconds: float) -> None:
        """Return at once while it is closed, else as soon as it is again; raise DatabaseDownError after so long."""
        with self._lock:
            if not self._changed.wait_for(lambda: self.state == "closed" or self._given_up, timeout=seconds):
                raise DatabaseDownError(f"no connection could be made within {seconds:.1f} s: {self._why}")

    def take_turn(self) -> None:
        """Let one try in a second where the last one showed that the driver cannot connect as it is set up.

        Raises DatabaseMisconfiguredError for all others.
        """
        with self._lock:
            if self._misconfigured and self._clock() < self._next_turn:
                raise DatabaseMisconfiguredError(self._misconfigured)
            self._next_turn = self._clock() + MISCONFIGURED_SECONDS

    def connected(self, seconds: float) -> None:
        """Note how long a connect took: a probe must have the patience for it."""
        self._last_connect, self._misconfigured, self.answered = seconds, "", self._clock()

    def trip(self, error: BaseException | str) -> None:
        """Begin to probe, unless that is being done, or cannot help."""
        if isinstance(error, DatabaseMisconfiguredError):
            self._note_misconfigured(error)
            return
        with self._lock:
            self._misconfigured = ""
            if self.state != "closed" or self.probe is None or self._given_up:
                return
            self._since, self._why = self._clock(), str(error).partition("\n")[0]
            try:
                start_thread("database-probe", self._run, self.probe)
            except RuntimeError:
                return  # no more threads: whoever fails next tries again
            self.state = "half-open"
        self._log.warning("circuit breaker half-open: %s", self._why)

    def end_overdue(self, now: float) -> None:
        """End the probes whose time is over."""
        for knock in self._knocks:
            if not knock.is_over:
                knock.end_if_due(now)

    def _note_misconfigured(self, error: DatabaseMisconfiguredError) -> None:
        with self._lock:
            is_known, self._misconfigured = str(error) == self._misconfigured, str(error)
            self._next_turn = self._clock() + MISCONFIGURED_SECONDS
        if not is_known:
            self._log.error("database misconfigured: %s", error)

    def retire(self) -> None:
        """Stop probing: the pool is closed."""
        with self._lock:
            self._given_up = True
            self._changed.notify_all()

    def resume(self) -> None:
        """Probe again when need be: the pool is used though it was closed."""
        self._given_up = False

    def _run(self, probe: Attempt) -> None:
        shortest, longest = PAUSE_SECONDS
        knocks, pause, unanswered = list[Knock](), shortest, 0
        while not (self._given_up or any(knock.has_succeeded for knock in knocks)):
            patience = max(PATIENCE_SECONDS, 2 * self._last_connect)
            if len(knocks) < MOST_KNOCKS:
                self.probes += 1
                knocks.append(Knock(probe, patience, held_seconds(unanswered), self._clock, self._tell))
                self._knocks = tuple(knocks)
            self._await(knocks, patience)
            answers = [knock.error for knock in knocks if knock.is_answered]
            if wrong := [knock.error for knock in knocks if isinstance(knock.error, DatabaseMisconfiguredError)]:
                self._note_misconfigured(wrong[0])
                break
            if any(knock.has_succeeded for knock in knocks):
                self.answered = self._clock()
                break
            self.silent = not answers
            self._why = str(answers[0] if answers else f"no answer within {patience:.1f} s").partition("\n")[0]
            unanswered = unanswered + 1 if self.silent and knocks[-1].has_arrived() else 0
            if self.state == "half-open" and self._clock() - self._since >= OPEN_AFTER_SECONDS:
                self._opened = self._clock()  # first: whoever is under way compares with it
                self.state = "open"
                self._log.error("circuit breaker open: %s", self._why)
            knocks = [knock for knock in knocks if not knock.is_over]
            # Jitter, so that many processes do not knock in step.
            self._rest(max(pause * DICE.uniform(0.5, 1), spacing_seconds(unanswered) - QUICK_SECONDS), knocks)
            pause = min(2 * pause, longest)
        self._close(knocks)

    def _close(self, knocks: list[Knock]) -> None:
        with self._lock:
            if self.state == "open" and not self._misconfigured:
                self._log.warning("circuit breaker closed after %.1f s", self._clock() - self._since)
            self.state, self.silent = "closed", False
            self._changed.notify_all()
        for knock in knocks:
            # A server that goes on answers those that wait as well; what is still silent then has been lost on the way.
            knock.end_within(0 if self._given_up else PATIENCE_SECONDS)

    def _tell(self) -> None:
        with self._lock:
            self._changed.notify_all()

    def _await(self, knocks: Sequence[Knock], seconds: float) -> None:
        with self._lock:
            self._changed.wait_for(lambda: self._given_up or any(knock.has_news for knock in knocks), timeout=seconds)
