"""More is asked than the threads can do: who looks after the service is answered, who waited too long is refused."""

from __future__ import annotations

import itertools
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from flask import Flask

from app.errors import KINDS
from app.operations import dashboard, health, metrics, profiling, steering
from serving.heads import looks_after
from testkit.waiting import eventually
from tests.serve.serving import Serving
from tests.support.asking import API_PATH, LOOKUP

MORE = '''
import tempfile
import time
from pathlib import Path

from flask import request


@app.get("/full")
def full():
    """Keep a thread, until a file is there."""
    until = Path(request.args["until"])
    tempfile.mkstemp(prefix="begun-", dir=until.parent)
    while not until.exists():
        time.sleep(0.01)
    return "held"


@app.get("/compute")
def compute():
    """Do nothing but run Python, until a file is there."""
    until = Path(request.args["until"])
    tempfile.mkstemp(prefix="begun-", dir=until.parent)
    while not until.exists():
        looked = time.monotonic()
        while time.monotonic() - looked < 1:
            pass
    return "computed"
'''
THREADS = 2
ENVIRON = {"WORKERS": "1", "THREADS": str(THREADS), "QUEUE_TIMEOUT_SECONDS": "0.1"}
HOST = "Host: 127.0.0.1\r\n"


@pytest.fixture(scope="module")
def server(extended: Path) -> Iterator[Serving]:
    with Serving(extended, **ENVIRON) as server:
        server.wait()
        yield server


class Asking:
    """One connection, on which something was sent; what comes back is read when it is wanted."""

    def __init__(self, server: Serving, sent: str = "") -> None:
        self._socket = socket.create_connection(("127.0.0.1", server.port), timeout=20)
        self.send(sent)

    def __enter__(self) -> Asking:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, text: str) -> None:
        self._socket.sendall(text.encode())

    def answer(self) -> tuple[int, dict[str, str], str]:
        """Return status, headers and body, as long as the header says."""
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._more()
        head, _, body = received.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        while len(body) < int(headers.get("content-length", "0")):
            body += self._more()
        return int(first.split()[1]), headers, body.decode()

    def _more(self) -> bytes:
        received = self._socket.recv(65536)
        assert received, "closed before all of the answer came"
        return received


def get(path: str = LOOKUP, *lines: str) -> str:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: 127.0.0.1", *lines, "", ""])


@contextmanager
def all_threads_busy(server: Serving, tmp_path: Path) -> Iterator[Callable[[], None]]:
    """Keep all of them; what is yielded lets them go."""
    until = tmp_path / "until"
    asked = f"/full?until={until}"
    with ExitStack() as stack:
        stack.callback(until.touch)
        held = [stack.enter_context(Asking(server, get(asked))) for _ in range(THREADS)]
        assert eventually(lambda: len(list(tmp_path.glob("begun-*"))) == THREADS)

        def release() -> None:
            until.touch()
            assert [each.answer()[2] for each in held] == ["held"] * THREADS

        yield release


def refused(server: Serving) -> float:
    lines = server.get("/metrics").text.splitlines()
    counts = [line for line in lines if line.startswith("http_request_duration_seconds_count") and '"refused"' in line]
    return sum(float(line.split()[-1]) for line in counts)


def test_who_looks_after_the_service_is_answered_while_all_threads_are_busy(server: Serving, tmp_path: Path) -> None:
    with all_threads_busy(server, tmp_path):
        for path in ("/livez", "/readyz", "/metrics", "/pool", "/pool?pool=reader"):
            with Asking(server, get(path)) as asking:
                status, _, _ = asking.answer()
            assert status in (200, 503), path


def test_those_are_all_the_addresses_of_operations(make_app: Callable[..., Flask]) -> None:
    app = make_app()
    rooms = [each.bp.name for each in (dashboard, health, metrics, profiling, steering)]
    rules = [rule for rule in app.url_map.iter_rules() if rule.endpoint.partition(".")[0] in rooms]

    assert len(rules) > len(rooms)
    for rule in rules:
        assert looks_after(f"GET {rule.rule} HTTP/1.1".encode()), rule


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("path", "accept", "kind", "said"),
    [
        (LOOKUP, "*/*", "text/plain", "Too much is asked"),
        (LOOKUP, "text/html", "text/html", "Too much is asked"),
        (f"{API_PATH}?name=Anna", "*/*", "application/problem+json", "/problems/overloaded"),
        ("http://[::1", "\x7f;q=,", "text/plain", "Too much is asked"),  # whatever it is, the loop goes on
    ],
)
def test_who_waited_too_long_is_refused_and_may_ask_again(
    server: Serving, tmp_path: Path, method: str, path: str, accept: str, kind: str, said: str
) -> None:
    before = refused(server)
    with all_threads_busy(server, tmp_path) as release, Asking(server) as asking:
        asking.send(get(path, f"Accept: {accept}").replace("GET", method, 1))
        time.sleep(0.3)  # longer than one may wait
        release()
        if method == "HEAD":
            asking._socket.settimeout(20)
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += asking._more()
            assert head.startswith(b"HTTP/1.1 503 SERVICE UNAVAILABLE\r\n")
        else:
            status, headers, body = asking.answer()
            assert (status, headers["retry-after"]) == (KINDS["overloaded"].status, "1")
            assert headers["content-type"].startswith(kind)
            assert headers["x-content-type-options"] == "nosniff"
            assert said in body

        asking.send(get())
        assert asking.answer()[::2] == (200, "Anna\n")

    assert refused(server) == before + 1
    server.wait_for_events("overloaded: no thread was free in time", 1)


