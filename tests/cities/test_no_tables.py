"""A database that has none of the tables yet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import make_url

from testkit.databases import Database
from tests.support.problems import assert_problem


def test_database_without_tables_is_unavailable_and_not_a_fault(
    make_app: Callable[..., Flask], empty_database: Database, capfd: pytest.CaptureFixture[str]
) -> None:
    if empty_database.name == "sqlite":
        file = make_url(empty_database.url).database
        assert file
        Path(file).touch()
    client = make_app(DATABASE_URL=empty_database.url).test_client()

    response = client.get("/?city=London", headers={"Accept": "application/json"})

    assert_problem(response, 503, "schema-missing")
    assert response.headers["Retry-After"]
    assert "./run migrate" in capfd.readouterr().err
