"""Who connects as whom, where a provider is asked: at each connect, and once more where a login is refused."""

from __future__ import annotations

import logging
import re
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, event, func, literal, make_url, select
from sqlalchemy.exc import DBAPIError

from steadypool import Credentials, DatabaseDownError, PoolPolicy, create_pool_engine, deadline, read
from steadypool import drivers as known
from testkit import ROOT
from testkit.drivers import MYSQLDB
from testkit.proxy import Proxy
from testkit.servers import Server
from testkit.waiting import eventually
from tests.pool.faults.test_forked import FORKS, in_child
from tests.pool.place import LOOKUP
from tests.support.accounts import Account, Vault, account_on
from tests.support.pools import held, steady

WHO = select(func.current_user()).execution_options(leaves_no_trace=True)
EXAMPLE = re.compile(r"## A driver that is not here\n.*?```python\n(.*?)```", re.DOTALL)
WRONG = "s3cr3t-Zx9-never-shown"

DRIVERS = [
    ("mariadb", "pymysql"),
    ("mariadb", "mysqlconnector"),
    pytest.param("mariadb", *MYSQLDB.values, marks=MYSQLDB.marks),
    ("mysql", "pymysql"),
    ("mysql", "mysqlconnector"),
    ("postgresql", "psycopg"),
    ("postgresql", "pg8000"),
]
with_each_driver = pytest.mark.parametrize(("server", "driver"), DRIVERS, indirect=["server"])
with_one_a_server = pytest.mark.parametrize(
    ("server", "driver"), [("mariadb", "pymysql"), ("mysql", "pymysql"), ("postgresql", "psycopg")], indirect=["server"]
)
on_mariadb = pytest.mark.parametrize(("server", "driver"), [("mariadb", "pymysql")], indirect=["server"])


@pytest.fixture
def account(server: Server) -> Iterator[Account]:
    with account_on(server) as made:
        yield made


@pytest.fixture
def engine_of(
    account: Account, server: Server, driver: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Engine]]:
    """Return an engine as nobody whom the server knows, unless the provider says as whom."""
    made: list[Engine] = []
    if driver == "pg8000":
        monkeypatch.setattr(known, "_drivers", dict(known._drivers))
        monkeypatch.setattr(known, "_by_module", dict(known._by_module))
        exec(EXAMPLE.findall((ROOT / "steadypool/README.md").read_text())[0], {})

    def make(provider: Any, *, role: Any = "reader", url: str = "", **options: Any) -> Engine:
        where = make_url(url) if url else account.url
        where = where.set(drivername=f"{server.name}+{driver}", username="nobody", password="outdated")
        made.append(create_pool_engine(where, PoolPolicy(size=2, credentials=provider), role=role, **options))
        return made[-1]

    yield make
    for engine in made:
        engine.dispose()


def ask(engine: Engine, what: Any = WHO) -> Any:
    return read(engine, lambda connection: connection.scalar(what))


def who(engine: Engine) -> str:
    return str(ask(engine)).partition("@")[0]


@with_each_driver
def test_the_provider_is_asked_at_each_connect_and_at_no_other_time(
    account: Account, engine_of: Callable[..., Engine]
) -> None:
    vault = Vault(lambda: account.credentials)
    engine = engine_of(vault)

    assert [who(engine), who(engine)] == [account.user] * 2
    assert vault.asked == [None]

    account.renew()
    with held(engine, 2):
        assert vault.asked == [None, None]


@with_each_driver
def test_a_refused_login_asks_once_more_before_anybody_hears_of_it(
    account: Account, engine_of: Callable[..., Engine], caplog: pytest.LogCaptureFixture
) -> None:
    old = account.credentials
    account.renew()
    vault = Vault(old, lambda: account.credentials)
    engine = engine_of(vault)

    with engine.connect() as connection:  # which, unlike a read, tries no second time
        assert str(connection.scalar(WHO)).startswith(account.user)

    seen = steady(engine).snapshot()
    assert vault.asked == [None, old]
    assert (seen["breaker"], seen["probes"], seen["unavailable"], seen["opened"]) == ("closed", 0, 0, 1)
    assert [record.message for record in caplog.records if record.levelno >= logging.INFO] == []


@with_one_a_server
def test_the_same_answer_is_not_tried_again(account: Account, server: Server, engine_of: Callable[..., Engine]) -> None:
    port = account.url.port
    assert port
    with Proxy("127.0.0.1", port, is_mysql=server.name != "postgresql") as proxy:
        vault = Vault(wrong := Credentials(user=account.user, password=WRONG))
        engine = engine_of(vault, role="migration", url=proxy.url(account.url))  # without a breaker, which would probe

        with proxy.counting() as counts, pytest.raises(DBAPIError, match=r"(?i)denied|authentication failed"):
            engine.connect()

    assert (counts.accepted, vault.asked) == (1, [None, wrong])


