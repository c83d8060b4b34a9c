"""PyMySQL, on a socket of our own: the handshake can be ended from outside, which its own timeout leaves out."""

import functools
import socket
from collections.abc import Callable, Mapping
from typing import Any

from steadypool.core.wire import Wire
from steadypool.drivers.driver import Call
from steadypool.drivers.mysql import MySQL
from steadypool.drivers.opening import CONNECT_TIMEOUT_SECONDS, in_time, reach, reach_one_of
from steadypool.drivers.tls import shared_context
from steadypool.drivers.wire import SocketWire

CR_CONN_HOST_ERROR = 2003
"""Can't connect to the server (MySQL's client error reference)."""
CR_AUTH_PLUGIN_ERR = 2061
"""An authentication plugin has an error (as above)."""
SAY_TLS = ("ssl", "read_default_")
"""Arguments that say how TLS is to be; in an option file it may stand as well."""


class PyMySQL(MySQL):
    """mysql+pymysql and mariadb+pymysql."""

    module = "pymysql"
    arrives_unseen = False

    def connect_arguments(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """Return it without time-outs of its own.

        For those Python would ask the kernel once more before each piece that it sends or reads: housekeeping has the
        same. `autocommit` said here saves a SET when connecting.
        """
        return {
            "autocommit": self.role == "reader",
            "connect_timeout": CONNECT_TIMEOUT_SECONDS,
            "program_name": self.policy.application_name,
        }

    def tls_arguments(self) -> dict[str, Any]:
        """Return nothing for `prefer`: it shares a context in `open`, which is made now, in nobody's time."""
        if self.policy.tls == "off":
            return {"ssl_disabled": True}
        context = shared_context(self.policy.tls == "verify", self.policy.tls_ca)
        return {} if self.policy.tls == "prefer" else {"ssl": context}

    def open(self, call: Call, seconds: float, note: Callable[[Wire], None]) -> Any:
        """Connect to where PyMySQL makes of the arguments, and of the option file that they may name, that it leads."""
        arguments = dict(call.arguments)
        shares = self.policy.tls == "prefer" and not any(name.startswith(SAY_TLS) for name in arguments)
        if shares:
            arguments["ssl"] = shared_context(False, self.policy.tls_ca)
        connection = _careful(call.dbapi.Connection)(*call.positional, **{**arguments, "defer_connect": True})
        if shares:
            # A context that is passed in makes TLS a must; without one PyMySQL builds its own in each connect.
            connection._ssl_required = False
            connection.client_flag &= ~call.dbapi.constants.CLIENT.SSL
        try:
            # In a thread: a name server takes its own time.
            own = in_time(lambda: _open_socket(connection, seconds), socket.socket.close, seconds)
        except OSError as error:  # a TimeoutError is one
            message = f"Can't connect to MySQL server on {connection.host!r} ({error})"
            raise call.dbapi.OperationalError(CR_CONN_HOST_ERROR, message) from error
        try:
            note(SocketWire(own.fileno()))
            connection.connect(own)
        except BaseException:
            own.close()
            raise
        return connection

    def file_descriptor(self, connection: Any) -> int | None:
        """Return it of PyMySQL's socket, None where it is closed."""
        own = getattr(connection, "_sock", None)
        return None if own is None else int(own.fileno())


@functools.cache
def _careful(connection: Any) -> type[Any]:
    """Return PyMySQL's class with a password that is sent as UTF-8, and in clear text over TLS alone.

    As all other clients send it; PyMySQL says latin1. Wherever it comes from: PyMySQL reads option files, too. And in
    clear text it would be sent to any server that asks for it, as clouds do for tokens.
    """

    def encode(self: Any, value: str | bytes) -> None:
        self.__dict__["password"] = value.encode() if isinstance(value, str) else value

    def authenticate(self: Any, plugin: bytes, *more: Any) -> Any:
        if plugin == b"mysql_clear_password" and not self._secure:
            said = "the server asks for the password in clear text, and this connection has no TLS"
            raise connection.OperationalError(CR_AUTH_PLUGIN_ERR, said)
        return connection._process_auth(self, plugin, *more)

    password = property(lambda self: self.__dict__["password"], encode)
    return type(connection.__name__, (connection,), {"password": password, "_process_auth": authenticate})


def _open_socket(connection: Any, seconds: float) -> socket.socket:
    """Return a socket to where a PyMySQL connection that is still to be made wants to go, and note what it would."""
    if connection.unix_socket:
        own = reach(socket.AF_UNIX, connection.unix_socket, seconds)
        connection.host_info, connection._secure = "Localhost via UNIX socket", True
        return own
    source = None if connection.bind_address is None else (connection.bind_address, 0)
    own = reach_one_of(connection.host, connection.port, source, seconds)
    connection.host_info = f"socket {connection.host}:{connection.port}"
    own.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    own.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return own
