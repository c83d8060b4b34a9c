"""What /pool shows: the pools now and in the last five minutes, over all workers, as one document.

The page is drawn from it, and programs get it as JSON.
"""

from collections.abc import Sequence
from itertools import pairwise
from time import monotonic
from typing import Any, get_args

from app.operations import totals
from app.operations.orders import Order
from app.operations.reports import SAMPLE_SECONDS, SAMPLES, Report, Reporter, Sample, lag_seconds
from app.operations.totals import Totals
from steadypool import Event

Overview = dict[str, Any]
COUNTERS = ("acquired", "opened", *get_args(Event), "probes")
TIMES = ("wait_time", "use_time", "create_time")


def overview(reporter: Reporter) -> Overview:
    """Return all that there is to see; times are seconds, `ago` those before now."""
    reports, samples = reporter.all_reports(), reporter.samples()
    alive = [report for report in reports if report.is_alive]
    # Who fell silent without a farewell is missed for five minutes.
    shown = [each for each in reports if not each.ended and monotonic() - each.at <= SAMPLES * SAMPLE_SECONDS]
    counted = totals.added(report.counted for report in reports)
    return {
        "answered_by": reporter.worker,
        "workers": [_worker(report) for report in shown],
        "pools": {name: _pool(name, pool, samples) for name, pool in counted.items()},
        "connections": [seen for report in alive for seen in report.connections],
        "orders": [_order(order, alive) for order in reporter.orders()],
        "lag_seconds": lag_seconds(reports),
        "budgets": reporter.budgets,
    }


def _worker(report: Report) -> Overview:
    now = monotonic()
    return {
        "worker": report.worker,
        "pid": report.pid,
        "age_seconds": now - report.started,
        "heard_seconds_ago": now - report.at,
        "pools": {name: _now(pool) for name, pool in report.pools.items()} if report.is_alive else {},
    }


def _order(order: Order, alive: Sequence[Report]) -> Overview:
    obeyed = sum(report.obeyed.get(order.name) == order.at for report in alive)
    return {**vars(order), "text": str(order), "obeyed": obeyed, "workers": len(alive)}


def _pool(name: str, counted: Totals, samples: Sequence[Sample]) -> Overview:
    # A server that is younger than five minutes has counted from zero.
    is_whole = samples and samples[-1].tick - samples[0].tick == SAMPLES - 1
    first = samples[0].pools.get(name, {}) if is_whole else {}
    return {
        "now": _now(counted),
        "recent": _recent(totals.difference(counted, first)),
        "history": [_moment(name, samples[-1].tick, *pair) for pair in pairwise(samples)],
    }


def _moment(name: str, last: int, earlier: Sample, later: Sample) -> Overview:
    """Return what happened between two samples; of the gauges, the highest values."""
    seen = later.pools.get(name, {})
    grown = totals.difference(seen, earlier.pools.get(name, {}))
    # Most loans begin and end between two looks at the gauge; the time they lasted tells of all of them.
    mean_in_use = grown.get("use_time", {}).get("sum_seconds", 0) / ((later.tick - earlier.tick) * SAMPLE_SECONDS)
    ago = {"seconds_ago": (last - later.tick) * SAMPLE_SECONDS}
    return ago | _now(seen) | _recent(grown) | {"mean_in_use": mean_in_use}


def _now(pool: Totals) -> Overview:
    """Return the gauges; the breaker's state is the worst of any worker."""
    breakers = pool.get("breaker", {})
    worst = next((state for state in reversed(totals.STATES) if breakers.get(state)), totals.STATES[0])
    return {name: pool.get(name, 0) for name in totals.GAUGES} | {"breaker": worst}


def _recent(grown: Totals) -> Overview:
    open_seconds, busy_seconds = grown.get("connection_seconds", 0), grown.get("busy_seconds", 0)
    return {
        **{name: grown.get(name, 0) for name in COUNTERS},
        **{name: _times(grown.get(name, {})) for name in TIMES},
        "closed": grown.get("closed", {}),
        # The share of the connections' time in which no statement was in flight.
        "idle_ratio": max(0.0, 1 - busy_seconds / open_seconds) if open_seconds else None,
    }


def _times(histogram: Totals) -> Overview:
    """Return mean and percentiles in seconds; a percentile is a bucket's bound, "inf" above the last."""
    count = histogram.get("count", 0)
    return {
        "count": count,
        "mean_seconds": histogram["sum_seconds"] / count if count else None,
        "p50_seconds": totals.percentile(histogram, 0.5),
        "p99_seconds": totals.percentile(histogram, 0.99),
    }
