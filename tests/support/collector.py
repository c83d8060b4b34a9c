"""A collector, as far as OTLP over HTTP goes: takes what is sent, and keeps it."""

from __future__ import annotations

import gzip
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

SERVICE, INSTANCE = "service.name", "service.instance.id"


class Receiver:
    """Listens on a port of its own while it is entered."""

    def __init__(self) -> None:
        self.traces: list[ExportTraceServiceRequest] = []
        self.metrics: list[ExportMetricsServiceRequest] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                if self.path == "/v1/traces":
                    receiver.traces.append(ExportTraceServiceRequest.FromString(body))
                elif self.path == "/v1/metrics":
                    receiver.metrics.append(ExportMetricsServiceRequest.FromString(body))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def spans(self) -> dict[str, list[Span]]:
        """Return all spans by the instance that sent them."""
        found: dict[str, list[Span]] = defaultdict(list)
        for each in [one for sent in list(self.traces) for one in sent.resource_spans]:
            found[_said(each.resource)[INSTANCE]] += [span for scope in each.scope_spans for span in scope.spans]
        return found

    def uses(self, pool: str) -> dict[str, int]:
        """Return how many uses of a pool each instance has counted, by its last word."""
        found: dict[str, int] = {}
        for each in [one for sent in list(self.metrics) for one in sent.resource_metrics]:
            for metric in [one for scope in each.scope_metrics for one in scope.metrics]:
                for point in metric.histogram.data_points if metric.name == "db.client.connection.use_time" else ():
                    if [pair.value.string_value for pair in point.attributes] == [pool]:
                        found[_said(each.resource)[INSTANCE]] = point.count
        return found

    def services(self) -> set[str]:
        """Return the names of the services that have sent something."""
        sent = [*list(self.traces), *list(self.metrics)]
        of_traces = [one.resource for each in list(self.traces) for one in each.resource_spans]
        of_metrics = [one.resource for each in list(self.metrics) for one in each.resource_metrics]
        assert sent
        return {_said(resource)[SERVICE] for resource in [*of_traces, *of_metrics]}


def _said(resource: Resource) -> dict[str, str]:
    return {pair.key: pair.value.string_value for pair in resource.attributes}
