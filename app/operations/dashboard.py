"""/pool: what the pools do now and did in the last five minutes, for eyes; JSON for programs. It asks no database."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from flask import Blueprint, Response, current_app, render_template

from app import negotiation
from app.media_types import HTML, JSON
from app.operations import charts
from app.operations.access import require_operator
from app.operations.charts import duration
from app.operations.overview import Overview, overview
from app.operations.reports import SAMPLE_SECONDS

SILENT_SECONDS = 3.0
"""Workers report every second."""

BREAKER = {
    "closed": ("good", "connections are made as needed"),
    "half-open": ("warn", "a connect failed; one thread tries, the others wait"),
    "open": ("bad", "the database cannot be reached; who needs a new connection is refused at once"),
}
"""What each state is worth, and what it means."""

TROUBLE = {
    "rejected": "{:,} requests were refused a {} connection: too many waited already.",
    "timeouts": "{:,} requests waited for a {} connection in vain.",
    "unavailable": "{:,} requests were turned away: the {}'s database did not answer.",
    "statement_timeouts": "{:,} statements of the {} ran out of time.",
    "unknown_outcomes": "{:,} COMMITs of the {} had no answer: kept or not, only a look tells.",
    "conflicts": "{:,} statements of the {} met rows or files that others held.",
    "diverted": "{:,} reads of the {} went to the primary: the replica was behind.",
    "leaked": "{:,} {} connections were not returned; the log has where.",
    "orphaned": "{:,} statements of the {} were cut and may go on at the server.",
}
"""What is said of a counter that has grown."""

Notice = tuple[str, str]
"""Level, which is warn or bad, and a sentence for whoever is on call."""

bp = Blueprint("dashboard", __name__)
bp.before_request(require_operator)


@bp.get("/pool")
def show_pool() -> Response:
    """Return the dashboard as it is at this moment."""
    document = overview(current_app.extensions["reporter"])
    if negotiation.chosen() == HTML:
        body, media_type = drawn(document), f"{HTML}; charset=utf-8"
    else:
        body, media_type = json.dumps(document) + "\n", JSON
    return Response(body, content_type=media_type, headers={"Cache-Control": "no-store", "Vary": "Accept"})


def drawn(document: Overview) -> str:
    """Return the document as a page."""
    # Those at work first, the longest held on top.
    ranked = sorted(document["connections"], key=lambda seen: (seen["state"] == "idle", -seen.get("held_seconds", 0)))
    shown = document | {"connections": ranked, "notices": list(notices(document)), "at": datetime.now(UTC)}
    return render_template("pool.html", **shown, charts=charts, breaker_words=BREAKER)


def notices(document: Overview) -> Iterator[Notice]:
    """Yield what is wrong now or was in the last five minutes; nothing where all is well."""
    for name, pool in document["pools"].items():
        yield from _of_breaker(name, pool, document["workers"])
        if pending := pool["now"]["pending"]:
            yield "warn", f"{pending} threads wait for a {name} connection; all are in use."
        for counter, text in TROUBLE.items():
            if count := pool["recent"][counter]:
                yield "warn", text.format(count, name)
    for budget in document["budgets"]:
        if budget["remedy"]:
            yield "warn", f"The connection budget does not fit: {budget['arithmetic']}; {budget['remedy']}."
    for worker in document["workers"]:
        if (seconds := worker["heard_seconds_ago"]) > SILENT_SECONDS:
            yield "warn", f"Worker {worker['worker']} has not reported for {duration(seconds)}."


def _of_breaker(name: str, pool: Overview, workers: Iterable[Overview]) -> Iterator[Notice]:
    state = pool["now"]["breaker"]
    if state != "closed":
        states = [worker["pools"][name]["breaker"] for worker in workers if name in worker["pools"]]
        level, meaning = BREAKER[state]
        yield level, f"The {name}'s breaker is {state} in {states.count(state)} of {len(states)} workers: {meaning}."
    elif moments := [seen for seen in pool["history"] if seen["breaker"] == "open"]:
        seconds = duration(SAMPLE_SECONDS * len(moments))
        yield "warn", f"The {name}'s breaker was open for about {seconds}; now it is closed."