@with_one_a_server
def test_a_wrong_login_opens_the_breaker_and_the_right_one_closes_it(
    account: Account, engine_of: Callable[..., Engine]
) -> None:
    vault = Vault(lambda: given)
    engine, given = engine_of(vault), Credentials(user=account.user, password=WRONG)
    with pytest.raises((DBAPIError, DatabaseDownError)), deadline.within(1):
        ask(engine)
    assert eventually(lambda: steady(engine).breaker.state == "open")

    given = account.credentials

    assert eventually(lambda: steady(engine).breaker.state == "closed")
    assert who(engine) == account.user


@on_mariadb
def test_one_that_is_refused_in_a_listener_of_somebody_s_own(
    account: Account, engine_of: Callable[..., Engine]
) -> None:
    engine = engine_of(Vault(Credentials(user=account.user, password=WRONG), lambda: account.credentials))

    @event.listens_for(engine, "do_connect")
    def bring(dialect: Any, _record: object, _given: list[Any], arguments: dict[str, Any]) -> Any:
        return dialect.connect(**arguments)

    assert who(engine) == account.user


@on_mariadb
def test_who_listens_as_well_has_the_last_word(account: Account, engine_of: Callable[..., Engine]) -> None:
    engine = engine_of(Vault(Credentials(user=account.user, password=WRONG)))

    @event.listens_for(engine, "do_connect")
    def hand(_dialect: object, _record: object, _given: list[Any], arguments: dict[str, Any]) -> None:
        arguments["password"] = account.password.encode()

    assert who(engine) == account.user
    account.password = WRONG
    with engine.connect(), pytest.raises((DBAPIError, DatabaseDownError)):  # its bytes are nobody's credentials
        engine.connect()


@on_mariadb
@pytest.mark.parametrize("role", ["writer", "migration"])
def test_other_roles_ask_as_well(account: Account, engine_of: Callable[..., Engine], role: str) -> None:
    vault = Vault(Credentials(user=account.user, password=WRONG), lambda: account.credentials)

    assert who(engine_of(vault, role=role)) == account.user


@pytest.mark.parametrize("server", ["mariadb"], indirect=True)
def test_a_password_alone_goes_with_the_user_of_the_url(account: Account) -> None:
    url, token = account.url.set(password=None), Credentials(password=account.password)
    engine = create_pool_engine(url, PoolPolicy(credentials=lambda _refused: token), role="reader")

    assert who(engine) == account.user
    engine.dispose()


@on_mariadb
def test_the_provider_comes_before_connect_args(account: Account, engine_of: Callable[..., Engine]) -> None:
    engine = engine_of(Vault(lambda: account.credentials), connect_args={"user": "nobody", "password": "none"})

    assert who(engine) == account.user


@on_mariadb
def test_a_slow_provider_is_left_at_the_deadline(account: Account, engine_of: Callable[..., Engine]) -> None:
    go_on, began = threading.Event(), time.monotonic()

    def wait(_refused: Credentials | None) -> Credentials:
        go_on.wait(20)
        return account.credentials

    engine = engine_of(wait)
    with pytest.raises((DBAPIError, DatabaseDownError), match=r"no answer within|no connection"), deadline.within(0.3):
        engine.connect()
    assert time.monotonic() - began < 10
    assert steady(engine).snapshot()["unavailable"] == 1

    go_on.set()
    assert eventually(lambda: steady(engine).breaker.state == "closed")
    assert who(engine) == account.user


@on_mariadb
def test_without_a_deadline_it_may_take_as_long_as_a_connect(
    account: Account, engine_of: Callable[..., Engine]
) -> None:
    go_on = threading.Event()
    engine = engine_of(lambda _refused: go_on.wait(30), role="migration", connect_args={"connect_timeout": 1})

    with pytest.raises(DBAPIError, match=r"provider of credentials failed: TimeoutError: no answer within 1\.0 s"):
        engine.connect()
    go_on.set()


@with_one_a_server
def test_a_provider_that_fails_counts_as_a_connect_that_fails(
    account: Account, engine_of: Callable[..., Engine]
) -> None:
    is_closed = True

    def provide(_refused: Credentials | None) -> Credentials:
        if is_closed:
            raise LookupError("the vault is closed\nfor today")
        return account.credentials

    engine = engine_of(provide)
    with pytest.raises(DBAPIError, match=r"provider of credentials failed: LookupError: the vault is closed\n\("):
        engine.connect()
    assert steady(engine).breaker.state != "closed"

    is_closed = False
    assert eventually(lambda: steady(engine).breaker.state == "closed")
    assert who(engine) == account.user


