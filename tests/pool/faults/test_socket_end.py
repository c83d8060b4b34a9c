"""A socket of which nothing but its end is seen: psycopg raises an error without a code and thinks it open."""

from __future__ import annotations

import os
import threading
from typing import Any

import pytest
from sqlalchemy import exc, func, select

from steadypool import is_unavailable
from testkit.fault_servers import FaultServer
from testkit.waiting import eventually
from tests.pool.service import Service
from tests.support.kinds import on_postgresql


@on_postgresql
def test_its_connection_is_lost(service: Service, fault_server: FaultServer, user: str) -> None:
    """A pipe whose other end is closed is put in its place: poll() tells of no more than that."""

    def replace(socket: int) -> None:
        assert eventually(lambda: any("pg_sleep" in statement for statement in fault_server.running(user)))
        end, other = os.pipe()
        os.close(other)
        os.dup2(end, socket)
        os.close(end)

    with service.writer.connect() as connection:
        driver: Any = connection.connection.dbapi_connection
        thread = threading.Thread(target=replace, args=(driver.fileno(),))
        thread.start()
        with pytest.raises(exc.OperationalError, match="connection socket closed") as lost:
            connection.execute(select(func.pg_sleep(1.5)))
        thread.join()

        assert is_unavailable(lost.value)
        assert connection.invalidated
