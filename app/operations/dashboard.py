"""/pool: what the pools do now and did in the last five minutes, for eyes; JSON for programs."""

import json
from datetime import UTC, datetime

from flask import Blueprint, Response, current_app, render_template

from app import negotiation
from app.errors import HTML, JSON
from app.operations import panels, server_view
from app.operations.access import require_operator
from app.operations.overview import Overview, overview

bp = Blueprint("dashboard", __name__)
bp.before_request(require_operator)


@bp.get("/pool")
def show_pool() -> Response:
    """Return the dashboard as it is at this moment."""
    document = overview(current_app.extensions["reporter"], server_view.ask())
    if negotiation.chosen() == HTML:
        body, media_type = drawn(document), f"{HTML}; charset=utf-8"
    else:
        body, media_type = json.dumps(document) + "\n", JSON
    return Response(body, content_type=media_type, headers={"Cache-Control": "no-store", "Vary": "Accept"})


def drawn(document: Overview) -> str:
    """Return the document as a page."""
    return render_template("pool.html", **document, **panels.panels_of(document), now=datetime.now(UTC))
