"""A write over HTTP is kept once or not at all, its client knows which, and repeating it with its key settles the rest.

The long form of the last one, 60 s: ./run test --long tests/cities/faults/test_writing.py
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from app.cities.models import City
from testkit.databases import Database
from testkit.fault_servers import FaultServer
from testkit.packets import Cut, Direction
from testkit.proxy import Proxy
from tests.cities.client import CITIES, TOKEN, Api, a_name, times_kept
from tests.faults.support import writer_of

MOST_PACKETS = 60
CLIENTS = 16
DONE = {"POST": 201, "PUT": 200, "PATCH": 200, "DELETE": 204}
ALLOWED = {"kept": {1}, "unknown": {0, 1}, "failed": {0}}
"""How often a write may have been done, by what its client was told."""


class Write(NamedTuple):
    """A request with its key, and the name by which its effect is seen."""

    method: str
    path: str
    name: str
    body: dict[str, Any]
    headers: dict[str, str]

    def send(self, api: Api) -> TestResponse:
        return api.send(self.method, self.path, json=self.body, headers=self.headers)

    def times_done(self, database: Database) -> int:
        found = times_kept(database, self.name)
        return 1 - found if self.method == "DELETE" else found


@pytest.fixture
def make_api(make_service: Callable[..., Flask]) -> Callable[[], tuple[Api, Flask]]:
    """Return the application behind the proxy, which has written already."""

    def make() -> tuple[Api, Flask]:
        service = make_service(API_TOKEN=TOKEN)
        api = Api(service)
        assert a_write("POST", api).send(api).status_code == 201
        return api, service

    return make


def a_write(method: str, api: Api) -> Write:
    """Return a write that nobody has sent; what it changes is there already."""
    key, name = secrets.token_hex(8), a_name()
    if method == "POST":
        return Write(method, CITIES, name, {"name": name, "country_id": 1}, {"Idempotency-Key": key})
    added = api.add(before := a_name())
    assert added.status_code == 201, added.text
    headers = {"Idempotency-Key": key, "If-Match": added.headers["ETag"]}
    body = {"name": name, "country_id": 2}
    return Write(method, added.location or "", before if method == "DELETE" else name, body, headers)


def what_is_told(response: TestResponse) -> str:
    """Return kept, unknown or failed; nothing else may be answered."""
    if response.status_code in DONE.values():
        return "kept"
    slug = response.get_json()["type"].rpartition("/")[2]
    if (response.status_code, slug) == (500, "outcome-unknown"):
        return "unknown"
    assert response.status_code in (503, 504), response.text
    return "failed"


@pytest.mark.parametrize("direction", ["to server", "to client"])
@pytest.mark.parametrize(
    "method",
    [
        "POST",
        pytest.param("PUT", marks=pytest.mark.long_form("mysql", "postgresql")),
        pytest.param("PATCH", marks=pytest.mark.long_form("mariadb", "postgresql")),
        pytest.param("DELETE", marks=pytest.mark.long_form("mariadb", "mysql")),
    ],
)
def test_wherever_a_write_is_cut_its_client_knows_and_can_repeat_it(
    make_api: Callable[[], tuple[Api, Flask]], seeded: Database, proxy: Proxy, method: str, direction: Direction
) -> None:
    api, service = make_api()
    seen = []
    for when in Cut:
        for number in range(1, MOST_PACKETS):
            write = a_write(method, api)
            writer_of(service).connect().close()
            cut = proxy.cut(when, direction, number=number)
            first = write.send(api)
            proxy.heal()
            seen.append((what_is_told(first), write.times_done(seeded)))

            again = write.send(api)
            assert again.status_code == DONE[method], (seen[-1], again.text)
            assert write.times_done(seeded) == 1
            if seen[-1][0] == "kept":
                assert (again.data, again.location) == (first.data, first.location)
            if not cut.happened:
                break
        assert not cut.happened, f"a write of {MOST_PACKETS} packets?"

    assert [(told, times) for told, times in seen if times not in ALLOWED[told]] == [], seen
    # Cut in a statement, at COMMIT, and not at all: each was there.
    assert {told for told, _ in seen} == set(ALLOWED), seen


class Outcomes:
    """What clients were told of the names that they have sent, one for each write."""

    def __init__(self, service: Flask, seconds: float) -> None:
        self.service, self.until = service, time.monotonic() + seconds
        self.told: dict[str, str] = {}
        self.wrong: list[BaseException] = []

    def run(self, number: int) -> None:
        """Write until the time is over; every other client repeats what did not come back as kept."""
        api = Api(self.service)
        try:
            while time.monotonic() < self.until:
                write = a_write("POST", api)
                self.told[write.name] = what_is_told(write.send(api))
                while number % 2 and self.told[write.name] != "kept":
                    self.told[write.name] = what_is_told(write.send(api))
        except BaseException as error:  # a thread's end is nobody's failure unless it is told
            self.wrong.append(error)


def test_of_sixteen_clients_whose_connections_are_killed_nothing_is_lost_or_written_twice(
    make_api: Callable[[], tuple[Api, Flask]],
    seeded: Database,
    fault_server: FaultServer,
    user: str,
    request: pytest.FixtureRequest,
) -> None:
    seconds = 60 if request.config.option.long else 2
    _, service = make_api()
    outcomes = Outcomes(service, seconds)
    threads = [threading.Thread(target=outcomes.run, args=(number,)) for number in range(CLIENTS)]
    killed = 0

    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        killed += fault_server.kill_connections(user)
        time.sleep(0.1)  # between two kills something must be able to happen

    assert outcomes.wrong == []
    times = names_kept(seeded)
    wrong = {name: (told, times[name]) for name, told in outcomes.told.items() if times[name] not in ALLOWED[told]}
    counted = Counter(outcomes.told.values())
    assert wrong == {}, counted
    rows = sum(times[name] for name in outcomes.told)
    assert counted["kept"] <= rows <= counted["kept"] + counted["unknown"], counted
    assert killed > seconds
    assert counted["kept"] > seconds, counted
    print(f"\n{counted}, rows {rows}, killed {killed}")


def names_kept(database: Database) -> Counter[str]:
    with database.connect() as connection:
        return Counter(connection.scalars(select(City.city).where(City.city.like("Test %"))))
