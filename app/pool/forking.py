"""What a child process does with its parent's connections: nothing, for two on one would read each other's answers."""

import os
from collections.abc import Iterable
from typing import Any, Protocol
from weakref import WeakSet

from sqlalchemy.pool import ConnectionPoolEntry


class Forked(Protocol):
    """What holds connections."""

    def forget_parent(self) -> None:
        """Begin anew, without them and without locks that another thread may have held."""


_holders: "WeakSet[Forked]" = WeakSet()
_inherited: list[ConnectionPoolEntry] = []


def begin_anew_after_fork(holder: Forked) -> None:
    """Have `forget_parent` called in every child process."""
    _holders.add(holder)


def disown(records: Iterable[ConnectionPoolEntry]) -> None:
    """Keep a parent's connections unused and unclosed: a goodbye would end the parent's session.

    mysqlclient says it even so, when the process ends; it is said to /dev/null.
    """
    for record in records:
        _inherited.append(record)
        connection: Any = record.dbapi_connection
        if fileno := getattr(connection, "fileno", None):
            with open(os.devnull, "r+b") as nowhere:
                os.dup2(nowhere.fileno(), fileno())


def _after_fork() -> None:
    for holder in list(_holders):
        holder.forget_parent()


os.register_at_fork(after_in_child=_after_fork)
