"""The shortest way of a read: a SELECT that is compiled once and from then on given to the driver as it is.

For one row, SQLAlchemy's Connection with its transaction, its result and its proxy takes longer than the driver. Here
the pool's own record is lent, for the length of one call. Whatever goes wrong is left to the usual way, `work.read`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVarTuple

from sqlalchemy import Dialect, Engine, Select
from sqlalchemy.engine.interfaces import DBAPIConnection

from app.pool import listening, work
from app.pool.errors import DeadlineExceededError
from app.pool.lending import LendingPool
from app.pool.recovery import Verdict, judge

Columns = TypeVarTuple("Columns")


class Lookup(Generic[*Columns]):
    """A plain SELECT of numbers and text, with `bindparam` where its values go; made once, at import."""

    def __init__(self, statement: "Select[*Columns]") -> None:
        if not listening.is_plain(statement):
            raise ValueError(f"this may change its session, so it is for `read`, which finds out: {statement}")
        self.statement = statement
        self._compiled: dict[Dialect, _Compiled] = {}

    def fetch(self, engine: Engine, **values: object) -> "Sequence[tuple[*Columns]]":
        """Return all rows, as `read` would: sent a second time if the connection is lost, and within the deadline."""
        pool, sent = engine.pool, False

        def send(connection: DBAPIConnection) -> Any:
            nonlocal sent
            compiled, sent = self._compiled.get(engine.dialect) or self._compile(engine.dialect), True
            return compiled.run(connection, values)

        try:
            if isinstance(pool, LendingPool):
                return pool.lend(send)
        except engine.dialect.loaded_dbapi.Error as error:
            if judge(error) is Verdict.TIMED_OUT or (sent and not work.time_is_left()):
                raise DeadlineExceededError(f"a statement ran out of time: {error}") from error
        return work.read(engine, lambda connection: connection.execute(self.statement, values).all(), again=sent)

    def _compile(self, dialect: Dialect) -> "_Compiled":
        # Now that somebody is connected, the dialect knows its server.
        return self._compiled.setdefault(dialect, _Compiled(self.statement, dialect))


class _Compiled:
    """What a driver understands."""

    def __init__(self, statement: "Select[*tuple[Any, ...]]", dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect)
        self._sql, self._order = str(compiled), compiled.positiontup if compiled.positional else None
        self._fixed = {name: value for name, value in compiled.params.items() if value is not None}

    def run(self, connection: DBAPIConnection, values: Mapping[str, object]) -> Any:
        values = {**self._fixed, **values}
        cursor = connection.cursor()
        cursor.execute(self._sql, values if self._order is None else [values[name] for name in self._order])
        rows = cursor.fetchall()
        cursor.close()
        return rows
