"""Whoever gets no connection of the pool in time is told so, and that it may be tried again soon."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from testkit.waiting import eventually
from tests.faults.shelf import ONE
from tests.faults.support import pool_of, reader_of
from tests.support.kinds import on_mariadb
from tests.support.pools import held
from tests.support.problems import assert_problem


def ask(app: Flask) -> TestResponse:
    return app.test_client().get(ONE, headers={"Accept": "application/json"})


@on_mariadb
def test_whoever_finds_the_queue_full_is_told_at_once(make_service: Callable[..., Flask]) -> None:
    service = make_service(POOL_SIZE=1, POOL_MAX_PENDING=3, POOL_TIMEOUT_SECONDS=2)
    ask(service)

    with ThreadPoolExecutor(3) as threads:
        with held(reader_of(service)):
            queue = [threads.submit(ask, service) for _ in range(3)]
            assert eventually(lambda: pool_of(service).snapshot()["pending"] == 3)
            refused = ask(service)
        waited = [asked.result() for asked in queue]

    assert_problem(refused, 503, "pool-exhausted")
    assert [each.status_code for each in waited] == [200] * 3


@on_mariadb
@pytest.mark.parametrize("limit", [{"POOL_TIMEOUT_SECONDS": 0.5}, {"REQUEST_DEADLINE_SECONDS": 0.5}], ids=str)
def test_whoever_waits_in_vain_is_told(make_service: Callable[..., Flask], limit: dict[str, float]) -> None:
    service = make_service(POOL_SIZE=1, **limit)
    ask(service)

    with held(reader_of(service)):
        assert_problem(ask(service), 503, "pool-exhausted")

    assert ask(service).status_code == 200
