"""What workers tell each other in the run directory. Two applications in this process are two workers."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from app.extensions import db
from app.operations import files, totals
from app.operations.orders import BUDGETS, Order, give, to_drain, to_resize
from app.operations.overview import overview
from app.operations.reports import (
    HISTORY,
    SAMPLE_SECONDS,
    SAMPLES,
    SILENT_AFTER_SECONDS,
    Report,
    Reporter,
    read_reports,
)
from steadypool import BUCKETS, State
from steadypool.core.stats import Stats
from testkit.waiting import eventually
from tests.conftest import dispose
from tests.support.pools import steady

Worker = Callable[[int], Flask]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    made = tmp_path / "run"
    made.mkdir()
    return made


@pytest.fixture
def url(tmp_path: Path) -> str:
    file = tmp_path / "some.sqlite3"
    file.touch()
    return f"sqlite:///{file}"


@pytest.fixture
def worker(make_app: Callable[..., Flask], url: str, directory: Path) -> Iterator[Worker]:
    """Return an application that has joined as the worker of that number."""
    made = []

    def join(number: int) -> Flask:
        app = make_app(DATABASE_URL=url)
        made.append(app)
        app.extensions["reporter"].join(directory, number)
        return app

    yield join
    for app in made:
        end(app)


def end(app: Flask) -> None:
    dispose(app)
    app.extensions["reporter"].end()


def borrow(app: Flask) -> None:
    with app.app_context(), db.engines["reader"].connect() as connection:
        connection.execute(select(1)).all()


def reported(app: Flask) -> dict[str, Any]:
    counted = totals.added(report.counted for report in app.extensions["reporter"].all_reports())
    reader: dict[str, Any] = counted["reader"]
    return reader


def test_each_reports_by_itself_once_a_second(worker: Worker) -> None:
    one, other = worker(1), worker(2)
    borrow(other)

    def seen() -> tuple[int, ...]:
        """Return what both told last: acquired, idle, size, breakers that are closed."""
        told = reported(one)
        return told["acquired"], told["idle"], told["size"], told["breaker"]["closed"]

    # The other may have told in the middle of its loan.
    assert eventually(lambda: seen() == (1, 1, 16, 2)), seen()


def test_a_worker_goes_on_where_the_last_one_of_its_number_stopped(worker: Worker) -> None:
    first = worker(1)
    borrow(first)
    end(first)

    second = worker(1)
    borrow(second)

    seen = reported(second)
    assert (seen["acquired"], seen["opened"], seen["closed"], seen["idle"]) == (2, 2, {"disposed": 1}, 1)
    # What was read from a file and what was counted here are the same buckets.
    assert seen["use_time"]["buckets"][str(BUCKETS[-1])] == seen["use_time"]["count"] == 2


def test_a_worker_that_was_killed_is_not_alive_for_long(worker: Worker, directory: Path) -> None:
    app = worker(1)
    leave_report(directory, seconds=SILENT_AFTER_SECONDS + 1)

    seen = reported(app)

    assert (seen["acquired"], seen["size"]) == (3, 8)
    assert [report.is_alive for report in read_reports(directory)] == [True, False]


def leave_report(directory: Path, seconds: float, *, ended: bool = False) -> None:
    """Leave what a worker with the number 2 may have left so many seconds ago."""
    left = Report(worker=2, pid=1, started=0.0, at=time.monotonic() - seconds, ended=ended)
    left.pools["reader"] = totals.of(busy_snapshot())
    (directory / "worker-2.json").write_text(json.dumps(vars(left)))


@pytest.mark.parametrize(
    ("seconds", "ended", "shown"),
    [(5, False, [1, 2]), (11, False, [1, 2]), (299, False, [1, 2]), (310, False, [1]), (11, True, [1])],
)
def test_a_worker_that_hangs_is_missed(
    worker: Worker, directory: Path, seconds: float, ended: bool, shown: list[int]
) -> None:
    app = worker(1)
    leave_report(directory, seconds, ended=ended)

    workers = overview(app.extensions["reporter"])["workers"]

    assert [each["worker"] for each in workers] == shown
    assert [bool(each["pools"]) for each in workers] == [True, seconds < SILENT_AFTER_SECONDS][: len(shown)]


@pytest.mark.parametrize(("order", "holds"), [(to_drain(), "asked"), (to_resize("reader", 3, 0), "ordered")])
def test_the_budget_is_the_last_one_that_was_asked_for_unless_another_size_was_ordered(
    make_app: Callable[..., Flask], url: str, directory: Path, order: Order, holds: str
) -> None:
    files.replace(directory / BUDGETS, [{"limit": "ordered"}], "test")
    give(directory, order)
    app = make_app(DATABASE_URL=url)
    reporter: Reporter = app.extensions["reporter"]
    reporter.budgets = [{"limit": "asked"}]

    reporter.join(directory, 1)

    assert reporter.budgets == [{"limit": holds}]
    end(app)


def test_what_is_obeyed_while_a_report_is_made_is_for_the_next_one(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    reporter: Reporter = worker(1).extensions["reporter"]
    order, of = to_resize("reader", 3, 0), totals.of

    def interrupted(snapshot: Any) -> Any:
        """Obey when the sizes are read already."""
        reporter.obedience.obey(order)
        return of(snapshot)

    monkeypatch.setattr(totals, "of", interrupted)
    made = [reporter._report(), reporter._report()]  # the worker's own thread may make one in between

    assert made[-1].obeyed == {order.name: order.at}
    assert {report.pools["reader"]["size"] for report in made if report.obeyed} == {3}


def test_an_order_that_fails_is_tried_again_and_the_others_are_obeyed(worker: Worker, directory: Path) -> None:
    app = worker(1)
    give(directory, Order("resize-reader", -1))
    give(directory, to_resize("writer", 4, 1))

    reporter: Reporter = app.extensions["reporter"]
    assert eventually(lambda: set(reporter.obedience.obeyed) == {"resize-writer"})
    give(directory, to_resize("reader", 3, 0))

    assert eventually(lambda: set(reporter.obedience.obeyed) == {"resize-reader", "resize-writer"})
    with app.app_context():
        assert (steady(db.engine).size(), steady(db.engines["reader"]).size()) == (4, 3)


def test_no_counter_falls_when_a_pool_is_replaced(worker: Worker) -> None:
    app = worker(1)
    borrow(app)
    with app.app_context():
        engine = db.engines["reader"]
    lent = engine.connect()
    before = reported(app)

    engine.dispose()
    assert_has_not_fallen(before, reported(app))
    lent.close()
    borrow(app)

    seen = reported(app)
    assert (seen["acquired"], seen["opened"], seen["idle"]) == (3, 2, 1)
    assert seen["closed"] == {"disposed": 1}
    assert seen["use_time"]["count"] == 3


def assert_has_not_fallen(before: dict[str, Any], after: dict[str, Any]) -> None:
    for name in set(before) - set(totals.GAUGES) - {"idle_ratio"}:
        if isinstance(before[name], dict):
            assert_has_not_fallen(before[name], after[name])
        else:
            assert after[name] >= before[name], name


def test_the_last_report_is_of_the_pools_that_are_there_then(worker: Worker, directory: Path) -> None:
    app = worker(1)
    dispose(app)
    borrow(app)

    end(app)

    (report,) = read_reports(directory)
    assert report.ended
    assert report.pools["reader"]["acquired"] == 1
    assert report.pools["reader"]["closed"] == {"disposed": 1}


def test_nothing_is_reported_after_the_end(worker: Worker, directory: Path) -> None:
    app = worker(1)
    end(app)

    app.extensions["reporter"].publish()  # as its thread does that had just looked whether it is over

    assert [report.ended for report in read_reports(directory)] == [True]


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_child_process_does_not_report_in_its_parents_name(worker: Worker, directory: Path) -> None:
    app = worker(1)
    reporter: Reporter = app.extensions["reporter"]
    with reporter._lock:  # as its own thread may hold it
        child = os.fork()
        if child == 0:
            try:
                signal.alarm(10)
                end(app)
            finally:
                os._exit(0)
    assert os.waitpid(child, 0)[1] == 0

    assert [report.ended for report in read_reports(directory)] == [False]


def test_there_are_never_more_files_than_workers_at_once(worker: Worker, directory: Path) -> None:
    for _ in range(3):
        end(worker(1))

    assert sorted(path.name for path in directory.iterdir()) == [HISTORY, "worker-1.json"]


@pytest.mark.parametrize("written", ['{"what": "another version wrote"}', "[1]", "{half", "", "7"])
def test_what_another_version_left_is_passed_over(worker: Worker, directory: Path, written: str) -> None:
    for name in ("worker-1.json", HISTORY, "worker-7.json"):
        (directory / name).write_text(written)

    app = worker(1)
    borrow(app)

    assert reported(app)["acquired"] == 1
    assert overview(app.extensions["reporter"])["pools"]["reader"]["now"]["size"] == 8


def test_a_directory_that_is_gone_is_made_again(worker: Worker, directory: Path) -> None:
    app = worker(1)
    borrow(app)

    # In one step: its own thread writes into it.
    directory.rename(directory.with_name("elsewhere"))

    assert reported(app)["acquired"] == 1


def test_a_directory_that_cannot_be_used_is_said_once_and_fails_nobody(
    worker: Worker, directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    app = worker(1)
    reporter: Reporter = app.extensions["reporter"]
    with reporter._lock:  # or its own thread would make the directory again in between
        shutil.rmtree(directory)
        directory.touch()
    reporter.publish()
    reporter.publish()

    assert reporter.all_reports() == []
    assert capsys.readouterr().err.count("report not written") == 1

    directory.unlink()
    assert len(reporter.all_reports()) == 1


def test_an_application_alone_reports_for_itself(make_app: Callable[..., Flask], url: str) -> None:
    app = make_app(DATABASE_URL=url)
    borrow(app)

    document = overview(app.extensions["reporter"])

    now = {"size": 8, "idle_max": 8, "in_use": 0, "idle": 1, "pending": 0, "breaker": "closed"}
    assert document["pools"]["reader"]["now"] == now
    assert document["pools"]["reader"]["recent"]["acquired"] == 1
    assert [(seen["state"], seen["uses"]) for seen in document["connections"]] == [("idle", 1)]


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Have these workers report so many samples from now."""
    start = (time.monotonic() // SAMPLE_SECONDS + 1) * SAMPLE_SECONDS

    def report(ticks: float, *apps: Flask) -> None:
        monkeypatch.setattr("app.operations.reports.monotonic", partial(float, start + ticks * SAMPLE_SECONDS))
        for app in apps:
            app.extensions["reporter"].publish()

    return report


def history(app: Flask) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = overview(app.extensions["reporter"])["pools"]["reader"]["history"]
    return told


def test_all_workers_have_one_history(worker: Worker, at: Callable[..., None]) -> None:
    one, other = worker(1), worker(2)
    at(0, one, other)
    for app in (one, other, other):
        borrow(app)
    at(0.9, one, other)
    at(1, other, one)
    borrow(one)
    at(1.9, one)
    at(2, one)

    for told in (history(one), history(other)):
        assert [(moment["seconds_ago"], moment["acquired"], moment["size"]) for moment in told[-2:]] == [
            (SAMPLE_SECONDS, 3, 16),
            (0, 1, 16),
        ]


def test_a_worker_that_has_ended_stays_in_the_history_with_what_it_counted(
    worker: Worker, at: Callable[..., None]
) -> None:
    one, other = worker(1), worker(2)
    at(0, one, other)
    borrow(other)
    end(other)
    at(1, one)
    at(2, one)

    told = history(one)

    assert [(moment["acquired"], moment["size"]) for moment in told[-2:]] == [(1, 8), (0, 8)]


def test_five_minutes_are_kept_and_what_is_recent_is_of_them(worker: Worker, at: Callable[..., None]) -> None:
    app = worker(1)
    borrow(app)
    at(0, app)
    for tick in range(1, SAMPLES + 1):
        borrow(app)
        at(tick, app)

    reader = overview(app.extensions["reporter"])["pools"]["reader"]

    assert reader["recent"]["acquired"] == sum(moment["acquired"] for moment in reader["history"]) == SAMPLES - 1
    assert [moment["seconds_ago"] for moment in reader["history"][:: SAMPLES - 2]] == [
        (SAMPLES - 2) * SAMPLE_SECONDS,
        0,
    ]


def test_a_breaker_that_was_open_for_a_moment_is_seen_later(worker: Worker, at: Callable[..., None]) -> None:
    app = worker(1)
    with app.app_context():
        breaker = steady(db.engines["reader"]).breaker
    states: list[tuple[float, State]] = [(0, "closed"), (0.5, "open"), (1, "closed"), (2, "closed")]
    for ticks, state in states:
        breaker.state = state
        at(ticks, app)

    assert [moment["breaker"] for moment in history(app)[-2:]] == ["open", "closed"]


def busy_snapshot() -> dict[str, Any]:
    stats = Stats()
    for _ in range(3):
        stats.note_use(0.001, 0.001, 0.0)
    gauges = {"size": 8, "idle_max": 8, "in_use": 2, "idle": 0, "pending": 0, "breaker": "closed"}
    return gauges | {"probes": 0} | stats.snapshot(now=1.0)
