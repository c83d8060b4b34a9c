"""How a connection is made: who is asked for it and where it leads to, and what a new one is told."""

import math
import re
import ssl
import struct
from collections.abc import Sequence
from functools import partial
from time import monotonic
from typing import Any, NoReturn

from sqlalchemy import Dialect, Engine, create_engine, exc
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.pool.base import _ConnectionRecord

from steadypool import deadline, freshness
from steadypool.breaker import Knock
from steadypool.errors import DatabaseMisconfiguredError
from steadypool.loan import Link, Loan
from steadypool.opening import open_in_time, open_pymysql
from steadypool.pool import SteadyPool, borrowing, current
from steadypool.recovery import code_of
from steadypool.wire import wire_of

CONNECT_TIMEOUT_SECONDS = 3
"""How long making a connection may take where no deadline is nearer."""

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
"""How MySQL and MariaDB refuse, once somebody is logged in, what an option has said of the session."""

REFUSES_OPTION_IN_WORDS = re.compile(
    r"unrecognized configuration parameter|invalid value for parameter|invalid command-line argument"
    r"|parameter .* cannot be (set|changed)|permission denied to set parameter|requires a Boolean value"
    r"|channel binding (is )?required|authentication method requirement|could not parse network address"
)
"""The same of PostgreSQL and libpq: while connecting there is no SQLSTATE."""

WITHOUT_CODE = (None, -1)
"""Errors of the drivers' own; the second is Connector/Python's."""


GARBAGE = (IndexError, UnicodeDecodeError, struct.error)
"""What drivers raise who read something else than a greeting."""


