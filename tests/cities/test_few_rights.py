"""A user who may read too little: operators are told in the log, and by every command, that it is a right they lack."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from testkit.databases import Database
from tests.cities.test_commands_refused import LOAD
from tests.conftest import dispose
from tests.support.commands import MIGRATE, SEED, Command, the_sentence
from tests.support.problems import assert_problem
from tests.support.tampering import user_who_may

# To the application both are one: what differs between them is asked by other tests.
pytestmark = pytest.mark.long_form("mariadb118")

Doctor = Callable[..., dict[str, Any]]

SOME = {"city": "SELECT (city_id)", "country": "SELECT", "alembic_version": "SELECT"}
NO_COUNTRY = {"city": "SELECT", "alembic_version": "SELECT"}
NO_CITY = {"country": "SELECT", "alembic_version": "SELECT"}
NO_VERSION = {"city": "SELECT, INSERT", "country": "SELECT, INSERT"}
ENOUGH = {"city": "SELECT (city_id, city, country_id)", "country": "SELECT (country_id, country)"}

PATHS = ("/?city=London", "/api/v1/cities/312", "/api/v1/cities?prefix=Lo", "/api/v1/countries")


@pytest.mark.parametrize(
    ("rights", "paths"), [(SOME, PATHS[:3]), (NO_COUNTRY, PATHS[1:])], ids=["one-column", "no-country"]
)
def test_a_client_reads_no_traceback(
    served: Database,
    make_app: Callable[..., Flask],
    capfd: pytest.CaptureFixture[str],
    rights: dict[str, str],
    paths: tuple[str, ...],
) -> None:
    with user_who_may(served, rights) as url:
        app = make_app(DATABASE_URL=url)
        for path in paths:
            answer = app.test_client().get(path, headers={"Accept": "application/json"})
            assert_problem(answer, 503, "database-misconfigured")
            assert "denied" not in answer.text
        dispose(app)

    log = capfd.readouterr().err
    assert "Traceback" not in log
    # Not by "denied" alone: applications of other tests may be looking for their databases still.
    assert len(re.findall(r"(?:command|permission) denied", log)) == len(paths)


def test_nor_a_person(served: Database, make_app: Callable[..., Flask]) -> None:
    with user_who_may(served, SOME) as url:
        app = make_app(DATABASE_URL=url)
        asked = ("text/plain", "text/html") * 2
        answers = [app.test_client().get("/?city=London", headers={"Accept": accept}) for accept in asked]
        dispose(app)

    for answer in answers:
        assert answer.status_code == 503
        assert "denied" not in answer.text
        assert "missing" not in answer.text


@pytest.mark.parametrize(
    ("rights", "denied"), [(SOME, "SELECT ON city"), (NO_COUNTRY, "SELECT ON country"), (NO_CITY, "SELECT ON city")]
)
def test_doctor_names_the_right(served: Database, doctor: Doctor, rights: dict[str, str], denied: str) -> None:
    with user_who_may(served, rights) as url:
        lines = doctor(served.url, DATABASE_READ_URL=url)

    assert lines["privileges"]["remedy"] == f"GRANT {denied} to the reader's user"
    assert "./run" not in (lines["migrations"]["remedy"] or "")
    if rights is NO_CITY:
        assert lines["migrations"]["remedy"] == "GRANT SELECT ON city to the reader's user"


def test_columns_are_enough(served: Database, doctor: Doctor) -> None:
    with user_who_may(served, ENOUGH) as url:
        assert doctor(served.url, DATABASE_READ_URL=url)["privileges"]["text"].startswith("reader: may SELECT;")


@pytest.mark.parametrize(("rights", "command"), [(NO_CITY, LOAD), (NO_VERSION, SEED)])
def test_a_command_asks_for_the_right(served: Database, rights: dict[str, str], command: Command) -> None:
    with user_who_may(served, rights) as url:
        said = the_sentence(url, command)

    assert "SELECT command denied" in said or "permission denied for table" in said
    assert "GRANT the user in DATABASE_URL what it asks for" in said


def test_migrate_does_not_take_what_it_may_not_see_for_missing(served: Database) -> None:
    with user_who_may(served, NO_VERSION) as url:
        said = the_sentence(url, MIGRATE)

    assert "nothing was changed" in said
    assert "GRANT SELECT ON alembic_version" in said
