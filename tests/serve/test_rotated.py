"""A password that is rotated while ./run serve runs: its workers, and those that come later, follow the file."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import make_url

from testkit.databases import Database, new_database
from testkit.servers import Server
from testkit.waiting import eventually
from tests.serve.serving import Serving
from tests.support.accounts import Account
from tests.support.asking import LOOKUP

ROUNDS = 3


def test_workers_old_and_new_follow_the_file(
    ready_tree: Path, mariadb: Database, tmp_path: Path, serve: Callable[..., Serving]
) -> None:
    """Two users take turns, so that the old one is valid while the file is being replaced."""
    file = tmp_path / "database-url"
    with two_accounts_on(mariadb.server) as accounts:
        known, answers = [accounts[0].password], list[int]()
        file.write_text(accounts[0].address())
        server = serve(ready_tree, DATABASE_URL_FILE=str(file), WORKERS="1", POOL_RECYCLE_SECONDS="1")

        for turn in range(1, ROUNDS + 1):
            known.append(accounts[turn % 2].renew())
            new = file.with_name("new")
            new.write_text(accounts[turn % 2].address())
            new.replace(file)
            if turn == 1:
                server.process.send_signal(signal.SIGTTIN)  # one worker more, with the settings of the start
                assert eventually(lambda: len(pool(server)["workers"]) == 2, 30)
            ends = time.monotonic() + 2  # twice the life of a connection
            while time.monotonic() < ends:
                answers.append(server.get(LOOKUP).status)
        shown = [json.dumps(pool(server)), server.get("/metrics").text]
        server.stop()

    assert set(answers) == {200}
    assert [event for event in server.events() if "circuit breaker" in event["event"]] == []
    shown.append(server.log.read_text())
    assert [password for password in known if password in "".join(shown)] == []


@contextmanager
def two_accounts_on(server: Server) -> Iterator[list[Account]]:
    with new_database(server) as database:
        accounts = [Account(server.url, make_url(database.url).database or "") for _ in range(2)]
        yield accounts
        for account in accounts:
            account.drop()


def pool(server: Serving) -> Any:
    return server.get("/pool", Accept="application/json").json()
