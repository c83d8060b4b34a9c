"""What reaches the driver of a connection: the URL's own wishes beside ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine


@pytest.mark.parametrize(
    ("query", "role", "options"),
    [
        ("", "reader", "-c statement_timeout=2000"),
        ("?options=-csearch_path%3Dfoo", "reader", "-csearch_path=foo -c statement_timeout=2000"),
        ("?options=-csearch_path%3Dfoo", "writer", "-csearch_path=foo -c statement_timeout=2000"),
        ("?options=-csearch_path%3Dfoo", "migration", "-csearch_path=foo"),
        ("", "migration", None),
    ],
)
def test_options_of_a_postgresql_url_hold_beside_the_statement_timeout(
    make_engine: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch, query: str, role: str, options: str | None
) -> None:
    seen: list[dict[str, Any]] = []

    def connect(**arguments: Any) -> None:
        seen.append(arguments)
        raise KeyboardInterrupt  # no error of a driver, so nothing is tried again

    monkeypatch.setattr(psycopg, "connect", connect)
    with pytest.raises(KeyboardInterrupt):
        make_engine(role, url=f"postgresql+psycopg://user@127.0.0.1/sakila{query}").connect()

    assert [arguments.get("options") for arguments in seen] == [options]
