"""Which statements leave nothing behind in their session: those whose every part is known by its origin.

SQLAlchemy names all that a statement's text is made of in the key under which it remembers the text; here that key is
looked through. What has no key, or a part that is not SQLAlchemy's own, may do anything.
"""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Column, Delete, Extract, Function, Insert, Select, Table, TextClause, Update
from sqlalchemy.sql.elements import (
    ColumnClause,
    ReleaseSavepointClause,
    RollbackToSavepointClause,
    SavepointClause,
    quoted_name,
)
from sqlalchemy.sql.functions import GenericFunction
from sqlalchemy.sql.operators import custom_op
from sqlalchemy.sql.selectable import CompoundSelect
from sqlalchemy.sql.visitors import Visitable
from sqlalchemy.types import TypeDecorator, TypeEngine

from steadypool.harmless import FUNCTIONS, LITERALS, NAMES, OPERATORS, TEXTS

LEAVES_NO_TRACE = "leaves_no_trace"
"""An execution option with which an author vouches for a statement in text: it changes nothing of the session."""

TEXT = ("_hints", "_statement_hints")
"""Parts of a SELECT that are text of somebody else's; prefixes and suffixes are made of TextClause."""

OURS = ("sqlalchemy", "builtins", "typing", "abc", "enum")


def is_plain(statement: Any) -> bool:
    """Tell whether a statement is made of SQLAlchemy's own constructs alone, none of which outlives it."""
    if isinstance(statement, SavepointClause | RollbackToSavepointClause | ReleaseSavepointClause):
        return True
    if not isinstance(statement, Select | CompoundSelect | Insert | Update | Delete):
        return False
    parts = _parts_of(statement)
    return parts is not None and not any(map(_is_suspect, parts)) and all(map(_is_harmless, _defaults(parts)))


def is_plainly_compiled(compiled: Any) -> bool:
    """Tell it of what was really compiled: the ORM adds what classes, relationships and options say.

    Types are looked at here: which one serves may depend on the dialect, and a table's are in no key.
    """
    made = getattr(compiled.compile_state, "statement", None)
    statements = [compiled.statement] if made is None or made is compiled.statement else [compiled.statement, made]
    read = [column for entry in compiled._result_columns for column in entry.objects if hasattr(column, "type")]
    types = [each.type.dialect_impl(compiled.dialect) for each in [*compiled.binds.values(), *read]]
    return all(map(is_plain, statements)) and not any(map(_adds_sql, types))


def _is_harmless(element: Any) -> bool:
    if isinstance(element, TextClause):
        return TEXTS.fullmatch(element.text) is not None
    parts = _parts_of(element)
    return parts is not None and not any(map(_is_suspect, parts))


def _parts_of(element: Any) -> list[Any] | None:
    key = element._generate_cache_key()
    return None if key is None else list(_parts((key.key,)))


def _parts(key: tuple[Any, ...]) -> Iterator[Any]:
    """Yield all that a key is made of; of a construct, with the names of its own parts, the tuple that it is."""
    for part in key:
        if isinstance(part, tuple):
            yield part
            yield from _parts(part)
        else:
            yield part


def _is_suspect(part: Any) -> bool:
    if isinstance(part, tuple):
        return len(part) > 1 and isinstance(part[1], type) and _says_too_much(part[1], part)
    if isinstance(part, type):
        return not _is_known(part)
    if isinstance(part, str):
        return part in TEXT or _is_bare(part)
    if isinstance(part, custom_op):
        return not OPERATORS.fullmatch(part.opstring)
    if isinstance(part, Table):  # a table is one part, whatever it has
        return not _is_known(type(part)) or any(map(_is_bare, [part.name, part.schema, *(c.name for c in part.c)]))
    return isinstance(part, Visitable) and not _is_known(type(part))


def _is_bare(name: str | None) -> bool:
    """Tell whether a name is written as it is, by its author's wish, and is more than a name."""
    return isinstance(name, quoted_name) and name.quote is False and not NAMES.fullmatch(name)


def _says_too_much(construct: type, parts: tuple[Any, ...]) -> bool:
    if issubclass(construct, Function) and not issubclass(construct, GenericFunction):
        # With a schema's name before it, it may be anybody's.
        return bool(_part(parts, "packagenames")) or not FUNCTIONS.fullmatch(str(_part(parts, "name")))
    if issubclass(construct, ColumnClause):
        return bool(_part(parts, "is_literal")) and not LITERALS.fullmatch(str(_part(parts, "name")))
    return issubclass(construct, Extract) and not NAMES.fullmatch(str(_part(parts, "field")))


def _part(parts: tuple[Any, ...], name: str) -> Any:
    """Return what follows a name in the key, None where it does not stand."""
    names = [part if isinstance(part, str) else None for part in parts]
    return parts[names.index(name) + 1] if name in names else None


def _is_known(kind: type) -> bool:
    """Tell whether a class comes from SQLAlchemy, and nobody has given it another text (`@compiles`)."""
    if hasattr(kind, "_compiler_dispatcher") or issubclass(kind, TextClause) or "lambdas" in kind.__module__:
        return False  # the parts of a lambda are not in the key
    # A type converts values. The text that some put around them is looked for in what was compiled.
    return issubclass(kind, TypeEngine) or all(_is_ours(each) for each in kind.__mro__)


def _is_ours(origin: Any) -> bool:
    return str(origin.__module__).partition(".")[0] in OURS


def _adds_sql(kind: TypeEngine[Any]) -> bool:
    """Tell whether a type that is not SQLAlchemy's own puts SQL around its values or columns, or has another text."""
    if isinstance(kind, TypeDecorator) and _adds_sql(kind.impl_instance):
        return True
    says = (type(kind).bind_expression, type(kind).column_expression)
    return hasattr(type(kind), "_compiler_dispatcher") or not all(map(_is_ours, says))


def _defaults(parts: list[Any]) -> Iterator[Any]:
    """Yield the SQL that columns bring along for values that nobody gives, of all tables that there are."""
    kinds = [part for part in parts if isinstance(part, type)]
    inserts, updates = (any(issubclass(kind, what) for kind in kinds) for what in (Insert, Update))
    for table in [part for part in parts if isinstance(part, Table)]:
        for column in table.c:
            for asked, default in ((inserts, column.default), (updates, column.onupdate)):
                if asked and isinstance(column, Column) and default is not None and default.is_clause_element:
                    yield default.arg
