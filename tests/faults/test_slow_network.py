"""A network on which connecting takes longer than a probe waits: whoever gave up too early must not stop all others."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy.exc import DBAPIError

from steadypool import deadline, read
from steadypool.core.breaker import PATIENCE_SECONDS
from steadypool.errors import PoolError
from testkit.fault_servers import Kind
from testkit.proxy import Proxy
from testkit.waiting import eventually
from tests.faults.support import reader_of
from tests.support.kinds import on


@on(Kind.MARIADB, Kind.POSTGRESQL)
def test_a_connect_that_was_cut_does_not_close_the_service(make_service: Callable[..., Flask], proxy: Proxy) -> None:
    app = make_service(REQUEST_DEADLINE_SECONDS=8)
    proxy.delay(0.25)  # each way: to log in takes longer than a probe waits
    with app.app_context(), deadline.within(PATIENCE_SECONDS / 2), pytest.raises((PoolError, DBAPIError)):
        read(reader_of(app), lambda connection: None)

    client = app.test_client()

    assert eventually(lambda: client.get("/?city=London").status_code == 200, seconds=12)


@on(Kind.MARIADB, Kind.POSTGRESQL)
def test_whoever_looks_at_the_dashboard_first_is_in_nobodys_way(
    make_service: Callable[..., Flask], proxy: Proxy
) -> None:
    client = make_service().test_client()
    proxy.delay(0.1)

    looked = client.get("/pool", headers={"Accept": "application/json"})

    assert looked.get_json()["server"]["silence"] == ""
    assert client.get("/?city=London").status_code == 200
