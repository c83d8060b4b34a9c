"""A process that forks while its connections are in use: parent and child go on, each with its own."""

from __future__ import annotations

import ast
import os
import resource
import select as files
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, func, select

from steadypool import forking
from steadypool.core import housekeeping
from testkit.databases import Database
from testkit.proxy import Proxy
from tests.pool.service import Service
from tests.support.kinds import on_each_driver, on_mariadb
from tests.support.ledger import Unit, Witness, ledger, witness_of
from tests.support.pools import held, steady

# Otherwise a function that the pool does not know would have the connection closed after use.
WHO = select(func.connection_id()).execution_options(leaves_no_trace=True)

FORKS = "ignore:.*multi-threaded, use of fork:DeprecationWarning"
pytestmark = pytest.mark.filterwarnings(FORKS)  # Python 3.12 warns of what is tested here


def who(engine: Engine) -> int | None:
    with engine.connect() as connection:
        return connection.scalar(WHO)


def in_child(work: Callable[[], object], around: AbstractContextManager[None] | None = None) -> str:
    """Return what some work returns in a child process, which has five seconds for it."""
    hear, say = os.pipe()
    with around or nullcontext():
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
def taken_by_another_thread(*locks: AbstractContextManager[Any]) -> Iterator[None]:
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
def test_whatever_locks_others_hold_at_the_fork_the_child_gets_a_connection(service: Service) -> None:
    engine, pool = service.reader, service.pool
    with held(engine, 2) as both:
        parents = {connection.scalar(WHO) for connection in both}
    locks = (pool.stats.lock, housekeeping._lock, pool.breaker._changed, pool.opener.first)

    with taken_by_another_thread(*locks):
        childs = in_child(lambda: who(engine))

    assert childs.isdecimal(), childs
    assert int(childs) not in parents
    assert who(engine) in parents


@on_mariadb
def test_a_connection_that_is_lent_at_the_fork_stays_the_parents(service: Service, proxy: Proxy) -> None:
    engine, pool = service.reader, service.pool
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


def leave(connection: Connection) -> None:
    connection.rollback()
    connection.close()


def go_on(connection: Connection) -> None:
    Unit()(connection)
    connection.commit()


@on_each_driver
@pytest.mark.parametrize("do", [leave, go_on, Connection.invalidate, Connection.close, Connection.detach])
def test_what_a_child_does_with_its_parents_transaction_is_not_done(
    service: Service, seeded: Database, do: Callable[[Connection], None]
) -> None:
    """It gets an error where it would reach the server; the parent keeps what is the parent's."""
    engine, unit = service.writer, Unit()
    with witness_of(seeded) as witness:
        before = rows_of(witness)
        with engine.begin() as connection:
            unit(connection)
            in_child(lambda: do(connection))
            unit(connection)

        assert rows_of(witness) == before + 4


def rows_of(witness: Witness) -> int:
    return witness.connection.scalar(select(func.count()).select_from(ledger)) or 0


@contextmanager
def no_room_for_another_file() -> Iterator[None]:
    """Have no file opened in the block, as in a process with all that it may have; a child stays like that."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)  # the lowest number there is
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, before[1]))
    parent = os.getpid()
    try:
        yield
    finally:
        if os.getpid() == parent:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)


@on_mariadb
def test_with_no_file_left_to_open_all_pools_begin_anew(make_service: Callable[..., Service]) -> None:
    """The first that fails must not keep the others from it."""
    engines = [engine for service in (make_service(), make_service()) for engine in (service.reader, service.writer)]
    parents = [who(engine) for engine in engines]

    def look() -> str:
        idle = [steady(engine).checkedin() for engine in engines]
        resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
        return repr((idle, [who(engine) for engine in engines]))

    told = in_child(look, no_room_for_another_file())

    idle, childs = ast.literal_eval(told)
    assert idle == [0] * 4, told
    assert not set(childs) & set(parents)
    assert [who(engine) for engine in engines] == parents


@on_mariadb
def test_one_that_cannot_forget_does_not_keep_the_others_from_it(make_service: Callable[..., Service]) -> None:
    class Stubborn:
        def forget_parent(self) -> None:
            raise OSError("not I")

    stubborn = [Stubborn() for _ in range(5)]
    for each in stubborn:
        forking.begin_anew_after_fork(each)
    engine = make_service().reader
    parents = who(engine)

    told = in_child(lambda: f"{steady(engine).checkedin()} {who(engine)}")

    assert told.split()[0] == "0"
    assert told.split()[1] != str(parents)
    assert who(engine) == parents


@on_mariadb
def test_a_fork_while_a_connection_is_being_borrowed(service: Service) -> None:
    """In a listener, say: the child must not go on with what its parent has just taken out of the pool."""
    engine = service.reader
    parents = who(engine)
    told: list[int] = []

    def fork(*_: object) -> None:
        if not told:
            told.append(os.fork())

    event.listen(engine, "checkout", fork)
    hear, say = os.pipe()
    answer: object = None
    try:
        answer = who(engine)
    except Exception as error:
        answer = repr(error)
    if told[0] == 0:
        os.write(say, str(answer).encode())
        os._exit(0)
    os.waitpid(told[0], 0)
    os.close(say)
    with open(hear, "rb") as pipe:
        childs = pipe.read().decode()

    assert answer == parents
    assert childs != str(parents)
    assert steady(engine).snapshot()["in_use"] == 0
    assert who(engine) == parents
