"""Whose rows may be seen is set when a connection is borrowed, and holds for every way to read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, bindparam, event, select, text

from app.cities.models import City
from steadypool import Lookup, read
from testkit.databases import Database
from testkit.fault_servers import FaultServer
from tests.faults.support import reader_of
from tests.support.kinds import on_postgresql

TENANT: ContextVar[str] = ContextVar("tenant")
NAMES = Lookup(select(City.city).where(City.city_id == bindparam("id")))
WAYS: list[Callable[[Engine], Sequence[Any]]] = [
    lambda engine: list(NAMES.fetch(engine, id=312)),
    lambda engine: read(engine, lambda connection: connection.execute(NAMES.statement, {"id": 312}).all()),
]


@pytest.fixture
def tenants(service: Flask, seeded: Database, fault_server: FaultServer) -> Iterator[Engine]:
    """An engine that tells the server for whom it asks; only "a" may see London."""
    with seeded.connect() as connection:
        for order in (
            "ALTER TABLE city ENABLE ROW LEVEL SECURITY",
            "ALTER TABLE city FORCE ROW LEVEL SECURITY",
            "CREATE POLICY theirs ON city USING (current_setting('app.tenant', true) = 'a')",
        ):
            connection.execute(text(order))
    engine = reader_of(service)

    @event.listens_for(engine, "checkout")
    def say_who(connection: Any, _record: object, _proxy: object) -> None:
        connection.execute("SELECT set_config('app.tenant', %s, false)", [TENANT.get()])

    yield engine
    with seeded.connect() as connection:
        connection.execute(text("DROP POLICY theirs ON city"))
        connection.execute(text("ALTER TABLE city DISABLE ROW LEVEL SECURITY"))
        connection.execute(text("ALTER TABLE city NO FORCE ROW LEVEL SECURITY"))


@on_postgresql
@pytest.mark.parametrize("ask", WAYS, ids=["lookup", "read"])
def test_nobody_sees_what_the_one_before_might_see(tenants: Engine, ask: Callable[[Engine], Sequence[Any]]) -> None:
    seen = []
    for tenant in "abab":
        TENANT.set(tenant)
        seen.append(ask(tenants))

    assert seen == [[("London",)], [], [("London",)], []]
