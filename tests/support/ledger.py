"""A table to write to, and a witness who reads it over another way: what is in it is what was kept."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Column, Connection, Integer, MetaData, String, Table, insert, select

from testkit.databases import Database, plain_engine

metadata = MetaData()
ledger = Table(
    "ledger",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("nonce", String(40), nullable=False, index=True),
    Column("part", Integer, nullable=False),
)


class Unit:
    """A unit of work in two parts with a question in between; it counts how often it is begun."""

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


class Witness:
    """Sees what is committed, on a connection that no fault touches."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def times(self, unit: Unit) -> int:
        """Return how often a unit was kept. It must be there as a whole."""
        parts = Counter(self.connection.scalars(select(ledger.c.part).where(ledger.c.nonce == unit.nonce)))
        assert parts[0] == parts[1], f"half-written: {parts}"
        return parts[0]


@contextmanager
def witness_of(database: Database) -> Iterator[Witness]:
    """Make the table if it is not there; yield who sees into it."""
    engine = plain_engine(database.url).execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        metadata.create_all(connection)
        yield Witness(connection)
