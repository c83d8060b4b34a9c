"""A server that asks for the password in clear text, as clouds do for tokens: it gets it over TLS and not otherwise."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError

from steadypool import Credentials, PoolPolicy, create_pool_engine
from testkit.certificates import make_certificates

TOKEN = "db.example:3306/?Action=connect&X-Amz-Signature=0123"
CLIENT_SSL, CLIENT_PLUGIN_AUTH = 1 << 11, 1 << 19
CAPABILITIES = 1 << 0 | 1 << 9 | 1 << 15 | CLIENT_PLUGIN_AUTH  # long password, protocol 4.1, secure connection
ERROR = b"\xff" + struct.pack("<H", 1045) + b"#28000no more than this is played here"


class Asking:
    """Plays a MySQL that switches to `mysql_clear_password`, up to the answer."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self.told = b""
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._play, daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._listener.close()
        self._thread.join(10)

    def _play(self) -> None:
        client, _ = self._listener.accept()
        with suppress(OSError):  # whoever does not like it hangs up
            self._talk_to(client)
        client.close()

    def _talk_to(self, client: socket.socket) -> None:
        client.settimeout(10)
        flags = CAPABILITIES | (CLIENT_SSL if self._context else 0)
        _send(client, 0, _greeting(flags))
        if self._context is None:
            self._ask(client)
            return
        _receive(client)  # that it wants TLS
        with self._context.wrap_socket(client, server_side=True) as secure:
            self._ask(secure)

    def _ask(self, client: socket.socket) -> None:
        number, _ = _receive(client)
        _send(client, number + 1, b"\xfemysql_clear_password\0")
        number, self.told = _receive(client)
        _send(client, number + 1, ERROR)


def _greeting(flags: int) -> bytes:
    """Return protocol 10's first packet."""
    low, high = struct.pack("<I", flags)[:2], struct.pack("<I", flags)[2:]
    salt = b"12345678", b"123456789012\0"
    begin = b"\x0a8.4.0\0" + struct.pack("<I", 1) + salt[0] + b"\0" + low + b"\x2d" + struct.pack("<H", 2) + high
    return begin + b"\x15" + bytes(10) + salt[1] + b"mysql_native_password\0"


def _send(client: socket.socket, number: int, packet: bytes) -> None:
    client.sendall(struct.pack("<I", len(packet))[:3] + bytes([number]) + packet)


def _receive(client: socket.socket) -> tuple[int, bytes]:
    head = _exactly(client, 4)
    return head[3], _exactly(client, int.from_bytes(head[:3], "little"))


def _exactly(client: socket.socket, number: int) -> bytes:
    received = b""
    while len(received) < number:
        if not (more := client.recv(number - len(received))):
            raise ConnectionResetError
        received += more
    return received


@contextmanager
def asking(context: ssl.SSLContext | None = None) -> Iterator[Asking]:
    server = Asking(context)
    yield server
    server.end()


def connect(driver: str, port: int, policy: PoolPolicy) -> None:
    create_pool_engine(f"mysql+{driver}://web@127.0.0.1:{port}/sakila", policy, role="migration").connect()


@pytest.mark.parametrize("tls", ["off", "prefer"])
@pytest.mark.parametrize(
    ("driver", "said"), [("pymysql", "this connection has no TLS"), ("mysqlconnector", "requires SSL")]
)
def test_without_tls_no_password_is_sent(driver: str, said: str, tls: str) -> None:
    policy = PoolPolicy(tls=tls, credentials=lambda _refused: Credentials(password=TOKEN))  # type: ignore[arg-type] # one of its words

    with asking() as server, pytest.raises(DBAPIError, match=said) as caught:
        connect(driver, server.port, policy)

    assert server.told == b""
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("driver", ["pymysql", "mysqlconnector"])
def test_over_tls_it_is(tmp_path: Path, driver: str) -> None:
    ca, certificate, key = make_certificates(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    policy = PoolPolicy(tls="verify", tls_ca=ca, credentials=lambda _refused: Credentials(password=TOKEN))

    with asking(context) as server, pytest.raises(DBAPIError, match="no more than this"):
        connect(driver, server.port, policy)

    assert server.told == TOKEN.encode() + b"\0"
