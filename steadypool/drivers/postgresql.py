"""What all drivers of PostgreSQL share."""

import re
from typing import Any

from steadypool.drivers.driver import WITHOUT_CODE, Driver

REFUSES_OPTION_IN_WORDS = re.compile(
    r"unrecognized configuration parameter|invalid value for parameter|invalid command-line argument"
    r"|parameter .* cannot be (set|changed)|permission denied to set parameter|requires a Boolean value"
    r"|channel binding (is )?required|authentication method requirement|could not parse network address"
)
"""How PostgreSQL and libpq refuse an option: while connecting there is no SQLSTATE."""


class PostgreSQL(Driver):
    """PostgreSQL, which is told of its limits in the connection's start-up packet."""

    @property
    def statement_timeout(self) -> str:
        """The server's own limit for a statement, as one of its command-line options."""
        return f"-c statement_timeout={self.policy.statement_seconds * 1000:.0f}"

    def refuses_option(self, dbapi: Any, error: Exception) -> bool:
        """Tell it by the words as well."""
        by_words = self.code(error) in WITHOUT_CODE and REFUSES_OPTION_IN_WORDS.search(str(error)) is not None
        return by_words or super().refuses_option(dbapi, error)
