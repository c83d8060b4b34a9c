"""What /pool shows: the pools now and in the last five minutes, over all workers, as one document.

The page is drawn from it, and programs get it as JSON.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from time import monotonic
from typing import Any, get_args

from app.operations import totals
from app.operations.reports import SAMPLE_SECONDS, SAMPLES, Report, Reporter, Sample
from app.operations.server_view import ServerView
from app.operations.totals import Totals
from steadypool import Event

Overview = dict[str, Any]
COUNTERS = ("acquired", "opened", *get_args(Event), "probes")


def overview(reporter: Reporter, server: ServerView) -> Overview:
    """Return all that there is to see; times are seconds, `ago` those before now."""
    reports = reporter.all_reports()
    samples = _over_all(reporter.all_samples())
    names = list(dict.fromkeys(name for report in reports for name in report.pools))
    alive = [report for report in reports if report.is_alive]
    shown = [report for report in reports if report.is_alive or report.is_missed]
    return {
        "answered_by": reporter.worker,
        "workers": [_worker(report) for report in shown],
        "pools": {name: _pool(name, reports, samples) for name in names},
        "connections": [seen for report in alive for seen in report.connections],
        "budgets": list({each["limit"]: each for each in [*_budgets(alive), *server.budgets]}.values()),
        "server": {"sessions": [vars(session) for session in server.sessions], "silence": server.silence},
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


def _budgets(reports: Iterable[Report]) -> Iterable[Overview]:
    return (each for report in reports for each in report.budgets)


def _pool(name: str, reports: Iterable[Report], samples: Sequence[Sample]) -> Overview:
    counted = totals.added(report.counted[name] for report in reports if name in report.counted)
    past = [sample for sample in samples if name in sample.pools]
    first = past[0].pools[name] if past else {}
    # A server that is younger than five minutes has counted from zero.
    recent = totals.difference(counted, first if len(past) == SAMPLES else {})
    return {"now": _now(counted), "recent": _recent(recent), "history": _history(name, past)}


def _now(pool: Totals) -> Overview:
    """Return the gauges; the breaker's state is the worst of any worker."""
    gauges = {name: pool.get(name, 0) for name in totals.GAUGES if name != "breaker"}
    return gauges | {"breaker": _worst(pool)}


def _worst(pool: Totals) -> str:
    return next((state for state in reversed(totals.STATES) if pool.get("breaker", {}).get(state)), totals.STATES[0])


def _recent(grown: Totals) -> Overview:
    times = {name: _times(grown.get(name, {})) for name in ("wait_time", "use_time", "create_time")}
    counted = {name: grown.get(name, 0) for name in COUNTERS}
    return counted | times | {"closed": grown.get("closed", {}), "idle_ratio": totals.idle_ratio(grown)}


def _times(histogram: Totals) -> Overview:
    """Return mean and percentiles in seconds; a percentile is a bucket's bound, "inf" above the last."""
    shares = {"p50_seconds": 0.5, "p99_seconds": 0.99}
    found = {name: totals.percentile(histogram, share) for name, share in shares.items()}
    # JSON has no infinity.
    percentiles = {name: "inf" if bound == float("inf") else bound for name, bound in found.items()}
    return {"count": histogram.get("count", 0), "mean_seconds": totals.mean(histogram), **percentiles}


def _history(name: str, samples: Sequence[Sample]) -> list[Overview]:
    """Return what happened between each two samples, the oldest first; of the gauges, the highest values."""
    last = samples[-1].tick if samples else 0
    told = []
    for earlier, later in pairwise(samples):
        grown = totals.difference(later.pools[name], earlier.pools[name])
        # Most loans begin and end between two looks at the gauge; the time they lasted tells of all of them.
        mean_in_use = grown["use_time"]["sum_seconds"] / ((later.tick - earlier.tick) * SAMPLE_SECONDS)
        ago = {"seconds_ago": (last - later.tick) * SAMPLE_SECONDS}
        told.append(ago | _now(later.pools[name]) | _recent(grown) | {"mean_in_use": mean_in_use})
    return told


def _over_all(histories: Iterable[Sequence[Sample]]) -> list[Sample]:
    """Return one history of all workers; where one has no sample, it has counted what it had counted before."""
    by_worker = [{sample.tick: sample for sample in history} for history in histories]
    ticks = _told_by_all(by_worker)[-SAMPLES:]
    merged, counted = [], [dict[str, Totals]() for _ in by_worker]
    for tick in ticks:
        for number, history in enumerate(by_worker):
            if tick in history:
                counted[number] = history[tick].pools
            else:
                counted[number] = {name: totals.without_gauges(pool) for name, pool in counted[number].items()}
        merged.append(Sample(tick, totals.added(counted)))
    return merged


def _told_by_all(by_worker: Sequence[Mapping[int, Sample]]) -> list[int]:
    """Return the ticks in order, without the newest if somebody who told of the one before is still to tell of it."""
    ticks = sorted({tick for history in by_worker for tick in history})
    is_early = len(ticks) > 1 and any(ticks[-2] in history and ticks[-1] not in history for history in by_worker)
    return ticks[:-1] if is_early else ticks
