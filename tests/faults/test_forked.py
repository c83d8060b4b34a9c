"""A process that forks while its connections are in use: parent and child go on, each with its own."""

from __future__ import annotations

import os
import select as files
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

import pytest
from flask import Flask
from sqlalchemy import Engine, func, select

from app.pool import watchdog
from tests.faults.leftovers import pool_of
from tests.faults.support import held, on_mariadb, reader
from tests.support.proxy import Proxy

# Otherwise a function that the pool does not know would have the connection closed after use.
WHO = select(func.connection_id()).execution_options(leaves_no_trace=True)

FORKS = "ignore:.*multi-threaded, use of fork:DeprecationWarning"
pytestmark = pytest.mark.filterwarnings(FORKS)  # Python 3.12 warns of what is tested here


def who(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.scalar(WHO)


def in_child(work: Callable[[], object]) -> str:
    """Return what some work returns in a child process, which has five seconds for it."""
    hear, say = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(say, str(work()).encode())
        except BaseException as error:
            os.write(say, repr(error).encode())
        finally:
            os._exit(0)
    os.close(say)
    with open(hear, "rb") as told:
        try:
            assert files.select([told], [], [], 5)[0], "the child is stuck"
            return told.read().decode()
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


@contextmanager
def taken_by_another_thread(*locks: AbstractContextManager) -> Iterator[None]:
    taken, over = threading.Event(), threading.Event()

    def take() -> None:
        with ExitStack() as stack:
            for lock in locks:
                stack.enter_context(lock)
            taken.set()
            over.wait(20)

    thread = threading.Thread(target=take)
    thread.start()
    assert taken.wait(5)
    yield
    over.set()
    thread.join()


@on_mariadb
def test_whatever_locks_others_hold_at_the_fork_the_child_gets_a_connection(service: Flask):
    engine, pool = reader(service), pool_of(service)
    with held(engine, 2) as both:
        parents = {connection.scalar(WHO) for connection in both}
    owners = (pool._idle, pool._gate, pool.loans, pool.stats, watchdog)

    with taken_by_another_thread(*(owner._lock for owner in owners), pool.breaker._changed, pool._first):
        childs = in_child(lambda: who(engine))

    assert childs.isdecimal(), childs
    assert int(childs) not in parents
    assert who(engine) in parents


@on_mariadb
def test_a_connection_that_is_lent_at_the_fork_stays_the_parents(service: Flask, proxy: Proxy):
    engine, pool = reader(service), pool_of(service)
    with engine.connect() as lent:
        parents = lent.scalar(WHO)

        def give_back_and_borrow() -> str:
            lent.close()
            idle, in_use = pool.checkedin(), pool.checkedout()
            return f"{who(engine)} {idle} {in_use}"

        with proxy.counting() as counts:
            childs, *idle_and_in_use = in_child(give_back_and_borrow).split(maxsplit=2)
        again = lent.scalar(WHO)

    assert idle_and_in_use == ["0", "0"]
    assert childs != str(parents)
    assert counts.accepted == 1
    assert again == parents  # nobody has said goodbye in its name
