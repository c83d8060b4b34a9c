"""doctor tells whether a replica is near enough for reads of own writes."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from sqlalchemy import text

from testkit.databases import Database, plain_engine
from testkit.replicas import Replicated

Doctor = Callable[..., dict[str, Any]]


def lag_of(doctor: Doctor, pair: Replicated, replicated: Database) -> dict[str, Any]:
    urls = {"DATABASE_READ_URL": pair.on_replica(replicated), "DATABASE_TLS": "off"}
    line: dict[str, Any] = doctor(replicated.url, READ_YOUR_WRITES_SECONDS="10", **urls)["lag"]
    return line


def test_a_replica_that_follows_is_near(pair: Replicated, replicated: Database, doctor: Doctor) -> None:
    line = lag_of(doctor, pair, replicated)

    assert line["level"] == "ok", line
    assert line["text"].endswith(" s behind, READ_YOUR_WRITES_SECONDS=10")


def test_one_that_has_stopped_is_to_be_seen_to(pair: Replicated, replicated: Database, doctor: Doctor) -> None:
    pair.hold()
    with plain_engine(replicated.url).begin() as connection:
        connection.execute(text("UPDATE city SET country_id = 3 - country_id WHERE country_id IN (1, 2)"))

    line = lag_of(doctor, pair, replicated)

    assert line["level"] == "warning", line
    said = re.match(r"more than (\d+\.\d) s behind", line["text"])
    assert said is not None, line
    assert float(said[1]) >= 2
