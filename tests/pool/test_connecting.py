"""How connections are made, on SQLite: who is asked, with which arguments, and what is not the database's fault."""

from __future__ import annotations

import gc
import sqlite3
import ssl
import struct
import weakref
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
from sqlalchemy import Engine, event, literal, select
from sqlalchemy.exc import DBAPIError

from steadypool import create_pool_engine, deadline, read
from steadypool.errors import DatabaseDownError, DatabaseMisconfiguredError, PoolExhaustedError
from testkit.waiting import eventually
from tests.pool.conftest import MakeEngine
from tests.support.policies import POLICY
from tests.support.pools import steady

Driver = Callable[[Callable[[], None]], None]


def ask(engine: Engine) -> Any:
    return read(engine, lambda connection: connection.scalar(select(literal(1))))


def test_a_listener_changes_arguments_by_position(engine: Engine, tmp_path: Path) -> None:
    other = tmp_path / "other.sqlite3"

    @event.listens_for(engine, "do_connect")
    def lead(_dialect: object, _record: object, given: list[Any], _arguments: dict[str, Any]) -> None:
        given[0] = str(other)

    assert ask(engine) == 1
    assert other.exists()


def test_each_listener_is_asked_and_for_each_probe_too(engine: Engine) -> None:
    asked: list[str] = []
    for name in ("first", "second"):
        event.listen(engine, "do_connect", lambda *_, name=name: asked.append(name))

    ask(engine)
    steady(engine).breaker.trip("a test says so")
    assert eventually(lambda: steady(engine).breaker.state == "closed")

    assert asked == ["first", "second"] * 2


def test_the_first_listener_with_a_connection_is_the_last(engine: Engine) -> None:
    asked: list[str] = []
    made: object = sqlite3.connect(":memory:", check_same_thread=False)
    event.listen(engine, "do_connect", lambda *_: made)
    event.listen(engine, "do_connect", lambda *_: asked.append("second"))

    assert ask(engine) == 1
    assert [record.dbapi_connection for record in steady(engine).slots.idle] == [made]
    assert asked == []


@pytest.mark.parametrize("role", ["reader", "migration"])
def test_a_creator_and_a_pool_that_begins_anew(tmp_path: Path, role: Any) -> None:
    made: list[sqlite3.Connection] = []

    def create() -> sqlite3.Connection:
        made.append(sqlite3.connect(tmp_path / "own.sqlite3", check_same_thread=False))
        return made[-1]

    (tmp_path / "file.sqlite3").touch()
    engine = create_pool_engine(f"sqlite:///{tmp_path}/file.sqlite3", POLICY, role=role, creator=create)
    for _ in range(2):
        assert ask(engine) == 1
        engine.dispose()

    assert len(made) == 2


def test_a_listener_may_use_another_engine(make_engine: MakeEngine) -> None:
    """Its connections are not ours, and its database may be away without ours being so."""
    engine, vault = make_engine(), make_engine("migration")
    event.listen(engine, "do_connect", lambda *_: ask(vault) and None)

    with deadline.within(3):
        assert ask(engine) == 1
    steady(engine).breaker.trip("a test says so")
    assert eventually(lambda: steady(engine).breaker.state == "closed")


WRONG = [
    TypeError("connect() got an unexpected keyword argument 'reconnect'"),
    RuntimeError("'pynacl' package is required for ed25519_password auth method"),
    NotImplementedError("compress and named_pipe arguments are not supported"),
    UnicodeEncodeError("latin-1", "x", 0, 1, "ordinal not in range"),
    AttributeError("Unsupported argument 'pgbouncer'"),
    ssl.SSLError("[SSL] PEM lib"),
    ssl.SSLCertVerificationError("certificate verify failed"),
    FileNotFoundError(2, "No such file or directory", "key.pem"),
    PermissionError(13, "Permission denied", "key.pem"),
    sqlite3.ProgrammingError("of the driver's own"),
    sqlite3.NotSupportedError("of the driver's own"),
]
AWAY = [
    sqlite3.OperationalError("of the driver"),
    ConnectionRefusedError("nobody is there"),
    TimeoutError("nobody answers"),
    OSError(113, "No route to host"),
    ssl.SSLEOFError("the other side went away"),
    IndexError("zeros instead of a greeting"),
    struct.error("odd bytes instead of a greeting"),
]


@pytest.mark.parametrize(
    ("error", "role"), [*((error, "reader") for error in WRONG), (WRONG[0], "migration")], ids=repr
)
def test_what_no_database_said_is_wrong_with_the_setup(
    make_engine: MakeEngine, driver: Driver, role: str, error: Exception
) -> None:
    engine = make_engine(role)
    driver(raising(error))

    with pytest.raises(DatabaseMisconfiguredError, match=type(error).__name__) as caught:
        ask(engine)

    assert caught.value.__cause__ is error
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("error", AWAY, ids=repr)
def test_what_the_network_or_the_database_said_is_not(engine: Engine, driver: Driver, error: Exception) -> None:
    driver(raising(error))

    with pytest.raises((DBAPIError, OSError), match=str(error.args[-1])):
        ask(engine)

    assert steady(engine).breaker.state == "half-open"


