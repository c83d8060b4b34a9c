"""POST /pool/drain and /pool/resize: orders to all workers, by a form of /pool or by a program."""

from __future__ import annotations

import json

import structlog
from flask import Blueprint, Response, current_app, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from app import negotiation
from app.errors import Problem
from app.media_types import HTML, JSON, TEXT
from app.operations import orders
from app.operations.access import refuse_other_sites, require_operator
from app.operations.budget import Budget
from app.operations.orders import NoRoomError, Order, OrderRefusedError
from app.operations.reports import Reporter

log = structlog.stdlib.get_logger(__name__)

bp = Blueprint("steering", __name__)
bp.before_request(require_operator)
bp.before_request(refuse_other_sites)


@bp.post("/pool/drain")
def order_drain() -> AnyResponse:
    """Have every connection that there is replaced, in all workers."""
    return _ordered(orders.to_drain(), [])


@bp.post("/pool/resize")
def order_resize() -> AnyResponse:
    """Give a pool another size in all workers: `pool`, `size` and, where it is not 0, `max_overflow`."""
    reporter: Reporter = current_app.extensions["reporter"]
    workers = sum(not report.ended for report in reporter.all_reports())
    try:
        order = orders.to_resize(request.form.get("pool", ""), _number("size"), _number("max_overflow", "0"))
        made = orders.room_for(order, reporter.orders(), workers)
    except OrderRefusedError as error:
        raise Problem("conflict" if isinstance(error, NoRoomError) else "bad-request", str(error)) from error
    return _ordered(order, made)


def _number(name: str, default: str = "") -> int:
    value = request.form.get(name, default).strip()
    if not (value.isascii() and value.isdigit() and len(value) < 6):
        raise Problem("bad-request", f"{name} must be a whole number.")
    return int(value)


def _ordered(order: Order, budgets: list[Budget]) -> AnyResponse:
    media_type = negotiation.chosen()  # first: who is refused has ordered nothing
    current_app.extensions["reporter"].order(order, budgets)
    warnings = [f"{budget.arithmetic}; {budget.remedy}" for budget in budgets if budget.remedy]
    log.info("order given", order=str(order))
    for warning in warnings:
        log.warning("connection budget exceeded", detail=warning)
    if media_type == HTML:
        return redirect(url_for("dashboard.show_pool"), 303)
    said = f"Ordered: {order}. All workers obey within two seconds."
    told = {"order": str(order), "at": order.at, "warnings": warnings}
    body = json.dumps(told) if media_type == JSON else "\n".join([said, *warnings])
    content_type = JSON if media_type == JSON else f"{TEXT}; charset=utf-8"
    return Response(f"{body}\n", 202, content_type=content_type, headers={"Cache-Control": "no-store"})
