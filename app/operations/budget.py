"""The connection budget at start: what POOL_BUDGET says is done about a server that is too small."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import structlog
from flask import Flask

from app.extensions import db
from app.operations.limits import Budget, Limit, Pool, budgets, has_limits, read_limits
from config import Settings
from steadypool import deadline, start_thread

BOUND_SECONDS = 2.0

log = structlog.stdlib.get_logger(__name__)


def pools_of(settings: Settings) -> dict[str, Pool]:
    """Return what each worker may open for reading and for writing, by the settings."""
    if settings.pool_strategy == "request":
        reads = writes = (("THREADS", settings.threads),)
    else:
        overflow = (("POOL_MAX_OVERFLOW", settings.pool_max_overflow),) if settings.pool_max_overflow else ()
        reads = (("POOL_SIZE", settings.pool_size), *overflow)
        writes = (("WRITER_POOL_SIZE", settings.writer_pool_size), *overflow)
    return {"reader": Pool(settings.database_read_url, reads), "writer": Pool(settings.database_url, writes)}


def may_start(app: Flask, workers: int) -> bool:
    """Tell whether POOL_BUDGET lets the server start, and log where it does not fit: two seconds at the most.

    A database that does not answer is no reason to refuse: the server is there to outlive that.
    """
    settings: Settings = app.extensions["settings"]
    if settings.pool_budget == "off" or not has_limits(settings.database_url):
        return True
    try:
        made = _in_thread(app, settings, workers).result(BOUND_SECONDS)
    except Exception as error:
        reason = str(error) or f"no answer within {BOUND_SECONDS:g} s"
        log.warning("connection budget not checked", reason=reason.splitlines()[0])
        return True
    app.extensions["reporter"].budgets = [described(budget) for budget in made]
    exceeded = [budget for budget in made if not budget.fits]
    say = log.critical if settings.pool_budget == "refuse" else log.warning
    for budget in exceeded:
        say("connection budget exceeded", detail=str(budget))
    return not exceeded or settings.pool_budget != "refuse"


def described(budget: Budget) -> dict[str, Any]:
    """Return a budget for metrics and dashboard."""
    return {
        "limit": f"{budget.where} {budget.limit.name}",
        "needed": budget.needed,
        "allowed": budget.limit.connections,
        "arithmetic": budget.arithmetic,
        "remedy": "" if budget.fits else budget.remedy,
    }


def _in_thread(app: Flask, settings: Settings, workers: int) -> Future[list[Budget]]:
    """Return the budgets to come. Whatever the driver waits for, only a daemon thread waits with it."""
    future: Future[list[Budget]] = Future()

    def ask() -> None:
        try:
            with app.app_context(), deadline.within(BOUND_SECONDS):
                future.set_result(_ask(settings, workers))
        except Exception as error:
            future.set_exception(error)

    start_thread("budget", ask)
    return future


def _ask(settings: Settings, workers: int) -> list[Budget]:
    engines = {"reader": db.engines["reader"], "writer": db.engine}
    asked: list[tuple[Pool, list[Limit]]] = []
    for role, pool in pools_of(settings).items():
        # Once where both use the same address and user.
        known = next((limits for other, limits in asked if other.url == pool.url), None)
        if known is None:
            with engines[role].connect() as connection:
                known = read_limits(connection)
        asked.append((pool, known))
    return budgets(asked, workers)
