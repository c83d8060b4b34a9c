"""What all drivers of PostgreSQL share."""

import re
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from steadypool.core.classify import ErrorKind
from steadypool.core.policy import PoolPolicy
from steadypool.drivers.driver import WITHOUT_CODE, Driver, Role

# Appendix A, SQLSTATE
KINDS: dict[int | str, ErrorKind] = {
    "08000": ErrorKind.CONNECTION_DEAD,  # and the proxies before it: connection exception
    "08003": ErrorKind.CONNECTION_DEAD,  # … does not exist
    "08006": ErrorKind.CONNECTION_DEAD,  # … failure
    "08007": ErrorKind.CONNECTION_DEAD,  # … and nobody knows what became of the transaction
    "08P01": ErrorKind.CONNECTION_DEAD,  # … protocol violation: what PgBouncer says of all that goes wrong with it
    "40003": ErrorKind.CONNECTION_DEAD,  # statement completion unknown; CockroachDB: of COMMIT as well
    "57P04": ErrorKind.CONNECTION_DEAD,  # the database was dropped
    "57P05": ErrorKind.CONNECTION_DEAD,  # 14: idle_session_timeout
    "25P03": ErrorKind.CONNECTION_DEAD,  # idle_in_transaction_session_timeout
    "25P04": ErrorKind.CONNECTION_DEAD,  # 17: transaction_timeout
    "57P01": ErrorKind.ALL_DEAD,  # admin shutdown (pg_terminate_backend says so too)
    "57P02": ErrorKind.ALL_DEAD,  # crash of another session
    "57P03": ErrorKind.ALL_DEAD,  # starting up or shutting down
    "25006": ErrorKind.READ_ONLY,  # a standby
    "40001": ErrorKind.TRY_AGAIN,  # serialization failure
    "40P01": ErrorKind.TRY_AGAIN,  # deadlock
    "55P03": ErrorKind.TRY_AGAIN,  # lock_timeout
    "57014": ErrorKind.TIMED_OUT,  # statement_timeout, pg_cancel_backend
    "42501": ErrorKind.DENIED,  # insufficient privilege
    "53300": ErrorKind.FULL,  # max_connections, or the limit of a role or database
}

REFUSES_OPTION_IN_WORDS = re.compile(
    r"unrecognized configuration parameter|invalid value for parameter|invalid command-line argument"
    r"|parameter .* cannot be (set|changed)|permission denied to set parameter|requires a Boolean value"
    r"|channel binding (is )?required|authentication method requirement|could not parse network address"
)
"""How PostgreSQL and libpq refuse an option: while connecting there is no SQLSTATE."""

REFUSES_LOGIN = frozenset({"28P01", "28000"})
"""Invalid password; invalid authorization specification."""
REFUSES_LOGIN_IN_WORDS = re.compile(
    r"FATAL: +(\S+ authentication failed|no pg_hba\.conf entry|pg_hba\.conf rejects"
    r"|role .* (does not exist|is not permitted to log in))"
)
"""The same, as libpq passes it on."""

TIMES = 3
"""How often a cancel request is sent."""


class PostgreSQL(Driver):
    """PostgreSQL, which is told of its limits in the connection's start-up packet."""

    kinds = KINDS
    login_codes = REFUSES_LOGIN

    def __init__(self, policy: PoolPolicy, role: Role) -> None:
        super().__init__(policy, role)
        self._sent: Counter[Any] = Counter()

    @property
    def statement_timeout(self) -> str:
        """The server's own limit for a statement, as one of its command-line options."""
        return f"-c statement_timeout={self.policy.statement_seconds * 1000:.0f}"

    def end(self, sessions: list[Any], connect: Callable[[], Any]) -> None:
        """Send a cancel request for each: what a driver makes a session of does so.

        It bears the key that the server gave that connection alone, so no other server heeds it; and it needs neither a
        login nor one of the server's connections. There is no answer to it, and one that comes before the statement,
        which may still be on its way, is passed over: so it is sent in three tries.
        """
        for cancel in list(sessions):
            with suppress(Exception):  # the next one may be heard
                cancel()
                self._sent[cancel] += 1
            if self._sent[cancel] == TIMES:
                del self._sent[cancel]
                sessions.remove(cancel)

    def reached(self, position: str, seconds: float, *, is_mariadb: bool) -> tuple[str, tuple[Any, ...]]:
        """Return what tells it at once: there is no statement that waits."""
        return "SELECT NOT pg_is_in_recovery() OR pg_last_wal_replay_lsn() >= %s::pg_lsn", (position,)

    def refuses_option(self, dbapi: Any, error: Exception) -> bool:
        """Tell it by the words as well."""
        by_words = self.code(error) in WITHOUT_CODE and REFUSES_OPTION_IN_WORDS.search(str(error)) is not None
        return by_words or super().refuses_option(dbapi, error)

    def refuses_login(self, error: Exception) -> bool:
        """Tell it by the words as well."""
        by_words = self.code(error) in WITHOUT_CODE and REFUSES_LOGIN_IN_WORDS.search(str(error)) is not None
        return by_words or super().refuses_login(error)
