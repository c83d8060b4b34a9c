"""Adding, changing and removing cities: each view reads its body and hands the rest to one transaction."""

from collections.abc import Callable
from typing import Annotated

from flask import Blueprint, Response, url_for
from pydantic import AfterValidator, Field

from app.bodies import MERGE_PATCH, StrictBody, patched, read_body, read_patch
from app.cities import changes
from app.cities.names import fold
from app.cities.queries import CityRow
from app.cities.shapes import KEPT_NAME_RULE, City, KeptName
from app.idempotency import Answer, Connection, write
from app.media_types import JSON
from app.openapi import operation
from app.parameters import MAX_ID, known_id, no_such, wrong
from app.preconditions import require_match
from app.tokens import require_token

bp = Blueprint("writing", __name__)
bp.before_request(require_token)


def _with_letter(name: str) -> str:
    if not fold(name):  # accents alone
        raise wrong("has no letter")
    return name


class CityBody(StrictBody):
    """What a client may say of a city."""

    name: Annotated[KeptName, AfterValidator(_with_letter), Field(description=f"a name of {KEPT_NAME_RULE}")]
    country_id: Annotated[int, Field(ge=1, le=MAX_ID, description=f"the id of a country, from 1 to {MAX_ID}")]


@bp.post("/cities")
@operation(body=CityBody, returns=City, status=201, links_to="api.show_city")
def add_city() -> Response:
    """Add a city; there may be others of that name."""
    wanted = read_body(CityBody)

    def work(connection: Connection) -> Answer:
        row = changes.add_city(connection, wanted.name, wanted.country_id)
        return Answer.of(City.of(row), 201, Location=url_for("api.show_city", city_id=row.city_id))

    return write(work)


@bp.put("/cities/<city_id>")
@operation(body=CityBody, returns=City)
def replace_city(city_id: str) -> Response:
    """Give a city this name and this country."""
    wanted = read_body(CityBody)
    return write(lambda connection: _changed(connection, city_id, lambda row: wanted))


@bp.patch("/cities/<city_id>")
@operation(body=CityBody, media_types=(MERGE_PATCH, JSON), returns=City)
def change_city(city_id: str) -> Response:
    """Change what the body names of a city (a merge patch, RFC 7396)."""
    patch = read_patch()

    def wanted(row: CityRow) -> CityBody:
        return patched(CityBody, {"name": row.city, "country_id": row.country_id}, patch)

    return write(lambda connection: _changed(connection, city_id, wanted))


@bp.delete("/cities/<city_id>")
@operation(returns=None, status=204)
def remove_city(city_id: str) -> Response:
    """Remove a city."""

    def work(connection: Connection) -> Answer:
        changes.remove_city(connection, _seen(connection, city_id).city_id)
        return Answer(204)

    return write(work)


def _changed(connection: Connection, city_id: str, wanted: Callable[[CityRow], CityBody]) -> Answer:
    row = _seen(connection, city_id)
    body = wanted(row)
    return Answer.of(City.of(changes.change_city(connection, row.city_id, body.name, body.country_id)))


def _seen(connection: Connection, city_id: str) -> CityRow:
    """Return the city, locked, if it is the version that the client has seen; raise Problem (404, 412, 428)."""
    row = changes.lock_city(connection, known_id(city_id, "city"))
    if row is None:
        raise no_such("city", city_id)
    require_match(Answer.of(City.of(row)).headers["ETag"])
    return row
