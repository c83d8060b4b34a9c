"""A browser is told in development where the time of an answer went, and nobody in production."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from flask import Flask

from testkit.databases import Database
from tests.support.asking import LOOKUP

ON_SQLITE = pytest.mark.parametrize("server", ["sqlite"], indirect=True)
NAMES = ("wait", "connect", "db", "app")


def milliseconds(header: str) -> dict[str, float]:
    assert re.fullmatch(", ".join(rf"{name};dur=\d+\.\d\d" for name in NAMES), header)
    return {name: float(took) for name, took in re.findall(r"(\w+);dur=([\d.]+)", header)}


@ON_SQLITE
def test_the_first_answer_had_to_connect_and_the_second_had_not(
    database: Database, make_app: Callable[..., Flask]
) -> None:
    client = make_app(DATABASE_URL=database.url).test_client()

    first, second = (milliseconds(client.get(LOOKUP).headers["Server-Timing"]) for _ in range(2))

    assert first["connect"] > 0
    assert second["connect"] == 0
    assert min(second["db"], second["app"]) > 0


@pytest.mark.parametrize("server", ["postgresql"], indirect=True)
def test_it_says_the_same_as_the_log(
    database: Database, make_app: Callable[..., Flask], capsys: pytest.CaptureFixture[str]
) -> None:
    client = make_app(DATABASE_URL=database.url, LOG_FORMAT="json").test_client()

    told = milliseconds(client.get(LOOKUP).headers["Server-Timing"])

    [line] = [line for line in capsys.readouterr().err.splitlines() if '"event": "request"' in line]
    assert f'"database_ms": {told["db"]}' in line
    assert f'"pool_wait_ms": {told["wait"]}' in line


@pytest.mark.parametrize("path", ["/livez", "/nowhere"])
def test_who_asks_no_database_is_told_that(make_app: Callable[..., Flask], path: str) -> None:
    told = milliseconds(make_app().test_client().get(path).headers["Server-Timing"])

    assert [told[name] for name in NAMES[:3]] == [0, 0, 0]


@ON_SQLITE
def test_nobody_is_told_in_production(database: Database, make_app: Callable[..., Flask]) -> None:
    client = make_app(DATABASE_URL=database.url, ENVIRONMENT="production").test_client()

    assert "Server-Timing" not in client.get(LOOKUP).headers
