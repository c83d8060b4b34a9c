"""Whose rows may be seen is set when a connection is acquired, and holds for every way to read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import Any

import pytest
from sqlalchemy import Engine, bindparam, event, select, text

from steadypool import Lookup, read
from testkit.databases import Database
from testkit.fault_servers import FaultServer
from tests.pool.library import TITLES
from tests.pool.service import Service
from tests.pool.tables import Book
from tests.support.kinds import on_postgresql

TENANT: ContextVar[str] = ContextVar("tenant")
NAMES = Lookup(select(Book.title).where(Book.book_id == bindparam("id")))
WAYS: list[Callable[[Engine], Sequence[Any]]] = [
    lambda engine: list(NAMES.fetch(engine, id=312)),
    lambda engine: read(engine, lambda connection: connection.execute(NAMES.statement, {"id": 312}).all()),
]


@pytest.fixture
def tenants(service: Service, seeded: Database, fault_server: FaultServer) -> Iterator[Engine]:
    """An engine that tells the server for whom it asks; only "a" may see any book."""
    with seeded.connect() as connection:
        for order in (
            "ALTER TABLE book ENABLE ROW LEVEL SECURITY",
            "ALTER TABLE book FORCE ROW LEVEL SECURITY",
            "CREATE POLICY theirs ON book USING (current_setting('app.tenant', true) = 'a')",
        ):
            connection.execute(text(order))
    engine = service.reader

    @event.listens_for(engine, "checkout")
    def say_who(connection: Any, _record: object, _proxy: object) -> None:
        connection.execute("SELECT set_config('app.tenant', %s, false)", [TENANT.get()])

    yield engine
    with seeded.connect() as connection:
        connection.execute(text("DROP POLICY theirs ON book"))
        connection.execute(text("ALTER TABLE book DISABLE ROW LEVEL SECURITY"))
        connection.execute(text("ALTER TABLE book NO FORCE ROW LEVEL SECURITY"))


@on_postgresql
@pytest.mark.parametrize("ask", WAYS, ids=["lookup", "read"])
def test_nobody_sees_what_the_one_before_might_see(tenants: Engine, ask: Callable[[Engine], Sequence[Any]]) -> None:
    seen = []
    for tenant in "abab":
        TENANT.set(tenant)
        seen.append(ask(tenants))

    assert seen == [[(TITLES[311],)], [], [(TITLES[311],)], []]
