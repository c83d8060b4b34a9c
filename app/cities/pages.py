"""The address /: the lookup by name, as a line of text, as JSON or as the page."""

from flask import Blueprint, Response, g, render_template, request

from app import negotiation
from app.cities import queries
from app.cities.shapes import City, Lookup, Matches
from app.errors import HTML, JSON, TEXT, Problem
from app.openapi import operation
from app.parameters import read, refusal

USAGE = """Ask for a city by its name: curl '{base}?city=London'
The API is described at {base}docs
"""

bp = Blueprint("pages", __name__)


@bp.get("/")
@operation(query=Lookup, returns=Matches, errors=(400, 404, 406), texts=(TEXT, HTML))
def look_up() -> Response:
    """Return the id of the city with that name; as JSON and on the page, every match."""
    media_type = negotiation.chosen()
    if media_type == HTML:
        g.typed = request.args.get("city", "")  # the form keeps it, on the error page too
    name = read(Lookup).city
    if name is None:
        return _usage(media_type)

    if media_type == TEXT:
        city_id = queries.find_city_id(name)
        if city_id is None:
            raise _unknown(name)
        return _answer(f'City "{name}" is #{city_id}\n', TEXT)
    rows = queries.find_cities(name)
    if not rows:
        raise _unknown(name)
    matches = [City.of(row) for row in rows]
    if media_type == JSON:
        return _answer(Matches(query=name, id=matches[0].id, matches=matches).model_dump_json() + "\n", JSON)
    return _answer(render_template("lookup.html", typed=name, matches=matches), HTML)


def _usage(media_type: str) -> Response:
    if media_type == JSON:
        raise refusal("city", "is missing", Lookup)
    if media_type == HTML:
        return _answer(render_template("lookup.html", typed="", matches=[]), HTML)
    return _answer(USAGE.format(base=request.url_root), TEXT)


def _answer(body: str, media_type: str) -> Response:
    return negotiation.answer(body, media_type, varies=True)


def _unknown(name: str) -> Problem:
    return Problem("not-found", f'City "{name}" not found')
