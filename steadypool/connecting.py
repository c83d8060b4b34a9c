"""How a connection is made: who is asked for it and where it leads to, and what a new one is told."""

import ssl
import struct
from functools import partial
from time import monotonic
from typing import Any, NoReturn

from sqlalchemy import Engine, create_engine, exc
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.pool.base import _ConnectionRecord

from steadypool.core import deadline
from steadypool.core.breaker import Knock
from steadypool.core.loan import Loan
from steadypool.core.wire import Wire
from steadypool.drivers import Call, Driver
from steadypool.drivers.opening import CONNECT_TIMEOUT_SECONDS
from steadypool.errors import DatabaseMisconfiguredError
from steadypool.pool import SteadyPool, borrowing, current

GARBAGE = (IndexError, UnicodeDecodeError, struct.error)
"""What drivers raise who read something else than a greeting."""


class Connector:
    """Makes the connections of one engine.

    `create` takes the place of the pool's creator, `reach` that of the dialect's `connect`. In between SQLAlchemy asks
    whoever listens to `do_connect`: each time, a probe included, so that a new token or another host is heard of.
    """

    def __init__(self, engine: Engine, driver: Driver) -> None:
        self._dialect, self._driver, self._really_connect = engine.dialect, driver, engine.dialect.connect
        self._really_create = engine.pool._invoke_creator
        # Not a `creator=` of somebody's own, which calls the driver itself.
        self._is_core = engine.pool._creator.__module__ == create_engine.__module__

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
        call = Call(self._dialect.loaded_dbapi, self._really_connect, self._dialect.do_close, positional, arguments)
        try:
            connection: DBAPIConnection = self._driver.open(
                call, deadline.seconds_for(CONNECT_TIMEOUT_SECONDS), partial(_note, loan)
            )
        except Exception as error:
            self._raise_judged(error, loan)
        return connection

    def introduce(self, connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
        """Note what is to be known of a new connection, and agree with the server on limits."""
        pool, loan = self._current()
        if pool is None or loan is None:
            return
        is_mariadb = bool(getattr(self._dialect, "is_mariadb", False))
        wait_timeout = self._driver.agree_on_limits(connection, is_mariadb=is_mariadb)
        pool.introduce(record, loan, wait_timeout)

    def _current(self) -> tuple[SteadyPool | None, Loan | None]:
        """Return for whom a connection is being made; a listener may be using another engine meanwhile."""
        pool, loan = current()
        return (pool, loan) if pool is not None and pool.dialect is self._dialect else (None, None)

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
                loan.wire = self._driver.wire_of(connection)
        except BaseException:
            self._dialect.do_close(connection)
            raise
        return connection

    def _raise_judged(self, error: Exception, loan: Loan | None) -> NoReturn:
        """Raise a driver's error as what it is while connecting: a wrong setup, or a connect that failed."""
        if isinstance(error, (self._dialect.loaded_dbapi.Error, exc.SQLAlchemyError)):
            if not self._is_set_up_wrong(error):
                raise error
        elif isinstance(error, GARBAGE) or not self._is_set_up_wrong(error) or (loan and loan.overdue):
            raise self._failed(error) from error
        raise DatabaseMisconfiguredError(f"the driver cannot connect as it is set up ({_said(error)})") from error

    def _is_set_up_wrong(self, error: Exception) -> bool:
        """Tell whether neither a database nor a network is to blame: the driver cannot do what it is told to do.

        Drivers say so with errors that are not their own: an option that they do not know, a package that is missing, a
        password that cannot be encoded, a file that cannot be read. Or it is the server that does not take an option.
        """
        if isinstance(error, ssl.SSLError):
            return not isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError)
        if isinstance(error, OSError):
            return isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError | NotADirectoryError)
        if isinstance(error, self._dialect.loaded_dbapi.Error):
            return self._driver.refuses_option(self._dialect.loaded_dbapi, error)
        return not isinstance(error, exc.SQLAlchemyError)

    def _failed(self, error: Exception) -> Exception:
        failed: Exception = self._dialect.loaded_dbapi.OperationalError(f"no connection could be made: {_said(error)}")
        return failed

    def _probe(self, pool: SteadyPool, knock: Knock) -> None:
        """Make a connection and close it again, until it is due: else each probe would leave one behind."""
        attempt = _Attempt(pool.stats, monotonic(), None)
        attempt.knock = knock
        knock.has_arrived = lambda: self._driver.arrives_unseen or attempt.wire is not None
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


def _note(loan: Loan | None, wire: Wire) -> None:
    """Have the loan's wire be this one; another one was of somebody's first try, elsewhere."""
    if loan is None:
        wire.close()
        return
    if loan.wire:
        loan.wire.close()
    loan.wire = wire


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".partition("\n")[0]
