"""How a driver opens a connection in time: PyMySQL on a socket of ours, the others in a thread that may be left."""

import errno
import functools
import math
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from time import monotonic
from typing import Any, TypeVar

from sqlalchemy import Dialect

from steadypool.loan import Loan
from steadypool.threads import start_unawaited
from steadypool.wire import SocketWire

T = TypeVar("T")

CR_CONN_HOST_ERROR = 2003
"""PyMySQL: can't connect to the server (MySQL's client error reference)."""
SHORTEST_SECONDS = 0.001
"""Nothing left, in a way that does not make a socket one that never waits."""


def open_pymysql(
    dialect: Dialect,
    loan: Loan | None,
    preferred: ssl.SSLContext | None,
    seconds: float,
    positional: Sequence[Any],
    arguments: Mapping[str, Any],
) -> Any:
    """Connect on a socket of our own, so that the watchdog can end the handshake; PyMySQL's timeout leaves that out.

    Where it leads to is what PyMySQL makes of the arguments and of the option file that they may name.
    """
    dbapi: Any = dialect.loaded_dbapi
    shared = {"ssl": preferred} if preferred and not any(name.startswith("ssl") for name in arguments) else {}
    connection = _in_utf8(dbapi.Connection)(*positional, **{**arguments, **shared, "defer_connect": True})
    if shared:
        # A context that is passed in makes TLS a must; without one PyMySQL builds its own in each connect.
        connection._ssl_required = False
        connection.client_flag &= ~dbapi.constants.CLIENT.SSL
    try:
        # In a thread: a name server takes its own time.
        own = in_time(lambda: _open_socket(connection, seconds), socket.socket.close, seconds)
    except OSError as error:  # a TimeoutError is one
        message = f"Can't connect to MySQL server on {connection.host!r} ({error})"
        raise dbapi.OperationalError(CR_CONN_HOST_ERROR, message) from error
    try:
        if loan is not None:
            if loan.wire:
                loan.wire.close()  # of somebody's first try, elsewhere
            loan.wire = SocketWire(own.fileno())
        connection.connect(own)
    except BaseException:
        own.close()
        raise
    return connection


@functools.cache
def _in_utf8(connection: type) -> type[Any]:
    """Return PyMySQL's class with a password that is sent as UTF-8, as all other clients do; it says latin1 itself.

    Wherever it comes from: PyMySQL reads option files, too.
    """

    def encode(self: Any, value: str | bytes) -> None:
        self.__dict__["password"] = value.encode() if isinstance(value, str) else value

    password = property(lambda self: self.__dict__["password"], encode)
    return type(connection.__name__, (connection,), {"password": password})


def _open_socket(connection: Any, seconds: float) -> socket.socket:
    """Return a socket to where a PyMySQL connection that is still to be made wants to go, and note what it would."""
    if connection.unix_socket:
        own = _reach(socket.AF_UNIX, connection.unix_socket, seconds)
        connection.host_info, connection._secure = "Localhost via UNIX socket", True
        return own
    source = None if connection.bind_address is None else (connection.bind_address, 0)
    own = _reach_one_of(connection.host, connection.port, source, seconds)
    connection.host_info = f"socket {connection.host}:{connection.port}"
    own.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    own.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return own


def _reach_one_of(host: str, port: int, source: tuple[str, int] | None, seconds: float) -> socket.socket:
    """Return a socket to the first address of a host that takes it; each has its share of the time that is left."""
    ends = monotonic() + seconds
    addresses = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)
    for left, (family, _, _, _, address) in zip(range(len(addresses), 0, -1), addresses, strict=True):
        try:
            return _reach(family, address, (ends - monotonic()) / left, source)
        except OSError:
            if left == 1:
                raise
    raise OSError(f"{host} has no address")


def _reach(family: int, address: Any, seconds: float, source: tuple[str, int] | None = None) -> socket.socket:
    own = socket.socket(family, socket.SOCK_STREAM)
    try:
        own.settimeout(max(SHORTEST_SECONDS, seconds))
        if source:
            own.bind(source)
        own.connect(address)
    except BaseException:
        own.close()
        raise
    return own


def open_in_time(
    dialect: Dialect,
    connect: Callable[..., Any],
    seconds: float,
    positional: Sequence[Any],
    arguments: dict[str, Any],
) -> Any:
    """Connect by a driver that does it all itself."""
    # The drivers in C count whole seconds, psycopg at least two; for each host that is named in a row.
    hosts = max(str(arguments.get(name)).count(",") for name in ("host", "hostaddr")) + 1
    known = {name: max(2, math.ceil(seconds / hosts)) for name in ("connect_timeout",) if name in arguments}
    try:
        return in_time(lambda: connect(*positional, **arguments | known), dialect.do_close, seconds)
    except TimeoutError as error:
        raise dialect.loaded_dbapi.OperationalError(str(error)) from error


def in_time(connect: Callable[[], T], close: Callable[[T], object], seconds: float) -> T:
    """Connect in a thread of its own, and go without it when it takes too long: nothing can end it from outside.

    What comes too late is closed. Raises TimeoutError, or what connecting raises.
    """
    made: Future[T] = Future()

    def work() -> None:
        try:
            result = connect()
        except BaseException as error:
            with suppress(InvalidStateError):  # nobody waits any more
                made.set_exception(error)
            return
        try:
            made.set_result(result)
        except InvalidStateError:
            with suppress(Exception):
                close(result)

    try:
        _start(work)
        return made.result(seconds)
    except TimeoutError:
        # One of the two comes first: to give it up, or to have it after all. It may also be the error of its own.
        if made.cancel():
            raise TimeoutError(f"no connection could be made within {seconds:.1f} s") from None
        return made.result()
    except BaseException:
        if not made.cancel() and made.exception() is None:
            close(made.result())
        raise


def _start(work: Callable[[], None]) -> None:
    try:
        start_unawaited(work)
    except RuntimeError as error:
        raise OSError(errno.EAGAIN, str(error)) from error
