"""Whatever ends a statement in the middle, nobody is ever given the rest of its answer."""

from __future__ import annotations

import ctypes
import gc
import secrets
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import psycopg
import pytest
from psycopg.abc import Buffer
from pymysql.constants import FIELD_TYPE
from sqlalchemy import Connection, Engine, Result, exc, literal, select, text

from steadypool import in_transaction, read
from steadypool.errors import OutcomeUnknownError
from testkit.databases import Database
from testkit.fault_servers import FaultServer
from testkit.proxy import Proxy
from tests.pool.service import Service
from tests.pool.tables import Book
from tests.support.kinds import on_each_driver, on_mariadb
from tests.support.ledger import Unit, witness_of
from tests.support.pools import steady

SLEEP = {True: text("SELECT SLEEP(0.4)"), False: text("SELECT pg_sleep(0.4)")}
MEANWHILE_SECONDS = 0.15


class BoomError(Exception):
    """Something that no driver raises."""


class Stop(BaseException):
    """What ends a program, such as Ctrl-C."""


@pytest.fixture(params=["reader", "writer"])
def engine(request: pytest.FixtureRequest, make_service: Callable[..., Service], seeded: Database) -> Engine:
    """An engine that keeps one connection: the next one gets what is left of the last one.

    Without the proxy: while one thread has an asynchronous exception before it, Python 3.11 under coverage lets no
    other thread get on, and the proxy's would have to bring the answer.
    """
    service = make_service(url=seeded.url, size=1, writer_size=1)
    return {"reader": service.reader, "writer": service.writer}[request.param]


def assert_answers_its_own(engine: Engine) -> None:
    """Several questions in a row each have their own answer, and nothing is lent any more."""
    for _ in range(3):
        nonce = secrets.token_hex(8)
        assert read(engine, lambda connection: connection.scalar(select(literal(nonce)))) == nonce  # noqa: B023 -- called at once
    assert steady(engine).snapshot()["in_use"] == 0


@contextmanager
def meanwhile(do: Callable[[], object]) -> Iterator[None]:
    """Have something done in the middle of what the block does."""
    timer = threading.Timer(MEANWHILE_SECONDS, do)
    timer.start()
    try:
        yield
    finally:
        timer.join()


def raised_asynchronously(error: type[BaseException]) -> AbstractContextManager[None]:
    """Have an exception raised in this thread, as it would be if it came out of nowhere."""
    here = ctypes.c_ulong(threading.get_ident())
    return meanwhile(lambda: ctypes.pythonapi.PyThreadState_SetAsyncExc(here, ctypes.py_object(error)))


@contextmanager
def raised_by_signal(error: type[BaseException]) -> Iterator[None]:
    """Have a signal handler raise an exception, in the main thread, in whatever it waits for."""

    def handle(*_: object) -> None:
        raise error

    before = signal.signal(signal.SIGUSR1, handle)
    here = threading.main_thread().ident
    assert here
    try:
        with meanwhile(lambda: signal.pthread_kill(here, signal.SIGUSR1)):
            yield
    finally:
        signal.signal(signal.SIGUSR1, before)


Way = Callable[[type[BaseException]], AbstractContextManager[None]]
WAYS: list[Way] = [raised_asynchronously, raised_by_signal]
ERRORS = [BoomError, Stop, KeyboardInterrupt]


@on_each_driver
@pytest.mark.parametrize("way", WAYS)
def test_an_exception_that_comes_during_a_statement(engine: Engine, fault_server: FaultServer, way: Way) -> None:
    assert_answers_its_own(engine)  # connected: else the first exception may come before the statement
    for error in ERRORS:
        with pytest.raises(error), way(error):
            read(engine, lambda connection: connection.execute(SLEEP[fault_server.is_mysql]))

        assert_answers_its_own(engine)


@on_each_driver
def test_a_converter_that_fails_in_the_middle_of_a_result(engine: Engine, fault_server: FaultServer) -> None:
    def fail(value: str | bytes) -> None:
        if int(value) == 300:  # the first rows are read
            raise ValueError("not a number that I like")

    class FailingLoader(psycopg.adapt.Loader):
        def load(self, data: Buffer) -> None:
            fail(bytes(data))

    def work(connection: Connection) -> None:
        driver: Any = connection.connection.dbapi_connection
        if fault_server.is_mysql:
            driver.decoders[FIELD_TYPE.LONG] = fail
        else:
            driver.adapters.register_loader("int4", FailingLoader)
        connection.execute(select(Book.book_id, Book.title).order_by(Book.book_id)).all()

    with pytest.raises(ValueError, match="like"):
        read(engine, work)

    assert_answers_its_own(engine)


@on_each_driver
@pytest.mark.parametrize(("error", "told"), [(BoomError, OutcomeUnknownError), (Stop, Stop)])
def test_an_exception_that_comes_during_commit_leaves_the_outcome_unknown(
    make_service: Callable[..., Service], seeded: Database, proxy: Proxy, error: type, told: type
) -> None:
    engine, during_commit = make_service(writer_size=1).writer, ExitStack()

    class Frozen(Unit):
        def __call__(self, connection: Connection) -> str:
            nonce = super().__call__(connection)
            proxy.freeze(3 * MEANWHILE_SECONDS)
            during_commit.enter_context(raised_by_signal(error))
            return nonce

    with witness_of(seeded), pytest.raises(told), during_commit:
        in_transaction(engine, Frozen())

    assert_answers_its_own(engine)


def begin_to_read(connection: Connection, **options: object) -> Result[int]:
    """Return a result of which the first row is read."""
    result = connection.execution_options(**options).execute(select(Book.book_id))
    assert next(result)
    return result


def assert_cannot_be_read(result: Result[int]) -> None:
    """Half of it must not pass for the whole."""
    with pytest.raises((AttributeError, exc.SQLAlchemyError)):
        result.all()


# PyMySQL reads on when it is forgotten.
forgotten = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@forgotten
@on_mariadb
@pytest.mark.parametrize("options", [{"stream_results": True}, {"yield_per": 10}], ids=str)
def test_a_result_that_is_left_in_the_middle(make_service: Callable[..., Service], options: dict[str, object]) -> None:
    """Its rest is in the socket, or in the driver's buffer, where no test of the socket sees it."""
    engine = make_service(size=1).reader

    left = read(engine, lambda connection: begin_to_read(connection, **options))

    assert_answers_its_own(engine)
    assert_cannot_be_read(left)
    del left
    gc.collect()


@forgotten
@on_mariadb
def test_an_exception_between_two_rows_of_a_result(engine: Engine) -> None:
    def work(connection: Connection) -> None:
        for _ in begin_to_read(connection, stream_results=True):
            raise BoomError

    with pytest.raises(BoomError):
        read(engine, work)

    assert_answers_its_own(engine)
    gc.collect()
