"""./run drain and ./run resize at a real server: every worker obeys, who comes later too, and a reload ends it."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from testkit.waiting import eventually
from tests.serve.serving import Serving, run
from tests.serve.visitors import Visitors

SIZE = 8


def overview(server: Serving) -> dict[str, Any]:
    told: dict[str, Any] = server.get("/pool", Accept="application/json").json()
    return told


def size(server: Serving) -> int:
    """Return how many connections the readers of all workers may have open."""
    return int(overview(server)["pools"]["reader"]["now"]["size"])


def all_report(server: Serving, workers: int) -> bool:
    return len(overview(server)["workers"]) == workers


@pytest.fixture
def server(ready_tree: Path, serve: Callable[..., Serving]) -> Serving:
    """Two workers, of which both have reported."""
    started = serve(ready_tree, WORKERS="2")
    assert eventually(lambda: all_report(started, 2))
    return started


def order(server: Serving, tree: Path, *words: str) -> str:
    done = run(tree, *words, PORT=str(server.port))
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_all_workers_drain_under_load_and_no_request_fails(server: Serving, ready_tree: Path) -> None:
    with Visitors(server.port) as visitors:
        visitors.wait_for(50)
        said = order(server, ready_tree, "drain")
        closed = overview(server)["pools"]["reader"]["recent"]["closed"]
        visitors.wait_for(50)

    assert said == "Done by 2 workers: drain.\n"
    assert closed["drained"] >= 1
    assert visitors.tally.failed == []
    [shown] = overview(server)["orders"]
    assert (shown["name"], shown["obeyed"], shown["workers"]) == ("drain", 2, 2)


def test_all_workers_have_the_new_size_under_load_and_no_request_fails(server: Serving, ready_tree: Path) -> None:
    with Visitors(server.port) as visitors:
        visitors.wait_for(50)
        said = order(server, ready_tree, "resize", "reader", "1+1")
        assert eventually(lambda: size(server) == 2 * 2)
        visitors.wait_for(50)
        order(server, ready_tree, "resize", "reader", "12")
        assert eventually(lambda: size(server) == 2 * 12)
        visitors.wait_for(50)

    assert said == "Done by 2 workers: resize reader to 1 + 1.\n"
    assert visitors.tally.failed == []


def test_a_worker_that_takes_anothers_place_obeys_too_and_a_reload_ends_it(server: Serving, ready_tree: Path) -> None:
    order(server, ready_tree, "resize", "reader", "3")

    server.process.send_signal(signal.SIGTTIN)

    assert eventually(lambda: size(server) == 3 * 3)
    server.process.send_signal(signal.SIGHUP)
    assert eventually(lambda: has_reloaded(server), 60)
    assert overview(server)["orders"] == []


def has_reloaded(server: Serving) -> bool:
    """Tell whether two workers are there, as the settings have them; while none is, an answer may be long in coming."""
    with suppress(OSError):
        return all_report(server, 2) and size(server) == 2 * SIZE
    return False


def test_from_the_page_all_workers_are_told(server: Serving) -> None:
    answer = server.post("/pool/resize", "pool=reader&size=5", Sec_Fetch_Site="same-origin")

    assert answer.status == 202
    assert eventually(lambda: size(server) == 2 * 5)
