"""The description of the API of cities, and whether it is kept."""

from __future__ import annotations

from itertools import cycle

import pytest
import schemathesis
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import strategies as st

from app.cities.queries import Cursor
from app.cities.shapes import encode_cursor
from testkit import servers
from tests.support.described import answered_as_described
from tests.support.kinds import on_one_server

# A cursor is whatever we handed out: no schema can describe it, so the machine gets ours.
cursors = st.builds(Cursor, st.text("abcxyz '", max_size=20), st.integers(1, 2_147_483_647)).map(encode_cursor)
schemathesis.openapi.format("cursor", cursors)

OPERATIONS = [
    "/",
    "/api/v1/cities",
    "/api/v1/cities/{city_id}",
    "/api/v1/countries",
    "/api/v1/countries/{country_id}",
    "/api/v1/countries/{country_id}/cities",
]


@on_one_server
def test_every_operation_is_described(client: FlaskClient) -> None:
    document = client.get("/openapi.json").get_json()

    assert set(document["paths"]) >= set(OPERATIONS)
    assert document["info"]["description"] == "Sakila's cities and countries, by name and by id."


@pytest.mark.no_cover  # hundreds of times the same lines, which others cover: measuring them takes half the time
# Each on one server in turn: what is bad input to all of them is asked in test_bad_input.py.
@pytest.mark.parametrize(
    ("server", "path"), list(zip(cycle(servers.NAMES), OPERATIONS)), indirect=["server"], scope="session"
)
def test_what_a_machine_makes_up_is_answered_as_described(app: Flask, path: str) -> None:
    answered_as_described(app, path)
