"""Is this idle connection still good, and how long is it to live?"""

from random import SystemRandom
from time import monotonic
from typing import Any

from sqlalchemy import Dialect
from sqlalchemy.engine.interfaces import DBAPIConnection

from steadypool.core.loan import Link, Loan
from steadypool.core.stats import CloseReason
from steadypool.core.wire import Record

DICE = SystemRandom()  # without a state that a fork would share or that a test has seeded
JITTER = 0.1
MARGIN_SECONDS = 2.0
"""The housekeeping comes once a second."""
IDLE_SECONDS = 60.0
"""How long a connection may be unused before it is let go, all but one. Reuse is last in, first out: what stays
unused for a minute is not needed."""


def lifetime(recycle: float, wait_timeout: float | None) -> float:
    """Return for how many seconds a new connection may be used.

    Shorter than the server waits for an idle client, so that it is us who say goodbye. Jitter only
    shortens: a connection that outlived
    `wait_timeout` would be found dead by a user instead of by us; and what was opened in one second does not
    end in one.
    """
    longest = min(recycle, max(wait_timeout - MARGIN_SECONDS, wait_timeout / 2)) if wait_timeout else recycle
    return longest * (1 - JITTER * DICE.random())


class Freshness:
    """Says why a connection is not to be used, or not to be kept."""

    def __init__(self, dialect: Dialect, *, pre_ping: bool, ping_after: float) -> None:
        self._dialect, self._pre_ping, self._ping_after = dialect, pre_ping, ping_after
        self._doomed_before = 0.0

    def doom(self) -> None:
        """Have no connection used again that was opened before now: the server goes away, or takes no writes."""
        self._doomed_before = monotonic()

    def why_over(self, record: Record, now: float) -> CloseReason | None:
        """Return why its life is over, if it is."""
        link: Link = record.info["link"]
        if now >= link.expires:
            return "expired"
        if link.opened < self._doomed_before:
            return "doomed"
        # SQLAlchemy's mark of `invalidate(soft=True)`, by its own comparison; it looks only where it hands out a proxy.
        marked: Any = record
        return "error" if marked._soft_invalidate_time > marked.starttime else None

    def why_unfit(self, record: Record, loan: Loan) -> CloseReason | None:
        """Return why an idle connection cannot be lent, if it cannot; costs a round trip only after long idling."""
        link: Link = record.info["link"]
        connection, now = record.dbapi_connection, monotonic()
        if connection is None:
            return "error"
        loan.wire = link.wire
        if (reason := self.why_over(record, now)) or not self._pre_ping:
            return reason
        loan.call_began = now  # a ping is watched like a statement
        return None if not _is_stale(link) and self._answers(link, connection, now, loan) else "stale"

    def why_unneeded(self, now: float, record: Record, more: bool) -> CloseReason | None:
        """Return why an idle connection may go, if it may; the last one is kept as long as it is good."""
        link: Link = record.info["link"]
        if _is_stale(link):
            return "stale"
        return "idle" if more and now - link.used > IDLE_SECONDS else self.why_over(record, now)

    def _answers(self, link: Link, connection: DBAPIConnection, now: float, loan: Loan) -> bool:
        # What idled for long is pinged: firewalls drop connections without a word. So is what shows no socket.
        if link.wire is not None and now - link.used <= self._ping_after:
            return True
        try:
            return bool(self._dialect.do_ping(connection))
        except self._dialect.loaded_dbapi.Error:
            return False
        finally:
            loan.end_call()


def _is_stale(link: Link) -> bool:
    """Tell without a round trip whether the server, or something on the way, has closed an idle connection."""
    return link.wire is not None and not link.wire.is_quiet()
