"""A room whose bodies have models, lists, choices and unions in them: what is described is valid, and what is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from typing import Annotated, Any, Literal

import jsonschema_rs
import pytest
import schemathesis
from flask import Blueprint, Flask, Response
from flask.testing import FlaskClient
from hypothesis import HealthCheck, Phase, given, settings
from pydantic import BaseModel, Field

from app.bodies import MERGE_PATCH, StrictBody, patched, read_body, read_patch
from app.media_types import JSON
from app.openapi import operation
from app.openapi_schemas import PREFIX
from app.parameters import read_query

PATH = "/api/drawings"


class Colour(Enum):
    """A colour."""

    RED = "red"
    GREEN = "green"


class Circle(StrictBody):
    kind: Literal["circle"]
    radius: Annotated[int, Field(gt=0, lt=1000)]


class Box(StrictBody):
    kind: Literal["box"]
    colour: Colour = Colour.RED
    sides: Annotated[list[Annotated[int, Field(ge=1, lt=1000)]], Field(max_length=3)]


class Frame(StrictBody):
    width: Annotated[int, Field(ge=0, lt=1000)]
    inner: Frame | None = None


class Drawing(StrictBody):
    """What a client may say of a drawing."""

    title: Annotated[str, Field(max_length=10, description="a title of at most 10 characters")]
    frame: Frame
    shape: Annotated[Circle | Box, Field(discriminator="kind")]
    layers: Annotated[list[Circle], Field(max_length=2)] = Field(default_factory=list)
    colour: Colour | None = None
    tag: Literal["new", "old"] | None = None
    named: Annotated[dict[str, Circle], Field(max_length=2)] = Field(default_factory=dict)


class Shown(BaseModel):
    """What is told of a drawing."""

    drawing: Drawing


class Asked(BaseModel):
    colour: Annotated[Colour | None, Field(description="a colour")] = None


NOW = Drawing(title="now", frame=Frame(width=1), shape=Circle(kind="circle", radius=1))


def a_room() -> Blueprint:
    bp = Blueprint("drawings", __name__)

    def shown(drawing: Drawing, status: int) -> Response:
        return Response(Shown(drawing=drawing).model_dump_json(), status, content_type=JSON)

    @bp.get(PATH)
    @operation(query=Asked, returns=Shown)
    def show_drawing() -> Response:
        read_query(Asked)
        return shown(NOW, 200)

    @bp.post(PATH)
    @operation(body=Drawing, returns=Shown, status=201)
    def add_drawing() -> Response:
        return shown(read_body(Drawing), 201)

    @bp.patch(PATH)
    @operation(body=Drawing, media_types=(MERGE_PATCH, JSON), returns=Shown)
    def change_drawing() -> Response:
        return shown(patched(Drawing, NOW.model_dump(mode="json"), read_patch()), 200)

    return bp


@pytest.fixture
def drawings(make_app: Callable[..., Flask]) -> Flask:
    app = make_app()
    app.register_blueprint(a_room())
    return app


@pytest.fixture
def client(drawings: Flask) -> FlaskClient:
    return drawings.test_client()


def references(document: Any) -> Iterator[str]:
    """Yield what refers to something, by whatever word."""
    for inner in document.values() if isinstance(document, dict) else document if isinstance(document, list) else ():
        if isinstance(inner, str) and inner.startswith("#/"):
            yield inner
        else:
            yield from references(inner)


def test_the_document_is_valid_and_all_of_it_leads_somewhere(client: FlaskClient) -> None:
    document = client.get("/openapi.json").get_json()
    schemas = document["components"]["schemas"]

    schemathesis.openapi.from_dict(document).validate()
    for schema in schemas.values():
        jsonschema_rs.Draft202012Validator({**schema, "components": document["components"]})
    named = set(references(document))
    assert named == {f"{PREFIX}{name}" for name in schemas}
    inner = {"Circle", "Box", "Colour", "Circle-Patch", "Box-Patch", "Frame-Patch", "Drawing-Patch"}
    assert inner <= set(schemas)
    assert "$defs" not in str(document)
    assert "Asked" not in schemas


def test_a_patch_may_name_a_part_of_each_object_and_take_away_what_need_not_be(client: FlaskClient) -> None:
    schemas = client.get("/openapi.json").get_json()["components"]["schemas"]
    check = jsonschema_rs.Draft202012Validator({"$ref": f"{PREFIX}Drawing-Patch", "components": {"schemas": schemas}})

    good: tuple[Any, ...] = (
        {},
        {"frame": {"inner": {"inner": None}}},
        {"shape": {"radius": 2}},
        {"colour": None, "named": {"a": {"radius": 1}, "b": None}},
        {"layers": [{"kind": "circle", "radius": 1}]},
    )
    bad: tuple[Any, ...] = (
        *({"title": None}, {"frame": None}, {"layers": [{"radius": 1}]}, {"more": 1}),
        *({"colour": "blue"}, {"shape": {"sides": "x"}}),
    )
    assert [patch for patch in good if not check.is_valid(patch)] == []
    assert [patch for patch in bad if check.is_valid(patch)] == []


def test_the_page_shows_them(client: FlaskClient) -> None:
    page = client.get("/docs", headers={"Accept": "text/html"})

    assert page.status_code == 200
    assert "string: a title of at most 10 characters" in page.text
    assert 'list of <a href="#' in page.text
    assert 'id="Colour"' in page.text


@pytest.mark.no_cover  # hundreds of times the same lines, which others cover
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_fits_the_description_is_read(drawings: Flask, method: str) -> None:
    described = schemathesis.openapi.from_wsgi("/openapi.json", drawings)
    open_to_all: list[Any] = [schemathesis.checks.CHECKS.get_one("ignored_auth")]

    @settings(
        max_examples=40,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=described[PATH][method].as_strategy(generation_mode=schemathesis.GenerationMode.POSITIVE))
    def run(case: schemathesis.Case[Any]) -> None:
        answer = case.call()
        assert answer.status_code in (200, 201), (case.body, answer.text)
        case.validate_response(answer, excluded_checks=open_to_all)

    run()
