"""A network on which connecting takes longer than a probe waits: whoever gave up too early must not stop all others."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import DBAPIError

from steadypool import deadline, read
from steadypool.core import breaker
from steadypool.errors import PoolError
from testkit.proxy import Proxy
from testkit.waiting import eventually
from tests.pool.service import FOUND, Service
from tests.support.kinds import on_each_driver


@on_each_driver
def test_a_connect_that_was_cut_does_not_close_the_service(
    service: Service, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(breaker, "PATIENCE_SECONDS", 0.1)
    proxy.delay(0.05)  # each way: to log in takes longer than a probe waits
    with deadline.within(0.05), pytest.raises((PoolError, DBAPIError)):
        read(service.reader, lambda connection: None)

    assert eventually(lambda: service.ask() == FOUND, seconds=12)
