"""The library of the pool's tests over HTTP: an address of the application that looks a title up."""

import json

from flask import Blueprint, Response, render_template_string, request
from sqlalchemy import Connection

from app import negotiation
from app.errors import Problem
from app.extensions import db, reading
from app.media_types import HTML, JSON, TEXT
from tests.pool import library
from tests.pool.service import BY_TITLE
from tests.support.asking import PAGE

PATH = "/test/books"
ONE = f"{PATH}?title={library.ONE}"

bp = Blueprint("shelf", __name__)


@bp.get(PATH)
def look_up() -> Response:
    """Return a book's number: text on the shortest way to the database, JSON and the page on the usual one."""
    title, media_type = request.args["title"], negotiation.chosen()
    rows = BY_TITLE.fetch(db.engines["reader"], title=title) if media_type == TEXT else usual_way(title)
    if not rows:
        raise Problem("not-found", f'"{title}" not found')
    number = rows[0][0]
    if media_type == JSON:
        return negotiation.answer(json.dumps({"query": title, "id": number}), JSON)
    if media_type == HTML:
        return negotiation.answer(render_template_string(PAGE, name=number), HTML)
    return negotiation.answer(f'"{title}" is #{number}\n', TEXT)


@reading
def usual_way(connection: Connection, title: str) -> list[tuple[int]]:
    """Return the numbers of the books of that title: one round trip."""
    return [(number,) for (number,) in connection.execute(BY_TITLE.statement, {"title": title})]
