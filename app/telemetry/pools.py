"""The metrics of the pools, as OpenTelemetry's conventions for database clients 1.45.0 have them: docs/metrics.md.

The pools count by themselves, so nothing is done when a connection is used: their snapshot is read when it is time to
send. That has a place in OpenTelemetry's API for numbers (an observable instrument), and none for histograms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import pairwise
from time import time_ns
from typing import Any

from flask import Flask
from opentelemetry.metrics import CallbackOptions, Meter, Observation
from opentelemetry.sdk import metrics as instruments
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricExporter,
    MetricExportResult,
    MetricsData,
    ScopeMetrics,
)
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from sqlalchemy import Engine

from app.extensions import db
from app.operations import totals
from steadypool import SteadyPool

CUMULATIVE = AggregationTemporality.CUMULATIVE
SCHEMA = "https://opentelemetry.io/schemas/1.45.0"
POOL, STATE = "db.client.connection.pool.name", "db.client.connection.state"
PREFIX = "db.client.connection."

Snapshot = Mapping[str, Any]
Look = Callable[[], Mapping[str, Snapshot]]
"""Returns a snapshot of each pool, by name."""

# Each is (unit, what it says, where that stands in a snapshot).
NOW = {
    "idle.max": ("{connection}", "The maximum number of idle open connections allowed.", "idle_max"),
    "idle.min": ("{connection}", "The minimum number of idle open connections allowed.", "idle_min"),
    "limit": ("{connection}", "The maximum number of open connections allowed.", "size"),
    "pending_requests": ("{request}", "Threads that wait for a connection.", "pending"),
}
TIMES = {
    "create_time": "The time it took to make a connection.",
    "use_time": "The time between acquiring a connection and releasing it.",
    "wait_time": "The time of waiting for a connection, without making one.",
}
STATES = {"idle": "idle", "used": "in_use"}


def engines(app: Flask) -> dict[str, Engine]:
    """Return both engines by the name of their pool."""
    with app.app_context():
        return {"reader": db.engines["reader"], "writer": db.engine}


def looks_at(app: Flask) -> Look:
    """Return what looks at the application's pools; `engine.dispose()` may put another in one's place."""
    known = engines(app)

    def look() -> dict[str, Snapshot]:
        there = {name: engine.pool for name, engine in known.items()}
        return {name: pool.snapshot() for name, pool in there.items() if isinstance(pool, SteadyPool)}

    return look


def observe(meter: Meter, pools: Look) -> None:
    """Have all that is a number observed each time that metrics are sent."""

    def value(key: str) -> Callable[[CallbackOptions], Iterable[Observation]]:
        return lambda _: [Observation(seen.get(key, 0), {POOL: name}) for name, seen in pools().items()]

    def by_state(_: CallbackOptions) -> Iterator[Observation]:
        for name, seen in pools().items():
            for state, key in STATES.items():
                yield Observation(seen[key], {POOL: name, STATE: state})

    said = "Connections in this state."
    meter.create_observable_up_down_counter(f"{PREFIX}count", [by_state], "{connection}", said)
    for name, (unit, meaning, key) in NOW.items():
        meter.create_observable_up_down_counter(PREFIX + name, [value(key)], unit, meaning)
    said = "Requests that waited for a connection in vain."
    meter.create_observable_counter(f"{PREFIX}timeouts", [value("timeouts")], "{timeout}", said)


class WithHistograms(MetricExporter):
    """Sends the pools' histograms, with the buckets of /metrics, along with what another exporter sends.

    Cumulative, or what is new since the last time, as OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE says.
    """

    def __init__(self, exporter: MetricExporter, pools: Look) -> None:
        super().__init__(exporter._preferred_temporality, exporter._preferred_aggregation)
        self._exporter, self._pools, self._began = exporter, pools, time_ns()
        self._scope = InstrumentationScope("steadypool", schema_url=SCHEMA)
        self._temporality = (exporter._preferred_temporality or {}).get(instruments.Histogram, CUMULATIVE)
        self._sent: totals.Totals = {}

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any) -> MetricExportResult:
        """Send both."""
        ours = ScopeMetrics(self._scope, list(self._histograms()), SCHEMA)
        first, *others = metrics_data.resource_metrics  # there is something: the numbers are always observed
        joined = replace(first, scope_metrics=[*first.scope_metrics, ours])
        return self._exporter.export(MetricsData([joined, *others]), timeout_millis, **kwargs)

    def _histograms(self) -> Iterator[Metric]:
        counted = {name: {key: snapshot[key] for key in TIMES} for name, snapshot in self._pools().items()}
        began, now = self._began, time_ns()
        seen = totals.difference(counted, self._sent)
        if self._temporality is AggregationTemporality.DELTA:
            self._sent, self._began = counted, now
        for name, meaning in TIMES.items():
            points = [_point(pool, snapshot[name], began, now) for pool, snapshot in seen.items()]
            yield Metric(PREFIX + name, meaning, "s", Histogram(points, self._temporality))

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Have the other one send what it keeps."""
        return self._exporter.force_flush(timeout_millis)

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        """End the other one."""
        self._exporter.shutdown(timeout_millis, **kwargs)


def _point(pool: str, histogram: Snapshot, began: int, now: int) -> HistogramDataPoint:
    cumulative = [0, *histogram["buckets"].values(), histogram["count"]]
    counts = [above - below for below, above in pairwise(cumulative)]
    return HistogramDataPoint(
        attributes={POOL: pool},
        start_time_unix_nano=began,
        time_unix_nano=now,
        count=histogram["count"],
        sum=histogram["sum_seconds"],
        bucket_counts=counts,
        explicit_bounds=list(histogram["buckets"]),
        min=None,  # type: ignore[arg-type] # nobody has kept it; the protocol says it may be left out
        max=None,  # type: ignore[arg-type] # as above
    )
