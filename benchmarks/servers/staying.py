"""A worker of Gunicorn's whose thread waits a moment for its client's next request, in place of handing it back."""

from __future__ import annotations

import select
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

STAYS_MS = 2


class StayingWorker(ThreadWorker):  # type: ignore[misc] # it has no types
    """The loop is spared two changes of threads a request, as long as nobody waits for the thread."""

    def handle(self, conn: Any) -> Any:
        """Answer requests of one client until it pauses, somebody else waits, or the worker stops."""
        result = super().handle(conn)
        while result is True and self.alive and self.tpool._work_queue.empty() and _is_readable(conn.sock):
            result = super().handle(conn)
        return result


def _is_readable(sock: Any) -> bool:
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(STAYS_MS))
