"""The bench itself: what the other tests of this folder rely on, on each server."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pymysql
import pytest
from flask import Flask
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from testkit.clients import Question, Request
from testkit.databases import Database, plain_engine
from testkit.fault_servers import FaultServer
from testkit.proxy import Proxy
from testkit.waiting import eventually
from tests.faults.clients import Clients
from tests.faults.shelf import ONE
from tests.pool import library
from tests.support.kinds import on_mysql_family


@pytest.fixture
def ask(seeded: Database) -> Callable[..., Any]:
    """Run a statement on a connection of the application's user and return its one value."""

    def run(statement: str = "SELECT count(*) FROM book", seconds: int = 5) -> Any:
        engine = create_engine(seeded.url, connect_args={"connect_timeout": seconds})
        with engine.connect() as connection:
            value = connection.scalar(text(statement))
        engine.dispose()
        return value

    return run


def test_a_frozen_server_answers_after_the_thaw(fault_server: FaultServer, ask: Callable[..., Any]) -> None:
    fault_server.freeze()
    with pytest.raises((DBAPIError, pymysql.Error)):
        # PyMySQL's limit for connecting leaves the greeting out
        ask(seconds=1) if not fault_server.is_mysql else pymysql.connect(
            host="127.0.0.1", port=fault_server.server.url.port, user="x", connect_timeout=1, read_timeout=1
        )

    fault_server.thaw()

    assert ask() == 600


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_server_comes_back_on_its_port_with_its_data(
    fault_server: FaultServer, ask: Callable[..., Any], end: str
) -> None:
    getattr(fault_server, end)()
    with pytest.raises(DBAPIError):
        ask()

    came_back = fault_server.start()

    assert ask() == 600
    assert time.monotonic() - came_back < 2


def test_connections_are_seen_and_killed(fault_server: FaultServer, seeded: Database, user: str) -> None:
    engine = plain_engine(seeded.url)

    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        assert len(fault_server.sessions(user)) == 1

        assert fault_server.kill_connections(user) == 1

        with pytest.raises(DBAPIError):
            connection.execute(text("SELECT 1"))
    assert eventually(lambda: fault_server.sessions(user) == [])


@on_mysql_family
def test_counters_see_the_application_and_not_the_bench(fault_server: FaultServer, ask: Callable[..., Any]) -> None:
    names = "Com_select", "Com_set_option", "Com_rollback", "Com_admin_commands", "Connections", "Aborted_clients"
    with fault_server.counting(*names) as silence:
        fault_server.sessions("nobody")
    with fault_server.counting(*names) as counted:
        ask()

    assert silence == dict.fromkeys(silence, 0)
    assert counted["Com_select"] >= 1
    assert (counted["Connections"], counted["Aborted_clients"]) == (1, 0)


@on_mysql_family
def test_what_is_set_globally_is_set_back(fault_server: FaultServer, ask: Callable[..., Any]) -> None:
    before = ask("SELECT @@wait_timeout")

    with fault_server.set_globally(wait_timeout=7):
        assert ask("SELECT @@wait_timeout") == 7

    assert ask("SELECT @@wait_timeout") == before != 7


def test_clients_get_right_answers_through_the_proxy(service: Flask, proxy: Proxy) -> None:
    clients = Clients(service, 4).run(0.5)

    assert len(clients.answers) > 20
    assert clients.failed == clients.wrong == []
    assert clients.stuck == 0
    assert proxy.counts().round_trips > 20


def test_a_wrong_answer_is_noticed() -> None:
    one = Question(ONE, library.ONE, library.answer(library.ONE))
    right = Request(one, 0.0, 0.1, 200, f"{library.answer(library.ONE)}\n")

    assert not right.is_wrong
    assert replace(right, text=f'"{library.ONE}" is #1\n').is_wrong
    assert replace(right, question=replace(one, right=library.answer(library.TITLES[0]))).is_wrong
    assert replace(right, status=404, text="not found").is_wrong
    assert not replace(right, status=503, text="away").is_wrong
