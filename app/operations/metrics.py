"""/metrics: what all workers have counted, in Prometheus's format.

HTTP is counted by prometheus_client, in files of the run directory; the pools count for themselves, and their numbers
come from the workers' reports. What OpenTelemetry's conventions name has their name, the rest begins with `db_pool_`;
docs/metrics.md lists all of it and says what is meant.
"""

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache, partial
from importlib.metadata import version
from typing import Any, TypeVar, get_args

import structlog
from flask import Blueprint, Flask, Response, current_app, request
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from app.application import this_request
from app.logging import seconds_since_start
from app.operations import totals
from app.operations.access import require_operator
from app.operations.reports import Report, Reporter, lag_seconds
from app.operations.totals import Totals
from config import VERSION, Settings
from steadypool import CloseReason

Family = TypeVar("Family", GaugeMetricFamily, CounterMetricFamily)

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

POOL, STATE = "db_client_connection_pool_name", "db_client_connection_state"
"""Labels: OpenTelemetry's `db.client.connection.pool.name` and `.state`. Ours bear the first, too, to be added up."""

# Each is (what it is called in a snapshot, what it says). Uses and connections made have no counters of their own:
# they are the counts of two histograms.
GAUGES = {
    "db_client_connection_limit": ("size", "Connections that the pools may have open at once."),
    "db_client_connection_idle_max": ("idle_max", "Connections that may be idle at once."),
    # Never in a snapshot, so 0: nothing is opened before somebody needs it.
    "db_client_connection_idle_min": ("idle_min", "Connections that are kept open though nobody needs them."),
    "db_client_connection_pending_requests": ("pending", "Threads that wait for a connection."),
}
COUNTERS = {
    "db_client_connection_timeouts": ("timeouts", "Requests that waited for a connection in vain."),
    "db_pool_rejected": ("rejected", "Requests refused because too many were waiting already."),
    "db_pool_unavailable": ("unavailable", "Requests refused because the database could not be reached."),
    "db_pool_statement_timeouts": ("statement_timeouts", "Statements that ran out of time."),
    "db_pool_unknown_outcomes": ("unknown_outcomes", "COMMITs whose answer was lost."),
    "db_pool_conflicts": ("conflicts", "Statements that met rows or files that others hold."),
    "db_pool_retried": ("retried", "Reads and units of work that were done again."),
    "db_pool_diverted": ("diverted", "Reads that went to the primary, since the replica was behind."),
    "db_pool_leaked": ("leaked", "Connections that their holder forgot to return."),
    "db_pool_orphaned": ("orphaned", "Statements that were cut and may go on at the server."),
    "db_pool_probes": ("probes", "Attempts to find out whether the database is back."),
    "db_pool_connection_seconds": ("connection_seconds", "Seconds for which connections have been open, added up."),
    "db_pool_busy_seconds": ("busy_seconds", "Seconds for which statements have been in flight, added up."),
}
HISTOGRAMS = {
    "db_client_connection_wait_time_seconds": ("wait_time", "Seconds of waiting for a connection, without making one."),
    "db_client_connection_use_time_seconds": ("use_time", "Seconds for which a connection was in use."),
    "db_client_connection_create_time_seconds": ("create_time", "Seconds that it took to make a connection."),
}

log = structlog.stdlib.get_logger(__name__)
bp = Blueprint("metrics", __name__)
bp.before_request(require_operator)


def counting_answers(app: Flask) -> Callable[[Response], Response]:
    """Return what counts an answer, by route, and passes it on."""
    # Not in the registry that all share: each application counts for itself.
    seconds = Histogram(
        "http_request_duration_seconds", "Seconds to an answer.", ["method", "route", "status"], registry=None
    )
    app.extensions["http_seconds"] = seconds
    return partial(_count, seconds)


def _count(seconds: Histogram, response: Response) -> Response:
    # Both come from the client as well, and must not make a series each.
    asked = this_request()
    method = asked.method if asked.method in METHODS else "other"
    route = asked.url_rule.rule if asked.url_rule else "unmatched"
    try:
        _series(seconds, method, route, response.status_code).observe(seconds_since_start() or 0.0)
    except OSError as error:  # the folder is gone, or full
        log.warning("an answer was not counted", error=str(error))
    return response


def count_refused(app: Flask, method: str, seconds: float) -> None:
    """Count a request that waited so long for a thread and then was refused: its route was never looked for."""
    with suppress(OSError):
        _series(app.extensions["http_seconds"], method, "refused", 503).observe(seconds)


@lru_cache(maxsize=1024)
def _series(seconds: Histogram, method: str, route: str, status: int) -> Histogram:
    """Return the histogram of these labels, which the library would look for under a lock each time."""
    return seconds.labels(method, route, status)


