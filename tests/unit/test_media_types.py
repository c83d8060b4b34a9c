"""The names of media types are without case, wherever a client writes them (RFC 9110, 8.3.1)."""

from __future__ import annotations

import pytest
from flask import Flask

from app.media_types import HTML, JSON, PROBLEM_JSON, TEXT, accepted, preferred


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("Text/HTML, Application/JSON", HTML),
        ("APPLICATION/JSON, TEXT/HTML", JSON),
        ("TEXT/*;Q=0.5, Application/Json;Q=0.1", TEXT),
        ("Image/PNG", None),
    ],
)
def test_the_order_of_the_client_decides_in_capitals_too(accept: str, wanted: str | None) -> None:
    with Flask(__name__).test_request_context(headers={"Accept": accept}):
        assert preferred() == wanted


def test_problems_are_asked_for_in_capitals_too() -> None:
    with Flask(__name__).test_request_context(headers={"Accept": "Application/Problem+JSON"}):
        assert PROBLEM_JSON in accepted().values()