@on_mariadb
@pytest.mark.parametrize(
    "use", [lambda engine: engine.connect().close(), lambda engine: LOOKUP.fetch(engine, number=1)]
)
def test_a_warm_use_costs_not_one_call_more(
    account: Account, engine_of: Callable[..., Engine], use: Callable[[Engine], object]
) -> None:
    asking = engine_of(lambda _refused: account.credentials)
    plain = create_pool_engine(asking.url.set(username=account.user, password=account.password), role="reader")

    assert calls(lambda: use(asking)) == calls(lambda: use(plain))
    plain.dispose()


def calls(use: Callable[[], object]) -> Counter[str]:
    """Return how often which function is called in one use of what is warm."""
    counted: Counter[str] = Counter()
    for _ in range(3):
        use()
    sys.setprofile(lambda frame, what, _: counted.update([frame.f_code.co_qualname] if what == "call" else []))
    try:
        use()
    finally:
        sys.setprofile(None)
    return counted


@on_mariadb
@pytest.mark.filterwarnings(FORKS)
def test_a_child_process_asks_for_itself(account: Account, engine_of: Callable[..., Engine]) -> None:
    vault = Vault(lambda: account.credentials)
    engine = engine_of(vault)
    assert who(engine) == account.user
    account.renew()

    assert in_child(lambda: (who(engine), len(vault.asked))) == f"('{account.user}', 2)"
    assert (who(engine), len(vault.asked)) == (account.user, 1)


@on_mariadb
@pytest.mark.parametrize("given", [("nobody", WRONG), WRONG, None], ids=["a pair", "a text", "nothing"])
def test_what_is_no_credentials_is_refused_and_not_shown(engine_of: Callable[..., Engine], given: object) -> None:
    engine = engine_of(lambda _refused: given)

    with pytest.raises(DBAPIError, match=f"it returned {type(given).__name__}, not Credentials") as caught:
        engine.connect()
    assert WRONG not in str(caught.value)


@with_each_driver
def test_none_of_it_is_shown(
    account: Account,
    engine_of: Callable[..., Engine],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    vault = Vault(lambda: given)
    engine, given = engine_of(vault, echo="debug", echo_pool="debug"), account.credentials
    ask(engine, select(literal(1)))
    shown: list[object] = [given, steady(engine).policy, steady(engine).snapshot(), steady(engine).connections()]
    given = Credentials(user=account.user, password=WRONG)
    steady(engine).slots.condemn()

    with pytest.raises((DBAPIError, DatabaseDownError)) as caught, deadline.within(1):
        ask(engine, select(literal(1)))

    shown += [repr(given), repr(engine), caught.value, repr(caught.value), *own_locals(caught.value)]
    shown += [*caplog.messages, *capfd.readouterr()]
    for secret in (WRONG, account.password):
        assert [text for text in map(str, shown) if secret in text] == []
    assert WRONG in (given.password or "")


@with_each_driver
@pytest.mark.parametrize("asks", [True, False], ids=["a provider that fails", "no provider"])
def test_nor_is_what_the_url_says(account: Account, engine_of: Callable[..., Engine], asks: bool) -> None:
    engine = engine_of(Vault() if asks else None, role="migration")

    with pytest.raises(DBAPIError) as caught:
        engine.connect()

    shown = [str(caught.value), *own_locals(caught.value)]
    assert len(shown) > 3
    assert [text for text in shown if "outdated" in text] == []


def own_locals(error: BaseException) -> Iterator[str]:
    """Yield what a traceback with the values of variables has of the pool's own frames, however deep."""
    seen: BaseException | None = error
    while seen is not None:
        for frame, _line in traceback.walk_tb(seen.__traceback__):
            if "/steadypool/" in frame.f_code.co_filename:
                yield repr(frame.f_locals)
        seen = seen.__cause__ or seen.__context__


def test_what_is_no_text_is_refused_and_not_shown() -> None:
    with pytest.raises(TypeError, match=r"^password must be text or None, not bytes$"):
        Credentials(password=WRONG.encode())  # type: ignore[arg-type] # as somebody without a type checker would


def test_a_database_without_a_login_is_refused(tmp_path: Any) -> None:
    policy = PoolPolicy(credentials=lambda _refused: Credentials(password=WRONG))

    with pytest.raises(ValueError, match="credentials are given, and sqlite has no arguments for them"):
        create_pool_engine(f"sqlite:///{tmp_path}/file.sqlite3", policy)


def test_a_creator_beside_a_provider_is_refused() -> None:
    policy = PoolPolicy(credentials=lambda _refused: Credentials(password=WRONG))

    with pytest.raises(ValueError, match="creator is given, and credentials"):
        create_pool_engine("mysql+pymysql://nobody@127.0.0.1/nothing", policy, creator=lambda: None)


def test_what_cannot_be_asked_is_refused_and_not_shown() -> None:
    with pytest.raises(ValueError, match=r"^credentials must be a function, not str$"):
        PoolPolicy(credentials=WRONG)  # type: ignore[arg-type] # as above