class Connector:
    """Makes the connections of one engine.

    `create` takes the place of the pool's creator, `reach` that of the dialect's `connect`. In between SQLAlchemy asks
    whoever listens to `do_connect`: each time, a probe included, so that a new token or another host is heard of.
    """

    def __init__(self, engine: Engine, *, preferred: ssl.SSLContext | None, statement_seconds: float) -> None:
        self._dialect, self._really_connect = engine.dialect, engine.dialect.connect
        self._really_create = engine.pool._invoke_creator
        # Not a `creator=` of somebody's own, which calls the driver itself.
        self._is_core = engine.pool._creator.__module__ == create_engine.__module__
        self._preferred = preferred
        self._statement_seconds = statement_seconds

    def create(self, rec: ConnectionPoolEntry) -> DBAPIConnection:
        """Return a new driver connection, unless the database is known to be away."""
        pool, loan = self._current()
        if pool is None or loan is None:  # an engine without our pool
            return self._create(rec, None)
        breaker = pool.breaker
        breaker.admit(loan.deadline)
        breaker.wait(loan.deadline.left if loan.deadline else CONNECT_TIMEOUT_SECONDS)
        breaker.take_turn()
        loan.wire = None  # of a connection that was not fit
        breaker.probe = partial(self._probe, pool)
        loan.call_began = began = monotonic()
        try:
            connection = self._create(rec, loan)
        except Exception as error:
            if not pool.is_at_limit(error):
                breaker.suspect(error)
            raise
        loan.opening = monotonic() - began
        breaker.connected(loan.opening)
        return connection

    def reach(self, *positional: Any, **arguments: Any) -> DBAPIConnection:
        """Return a new driver connection to where these arguments lead, after all that listens has had its say."""
        _, loan = self._current()
        seconds = deadline.seconds_for(CONNECT_TIMEOUT_SECONDS)
        try:
            connection: DBAPIConnection = self._open(self._dialect, positional, arguments, loan, seconds)
        except Exception as error:
            self._raise_judged(error, loan)
        return connection

    def introduce(self, connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
        """Note what is to be known of a new connection, and agree with the server on limits."""
        pool, loan = self._current()
        if pool is None or loan is None:
            return
        lifetime = freshness.lifetime(pool.recycle, self._agree_on_limits(pool.dialect, connection))
        now = monotonic()
        link = Link(pool.stats, loan.wire, opened=now, used=now, expires=now + lifetime, loan=loan)
        record.info["link"], loan.record = link, record
        pool.stats.note_opened(now, loan.opening)

    def _current(self) -> tuple[SteadyPool | None, Loan | None]:
        """Return for whom a connection is being made; a listener may be using another engine meanwhile."""
        pool, loan = current()
        return (pool, loan) if pool is not None and pool.dialect is self._dialect else (None, None)

    def _agree_on_limits(self, dialect: Dialect, connection: DBAPIConnection) -> float | None:
        """Have the server stop a statement before we give up on it; return for how long it keeps an idle client."""
        if dialect.name not in ("mysql", "mariadb"):
            return None  # PostgreSQL is told in the connection's start-up packet
        seconds = self._statement_seconds
        limit = (
            f"max_statement_time = {seconds:.3f}"
            if getattr(dialect, "is_mariadb", False)
            else f"max_execution_time = {seconds * 1000:.0f}"  # of SELECT only
        )
        cursor = connection.cursor()
        cursor.execute(f"SET SESSION {limit}, innodb_lock_wait_timeout = {max(1, math.floor(seconds))}")
        cursor.execute("SELECT @@wait_timeout")
        (wait_timeout,) = cursor.fetchall()[0]
        cursor.close()
        return float(wait_timeout)

    def _create(self, record: ConnectionPoolEntry, loan: Loan | None) -> DBAPIConnection:
        """Return what SQLAlchemy's own creator, or the engine's, brings, with its wire.

        What a listener raises (a service of tokens that is down) is a connect that failed: it is asked again.
        """
        try:
            connection = self._really_create(record)
        except (self._dialect.loaded_dbapi.Error, exc.SQLAlchemyError):
            raise
        except Exception as error:
            if self._is_core:
                raise self._failed(error) from error
            self._raise_judged(error, loan)
        try:
            if loan is not None and loan.wire is None:
                loan.wire = wire_of(connection)
        except BaseException:
            self._dialect.do_close(connection)
            raise
        return connection

    def _raise_judged(self, error: Exception, loan: Loan | None) -> NoReturn:
        """Raise a driver's error as what it is while connecting: a wrong setup, or a connect that failed."""
        if isinstance(error, (self._dialect.loaded_dbapi.Error, exc.SQLAlchemyError)):
            if not _is_set_up_wrong(error, self._dialect):
                raise error
        elif isinstance(error, GARBAGE) or not _is_set_up_wrong(error, self._dialect) or (loan and loan.overdue):
            raise self._failed(error) from error
        raise DatabaseMisconfiguredError(f"the driver cannot connect as it is set up ({_said(error)})") from error

    def _failed(self, error: Exception) -> Exception:
        failed: Exception = self._dialect.loaded_dbapi.OperationalError(f"no connection could be made: {_said(error)}")
        return failed

    def _open(
        self,
        dialect: Dialect,
        positional: Sequence[Any],
        arguments: dict[str, Any],
        loan: Loan | None,
        seconds: float,
    ) -> Any:
        if dialect.driver == "pymysql":
            return open_pymysql(dialect, loan, self._preferred, seconds, positional, arguments)
        if dialect.name == "sqlite":
            return self._really_connect(*positional, **arguments)
        return open_in_time(dialect, self._really_connect, seconds, positional, arguments)

    def _probe(self, pool: SteadyPool, knock: Knock) -> None:
        """Make a connection and close it again, until it is due: else each probe would leave one behind."""
        attempt = _Attempt(pool.stats, monotonic(), None)
        attempt.knock = knock
        unseen = self._dialect.driver in ("mysqldb", "mysqlconnector")  # nobody knows how far they have come
        knock.has_arrived = lambda: unseen or attempt.wire is not None
        with deadline.within(knock.seconds), pool.loans.watching(attempt), borrowing(pool, attempt):
            try:
                self._dialect.do_close(self._create(_ConnectionRecord(pool, connect=False), attempt))
            except Exception as error:
                if not pool.is_at_limit(error):  # else it is there: what comes back will do
                    raise


class _Attempt(Loan):
    """Nobody's loan: a probe, which is due when the breaker says so."""

    __slots__ = ("knock",)
    knock: Knock

    def is_due(self, now: float, _: float) -> bool:
        return self.knock.is_due(now)


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".partition("\n")[0]


def _is_set_up_wrong(error: Exception, dialect: Dialect) -> bool:
    """Tell whether neither a database nor a network is to blame: the driver cannot do what it is told to do.

    Drivers say so with errors that are not their own: an option that they do not know, a package that is missing, a
    password that cannot be encoded, a file that cannot be read. Or it is the server that does not take an option.
    """
    if isinstance(error, ssl.SSLError):
        return not isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError)
    if isinstance(error, OSError):
        return isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError | NotADirectoryError)
    if isinstance(error, dialect.loaded_dbapi.Error):
        return _is_about_an_option(error, dialect)
    return not isinstance(error, exc.SQLAlchemyError)


def _is_about_an_option(error: Exception, dialect: Dialect) -> bool:
    dbapi, code = dialect.loaded_dbapi, code_of(error)
    if dialect.name == "postgresql" and code is None and REFUSES_OPTION_IN_WORDS.search(str(error)):
        return True
    if dialect.driver == "mysqlconnector" and isinstance(error, dbapi.InternalError):  # PyMySQL's are broken packets
        return code in WITHOUT_CODE
    if isinstance(error, (dbapi.ProgrammingError, dbapi.NotSupportedError)) and code in WITHOUT_CODE:
        return True
    return dialect.name in ("mysql", "mariadb") and code in REFUSES_OPTION
