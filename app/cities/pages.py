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
    g.typed = request.args.get("city", "")  # the form keeps it, on the error page too
    name = read(Lookup).city
    if name is None:
        return _usage(media_type)

    rows = queries.find_cities(name)
    if not rows:
        raise Problem("not-found", f'City "{name}" not found')
    matches = [City.of(row) for row in rows]
    if media_type == JSON:
        return negotiation.answer(Matches(query=name, id=matches[0].id, matches=matches).model_dump_json() + "\n", JSON)
    if media_type == HTML:
        return negotiation.answer(render_template("lookup.html", typed=name, matches=matches), HTML)
    return negotiation.answer(f'City "{name}" is #{matches[0].id}\n', TEXT)


@bp.after_request
def tell_caches(response: Response) -> Response:
    """Say that the same address has three representations."""
    response.vary.add("Accept")
    return response


def _usage(media_type: str) -> Response:
    if media_type == JSON:
        raise refusal("city", "is missing", Lookup)
    if media_type == HTML:
        return negotiation.answer(render_template("lookup.html", typed="", matches=[]), HTML)
    return negotiation.answer(USAGE.format(base=request.url_root), TEXT)
