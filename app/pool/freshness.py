"""Is this idle connection still good, and how long is it to live?"""

import random

from sqlalchemy import Dialect
from sqlalchemy.engine.interfaces import DBAPIConnection

from app.pool.loan import Link

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
    return longest * (1 - JITTER * random.random())  # noqa: S311 -- no secret


def is_stale(link: Link) -> bool:
    """Tell without a round trip whether the server, or something on the way, has closed an idle connection."""
    return link.wire is not None and not link.wire.is_quiet()


def answers(link: Link, connection: DBAPIConnection, dialect: Dialect, ping_after: float, now: float) -> bool:
    """Tell whether it can be used: what idled for long is pinged, since firewalls drop connections without a word."""
    if link.wire is not None and now - link.used <= ping_after:
        return True
    try:
        return bool(dialect.do_ping(connection))
    except dialect.loaded_dbapi.Error:
        return False
