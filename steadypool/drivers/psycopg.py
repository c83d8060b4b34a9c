"""psycopg 3, on libpq."""

import re
import select
from collections.abc import Mapping
from functools import partial
from typing import Any

from steadypool.core import deadline
from steadypool.core.classify import ErrorKind
from steadypool.drivers.driver import Greeting
from steadypool.drivers.opening import CONNECT_TIMEOUT_SECONDS
from steadypool.drivers.postgresql import PostgreSQL

PGRES_POLLING_READING, PGRES_POLLING_WRITING, PGRES_POLLING_OK = 1, 2, 3
EVENTS = {PGRES_POLLING_READING: select.POLLIN, PGRES_POLLING_WRITING: select.POLLOUT}
"""What libpq waits for."""
MODES = {"off": "disable", "require": "require", "verify": "verify-full"}


class Psycopg(PostgreSQL):
    """postgresql+psycopg."""

    module = "psycopg"
    tls_words = re.compile("sslmode|sslrootcert")  # a client's own certificate goes with any of them
    joins = frozenset({"options"})

    @classmethod
    def kind(cls, error: BaseException) -> ErrorKind:
        """Return it by the words as well: where poll() tells of the socket's end alone, no code comes with them.

        And the driver takes that connection for an open one (psycopg 3.3.9, waiting.py).
        """
        is_dead = cls.code(error) is None and "connection socket closed" in str(error)
        return ErrorKind.CONNECTION_DEAD if is_dead else super().kind(error)

    def connect_arguments(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """Return it with the limit for statements behind what is said in `options`."""
        options = {"options": f"{said.get('options', '')} {self.statement_timeout}".strip()}
        name = self.policy.application_name
        return {
            # libpq's word for one that counts where nobody has said another, in its environment as well.
            **({"fallback_application_name": name} if name else {}),
            "connect_timeout": CONNECT_TIMEOUT_SECONDS,
            # A statement that is prepared on its sixth run costs one more round trip, and fails behind PgBouncer.
            "prepare_threshold": None,
            **({} if self.role == "migration" else options),
            # Otherwise that of the database, which may lack a character that somebody asks for: the driver would fail.
            "client_encoding": "utf8",
        }

    def tls_arguments(self) -> dict[str, Any]:
        """Return nothing for `prefer`: libpq does so by itself, unless its environment or service file wants more."""
        root = str(self.policy.tls_ca) if self.policy.tls_ca else "system"
        mode = {} if self.policy.tls == "prefer" else {"sslmode": MODES[self.policy.tls]}
        return mode | ({"sslrootcert": root} if self.policy.tls == "verify" else {})

    def introduce(self, connection: Any, *, is_mariadb: bool) -> Greeting:
        """Return what cancels its statements, made now: while somebody closes it, that would be too late."""
        try:
            return Greeting(session=partial(_cancel, connection.pgconn.cancel_conn()))
        except Exception:  # wrapped by somebody, or a libpq before 17: its older way would stop all of our threads
            return Greeting()

    def position(self, connection: Any, *, is_mariadb: bool) -> str | None:
        """Return where the log is written next: with `synchronous_commit=off` a COMMIT is answered before that."""
        was = connection.autocommit
        connection.autocommit = True  # which sends nothing; else a BEGIN would be sent before
        try:
            (position,) = connection.execute("SELECT pg_current_wal_insert_lsn()::text").fetchone()
        finally:
            connection.autocommit = was
        return str(position)

    def is_in_transaction(self, connection: Any) -> bool:
        """Tell it by libpq's word; 0 is idle (PQTRANS_IDLE)."""
        libpq = getattr(connection, "pgconn", None)  # none where somebody has wrapped it
        return bool(getattr(libpq, "transaction_status", 0))


def _cancel(request: Any) -> None:
    """Send libpq's request, which is encrypted as its connection was, and wait until the server has heard it.

    Not by the call that waits itself: that would keep Python's lock (the GIL) all the time.
    """
    request.reset()  # from an earlier try
    request.start()
    while (wants := request.poll()) != PGRES_POLLING_OK:
        if wants not in EVENTS or deadline.is_over():
            raise OSError(f"a cancel request failed: {request.get_error_message()}")
        waiting = select.poll()
        waiting.register(request.socket, EVENTS[wants])
        waiting.poll(1000 * deadline.seconds_for(CONNECT_TIMEOUT_SECONDS))