def test_a_service_of_tokens_that_is_down_is_asked_again(engine: Engine) -> None:
    """Its errors are of no kind that anybody here knows."""
    asked: list[float] = []

    @event.listens_for(engine, "do_connect")
    def ask_for_token(*_: object) -> None:
        asked.append(monotonic())
        if asked[-1] - asked[0] < 0.5:
            raise LookupError("the vault is closed")

    with deadline.within(3):
        assert read(engine, lambda connection: connection.scalar(select(1))) == 1

    assert eventually(lambda: steady(engine).breaker.state == "closed")


def test_the_pools_own_errors_stay_what_they_are(engine: Engine) -> None:
    event.listen(engine, "do_connect", raising(PoolExhaustedError("of a vault")))

    with pytest.raises(PoolExhaustedError):
        ask(engine)


def test_nobody_probes_what_is_set_up_wrong_and_one_tries_a_second(
    engine: Engine, driver: Driver, caplog: pytest.LogCaptureFixture
) -> None:
    now, tries, wrong = [100.0], list[float](), True
    breaker = steady(engine).breaker
    breaker._clock = lambda: now[0]

    def connect() -> None:
        tries.append(now[0])
        if wrong:
            raise TypeError("reconnect")

    driver(connect)
    for passed in range(30):
        now[0] = 100 + passed / 10
        with pytest.raises(DatabaseMisconfiguredError, match="TypeError: reconnect"):
            ask(engine)
    assert (tries, breaker.probes, breaker.state) == ([100, 101, 102], 0, "closed")
    assert [record.message for record in caplog.records if "misconfigured" in record.message] == [
        "database misconfigured: the driver cannot connect as it is set up (TypeError: reconnect)"
    ]
    assert steady(engine).snapshot()["unavailable"] == 30

    wrong = False
    now[0] += 1
    assert ask(engine) == 1
    steady(engine).slots.condemn()
    assert ask(engine) == 1


def test_an_outage_may_end_in_a_setup_that_is_wrong(engine: Engine, driver: Driver) -> None:
    ask(engine)
    steady(engine).slots.condemn()
    error: Exception = sqlite3.OperationalError("away")

    def connect() -> None:
        raise error

    driver(connect)
    with pytest.raises(DBAPIError):
        ask(engine)
    assert steady(engine).breaker.state == "half-open"
    error = TypeError("reconnect")

    assert eventually(lambda: steady(engine).breaker.state == "closed")
    probes = steady(engine).breaker.probes
    with pytest.raises(DatabaseMisconfiguredError):
        ask(engine)
    assert steady(engine).breaker.probes == probes


def test_what_fails_after_the_connection_was_made_does_not_lose_it(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = sqlite3.connect(":memory:", check_same_thread=False)
    event.listen(engine, "do_connect", lambda *_: made)
    monkeypatch.setattr("steadypool.drivers.sqlite.SQLite.wire_of", raising(OSError(24, "Too many open files")))

    with pytest.raises(OSError, match="Too many"):
        ask(engine)

    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        made.execute("SELECT 1")


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Driver:
    """Have the driver itself do something before it connects."""
    connect = sqlite3.dbapi2.connect

    def begin(before: Callable[[], None]) -> None:
        def connect_then(*given: Any, **named: Any) -> object:
            before()
            return connect(*given, **named)

        monkeypatch.setattr(sqlite3.dbapi2, "connect", connect_then)

    return begin


def raising(error: Exception) -> Callable[..., None]:
    def fail(*_: object) -> None:
        raise error

    return fail


@pytest.mark.usefixtures("frozen")
def test_an_engine_that_is_forgotten_while_its_database_is_away_is_gone(tmp_path: Path) -> None:
    """Its probes end, and keep neither it nor its pool."""
    engine = create_pool_engine(f"sqlite:///{tmp_path}/not/there.sqlite3", POLICY, role="reader")
    with pytest.raises(DBAPIError):
        engine.connect()
    breaker, there = steady(engine).breaker, weakref.ref(engine.pool)
    assert eventually(lambda: breaker.probes > 1)

    del engine
    assert eventually(lambda: gc.collect() >= 0 and there() is None)
    assert eventually(lambda: breaker.state == "closed")


def test_whoever_has_no_time_left_says_nothing_of_the_database(engine: Engine) -> None:
    with deadline.within(0.001):
        sleep(0.01)
        with pytest.raises(DatabaseDownError):
            engine.connect()

    assert steady(engine).breaker.state == "closed"
    assert ask(engine) == 1
