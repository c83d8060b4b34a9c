"""A row for any table, whatever its columns are of."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Enum, Table
from sqlalchemy.types import TypeEngine

VALUES: tuple[object, ...] = (
    *("1", b"1", 1, 1.0, Decimal(1), True, UUID(int=1)),
    *(date(2024, 2, 29), datetime(2024, 2, 29), time(1), timedelta(1)),
)


def a_row(table: Table) -> dict[str, object]:
    """Return some value for each column that wants one."""
    wanted = [each for each in table.columns if not each.nullable and each.server_default is None]
    return {each.name: _some(each.type) for each in wanted}


def _some(kind: TypeEngine[Any]) -> object:
    if isinstance(kind, Enum):
        return next(iter(kind.enum_class)) if kind.enum_class else kind.enums[0]
    return next((each for each in VALUES if type(each) is kind.python_type), {})  # else it is JSON
