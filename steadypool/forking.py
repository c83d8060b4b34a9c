"""What a child process does with its parent's connections: nothing, for two on one would read each other's answers."""

import logging
import os
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Protocol
from weakref import WeakSet

from steadypool.core.connection import Connection
from steadypool.core.stats import Stats
from steadypool.core.wire import Wire
from steadypool.drivers import Driver


class Forked(Protocol):
    """What holds connections."""

    def forget_parent(self) -> None:
        """Begin anew, without them and without locks that another thread may have held."""


log = logging.getLogger(__name__)

_holders: "WeakSet[Forked]" = WeakSet()
_inherited: list[object] = []
"""Kept, for they say goodbye when nobody has them any more."""


def begin_anew_after_fork(holder: Forked) -> None:
    """Have `forget_parent` called in every child process."""
    _holders.add(holder)


def disown(connections: Iterable[Connection], driver: Driver) -> None:
    """Keep a parent's connections unused and unclosed: a goodbye would end the parent's session.

    mysqlclient says it even so, when the process ends; it is said to /dev/null. Where that cannot be opened, with as
    many files open as may be, our own descriptor of the socket makes room for it. Where even that does not help the
    goodbye would be heard; PyMySQL says none, and psycopg knows whose process it is in.
    """
    for each in connections:
        connection: Any = each.dbapi_connection
        _inherited.append((each, connection, each.wire))
        with suppress(Exception):  # closed, by psycopg's word
            if (fileno := driver.file_descriptor(connection)) is not None:
                _silence(fileno, each.wire)
        # Whatever is done with it later: the parent's locks may be held, by threads that are not here.
        each.stats, each.wire = Stats(), None


def _silence(fileno: int, wire: Wire | None) -> None:
    try:
        nowhere = os.open(os.devnull, os.O_RDWR)
    except OSError:
        if wire is None:
            raise
        wire.close()
        nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, fileno)
    os.close(nowhere)


def _after_fork() -> None:
    for holder in list(_holders):
        try:
            holder.forget_parent()
        except Exception:  # the next one must forget, too
            log.exception("%r began anew in a child process, but not all of it", holder)


os.register_at_fork(after_in_child=_after_fork)
