"""What the garbage collector finds may belong to a server that is silent, or to somebody else: nobody waits for it."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, literal, select

from testkit.proxy import Proxy
from tests.pool.service import Clients, Service
from tests.support.kinds import on_mariadb
from tests.support.pools import steady

DEADLINE_SECONDS, SLACK_SECONDS = 1.0, 0.5
LEAK_SECONDS = 0.2


@pytest.fixture(autouse=True)
def only_when_told() -> Iterator[None]:
    """Look for circles of references only where a test or the pool asks for it."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def forget(engine: Engine) -> None:
    """Leave a connection that has begun a transaction where the garbage collector alone finds it."""
    connection = engine.connect()
    assert connection.scalar(select(literal(1))) == 1
    circle: list[Any] = [connection]
    circle.append(circle)


@on_mariadb
def test_a_forgotten_transaction_is_dropped_without_asking_the_server(service: Service, proxy: Proxy) -> None:
    engine = service.writer
    forget(engine)
    proxy.black_hole()

    collecting = threading.Thread(target=gc.collect, daemon=True)
    collecting.start()
    collecting.join(2)

    assert not collecting.is_alive()
    seen = steady(engine).snapshot()
    assert (seen["in_use"], seen["closed"]) == (0, {"dropped": 1})


@on_mariadb
def test_a_finalizer_that_waits_does_not_hold_up_the_housekeeping(
    make_service: Callable[..., Service], proxy: Proxy
) -> None:
    found, over = threading.Event(), threading.Event()

    class Circle:
        """Waits when it is found, as others' finalizers may."""

        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            found.set()
            over.wait(15)

    service = make_service(leak_seconds=LEAK_SECONDS, deadline_seconds=DEADLINE_SECONDS)
    Clients(service, 1).ask_once()
    Circle()
    with service.reader.connect():
        time.sleep(LEAK_SECONDS)
        assert found.wait(10)  # a long loan has circles looked for

    proxy.black_hole()
    clients = Clients(service, 2).run(0)
    over.set()

    assert clients.stuck == 0
    assert clients.slowest <= DEADLINE_SECONDS + SLACK_SECONDS
