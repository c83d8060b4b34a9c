"""deploy/nginx/app.conf in a real nginx, in front of the application with two threads and nothing more."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

import pytest

from testkit.databases import Database
from testkit.waiting import eventually
from tests.deploy.proxying import NAME, Nginx
from tests.serve.conftest import borrow_environment, copy_project
from tests.serve.serving import Answer, Serving
from tests.support.asking import LOOKUP

TOKEN = "a-token-of-these-tests"

# Which database is behind it makes no difference here; the one in a file costs the least.
pytestmark = pytest.mark.parametrize("server", ["sqlite"], indirect=True, scope="session")

TELLS_WHAT_IT_SEES = """

from flask import request, url_for


@app.get("/seen")
def seen():
    here = url_for("seen", _external=True)
    return {"url": request.url, "here": here, "remote": request.remote_addr, "headers": dict(request.headers)}
"""


@pytest.fixture(scope="module")
def behind(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """The application as docs/deploy.md has it behind nginx."""
    tree = copy_project(tmp_path_factory.mktemp("behind") / "clone")
    borrow_environment(tree)
    with (tree / "wsgi.py").open("a") as file:
        file.write(TELLS_WHAT_IT_SEES)
    two_threads = {"WORKERS": "1", "THREADS": "2"}
    settings = {"DATABASE_URL": database.url, "TRUSTED_PROXY_HOPS": "1", "OPS_TOKEN": TOKEN, "LOG_FORMAT": "json"}
    with Serving(tree, **settings, **two_threads) as made:
        made.wait()
        yield made


@pytest.fixture(scope="module")
def nginx(program: Callable[[str], str], behind: Serving) -> Iterator[Nginx]:
    """nginx in front of it."""
    with Nginx(program("nginx"), behind.port) as made:
        yield made


@pytest.fixture
def open_nginx(program: Callable[[str], str], behind: Serving) -> Iterator[Nginx]:
    """An nginx that forwards everything."""
    with Nginx(program("nginx"), behind.port, {"location ~ ^/(metrics|pool)(/|$)": "location = /nothing"}) as made:
        yield made


@contextmanager
def dripping(connect: Callable[[], Any], count: int = 10) -> Iterator[None]:
    """Have so many clients send their requests at a byte a quarter of a second, during the block."""
    over = Event()

    def drip(client: Any) -> None:
        for byte in b"GET / HTTP/1.1\r\nHost: cities.example.org\r\nX-Slow: " + b"." * 1000:
            client.sendall(bytes([byte]))
            if over.wait(0.25):
                return

    clients = [connect() for _ in range(count)]
    threads = [Thread(target=drip, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()
        for client in clients:
            client.close()


def seconds_to_an_answer(get: Callable[[str], Answer]) -> float:
    began = time.monotonic()
    assert get("/livez").status == 200
    return time.monotonic() - began


def test_what_is_told_of_the_client_is_what_nginx_saw(nginx: Nginx) -> None:
    lies = {
        "Host": "evil.example",
        "X_Forwarded_For": "6.6.6.6",
        "X_Forwarded_Proto": "http",
        "X_Forwarded_Host": "evil.example",
        "X_Forwarded_Port": "1",
        "X_Forwarded_Prefix": "/evil",
        "X_Real_IP": "6.6.6.6",
        "Forwarded": "for=6.6.6.6",
    }

    seen = nginx.get("/seen", from_address="127.0.0.9", **lies).json()

    assert (seen["url"], seen["remote"]) == (f"https://{NAME}/seen", "127.0.0.9")
    assert "6.6.6.6" not in str(seen)
    assert "evil" not in str(seen)


def test_links_lead_back_through_nginx(nginx: Nginx) -> None:
    assert nginx.get("/seen").json()["here"] == f"https://{NAME}/seen"
    assert nginx.get("/problems/not-found").headers["Location"].startswith(("/docs#", f"https://{NAME}/docs#"))


def test_who_comes_without_tls_is_sent_on_with_the_query(nginx: Nginx) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", nginx.plain, timeout=10)

    connection.request("GET", LOOKUP, headers={"Host": NAME})
    answer = connection.getresponse()

    assert (answer.status, answer.headers["Location"]) == (308, f"https://{NAME}{LOOKUP}")
    connection.close()


def test_a_request_has_one_id_in_both_logs_and_the_answer(behind: Serving, nginx: Nginx) -> None:
    kept = nginx.get(LOOKUP, X_Request_ID="from-the-client.1").headers["X-Request-ID"]
    made = nginx.get(LOOKUP, X_Request_ID='"bad" id').headers["X-Request-ID"]

    assert kept == "from-the-client.1"
    assert len(made) == 32
    assert [event["request_id"] for event in behind.events("request")][-2:] == [kept, made]
    # nginx writes its line once the answer is out.
    assert eventually(lambda: all(name in nginx.log() for name in (kept, made)))
    assert "Anna" not in nginx.log()


@pytest.mark.parametrize("path", ["/metrics", "/pool", "/pool/", "/pool/drain", "/%70ool", "//metrics", "/a/../pool"])
def test_what_is_for_operators_is_not_there_for_the_world(nginx: Nginx, path: str) -> None:
    assert nginx.get(path, Authorization=f"Bearer {TOKEN}").status == 404
    assert "nginx" in nginx.get(path).text


def test_where_it_is_forwarded_the_token_is_asked_for(behind: Serving, open_nginx: Nginx) -> None:
    for path in ("/metrics", "/pool"):
        assert open_nginx.get(path).status == 401
        assert open_nginx.get(path, Authorization=f"Bearer {TOKEN}").status == 200
        assert behind.get(path, Authorization=f"Bearer {TOKEN}").status == 200


def test_slow_clients_hold_no_thread(behind: Serving, nginx: Nginx) -> None:
    with dripping(lambda: socket.create_connection(("127.0.0.1", behind.port), 10)):
        time.sleep(0.5)
        waits = http.client.HTTPConnection("127.0.0.1", behind.port, timeout=2)
        waits.request("GET", LOOKUP)  # not a probe, for which threads are kept
        with pytest.raises(TimeoutError):
            waits.getresponse()
        waits.close()
    with dripping(nginx.connect):
        time.sleep(0.5)
        took = [seconds_to_an_answer(nginx.get) for _ in range(10)]

    assert max(took) < 1
