"""An address that wants an answer from the database, no matter which: for tests that are about something else.

It needs no table. Every application of the tests has it, and so have the clones that tests start.
"""

import json
from typing import Annotated, Any

from flask import Blueprint, Response, render_template_string
from pydantic import AfterValidator, BaseModel, Field
from sqlalchemy import Connection, Select, String, bindparam, literal, select

from app import negotiation
from app.extensions import db, reading
from app.media_types import HTML, JSON, TEXT
from app.parameters import read_query, readable_text
from steadypool import Lookup

PATH = "/test/lookup"
LOOKUP = f"{PATH}?name=Anna"
API_PATH = f"/api{PATH}"

A_ROW: Select[Any] = select(literal(1))
PAGE = "{% extends 'base.html' %}{% block main %}<h1>{{ name }}</h1>{% endblock %}"

bp = Blueprint("asking", __name__)
_NAME = Lookup(select(bindparam("name", type_=String)))


class Asked(BaseModel):
    """The parameter of the address."""

    name: Annotated[str, AfterValidator(readable_text(50)), Field(description="a name")]


@bp.get(PATH)
@bp.get(API_PATH)
def look_up() -> Response:
    """Return a name by way of the database: text on the shortest one, JSON and the page on the usual one."""
    media_type, name = negotiation.chosen(), read_query(Asked).name
    if media_type == TEXT:
        [(found,)] = _NAME.fetch(db.engines["reader"], name=name)
        return negotiation.answer(f"{found}\n", TEXT, varies=True)
    told = usual_way(name)
    if media_type == JSON:
        return negotiation.answer(json.dumps({"name": told}) + "\n", JSON, varies=True)
    return negotiation.answer(render_template_string(PAGE, name=told), HTML, varies=True)


@reading
def usual_way(connection: Connection, name: str) -> str:
    """Return the name: one round trip."""
    return str(connection.scalar(_NAME.statement, {"name": name}))
