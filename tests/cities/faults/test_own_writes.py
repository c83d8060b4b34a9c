"""Who has written over HTTP reads it, however far the replica is behind, and reads stay there while it is near."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.consistency import COOKIE, HEADER
from app.extensions import db
from app.operations.lag import Lag
from steadypool import deadline
from testkit.databases import Database
from testkit.replicas import Replicated
from testkit.waiting import eventually
from tests.cities.client import CITIES, TOKEN, Api, a_name
from tests.faults.support import pool_of, reader_of, writer_of

ROUNDS = 5
PATIENT = {"REQUEST_DEADLINE_SECONDS": 60, "GRACEFUL_TIMEOUT_SECONDS": 90}
MakeInstance = Callable[..., Flask]


@pytest.fixture
def instance(pair: Replicated, replicated: Database, make_app: MakeInstance) -> MakeInstance:
    """Return one more instance of the service, which reads from the replica and has connected to both."""

    def make(**settings: object) -> Flask:
        urls = {"DATABASE_URL": replicated.url, "DATABASE_READ_URL": pair.on_replica(replicated)}
        app = make_app(**{**urls, "DATABASE_TLS": "off", "API_TOKEN": TOKEN, "ACCESS_LOG": "off", **settings})
        assert read(app, "/?city=London").status_code == 200
        return app

    return make


def read(app: Flask, path: str, token: str = "", **headers: str) -> TestResponse:
    """Read as a client without cookies."""
    with_token = {HEADER: token} if token else {}
    return app.test_client(use_cookies=False).get(path, headers={**with_token, **headers})


def diverted(*apps: Flask) -> int:
    return sum(pool_of(app).snapshot()["diverted"] for app in apps)


def commands(app: Flask, path: str, token: str = "", **headers: str) -> int:
    """Return how many commands a read takes."""
    with deadline.within(60) as due:
        assert read(app, path, token, **headers).status_code == 200
    return due.account.commands


def tell_one_story(number: int, apps: list[Flask]) -> int:
    """Write on one instance and read on the next, again and again; return how many reads that were."""
    for turn in range(ROUNDS):
        api, there = Api(apps[(number + turn) % len(apps)]), apps[(number + turn + 1) % len(apps)]
        name, other = a_name(), a_name()
        added = api.add(name)
        assert read(there, added.location, added.headers[HEADER]).get_json()["name"] == name
        changed = api.change("PATCH", added, {"name": other})
        assert read(there, f"/?city={other}", changed.headers[HEADER]).status_code == 200
        assert read(there, f"/?city={name}", changed.headers[HEADER]).status_code == 404
        found = read(there, f"{CITIES}?name={other}", changed.headers[HEADER]).get_json()["items"]
        assert [city["name"] for city in found] == [other]
        changed = api.change("PUT", changed, {"name": name, "country_id": 2})
        assert read(there, added.location, changed.headers[HEADER]).get_json()["country"]["id"] == 2
        removed = api.change("DELETE", changed)
        assert read(there, added.location, removed.headers[HEADER]).status_code == 404
    return 6 * ROUNDS


@pytest.mark.long_form("10")  # which workers meet as well: test_own_writes_served.py
@pytest.mark.parametrize("lag", [0, 0.05, pytest.param(1, marks=pytest.mark.long_form("mysql", "postgresql")), 10])
def test_no_read_of_ones_own_write_is_stale(pair: Replicated, instance: MakeInstance, lag: float) -> None:
    apps = [instance(), instance(), instance()]
    pair.lag(lag)

    with ThreadPoolExecutor(4) as threads:
        reads = sum(threads.map(lambda number: tell_one_story(number, apps), range(4)))

    if lag == 0.05:
        print(f"{pair.kind.value}: {diverted(*apps)} of {reads} reads went to the primary at {lag} s of lag")
    if lag > 5:
        assert diverted(*apps) > reads / 2


def test_reads_stay_on_a_replica_that_comes_in_time(pair: Replicated, instance: MakeInstance) -> None:
    apps = [instance(READ_YOUR_WRITES_SECONDS=2, REQUEST_DEADLINE_SECONDS=10) for _ in range(3)]
    pair.lag(0.05)

    with ThreadPoolExecutor(4) as threads:
        reads = sum(threads.map(lambda number: tell_one_story(number, apps), range(4)))

    assert diverted(*apps) <= 0.05 * reads


def test_what_stopped_applying_is_passed_over(pair: Replicated, instance: MakeInstance) -> None:
    app, name = instance(), a_name()
    pair.hold()

    added = Api(app).add(name)

    assert read(app, f"/?city={name}").status_code == 404
    assert read(app, f"/?city={name}", added.headers[HEADER]).status_code == 200
    assert diverted(app) == 1


def test_half_of_the_permits_wait_at_most(pair: Replicated, instance: MakeInstance) -> None:
    app = instance(POOL_SIZE=4, READ_YOUR_WRITES_SECONDS=10, WRITER_POOL_SIZE=8, POOL_TIMEOUT_SECONDS=30, **PATIENT)
    slots = pool_of(app).slots
    pair.hold()
    token = Api(app).add(a_name()).headers[HEADER]

    with ThreadPoolExecutor(8) as threads:
        reads = [threads.submit(read, app, f"{CITIES}/1", token) for _ in range(8)]
        assert eventually(lambda: diverted(app) == 6)
        assert sum(use.catching_up for use in slots.uses()) == 2
        assert read(app, f"{CITIES}/1").status_code == 200
        pair.go_on()
        assert {each.result().status_code for each in reads} == {200}

    assert diverted(app) == 6


def test_without_a_token_nothing_more_is_sent(pair: Replicated, instance: MakeInstance) -> None:
    app, plain = instance(), instance(READ_YOUR_WRITES_SECONDS=0)
    token = Api(app).add(a_name()).headers[HEADER]
    pair.catch_up()

    for path in ("/?city=London", f"{CITIES}/1", f"{CITIES}?limit=2"):
        for each in (app, plain):
            read(each, path)
        without = commands(plain, path)

        assert commands(app, path) == without, path
        assert commands(app, path, token) == without + 1, path
    assert diverted(app) == 0


def test_an_old_token_costs_one_command_and_a_made_up_one_none(pair: Replicated, instance: MakeInstance) -> None:
    app = instance()
    old, new = (Api(app).add(a_name()).headers[HEADER] for _ in range(2))
    pair.catch_up()
    position, _, signature = new.partition(".")
    forged = [f"MC0xLTk5OTk.{signature}", f"{position}.{old.partition('.')[2]}", f".{signature}", position]
    garbage = ["x", "=" * 100, "é", "a" * 8000, f"{new}{new}", "%00.%00", "'; DROP TABLE city; --"]

    one = commands(app, f"{CITIES}/1")

    assert commands(app, f"{CITIES}/1", old) == one + 1
    for token in forged + garbage:
        assert commands(app, f"{CITIES}/1", token) == one, token
        cookie = f"a=b; {COOKIE}={token}; c=d"
        assert commands(app, f"{CITIES}/1", Cookie=cookie) == one, token
    assert diverted(app) == 0


def test_a_position_that_never_comes_costs_the_wait_alone(pair: Replicated, instance: MakeInstance) -> None:
    app, other = instance(), instance(API_TOKEN=f"{TOKEN}-of-others")
    pair.hold()
    token = Api(app).add(a_name()).headers[HEADER]

    assert read(app, f"{CITIES}/1", token).status_code == 200
    assert diverted(app) == 1
    assert read(other, f"{CITIES}/1", token).status_code == 200
    assert diverted(other) == 0


def test_a_primary_that_is_read_under_another_address_is_there(pair: Replicated, instance: MakeInstance) -> None:
    app = instance()
    with app.app_context():
        other = db.engine.url.set(host="localhost").render_as_string(hide_password=False)
    app = instance(DATABASE_READ_URL=other)

    token = Api(app).add(a_name()).headers[HEADER]

    assert read(app, f"{CITIES}/1", token).status_code == 200
    assert diverted(app) == 0


def test_a_browser_brings_it_as_a_cookie(pair: Replicated, instance: MakeInstance) -> None:
    app, name = instance(), a_name()
    pair.hold()
    browser = app.test_client()
    said = {"Authorization": f"Bearer {TOKEN}"}

    added = browser.post(CITIES, json={"name": name, "country_id": 1}, headers=said, base_url="https://localhost")

    first, *more = added.headers["Set-Cookie"].split("; ")
    assert first == f"{COOKIE}={added.headers[HEADER]}"
    assert set(more) > {"Max-Age=300", "Secure", "HttpOnly", "Path=/", "SameSite=Lax"}
    assert browser.get(f"/?city={name}", base_url="https://localhost").status_code == 200
    assert read(app, f"/?city={name}").status_code == 404


def test_an_answer_that_is_told_again_has_a_token_of_that_write(pair: Replicated, instance: MakeInstance) -> None:
    app, name = instance(), a_name()
    pair.hold()
    first = Api(app).add(name, Idempotency_Key=name.replace(" ", "-"))

    again = Api(instance()).add(name, Idempotency_Key=name.replace(" ", "-"))

    assert again.get_json() == first.get_json()
    assert read(app, first.location, again.headers[HEADER]).status_code == 200


def test_a_refusal_has_no_token_and_neither_has_anything_without_a_replica(
    pair: Replicated, instance: MakeInstance, replicated: Database, make_app: MakeInstance
) -> None:
    app, alone = instance(), make_app(DATABASE_URL=replicated.url, API_TOKEN=TOKEN, ACCESS_LOG="off")

    for answer in (Api(app).add(a_name(), country_id=9999), read(app, f"{CITIES}/1"), Api(alone).add(a_name())):
        assert not {HEADER, "Set-Cookie"} & set(answer.headers.keys())


def test_the_lag_is_measured(pair: Replicated, instance: MakeInstance) -> None:
    app = instance()
    lag = Lag(reader_of(app), writer_of(app))
    lag.look()
    assert lag.seconds is not None
    pair.hold()
    Api(app).add(a_name())

    def is_behind() -> bool:
        lag.look()
        return (lag.seconds or 0) > 1

    assert eventually(is_behind, 30)
    pair.go_on()
    assert eventually(lambda: not is_behind(), 30)


def test_the_lag_of_a_server_that_is_away_is_not_known(pair: Replicated, instance: MakeInstance) -> None:
    app = instance()
    lag = Lag(reader_of(app), writer_of(app))
    lag.look()
    pair.replica.freeze()

    try:
        lag.look()
    finally:
        pair.replica.thaw()

    assert lag.seconds is None
