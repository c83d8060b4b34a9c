"""One error shape, one assertion for it."""

from collections.abc import Sequence

from werkzeug.test import TestResponse


def assert_problem(
    response: TestResponse, status: int, slug: str, saying: str = "", fields: Sequence[str] = ()
) -> None:
    """Hold an answer against that; `fields` are the pointers of a 422."""
    assert response.status_code == status, response.text
    assert response.content_type == "application/problem+json"
    document = response.get_json()
    shown = {"type", "title", "status", "detail", "request_id"}
    assert set(document) == shown | ({"errors"} if status == 422 else set())
    assert [each["pointer"] for each in document.get("errors", [])] == list(fields)
    assert document["type"] == f"/problems/{slug}"
    assert document["status"] == status
    assert document["request_id"] == response.headers["X-Request-ID"]
    assert saying in document["detail"]
    assert response.headers["Cache-Control"] == "no-store"
    assert status != 503 or int(response.headers["Retry-After"]) > 0
