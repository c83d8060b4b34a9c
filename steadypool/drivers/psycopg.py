"""psycopg 3, on libpq."""

import re
from collections.abc import Mapping
from typing import Any

from steadypool.core.classify import ErrorKind
from steadypool.drivers.opening import CONNECT_TIMEOUT_SECONDS
from steadypool.drivers.postgresql import PostgreSQL

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

    def is_in_transaction(self, connection: Any) -> bool:
        """Tell it by libpq's word; 0 is idle (PQTRANS_IDLE)."""
        libpq = getattr(connection, "pgconn", None)  # none where somebody has wrapped it
        return bool(getattr(libpq, "transaction_status", 0))
