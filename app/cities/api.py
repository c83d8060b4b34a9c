"""The JSON API: each view reads its parameters, asks a query, answers with a model."""

from flask import Blueprint, Response, request, url_for
from pydantic import BaseModel
from werkzeug.urls import iri_to_uri

from app import negotiation
from app.cities import queries
from app.cities.queries import Cursor
from app.cities.shapes import City, CityFilter, CityPage, Country, CountryPage, Paging, encode_cursor
from app.media_types import JSON
from app.openapi import operation
from app.parameters import known_id, no_such, read_query

bp = Blueprint("api", __name__)


@bp.before_request
def require_json() -> None:
    """Refuse clients that take no JSON; OPTIONS has no body to refuse."""
    if request.method != "OPTIONS":
        negotiation.require(JSON)


@bp.get("/cities")
@operation(query=CityFilter, returns=CityPage)
def list_cities() -> Response:
    """List cities by name: all, or those of a name, a prefix, a country."""
    asked = read_query(CityFilter)
    page = queries.search_cities(
        name=asked.name, prefix=asked.prefix, country_id=asked.country_id, after=asked.cursor, limit=asked.limit
    )
    return _answer(CityPage(items=[City.of(row) for row in page.items], next=_next_link(page.next, asked)))


@bp.get("/cities/<city_id>")
@operation(returns=City, errors=(404, 406))
def show_city(city_id: str) -> Response:
    """Return one city with its country."""
    row = queries.find_city(known_id(city_id, "city"))
    if row is None:
        raise no_such("city", city_id)
    return _answer(City.of(row))


@bp.get("/countries")
@operation(query=Paging, returns=CountryPage)
def list_countries() -> Response:
    """List all countries by id."""
    asked = read_query(Paging)
    page = queries.list_countries(after=asked.cursor, limit=asked.limit)
    return _answer(CountryPage(items=[Country.of(row) for row in page.items], next=_next_link(page.next, asked)))


@bp.get("/countries/<country_id>")
@operation(returns=Country, errors=(404, 406))
def show_country(country_id: str) -> Response:
    """Return one country."""
    row = queries.find_country(known_id(country_id, "country"))
    if row is None:
        raise no_such("country", country_id)
    return _answer(Country.of(row))


@bp.get("/countries/<country_id>/cities")
@operation(query=Paging, returns=CityPage, errors=(400, 404, 406))
def list_cities_of_country(country_id: str) -> Response:
    """List the cities of one country by name."""
    asked, wanted = read_query(Paging), known_id(country_id, "country")
    page = queries.search_cities(country_id=wanted, after=asked.cursor, limit=asked.limit)
    # A country without cities is rare: only an empty page pays for the second question.
    if not page.items and queries.find_country(wanted) is None:
        raise no_such("country", country_id)
    return _answer(CityPage(items=[City.of(row) for row in page.items], next=_next_link(page.next, asked)))


def _answer(document: BaseModel) -> Response:
    return negotiation.answer(document.model_dump_json() + "\n", JSON)


def _next_link(cursor: Cursor | None, asked: BaseModel) -> str | None:
    """Return where the next page is, with the parameters of this one."""
    if cursor is None:
        return None
    kept = {name: value for name, value in request.args.items() if name in type(asked).model_fields}
    values = {**kept, **(request.view_args or {}), "cursor": encode_cursor(cursor)}
    # What a proxy says of where this is comes as it is read, not as it is written in an address.
    return iri_to_uri(url_for(str(request.endpoint), **values))
