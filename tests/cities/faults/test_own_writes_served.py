"""The same over HTTP: whichever worker of whichever instance answers, who has written reads it."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from app.consistency import HEADER
from testkit.databases import Database
from testkit.replicas import Replicated
from testkit.waiting import eventually
from tests.cities.client import CITIES, TOKEN, a_name
from tests.serve.serving import Answer, Serving

CLIENTS, ROUNDS = 4, 3


def send(server: Serving, method: str, path: str, body: Any = None, **headers: str) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    try:
        named = {"Connection": "close", "Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}"}
        named |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, None if body is None else json.dumps(body), named)
        return Answer(connection.getresponse())
    finally:
        connection.close()


def write_and_read(number: int, servers: list[Serving]) -> list[int]:
    """Add and change a city, again and again, each read on the next server; return the statuses of the reads."""
    seen = []
    for turn in range(ROUNDS):
        here, there = (servers[(number + turn + more) % len(servers)] for more in (0, 1))
        name, other = a_name(), a_name()
        added = send(here, "POST", CITIES, {"name": name, "country_id": 1})
        token = {HEADER.replace("-", "_"): added.headers[HEADER]}
        seen += [there.get(f"/?city={name.replace(' ', '%20')}", **token).status for _ in range(4)]
        path = f"{CITIES}/{added.json()['id']}"
        changed = send(here, "PATCH", path, {"name": other}, If_Match="*")
        token = {HEADER.replace("-", "_"): changed.headers[HEADER]}
        seen += [200 if there.get(path, **token).json()["name"] == other else 409 for _ in range(4)]
    return seen


@pytest.mark.short_form("mariadb")
@pytest.mark.parametrize("lag", [0.05, 10])
def test_all_workers_of_all_instances_wait_for_the_replica(
    pair: Replicated, replicated: Database, serve: Callable[..., Serving], tree: Path, lag: float
) -> None:
    urls = {"DATABASE_URL": replicated.url, "DATABASE_READ_URL": pair.on_replica(replicated), "DATABASE_TLS": "off"}
    servers = [serve(tree, **urls, API_TOKEN=TOKEN, WORKERS="2", POOL_BUDGET="off") for _ in range(2)]
    pair.lag(lag)

    with ThreadPoolExecutor(CLIENTS) as threads:
        seen = [
            status
            for each in threads.map(lambda number: write_and_read(number, servers), range(CLIENTS))
            for status in each
        ]

    assert seen == [200] * 8 * CLIENTS * ROUNDS
    # What a worker did within the last second may be missing.
    wanted = len(seen) / 2 if lag > 1 else 0
    assert eventually(lambda: diverted(servers) >= wanted, 60)
    assert lag < 1 or eventually(lambda: number_of(servers[0], "db_pool_replication_lag_seconds") > 1, 60)
    print(f"{pair.kind.value}: {diverted(servers):.0f} of {len(seen)} reads went to the primary at {lag} s of lag")


def diverted(servers: list[Serving]) -> float:
    return sum(number_of(server, "db_pool_diverted_total") for server in servers)


def number_of(server: Serving, metric: str) -> float:
    """Return what the reader's series of a metric says, 0 where there is none."""
    lines = server.get("/metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(f"{metric}{{") and '"reader"' in line)
