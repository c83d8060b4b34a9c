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
from contextlib import ExitStack, suppress
from selectors import SelectorKey
from typing import Any
from unittest.mock import Mock, patch

import pytest
from gunicorn.config import Config
from gunicorn.workers.gthread import TConn

from serving.line import Line
from serving.turns import Turns
from serving.worker import GuardedWorker
from testkit.waiting import eventually

QUESTION = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture
def worker() -> Iterator[Any]:
    """One that is not started, with a single thread."""
    worker: Any = GuardedWorker(1, 1, [], None, 1, Config(), Mock())
    worker.cfg.set("threads", 1)
    worker.method_queue.init()
    worker.tpool, worker.busy, worker.threads = ThreadPoolExecutor(1), 0, 1
    worker.turns, worker.looked = Turns(1, worker._call_thread), 0.0
    worker.seen, worker.has_tls, worker.waiting = time.monotonic(), False, {}
    worker.most, worker.longest_wait, worker.poller = 17, 60.0, selectors.DefaultSelector()
    yield worker
    worker.tpool.shutdown()
    worker.poller.close()
    worker.tmp.close()
    os.close(worker.method_queue._read_fd)
    os.close(worker.method_queue._write_fd)


def test_no_request_has_to_look_for_a_setting_of_the_server(worker: Any) -> None:
    with patch("gunicorn.workers.gthread.ThreadWorker.init_process"):
        worker.init_process()

    with patch.object(Config, "__getattr__", side_effect=AssertionError):  # it is asked for what is not at hand
        assert worker.cfg.threads == 1
        assert all(hasattr(worker.cfg, name) for name in worker.cfg.settings)


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


@pytest.fixture
def refusing(worker: Any) -> Any:
    """A worker that says no."""
    worker.wsgi = Mock(extensions={"refusals": Mock(answer=Mock(return_value=b"no\r\n"))})
    return worker


@pytest.mark.parametrize(
    ("busy", "unseen", "age", "is_refused"),
    [(17, 0, 0, False), (18, 0, 0, True), (2, 99, 0, False), (2, 0, 61, True)],
    ids=["few", "too many", "many whom the loop sees to first: the threads have little to do", "late"],
)
def test_on_a_kept_connection_it_is_refused_at_once_where_too_many_wait_or_it_is_late(
    refusing: Any, pair: tuple[TConn, socket.socket], busy: int, unseen: int, age: float, is_refused: bool
) -> None:
    conn, client = pair
    refusing.poller.register(conn.sock, selectors.EVENT_READ)
    refusing.keepalived_conns.append(conn)
    refusing.enqueue_req = Mock()
    refusing.busy, refusing.waiting = busy, dict.fromkeys(range(unseen), 0.0)
    refusing.seen -= age
    client.sendall(QUESTION)

    refusing.on_client_socket_readable(conn, conn.sock)

    assert refusing.enqueue_req.called is not is_refused
    assert not is_refused or client.recv(9) == b"no\r\n"
    assert (conn in refusing.keepalived_conns) is is_refused
    assert not is_refused or conn.timeout > time.monotonic(), "it is kept for as long as after an answer"


def test_on_a_kept_connection_who_is_refused_among_very_many_is_closed(
    refusing: Any, pair: tuple[TConn, socket.socket]
) -> None:
    conn, client = pair
    refusing.poller.register(conn.sock, selectors.EVENT_READ)
    refusing.keepalived_conns.append(conn)
    refusing.busy, refusing.nr_conns = 18, refusing.max_keepalived + 1
    client.sendall(QUESTION)

    refusing.on_client_socket_readable(conn, conn.sock)

    assert client.recv(99) == b"no\r\nConnection: close\r\n"
    assert client.recv(9) == b""
    assert (refusing.nr_conns, len(refusing.keepalived_conns)) == (refusing.max_keepalived, 0)
    assert not refusing.poller.get_map()


