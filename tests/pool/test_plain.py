"""A statement is plain by the origin of each of its parts: what SQLAlchemy did not make may be anything."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import (
    CTE,
    Column,
    Connection,
    Function,
    Integer,
    MetaData,
    Select,
    String,
    Table,
    TypeDecorator,
    bindparam,
    case,
    cast,
    column,
    delete,
    exists,
    extract,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    table,
    text,
    tuple_,
    union_all,
    update,
    values,
)
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.ext.compiler import compiles, deregister
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    aliased,
    column_property,
    mapped_column,
    selectinload,
    with_loader_criteria,
)
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import quoted_name
from sqlalchemy.sql.expression import ColumnElement
from sqlalchemy.sql.functions import GenericFunction

from steadypool import in_transaction, read
from steadypool.plain import is_plain, is_plainly_compiled
from tests.pool.conftest import MakeEngine
from tests.pool.tables import Author, Book
from tests.support.pools import steady

LOCK = func.get_lock("a", 0)
notes = table("notes", column("id", Integer), column("note", String))


class Spelt(GenericFunction[Any]):
    """Whose name SQLAlchemy would not know, and whose class it does not have."""

    inherit_cache = True
    name = "get_lock"
    type = Integer()


class Own(ColumnElement[Any]):
    inherit_cache = True
    type = Integer()


class OwnSelect(Select[Any]):
    inherit_cache = True


@compiles(Own)
def spell(element: Own, compiler: SQLCompiler, **_: Any) -> str:
    return "get_lock('a', 0)"


class Converted(TypeDecorator[str]):
    """Converts values in Python, and says nothing to the database."""

    impl, cache_ok = String, True


class Wrapped(TypeDecorator[str]):
    impl, cache_ok = String, True

    def bind_expression(self, value: Any) -> Function[Any]:
        return func.set_config("role", value, False)


class Read(TypeDecorator[str]):
    impl, cache_ok = String, True

    def column_expression(self, column: Any) -> Function[Any]:
        return func.set_config("role", column, False)


class Around(TypeDecorator[str]):
    impl, cache_ok = Wrapped, True


TYPED_NOTES = Table("typed_notes", MetaData(), Column("note", Wrapped))
LOCKING = Table(
    "locking", MetaData(), Column("id", Integer, default=LOCK), Column("seen", Integer, onupdate=select(LOCK))
)

PLAIN = {
    "columns": select(Book.title, Book.book_id).where(Book.book_id == 312).order_by(Book.title).limit(1).offset(1),
    "bound": select(notes.c.id).where(notes.c.note == bindparam("note")),
    "list": select(Book).where(Book.title.in_(["a", "b"]), tuple_(Book.book_id, Book.title).in_([(1, "a")])),
    "join": select(aliased(Book)).join(Author, Author.author_id == Book.author_id),
    "loaded": select(Author).options(selectinload(Author.books)),
    "criteria": select(Book).options(with_loader_criteria(Book, Book.book_id > 0)),
    "cte": select(select(Book.title).cte()),
    "lateral": select(select(Book.book_id).lateral()),
    "union": union_all(select(Book.book_id), select(Book.author_id)),
    "exists": select(exists().where(Book.book_id == 1)),
    "conditions": select(case((or_(Book.title.ilike("a%"), Book.title.is_(None)), 1), else_=literal(2))),
    "functions": select(func.count(), func.max(Book.title), func.coalesce(func.LENGTH(Book.title), func.now())),
    "types": select(cast(Book.title, Integer), extract("year", Book.last_update), cast(Book.title, Converted)),
    "daily": select(
        func.avg(Book.book_id), func.date_trunc("day", Book.last_update), func.rand(), func.ST_X(Book.title)
    ),
    "windows": select(func.row_number().over(order_by=Book.title), func.lag(Book.book_id).over()),
    "json": select(column("a", postgresql.JSONB)[("b", "c")].astext, func.json_extract(Book.title, "$.a")),
    "quoted": select(literal_column("'a'"), literal_column("0"), column(quoted_name("Id", quote=False))),
    "defaults": insert(
        Table(
            "d",
            MetaData(),
            Column("id", Integer, default=func.gen_random_uuid()),
            Column("x", Integer, default=text("now()")),
        )
    ),
    "operators": select(Book.title.op("&&")("a"), Book.title.op("SOUNDS LIKE")("a"), Book.title.collate("utf8mb4_bin")),
    "one": select(literal_column("1")).select_from(Book),
    "locked": select(Book).with_for_update(),
    "insert": insert(notes).values(note="a"),
    "returning": insert(notes).returning(notes.c.id),
    "from select": insert(notes).from_select(["id"], select(Book.book_id)),
    "update": update(Book).values(title="a").where(Book.book_id == 1),
    "delete": delete(notes).where(notes.c.id == 1),
    "upsert": mysql.insert(notes).values(id=1).on_duplicate_key_update(note="a"),
    "on conflict": postgresql.insert(notes).values(id=1).on_conflict_do_nothing(),
}
SUSPECT: dict[str, Any] = {
    "unknown function": select(LOCK),
    "begins like a known one": select(func.lower_and_lock("a")),
    "ends like a known one": select(func.unlower("a")),
    "in a schema": select(func.own.lower("a")),
    "own function": select(Spelt("a", 0)),
    "own element": select(Own()),
    "own select": OwnSelect(Book.title),
    "in a condition": select(Book.title).where(LOCK == 1),
    "in a subquery": select(Book.title).where(select(LOCK).scalar_subquery() == 1),
    "in a cte": select(select(LOCK).cte()),
    "in a join": select(Book.title).join(Author, LOCK == 1),
    "in an order": select(Book.title).order_by(LOCK),
    "in a criteria": select(Book).options(with_loader_criteria(Book, LOCK == 1)),
    "literal column that is text": select(literal_column("'a' || get_lock('a', 0)")),
    "lambda": select(Book).where(lambda: Book.book_id == 1),
    "text": select(text("get_lock('a', 0)")),
    "text in a condition": select(Book.title).where(text("get_lock('a', 0)")),
    "literal column": select(literal_column("get_lock('a', 0)")),
    "prefix": select(Book.title).prefix_with("SQL_CALC_FOUND_ROWS"),
    "suffix": select(Book.title).suffix_with("INTO @title"),
    "prefix of a cte": select(CTE._construct(select(Book.title)).prefix_with("x")),
    "hint": select(Book.title).with_hint(Book, "USE INDEX (x)"),
    "hint for all": select(Book.title).with_statement_hint("/*+ SET_VAR(x = 1) */"),
    "operator": select(Book.title.op(":= get_lock('a', 0) +")(1)),
    "comment": select(Book.title.op("/*")(1)),
    "prefix of an insert": insert(notes).prefix_with("IGNORE"),
    "many rows": insert(notes).values([{"id": 1}, {"id": LOCK}]),
    "value": insert(notes).values(id=LOCK),
    "from a select": insert(notes).from_select(["id"], select(LOCK)),
    "value of an update": update(notes).values(id=LOCK),
    "value of an upsert": mysql.insert(notes).values(id=1).on_duplicate_key_update(id=LOCK),
    "value on conflict": postgresql.insert(notes).on_conflict_do_update(index_elements=["id"], set_={"id": LOCK}),
    "returned": insert(notes).returning(LOCK),
    "default": insert(LOCKING),
    "default of an update": update(LOCKING),
    "rows of values": select(values(column("id", Integer), name="v").data([(LOCK,)])),
    "default of a cte": select(insert(LOCKING).returning(LOCKING.c.id).cte()),
    "default of another table": update(notes).values(note="a").where(notes.c.id == LOCKING.c.id),
    "name without quotes": select(column(quoted_name("get_lock('a', 0)", quote=False))),
    "label without quotes": select(Book.title.label(quoted_name("a, get_lock('a', 0)", quote=False))),
    "table without quotes": select(Table("a, get_lock('a', 0)", MetaData(), Column("id", Integer), quote=False)),
    "schema without quotes": select(
        Table("a", MetaData(), Column("id", Integer), schema="x(), b", quote_schema=False).c.id
    ),
    "extract": select(extract("day from now()), get_lock('a', 0", Book.last_update)),
    "operator that calls": select(Book.title.op("or sleep")(tuple_(literal(1)))),
    "table function": select(func.get_locks("a").table_valued("value")),
    "string": "SELECT 1",
    "nothing": None,
}


@pytest.mark.parametrize("statement", PLAIN.values(), ids=PLAIN)
def test_sqlalchemys_own_constructs_are_plain(statement: Any) -> None:
    assert is_plain(statement)


@pytest.mark.parametrize("statement", SUSPECT.values(), ids=SUSPECT)
def test_what_nobody_knows_is_not(statement: Any) -> None:
    assert not is_plain(statement)


TYPED = {
    "of a value": select(notes.c.id).where(notes.c.note == literal("a", Wrapped)),
    "of a column": select(column("a", Read)),
    "of a table, inserted": insert(TYPED_NOTES),
    "of a table, updated": update(TYPED_NOTES).values(note="a"),
    "inside another": select(notes.c.id).where(notes.c.note == literal("a", Around)),
    "for one database": select(notes.c.id).where(
        notes.c.note == literal("a", String().with_variant(Wrapped(), "sqlite"))
    ),
}


@pytest.mark.parametrize("statement", TYPED.values(), ids=TYPED)
def test_a_type_with_sql_of_its_own_is_seen_when_it_is_compiled(make_engine: MakeEngine, statement: Any) -> None:
    dialect = make_engine("writer").dialect
    in_python = select(cast(notes.c.note, Converted)).where(notes.c.note == literal("a", Converted))

    assert not is_plainly_compiled(statement.compile(dialect=dialect))
    assert is_plainly_compiled(in_python.compile(dialect=dialect))


def test_a_construct_that_somebody_gave_another_text_is_not_plain() -> None:
    compiles(Select, "sqlite")(lambda element, compiler, **_: "SELECT get_lock('a', 0)")
    try:
        assert not is_plain(select(Book.title))
    finally:
        deregister(Select)

    assert is_plain(select(Book.title))


def test_what_a_class_adds_to_its_columns_is_seen_when_it_is_compiled() -> None:
    class Base(DeclarativeBase):
        pass

    class Quiet(Base):
        __tablename__ = "quiet"
        id: Mapped[int] = mapped_column(primary_key=True)

    class Loud(Base):
        __tablename__ = "loud"
        id: Mapped[int] = mapped_column(primary_key=True)
        locked = column_property(select(LOCK).scalar_subquery())

    assert is_plainly_compiled(select(Quiet).compile())
    assert not is_plainly_compiled(select(Loud).compile())


@pytest.mark.parametrize("name", ["unknown function", "in a schema", "many rows"])
def test_its_connection_is_not_lent_again(make_engine: MakeEngine, name: str) -> None:
    writer = make_engine("writer")

    with pytest.raises(Exception, match=r"no such|syntax error"):
        in_transaction(writer, lambda connection: connection.execute(SUSPECT[name]))

    assert steady(writer).snapshot()["closed"] == {"changed": 1}


def test_plain_ones_keep_it_and_so_do_savepoints(make_engine: MakeEngine) -> None:
    with make_engine("migration").begin() as connection:
        connection.exec_driver_sql("CREATE TABLE notes (note)")
    writer = make_engine("writer")

    def work(connection: Connection) -> None:
        with connection.begin_nested():
            connection.execute(insert(notes), {"note": "kept"})
        with connection.begin_nested() as savepoint:
            connection.execute(insert(notes), {"note": "rolled back"})
            savepoint.rollback()

    for _ in range(3):
        in_transaction(writer, work)

    kept = select(func.replace(notes.c.note, "k", "K"))
    assert read(writer, lambda connection: connection.scalars(kept).all()) == ["Kept"] * 3
    assert (steady(writer).snapshot()["opened"], steady(writer).snapshot()["closed"]) == (1, {})
