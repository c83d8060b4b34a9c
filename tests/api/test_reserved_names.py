"""A table whose name and columns SQL has other plans for: what is not written by SQLAlchemy is quoted all the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Column, Integer, String, insert, select
from sqlalchemy.orm import Mapped, mapped_column

from app import schema
from app.commands import rights, writing
from app.commands.indexes import index_of
from app.extensions import Model, db
from config import Settings
from testkit.databases import Database, plain_engine


@pytest.fixture
def order(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Model]]:
    """A model of the table `order`, which is the only one that this service has."""

    class Order(Model):
        __tablename__ = "order"
        group: Mapped[int] = mapped_column(primary_key=True)
        select = Column("Select", String(20), nullable=False)
        other = Column("where", Integer)

    for module, name, value in [
        (schema, "TABLES", {"order": "group"}),
        (schema, "MAIN", "order"),
        (rights, "TABLES", {"order": "group"}),
        (rights, "KEPT_ANSWERS", {}),
        (rights, "MAIN", "order"),
        (writing, "MAIN", "order"),
    ]:
        monkeypatch.setattr(module, name, value)
    yield Order
    db.metadata.remove(Order.metadata.tables["order"])
    Model.registry._dispose_cls(Order)


def test_doctor_and_commands_ask_for_it(
    empty_database: Database, order: type[Model], make_settings: Callable[..., Settings]
) -> None:
    settings = make_settings(DATABASE_URL=empty_database.url)
    with plain_engine(empty_database.url).connect() as connection:
        order.metadata.tables["order"].create(connection)
        connection.commit()

        for role in ("reader", "writer"):
            assert rights.check_privileges(connection, settings, role).level == "ok"
        schema.refuse_hidden(connection, "order")
        if connection.dialect.name == "postgresql":  # elsewhere no table is locked
            writing.wait_for_others(connection)
        there = schema.columns_of(connection, "order")
        name = {"mysql": "`order` (`group`)", "mariadb": "`order` (`group`)"}.get(
            connection.dialect.name, '"order" ("group")'
        )
        assert index_of(connection, "order", ("group",), there).remedy == f"CREATE INDEX ix_group ON {name}"


def test_numbers_go_on_behind_those_that_were_given(empty_database: Database, order: type[Model]) -> None:
    with plain_engine(empty_database.url).begin() as connection:
        order.metadata.tables["order"].create(connection)
        connection.execute(insert(order).values(group=7, select="by hand"))

        writing.continue_numbering(connection, order)
        connection.execute(insert(order).values(select="by itself"))

        assert connection.scalars(select(order.group).order_by(order.group)).all() == [7, 8]  # type: ignore[attr-defined] # made above
