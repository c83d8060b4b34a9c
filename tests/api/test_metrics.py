"""What /metrics says, word for word: dashboards and alerts are made of these names."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import pytest
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from app.extensions import db
from steadypool import CloseReason
from testkit.databases import Database
from tests.support.asking import LOOKUP, PATH
from tests.support.counters import TROUBLE

pytestmark = pytest.mark.parametrize("server", ["sqlite"], indirect=True)
POOLS = {"reader", "writer"}
VOCABULARY = {
    "http_request_duration_seconds": "histogram",
    # OpenTelemetry's
    **{
        f"db_client_connection_{name}": "gauge"
        for name in ("count", "limit", "idle_max", "idle_min", "pending_requests")
    },
    "db_client_connection_timeouts": "counter",
    **{f"db_client_connection_{name}_time_seconds": "histogram" for name in ("wait", "use", "create")},
    # ours
    **{f"db_pool_{name}": "gauge" for name in ("breaker", "budget_needed", "budget_share", "budget_allowed")},
    **{f"db_pool_{name}": "counter" for name in ("closed", *TROUBLE, "connection_seconds", "busy_seconds")},
    "db_pool_replication_lag_seconds": "gauge",
    "app_workers": "gauge",
    "app_build_info": "gauge",
}


@pytest.fixture
def client(database: Database, make_app: Callable[..., Flask]) -> FlaskClient:
    """An application that has answered nothing yet."""
    return make_app(DATABASE_URL=database.url).test_client()


def families(client: FlaskClient) -> dict[str, Metric]:
    return {family.name: family for family in text_string_to_metric_families(client.get("/metrics").text)}


def series(client: FlaskClient, name: str) -> dict[tuple[str, ...], float]:
    found = [sample for family in families(client).values() for sample in family.samples if sample.name == name]
    return {tuple(sample.labels.values()): sample.value for sample in found}


def test_the_vocabulary_is_fixed(client: FlaskClient) -> None:
    assert {name: family.type for name, family in families(client).items()} == VOCABULARY
    assert all(family.documentation for family in families(client).values())


def test_every_series_of_the_pools_is_there_before_anything_happens(client: FlaskClient) -> None:
    assert set(series(client, "db_pool_closed_total")) == {(p, r) for p in POOLS for r in get_args(CloseReason)}
    assert {pool for pool, _ in series(client, "db_pool_breaker")} == POOLS
    assert set(series(client, "db_client_connection_count")) == {(p, s) for p in POOLS for s in ("idle", "used")}
    for name in ("client_connection_idle_min", "pool_rejected_total", "client_connection_wait_time_seconds_count"):
        assert {labels[0] for labels in series(client, f"db_{name}")} == POOLS, name


def test_the_bounds_of_a_pool(database: Database, make_app: Callable[..., Flask]) -> None:
    client = make_app(DATABASE_URL=database.url, POOL_SIZE="3", POOL_MAX_OVERFLOW="4").test_client()

    assert series(client, "db_client_connection_limit") == {("reader",): 7, ("writer",): 6}
    assert series(client, "db_client_connection_idle_max") == {("reader",): 3, ("writer",): 2}
    assert series(client, "db_client_connection_idle_min") == {("reader",): 0, ("writer",): 0}


def test_answers_are_counted_by_route_and_status(client: FlaskClient) -> None:
    for path in (LOOKUP, LOOKUP, "/problems/not-found", "/problems/bad-request", "/nowhere", "/problems/x"):
        client.get(path)

    assert series(client, "http_request_duration_seconds_count") == {
        ("GET", PATH, "200"): 2,
        ("GET", "/problems/<slug>", "303"): 2,
        ("GET", "unmatched", "404"): 1,
        ("GET", "/problems/<slug>", "404"): 1,
    }


def test_invented_methods_and_addresses_make_no_series_each(client: FlaskClient) -> None:
    for number in range(5):
        client.open(f"/{number}", method=f"BREW{number}")

    counted = series(client, "http_request_duration_seconds_count")
    assert [(labels, count) for labels, count in counted.items() if labels[0] == "other"] == [
        (("other", "unmatched", "404"), 5)
    ]


def test_what_the_pool_did_is_counted(client: FlaskClient) -> None:
    client.get(LOOKUP)

    assert series(client, "db_client_connection_count")["reader", "idle"] == 1
    assert series(client, "db_client_connection_wait_time_seconds_count")["reader",] >= 1
    assert series(client, "db_client_connection_create_time_seconds_count")["reader",] == 1
    assert series(client, "db_client_connection_use_time_seconds_bucket")["reader", "+Inf"] >= 1
    assert series(client, "db_pool_breaker")["reader", "closed"] == 1
    with client.application.app_context(), db.engines["reader"].connect():
        assert series(client, "db_client_connection_count")["reader", "used"] == 1
    assert series(client, "db_client_connection_count")["reader", "used"] == 0


def test_what_runs_is_told(client: FlaskClient) -> None:
    [family] = [family for name, family in families(client).items() if name == "app_build_info"]
    [sample] = family.samples

    assert set(sample.labels) == {"version", "python", "flask", "sqlalchemy", "gunicorn", "driver"}
    assert all(sample.labels.values())


@pytest.mark.parametrize("media_type", ["application/openmetrics-text", "Application/OpenMetrics-Text"])
def test_prometheus_may_ask_for_openmetrics(client: FlaskClient, media_type: str) -> None:
    answer = client.get("/metrics", headers={"Accept": f"{media_type}; version=1.0.0"})

    assert answer.mimetype == "application/openmetrics-text"
    assert answer.text.endswith("# EOF\n")
