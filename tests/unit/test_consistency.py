"""Who is given a token, and what stands in it; what comes of it, tests/cities/faults/test_own_writes.py tries."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask, Response

from app.consistency import HEADER, MOST_POSITION_BYTES, is_wanted, marked
from config import Settings

TOKEN = "a-token-for-the-tests-alone"
HERE, THERE = "mysql://a:b@here/c", "mysql://a:b@there/c"


@pytest.mark.parametrize(
    ("more", "wanted"),
    [
        ({"DATABASE_READ_URL": THERE}, True),
        ({"DATABASE_READ_URL": HERE}, False),
        ({}, False),
        ({"DATABASE_READ_URL": THERE, "READ_YOUR_WRITES_SECONDS": "0"}, False),
        ({"DATABASE_READ_URL": THERE, "API_TOKEN": ""}, False),
        ({"DATABASE_URL": "sqlite:///a.db", "DATABASE_READ_URL": "sqlite:///b.db"}, False),
    ],
)
def test_a_token_is_for_those_who_write_and_read_elsewhere(
    make_settings: Callable[..., Settings], more: dict[str, str], wanted: bool
) -> None:
    assert is_wanted(make_settings(**{"DATABASE_URL": HERE, "API_TOKEN": TOKEN, **more})) is wanted


def test_a_position_that_is_too_long_for_a_cookie_leads_to_the_primary(make_app: Callable[..., Flask]) -> None:
    app = make_app(DATABASE_URL=HERE, DATABASE_READ_URL=THERE, API_TOKEN=TOKEN)

    with app.test_request_context():
        long, longer, none = (
            marked(Response(), position).headers.get(HEADER)
            for position in ("p" * MOST_POSITION_BYTES, "p" * (MOST_POSITION_BYTES + 1), None)
        )

    assert long
    assert longer
    assert none is None
    assert len(long) > MOST_POSITION_BYTES
    assert longer.startswith(".")
