"""How Alembic reaches the database: one migration at a time, and none where there is nothing to do."""

from pathlib import Path
from time import perf_counter
from typing import Any

import alembic.command
import click
from alembic import context
from alembic.runtime.migration import MigrationContext, MigrationInfo
from sqlalchemy import Connection, MetaData, Table, inspect, literal, select, table
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import DropTable

from app import idempotency  # noqa: F401 - tables are known once they are imported
from app.commands.manners import StoppedError, in_sentences, interruptible, stopped
from app.extensions import db, pool_policy
from app.schema import KEPT_ANSWERS, SCHEMA_HEAD, TABLES, children_first, columns_of
from config import load_settings_or_exit, wants_colour
from migrations.lease import LEASE
from migrations.lock import migration_lock
from steadypool import create_pool_engine

INTERRUPTED = (
    "revisions shown as done stay, and to migrate again goes on behind them. "
    "If that fails half way through one (not on PostgreSQL): docs/migrations.md."
)


def main() -> None:
    if context.is_offline_mode():
        raise SystemExit("--sql is not supported: what needs to be done is seen from the database.")
    settings = context.config.attributes.get("settings") or load_settings_or_exit()
    policy = pool_policy(settings, "migration")
    engine = create_pool_engine(settings.database_url, policy, role="migration")
    try:
        if engine.dialect.name == "sqlite":
            Path(settings.database_url.database or "").parent.mkdir(parents=True, exist_ok=True)
        with interruptible(), in_sentences(), engine.connect() as connection:
            migrate(connection)
    except (KeyboardInterrupt, SQLAlchemyError) as error:
        if settings.log_level == "DEBUG":
            raise
        end = stopped(error, INTERRUPTED)
        if not isinstance(end, StoppedError):
            raise
        end.show()
        raise SystemExit(end.exit_code) from None
    except OSError as error:  # a folder, or the lock beside a file
        raise SystemExit(f"{engine.url.render_as_string()} cannot be migrated: {error}") from None


def migrate(connection: Connection) -> None:
    """Do what Alembic was asked for; only a change of revision takes the lock."""
    try:
        destination = context.get_revision_argument()
    except KeyError:  # check, current and revision go nowhere
        run(connection)
        return
    if is_there(connection, destination):
        return
    say(connection, f"is at {current_revision(connection) or 'base'}, migrating …")
    with migration_lock(connection.engine) as alone:
        migrate_alone(alone, destination)


def migrate_alone(connection: Connection, destination: str | tuple[str, ...] | None) -> None:
    """Go to that revision, unless whoever had the lock before has done it."""
    if is_there(connection, destination):
        return
    if not stamping():
        clear_half_made_tables(connection)
        refuse_foreign_tables(connection)
    before = current_revision(connection)
    if not before and connection.dialect.name == "sqlite":
        write_ahead_log(connection)
    run(connection)
    say(connection, f"went from {before or 'base'} to {current_revision(connection) or 'base'}.", fg="green")


def is_there(connection: Connection, destination: str | tuple[str, ...] | None) -> bool:
    """Tell, also to the person who asked, whether nothing needs to be done."""
    there = current_revision(connection) == destination
    if there:
        refuse_missing_tables(connection, destination)
        say(connection, f"is at {destination or 'base'} already; nothing to do.", fg="green")
    return there


def refuse_missing_tables(connection: Connection, destination: str | tuple[str, ...] | None) -> None:
    """End with a sentence where the newest revision is noted, and not all of its tables are there."""
    if destination != SCHEMA_HEAD or stamping():
        return
    missing = [name for name in TABLES | KEPT_ANSWERS if not inspect(connection).has_table(name)]
    connection.rollback()
    if missing:
        raise SystemExit(
            f"alembic_version says {SCHEMA_HEAD}, but there is no table {' and '.join(missing)}; nothing was changed. "
            "Restore a backup; or, to begin anew, drop alembic_version and what is left of the tables, and migrate."
        )


def say(connection: Connection, what: str, **style: str) -> None:
    tell(f"{connection.engine.url.render_as_string()} {what}", **style)


def tell(line: str, **style: str) -> None:
    """Print a line, in colour where a terminal is there to show it and NO_COLOR does not forbid it."""
    click.secho(line, color=None if wants_colour() else False, **style)


def stamping() -> bool:
    """Tell whether somebody only records by hand what is there: the way out of a migration that was interrupted."""
    command = getattr(context.config.cmd_opts, "cmd", (None,))[0]
    return command is alembic.command.stamp


class Progress:
    """Tells of each revision as it is done, and how long it took."""

    def __init__(self) -> None:
        self._since = perf_counter()

    def __call__(self, *, step: MigrationInfo, **_: Any) -> None:
        """Be called by Alembic after a step, before it is committed."""
        ended = "recorded" if step.is_stamp else "done" if step.is_upgrade else "undone"
        for each in step.up_revisions:
            seconds = perf_counter() - self._since
            tell(f"  {each.revision} {each.doc.rstrip('.')}: {ended} ({seconds:.1f} s)", fg="green")
        self._since = perf_counter()


def run(connection: Connection) -> None:
    # All tables are known: whoever imports anything of `app` imports its factory, and with it every room.
    context.configure(
        connection,
        target_metadata=db.metadata,
        transaction_per_migration=True,
        on_version_apply=Progress(),
        include_name=lambda name, kind, _: (kind, name) != ("table", LEASE.name),
    )
    with context.begin_transaction():
        context.run_migrations()


def current_revision(connection: Connection) -> str | None:
    # The catalogue first: MariaDB refuses a user with few rights to describe a table that is not there.
    has_version = columns_of(connection, "alembic_version")
    revision = MigrationContext.configure(connection).get_current_revision() if has_version else None
    connection.rollback()
    return revision


def clear_half_made_tables(connection: Connection) -> None:
    """Drop the empty tables of a first migration that was interrupted where each DDL statement is committed at once.

    They are known by Alembic's own table, which is made before them and gets its row after them, in the same schema:
    what PostgreSQL finds in another one along the search_path is somebody else's.
    """
    there = inspect(connection)
    found = set(there.get_table_names(there.default_schema_name))
    ours = [name for name in children_first(db.metadata.tables.values()) if name in found]
    interrupted_one = bool(ours) and "alembic_version" in found and current_revision(connection) is None
    if interrupted_one and not any(has_rows(connection, name) for name in ours):
        for name in ours:
            connection.execute(DropTable(Table(name, MetaData())))
        tell(f"  Dropped what an interrupted migration left, without a row: {', '.join(ours)}.", fg="yellow")
    connection.commit()


def has_rows(connection: Connection, name: str) -> bool:
    return connection.execute(select(literal(1)).select_from(table(name)).limit(1)).first() is not None


def refuse_foreign_tables(connection: Connection) -> None:
    """End with a sentence where tables of these names exist that no migration of ours has made.

    Views count, too, and on PostgreSQL what is in any schema of the search_path: new tables would hide it.
    """
    found = sorted(name for name in TABLES if inspect(connection).has_table(name))
    connection.rollback()
    if found and current_revision(connection) is None:
        raise SystemExit(
            f"The database has {' and '.join(found)} already, not made by these migrations; nothing was changed. "
            "They may be served as they are. If a first migration was interrupted, drop the tables. "
            "If they were made by these migrations, this user may not see it: GRANT SELECT ON alembic_version."
        )


def write_ahead_log(connection: Connection) -> None:
    """Let readers and a writer work at the same time on the file that is being made."""
    connection.exec_driver_sql("PRAGMA journal_mode = WAL")
    connection.rollback()


main()
