"""Whoever gets no connection of the pool in time is told so, and that it may be tried again soon."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from tests.faults.shelf import ONE
from tests.faults.support import reader_of
from tests.support.kinds import on_mariadb
from tests.support.pools import held
from tests.support.problems import assert_problem


@on_mariadb
@pytest.mark.parametrize(
    "limit", [{"POOL_TIMEOUT_SECONDS": 0.5}, {"REQUEST_DEADLINE_SECONDS": 0.5}, {"POOL_MAX_PENDING": 0}], ids=str
)
def test_whoever_gets_none_is_told(make_service: Callable[..., Flask], limit: dict[str, float]) -> None:
    service = make_service(POOL_SIZE=1, **limit)
    client = service.test_client()
    assert client.get(ONE).status_code == 200

    with held(reader_of(service)):
        assert_problem(client.get(ONE, headers={"Accept": "application/json"}), 503, "pool-exhausted")

    assert client.get(ONE).status_code == 200