@pytest.mark.parametrize("may_stay", [True, False])
def test_who_connects_while_too_many_wait_is_refused_and_may_stay_unless_very_many_are_there(
    refusing: Any, may_stay: bool
) -> None:
    refusing.busy, refusing.nr_conns = 18, refusing.max_keepalived - may_stay
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        with socket.create_connection(listener.getsockname()) as client:
            client.sendall(QUESTION)
            assert select.select([listener], [], [], 10)[0]

            refusing.accept(listener)

            assert client.recv(99) == b"no\r\n" + b"Connection: close\r\n" * (not may_stay)
            assert len(refusing.keepalived_conns) == may_stay
            assert refusing.nr_conns == refusing.max_keepalived
            assert refusing.busy == 18
            for conn in refusing.keepalived_conns:
                conn.close()
            assert may_stay or client.recv(9) == b""


def test_a_thread_refuses_who_waited_too_long_and_nobody_because_others_wait(
    refusing: Any, pair: tuple[TConn, socket.socket]
) -> None:
    conn, client = pair
    refusing.busy = 18
    client.sendall(QUESTION)
    with patch("gunicorn.workers.gthread.ThreadWorker.handle", Mock(return_value=False)) as answered:
        assert refusing.handle(conn) is False
    assert answered.called

    conn.asked -= 61

    assert refusing.handle(conn) is True
    assert client.recv(9) == b"no\r\n"


def test_the_loop_does_not_wait_for_one_who_is_refused_and_reads_nothing_nor_keep_his_connection(
    worker: Any, pair: tuple[TConn, socket.socket]
) -> None:
    """What he may have got is half an answer: the next one would be taken for the rest of it."""
    conn, client = pair
    worker.wsgi, worker.busy = Mock(extensions={"refusals": Mock(answer=Mock(return_value=b"no"))}), 18
    with suppress(BlockingIOError):
        while True:
            conn.sock.send(b"x" * 4096, socket.MSG_DONTWAIT)
    client.sendall(QUESTION)

    assert worker._refuse(conn, 0.0) is False


def test_a_refusal_that_the_application_cannot_make_ends_no_worker(
    worker: Any, pair: tuple[TConn, socket.socket]
) -> None:
    conn, client = pair
    worker.wsgi = Mock(extensions={"refusals": Mock(answer=Mock(side_effect=ValueError))})
    client.sendall(QUESTION)

    assert worker._refuse(conn, 0.0) is None
    assert worker.log.exception.called
    assert conn.sock.recv(999) == QUESTION, "it is answered as any other"


@pytest.mark.parametrize(("path", "is_queued"), [("/livez", False), ("/", True)])
def test_on_a_kept_connection_too_probes_stand_before_those_who_wait(worker: Any, path: str, is_queued: bool) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        key = SelectorKey(ours, 1, selectors.EVENT_READ, Mock())
        worker.poller = Mock(select=Mock(return_value=[(key, selectors.EVENT_READ)]), get_map=Mock(return_value={}))
        theirs.sendall(QUESTION.replace(b"/", path.encode(), 1))
        worker.busy = 18

        worker.wait_for_and_dispatch_events(0)

        assert key.data.called is not is_queued


def test_one_who_has_asked_for_something_else_before_may_look_after_the_service(
    worker: Any, pair: tuple[TConn, socket.socket]
) -> None:
    """As a proxy does, on a connection that it keeps for all."""
    conn, client = pair
    worker.turns, worker.reserve, worker.busy = Mock(), Mock(), 1
    for path in (b"/", b"/livez"):
        client.sendall(QUESTION.replace(b"/", path, 1))
        worker.enqueue_req(conn)
        conn.sock.recv(99)

    assert (worker.turns.ask.call_count, worker.reserve.submit.call_count) == (1, 1)


