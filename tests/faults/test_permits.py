"""Ten thousand borrowings that end in every way there is: no permit is lost."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from flask import Flask
from sqlalchemy import Engine, text
from sqlalchemy.exc import StatementError

from app.pool import deadline
from app.pool.errors import DatabaseDownError, PoolError, PoolExhaustedError
from tests.faults.support import eventually, held, on_mariadb, reader
from tests.support.proxy import Proxy

OUTCOMES = 10_000


@on_mariadb
def test_no_permit_is_lost(make_service: Callable[..., Flask], proxy: Proxy):
    service = make_service(POOL_SIZE=4, POOL_TIMEOUT_SECONDS=0.1, POOL_MAX_WAITING=7, REQUEST_DEADLINE_SECONDS=1)
    engine, seen, end = reader(service), Counter[str](), time.monotonic() + 60

    def work(seed: int) -> None:
        chance = random.Random(seed)
        names, weights = zip(*((name, weight) for name, (weight, _) in ENDINGS.items()), strict=True)
        while seen.total() < OUTCOMES and time.monotonic() < end:
            name, began = chance.choices(names, weights)[0], time.monotonic()
            try:
                with deadline.within(0.5):
                    ENDINGS[name][1](engine, proxy)
            except (PoolExhaustedError, DatabaseDownError) as error:
                if time.monotonic() - began < 0.09:  # refused at once is no outcome, or they would be all
                    time.sleep(0.01)
                    continue
                name = "timeout" if isinstance(error, PoolExhaustedError) else "failed connect"
            except (StatementError, PoolError, OopsError):
                pass
            seen[name] += 1

    with ThreadPoolExecutor(12) as threads:
        list(threads.map(work, range(12)))
    proxy.heal()

    snapshot = engine.pool.snapshot()
    assert seen.total() >= OUTCOMES
    assert seen.keys() == {*ENDINGS, "timeout"}
    assert seen["success"] > OUTCOMES / 3
    assert min(snapshot["timed_out"], snapshot["refused"]) > 0
    assert eventually(lambda: engine.pool.checkedout() == 0)
    assert eventually(lambda: engine.pool.snapshot()["breaker"] == "closed")
    with held(engine, 4):
        assert engine.pool.checkedout() == 4


class OopsError(Exception):
    """What a view raises."""


def succeed(engine: Engine, _: Proxy) -> None:
    with engine.connect() as connection:
        connection.execute(text("SELECT 1").execution_options(leaves_no_trace=True))


def leave_unused(engine: Engine, _: Proxy) -> None:
    with engine.connect():
        pass


def fail_in_the_view(engine: Engine, _: Proxy) -> None:
    with engine.connect():
        raise OopsError


def fail_in_the_statement(engine: Engine, _: Proxy) -> None:
    with engine.connect() as connection:
        connection.execute(text("SELECT nonsense FROM nowhere"))


def invalidate(engine: Engine, _: Proxy) -> None:
    with engine.connect() as connection:
        connection.invalidate()


def detach(engine: Engine, _: Proxy) -> None:
    with engine.connect() as connection:
        connection.detach()


def abandon(engine: Engine, _: Proxy) -> None:
    def rows():
        with engine.connect() as connection:
            yield from connection.execute(text("SELECT 1 UNION SELECT 2"))

    next(rows())


def drop(engine: Engine, _: Proxy) -> None:
    engine.raw_connection()


def hold_until_others_time_out(engine: Engine, _: Proxy) -> None:
    with engine.connect():
        time.sleep(0.15)


def fail_to_connect(engine: Engine, proxy: Proxy) -> None:
    proxy.refuse()
    try:
        with engine.connect() as connection:
            connection.invalidate()
            connection.execute(text("SELECT 1"))
    finally:
        proxy.heal()


def reset(engine: Engine, proxy: Proxy) -> None:
    with engine.connect() as connection:
        proxy.reset_all()
        connection.execute(text("SELECT 1"))


ENDINGS: dict[str, tuple[float, Callable[[Engine, Proxy], None]]] = {
    "success": (100, succeed),
    "unused": (25, leave_unused),
    "exception in the view": (10, fail_in_the_view),
    "error of the statement": (2, fail_in_the_statement),
    "invalidated": (2, invalidate),
    "detached": (2, detach),
    "abandoned generator": (2, abandon),
    "dropped": (2, drop),
    "held": (0.3, hold_until_others_time_out),
    "failed connect": (0.2, fail_to_connect),
    "reset": (0.2, reset),
}
