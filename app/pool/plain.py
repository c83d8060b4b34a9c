"""Which statements leave nothing behind in their session: those whose every part is known by its origin.

SQLAlchemy names all that a statement's text is made of in the key under which it remembers the text; here that key is
looked through. What has no key, or a part that is not SQLAlchemy's own, may do anything.
"""

import re
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Column, Function, Insert, Select, TextClause, Update
from sqlalchemy.sql.dml import Delete
from sqlalchemy.sql.elements import ColumnClause, ReleaseSavepointClause, RollbackToSavepointClause, SavepointClause
from sqlalchemy.sql.functions import GenericFunction
from sqlalchemy.sql.operators import custom_op
from sqlalchemy.sql.selectable import CompoundSelect
from sqlalchemy.sql.visitors import Visitable
from sqlalchemy.types import TypeEngine

HARMLESS_FUNCTIONS = re.compile(
    "abs|ceil|char_length|date|day|floor|greatest|ifnull|least|left|length|lower|ltrim|month|nullif|replace|right|round|"
    "rtrim|substr|substring|trim|upper|year",
    re.IGNORECASE,
)
"""Those in daily use of which SQLAlchemy knows no more than the name."""

HARMLESS_OPERATORS = re.compile(r"(?!.*(--|/\*|\*/))[-+*/<>=~!@%^&|?]+|[A-Za-z ]+")
"""Signs alone or words alone: nothing that calls, assigns, names a variable or hides what follows as a comment."""

HARMLESS_LITERALS = ("*", "1")
"""count(*) has a column in text as well."""

TEXT = ("_hints", "_statement_hints")
"""Parts of a SELECT that are text of somebody else's; prefixes and suffixes are made of TextClause."""

OURS = ("sqlalchemy", "builtins", "typing", "abc", "enum")


def is_plain(statement: Any) -> bool:
    """Tell whether a statement is made of SQLAlchemy's own constructs alone, none of which outlives it."""
    if isinstance(statement, SavepointClause | RollbackToSavepointClause | ReleaseSavepointClause):
        return True
    known = isinstance(statement, Select | CompoundSelect | Insert | Update | Delete)
    return known and _is_harmless(statement) and all(map(_is_harmless, _defaults(statement)))


def is_plainly_compiled(compiled: Any) -> bool:
    """Tell it of what was really compiled: the ORM adds what classes, relationships and options say."""
    made = getattr(compiled.compile_state, "statement", None)
    return is_plain(compiled.statement) and (made is None or made is compiled.statement or is_plain(made))


def _is_harmless(element: Any) -> bool:
    key = element._generate_cache_key()
    return key is not None and not any(map(_is_suspect, _parts((key.key,))))


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
        return part in TEXT
    if isinstance(part, custom_op):
        return not HARMLESS_OPERATORS.fullmatch(part.opstring)
    return isinstance(part, Visitable) and not _is_known(type(part))


def _says_too_much(construct: type, parts: tuple[Any, ...]) -> bool:
    if issubclass(construct, Function) and not issubclass(construct, GenericFunction):
        # With a schema's name before it, it may be anybody's.
        return bool(_part(parts, "packagenames")) or not HARMLESS_FUNCTIONS.fullmatch(str(_part(parts, "name")))
    if issubclass(construct, ColumnClause):
        return bool(_part(parts, "is_literal")) and _part(parts, "name") not in HARMLESS_LITERALS
    return False


def _part(parts: tuple[Any, ...], name: str) -> Any:
    """Return what follows a name in the key, None where it does not stand."""
    names = [part if isinstance(part, str) else None for part in parts]
    return parts[names.index(name) + 1] if name in names else None


def _is_known(kind: type) -> bool:
    """Tell whether a class comes from SQLAlchemy, and nobody has given it another text (`@compiles`)."""
    foreign = [each for each in kind.__mro__ if each.__module__.partition(".")[0] not in OURS]
    if hasattr(kind, "_compiler_dispatcher") or issubclass(kind, TextClause) or "lambdas" in kind.__module__:
        return False  # the parts of a lambda are not in the key
    if issubclass(kind, TypeEngine):  # it converts values; only what it wraps around them would be text
        return not any(name in vars(each) for each in foreign for name in ("bind_expression", "column_expression"))
    return not foreign


def _defaults(statement: Any) -> Iterator[Any]:
    """Yield the SQL that columns bring along for values that nobody gives."""
    if isinstance(statement, Insert | Update):
        for column in getattr(statement.table, "c", ()):
            if isinstance(column, Column):
                default: Any = column.default if isinstance(statement, Insert) else column.onupdate
                if default is not None and default.is_clause_element:
                    yield default.arg
