"""What changes something goes through deploy/nginx/app.conf once, whole, and to whichever instance it is."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from threading import Thread

import pytest

from tests.deploy.proxying import NAME, Nginx
from tests.serve.conftest import borrow_environment, copy_project
from tests.serve.serving import Answer, Serving

CHANGES = ("POST", "PUT", "PATCH", "DELETE")
READS = ("GET", "HEAD", "OPTIONS")

TELLS_WHAT_IT_RECEIVES = """

from flask import request
from app.bodies import body_bytes


@app.route("/api/received", methods=["POST", "PUT", "PATCH", "DELETE"])
def received():
    return {"method": request.method, "bytes": len(body_bytes()), "key": request.headers.get("Idempotency-Key")}
"""


class Mute:
    """An instance that reads each request and goes away without a word."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.received: list[str] = []
        self._thread = Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as stream:
                first, length = stream.readline().decode(), 0
                while (line := stream.readline().strip().lower()) not in (b"",):
                    length = int(line.partition(b":")[2]) if line.startswith(b"content-length:") else length
                stream.read(length)
                self.received += first.split()[:1]

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)


def send(nginx: Nginx, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
    connection = http.client.HTTPConnection(NAME)
    connection.sock = nginx.connect()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with closing(connection):
        connection.request(method, path, body, {"Connection": "close", **named})
        return Answer(connection.getresponse())


@pytest.mark.parametrize("method", [*CHANGES, *READS])
def test_only_what_reads_is_sent_again(program: Callable[[str], str], method: str) -> None:
    """Two instances that both receive it and give no answer."""
    with ExitStack() as stack:
        one, other = (stack.enter_context(closing(Mute())) for _ in range(2))
        both = f"server 127.0.0.1:{one.port}; server 127.0.0.1:{other.port};"
        nginx = stack.enter_context(Nginx(program("nginx"), one.port, {f"server 127.0.0.1:{one.port};": both}))

        answer = send(nginx, method, "/x", b"{}" if method in CHANGES else b"", If_Match='"a"', Idempotency_Key="k")

        assert answer.status == 502
        assert one.received + other.received == [method] * (1 if method in CHANGES else 2)


@pytest.fixture(scope="module")
def nginx(program: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    """nginx in front of the application, whose database nobody asks here."""
    tree = copy_project(tmp_path_factory.mktemp("behind") / "clone")
    borrow_environment(tree)
    with (tree / "wsgi.py").open("a") as file:
        file.write(TELLS_WHAT_IT_RECEIVES)
    database = f"sqlite:///{tree}/none.sqlite3"
    with Serving(tree, DATABASE_URL=database, TRUSTED_PROXY_HOPS="1", WORKERS="1", THREADS="2") as behind:
        behind.wait()
        with Nginx(program("nginx"), behind.port) as made:
            yield made


@pytest.mark.parametrize("method", CHANGES)
def test_a_change_arrives_whole(nginx: Nginx, method: str) -> None:
    answer = send(nginx, method, "/api/received", b"x" * 16 * 1024, Idempotency_Key="abc")

    assert answer.json() == {"method": method, "bytes": 16 * 1024, "key": "abc"}


def test_what_is_somewhat_too_long_is_refused_in_words_of_ours(nginx: Nginx) -> None:
    answer = send(nginx, "POST", "/api/received", b"x" * 20_000)

    assert (answer.status, answer.headers["Content-Type"]) == (413, "application/problem+json")


def test_what_is_far_too_long_does_not_get_there(nginx: Nginx) -> None:
    answer = send(nginx, "POST", "/api/received", b"x" * 100_000)

    assert answer.status == 413
    assert "nginx" in answer.text
