"""Orders to all workers of a server: drain, resize. They stand in its run directory, where each looks every second.

A later one takes the place of one of the same name. With a reload or a restart all are gone: the settings hold again.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import get_ident

import structlog
from flask import Flask, current_app
from sqlalchemy import Engine

from app.operations import files
from app.operations.budget import Budget, Fleet, Terms, ask, budgets, terms_of
from config import Settings
from steadypool import SteadyPool

BUDGETS = "budgets.json"
MOST = 1000
"""As of POOL_SIZE and POOL_MAX_OVERFLOW."""

log = structlog.stdlib.get_logger(__name__)


class OrderRefusedError(Exception):
    """An order that makes no sense; the text says why, for whoever gave it."""


class NoRoomError(OrderRefusedError):
    """A size for which a server has no room, where POOL_BUDGET refuses that."""


@dataclass(frozen=True)
class Order:
    """What each worker is to do once: have new connections made or, of one pool, keep so many and lend so many more."""

    name: str
    size: int = 0
    max_overflow: int = 0
    at: str = field(default_factory=lambda: datetime.now(UTC).isoformat())
    """When it was given; tells it from earlier ones of its name."""

    def __str__(self) -> str:
        sizes = f" to {self.size} + {self.max_overflow}" if self.size else ""
        return self.name.replace("-", " ") + sizes


def to_drain() -> Order:
    """Return the order to have all connections replaced."""
    return Order("drain")


def to_resize(pool: str, size: int, max_overflow: int) -> Order:
    """Return the order to give a pool another size; raise OrderRefusedError for one that no pool can have."""
    if pool not in ("reader", "writer"):
        raise OrderRefusedError(f"There is no pool {pool!r}: it is reader or writer.")
    if not (1 <= size <= MOST and 0 <= max_overflow <= MOST):
        raise OrderRefusedError(f"A size is from 1 to {MOST}, an overflow from 0 to {MOST}.")
    return Order(f"resize-{pool}", size, max_overflow)


def room_for(order: Order, standing: list[Order], workers: int) -> list[Budget]:
    """Return the budget with a new size, tightest first; empty where nobody was asked or has answered in two seconds.

    Raises NoRoomError where it does not fit and POOL_BUDGET is to refuse that; to get smaller is never refused.
    """
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined] # a documented method of the proxy
    settings: Settings = app.extensions["settings"]
    if settings.pool_strategy == "request":
        raise OrderRefusedError("POOL_STRATEGY=request keeps no connections: there is no size to change.")
    terms, pool = terms_of(settings), order.name.removeprefix("resize-")
    before = sum(number for _, number in (terms | _terms(standing))[pool])
    terms |= _terms([*standing, order])
    if (told := ask(app)) is None:
        return []
    made = budgets([(terms[role], seen.limits) for role, seen in told.items()], Fleet.of(settings, workers))
    exceeded = [f"{budget.arithmetic}; {budget.remedy}" for budget in made if budget.remedy]
    if exceeded and settings.pool_budget == "refuse" and order.size + order.max_overflow > before:
        raise NoRoomError(f"POOL_BUDGET=refuse: {exceeded[0]}.")
    return made


def _terms(orders: list[Order]) -> dict[str, Terms]:
    return {
        pool: ((f"{pool} size", order.size), *([(f"{pool} overflow", order.max_overflow)] * bool(order.max_overflow)))
        for order in orders
        if (pool := order.name.removeprefix("resize-")) != order.name
    }


def give(directory: Path, order: Order, budgets: Sequence[Budget] = ()) -> None:
    """Have all workers of the server obey within two seconds, and tell of the budget that is then; raise OSError."""
    by = f"order-{os.getpid()}-{get_ident()}"
    files.replace(directory / f"order-{order.name}.json", vars(order), by)
    if budgets:
        files.replace(directory / BUDGETS, [budget._asdict() for budget in budgets], by)


def read_orders(directory: Path) -> list[Order]:
    """Return those that stand, by name."""
    found = files.understood(Order, [files.read_json(path) for path in directory.glob("order-*.json")])
    return sorted(found, key=lambda order: order.name)


class Obedience:
    """Does in this process what was ordered."""

    def __init__(self, engines: Mapping[str, Engine]) -> None:
        self._engines = engines
        self.obeyed: dict[str, str] = {}
        """When the last one of each name was given that was done here."""

    def obey(self, order: Order) -> None:
        """Do it, unless it was done; what fails was not."""
        if self.obeyed.get(order.name) != order.at:
            self._obey(order)
            self.obeyed[order.name] = order.at

    def _obey(self, order: Order) -> None:
        # Asked for each time: `engine.dispose()` puts another pool in its place.
        pools = {name: engine.pool for name, engine in self._engines.items()}
        for name, pool in pools.items():
            if not isinstance(pool, SteadyPool):
                continue
            if order.name == "drain":
                pool.drain()
            elif order.name == f"resize-{name}":
                pool.resize(order.size, order.max_overflow)
        log.info("order obeyed", order=str(order))
