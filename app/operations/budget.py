"""The connection budget: whether the servers have room for all connections that all workers of all instances may open.

The sum is made for each limit: that of a server, of a user on it, of a database. Reader and writer share those of one
server and have each their own on two. `may_start` asks at start what POOL_BUDGET says about a server that is too small.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from typing import NamedTuple

import structlog
from flask import Flask
from sqlalchemy import URL

from app.extensions import db
from app.operations.limits import Limit, Seen, has_limits, look
from config import Settings
from steadypool import deadline, start_thread

BOUND_SECONDS = 2.0
RESERVE = 5
"""Connections that are left for people, backups, probes and the commands."""

log = structlog.stdlib.get_logger(__name__)

Terms = tuple[tuple[str, int], ...]
"""The numbers that add up to what each worker may open, each with the setting it comes from."""


class Fleet(NamedTuple):
    """How many processes have pools: the workers of an instance, the instances, and those on top at the worst moment.

    That is a reload, in which an instance is there twice, or a rolling replacement: one or more at a time.
    """

    workers: int
    instances: int = 1
    surge: int = 1

    @classmethod
    def of(cls, settings: Settings, workers: int | None = None) -> Fleet:
        """Return what the settings say; Gunicorn may have been told of other workers."""
        return cls(workers or settings.workers, settings.instances, settings.instance_surge)

    @property
    def at_worst(self) -> str:
        """By what the connections of an instance are multiplied, in words."""
        alone = (self.instances, self.surge) == (1, 1)
        return "2 during a reload" if alone else f"(INSTANCES {self.instances} + INSTANCE_SURGE {self.surge})"


class Budget(NamedTuple):
    """One limit, all that may be opened under it at the worst moment, and how to make it fit, empty where it does."""

    limit: str
    needed: int
    allowed: int
    arithmetic: str
    remedy: str
    usually: int
    """What is needed as long as nobody reloads and nothing is replaced."""
    share: int
    """What each instance may open."""

    @property
    def fits_usually(self) -> bool:
        """True when the limit allows for that."""
        return self.usually <= self.allowed


def terms_of(settings: Settings) -> dict[str, Terms]:
    """Return what each worker may open for reading and for writing, by the settings."""
    if settings.pool_strategy == "request":
        return dict.fromkeys(("reader", "writer"), (("THREADS", settings.threads),))
    overflow = (("POOL_MAX_OVERFLOW", settings.pool_max_overflow),) if settings.pool_max_overflow else ()
    return {
        "reader": (("POOL_SIZE", settings.pool_size), *overflow),
        "writer": (("WRITER_POOL_SIZE", settings.writer_pool_size), *overflow),
    }


def budgets(pools: Sequence[tuple[Terms, Iterable[Limit]]], fleet: Fleet) -> list[Budget]:
    """Return the sum for each limit that was read, tightest first; pools that meet the same limit are added up."""
    sums = _sums((terms, {limit.where for limit in limits}) for terms, limits in pools)
    distinct = dict.fromkeys(limit for _, limits in pools for limit in limits)
    made = [_budget(limit, fleet, sums[limit.where]) for limit in distinct]
    return sorted(made, key=lambda budget: budget.allowed - budget.needed)


def surprises(pools: Sequence[tuple[Terms, Seen]], fleet: Fleet, *, surge: bool) -> Iterator[tuple[str, str]]:
    """Yield where more are there than was said, and what to do; with `surge` those of a replacement are expected."""
    sums = _sums((terms, {seen.user}) for terms, seen in pools)
    expected = fleet.instances + fleet.surge * surge
    for user, there in {seen.user: seen.there for _, seen in pools if seen.there is not None}.items():
        if there.instances is not None and there.instances > expected:
            yield (
                f"{user}: {there} are there, and INSTANCES={fleet.instances}",
                f"raise INSTANCES to {there.instances}, unless some are just being replaced",
            )
        most = (fleet.instances + fleet.surge) * fleet.workers * sum(number for _, number in sums[user]) + RESERVE
        if there.connections > most:
            yield (
                f"{user}: {there} are there, and by the settings there are {most} at the most",
                "raise INSTANCES, or give others who use the server a user of their own",
            )


def _sums(pools: Iterable[tuple[Terms, Iterable[str]]]) -> dict[str, Terms]:
    """Return what is opened at each place by all pools that lead there."""
    sums: dict[str, Terms] = {}
    for terms, places in pools:
        for where in places:
            known = sums.get(where, ())
            # A strategy without a pool opens one connection a thread, whichever engine it is for: the same term.
            sums[where] = known + tuple(term for term in terms if term[0] != "THREADS" or term not in known)
    return sums


def _budget(limit: Limit, fleet: Fleet, terms: Terms) -> Budget:
    each = fleet.workers * sum(number for _, number in terms)
    needed = (fleet.instances + fleet.surge) * each + RESERVE
    summands = " + ".join(f"{name} {number}" for name, number in terms)
    arithmetic = (
        f"{limit.where} allows {limit.connections} connections ({limit.name}) and "
        f"WORKERS {fleet.workers} x ({summands}) x {fleet.at_worst} + {RESERVE} in reserve = {needed}"
    )
    several = ["INSTANCES"] if fleet.instances > 1 else []
    *names, last = dict.fromkeys([*several, "WORKERS", *(name for name, _ in terms)])
    theirs, missing = limit.name.partition(" - ")[0], needed - limit.connections
    remedy = f"lower {', '.join(names)} or {last}, or raise {theirs} by {missing}" if missing > 0 else ""
    usually = fleet.instances * each + RESERVE
    return Budget(f"{limit.where} {limit.name}", needed, limit.connections, arithmetic, remedy, usually, each)


def may_start(app: Flask, workers: int) -> bool:
    """Tell whether POOL_BUDGET lets the server start, and log where it does not fit: two seconds at the most.

    A database that does not answer is no reason to refuse: the server is there to outlive that.
    """
    settings: Settings = app.extensions["settings"]
    terms, fleet = terms_of(settings), Fleet.of(settings, workers)
    if (told := ask(app)) is None:
        return True
    made = budgets([(terms[role], seen.limits) for role, seen in told.items()], fleet)
    app.extensions["reporter"].budgets = [budget._asdict() for budget in made]
    for text, remedy in surprises([(terms[role], seen) for role, seen in told.items()], fleet, surge=True):
        log.warning("more are there than was said", detail=f"{text}; {remedy}")
    exceeded = [budget for budget in made if budget.remedy]
    say = log.critical if settings.pool_budget == "refuse" else log.warning
    for budget in exceeded:
        say("connection budget exceeded", detail=f"{budget.arithmetic}; {budget.remedy}")
    return not exceeded or settings.pool_budget != "refuse"


def ask(app: Flask) -> dict[str, Seen] | None:
    """Return what the databases of reader and writer tell, within two seconds.

    None where nobody is asked, or where there is no answer, which is logged.
    """
    settings: Settings = app.extensions["settings"]
    if settings.pool_budget == "off" or not has_limits(settings.database_url):
        return None
    told: Future[dict[str, Seen]] = Future()
    # A daemon: whatever the driver waits for, nobody else waits with it.
    start_thread("budget", _ask, app, told)
    try:
        return told.result(BOUND_SECONDS)
    except Exception as error:
        reason = str(error) or f"no answer within {BOUND_SECONDS:g} s"
        log.warning("connection budget not checked", reason=reason.splitlines()[0])
        return None


def _ask(app: Flask, told: Future[dict[str, Seen]]) -> None:
    try:
        with app.app_context(), deadline.within(BOUND_SECONDS):
            engines, seen = {"reader": db.engines["reader"], "writer": db.engine}, dict[URL, Seen]()
            for engine in engines.values():
                if engine.url not in seen:
                    with engine.connect() as connection:
                        seen[engine.url] = look(connection)
        told.set_result({role: seen[engine.url] for role, engine in engines.items()})
    except Exception as error:
        told.set_exception(error)
