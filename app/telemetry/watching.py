"""What is seen: requests and statements, by OpenTelemetry's own packages; acquire and connect, by us."""

from __future__ import annotations

from typing import Any

from flask import Flask
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.instrumentation.sqlalchemy.engine import EngineTracer
from opentelemetry.metrics import MeterProvider, NoOpMeter
from opentelemetry.trace import SpanKind, Tracer, TracerProvider
from sqlalchemy import Engine, PoolProxiedConnection
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from app.telemetry import pools
from app.telemetry.pools import POOL
from config import Settings

# Of what could be written behind a statement, which trace it belongs to. `baggage` would be the client's own words.
COMMENT = dict.fromkeys(("db_driver", "db_framework", "tracestate", "baggage"), False)

NOT_COUNTED = NoOpMeter("app.telemetry").create_up_down_counter("connections")
"""In the place of a metric that the conventions have given up, and `pools` has by its new name."""


def watch(app: Flask, traces: TracerProvider, meters: MeterProvider) -> None:
    """Have requests, connections and statements of the application seen from now on; no request came yet."""
    settings: Settings = app.extensions["settings"]
    FlaskInstrumentor.instrument_app(  # type: ignore[no-untyped-call] # theirs
        app, tracer_provider=traces, meter_provider=meters, enable_commenter=False
    )
    before = app.before_request_funcs[None]
    before.insert(0, before.pop())  # or it would miss who is refused by one that comes earlier
    tracer = traces.get_tracer("app.telemetry")
    for name, engine in pools.engines(app).items():
        EngineTracer(tracer, engine, NOT_COUNTED, settings.sql_comments, COMMENT)  # type: ignore[no-untyped-call] # theirs
        _watch_connections(engine, name, tracer)
    pools.observe(meters.get_meter("steadypool", schema_url=pools.SCHEMA), pools.looks_at(app))


def _watch_connections(engine: Engine, name: str, tracer: Tracer) -> None:
    create: Any = engine.pool._creator
    raw_connection = engine.raw_connection
    pool = {POOL: name, "db.system.name": engine.url.get_backend_name()}

    def connect(record: ConnectionPoolEntry) -> DBAPIConnection:
        with tracer.start_as_current_span("connect", kind=SpanKind.CLIENT, attributes=pool):
            made: DBAPIConnection = create(record)
            return made

    def acquire() -> PoolProxiedConnection:
        with tracer.start_as_current_span("acquire", attributes=pool):
            return raw_connection()

    # A pool that `engine.dispose()` puts in the place of this one has it from this one.
    engine.pool._creator = connect  # type: ignore[assignment] # the setter takes it
    engine.raw_connection = acquire  # type: ignore[method-assign] # of this one engine
