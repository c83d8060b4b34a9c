"""Passwords that change under load: where both are valid for a while nobody notices, else a second is lost at most."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import make_url

from steadypool import Credentials
from testkit.databases import Database
from testkit.fault_servers import FaultServer, Kind
from testkit.waiting import eventually
from tests.pool.service import Clients, Service
from tests.support.accounts import Account
from tests.support.kinds import on

EVERY = [pytest.param(1.0, 2, id="quick"), pytest.param(10.0, 6, id="real")]

pytestmark = [
    on(Kind.MARIADB, Kind.MYSQL, Kind.POSTGRESQL),
    pytest.mark.parametrize(("every", "times"), EVERY),
    pytest.mark.long_form("real"),
]


@pytest.fixture
def make_account(seeded: Database, fault_server: FaultServer) -> Iterator[Callable[[], Account]]:
    """Make users who may do what the owner of the library may."""
    url, made = make_url(seeded.url), list[Account]()

    def make() -> Account:
        made.append(Account(fault_server.server.url, url.database or ""))
        if not fault_server.is_mysql:
            fault_server.admin(f"GRANT {url.username} TO {made[-1].user}")
        return made[-1]

    yield make
    for account in made:
        account.drop()


@contextmanager
def asked_by_many(service: Service) -> Iterator[Clients]:
    """Have 16 clients ask all the time, on connections that live for a second; a slow machine has time for each."""
    clients = Clients(service, 16, pause=0.002)
    with clients.running():
        assert eventually(lambda: service.pool.snapshot()["opened"] > 0)
        yield clients
    assert (clients.wrong, clients.stuck) == ([], 0)


def test_while_the_old_one_is_valid_for_a_while_no_request_fails(
    make_service: Callable[..., Service],
    make_account: Callable[[], Account],
    fault_server: FaultServer,
    caplog: pytest.LogCaptureFixture,
    every: float,
    times: int,
) -> None:
    """Two users take turns, as secret stores do it where a database knows one password a user."""
    users = [make_account(), make_account()]
    given, known = users[0].credentials, list[str]()
    service = make_service(recycle_seconds=1, timeout_seconds=3, credentials=lambda _refused: given)

    with asked_by_many(service) as clients:
        for turn in range(1, times + 1):
            now, before = users[turn % 2], users[1 - turn % 2]
            known.append(now.renew())
            given = now.credentials
            opened = service.pool.snapshot()["opened"]
            time.sleep(every)
            assert eventually(lambda: service.pool.snapshot()["opened"] > opened + 1, 10)  # noqa: B023 -- asked here
            assert eventually(lambda: not fault_server.sessions(before.user)), "old ones end with their lives"  # noqa: B023 -- as above

    seen = service.pool.snapshot()
    assert clients.failed == []
    assert (seen["probes"], seen["unavailable"]) == (0, 0)
    assert [text for text in caplog.messages if any(secret in text for secret in known)] == []


def test_without_that_no_more_than_a_second_is_lost(
    make_service: Callable[..., Service],
    make_account: Callable[[], Account],
    caplog: pytest.LogCaptureFixture,
    every: float,
    times: int,
) -> None:
    account = make_account()
    given, known, changes = account.credentials, list[str](), list[tuple[float, float]]()
    service = make_service(recycle_seconds=1, timeout_seconds=3, credentials=lambda _refused: given)

    with asked_by_many(service) as clients:
        for _ in range(times):
            began = time.monotonic()
            known.append(account.renew())
            time.sleep(1)  # in which the provider is wrong
            given = account.credentials
            changes.append((began, time.monotonic()))
            time.sleep(every)
        assert eventually(lambda: service.ask().word == "found")

    def is_late(moment: float) -> bool:
        return not any(
            began <= moment <= told + 1 + clients.standstills.within(told, moment) for began, told in changes
        )

    late = [failed for failed in clients.failed if is_late(failed.began)]
    assert late == []
    assert {failed.status for failed in clients.failed} <= {"down", "exhausted"}  # in the application 503, both
    assert [text for text in caplog.messages if any(secret in text for secret in known)] == []


def test_a_new_password_that_is_there_before_the_old_one_is_refused(
    make_service: Callable[..., Service], make_account: Callable[[], Account], every: float, times: int
) -> None:
    """The provider remembers what it has fetched, and fetches anew what was refused."""
    account = make_account()
    remembered = stored = account.credentials
    refusals = 0

    def provide(refused: Credentials | None) -> Credentials:
        nonlocal remembered, refusals
        if refused is not None:
            remembered, refusals = stored, refusals + 1
        return remembered

    service = make_service(recycle_seconds=1, timeout_seconds=3, credentials=provide)
    with asked_by_many(service) as clients:
        for _ in range(times):
            password = secrets.token_hex(8)
            stored = Credentials(user=account.user, password=password)
            account.renew(password)
            time.sleep(every)

    assert clients.failed == []
    assert refusals >= times
