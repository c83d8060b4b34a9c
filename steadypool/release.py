"""How a connection comes back: kept if it is good and nothing is left on it, else closed; the next gets its permit."""

import logging
from time import monotonic
from typing import Any

from sqlalchemy.pool import ConnectionPoolEntry

from steadypool.core import leaks
from steadypool.core.connection import Use
from steadypool.core.stats import CloseReason, Stats
from steadypool.drivers import Driver
from steadypool.entry import Entry
from steadypool.forking import disown
from steadypool.surface import Surface

log = logging.getLogger(__name__)


class Releasing(Surface):
    """Takes connections back, in the way of `sqlalchemy.Pool`."""

    stats: Stats
    driver: Driver

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        entry: Any = record
        use: Use | None = entry.use
        if entry.stats is not self.stats:
            disown([entry], self.driver)  # lent before the fork
            return
        if use is None:
            return  # it could not be made, or was taken back before
        try:
            now = monotonic()
            reason = self._why_not_kept(entry, use, now)
            if reason or not self.slots.give_back(entry, now):
                self._close(entry, reason or ("overdue" if use.overdue else "surplus"))
                self.slots.leave(entry, use)
            if use.reported:
                leaks.report_return(use, now)
        except BaseException:
            self._settle(use, "error")
            raise

    def _why_not_kept(self, entry: Entry, use: Use, now: float) -> CloseReason | None:
        if entry.dbapi_connection is None:
            return "detached"  # unless it was closed after an error, and counted then
        if use.granted is None:
            return "error"
        if use.proxy is not None and use.proxy() is None:  # nobody returned it; the garbage collector found it
            self.slots.note_dropped(use)
            return "dropped"
        if use.overdue:
            return "overdue"
        if use.unfinished:
            return "error"
        if use.changed:
            return "changed"
        if use.proxy is not None and self.driver.is_in_transaction(entry.dbapi_connection):
            return "changed"  # by a cursor of the driver's, past SQLAlchemy: the next COMMIT would keep it
        return entry.condemned or ("expired" if now >= entry.expires else None)

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
