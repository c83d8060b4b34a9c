"""A network on which connecting takes long: whoever looks at the dashboard must not stop all others."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask

from testkit.proxy import Proxy
from tests.faults.shelf import ONE
from tests.support.kinds import on_mariadb


@on_mariadb
def test_whoever_looks_at_the_dashboard_first_is_in_nobodys_way(
    make_service: Callable[..., Flask], proxy: Proxy
) -> None:
    client = make_service().test_client()
    proxy.delay(0.1)

    looked = client.get("/pool", headers={"Accept": "application/json"})

    assert looked.status_code == 200
    assert client.get(ONE).status_code == 200