@pytest.mark.parametrize(
    "sent",
    [
        f"POST {LOOKUP} HTTP/1.1\r\n{HOST}Content-Length: 2\r\n\r\n{{}}",
        f"GET {LOOKUP} HTTP/1.1\r\n{HOST}Content-Length: 2\r\n\r\n{{}}",
        f"GET {LOOKUP} HTTP/1.0\r\n{HOST}\r\n",
        f"GET {LOOKUP} HTTP/1.1\r\n{HOST}Connection: close\r\n\r\n",
        f"GET {LOOKUP} HTTP/1.1\r\n{HOST}\r\nGET {LOOKUP} HTTP/1.1\r\n{HOST}\r\n",
    ],
    ids=["a write", "a body", "HTTP/1.0", "closes", "two at once"],
)
def test_all_else_is_answered_however_late(server: Serving, tmp_path: Path, sent: str) -> None:
    with all_threads_busy(server, tmp_path) as release, Asking(server, sent) as asking:
        time.sleep(0.3)
        release()

        assert asking.answer()[0] == (405 if sent.startswith("POST") else 200)


def test_nobody_waits_for_those_who_do_not_close_their_side(server: Serving) -> None:
    began = time.monotonic()
    with ExitStack() as stack:
        for _ in range(THREADS):
            asking = stack.enter_context(Asking(server, get("/livez", "Connection: close")))
            assert asking.answer()[0] == 200
        with Asking(server, get("/livez")) as asking:
            assert asking.answer()[0] == 200

    # A thread waits two seconds for each of them; Gunicorn's own loop would, one after the other.
    assert time.monotonic() - began < 2 * THREADS - 0.5


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps a silent connection to itself")
def test_those_who_say_nothing_keep_no_thread(server: Serving) -> None:
    with ExitStack() as stack:
        for _ in range(2 * THREADS):
            stack.enter_context(Asking(server))
        began = time.monotonic()
        with Asking(server, get()) as asking:
            assert asking.answer()[0] == 200

        assert time.monotonic() - began < 4, "a thread waits five seconds for a first word"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps a silent connection to itself")
def test_those_who_say_nothing_keep_no_thread_after_a_rush(server: Serving, tmp_path: Path) -> None:
    with ExitStack() as stack:
        with all_threads_busy(server, tmp_path) as release:
            for _ in range(2 * THREADS):
                stack.enter_context(Asking(server))
            time.sleep(0.3)
            release()
        began = time.monotonic()
        with Asking(server, get()) as asking:
            assert asking.answer()[0] == 200

        assert time.monotonic() - began < 4, "a thread waits five seconds for a first word"


def test_those_who_compute_for_long_leave_the_other_threads_to_the_others(extended: Path, tmp_path: Path) -> None:
    """As two reports do: whoever asks for the interpreter's lock waits for it, and still is not one too many."""
    until = tmp_path / "until"
    settings = {**ENVIRON, "THREADS": "8", "QUEUE_TIMEOUT_SECONDS": "15", "REQUEST_DEADLINE_SECONDS": "15"}
    with Serving(extended, **settings) as server, ExitStack() as stack:
        server.wait()
        stack.callback(until.touch)
        computing = [stack.enter_context(Asking(server, get(f"/compute?until={until}"))) for _ in range(3)]
        assert eventually(lambda: len(list(tmp_path.glob("begun-*"))) == len(computing))

        for _ in range(20):
            with Asking(server, get()) as asking:
                assert asking.answer()[0] == 200
        until.touch()

        assert [each.answer()[2] for each in computing] == ["computed"] * len(computing)


def test_those_who_ask_without_a_pause_leave_room_for_others(server: Serving) -> None:
    stopped = threading.Event()

    def ask_on() -> int:
        with Asking(server) as asking:
            for asked in itertools.count(1):
                asking.send(get())
                assert asking.answer()[0] in (200, 503)
                if stopped.is_set():
                    return asked
        raise AssertionError

    with ThreadPoolExecutor(THREADS) as pool:
        asking_on = [pool.submit(ask_on) for _ in range(THREADS)]
        try:
            for _ in range(20):
                with Asking(server, get()) as asking:
                    assert asking.answer()[0] in (200, 503)  # a busy machine takes 0.1 s, which is too long here
        finally:
            stopped.set()
    assert min(each.result() for each in asking_on) > 1


def test_one_who_has_gone_meanwhile_harms_nobody(server: Serving, tmp_path: Path) -> None:
    with all_threads_busy(server, tmp_path) as release:
        for _ in range(3):
            with Asking(server, get()):
                pass
        time.sleep(0.3)
        release()

    assert server.get(LOOKUP).status == 200
    assert [event for event in server.events() if event["level"] == "error"] == []
