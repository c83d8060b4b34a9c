"""What happens when the database cannot be reached: one thread finds out when it is back, all others stay away from it.

    closed ── a connect fails, or a call is overdue ──> suspect ── half a second of failed probes ──> open
       ^                                                   │                                           │
       └───────────────────────────── a probe succeeds ────┴───────────────────────────────────────────┘

While it is not closed nobody else connects, so a server that comes back is not met by a storm. Whoever is under way
waits for the probe within their deadline; whoever comes once it is open is refused at once. Idle connections are lent
nevertheless, as long as something answers: a server that is full or wants another password serves them well, and those
of one that went away are known to be closed. Only silence speaks against them, too.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from random import SystemRandom
from threading import Condition, Thread
from time import monotonic
from typing import Literal

from app.pool.deadline import Deadline
from app.pool.errors import DatabaseDownError, DatabaseMisconfiguredError
from app.pool.threads import start_thread

State = Literal["closed", "suspect", "open"]
Probe = Callable[[float], None]

OPEN_AFTER_SECONDS = 0.5
PAUSE_SECONDS = (0.02, 0.2)
"""The first pause between probes, and the longest: it doubles. With the patience below, a server that is back is
found within a second."""
PATIENCE_SECONDS = 0.5
MOST_PATIENCE_SECONDS = 3.0
"""As long as a connect may take at all."""
MISCONFIGURED_SECONDS = 1.0
"""The time between two tries of what cannot succeed before somebody changes something: each may be a handshake that
the server sees interrupted, and holds against our host."""
DICE = SystemRandom()  # without a state that a fork would share or that a test has seeded

log = logging.getLogger(__name__)


class Breaker:
    """Knows whether the database can be reached."""

    def __init__(self, clock: Callable[[], float] = monotonic, rest: Callable[[float], None] | None = None) -> None:
        self._clock = clock
        self._changed = Condition()
        self._rest = rest or self._wait
        self._since = self._opened = 0.0
        self._last_connect = 0.0
        self._given_up = False
        self._misconfigured, self._next_turn = "", 0.0
        self.probe: Probe | None = None
        """Makes a connection within so many seconds, and closes it; raises if it cannot."""
        self.state: State = "closed"
        self.silent = False
        """Whether the last probe had no answer at all."""
        self.probes = 0

    def admit(self, deadline: Deadline | None) -> None:
        """Refuse, with DatabaseDownError, whoever came after it opened."""
        if self.state == "open" and (deadline is None or deadline.started >= self._opened):
            raise DatabaseDownError(f"no connection could be made for {self._clock() - self._since:.1f} s")

    def wait(self, seconds: float) -> None:
        """Return at once while it is closed, else as soon as it is again; raise DatabaseDownError after so long."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.state == "closed" or self._given_up, timeout=seconds):
                raise DatabaseDownError(f"no connection could be made within {seconds:.1f} s")

    def take_turn(self) -> None:
        """Let one try in a second where the last one showed that the driver cannot connect as it is set up.

        Raises DatabaseMisconfiguredError for all others.
        """
        with self._changed:
            if self._misconfigured and self._clock() < self._next_turn:
                raise DatabaseMisconfiguredError(self._misconfigured)
            self._next_turn = self._clock() + MISCONFIGURED_SECONDS

    def connected(self, seconds: float) -> None:
        """Note how long a connect took: a probe must have the patience for it."""
        self._last_connect, self._misconfigured = seconds, ""

    def suspect(self, error: BaseException | str) -> None:
        """Begin to probe, unless that is being done, or cannot help."""
        if isinstance(error, DatabaseMisconfiguredError):
            self._note_misconfigured(error)
            return
        with self._changed:
            self._misconfigured = ""
            if self.state != "closed" or self.probe is None or self._given_up:
                return
            self._since = self._clock()
            try:
                start_thread("database-probe", self._run, self.probe)
            except RuntimeError:
                return  # no more threads: whoever fails next tries again
            self.state = "suspect"
        log.warning("database suspect: %s", error)

    def _note_misconfigured(self, error: DatabaseMisconfiguredError) -> None:
        with self._changed:
            is_known, self._misconfigured = str(error) == self._misconfigured, str(error)
            self._next_turn = self._clock() + MISCONFIGURED_SECONDS
        if not is_known:
            log.error("database misconfigured: %s", error)

    def retire(self) -> None:
        """Stop probing: the pool is closed."""
        with self._changed:
            self._given_up = True
            self._changed.notify_all()

    def _run(self, probe: Probe) -> None:
        shortest, longest = PAUSE_SECONDS
        pause, patient = shortest, _PatientProbe(probe)
        while not (self._given_up or patient.has_succeeded):
            self.probes += 1
            began, patience = self._clock(), max(PATIENCE_SECONDS, 2 * self._last_connect)
            try:
                probe(patience)
            except DatabaseMisconfiguredError as error:
                self._note_misconfigured(error)
                break
            except Exception as error:
                self.silent = self._clock() - began >= patience
                if self.silent:
                    patient.go_on()
                if self.state == "suspect" and self._clock() - self._since >= OPEN_AFTER_SECONDS:
                    self.state, self._opened = "open", self._clock()
                    log.error("database down: %s", error)
            else:
                break
            # Jitter, so that many processes do not knock in step.
            self._rest(pause * DICE.uniform(0.5, 1))
            pause = min(2 * pause, longest)
        with self._changed:
            if self.state == "open" and not self._misconfigured:
                log.warning("database back after %.1f s", self._clock() - self._since)
            self.state, self.silent = "closed", False
            self._changed.notify_all()

    def _wait(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._given_up, timeout=seconds)


class _PatientProbe:
    """A second probe beside those that soon give up: for a server that answers, but slower than it ever did before."""

    def __init__(self, probe: Probe) -> None:
        self._probe = probe
        self._thread: Thread | None = None
        self.has_succeeded = False

    def go_on(self) -> None:
        """Try, unless that is being done."""
        if self._thread is None or not self._thread.is_alive():
            with suppress(RuntimeError):  # no more threads
                self._thread = start_thread("database-probe", self._try)

    def _try(self) -> None:
        with suppress(Exception):
            self._probe(MOST_PATIENCE_SECONDS)
            self.has_succeeded = True
