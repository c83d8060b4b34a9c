"""A network on which connecting takes longer than a probe waits: whoever gave up too early must not stop all others."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy.exc import DBAPIError

from steadypool import deadline, read
from steadypool.core.knock import PATIENCE_SECONDS
from steadypool.errors import PoolError
from testkit.fault_servers import Kind
from testkit.proxy import Proxy
from testkit.waiting import eventually
from tests.pool.service import FOUND, Service
from tests.support.kinds import on


@on(Kind.MARIADB, Kind.POSTGRESQL)
def test_a_connect_that_was_cut_does_not_close_the_service(make_service: Callable[..., Service], proxy: Proxy) -> None:
    service = make_service(deadline_seconds=8)
    proxy.delay(0.25)  # each way: to log in takes longer than a probe waits
    with deadline.within(PATIENCE_SECONDS / 2), pytest.raises((PoolError, DBAPIError)):
        read(service.reader, lambda connection: None)

    assert eventually(lambda: service.ask() == FOUND, seconds=12)
