"""How spans and metrics leave this process: OTLP over HTTP, to where OpenTelemetry's own variables say."""

from __future__ import annotations

import os
from collections.abc import Callable
from uuid import uuid4

from flask import Flask
from opentelemetry import metrics, trace
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import SERVICE_INSTANCE_ID, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from app.telemetry import pools, watching
from config import VERSION
from steadypool import start_thread

GOODBYE_SECONDS = 2.0
"""How long a worker that stops waits for a collector to take the rest."""

CONVENTIONS = "http,database"
"""Attributes by the conventions that are stable, not those from before, which the packages still take unasked."""


def begin_sending(app: Flask, endpoint: str) -> Callable[[], None]:
    """Send what is seen of the application from now on; return what ends that."""
    # The SDK reads its variables by itself, and so would not hear of what stands in .env alone.
    os.environ.setdefault("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
    os.environ.setdefault("OTEL_SEMCONV_STABILITY_OPT_IN", CONVENTIONS)
    # A worker is an instance: what two of them count under one name would overwrite each other.
    resource = Resource.create({SERVICE_VERSION: VERSION, SERVICE_INSTANCE_ID: str(uuid4())})
    traces = TracerProvider(resource=resource, shutdown_on_exit=False)
    traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    exporter = pools.WithHistograms(OTLPMetricExporter(), pools.looks_at(app))
    meters = MeterProvider([PeriodicExportingMetricReader(exporter)], resource, shutdown_on_exit=False)
    # For spans and metrics of the application's own.
    trace.set_tracer_provider(traces)
    metrics.set_meter_provider(meters)
    watching.watch(app, traces, meters)

    def stop() -> None:
        # In daemons: a collector that does not answer keeps nobody from stopping.
        ends = [start_thread("telemetry", each.shutdown) for each in (traces, meters)]
        for thread in ends:
            thread.join(GOODBYE_SECONDS / len(ends))

    return stop
