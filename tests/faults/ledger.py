"""A table to write to, and somebody who reads it over another way: what is in it is what was kept."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask
from sqlalchemy import Column, Connection, Engine, Integer, MetaData, String, Table, insert, select

from app.extensions import db
from tests.support.databases import Database, plain_engine

metadata = MetaData()
ledger = Table(
    "ledger",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("nonce", String(40), nullable=False, index=True),
    Column("part", Integer, nullable=False),
)
PARTS = 2


class Witness:
    """Sees what is committed, on a connection that no fault touches."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def parts(self) -> dict[str, Counter[int]]:
        """Return how often each part of each nonce is there."""
        found: dict[str, Counter[int]] = {}
        for nonce, part in self.connection.execute(select(ledger.c.nonce, ledger.c.part)):
            found.setdefault(nonce, Counter())[part] += 1
        return found

    def times(self, nonce: str) -> int:
        """Return how often a unit was kept; it must be there as a whole."""
        times = set(self.parts().get(nonce, Counter(dict.fromkeys(range(PARTS), 0))).values())
        missing = nonce in self.parts() and len(self.parts()[nonce]) != PARTS
        assert len(times) == 1 and not missing, f"half-written: {self.parts()[nonce]}"
        return times.pop()


@contextmanager
def witness_of(database: Database) -> Iterator[Witness]:
    """Make the table if it is not there; yield who sees into it."""
    engine = plain_engine(database.url).execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        metadata.create_all(connection)
        yield Witness(connection)


class Unit:
    """A unit of work in two parts, with a question in between; it counts how often it is begun."""

    def __init__(self) -> None:
        self.nonce, self.begun = secrets.token_hex(8), 0

    def __call__(self, connection: Connection) -> str:
        self.begun += 1
        connection.execute(insert(ledger), {"nonce": self.nonce, "part": 0})
        self.between(connection)
        connection.execute(insert(ledger), {"nonce": self.nonce, "part": 1})
        return self.nonce

    def between(self, connection: Connection) -> None:
        connection.execute(select(ledger.c.part).where(ledger.c.nonce == self.nonce)).all()


def writer_of(app: Flask) -> Engine:
    with app.app_context():
        return db.engine


def reader_of(app: Flask) -> Engine:
    with app.app_context():
        return db.engines["reader"]
