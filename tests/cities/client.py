"""A client that may write, and how what it has written is seen past the application."""

from __future__ import annotations

import secrets
from typing import Any

from flask import Flask
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from app.cities.models import City
from testkit.databases import Database

TOKEN = "a-token-for-the-tests-alone"
CITIES = "/api/v1/cities"


class Api:
    """Sends requests with the token, and other headers where a test says so."""

    def __init__(self, app: Flask) -> None:
        self.client = app.test_client()

    def send(self, method: str, path: str = CITIES, **request: Any) -> TestResponse:
        """Send a request; `headers` come on top of the token."""
        headers = {"Authorization": f"Bearer {TOKEN}", **request.pop("headers", {})}
        return self.client.open(path, method=method, headers=headers, **request)

    def add(self, name: str, country_id: int = 1, **headers: str) -> TestResponse:
        """Add a city; words in names of headers are joined by `_`."""
        body = {"name": name, "country_id": country_id}
        return self.send("POST", json=body, headers=as_headers(headers))

    def change(self, method: str, added: TestResponse, body: Any = None, **headers: str) -> TestResponse:
        """Change what an answer has shown, as the version that it was then."""
        seen = {"If_Match": added.headers.get("ETag", "*")}
        path = added.location or f"{CITIES}/{added.get_json()['id']}"
        return self.send(method, path, json=body, headers=as_headers(seen | headers))


def as_headers(named: dict[str, str]) -> dict[str, str]:
    """Return headers whose names were Python's."""
    return {name.replace("_", "-"): value for name, value in named.items()}


def a_name() -> str:
    """Return a name that no city has."""
    return f"Test {secrets.token_hex(8)}"


def times_kept(database: Database, name: str) -> int:
    """Return how many cities have exactly that name."""
    with database.connect() as connection:
        return connection.scalar(select(func.count()).select_from(City).where(City.city == name)) or 0
