"""An application that is watched, and what OpenTelemetry's SDK was told, in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from opentelemetry.instrumentation._semconv import _OpenTelemetrySemanticConventionStability as Stability
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Metric,
    MetricExporter,
    MetricExportResult,
    MetricsData,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from testkit.databases import Database
from tests.conftest import dispose

COLLECTOR = "http://127.0.0.1:4318"
"""Named, and never asked: these tests send nothing."""

Watched = Callable[..., tuple[Flask, "Seen"]]


class Kept(MetricExporter):
    """Keeps what it is to send."""

    def __init__(self, temporality: dict[type, AggregationTemporality] | None) -> None:
        super().__init__(temporality)
        self.last: MetricsData | None = None

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **_: Any) -> MetricExportResult:
        self.last = metrics_data
        return MetricExportResult.SUCCESS

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        return True

    def shutdown(self, timeout_millis: float = 30_000, **_: Any) -> None:
        pass


class Seen:
    """What OpenTelemetry was told of one application."""

    def __init__(self, app: Flask, temporality: dict[type, AggregationTemporality] | None = None) -> None:
        from app.telemetry import pools, watching

        self.spans, self.traces, self._kept = InMemorySpanExporter(), TracerProvider(), Kept(temporality)
        self.traces.add_span_processor(SimpleSpanProcessor(self.spans))
        # Sends when it is told to.
        self._reader = PeriodicExportingMetricReader(
            pools.WithHistograms(self._kept, pools.looks_at(app)), float("inf")
        )
        meters = MeterProvider([self._reader], shutdown_on_exit=False)
        watching.watch(app, self.traces, meters)

    def metrics(self, scope: str = "steadypool") -> dict[str, Metric]:
        """Return what is sent now, by name."""
        self._reader.collect()
        assert self._kept.last
        scopes = [each for resource in self._kept.last.resource_metrics for each in resource.scope_metrics]
        return {metric.name: metric for each in scopes if each.scope.name == scope for metric in each.metrics}

    def finished(self) -> dict[str, ReadableSpan]:
        """Return the spans that have ended since the last time, by name."""
        spans = {span.name: span for span in self.spans.get_finished_spans()}
        self.spans.clear()
        return spans


@pytest.fixture
def watched(database: Database, make_app: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    """Make an application with these settings, on which everything is seen."""
    # As app/telemetry/sending.py has it. The packages read that once a process: other tests are to find it unread.
    monkeypatch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", "http,database")
    monkeypatch.setattr(Stability, "_initialized", False)
    monkeypatch.setattr(Stability, "_OTEL_SEMCONV_STABILITY_SIGNAL_MAPPING", {})
    made: list[Flask] = []

    def make(temporality: dict[type, AggregationTemporality] | None = None, **settings: str) -> tuple[Flask, Seen]:
        settings = {"DATABASE_URL": database.url, "OTEL_EXPORTER_OTLP_ENDPOINT": COLLECTOR, **settings}
        made.append(make_app(**settings))
        return made[-1], Seen(made[-1], temporality)

    yield make
    for app in made:
        dispose(app)
