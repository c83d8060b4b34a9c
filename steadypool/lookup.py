"""The shortest way of a read: a SELECT that is compiled once and from then on given to the driver as it is.

For one row, SQLAlchemy's Connection with its transaction, its result and its proxy takes longer than the driver. Here
the pool's own record is lent, for the length of one call. What the driver refuses is asked again in the usual way,
`read`, which knows what each error means; only what ran out of time is not. That way is also taken, by itself,
where somebody else wants to see or to change what is sent: a listener, an execution option, a log of statements.
"""

from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import Any, Generic, TypeVar, TypeVarTuple

from sqlalchemy import Dialect, Engine, Select, exc
from sqlalchemy.engine.interfaces import DBAPIConnection

from steadypool import retry
from steadypool.causal import AFTER
from steadypool.core import deadline
from steadypool.core.classify import TABLE, Repeats
from steadypool.core.connection import Hand, Use
from steadypool.core.deadline import CURRENT
from steadypool.drivers import sqlite
from steadypool.entry import Entry
from steadypool.errors import PUBLIC
from steadypool.plain import LEAVES_NO_TRACE, is_plain, is_plainly_compiled
from steadypool.pool import SteadyPool
from steadypool.recovery import is_of, kind_of, verdict_on

Columns = TypeVarTuple("Columns")
T = TypeVar("T")


class Lookup(Generic[*Columns]):
    """A plain SELECT of numbers and text, with `bindparam` where its values go; made once, at import.

    Each pool that it is used with keeps it for good, in the words of its database.
    """

    def __init__(self, statement: "Select[*Columns]") -> None:
        if not is_plain(statement):
            raise ValueError(f"this may change its session, so it is for `read`, which finds out: {statement}")
        self.statement = statement
        self._has_options = bool(statement.get_execution_options().keys() - {LEAVES_NO_TRACE})

    def fetch(self, engine: Engine, **values: object) -> "Sequence[tuple[*Columns]]":
        """Return all rows from an engine in autocommit, as `read` would: within the deadline, sent twice if need be."""
        pool, used = engine.pool, None
        if not isinstance(pool, SteadyPool) or self._has_options or _somebody_is_there(engine):
            return self._fetch_by_core(engine, values)
        if pool.policy.catch_up_seconds and AFTER.get():
            return self._fetch_by_core(engine, values)

        def send(connection: DBAPIConnection) -> Any:
            nonlocal used
            used = connection
            compiled = pool.compiled.get(self) or self._compile(pool, connection)
            return compiled.run(connection, values)

        try:
            return lend(pool, send)
        except (pool.dialect.loaded_dbapi.Error, exc.DBAPIError) as error:  # the second, of the first connection
            is_dead = used is not None and pool.dialect.is_disconnect(error, used, None)
            says = TABLE[kind_of(error, pool.dialect)].read
            met: Repeats | None = None if used is None else "once more" if is_dead else says
        return self._fetch_by_core(engine, values, None if met == "raise" else met)

    def _fetch_by_core(
        self, engine: Engine, values: Mapping[str, object], met: Repeats | None = None
    ) -> "Sequence[tuple[*Columns]]":
        return retry.read(engine, lambda connection: connection.execute(self.statement, values).all(), met=met)

    def _compile(self, pool: SteadyPool, connection: DBAPIConnection) -> "_Compiled":
        # Somebody is connected, so the dialect knows its server.
        if not pool.dialect.detect_autocommit_setting(connection):
            raise ValueError("this would leave a transaction open; it is for an engine in autocommit")
        compiled: _Compiled = pool.compiled.setdefault(self, _Compiled(self.statement, pool.dialect))
        return compiled


def lend(pool: SteadyPool, work: Callable[[Any], T]) -> T:
    """Return what the work makes of a driver's connection, which it must leave as it was.

    Whoever cannot forget the connection needs no proxy to bring it back: a third of the price of `Pool.connect`.
    """
    hand = Hand()
    use = Use(monotonic(), CURRENT.get() and deadline.current(), hand)
    entry = pool.acquire(use)
    try:
        use.call_began = monotonic()
        result = work(entry.dbapi_connection)
        use.end_call()
        use.changed = False  # trusted only now: whatever comes in between may leave an answer unread
        return result
    except BaseException as error:
        use.end_call()
        _heed(pool, error, use, entry)
        raise
    finally:
        pool._do_return_conn(entry)


def _heed(pool: SteadyPool, error: BaseException, use: Use, entry: Entry) -> None:
    """Learn from what ended the use of a driver's connection; raise DeadlineExceededError where time ran out."""
    dialect = pool.dialect
    knows = hasattr(dialect, "is_disconnect") and is_of(dialect, error)
    is_dead = knows and dialect.is_disconnect(error, entry.dbapi_connection, None)
    verdict = verdict_on(error, dialect, "statement", overdue=use.is_over(monotonic()), is_dead=is_dead)
    pool.slots.obey(verdict)
    use.unfinished, use.changed = verdict.closes, verdict.closes
    if verdict.raises:
        raise PUBLIC[verdict.raises](f"a statement ran out of time: {error}") from error


def _somebody_is_there(engine: Engine) -> bool:
    """Tell whether anybody but us listens to what happens to a connection and on it, or has options for statements.

    Asked before every read, so without a call for each event.
    """
    of_pool, of_dialect = engine.pool.dispatch, engine.dialect.dispatch
    out, back, reset, gone = of_pool.checkout, of_pool.checkin, of_pool.reset, of_pool.invalidate
    sent, failed = of_dialect.do_execute, of_dialect.handle_error
    return bool(
        engine._has_events
        or engine._execution_options
        or out.listeners
        or out.parent_listeners
        or back.listeners
        or back.parent_listeners
        or reset.listeners
        or reset.parent_listeners
        or gone.listeners
        or gone.parent_listeners
        or sent.listeners
        or sent.parent_listeners
        or failed.parent_listeners
        or len(failed.listeners) > 1  # ours is one
        or engine._should_log_info()
    )


class _Compiled:
    """What a driver understands."""

    def __init__(self, statement: "Select[*tuple[Any, ...]]", dialect: Dialect) -> None:
        compiled: Any = statement.compile(dialect=dialect)
        if not is_plainly_compiled(compiled):
            raise TypeError(f"with what its classes add it may change its session, so this is for `read`: {statement}")
        read = (column.type.dialect_impl(dialect) for column in statement.selected_columns)
        sent = (value.type.dialect_impl(dialect) for value in compiled.binds.values())
        if any(kind.result_processor(dialect, None) for kind in read) or any(
            kind.bind_processor(dialect) for kind in sent
        ):
            raise TypeError(f"the driver's own types are not those of the model, so this is for `read`: {statement}")
        if compiled.post_compile_params or compiled.literal_execute_params:
            raise TypeError(f"its text depends on its values, so this is for `read`: {statement}")
        self._sql, self._order = str(compiled), compiled.positiontup if compiled.positional else None
        self._waits_for_writers = dialect.name == "sqlite"
        self._fixed = {name: value for name, value in compiled.params.items() if value is not None}

    def run(self, connection: DBAPIConnection, values: Mapping[str, object]) -> Any:
        values = {**self._fixed, **values}
        cursor: Any = connection.cursor()
        if self._waits_for_writers:
            sqlite.wait_for_writers(connection)
        try:
            given = values if self._order is None else [values[name] for name in self._order]
        except KeyError as error:
            raise TypeError(f"no value is given for {error}") from None
        cursor.execute(self._sql, given)
        rows = list(cursor.fetchall())
        cursor.close()
        return rows