@bp.get("/metrics")
def show_metrics() -> Response:
    """Return everything that all workers have counted since the server was started."""
    reporter: Reporter = current_app.extensions["reporter"]
    registry = CollectorRegistry()
    if reporter.directory is None:
        registry.register(current_app.extensions["http_seconds"])
    elif reporter.directory.is_dir():
        MultiProcessCollector(registry, path=str(reporter.directory))  # type: ignore[no-untyped-call] # theirs
    registry.register(_Reported(reporter.all_reports(), reporter.budgets, current_app.extensions["settings"]))
    encode, content_type = choose_encoder(request.headers.get("Accept", "").lower())
    return Response(encode(registry), content_type=content_type, headers={"Cache-Control": "no-store"})


class _Reported(Collector):
    """What the workers' reports say, as metrics."""

    def __init__(self, reports: Iterable[Report], budgets: Sequence[Mapping[str, Any]], settings: Settings) -> None:
        self._reports, self._budgets, self._settings = list(reports), budgets, settings

    def collect(self) -> Iterator[Metric]:
        """Yield the pools', the budget's and the server's own."""
        pools = totals.added(report.counted for report in self._reports)
        yield from _plain(GaugeMetricFamily, GAUGES, pools)
        yield from _by_label(pools)
        yield from _plain(CounterMetricFamily, COUNTERS, pools)
        yield from _histograms(pools)
        yield from _budget(self._budgets)
        yield _lag(self._reports)
        workers = sum(report.is_alive for report in self._reports)
        yield GaugeMetricFamily("app_workers", "Workers that are alive.", workers)
        yield _build_info(self._settings)


def _plain(kind: type[Family], names: Mapping[str, tuple[str, str]], pools: Totals) -> Iterator[Metric]:
    for name, (key, meaning) in names.items():
        family = kind(name, meaning, labels=[POOL])
        for pool, seen in pools.items():
            family.add_metric([pool], seen.get(key, 0))
        yield family


def _by_label(pools: Totals) -> Iterator[Metric]:
    connections = GaugeMetricFamily("db_client_connection_count", "Connections in this state.", labels=[POOL, STATE])
    breaker = GaugeMetricFamily("db_pool_breaker", "Workers whose breaker is in this state.", labels=[POOL, "state"])
    closed = CounterMetricFamily("db_pool_closed", "Connections closed, by reason.", labels=[POOL, "reason"])
    for pool, seen in pools.items():
        # A connection that is being made has its place, and is nobody else's: used.
        for state, key in {"idle": "idle", "used": "in_use"}.items():
            connections.add_metric([pool, state], seen.get(key, 0))
        for state in totals.STATES:
            breaker.add_metric([pool, state], seen.get("breaker", {}).get(state, 0))
        for reason in get_args(CloseReason):  # also those that did not happen
            closed.add_metric([pool, reason], seen.get("closed", {}).get(reason, 0))
    return iter((connections, breaker, closed))


def _histograms(pools: Totals) -> Iterator[Metric]:
    for name, (key, meaning) in HISTOGRAMS.items():
        family = HistogramMetricFamily(name, meaning, labels=[POOL])
        for pool, seen in pools.items():
            buckets = [*seen[key]["buckets"].items(), ("+Inf", seen[key]["count"])]
            family.add_metric([pool], buckets, seen[key]["sum_seconds"])
        yield family


def _budget(budgets: Iterable[Mapping[str, Any]]) -> Iterator[Metric]:
    for name, meaning in {
        "needed": "Connections that all workers of all INSTANCES may open at the worst moment.",
        "share": "Connections that this instance may open.",
        "allowed": "Connections that the server allows.",
    }.items():
        family = GaugeMetricFamily(f"db_pool_budget_{name}", meaning, labels=["limit"])
        for each in budgets:
            family.add_metric([each["limit"]], each[name])
        yield family


def _lag(reports: Iterable[Report]) -> Metric:
    family = GaugeMetricFamily(
        "db_pool_replication_lag_seconds", "Seconds by which a replica is behind.", labels=[POOL]
    )
    if (seconds := lag_seconds(reports)) is not None:
        family.add_metric(["reader"], seconds)
    return family


def _build_info(settings: Settings) -> Metric:
    packages = {name: version(name) for name in ("flask", "sqlalchemy", "gunicorn")}
    driver = settings.database_url.drivername
    labels = {"version": VERSION, "python": platform.python_version(), **packages, "driver": driver}
    family = GaugeMetricFamily("app_build_info", "What runs here; always 1.", labels=list(labels))
    family.add_metric(list(labels.values()), 1)
    return family
