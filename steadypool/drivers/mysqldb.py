"""mysqlclient, in C on the server's own library."""

import math
from collections.abc import Mapping
from typing import Any

from steadypool.drivers.mysql import MySQL
from steadypool.drivers.opening import CONNECT_TIMEOUT_SECONDS

READ_TIMEOUT_SECONDS = 30
"""How long it waits for each piece of an answer where no deadline is set, as in commands."""
MODES = {"off": "DISABLED", "prefer": "PREFERRED", "require": "REQUIRED", "verify": "VERIFY_IDENTITY"}


class MySQLdb(MySQL):
    """mysql+mysqldb and mariadb+mysqldb."""

    module = "MySQLdb"

    def connect_arguments(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """Return it without an end for a migration: that may rebuild a table for hours, while somebody watches."""
        silence = max(READ_TIMEOUT_SECONDS, math.ceil(self.policy.deadline_seconds))
        return {
            "charset": "utf8mb4",
            "autocommit": self.role == "reader",
            "connect_timeout": CONNECT_TIMEOUT_SECONDS,
            "read_timeout": 0 if self.role == "migration" else silence,
        }

    def tls_arguments(self) -> dict[str, Any]:
        """Return the mode; of these words MariaDB's library, which it may be built on, knows but some."""
        ca = self.policy.tls_ca
        return {"ssl_mode": MODES[self.policy.tls]} | ({"ssl": {"ca": str(ca)}} if ca else {})
