"""Errors of fields: where they are in a body that is nested, and what is said of them."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from flask import Flask
from pydantic import Field

from app.bodies import MOST_TOLD, StrictBody, checked
from app.errors import Problem

app = Flask(__name__)


class Colour(Enum):
    RED = "red"
    GREEN = "green"


class Circle(StrictBody):
    kind: Literal["circle"]
    radius: Annotated[float, Field(gt=0, description="a length above 0")]


class Box(StrictBody):
    kind: Literal["box"]
    sides: list[Annotated[int, Field(ge=1)]]


class Drawing(StrictBody):
    title: str
    shape: Annotated[Circle | Box, Field(discriminator="kind")]
    layers: Annotated[list[Circle], Field(default_factory=list, description="the circles below")]
    colour: Colour | None = None
    either: Circle | Literal["none"] | None = None
    named: dict[str, Circle] = Field(default_factory=dict)


ROUND = {"kind": "circle", "radius": 1}
GOOD = {"title": "x", "shape": ROUND}
NO_RADIUS = "It is missing; allowed is a length above 0."

WRONG: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "in a union": (
        {"shape": {"kind": "circle", "radius": -1}},
        {"#/shape/radius": "It is not what is allowed; allowed is a length above 0."},
    ),
    "missing in a union": ({"shape": {"kind": "circle"}}, {"#/shape/radius": NO_RADIUS}),
    "of another kind": (
        {"shape": {"kind": "star"}},
        {"#/shape": "It is not what is allowed; allowed is 'kind' as one of 'circle', 'box'."},
    ),
    "without a kind": ({"shape": {}}, {"#/shape": "It is not what is allowed."}),
    "in a list in a union": (
        {"shape": {"kind": "box", "sides": [1, 0]}},
        {"#/shape/sides/1": "It is not what is allowed."},
    ),
    "in a list": ({"layers": [ROUND, {"kind": "circle"}]}, {"#/layers/1/radius": NO_RADIUS}),
    "not a list": ({"layers": ROUND}, {"#/layers": "It is not what is allowed; allowed is the circles below."}),
    "one of some": ({"colour": "blue"}, {"#/colour": "It is not what is allowed; allowed is 'red' or 'green'."}),
    "by a name": ({"named": {"a/b": {"kind": "circle"}}}, {"#/named/a~1b/radius": NO_RADIUS}),
    "not known": ({"shape": {**ROUND, "more": 1}}, {"#/shape/more": "It is not known."}),
}


@pytest.mark.parametrize(("more", "told"), WRONG.values(), ids=WRONG)
def test_an_error_says_where_it_is_and_what_is_allowed_there(more: dict[str, Any], told: dict[str, str]) -> None:
    with pytest.raises(Problem) as caught:
        checked(Drawing, GOOD | more)

    assert {each.pointer: each.detail for each in caught.value.fields} == told


def test_each_member_of_a_union_objects_and_the_same_is_said_once() -> None:
    with pytest.raises(Problem) as caught:
        checked(Drawing, GOOD | {"either": 7})

    told = [(each.pointer, each.detail) for each in caught.value.fields]
    assert {pointer for pointer, _ in told} == {"#/either"}
    assert len(told) == len(set(told))


def test_of_very_many_errors_the_first_are_told() -> None:
    with pytest.raises(Problem) as caught:
        checked(Drawing, GOOD | {f"x{number}": 1 for number in range(1000)})

    assert len(caught.value.fields) == MOST_TOLD
    assert caught.value.detail.endswith(f" And {1000 - MOST_TOLD} more.")
