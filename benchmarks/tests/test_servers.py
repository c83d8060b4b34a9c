"""The comparison of servers: its tables, its lock, and Gunicorn's row from start to stop."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from testkit.waiting import eventually

if TYPE_CHECKING:
    from benchmarks.stacks import Running

pytestmark = pytest.mark.usefixtures("bench_packages")

Start = Callable[..., AbstractContextManager["Running"]]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Return what starts a server's floor from this environment."""
    from benchmarks.servers.rows import SERVERS

    def start(key: str = "gunicorn", *, is_recycling: bool = False) -> AbstractContextManager[Running]:
        stack = SERVERS[key].stack("floor", Path(sys.executable).parent, tmp_path, is_recycling=is_recycling)
        return stack.start("mysql://nobody@127.0.0.1/nothing", tmp_path, threads=SERVERS[key].threads)

    return start


def test_every_package_of_a_row_is_locked_with_its_hashes() -> None:
    from benchmarks.servers.environment import LOCKS, pins
    from benchmarks.servers.rows import SERVERS

    found = pins(LOCKS[-1])

    assert {server.package for server in SERVERS.values()} - {""} <= found.keys()
    assert all("--hash=sha256:" in pinned and pinned.startswith(f"{name}==") for name, pinned in found.items())
    assert found["more-itertools"].count("==") == 1


def test_a_server_is_told_the_application_and_how_often_to_replace_its_workers(tmp_path: Path) -> None:
    from benchmarks.servers.rows import SERVERS

    gunicorn, uwsgi = SERVERS["gunicorn"], SERVERS["uwsgi"]

    ours = gunicorn.stack("ours", tmp_path / "bin", tmp_path)
    assert (ours.environ["APP"], ours.environ["MORE"], ours.environ["GUNICORN_CMD_ARGS"]) == ("wsgi:app", "", "")
    assert ours.environ["PATH"].startswith(f"{tmp_path}/bin:")
    assert "peers/gunicorn_conf.py" in gunicorn.stack("floor", tmp_path, tmp_path).environ["GUNICORN_CMD_ARGS"]
    assert "--max-requests" in uwsgi.stack("ours", tmp_path, tmp_path, is_recycling=True).environ["MORE"]


def test_tables_show_ratios_losses_and_who_is_not_there() -> None:
    from benchmarks.servers.losses import Loss
    from benchmarks.servers.speed import Speed
    from benchmarks.servers.table import Results, report

    results = Results(absent={"bjoern": "ev.h: No such file or directory\nmore"})
    speeds = {"gunicorn": (1000.0, 2000.0, 900.0), "granian": (1500.0, 2200.0, 900.0)}
    for key, each in speeds.items():
        results.speeds[key, "ours"] = [Speed(speed, 800.0, 5.25, 0) for speed in each]
    results.losses["gunicorn", "stop"] = Loss(500, 0, 1) + Loss(400, 0, 1)
    results.losses["granian", "reload"] = Loss(500, 3, 1, "not over after 25 s") + Loss(400, 0, 1)

    text = report(results)

    assert "| Granian | 1,500 (900–2,200) | 1.10 (1.00–1.50) | 800 | 5.2 | none |" in text
    assert "| Gunicorn, as configured | not known there | not known there | none of 900 in 2 times |" in text
    assert "| Granian | 3 of 900 in 2 times; not over after 25 s |" in text
    assert "- Bjoern, which has no threads: left out, ev.h: No such file or directory" in text
    assert "| Bjoern" not in text


@pytest.mark.usefixtures("wrk_program")
@pytest.mark.parametrize("key", ["gunicorn", "gunicorn-gthread"])
def test_gunicorn_answers_and_its_cost_is_counted(start: Start, tmp_path: Path, key: str) -> None:
    from benchmarks.bench import wrk
    from benchmarks.servers import speed

    with start(key) as running:
        found = speed.ask(running, wrk.write_names(tmp_path), 4, 1)

    assert found.errors == 0
    assert found.per_second > 0
    assert found.cpu_us > 0
    assert sys.platform != "linux" or found.switches > 0


def test_gunicorn_loses_nothing_when_it_reloads_and_stops(start: Start) -> None:
    from benchmarks.servers import losses

    with start() as running:
        reload = losses.at_reload(running, signal.SIGHUP)
        stop = losses.at_stop(running)

    assert (reload.failed, reload.remark, stop.failed, stop.remark) == (0, "", 0, "")
    assert reload.asked >= 2 * losses.AFTERWARDS


def test_gunicorn_loses_nothing_when_it_replaces_a_worker(start: Start) -> None:
    from benchmarks.servers import losses

    with start(is_recycling=True) as running:
        loss = losses.at_recycling(running, 1)

    assert (loss.events, loss.failed) == (1, 0)


def test_what_a_server_cuts_off_has_failed(start: Start) -> None:
    from benchmarks.servers import losses

    with start() as running, losses.asking(running) as clients:
        for pid in running.workers():
            os.kill(pid, signal.SIGKILL)
        assert eventually(lambda: any(request.error for request in clients.requests))

    failed = losses.failures(clients)
    assert failed
    assert all(request.error for request in failed)
