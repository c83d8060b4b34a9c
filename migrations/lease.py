"""A lease for migrations on a Galera cluster, whose nodes share rows but neither GET_LOCK nor locks of rows.

Its owner changes a row every few seconds. Whoever sees the row unchanged for a minute changes it into their own: an
UPDATE that says what they saw. Of two on two nodes certification lets one pass, and the other finds another row than it
had seen; so it is with an owner whose sign of life was only held up, by a long DDL statement for example. No clock is
compared with another one. The owner, before a statement, makes sure that the row is still its own if that has not been
confirmed for a while: one that was stopped, and taken over, does not go on.

On its own node an owner need not be silent for long: whoever comes here has that node's GET_LOCK, so the connection on
which the owner before migrated has ended.
"""

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Executable,
    Integer,
    MetaData,
    Row,
    String,
    Table,
    event,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.schema import CreateTable, DropTable

from steadypool import code_of, start_thread

LEASE = Table(
    "flask_sakila_migration_lease",
    MetaData(),
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("owner", String(16), nullable=False),
    Column("node", String(200), nullable=False),
    Column("beat", Integer, nullable=False),
    mysql_engine="InnoDB",
    mariadb_engine="InnoDB",
)
"""It is there only while somebody migrates, or after they were killed."""
WAIT_SECONDS = 300
BEAT_SECONDS = 5.0
SILENT_SECONDS = 60.0
"""After how long an owner on another node counts as gone; it asks by itself after two beats without an answer."""

NO_SUCH_TABLE, DEADLOCK = 1146, 1213


@contextmanager
def lease(connection: Connection) -> Iterator[None]:
    """Have the lease of the cluster that this connection leads to, if it is one, and let it run no statement without.

    Raises SystemExit if somebody else has it for five minutes, and from a statement after it was lost.
    """
    if (node := _node(connection)) is None:
        yield
        return
    held, over = Lease(connection.engine, node), Event()
    held.claim()
    event.listen(connection, "before_cursor_execute", held.require)
    beating = start_thread("migration-lease", held.beat_until, over)
    try:
        yield
    finally:
        over.set()
        beating.join()
        event.remove(connection, "before_cursor_execute", held.require)
        with suppress(SQLAlchemyError):  # the next one takes it over
            held.give_back()


class Lease:
    """The row, and what its owner or who wants to be that does with it, each time on a connection of its own."""

    def __init__(self, engine: Engine, node: str) -> None:
        self.owner, self.node = secrets.token_hex(8), node
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._confirmed_at = 0.0

    def claim(self) -> None:
        """Return once the row is ours."""
        began = since = time.monotonic()
        before = None
        while not self._take(seen := self._look(), silent=seen == before and _past(since, SILENT_SECONDS)):
            if seen != before:
                before, since = seen, time.monotonic()
            if seen and _past(began, WAIT_SECONDS):
                raise SystemExit(
                    f"Another migration is running on the node {seen.node} of the cluster; nothing was changed."
                )
            time.sleep(0.2)
        self.renew()

    def renew(self) -> bool:
        """Change the row, and tell whether it is ours."""
        asked_at = time.monotonic()
        ours = self._changes(update(LEASE).where(LEASE.c.owner == self.owner).values(beat=LEASE.c.beat + 1))
        self._confirmed_at = asked_at if ours else float("-inf")
        return ours

    def beat_until(self, over: Event) -> None:
        """Renew every few seconds, as long as it is ours."""
        ours = True
        while ours and not over.wait(BEAT_SECONDS):
            with suppress(SQLAlchemyError):  # it may go better the next time; until then nothing is confirmed
                ours = self.renew()

    def require(self, *_: Any) -> None:
        """Be called before each statement: end the migration if somebody else has the lease."""
        if _past(self._confirmed_at, 2 * BEAT_SECONDS) and not self.renew():
            raise SystemExit(
                "This migration was held up for so long that another one has taken over from it; "
                "revisions shown as done stay, and it does nothing more."
            )

    def give_back(self) -> None:
        """Drop the table if it is ours."""
        if self.renew():
            self._run(DropTable(LEASE))

    def _look(self) -> Row[Any] | None:
        try:
            with self._engine.connect() as connection:
                return connection.execute(select(LEASE)).one_or_none()
        except DBAPIError as error:
            if code_of(error.orig) != NO_SUCH_TABLE:
                raise
            self._run(CreateTable(LEASE, if_not_exists=True))  # all nodes do this in the same order, and once
            return None

    def _take(self, seen: Row[Any] | None, *, silent: bool) -> bool:
        ours = {"owner": self.owner, "node": self.node, "beat": 0}
        if seen is None:
            return self._changes(insert(LEASE).prefix_with("IGNORE").values(id=1, **ours))
        if not silent and seen.node != self.node:
            return False
        return self._changes(update(LEASE).where(LEASE.c.owner == seen.owner, LEASE.c.beat == seen.beat).values(ours))

    def _changes(self, statement: Executable) -> bool:
        """Tell whether there was something to change; after a certification that is lost, look again."""
        while True:
            try:
                return self._run(statement) == 1
            except DBAPIError as error:
                if code_of(error.orig) == NO_SUCH_TABLE:
                    return False
                if code_of(error.orig) != DEADLOCK:
                    raise

    def _run(self, statement: Executable) -> int:
        with self._engine.connect() as connection:
            return connection.execute(statement).rowcount


def _past(moment: float, seconds: float) -> bool:
    return time.monotonic() - moment > seconds


def _node(connection: Connection) -> str | None:
    """Return the name of the node of a Galera cluster, with what no other node has, not even one of the same name."""
    variables = "SHOW VARIABLES WHERE Variable_name IN ('wsrep_on', 'wsrep_node_name')"
    found = {name.lower(): value for name, value in connection.execute(text(variables))}
    ids = connection.execute(text("SHOW STATUS LIKE 'wsrep_gcomm_uuid'")).all()
    connection.rollback()
    return f"{found['wsrep_node_name']} ({ids[0][1]})" if found.get("wsrep_on") == "ON" else None
