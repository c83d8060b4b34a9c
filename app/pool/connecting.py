"""How a connection is made: within the deadline, handshake included, and with as few commands as the driver allows."""

import math
import socket
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from threading import Thread
from time import monotonic
from typing import Any

from sqlalchemy import Dialect
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from app.pool import deadline, freshness
from app.pool.lending import LendingPool, current
from app.pool.loan import Link, Loan
from app.pool.tls import PreferTLS
from app.pool.wire import SocketWire, wire_of

CONNECT_TIMEOUT_SECONDS = 3
"""How long making a connection may take where no deadline is nearer."""

CR_CONN_HOST_ERROR = 2003
"""PyMySQL: can't connect to the server (MySQL's client error reference)."""

Arguments = dict[str, Any]


class Connector:
    """Makes the connections of one engine; `connect` and `introduce` listen to SQLAlchemy's events of these names."""

    def __init__(self, *, prefer_tls: bool, statement_seconds: float) -> None:
        self._prefer_tls = PreferTLS() if prefer_tls else None
        self._statement_seconds = statement_seconds

    def connect(self, dialect: Dialect, _record: object, positional: list[Any], arguments: Arguments) -> Any:
        """Return a new driver connection, unless the database is known to be away."""
        pool, loan = current()
        if pool is None or loan is None:  # an engine without our pool
            return self._open(dialect, positional, arguments, None, CONNECT_TIMEOUT_SECONDS)
        breaker = pool.breaker
        breaker.admit(loan.deadline)
        breaker.wait(loan.deadline.left if loan.deadline else CONNECT_TIMEOUT_SECONDS)
        loan.wire = None  # of a connection that was not fit
        breaker.probe = partial(self._probe, pool, dialect, positional, arguments)
        loan.call_began = began = monotonic()
        try:
            seconds = deadline.seconds_for(CONNECT_TIMEOUT_SECONDS)
            connection = self._open(dialect, positional, arguments, loan, seconds)
        except Exception as error:
            if not pool.is_at_limit(error):
                breaker.suspect(error)
            raise
        loan.opening = monotonic() - began
        breaker.connected(loan.opening)
        return connection

    def introduce(self, connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
        """Note what is to be known of a new connection, and agree with the server on limits."""
        pool, loan = current()
        if pool is None or loan is None:
            return
        lifetime = freshness.lifetime(pool.recycle, self._agree_on_limits(pool.dialect, connection))
        now = monotonic()
        link = Link(pool.stats, loan.wire, opened=now, used=now, expires=now + lifetime, loan=loan)
        record.info["link"], loan.record = link, record
        pool.stats.note_opened(now, loan.opening)

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

    def _open(
        self, dialect: Dialect, positional: list[Any], arguments: Arguments, loan: Loan | None, seconds: float
    ) -> Any:
        if dialect.driver == "pymysql":
            opener = partial(_open_pymysql, dialect, loan, seconds)
            connection = self._prefer_tls.connect(dialect, opener, arguments) if self._prefer_tls else opener(arguments)
        elif dialect.name == "sqlite":
            connection = dialect.connect(*positional, **arguments)
        else:
            connection = _open_in_time(dialect, arguments, seconds)
        if loan is not None and loan.wire is None:
            loan.wire = wire_of(connection)
        return connection

    def _probe(
        self, pool: LendingPool, dialect: Dialect, positional: list[Any], arguments: Arguments, seconds: float
    ) -> None:
        """Make a connection and close it again, all within these seconds: else each probe would leave one behind."""
        with deadline.within(seconds) as due, pool.loans.watching(Loan(pool.stats, monotonic(), due)) as attempt:
            try:
                dialect.do_close(self._open(dialect, positional, arguments, attempt, seconds))
            except Exception as error:
                if not pool.is_at_limit(error):  # else it is there: what comes back will do
                    raise


def _open_pymysql(dialect: Dialect, loan: Loan | None, seconds: float, arguments: Arguments) -> Any:
    """Connect on a socket of our own, so that the watchdog can end the handshake; PyMySQL's timeout leaves that out."""
    try:
        # In a thread: a name server takes its own time, and each address of a name is given all of ours.
        own = _in_time(lambda: _open_socket(arguments, seconds), dialect, seconds)
    except OSError as error:  # a TimeoutError is one
        message = f"Can't connect to MySQL server on {arguments.get('host')!r} ({error})"
        raise dialect.loaded_dbapi.OperationalError(CR_CONN_HOST_ERROR, message) from error
    if loan is not None:
        if loan.wire:
            loan.wire.close()  # of a first try, with TLS
        loan.wire = SocketWire(own.fileno())
    connection = dialect.loaded_dbapi.connect(**arguments, defer_connect=True)
    connection.connect(own)
    return connection


def _open_socket(arguments: Arguments, seconds: float) -> socket.socket:
    if path := arguments.get("unix_socket"):
        own = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        own.settimeout(seconds)
        own.connect(path)
        return own
    own = socket.create_connection((arguments.get("host") or "localhost", arguments.get("port") or 3306), seconds)
    own.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    own.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return own


def _open_in_time(dialect: Dialect, arguments: Arguments, seconds: float) -> Any:
    # The drivers in C count whole seconds, psycopg at least two.
    known = {name: max(2, math.ceil(seconds)) for name in ("connect_timeout",) if name in arguments}
    try:
        return _in_time(lambda: dialect.connect(**arguments | known), dialect, seconds)
    except TimeoutError as error:
        raise dialect.loaded_dbapi.OperationalError(str(error)) from error


def _in_time(connect: Callable[[], Any], dialect: Dialect, seconds: float) -> Any:
    """Connect in a thread of its own, and go without it when it takes too long: nothing can end it from outside.

    Raises TimeoutError, or what connecting raises.
    """
    made: Future[Any] = Future()

    def work() -> None:
        try:
            made.set_result(connect())
        except BaseException as error:
            made.set_exception(error)

    Thread(target=work, name="database-connect", daemon=True).start()
    try:
        return made.result(seconds)
    except TimeoutError:
        if made.done():  # its own
            raise
        made.add_done_callback(lambda late: None if late.exception() else dialect.do_close(late.result()))
        raise TimeoutError(f"no connection could be made within {seconds:.1f} s") from None
