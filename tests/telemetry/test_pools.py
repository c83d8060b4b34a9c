"""The nine metrics of a pool are those of OpenTelemetry's conventions, and say what /metrics says."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.metrics import NoOpMeter
from opentelemetry.sdk import metrics as instruments
from opentelemetry.sdk.metrics.export import AggregationTemporality, Histogram, Metric, Sum
from opentelemetry.semconv._incubating.attributes import db_attributes as attributes
from opentelemetry.semconv._incubating.metrics import db_metrics as conventions

from app.extensions import db
from steadypool import SteadyPool
from tests.support.asking import LOOKUP
from tests.telemetry.conftest import Watched

pytestmark = pytest.mark.parametrize("server", ["sqlite"], indirect=True)
POOL, STATE = attributes.DB_CLIENT_CONNECTION_POOL_NAME, attributes.DB_CLIENT_CONNECTION_STATE
STATES = {each.value for each in attributes.DbClientConnectionStateValues}
RENAMED = {"db.client.connection.max": "db.client.connection.limit"}
"""By version 1.45.0 of the conventions; the package may have been made from an older one."""


class Asked(NoOpMeter):
    """Notes what is asked of it: what the package makes of the conventions' own model."""

    def __init__(self) -> None:
        super().__init__("conventions")
        self.metrics: dict[str, tuple[str, str]] = {}

    def note(self, kind: str, name: str, unit: str, **_: str) -> Any:
        self.metrics[RENAMED.get(name, name)] = (kind, unit)

    def create_counter(self, name: str, unit: str = "", description: str = "") -> Any:
        self.note("counter", name, unit)

    def create_up_down_counter(self, name: str, unit: str = "", description: str = "") -> Any:
        self.note("updowncounter", name, unit)

    def create_histogram(self, name: str, unit: str = "", description: str = "", **_: Any) -> Any:
        self.note("histogram", name, unit)


def by_conventions() -> dict[str, tuple[str, str]]:
    """Return kind and unit of each metric of a pool."""
    meter = Asked()
    for name, make in inspect.getmembers(conventions, inspect.isfunction):
        if name.startswith("create_db_client_connection_"):
            make(meter)
    return meter.metrics


def kind_of(metric: Metric) -> str:
    if isinstance(metric.data, Histogram):
        return "histogram"
    assert isinstance(metric.data, Sum)
    assert metric.data.aggregation_temporality is AggregationTemporality.CUMULATIVE
    return "counter" if metric.data.is_monotonic else "updowncounter"


def points(metric: Metric) -> Iterator[tuple[tuple[object, ...], Any]]:
    for point in metric.data.data_points:
        named = dict(point.attributes or {})
        assert named.keys() <= {POOL, STATE}
        yield tuple(named.values()), point


def values(metric: Metric) -> dict[tuple[object, ...], float]:
    return {labels: point.value for labels, point in points(metric)}


def test_all_nine_are_there_with_kind_and_unit(watched: Watched) -> None:
    _, seen = watched()

    sent = {name: (kind_of(metric), metric.unit) for name, metric in seen.metrics().items()}

    assert len(sent) == 9
    assert sent == by_conventions()


def test_metrics_has_the_same_in_prometheus_spelling(watched: Watched) -> None:
    app, _ = watched()
    families = {
        line.split()[2] for line in app.test_client().get("/metrics").text.splitlines() if line.startswith("# TYPE ")
    }

    # https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/
    spelt = {
        name.replace(".", "_") + ("_seconds" if unit == "s" else "") + ("_total" if kind == "counter" else "")
        for name, (kind, unit) in by_conventions().items()
    }
    assert len(spelt) == 9
    assert spelt <= families


def test_each_has_its_attributes(watched: Watched) -> None:
    _, seen = watched()

    for name, metric in seen.metrics().items():
        states = {(state,) for state in STATES} if name == "db.client.connection.count" else {()}
        assert {labels for labels, _ in points(metric)} == {
            (pool, *state) for pool in ("reader", "writer") for state in states
        }, name


def test_they_say_what_the_pools_have_counted(watched: Watched) -> None:
    app, seen = watched(POOL_SIZE="3", POOL_MAX_OVERFLOW="4")
    app.test_client().get(LOOKUP)
    with app.app_context(), db.engines["reader"].connect():
        sent = {name.removeprefix("db.client.connection."): metric for name, metric in seen.metrics().items()}
        pool = db.engines["reader"].pool
        assert isinstance(pool, SteadyPool)
        counted = pool.snapshot()

    assert values(sent["count"]) == {
        ("reader", "idle"): 0,
        ("reader", "used"): 1,
        ("writer", "idle"): 0,
        ("writer", "used"): 0,
    }
    assert values(sent["limit"]) == {("reader",): 7, ("writer",): 6}
    assert values(sent["idle.max"]) == {("reader",): 3, ("writer",): 2}
    for name in ("wait_time", "use_time", "create_time"):
        point = dict(points(sent[name]))["reader",]
        assert (point.count, point.sum) == (counted[name]["count"], counted[name]["sum_seconds"])
        assert sum(point.bucket_counts) == point.count > 0
        assert list(point.explicit_bounds) == list(counted[name]["buckets"])
        assert len(point.bucket_counts) == len(point.explicit_bounds) + 1


def test_who_wants_differences_gets_what_is_new(watched: Watched) -> None:
    app, seen = watched({instruments.Histogram: AggregationTemporality.DELTA})
    client, name = app.test_client(), "db.client.connection.use_time"

    def counts() -> tuple[int, int, int]:
        metric = seen.metrics()[name]
        assert isinstance(metric.data, Histogram)
        assert metric.data.aggregation_temporality is AggregationTemporality.DELTA
        point = dict(points(metric))["reader",]
        return point.count, point.start_time_unix_nano, point.time_unix_nano

    client.get(LOOKUP)
    first, _, end = counts()
    client.get(LOOKUP)
    client.get(LOOKUP)
    second, start, _ = counts()

    assert (first, second, counts()[0]) == (1, 2, 0)
    assert start == end


def test_the_application_has_the_metrics_of_http_as_well(watched: Watched) -> None:
    app, seen = watched()
    app.test_client().get(LOOKUP)

    assert "http.server.request.duration" in seen.metrics("opentelemetry.instrumentation.flask")
