"""The drivers of the tests: one of them has to be compiled and may be missing."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

_MISSING = (
    "mysqlclient is not installed (it needs a compiler and MariaDB's headers): "
    "docs/pool.md, 'Drivers and databases', has the two commands"
)
MYSQLDB = pytest.param("mysqldb", marks=pytest.mark.skipif(not find_spec("MySQLdb"), reason=_MISSING))
"""mysqlclient as the parameter of a test, left out loudly where there is none."""
