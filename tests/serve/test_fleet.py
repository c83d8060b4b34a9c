"""One instance becomes six, and all are replaced, one at a time, where the server allows for that and no more."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from testkit.databases import Database, new_database
from testkit.waiting import eventually
from tests.conftest import obtain_or_skip
from tests.serve.conftest import status
from tests.serve.serving import Serving
from tests.serve.visitors import Visitors
from tests.support.tampering import max_connections

MORE = '''
import time
from contextlib import ExitStack
from pathlib import Path

from flask import request

from app.extensions import db


@app.get("/full")
def full():
    """Hold every connection that this worker may have, until a file is there."""
    with ExitStack() as held:
        for engine in (db.engines["reader"], db.engine):
            for _ in range(engine.pool.snapshot()["size"]):
                held.enter_context(engine.connect())
        while not Path(request.args["until"]).exists():
            time.sleep(0.02)
    return "held"
'''
INSTANCES = 6
EACH = 4 + 1 + 1 + 1
"""POOL_SIZE and WRITER_POOL_SIZE, each with the overflow."""
SIZES = {"WORKERS": "1", "POOL_SIZE": "4", "POOL_MAX_OVERFLOW": "1", "WRITER_POOL_SIZE": "1", "INSTANCES": "6"}
PATIENCE = {"POOL_TIMEOUT_SECONDS": "8", "REQUEST_DEADLINE_SECONDS": "9"}


@pytest.fixture(params=["mariadb", "mysql"])
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    with new_database(obtain_or_skip(request.config, request.param)) as made, max_connections(made, 60):
        yield made


class Fleet:
    """Instances that are asked all the time."""

    def __init__(self, tree: Path, folder: Path, database: Database) -> None:
        self._tree, self._folder, self._database = tree, folder, database
        self._stack, self._rounds = ExitStack(), 0
        self.servers: list[Serving] = []
        self._asking: dict[Serving, Visitors] = {}
        self.failed: list[str] = []

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, *_: object) -> None:
        with self._stack:
            for server in [*self.servers]:
                self._leave(server)

    def grow(self, number: int) -> None:
        """Start so many more, side by side, and ask them once they answer."""
        environ = {**SIZES, **PATIENCE, "DATABASE_URL": self._database.url, "POOL_BUDGET": "refuse"}
        started = [self._stack.enter_context(Serving(self._tree, **environ)) for _ in range(number)]
        for server in started:
            server.wait()
            self._asking[server] = Visitors(server.port, 2, pause=0.5).__enter__()
        self.servers += started

    def replace_oldest(self) -> None:
        """Stop one as a roll-out does, once another one is there."""
        old = self.servers[0]
        old.process.send_signal(signal.SIGTERM)
        assert old.process.wait(30) == 0
        self._leave(old)

    def _leave(self, server: Serving) -> None:
        self.servers.remove(server)
        visitors = self._asking.pop(server)
        visitors.__exit__()
        self.failed += visitors.tally.failed

    def use_all_it_may(self) -> None:
        """Have every instance hold all its connections at the same moment."""
        self._rounds += 1
        until = self._folder / f"until-{self._rounds}"
        with ThreadPoolExecutor(len(self.servers)) as pool:
            asked = [pool.submit(server.get, f"/full?until={until}") for server in self.servers]
            try:
                reached = eventually(lambda: connected(self._database) > len(self.servers) * EACH)
            finally:
                until.touch()
            assert [answer.result().text for answer in asked] == ["held"] * len(self.servers)
        assert reached, connected(self._database)


def connected(database: Database) -> int:
    """Return how many connections the server has, the one that asks among them."""
    return status(database, "Threads_connected")


@pytest.mark.timeout(400)  # 13 starts of a whole server
@pytest.mark.long_form("mysql")
def test_a_fleet_grows_and_is_replaced_and_nobody_lacks_a_connection(
    extended: Path, tmp_path: Path, database: Database
) -> None:
    refused = status(database, "Connection_errors_max_connections")

    with Fleet(extended, tmp_path, database) as fleet:
        fleet.grow(1)
        fleet.use_all_it_may()
        fleet.grow(INSTANCES - 1)
        fleet.use_all_it_may()
        for _ in range(INSTANCES):
            fleet.grow(1)
            fleet.use_all_it_may()
            fleet.replace_oldest()
        fleet.use_all_it_may()

    assert fleet.failed == []
    assert status(database, "Connection_errors_max_connections") == refused
