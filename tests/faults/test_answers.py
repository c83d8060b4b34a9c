"""No answer is ever wrong, whatever happens to the connections meanwhile. The long form:

SOAK_SECONDS=600 ./run test tests/faults/test_answers.py
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import pytest
from flask import Flask
from sqlalchemy import Connection, func, select
from sqlalchemy.orm import aliased

from app.cities.models import City
from app.extensions import reading
from steadypool import deadline
from testkit.clients import Request
from testkit.databases import Database
from testkit.fault_servers import FaultServer
from testkit.proxy import Proxy
from testkit.waiting import eventually
from tests.faults.clients import Clients
from tests.faults.support import reader_of
from tests.support.leftovers import assert_nothing_is_lent

SECONDS = float(os.environ.get("SOAK_SECONDS", "10"))
DEADLINE_SECONDS = 0.9
"""The server stops a statement after two thirds of it; a frozen network (0.3 s) is survived once, not three times."""

pytestmark = pytest.mark.timeout(SECONDS + 60)


class Chaos:
    """Does one thing after the other to the connections of a user; `done` counts what."""

    def __init__(self, server: FaultServer, proxy: Proxy, user: str, seed: int = 1) -> None:
        self._choose, self.done = random.Random(seed), Counter[str]()
        self._faults: dict[str, Callable[[], object]] = {
            "killed": lambda: server.kill_connections(user),
            "reset": proxy.reset_all,
            "closed": proxy.close_all,
            "frozen": lambda: proxy.freeze(0.3),
        }

    def rage(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            name, fault = self._choose.choice(list(self._faults.items()))
            fault()
            self.done[name] += 1
            time.sleep(self._choose.uniform(0.02, 0.3))


def losing_patience(wsgi_app: WSGIApplication, seed: int = 1) -> WSGIApplication:
    """Let the time of every tenth request run out at random: while it waits, connects, asks or reads."""
    choose = random.Random(seed)

    def impatient(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        with deadline.within(choose.uniform(0.001, 0.05) if choose.random() < 0.1 else DEADLINE_SECONDS):
            return wsgi_app(environ, start_response)

    return impatient


@reading
def count_slowly(connection: Connection) -> int | None:
    """Take longer than the server gives a statement."""
    one, two, three = aliased(City), aliased(City), aliased(City)
    joined = select(func.count()).select_from(one).join(two, two.city_id != one.city_id)
    joined = joined.join(three, three.city_id != two.city_id)
    return connection.scalar(joined.where(one.city_id * two.city_id * three.city_id % 1009 == 7))


def test_under_all_faults_at_once_every_answer_is_the_right_one(
    make_service: Callable[..., Flask], seeded: Database, fault_server: FaultServer, proxy: Proxy, user: str
) -> None:
    service = make_service(REQUEST_DEADLINE_SECONDS=DEADLINE_SECONDS)
    service.add_url_rule("/slow", view_func=lambda: str(count_slowly()))
    clients, slow = Clients(service, 16), Clients(service, 2, path="/slow")
    assert clients.ask_once()
    service.wsgi_app = losing_patience(service.wsgi_app)  # type: ignore[assignment, method-assign]
    chaos = Chaos(fault_server, proxy, user)

    with clients.running(), slow.running():
        chaos.rage(SECONDS)

    right = [answer for answer in clients.answers if answer.status == 200]
    print(f"{fault_server.name}: {clients.statuses}, slow {slow.statuses}, {dict(chaos.done)}")
    assert clients.wrong == []
    assert (clients.stuck, slow.stuck) == (0, 0)
    # There was something to get wrong: answers, faults, requests and statements that ran out of time.
    assert len(right) > 20 * SECONDS
    assert len(chaos.done) == 4
    assert clients.statuses[504] > 0
    assert slow.statuses[504] > 0
    assert set(clients.statuses) <= {200, 503, 504}, reports(clients.answers)
    assert eventually(lambda: service.test_client().get("/?city=London").status_code == 200)
    assert_nothing_is_lent(reader_of(service))


def reports(answers: list[Request]) -> list[str]:
    """Return what was neither an answer nor a polite refusal."""
    return [answer.text for answer in answers if answer.status not in (200, 503, 504)][:5]
