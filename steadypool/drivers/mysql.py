"""What all drivers of MySQL and MariaDB share."""

import math
from typing import Any

from steadypool.drivers.driver import Driver

REFUSES_OPTION = {
    1054,  # no such column; this and many of the next ones: what an init_command asks for
    1064,  # a syntax error
    1115,  # no such character set
    1146,  # no such table
    1193,  # no such variable
    1227,  # … which this user may not set
    1229,  # … which is the server's own
    1231,  # … which cannot have this value: sql_mode
    1232,  # … of another type
    1238,  # … which can only be read
    1253,  # a collation of another character set
    1273,  # no such collation
    1298,  # no such time zone
    1305,  # no such function or procedure
}
"""How the server refuses, once somebody is logged in, what an option has said of the session."""

SERVER_STATUS_IN_TRANS = 1
"""A flag of the protocol, in each answer that is no error."""


class MySQL(Driver):
    """MySQL or MariaDB."""

    arrives_unseen = True

    def agree_on_limits(self, connection: Any, *, is_mariadb: bool) -> float | None:
        """Set the session's limits, and ask for `wait_timeout`: two commands."""
        seconds = self.policy.statement_seconds
        limit = (
            f"max_statement_time = {seconds:.3f}"
            if is_mariadb
            else f"max_execution_time = {seconds * 1000:.0f}"  # of SELECT only
        )
        cursor = connection.cursor()
        cursor.execute(f"SET SESSION {limit}, innodb_lock_wait_timeout = {max(1, math.floor(seconds))}")
        cursor.execute("SELECT @@wait_timeout")
        (wait_timeout,) = cursor.fetchall()[0]
        cursor.close()
        return float(wait_timeout)

    def is_in_transaction(self, connection: Any) -> bool:
        """Tell it by the status that came with the last answer, where the driver keeps it."""
        return bool(getattr(connection, "server_status", 0) & SERVER_STATUS_IN_TRANS)

    def refuses_option(self, dbapi: Any, error: Exception) -> bool:
        """Tell it by the code as well."""
        return super().refuses_option(dbapi, error) or self.code(error) in REFUSES_OPTION
