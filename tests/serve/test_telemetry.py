"""Two real workers send for themselves, each under a name of its own, and what they sent adds up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest

from testkit.waiting import eventually
from tests.serve.serving import Serving
from tests.support.asking import LOOKUP, PATH
from tests.support.collector import Receiver

OFTEN = {"OTEL_BSP_SCHEDULE_DELAY": "100", "OTEL_METRIC_EXPORT_INTERVAL": "200", "OTEL_SERVICE_NAME": "sample"}
WORKERS = {"WORKERS": "2", "THREADS": "2", "LOG_FORMAT": "json"}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def test_each_worker_sends_for_itself(served_before: Path, receiver: Receiver) -> None:
    asked = 0
    with Serving(served_before, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.address, **WORKERS, **OFTEN) as server:
        server.wait()

        def both_have_answered() -> bool:
            nonlocal asked
            asked += 1
            assert server.get(LOOKUP).status == 200
            return len([uses for uses in receiver.uses("reader").values() if uses]) == 2

        assert eventually(both_have_answered, seconds=60), server.log.read_text()
        assert eventually(lambda: sum(receiver.uses("reader").values()) == asked, seconds=60), receiver.uses("reader")
        server.stop()

    # What had not been sent yet is sent at the end.
    sent = receiver.spans()
    requests = [span for spans in sent.values() for span in spans if span.name == f"GET {PATH}"]
    assert len(sent) == 2
    assert len(requests) == asked
    assert receiver.services() == {"sample"}


def test_a_collector_that_is_away_keeps_nobody_from_answering_or_stopping(served_before: Path) -> None:
    with Receiver() as gone:
        pass
    with Serving(served_before, OTEL_EXPORTER_OTLP_ENDPOINT=gone.address, **WORKERS, **OFTEN) as server:
        server.wait()
        assert [server.get(LOOKUP).status for _ in range(5)] == [200] * 5

        began = monotonic()
        assert server.stop() == 0
        # SIGTERM waits for nothing else here; the SDK alone would go on trying for half a minute.
        assert monotonic() - began < 20


def test_nothing_is_sent_where_it_is_disabled(served_before: Path, receiver: Receiver) -> None:
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.address, "OTEL_SDK_DISABLED": "true"}
    with Serving(served_before, **environ, **WORKERS, **OFTEN) as server:
        server.wait()
        server.get(LOOKUP)
        server.stop()

    assert (receiver.traces, receiver.metrics) == ([], [])
