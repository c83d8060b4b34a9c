"""MySQL's Connector/Python, the part in Python: its extension wants to be built against the server's own library."""

import math
from collections.abc import Mapping
from typing import Any

from steadypool.drivers.driver import WITHOUT_CODE
from steadypool.drivers.mysql import MySQL
from steadypool.drivers.opening import CONNECT_TIMEOUT_SECONDS


class MySQLConnector(MySQL):
    """mysql+mysqlconnector and mariadb+mysqlconnector."""

    module = "mysql"

    def connect_arguments(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """Return it with limits of its own: it shows no socket that could be cut, so a silent server is left by it."""
        silence = None if self.role == "migration" else math.ceil(self.policy.deadline_seconds)
        return {
            "use_pure": True,
            "conn_attrs": {"program_name": self.policy.application_name} if self.policy.application_name else {},
            "connection_timeout": CONNECT_TIMEOUT_SECONDS,
            "read_timeout": silence,
            "write_timeout": silence,
        }

    def tls_arguments(self) -> dict[str, Any]:
        """Return them; it has none for `require`, which is why that is looked at."""
        verify = {"ssl_verify_cert": True, "ssl_verify_identity": True} if self.policy.tls == "verify" else {}
        ca = {"ssl_ca": str(self.policy.tls_ca)} if self.policy.tls_ca else {}
        return {"ssl_disabled": self.policy.tls == "off", **verify, **ca}

    def is_in_transaction(self, connection: Any) -> bool:
        """Tell it by the driver's word."""
        return bool(getattr(connection, "in_transaction", False))

    def refuses_option(self, dbapi: Any, error: Exception) -> bool:
        """Tell it by what is an InternalError here alone; PyMySQL's are broken packets."""
        if isinstance(error, dbapi.InternalError):
            return self.code(error) in WITHOUT_CODE
        return super().refuses_option(dbapi, error)
