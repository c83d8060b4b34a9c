from collections.abc import Callable

import pytest
from flask import Flask

from app.errors import Problem
from app.media_types import HTML, JSON, TEXT, preferred
from app.negotiation import chosen, require

app = Flask(__name__)


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, TEXT),
        ("", TEXT),
        ("*/*", TEXT),
        ("text/*", TEXT),
        ("text/plain", TEXT),
        ("application/json", JSON),
        ("application/*", JSON),
        ("application/json, text/plain, */*", JSON),
        ("text/plain, application/json;q=0.9", TEXT),
        ("application/json;q=0.5, text/plain;q=0.4", JSON),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", HTML),
        ("text/html, text/plain, text/sgml, */*;q=0.01", HTML),
        ("text/html;q=0, */*", TEXT),
        ("text/plain;q=0, */*", JSON),
        ("image/png", None),
        ("application/json;q=0", None),
        ("nonsense", None),
    ],
)
def test_favourite_representation(accept: str | None, expected: str | None) -> None:
    with app.test_request_context(headers={} if accept is None else {"Accept": accept}):
        assert preferred() == expected


def refused(ask: Callable[[], object]) -> Problem:
    with pytest.raises(Problem) as caught:
        ask()
    return caught.value


def test_nothing_acceptable_is_a_406_that_lists_the_offer() -> None:
    with app.test_request_context(headers={"Accept": "image/png"}):
        problem = refused(chosen)

    assert problem.status == 406
    assert all(media_type in problem.detail for media_type in (TEXT, JSON, HTML))


@pytest.mark.parametrize("accept", ["application/json", "*/*", "", "text/html, */*;q=0.1"])
def test_required_type_passes_when_it_is_allowed_at_all(accept: str) -> None:
    with app.test_request_context(headers={"Accept": accept}):
        require(JSON)


def test_required_type_that_is_refused_is_a_406() -> None:
    with app.test_request_context(headers={"Accept": "text/html"}):
        assert refused(lambda: require(JSON)).status == 406
