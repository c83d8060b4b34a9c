"""One step of the worker at a time, on one that is not started."""

from __future__ import annotations

import os
import select
import selectors
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from selectors import SelectorKey
from typing import Any
from unittest.mock import Mock, patch

import pytest
from gunicorn.config import Config
from gunicorn.workers.gthread import TConn

from serving.line import Line
from serving.worker import PATIENCE_SECONDS, GuardedWorker

QUESTION = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture
def worker() -> Iterator[Any]:
    """One that is not started, with a single thread."""
    worker: Any = GuardedWorker(1, 1, [], None, 1, Config(), Mock())
    worker.cfg.set("threads", 1)
    worker.method_queue.init()
    worker.tpool, worker.busy, worker.threads = ThreadPoolExecutor(1), 0, 1
    worker.seen, worker.has_tls, worker.waiting = time.monotonic(), False, {}
    worker.most, worker.longest_wait, worker.poller = 17, 60.0, selectors.DefaultSelector()
    yield worker
    worker.tpool.shutdown()
    worker.poller.close()
    worker.tmp.close()
    os.close(worker.method_queue._read_fd)
    os.close(worker.method_queue._write_fd)


@pytest.mark.parametrize(("busy", "accepted"), [(0, 1), (1, 3)])
def test_a_busy_loop_accepts_all_who_wait_and_another_one_leaves_them_to_other_workers(
    worker: Any, busy: int, accepted: int
) -> None:
    worker.handle, worker.busy, worker.threads = Mock(), busy, 2 - busy
    with socket.create_server(("127.0.0.1", 0)) as listener, ExitStack() as stack:
        listener.setblocking(False)
        for _ in range(3):
            stack.enter_context(socket.create_connection(listener.getsockname()))
        assert select.select([listener], [], [], 10)[0]

        worker.accept(listener)

        assert worker.nr_conns == accepted
        worker.tpool.shutdown()
        for (conn,), _ in worker.handle.call_args_list:
            conn.close()


@pytest.fixture
def pair(worker: Any) -> Iterator[tuple[TConn, socket.socket]]:
    """A connection of the worker's, and the client's end of it."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        conn = TConn(worker.cfg, ours, "", "")
        conn.asked, conn.sock = time.monotonic(), Line(ours)
        theirs.settimeout(20)
        yield conn, theirs
        conn.sock.close()


def test_who_finds_too_many_waiting_is_refused(worker: Any, pair: tuple[TConn, socket.socket]) -> None:
    conn, client = pair
    worker.wsgi = Mock(extensions={"refusals": Mock(answer=Mock(return_value=b"no"))})
    client.sendall(QUESTION)

    refused = []
    for worker.busy in (17, 18):
        refused.append(worker._refuse(conn, 0.0))

    assert refused == [False, True]
    assert client.recv(9) == b"no"


def test_but_not_before_a_while_in_which_a_place_may_become_free(worker: Any) -> None:
    came = time.monotonic()
    first, second = (SelectorKey(Mock(), number, selectors.EVENT_READ, Mock()) for number in (1, 2))
    worker.poller = Mock(select=Mock(return_value=[]), get_map=Mock(return_value={1: first, 2: second}))
    worker.waiting, worker.busy = {first: came, second: came + 60}, 18

    worker.wait_for_and_dispatch_events(0)
    assert (first.data.call_count, second.data.call_count) == (0, 0)

    worker.waiting[first] = came - PATIENCE_SECONDS
    worker.wait_for_and_dispatch_events(0)
    assert (first.data.call_count, second.data.call_count) == (1, 0)

    worker.busy = 17
    worker.wait_for_and_dispatch_events(0)
    assert (first.data.call_count, second.data.call_count) == (1, 1)


def answer(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]


@pytest.mark.parametrize(
    ("busy", "alive", "asked", "answered"),
    [(1, True, 3, 3), (2, True, 3, 1), (1, False, 3, 1)],
    ids=["nobody else asks", "somebody else waits", "the worker stops"],
)
def test_a_thread_stays_with_who_asks_again(
    worker: Any, pair: tuple[TConn, socket.socket], busy: int, alive: bool, asked: int, answered: int
) -> None:
    conn, client = pair
    worker.wsgi, worker.busy, worker.alive = answer, busy, alive
    client.sendall(QUESTION)

    with patch("serving.worker.LINGER_MILLISECONDS", 60_000), ThreadPoolExecutor(1) as pool:
        stays = pool.submit(worker.handle, conn)
        for _ in range(answered):
            assert client.recv(999).endswith(b"\r\n\r\nok")
            client.sendall(QUESTION if stays.running() else b"")
        client.shutdown(socket.SHUT_WR)

        assert stays.result(20) is (answered < asked and alive)


def test_but_not_for_long(worker: Any, pair: tuple[TConn, socket.socket]) -> None:
    conn, client = pair
    worker.wsgi = answer
    client.sendall(QUESTION)

    assert worker.handle(conn) is True
    assert client.recv(999).endswith(b"ok")


@pytest.mark.parametrize(
    ("asked", "left"),
    [
        (QUESTION, True),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab", True),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999\r\n\r\n" + b"a" * 99999, False),
    ],
    ids=["no body", "a body", "too long a body"],
)
def test_a_body_that_nobody_reads_is_not_taken_for_the_next_question(
    worker: Any, pair: tuple[TConn, socket.socket], asked: bytes, left: bool
) -> None:
    conn, client = pair
    worker.wsgi = answer
    sender = threading.Thread(target=client.sendall, args=(asked,))
    sender.start()

    assert worker.handle(conn) is left
    sender.join(20)
    assert client.recv(999).endswith(b"ok")


def test_a_stop_in_the_midst_of_giving_work_to_a_thread_is_no_deadlock(worker: Any) -> None:
    """By the signal's handler, called where the signal would come: Python runs it between any two steps."""
    stopped = threading.Event()

    def stop() -> None:
        worker.handle_quit(signal.SIGQUIT, None)
        stopped.set()

    with worker.tpool._shutdown_lock:  # as `submit` has it
        threading.Thread(target=stop, daemon=True).start()
        assert stopped.wait(10)
    assert not worker.alive
    assert worker.cfg.graceful_timeout == 0


def test_a_thread_that_outlives_the_loop_writes_into_its_own_pipe(worker: Any) -> None:
    worker.method_queue.close()
    worker.method_queue.defer(print)

    assert os.read(worker.method_queue._read_fd, 9) == b"\0"
