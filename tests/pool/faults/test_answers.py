"""No answer is ever wrong, whatever happens to the connections meanwhile. The long form:

SOAK_SECONDS=600 ./run test tests/pool/faults/test_answers.py
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Callable

import pytest

from steadypool import read
from testkit.clients import Request
from testkit.databases import Database
from testkit.fault_servers import FaultServer
from testkit.proxy import Proxy
from testkit.waiting import eventually
from tests.pool.service import FOUND, REFUSED, Clients, Service
from tests.support.faulty import count_slowly
from tests.support.leftovers import assert_nothing_is_lent

SECONDS = float(os.environ.get("SOAK_SECONDS", "4"))
MOST_SECONDS = SECONDS + 20
"""For who has not seen everything by then."""
DEADLINE_SECONDS = 0.9
"""The server stops a statement after two thirds of it; a frozen network (0.3 s) is survived once, not three times."""

pytestmark = pytest.mark.timeout(MOST_SECONDS + 60)


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

    def rage(self, is_enough: Callable[[], bool]) -> None:
        began = time.monotonic()
        while (took := time.monotonic() - began) < SECONDS or (took < MOST_SECONDS and not is_enough()):
            name, fault = self._choose.choice(list(self._faults.items()))
            fault()
            self.done[name] += 1
            time.sleep(self._choose.uniform(0.02, 0.3))


def losing_patience(seed: int = 1) -> Callable[[], float]:
    """Let the time of every tenth question run out at random: while it waits, connects, asks or reads."""
    choose = random.Random(seed)
    return lambda: choose.uniform(0.001, 0.05) if choose.random() < 0.1 else DEADLINE_SECONDS


def test_under_all_faults_at_once_every_answer_is_the_right_one(
    make_service: Callable[..., Service], seeded: Database, fault_server: FaultServer, proxy: Proxy, user: str
) -> None:
    service = make_service(deadline_seconds=DEADLINE_SECONDS)
    clients = Clients(service, 16)
    slow = Clients(service, 2, work=lambda: read(service.reader, count_slowly))
    assert clients.ask_once()
    service.patience = losing_patience()
    chaos = Chaos(fault_server, proxy, user)

    def there_was_something_to_get_wrong() -> bool:
        """Answers, faults, requests and statements that ran out of time."""
        timed_out = clients.statuses["too slow"], slow.statuses["too slow"]
        return len(chaos.done) == 4 and min(timed_out) > 0 and clients.statuses["found"] > 20 * SECONDS

    with clients.running(), slow.running():
        chaos.rage(there_was_something_to_get_wrong)

    print(f"{fault_server.name}: {clients.statuses}, slow {slow.statuses}, {dict(chaos.done)}")
    assert clients.wrong == []
    assert (clients.stuck, slow.stuck) == (0, 0)
    assert there_was_something_to_get_wrong()
    assert set(clients.statuses) <= {"found", "too slow", *REFUSED}, reports(clients.answers)
    assert eventually(lambda: service.ask() == FOUND)
    assert_nothing_is_lent(service.reader)


def reports(answers: list[Request]) -> list[str]:
    """Return what was neither an answer nor a polite refusal."""
    return [answer.text for answer in answers if answer.status not in ("found", "too slow", *REFUSED)][:5]
