"""Who watches SQLAlchemy with OpenTelemetry's instrumentation sees every statement, whichever way it goes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy import Engine, literal, select

from steadypool import Lookup, PoolPolicy, Role, create_pool_engine, in_transaction, read

SEVEN = select(literal(7))
LOOKUP = Lookup(select(literal(7)))
WAYS: dict[str, Callable[[Engine], object]] = {
    "read": lambda engine: read(engine, lambda connection: connection.scalar(SEVEN)),
    "in_transaction": lambda engine: in_transaction(engine, lambda connection: connection.scalar(SEVEN)),
    "Lookup": lambda engine: LOOKUP.fetch(engine),
    "a connection": lambda engine: on_a_connection(engine),
}


def on_a_connection(engine: Engine) -> object:
    with engine.connect() as connection:
        return connection.scalar(SEVEN)


class Seen:
    """What OpenTelemetry was told."""

    def __init__(self) -> None:
        self.exporter, self.reader = InMemorySpanExporter(), InMemoryMetricReader()
        self.traces = TracerProvider()
        self.traces.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.meters = MeterProvider([self.reader])

    @property
    def statements(self) -> list[str]:
        spans = self.exporter.get_finished_spans()
        return [str(span.attributes["db.statement"]) for span in spans if span.attributes and span.name != "connect"]


@contextmanager
def watching(**where: object) -> Iterator[Seen]:
    # It says that it is made for SQLAlchemy before 2.1, and works with it.
    seen, instrumentor = Seen(), SQLAlchemyInstrumentor()
    providers = {"tracer_provider": seen.traces, "meter_provider": seen.meters}
    instrumentor.instrument(skip_dep_check=True, **providers, **where)
    try:
        yield seen
    finally:
        instrumentor.uninstrument()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("when", ["before it is made", "before its first use", "later"])
def test_every_statement_is_seen(way: str, when: str) -> None:
    role: Role = "writer" if way == "in_transaction" else "reader"

    def make() -> Engine:
        return create_pool_engine("sqlite://", PoolPolicy(size=1), role=role)

    if when == "before it is made":
        with watching() as seen:
            engine = make()
            WAYS[way](engine)
    else:
        engine = make()
        if when == "later":
            WAYS[way](engine)
        with watching(engine=engine) as seen:
            WAYS[way](engine)

    assert len(seen.statements) == 1
    assert seen.statements[0].startswith("SELECT ?")
    engine.dispose()
