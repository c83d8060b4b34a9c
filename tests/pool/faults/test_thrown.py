"""Exceptions out of nowhere, at any instant, in whoever uses a real server: nothing is lost, no answer is another's."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from contextlib import suppress

import pytest
from sqlalchemy import Engine, Integer, bindparam, literal, select

from steadypool import Lookup, deadline, read
from testkit.databases import Database
from testkit.fault_servers import FaultServer
from tests.pool.service import Service
from tests.support import storming
from tests.support.kinds import on_mariadb
from tests.support.pools import steady
from tests.support.throwing import Thrown, thrown_at_line

# What is thrown while a connection is being made leaves it to the garbage collector, which closes it.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")
SIZE = 2


CASES = [
    ("threads", "writer"),
    pytest.param("threads", "reader", marks=pytest.mark.long_form("reader")),
    ("signals", "reader"),
    ("signals", "writer"),
]


@pytest.mark.short_form("mariadb")
@pytest.mark.parametrize(("kind", "role"), CASES)
def test_what_comes_out_of_nowhere_leaves_the_pool_whole(
    seeded: Database, fault_server: FaultServer, kind: str, role: str, request: pytest.FixtureRequest
) -> None:
    admin = fault_server.server.url.render_as_string(hide_password=False)
    # A thread that waits for its answer meets an exception late.
    times = 200 if kind == "signals" or request.config.option.long else 60
    storming.run(seeded.url, admin, role, kind, times=times, seed=4)


FILES = (
    "steadypool/pool.py",
    "steadypool/lookup.py",
    "steadypool/events.py",
    "steadypool/entry.py",
    "steadypool/core/slots.py",
    "steadypool/core/connection.py",
)


@on_mariadb
@pytest.mark.short_form("again after ()", "again after (5,)")
@pytest.mark.parametrize("way", ["lookup", "read"])
@pytest.mark.parametrize("again", [(), (1,), (2,), (5,)], ids=lambda steps: f"again after {steps}")
def test_at_whatever_line_it_breaks_off_the_next_answers_are_right(
    make_service: Callable[..., Service], seeded: Database, way: str, again: tuple[int, ...]
) -> None:
    """Asked for 7, it must not be 666: an answer that was left unread is nobody's."""
    service = make_service(url=seeded.url, size=SIZE)
    engine = service.reader
    lookup = Lookup(select(bindparam("number", type_=Integer).label("number")))

    def ask(number: int) -> int | None:
        with deadline.within(5):
            if way == "lookup":
                return lookup.fetch(engine, number=number)[0][0]
            return read(engine, lambda connection: connection.scalar(select(literal(number))))

    assert ask(1) == 1
    line, before = 0, len(steady(engine).slots.out())
    while True:
        line += 1
        with suppress(Thrown, Exception), thrown_at_line(FILES, line, *again) as where:
            ask(666)
        if not where:
            break
        assert [ask(7), ask(8), ask(9)] == [7, 8, 9], where
        if steady(engine).snapshot()["in_use"]:
            assert_none_is_missing(engine)

    assert line > 50, "hardly a line was executed"
    assert len(steady(engine).slots.out()) == before


def assert_none_is_missing(engine: Engine) -> None:
    """After two rounds of the housekeeping nothing is lent."""
    gc.collect()
    for _ in range(2):
        steady(engine).rounds._next_tidy = 0.0
        steady(engine).patrol(time.monotonic())
    assert steady(engine).snapshot()["in_use"] == 0