@pytest.mark.parametrize(
    "asked",
    [
        b"GET /livez HTTP/1.1\r\nHost: a\r\nX: ",
        b"GET /livez HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /pool/drain HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\nGET /?city=a HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 9000,
    ],
    ids=["half a head", "a body", "pieces", "a form", "more than one", "a long head"],
)
def test_no_thread_of_the_reserve_waits_for_the_rest_of_a_question(
    worker: Any, pair: tuple[TConn, socket.socket], asked: bytes
) -> None:
    conn, client = pair
    worker.turns, worker.reserve, worker.busy = Mock(), Mock(), 1
    client.sendall(asked)

    worker.enqueue_req(conn)

    assert (worker.turns.ask.call_count, worker.reserve.submit.call_count) == (1, 0)


def test_nor_does_one_answer_what_was_read_before_and_is_no_probe(
    worker: Any, pair: tuple[TConn, socket.socket]
) -> None:
    conn, client = pair
    worker.turns, worker.reserve, worker.busy = Mock(), Mock(), 1
    conn.init()
    conn.parser.unreader.unread(b"GET /expensive HTTP/1.1\r\nX: ")
    client.sendall(QUESTION.replace(b"/", b"/livez", 1))

    worker.enqueue_req(conn)

    assert (worker.turns.ask.call_count, worker.reserve.submit.call_count) == (1, 0)


def test_a_system_without_a_thread_left_ends_no_loop(worker: Any, pair: tuple[TConn, socket.socket]) -> None:
    conn, client = pair
    worker.reserve, worker.busy = Mock(submit=Mock(side_effect=RuntimeError("can't start new thread"))), 1
    client.sendall(QUESTION.replace(b"/", b"/livez", 1))

    worker.enqueue_req(conn)

    assert worker.reserve.submit.called


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


def test_unless_somebody_comes_meanwhile(worker: Any, pair: tuple[TConn, socket.socket]) -> None:
    conn, client = pair
    worker.wsgi, worker.busy = answer, 1
    client.sendall(QUESTION)

    def has_news(_: float) -> bool:
        worker.busy = 2
        client.sendall(QUESTION)
        return True

    conn.sock.has_news = has_news

    assert worker.handle(conn) is True
    assert client.recv(999).endswith(b"ok")
    client.setblocking(False)
    with pytest.raises(BlockingIOError):
        client.recv(999)


def nothing(environ: Any, start_response: Any) -> list[bytes]:
    start_response("204 No Content", [])
    return []


def test_an_answer_without_a_body_does_not_wait_for_that_of_the_question(
    worker: Any, pair: tuple[TConn, socket.socket]
) -> None:
    conn, client = pair
    worker.wsgi = nothing
    client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n")

    with ThreadPoolExecutor(1) as pool:
        stays = pool.submit(worker.handle, conn)
        assert client.recv(999).startswith(b"HTTP/1.1 204 ")
        assert stays.running()
        client.sendall(b"123456789")
        assert stays.result(20) is True


class Breaking(list[bytes]):
    def close(self) -> None:
        raise LookupError("while it was tidying up")


def test_an_answer_that_fails_at_the_end_was_given(worker: Any, pair: tuple[TConn, socket.socket]) -> None:
    conn, client = pair
    worker.wsgi = lambda environ, start_response: Breaking(nothing(environ, start_response))
    client.sendall(QUESTION)
    client.shutdown(socket.SHUT_WR)

    assert worker.handle(conn) is False
    assert client.recv(999).startswith(b"HTTP/1.1 204 ")


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
    assert worker.nr_conns < 0, "none to wait for"


def test_one_that_waits_for_the_last_answers_stops_at_once_where_it_is_told_to(worker: Any) -> None:
    worker.alive, worker.nr_conns, worker.method_queue.is_awaited = False, 1, True

    worker.handle_quit(signal.SIGQUIT, None)

    assert worker.nr_conns < 0
    assert select.select([worker.method_queue], [], [], 0)[0]


