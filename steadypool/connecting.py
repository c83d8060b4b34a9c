"""How a connection is made: who is asked for it and where it leads to, and what a new one is told."""

import ssl
import struct
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from copy import copy
from functools import partial
from time import monotonic
from typing import Any, NoReturn
from weakref import ref

from sqlalchemy import Dialect, Engine, exc
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.pool.base import _ConnectionRecord

from steadypool.core import deadline
from steadypool.core.credentials import Secret
from steadypool.core.knock import Knock
from steadypool.core.wire import Wire
from steadypool.drivers import Call, Driver
from steadypool.drivers.opening import CONNECT_TIMEOUT_SECONDS, connect_seconds
from steadypool.entry import Entry
from steadypool.errors import DatabaseDownError, DatabaseMisconfiguredError
from steadypool.login import Login
from steadypool.pool import SteadyPool

GARBAGE = (IndexError, UnicodeDecodeError, struct.error)
"""What drivers raise who read something else than a greeting."""

Note = Callable[[Wire], None]


class Connector:
    """Makes the connections of one engine: its `create` takes the place of the pool's creator.

    Whoever listens to `do_connect` is asked each time, for a probe as well, so that a new token or another host is
    heard of. A `creator` of somebody's own is called as it is.
    """

    def __init__(
        self,
        engine: Engine,
        driver: Driver,
        connect_args: Mapping[str, Any],
        own: Callable[..., Any] | None,
        login: Login | None,
    ) -> None:
        self._dialect, self._driver, self._login = engine.dialect, driver, login
        positional, arguments = engine.dialect.create_connect_args(engine.url)
        self._positional, self._arguments = positional, {**arguments, **connect_args}
        for name in ("password", "passwd"):  # the drivers' words; else a traceback with variables would show it
            if isinstance(said := self._arguments.get(name), str):
                self._arguments[name] = Secret(said)
        # SQLAlchemy has wrapped it, so that it takes a record if it wants one.
        self._own = engine.pool._invoke_creator if own else None

    def create(self, record: ConnectionPoolEntry) -> DBAPIConnection:
        """Return a new driver connection, unless the database is known to be away."""
        if not isinstance(record, Entry) or record.use is None:  # an engine without our pool
            return self._create(record, lambda wire: wire.close())
        use, pool, breaker = record.use, record.pool, record.pool.breaker
        if record.state != "connecting":  # in the place of one that was invalidated while it was in use
            record.begin_anew()
        breaker.admit(use.deadline)
        breaker.wait(use.deadline.left if use.deadline else CONNECT_TIMEOUT_SECONDS)
        if use.deadline is not None and not use.deadline.left:
            raise DatabaseDownError("no connection could be made: there was no time left to try")
        breaker.take_turn()
        # Whoever forgets a pool without disposing of it ends its probes as well.
        breaker.probe = partial(_if_there, Connector.probe, ref(self), ref(pool, lambda _: breaker.retire()))
        pool.rounds.endings.attempt = partial(_if_there, Connector.end, ref(self), ref(pool))
        use.call_began = began = monotonic()
        try:
            connection = self._create(record, record.note_wire)
            self._note_wire(record, connection)
        except Exception as error:
            if not pool.opener.is_at_limit(error):
                breaker.trip(error)
            raise
        use.opening = monotonic() - began
        breaker.connected(use.opening)
        return connection

    def introduce(self, connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
        """Agree with the server on limits, and learn by what it knows the connection."""
        if isinstance(record, Entry):
            is_mariadb = bool(getattr(self._dialect, "is_mariadb", False))
            record.wait_timeout, record.session = self._driver.introduce(connection, is_mariadb=is_mariadb)

    def _create(self, record: ConnectionPoolEntry, note: Note) -> DBAPIConnection:
        """Return what the engine's own creator brings, or a listener, or else the driver.

        Where a login is refused, whoever provides it is asked once more before anybody hears of that.
        """
        if self._own:
            try:
                return self._own(record)
            except (self._dialect.loaded_dbapi.Error, exc.SQLAlchemyError):
                raise
            except Exception as error:
                self._raise_judged(error)
        arguments = dict(self._arguments)
        try:
            return self._ask(record, arguments, note)
        except self._dialect.loaded_dbapi.Error as error:
            if self._login is None or not self._driver.refuses_login(error):
                raise
            if not (other := self._login.other_than(arguments)):
                raise
        return self._ask(record, self._arguments | other, note, passing_over=self._login)

    def _ask(
        self, record: Any, arguments: dict[str, Any], note: Note, passing_over: Login | None = None
    ) -> DBAPIConnection:
        """Return what a listener brings, or else the driver; the arguments become those that were used."""
        positional = list(self._positional)
        try:
            for listener in self._dialect.dispatch.do_connect:
                if listener is passing_over:
                    continue
                if (made := listener(self._reaching(note), record, positional, arguments)) is not None:
                    return made  # type: ignore[no-any-return] # a listener's
        except (self._dialect.loaded_dbapi.Error, exc.SQLAlchemyError):
            raise
        except Exception as error:  # a service of tokens that is down: it is asked again
            raise self._failed(error) from error
        return self._reach(positional, arguments, note)

    def _reaching(self, note: Note) -> Dialect:
        """Return the dialect for a listener, whose own call of its `connect` is bounded and noted as well."""
        dialect = copy(self._dialect)
        # Of this copy alone.
        dialect.connect = (  # type: ignore[method-assign] # as engine.py does in the dialect of one engine
            lambda *positional, **arguments: self._reach(list(positional), arguments, note)
        )
        return dialect

    def _reach(self, positional: list[Any], arguments: dict[str, Any], note: Note) -> DBAPIConnection:
        """Return a new driver connection to where these arguments lead."""
        dialect = self._dialect
        call = Call(dialect.loaded_dbapi, dialect.connect, dialect.do_close, positional, arguments)
        try:
            made: DBAPIConnection = self._driver.open(call, deadline.seconds_for(connect_seconds(arguments)), note)
        except Exception as error:
            self._raise_judged(error)
        return made

    def _note_wire(self, entry: Entry, connection: DBAPIConnection) -> None:
        try:
            if entry.wire is None and (wire := self._driver.wire_of(connection)):
                entry.note_wire(wire)
        except BaseException:
            self._dialect.do_close(connection)
            raise

    def _raise_judged(self, error: Exception) -> NoReturn:
        """Raise a driver's error as what it is while connecting: a wrong setup, or a connect that failed."""
        if isinstance(error, (self._dialect.loaded_dbapi.Error, exc.SQLAlchemyError)):
            if not self._is_set_up_wrong(error):
                raise error
        elif isinstance(error, GARBAGE) or not self._is_set_up_wrong(error) or deadline.is_over():
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

    def probe(self, pool: SteadyPool, knock: Knock) -> None:
        """Make a connection and close it again, until it is due: else each probe would leave one behind."""
        driver = self._driver  # the knock keeps nothing else
        knock.has_arrived = lambda: driver.arrives_unseen or knock.wire is not None
        with deadline.within(knock.seconds):
            try:
                self._dialect.do_close(self._create(_ConnectionRecord(pool, connect=False), knock.note_wire))
            except Exception as error:
                if not pool.opener.is_at_limit(error):  # else it is there: what comes back will do
                    raise

    def end(self, pool: SteadyPool, knock: Knock, sessions: list[Any]) -> None:
        """Have the server end what it does in these sessions, within the knock's time; those that are over go."""
        with deadline.within(knock.seconds), ExitStack() as closing:

            def connect() -> DBAPIConnection:
                made = self._create(_ConnectionRecord(pool, connect=False), knock.note_wire)
                closing.callback(self._dialect.do_close, made)
                return made

            self._driver.end(sessions, connect)


def _if_there(
    work: Callable[..., None], connector: "ref[Connector]", pool: "ref[SteadyPool]", knock: Knock, *values: Any
) -> None:
    if (own := connector()) is not None and (of := pool()) is not None:
        work(own, of, knock, *values)


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".partition("\n")[0]
