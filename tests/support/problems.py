"""One error shape, one assertion for it."""

from werkzeug.test import TestResponse


def assert_problem(response: TestResponse, status: int, slug: str, saying: str = "") -> None:
    assert response.status_code == status, response.text
    assert response.content_type == "application/problem+json"
    document = response.get_json()
    assert set(document) == {"type", "title", "status", "detail", "request_id"}
    assert document["type"] == f"/problems/{slug}"
    assert document["status"] == status
    assert document["request_id"] == response.headers["X-Request-ID"]
    assert saying in document["detail"]
    assert response.headers["Cache-Control"] == "no-store"
    assert status != 503 or int(response.headers["Retry-After"]) > 0
