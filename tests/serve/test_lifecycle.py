"""Reloading, recycling and stopping under load: no lost request, and a goodbye from every database connection."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from testkit.databases import Database
from tests.serve.conftest import status
from tests.serve.serving import Serving
from tests.serve.visitors import Visitors

SLOW = """

import time

from flask import request


@app.before_request
def begin():
    if request.path == "/test/lookup":
        app.logger.warning("begun")
        time.sleep(1)
"""

HOLDING = """

import os
import threading
import time

from sqlalchemy import text

from app.extensions import db


def borrow(engine):
    for _ in range(2):
        with engine.connect() as connection:
            connection.scalar(text("SELECT 1"))
            time.sleep(1)


@app.get("/hold")
def hold():
    threading.Thread(target=borrow, args=(db.engines["reader"],)).start()
    return str(os.getpid())
"""


def test_a_reload_loses_no_request(
    ready_tree: Path, mariadb: Database, goodbyes: None, serve: Callable[..., Serving]
) -> None:
    server = serve(ready_tree, WORKERS="2", DATABASE_URL=mariadb.url)

    with Visitors(server.port) as busy, Visitors(server.port, 4, pause=1) as idle:
        busy.wait_for(100)
        server.process.send_signal(signal.SIGHUP)
        server.wait_for_events("Worker exiting", 2)
        # To every process, as when a terminal is closed.
        os.killpg(server.process.pid, signal.SIGHUP)
        server.wait_for_events("Worker exiting", 4)
        busy.wait_for(100)
    server.stop()

    for tally in (busy.tally, idle.tally):
        assert (tally.failed, tally.not_begun) == ([], 0)
    assert idle.tally.answered > 0
    assert not [event for event in server.events() if "was sent" in event["event"]]


def test_recycling_loses_no_request(
    ready_tree: Path, mariadb: Database, goodbyes: None, serve: Callable[..., Serving]
) -> None:
    server = serve(ready_tree, WORKERS="2", MAX_REQUESTS="200", DATABASE_URL=mariadb.url)

    with Visitors(server.port) as busy, Visitors(server.port, 4, pause=1) as idle:
        server.wait_for_events("Worker exiting", 4)
        busy.wait_for(100)
    server.stop()

    for tally in (busy.tally, idle.tally):
        assert (tally.failed, tally.not_begun) == ([], 0)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_answers_every_request_that_was_begun(
    ready_tree: Path, mariadb: Database, goodbyes: None, serve: Callable[..., Serving], how: signal.Signals
) -> None:
    with (ready_tree / "wsgi.py").open("a") as file:
        file.write(SLOW)
    server = serve(ready_tree, WORKERS="2", DATABASE_URL=mariadb.url)

    with Visitors(server.port, 16) as visitors:
        visitors.wait_for(20)
        before = visitors.tally.answered
        code = server.stop(how)

    assert code == 0
    assert visitors.tally.failed == []
    assert visitors.tally.answered == len(server.events("begun")) > before


def test_a_connection_that_is_in_use_when_the_worker_ends_says_goodbye_too(
    ready_tree: Path, mariadb: Database, goodbyes: None, serve: Callable[..., Serving]
) -> None:
    with (ready_tree / "wsgi.py").open("a") as file:
        file.write(HOLDING)
    server = serve(ready_tree, WORKERS="1", DATABASE_URL=mariadb.url)

    worker = int(server.get("/hold").text)
    os.kill(worker, signal.SIGTERM)
    server.wait_for_events("Worker exiting", 1)

    # It ends after the thread, which borrows again in between.
    assert status(mariadb, "Threads_connected") > 1
