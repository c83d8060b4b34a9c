"""What the dashboard makes of the document, beside drawing it: what deserves attention, what comes first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from app.operations import charts, wording
from app.operations.overview import COUNTERS, Overview
from app.operations.reports import SAMPLES

MOST_ROWS = 100
"""Rows of a table; a page with thousands would help nobody."""

SILENT_SECONDS = 3.0
"""Workers report every second."""


class Notice(NamedTuple):
    """A sentence for whoever is on call; `level` is warn or bad."""

    level: str
    text: str


def panels_of(document: Overview) -> dict[str, Any]:
    """Return what the page needs beyond the document itself."""
    pools = document["pools"]
    resting = {name for name, pool in pools.items() if is_resting(pool)}
    return {
        "notices": list(notices(document)),
        "resting": resting,
        "charts": {name: charts.of_pool(pool["history"]) for name, pool in pools.items() if name not in resting},
        "rows": in_use_first(document["connections"]),
        "most_rows": MOST_ROWS,
        "is_whole": all(len(pool["history"]) == SAMPLES - 1 for pool in pools.values()),
        "say": wording,
    }


def notices(document: Overview) -> Iterator[Notice]:
    """Yield what is wrong now or was in the last five minutes; nothing where all is well."""
    for name, pool in document["pools"].items():
        yield from _of_breaker(name, pool, document["workers"])
        yield from _of_use(name, pool["now"], pool["recent"])
    for budget in document["budgets"]:
        if budget["remedy"]:
            yield Notice("warn", f"The connection budget does not fit: {budget['arithmetic']}; {budget['remedy']}.")
    for worker in document["workers"]:
        if (seconds := worker["heard_seconds_ago"]) > SILENT_SECONDS:
            yield Notice("warn", f"Worker {worker['worker']} has not reported for {wording.duration(seconds)}.")


def is_resting(pool: Overview) -> bool:
    """Tell whether nothing happened to a pool for as long as is looked back."""
    now, recent = pool["now"], pool["recent"]
    counts = [recent[name] for name in COUNTERS]
    return not any([*counts, *recent["closed"].values(), now["in_use"], now["pending"], now["breaker"] != "closed"])


def in_use_first(connections: Iterable[Overview]) -> list[Overview]:
    """Return those that are lent or being made, the longest first, then the idle ones, the last used first."""

    def rank(seen: Overview) -> tuple[bool, float]:
        is_idle = seen["state"] == "idle"
        return is_idle, seen["idle_seconds"] if is_idle else -seen["held_seconds"]

    return sorted(connections, key=rank)


def _of_breaker(name: str, pool: Overview, workers: Iterable[Overview]) -> Iterator[Notice]:
    state = pool["now"]["breaker"]
    if state != "closed":
        states = [worker["pools"][name]["breaker"] for worker in workers if name in worker["pools"]]
        level, meaning = wording.BREAKER[state]
        where = f"in {states.count(state)} of {len(states)} workers"
        yield Notice(level, f"The {name}'s breaker is {state} {where}: {meaning}.")
    elif seconds := sum(band.width for band in charts.bands(pool["history"]) if band.kind == "breaker-open"):
        yield Notice("warn", f"The {name}'s breaker was open for about {wording.duration(seconds)}; now it is closed.")


def _of_use(name: str, now: Overview, recent: Overview) -> Iterator[Notice]:
    if now["pending"]:
        yield Notice("warn", f"{now['pending']} threads wait for a {name} connection; all are in use.")
    if lost := recent["rejected"] + recent["timeouts"]:
        yield Notice("warn", f"{wording.number(lost)} requests were refused a {name} connection or waited in vain.")
    if away := recent["unavailable"]:
        yield Notice("warn", f"{wording.number(away)} requests were turned away: the {name}'s database did not answer.")
    if late := recent["statement_timeouts"]:
        yield Notice("warn", f"{wording.number(late)} statements of the {name} ran out of time.")
    if met := recent["conflicts"]:
        yield Notice("warn", f"{wording.number(met)} statements of the {name} met rows or files that others held.")
    if recent["leaked"]:
        yield Notice("warn", f"{recent['leaked']} {name} connections were not returned; the log has where.")