def test_who_waits_in_line_when_it_stops_at_once_is_not_answered_and_who_is_answered_is_not_waited_for(
    worker: Any,
) -> None:
    held, conn = threading.Event(), Mock()

    def answer(_: object) -> bool:
        held.wait(20)
        return False

    worker.handle = Mock(side_effect=answer)
    for each in (conn, Mock(), Mock()):
        worker.turns.ask(each)
    assert eventually(lambda: worker.handle.called)

    worker.handle_quit(signal.SIGQUIT, None)
    held.set()

    worker.tpool.shutdown()
    assert worker.handle.call_count == 1
    conn.close.assert_called_once_with(graceful=False)


def test_a_thread_that_outlives_the_loop_writes_into_its_own_pipe(worker: Any) -> None:
    worker.method_queue.close()
    worker.method_queue.is_awaited = True
    worker.method_queue.defer(print)

    assert os.read(worker.method_queue._read_fd, 9) == b"\0"


def test_a_loop_that_is_awake_is_not_woken_up_and_calls_all_the_same(worker: Any) -> None:
    called = Mock()
    worker.method_queue.defer(called, 1)
    worker.method_queue.defer(called, 2)
    assert not select.select([worker.method_queue], [], [], 0)[0]

    worker.wait_for_and_dispatch_events(60)

    assert [call.args for call in called.call_args_list] == [(1,), (2,)]


def test_one_that_sleeps_is_woken_up_once(worker: Any) -> None:
    worker.poller.register(worker.method_queue, selectors.EVENT_READ, worker.method_queue.run_callbacks)
    called = Mock()
    with ThreadPoolExecutor(1) as pool:
        sleeps = pool.submit(worker.wait_for_and_dispatch_events, 60)
        assert eventually(lambda: worker.method_queue.is_awaited)
        worker.method_queue.defer(called)
        sleeps.result(20)
    assert called.called
    assert not select.select([worker.method_queue], [], [], 0)[0], "and its pipe is empty again"


@pytest.mark.parametrize("error", [ZeroDivisionError, SystemExit])
def test_a_thread_goes_on_whatever_is_raised_and_the_connection_is_closed(
    worker: Any, pair: tuple[TConn, socket.socket], error: type[BaseException]
) -> None:
    conn, _ = pair
    worker.handle, worker.nr_conns = Mock(side_effect=[error, error]), 2

    for _ in range(2):
        worker.enqueue_req(conn)
        assert eventually(worker.method_queue.has_calls)
        with suppress(SystemExit):  # which Gunicorn takes for its own
            worker.method_queue.call()

    assert worker.busy == 0
    assert eventually(lambda: worker.turns._free == 1)


@pytest.mark.parametrize(("busy", "looks"), [(2, 0), (3, 1)])
def test_the_loop_looks_now_and_then_how_many_may_run_while_more_than_the_fewest_are_busy(
    worker: Any, busy: int, looks: int
) -> None:
    worker.turns, worker.threads, worker.busy = Mock(), 16, busy

    worker.wait_for_and_dispatch_events(0)
    worker.wait_for_and_dispatch_events(0)  # at once

    assert worker.turns.look.call_count == looks
    worker.looked -= 1
    worker.wait_for_and_dispatch_events(0)
    assert worker.turns.look.call_count == 2 * looks


@pytest.mark.parametrize(("busy", "sleeps"), [(2, False), (3, True)])
def test_the_loop_goes_slowly_only_while_no_thread_would_be_idle(worker: Any, busy: int, sleeps: bool) -> None:
    worker.busy = busy

    with patch("serving.worker.sleep") as sleep:
        worker.wait_for_and_dispatch_events(0)

    assert sleep.called is sleeps


def test_a_worker_that_has_ended_calls_no_thread_and_a_full_pipe_stops_none(worker: Any) -> None:
    worker.tpool.shutdown()
    worker.turns.ask(Mock())

    with suppress(BlockingIOError):
        while True:
            os.write(worker.method_queue._write_fd, b"x" * 4096)
    worker.method_queue.is_awaited = True
    worker.method_queue.defer(print)

    assert worker.method_queue.has_calls()
