"""What becomes of a database and of the way to it, for the length of a block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Connection, func, select, text
from sqlalchemy.orm import aliased

from testkit.databases import Database
from testkit.fault_servers import FaultServer
from testkit.proxy import Proxy
from tests.pool.tables import Book

DRIP_SECONDS = 0.1
"""A handshake then takes eight seconds at least, and each byte comes in time for a timeout that counts for each."""


@dataclass(frozen=True)
class Bench:
    """All that a fault may need."""

    server: FaultServer
    database: Database
    proxy: Proxy
    service: Any
    """Whoever asks."""
    table: str
    """What is asked for."""


Fault = Callable[[Bench], AbstractContextManager[None]]


@contextmanager
def frozen(bench: Bench) -> Iterator[None]:
    bench.server.freeze()
    yield
    bench.server.thaw()


def on_the_way(name: str, *orders: Callable[[Proxy], object]) -> Fault:
    """Return what is done to the network before the server."""

    @contextmanager
    def fault(bench: Bench) -> Iterator[None]:
        for order in orders:
            order(bench.proxy)
        yield
        bench.proxy.heal()

    fault.__name__ = name
    return fault


def drip(proxy: Proxy) -> None:
    proxy.drip(DRIP_SECONDS)


black_hole = on_the_way("black_hole", Proxy.black_hole)
accepted_but_silent = on_the_way("accepted_but_silent", Proxy.be_silent, Proxy.reset_all)
dripping_answers = on_the_way("dripping_answers", drip)
dripping_handshakes = on_the_way("dripping_handshakes", Proxy.reset_all, drip)
lost_syns = on_the_way("lost_syns", Proxy.lose_syns, Proxy.reset_all)


@contextmanager
def locked_table(bench: Bench) -> Iterator[None]:
    table = bench.table
    lock = f"LOCK TABLES {table} WRITE" if bench.server.is_mysql else f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"
    with bench.database.connect() as holder:
        holder.execute(text(lock))
        yield


def count_slowly(connection: Connection) -> int | None:
    """Return what takes a minute or so to count: 600 x 600 x 600 combinations, none of them found by an index."""
    one, two, three = aliased(Book), aliased(Book), aliased(Book)
    product = one.book_id * two.book_id * three.book_id
    joined = (
        select(func.count())
        .select_from(one)
        .join(two, two.book_id != one.book_id)
        .join(three, three.book_id != two.book_id)
    )
    return connection.scalar(joined.where(product % 1009 == 7))


@contextmanager
def read_only(server: FaultServer, user: str) -> Iterator[None]:
    """Refuse writes for a while; on PostgreSQL to who connects meanwhile, for as long as that connection lasts."""
    if server.is_mysql:
        with server.set_globally(read_only=1):
            yield
        return
    server.admin(f"ALTER ROLE {user} SET default_transaction_read_only = on")
    try:
        yield
    finally:
        server.admin(f"ALTER ROLE {user} RESET default_transaction_read_only")


def each_fault(*faults: Fault) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("fault", faults, ids=lambda fault: fault.__name__)
