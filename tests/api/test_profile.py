"""What /pool/profile sees of the other threads, and whom it refuses."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from socket import socketpair
from threading import Event, Thread

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.operations import profiling
from serving.line import Line
from tests.support.problems import assert_problem

TOKEN = "a-token-of-these-tests"
PROFILE = "/pool/profile?seconds=1"
JSON = {"Accept": "application/json"}
LINE = re.compile(r"worker \d+;[^;]+(;[^;]+ \([^;()]+:\d+\))+ \d+")


@pytest.fixture
def client(make_app: Callable[..., Flask]) -> FlaskClient:
    return make_app().test_client()


def wait_for_the_end(over: Event) -> None:
    over.wait()


@pytest.fixture
def busy() -> Iterator[None]:
    """A thread that is in a function of ours, and a pool's that has nothing to do."""
    over = Event()
    thread = Thread(target=wait_for_the_end, args=(over,), name="somebody-7")
    with ThreadPoolExecutor(1, "nobody") as pool:
        pool.submit(int).result()
        thread.start()
        yield
        over.set()
        thread.join()


def test_it_says_where_each_thread_is(client: FlaskClient, busy: None) -> None:
    response = client.get(PROFILE)

    assert (response.status_code, response.content_type) == (200, "text/plain; charset=utf-8")
    assert response.headers["Cache-Control"] == "no-store"
    lines = response.text.splitlines()
    assert all(LINE.fullmatch(line) for line in lines), lines
    [stack] = [line for line in lines if ";somebody;" in line]
    assert re.search(r";wait_for_the_end \(tests/api/test_profile\.py:\d+\);Event\.wait \(threading\.py:\d+\);", stack)
    # Not as often as it might be: a hundred times a second is what is tried.
    assert 1 <= int(stack.rpartition(" ")[2]) <= 101


def test_those_seen_most_often_come_first_and_nobody_who_is_idle(client: FlaskClient, busy: None) -> None:
    text = client.get(PROFILE).text

    counts = [int(line.rpartition(" ")[2]) for line in text.splitlines()]
    assert counts == sorted(counts, reverse=True)
    assert ";nobody;" not in text
    assert "show_profile" not in text


def test_nobody_who_waits_for_his_client_either(client: FlaskClient, busy: None) -> None:
    ours, theirs = socketpair()
    with Line(ours) as line, theirs:
        thread = Thread(target=line.has_news, args=(60_000,), name="waiting-1")
        thread.start()
        text = client.get(PROFILE).text
        theirs.sendall(b"at last")
        thread.join()

    assert ";somebody;" in text
    assert ";waiting;" not in text


def test_one_at_a_time(client: FlaskClient) -> None:
    with profiling._one_at_a_time:
        assert_problem(client.get(PROFILE, headers=JSON), 409, "conflict")

    assert client.get(PROFILE).status_code == 200


@pytest.mark.parametrize("seconds", ["0", "31", "1.5", "long"])
def test_how_long_is_bounded(client: FlaskClient, seconds: str) -> None:
    assert_problem(client.get(f"/pool/profile?seconds={seconds}", headers=JSON), 400, "bad-request")


def test_how_long_has_to_be_said(client: FlaskClient) -> None:
    assert_problem(client.get("/pool/profile", headers=JSON), 400, "bad-request", "is missing")


def test_it_is_for_who_has_the_token(make_app: Callable[..., Flask]) -> None:
    client = make_app(OPS_TOKEN=TOKEN).test_client()

    assert_problem(client.get(PROFILE, headers=JSON), 401, "unauthorized")
    assert client.get(PROFILE, headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200


def test_in_production_it_is_closed_without_one(make_app: Callable[..., Flask]) -> None:
    assert_problem(make_app(ENVIRONMENT="production").test_client().get(PROFILE, headers=JSON), 403, "forbidden")
