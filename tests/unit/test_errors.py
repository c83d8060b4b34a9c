import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pymysql
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import exc
from werkzeug.exceptions import RequestEntityTooLarge

from app.schema import SchemaMissingError
from steadypool import DatabaseDownError, DeadlineExceededError, OutcomeUnknownError, PoolExhaustedError
from tests.support.problems import assert_problem

JSON = {"Accept": "application/json"}
DRIVER_TEXT = "Lost connection to mysql://app:hunter2@db"
UNAVAILABLE = exc.OperationalError("SELECT 1", {}, Exception(DRIVER_TEXT), connection_invalidated=True)


@pytest.fixture
def fail(make_app: Callable[..., Flask], tmp_path: Path) -> Callable[[Exception], FlaskClient]:
    """Return a client of an application whose /fail raises this."""

    def client_of(error: Exception) -> FlaskClient:
        def view() -> NoReturn:
            raise error

        app = make_app(DATABASE_URL=f"sqlite:///{tmp_path}/none.sqlite3", LOG_FORMAT="json")
        app.add_url_rule("/fail", view_func=view)
        return app.test_client()

    return client_of


@pytest.fixture
def events(capsys: pytest.CaptureFixture[str]) -> Callable[[], Iterator[dict[str, Any]]]:
    return lambda: map(json.loads, capsys.readouterr().err.splitlines())


def test_unknown_exception_is_a_500_without_detail(
    fail: Callable[..., FlaskClient], events: Callable[..., Any]
) -> None:
    response = fail(RuntimeError("secret detail")).get("/fail", headers=JSON)

    assert_problem(response, 500, "internal-error")
    assert "secret" not in response.text
    [event] = [event for event in events() if event["event"] == "unexpected exception"]
    assert event["request_id"] == response.get_json()["request_id"]
    assert "RuntimeError: secret detail" in event["exception"]


@pytest.mark.parametrize("accept", ["text/plain", "text/html"])
def test_500_tells_people_the_request_id(fail: Callable[..., FlaskClient], accept: str) -> None:
    response = fail(RuntimeError("secret detail")).get("/fail", headers={"Accept": accept, "X-Request-ID": "abc-1"})

    assert response.status_code == 500
    assert "abc-1" in response.text
    assert "secret" not in response.text


@pytest.mark.parametrize(
    ("error", "status", "slug"),
    [
        (UNAVAILABLE, 503, "database-unavailable"),
        (exc.OperationalError(None, None, Exception(DRIVER_TEXT)), 503, "database-unavailable"),
        (DatabaseDownError("no connection"), 503, "database-unavailable"),
        (exc.OperationalError("UPDATE x", {}, pymysql.OperationalError(1213, DRIVER_TEXT)), 503, "database-busy"),
        (PoolExhaustedError("all in use"), 503, "pool-exhausted"),
        (exc.StatementError("again", "SELECT 1", {}, PoolExhaustedError("all in use")), 503, "pool-exhausted"),
        (SchemaMissingError("no table"), 503, "schema-missing"),
        (DeadlineExceededError(DRIVER_TEXT), 504, "deadline-exceeded"),
        (OutcomeUnknownError("the answer to COMMIT was lost"), 500, "outcome-unknown"),
        # Ours, and a number that databases use too is no word of theirs.
        (exc.ProgrammingError("SELECT x", {}, Exception("no such column")), 500, "internal-error"),
        (KeyError(1213), 500, "internal-error"),
    ],
)
def test_what_a_database_says_is_a_problem_of_its_own_and_told_to_nobody(
    fail: Callable[..., FlaskClient], capsys: pytest.CaptureFixture[str], error: Exception, status: int, slug: str
) -> None:
    response = fail(error).get("/fail", headers=JSON)

    assert_problem(response, status, slug)
    assert ("Retry-After" in response.headers) is (status == 503)
    assert "Lost" not in response.text
    assert "hunter2" not in capsys.readouterr().err


def test_other_http_errors_have_the_same_shape(fail: Callable[..., FlaskClient]) -> None:
    response = fail(RequestEntityTooLarge()).get("/fail", headers=JSON)

    assert response.status_code == 413
    assert response.content_type == "application/problem+json"
    assert response.get_json()["type"].startswith("/problems/")
