"""What Gunicorn does with our settings, asked of a real one."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.serve.serving import Serving
from tests.support.asking import LOOKUP, PATH

# Two more routes: one that takes its time, one that tells what the application sees.
MORE = """

import time
from flask import request


@app.get("/slow")
def slow():
    app.logger.warning("begun")
    time.sleep(8)
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
    server.log.warning("sleeping")
    time.sleep(5)
"""


@pytest.fixture(scope="module")
def server(extended: Path) -> Iterator[Serving]:
    """One as it is shipped."""
    with Serving(extended) as server:
        server.wait()
        yield server


@pytest.fixture(scope="module")
def other(extended: Path) -> Iterator[Serving]:
    """One behind a proxy, which writes the lines about requests."""
    with Serving(extended, TRUSTED_PROXY_HOPS="1", ACCESS_LOG="off") as server:
        server.wait()
        yield server


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_that_is_just_starting_does_not_hold_up_the_stop(ready_tree: Path, how: signal.Signals) -> None:
    with (ready_tree / "gunicorn.conf.py").open("a") as file:
        file.write(SLOW_START)
    with Serving(ready_tree, WORKERS="1") as server:
        server.wait_for_events("sleeping", 1)
        began = time.monotonic()
        code = server.stop(how)

    assert time.monotonic() - began < 3
    assert code == 0


def test_a_request_that_never_ends_does_not_hold_up_the_stop_for_long(extended: Path) -> None:
    environ = {"WORKERS": "1", "GRACEFUL_TIMEOUT_SECONDS": "2", "REQUEST_DEADLINE_SECONDS": "1"}
    with Serving(extended, **environ) as server, ThreadPoolExecutor(1) as clients:
        server.wait()
        asked = clients.submit(server.get, "/slow")
        server.wait_for_events("begun", 1)
        began = time.monotonic()
        server.stop(signal.SIGTERM)
        took = time.monotonic() - began

    assert took < 5
    assert asked.exception() is not None


def test_forwarded_headers_are_believed_by_nobody_unless_told(server: Serving) -> None:
    spoofed = {"X_Forwarded_Proto": "https", "X_Forwarded_For": "6.6.6.6", "X_Forwarded_Host": "evil.example"}

    seen = server.get("/seen", **spoofed).json()

    assert seen == {"url": f"http://127.0.0.1:{server.port}/seen", "remote": "127.0.0.1"}


def test_one_proxy_is_believed_when_told(other: Serving) -> None:
    seen = other.get("/seen", X_Forwarded_Proto="https", X_Forwarded_For="6.6.6.6, 203.0.113.9").json()

    assert seen == {"url": f"https://127.0.0.1:{other.port}/seen", "remote": "203.0.113.9"}


def test_a_hundred_kilobytes_of_query_are_refused(server: Serving) -> None:
    assert server.get("/?q=" + "x" * 100_000).status == 414
    assert server.get("/livez").status == 200


def test_bytes_that_no_address_may_hold_are_refused_by_gunicorn(server: Serving) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as raw:
        raw.sendall("GET /?q=Malmö HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())

        assert raw.recv(99).startswith(b"HTTP/1.1 400 ")
    assert server.get("/livez").status == 200


def test_the_log_is_json_from_its_first_line_with_the_request_id_and_without_probes(server: Serving) -> None:
    for probe in ("/livez", "/readyz", "/metrics"):
        server.get(probe)
    answer = server.get(LOOKUP, X_Request_ID="my-id.1")

    assert answer.headers["X-Request-ID"] == "my-id.1"
    server.wait_for_events("request", 1)
    lines = [(line["path"], line["status"]) for line in server.events("request") if line["request_id"] == "my-id.1"]
    assert lines == [(PATH, 200)]
    whole, _, _ = server.log.read_text().rpartition("\n")
    assert [line for line in whole.splitlines() if not line.startswith("{")] == []
    assert {"event", "level", "logger", "timestamp"} <= set(server.events()[0])
    assert [probe for probe in ("/livez", "/readyz", "/metrics") if probe in whole] == []


def test_the_access_log_can_be_turned_off(other: Serving) -> None:
    other.get(LOOKUP)
    other.stop()

    assert other.events("request") == []
    assert f"{LOOKUP} HTTP" not in other.log.read_text()


def test_there_is_no_control_socket(server: Serving, extended: Path) -> None:
    assert server.get("/livez").status == 200
    assert list((extended.parent / "home").rglob("*")) == []
