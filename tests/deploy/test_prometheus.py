"""Every expression of rules and dashboard, asked of a real Prometheus that scrapes the application on a real server.

The application has met what can be met meanwhile: answers, a 404, a database that was away and came back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import pytest

from testkit.fault_servers import FaultServer, Kind, obtain, seeded_database
from testkit.leaving_out import leave_out
from testkit.servers import MissingError
from tests.deploy.expressions import Asked, alerts, of_adapter, of_alerts, of_dashboard
from tests.deploy.watching import Prometheus
from tests.serve.conftest import borrow_environment, copy_project
from tests.serve.serving import Serving
from tests.serve.visitors import Visitors

TOKEN = "a-token-of-these-tests"
SETTINGS = {"WORKERS": "2", "THREADS": "4", "POOL_SIZE": "2", "OPS_TOKEN": TOKEN, "LOG_FORMAT": "json"}

EXPRESSIONS = [
    *of_alerts(),
    *of_adapter(job="cities"),
    *of_dashboard(__rate_interval="1m", job="cities", instance=".*"),
]


@pytest.fixture(scope="module")
def database() -> Iterator[FaultServer]:
    """MariaDB, because SQLite has no budget; it may be stopped and started."""
    try:
        server = obtain(Kind.MARIADB)
    except MissingError as error:
        leave_out("mariadb", error)
    yield server
    server.remove()


@pytest.fixture(scope="module")
def prometheus(
    database: FaultServer, program: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    """One that has watched the application through an outage."""
    path = program("prometheus")
    tree = copy_project(tmp_path_factory.mktemp("watched") / "clone")
    borrow_environment(tree)
    with (
        seeded_database(database, fill=without_tables) as empty,
        Serving(tree, DATABASE_URL=empty.url, **SETTINGS) as server,
        Prometheus(path, TOKEN, f"127.0.0.1:{server.port}") as made,
    ):
        server.wait()
        with Visitors(server.port, 4, pause=0.2) as visitors:
            made.wait_until(lambda: made.values("app_workers == 2"))
            go_through_an_outage(database, made)
            server.get("/api/v1/nothing")
            visitors.wait_for(20)
            made.wait_until(lambda: every_answer_is_there(made))
            yield made


def without_tables(_: str) -> None:
    """Leave a database empty: what the visitors ask needs no table."""


def go_through_an_outage(database: FaultServer, watching: Prometheus) -> None:
    """Return when the database was away for long enough to be seen, and is back."""
    database.stop()
    try:
        for alert in ("CitiesBreakerOpen", "CitiesErrorRate"):
            watching.wait_until(partial(watching.values, f'ALERTS{{alertname="{alert}"}}'))
    finally:
        database.start()
    watching.wait_until(lambda: not watching.values('db_pool_breaker{state="open"} > 0'))


def every_answer_is_there(watching: Prometheus) -> bool:
    """Tell whether all that was asked before has been scraped twice: a rate is made from two."""
    return bool(watching.values('rate(http_request_duration_seconds_count{status="404"}[1m])'))


@pytest.mark.parametrize("asked", EXPRESSIONS, ids=lambda asked: f"{asked.where}: {asked.expression[:40]}")
def test_an_alert_or_a_panel_would_see_something(prometheus: Prometheus, asked: Asked) -> None:
    found = prometheus.values(asked.expression)

    assert found
    assert all(asked.labels <= set(labels) for labels, _ in found)


def test_all_rules_are_evaluated_without_error(prometheus: Prometheus) -> None:
    rules = [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]

    assert {(rule["name"], rule["health"]) for rule in rules} == {(rule["alert"], "ok") for rule in alerts()}


def test_only_what_the_outage_calls_for_is_pending(prometheus: Prometheus) -> None:
    names = {labels["alertname"] for labels, _ in prometheus.values("ALERTS")}

    assert names <= {"CitiesErrorRate", "CitiesPoolExhausted", "CitiesPoolSlowWait"}
    assert "CitiesErrorRate" in names
