"""psycopg 3, on libpq."""

from collections.abc import Mapping
from typing import Any

from steadypool.drivers.opening import CONNECT_TIMEOUT_SECONDS
from steadypool.drivers.postgresql import PostgreSQL

MODES = {"off": "disable", "prefer": "prefer", "require": "require", "verify": "verify-full"}


class Psycopg(PostgreSQL):
    """postgresql+psycopg."""

    module = "psycopg"

    def connect_arguments(self, query: Mapping[str, Any]) -> dict[str, Any]:
        """Return it with the limit for statements behind what the URL says in `options`."""
        options = {"options": f"{query.get('options', '')} {self.statement_timeout}".strip()}
        root = str(self.policy.tls_ca) if self.policy.tls_ca else "system"
        return {
            "connect_timeout": CONNECT_TIMEOUT_SECONDS,
            # A statement that is prepared on its sixth run costs one more round trip, and fails behind PgBouncer.
            "prepare_threshold": None,
            **({} if self.role == "migration" else options),
            # Otherwise that of the database, which may lack a character that somebody asks for: the driver would fail.
            "client_encoding": "utf8",
            "sslmode": MODES[self.policy.tls],
            **({"sslrootcert": root} if self.policy.tls == "verify" else {}),
        }

    def is_in_transaction(self, connection: Any) -> bool:
        """Tell it by libpq's word; 0 is idle (PQTRANS_IDLE)."""
        libpq = getattr(connection, "pgconn", None)  # none where somebody has wrapped it
        return bool(getattr(libpq, "transaction_status", 0))
