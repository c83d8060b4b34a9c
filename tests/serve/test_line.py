"""A client's connection: what leaves in one piece, and what is not asked of the kernel twice."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from serving.line import Line

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"
Ends = tuple[Line, socket.socket]


@pytest.fixture(params=[socket.SOCK_DGRAM, socket.SOCK_STREAM], ids=["in pieces", "as it comes"])
def ends(request: pytest.FixtureRequest) -> Iterator[Ends]:
    """Ours and the client's; with datagrams it can be seen what was sent at once."""
    accepted, theirs = socket.socketpair(socket.AF_UNIX, request.param)
    accepted.setblocking(False)
    theirs.setblocking(False)
    with Line(accepted) as ours, theirs:
        yield ours, theirs


@pytest.fixture
def stream() -> Iterator[Ends]:
    accepted, theirs = socket.socketpair()
    with Line(accepted) as ours, theirs:
        theirs.settimeout(20)
        yield ours, theirs


def pieces(client: socket.socket) -> Iterator[bytes]:
    with suppress(BlockingIOError):
        while True:
            yield client.recv(9999)


def test_a_head_leaves_with_what_follows(ends: Ends) -> None:
    ours, client = ends

    ours.sendall(HEAD)
    assert list(pieces(client)) == []

    ours.sendall(b"body")
    assert list(pieces(client)) == [HEAD + b"body"]


def test_a_head_without_a_body_leaves_at_the_end(ends: Ends) -> None:
    ours, client = ends

    ours.sendall(HEAD)
    ours.finish()
    assert list(pieces(client)) == [HEAD]

    ours.finish()
    ours.sendall(b"of the next one")
    assert list(pieces(client)) == [b"of the next one"]


@pytest.mark.parametrize(
    "sent",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
        b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nno",
        b"4\r\nHTTP\r\n",
        b"\r\n\r\n",
        b"",
    ],
)
def test_all_else_leaves_at_once(ends: Ends, sent: bytes) -> None:
    ours, client = ends

    ours.sendall(sent)

    assert b"".join(pieces(client)) == sent


def test_a_file_leaves_behind_its_head(stream: Ends, tmp_path: Path) -> None:
    ours, client = stream
    path = tmp_path / "file"
    path.write_bytes(b"body")

    ours.sendall(HEAD)
    with path.open("rb") as file:
        assert ours.sendfile(file, count=4) == 4

    assert client.recv(len(HEAD) + 4, socket.MSG_WAITALL) == HEAD + b"body"


def test_whether_calls_wait_is_as_it_was_said_last(stream: Ends) -> None:
    ours, client = stream
    assert ours.gettimeout() is None

    for said in (0.0, None, 5.0, 5.0, 0.0):
        ours.settimeout(said)
        assert ours.gettimeout() == said
    with pytest.raises(BlockingIOError):
        ours.recv(1)

    ours.settimeout(None)
    client.sendall(b"a")
    assert ours.recv(1) == b"a"


def test_calls_wait_whatever_the_loop_says(stream: Ends) -> None:
    ours, client = stream

    ours.setblocking(False)
    client.shutdown(socket.SHUT_WR)

    assert ours.gettimeout() is None
    assert ours.recv(1) == b""


def test_a_connection_that_was_told_not_to_wait_waits(stream: Ends) -> None:
    """As Gunicorn makes them; whoever accepts one finds it that way."""
    accepted, theirs = socket.socketpair()
    accepted.setblocking(False)
    with Line(accepted) as ours, theirs:
        ours.settimeout(None)
        theirs.shutdown(socket.SHUT_WR)
        assert ours.recv(1) == b""


def test_news_are_a_word_or_the_end(stream: Ends) -> None:
    ours, client = stream
    assert not ours.has_news(1)

    client.sendall(b"a")
    assert ours.has_news(60_000)
    assert ours.recv(1) == b"a"

    client.shutdown(socket.SHUT_WR)
    assert ours.has_news(60_000)
