"""The address /: the lookup by name, as a line of text, as JSON or as the page; and a page for each country."""

import re
from functools import partial

from flask import Blueprint, Response, g, render_template, request, url_for
from markupsafe import Markup

from app import negotiation
from app.cities import queries
from app.cities.shapes import City, LookupParameters, Matches, Paging, encode_cursor, in_plain_words
from app.errors import Problem
from app.media_types import HTML, JSON, TEXT
from app.openapi import operation
from app.parameters import known_id, no_such, read_query, refusal

USAGE = """Ask for a city by its name: curl '{base}?city=London'
The API is described at {base}docs
"""

# What sets the direction of the text after it, or ends what keeps it apart.
_DIRECTIONS = re.compile("[\u202a-\u202e\u2066-\u2069]")

bp = Blueprint("pages", __name__, template_folder="templates", static_folder="static", static_url_path="/cities/static")


@bp.app_template_filter()
def isolated(name: str) -> Markup:
    """Return a name for the middle of a sentence: written from right to left, it leaves the words around it alone."""
    return Markup("<bdi>{}</bdi>").format(_DIRECTIONS.sub("", name))


@bp.app_template_filter()
def isolated_text(name: str) -> str:
    """Return the same for where no markup can be, by Unicode's own signs: a title, an attribute."""
    return f"\u2068{_DIRECTIONS.sub('', name)}\u2069"


@bp.get("/")
@operation(query=LookupParameters, returns=Matches, errors=(400, 404, 406), texts=(TEXT, HTML))
def look_up() -> Response:
    """Return the id of the city with that name; as JSON and on the page, every match."""
    media_type = negotiation.chosen()
    if media_type == HTML:
        g.typed = request.args.get("city", "")  # the form keeps it, on the error page too
    name = _name(media_type)
    if name is None:
        return _usage(media_type)

    if media_type == TEXT:
        city_id = queries.find_city_id(name)
        if city_id is None:
            raise _unknown(name)
        return _answer(f'City "{name}" is #{city_id}\n', TEXT)
    rows = queries.find_cities(name)
    if not rows:
        raise _unknown(name, similar=queries.find_similar(name) if media_type == HTML else [])
    matches = [City.of(row) for row in rows]
    if media_type == JSON:
        return _answer(Matches(query=name, id=matches[0].id, matches=matches).model_dump_json() + "\n", JSON)
    return _answer(render_template("cities/lookup.html", typed=name, matches=matches), HTML)


@bp.get("/countries/<country_id>")
def show_country(country_id: str) -> Response:
    """Return a country's cities by name, a page of them at a time; for browsers, as the API has the same as JSON."""
    negotiation.require(HTML)
    asked, wanted = read_query(Paging), known_id(country_id, "country")
    page = queries.search_cities(country_id=wanted, after=asked.cursor, limit=asked.limit)
    # A page without cities is rare: only that one pays for the second question.
    country = page.items[0] if page.items else queries.find_country(wanted)
    if country is None:
        raise no_such("country", country_id)
    here = partial(url_for, "pages.show_country", country_id=wanted, limit=request.args.get("limit"))
    more = here(cursor=encode_cursor(page.next)) if page.next else None
    first = here() if asked.cursor else None
    cities = [City.of(row) for row in page.items]
    shown = render_template("cities/country.html", country=country.country, cities=cities, first=first, more=more)
    return negotiation.answer(shown, HTML)


def _name(media_type: str) -> str | None:
    try:
        return read_query(LookupParameters).city
    except Problem as problem:
        if media_type == HTML:
            heading, sentence = in_plain_words(request.args.getlist("city"))
            problem.extra = {"heading": heading, "sentence": sentence}
        raise


def _usage(media_type: str) -> Response:
    if media_type == JSON:
        raise refusal("city", "is missing", LookupParameters)
    if media_type == HTML:
        return _answer(render_template("cities/lookup.html", typed="", matches=[]), HTML)
    return _answer(USAGE.format(base=request.url_root), TEXT)


def _answer(body: str, media_type: str) -> Response:
    return negotiation.answer(body, media_type, varies=True)


def _unknown(name: str, similar: list[str] | None = None) -> Problem:
    return Problem("not-found", f'City "{name}" not found', extra={"unknown": name, "similar": similar or []})
