"""What Gunicorn does with our settings, asked of a real one."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.serve.serving import Serving
from tests.support.asking import LOOKUP, PATH

SLOW = """

import time
from flask import request


@app.get("/slow")
def slow():
    time.sleep(float(request.args["seconds"]))
    return "done"


@app.get("/seen")
def seen():
    return {"url": request.url, "remote": request.remote_addr}
"""

SLOW_START = """

import time
begin = post_fork


def post_fork(server, worker):
    begin(server, worker)
    time.sleep(5)
"""


@pytest.fixture
def extended(ready_tree: Path) -> Path:
    """A clone with two more routes: one that takes its time, one that tells what the application sees."""
    with (ready_tree / "wsgi.py").open("a") as file:
        file.write(SLOW)
    return ready_tree


def test_sigterm_answers_every_request_that_was_begun(extended: Path, serve: Callable[..., Serving]) -> None:
    server = serve(extended, WORKERS="2", THREADS="4")

    with ThreadPoolExecutor(8) as clients:
        asked = [clients.submit(server.get, "/slow?seconds=2") for _ in range(8)]
        time.sleep(1)
        code = server.stop(signal.SIGTERM)
        answers = [answer.result() for answer in asked]

    assert [(answer.status, answer.text) for answer in answers] == [(200, "done")] * 8
    assert code == 0


def test_a_worker_that_is_just_starting_does_not_hold_up_the_stop(ready_tree: Path) -> None:
    with (ready_tree / "gunicorn.conf.py").open("a") as file:
        file.write(SLOW_START)
    with Serving(ready_tree, WORKERS="1") as server:
        server.wait_for_events("Booting worker", 1)
        time.sleep(0.5)
        began = time.monotonic()
        code = server.stop(signal.SIGTERM)

    assert time.monotonic() - began < 3
    assert code == 0


def test_a_request_that_never_ends_does_not_hold_up_the_stop_for_long(
    extended: Path, serve: Callable[..., Serving]
) -> None:
    server = serve(extended, WORKERS="1", GRACEFUL_TIMEOUT_SECONDS="2", REQUEST_DEADLINE_SECONDS="1")

    with ThreadPoolExecutor(1) as clients:
        asked = clients.submit(server.get, "/slow?seconds=8")
        time.sleep(0.5)
        began = time.monotonic()
        server.stop(signal.SIGTERM)
        took = time.monotonic() - began

    assert took < 5
    assert asked.exception() is not None


def test_workers_are_replaced_without_a_lost_request(extended: Path, serve: Callable[..., Serving]) -> None:
    server = serve(extended, WORKERS="1", MAX_REQUESTS="20")

    with ThreadPoolExecutor(4) as clients:
        statuses = list(clients.map(lambda _: server.get("/seen").status, range(100)))

    assert statuses == [200] * 100
    assert len([event for event in server.events() if event["event"].startswith("Booting worker")]) >= 3


def test_forwarded_headers_are_believed_by_nobody_unless_told(extended: Path, serve: Callable[..., Serving]) -> None:
    server = serve(extended)
    spoofed = {"X_Forwarded_Proto": "https", "X_Forwarded_For": "6.6.6.6", "X_Forwarded_Host": "evil.example"}

    seen = server.get("/seen", **spoofed).text

    assert f'"http://127.0.0.1:{server.port}/seen"' in seen
    assert '"remote":"127.0.0.1"' in seen.replace(" ", "")


def test_one_proxy_is_believed_when_told(extended: Path, serve: Callable[..., Serving]) -> None:
    server = serve(extended, TRUSTED_PROXY_HOPS="1")

    seen = server.get("/seen", X_Forwarded_Proto="https", X_Forwarded_For="6.6.6.6, 203.0.113.9").text

    assert "https://127.0.0.1" in seen
    assert "203.0.113.9" in seen


def test_a_hundred_kilobytes_of_query_are_refused(served_before: Path, serve: Callable[..., Serving]) -> None:
    server = serve(served_before)

    assert server.get("/?q=" + "x" * 100_000).status == 414
    assert server.get("/livez").status == 200


def test_bytes_that_no_address_may_hold_are_refused_by_gunicorn(
    served_before: Path, serve: Callable[..., Serving]
) -> None:
    server = serve(served_before)
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as raw:
        raw.sendall("GET /?q=Malmö HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())

        assert raw.recv(99).startswith(b"HTTP/1.1 400 ")
    assert server.get("/livez").status == 200


def test_the_access_log_is_json_with_the_request_id_and_without_probes(
    served_before: Path, serve: Callable[..., Serving]
) -> None:
    server = serve(served_before)

    server.get("/livez")
    server.get("/readyz")
    answer = server.get(LOOKUP, X_Request_ID="my-id.1")
    server.stop()

    assert answer.headers["X-Request-ID"] == "my-id.1"
    lines = server.events("request")
    assert [(line["request_id"], line["path"], line["status"]) for line in lines] == [("my-id.1", PATH, 200)]
    assert "/livez" not in server.log.read_text()


def test_gunicorn_logs_in_the_same_format_from_its_first_line(
    served_before: Path, serve: Callable[..., Serving]
) -> None:
    server = serve(served_before)
    server.stop()

    lines = server.log.read_text().splitlines()
    assert [line for line in lines if not line.startswith("{")] == []
    assert {"event", "level", "logger", "timestamp"} <= set(server.events()[0])


def test_the_access_log_can_be_turned_off(served_before: Path, serve: Callable[..., Serving]) -> None:
    server = serve(served_before, ACCESS_LOG="off")

    server.get(LOOKUP)
    server.stop()

    assert server.events("request") == []
    assert f"{LOOKUP} HTTP" not in server.log.read_text()


def test_there_is_no_control_socket(served_before: Path, serve: Callable[..., Serving]) -> None:
    serve(served_before).stop()

    assert list((served_before.parent / "home").rglob("*")) == []
