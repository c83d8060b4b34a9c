"""How Alembic reaches the database: one migration at a time, and none where there is nothing to do."""

from pathlib import Path

import alembic.command
from alembic import context
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, create_engine, inspect
from sqlalchemy.exc import DBAPIError

from app.cities import models
from app.cities.schema import read_layout
from app.extensions import db, pool_policy
from app.pool import engine_options, recovery, watch
from config import load_settings_or_exit
from migrations.lock import migration_lock


def main() -> None:
    if context.is_offline_mode():
        raise SystemExit("--sql is not supported: what needs to be done is seen from the database.")
    settings = context.config.attributes.get("settings") or load_settings_or_exit()
    if settings.database_url.get_backend_name() == "sqlite":
        Path(settings.database_url.database or "").parent.mkdir(parents=True, exist_ok=True)
    policy = pool_policy(settings, size=1)
    engine = create_engine(**engine_options(settings.database_url, policy, role="migration"))
    watch(engine, policy, role="migration")
    try:
        with engine.connect() as connection:
            migrate(connection)
    except DBAPIError as error:
        if not recovery.is_unavailable(error):
            raise
        raise SystemExit(f"{engine.url.render_as_string()} cannot be reached: {error.orig}") from None


def migrate(connection: Connection) -> None:
    """Do what Alembic was asked for; only a change of revision takes the lock."""
    try:
        destination = context.get_revision_argument()
    except KeyError:  # check, current and revision go nowhere
        run(connection)
        return
    if is_there(connection, destination):
        return
    with migration_lock(connection.engine):
        # Whoever held the lock before may have done the work.
        if is_there(connection, destination):
            return
        if not stamping():
            refuse_foreign_tables(connection)
        before = current_revision(connection)
        if not before and connection.dialect.name == "sqlite":
            write_ahead_log(connection)
        run(connection)
    say(connection, f"went from {before or 'base'} to {current_revision(connection) or 'base'}.")


def is_there(connection: Connection, destination: str | tuple[str, ...] | None) -> bool:
    """Tell, also to the person who asked, whether nothing needs to be done."""
    there = current_revision(connection) == destination
    if there:
        say(connection, f"is at {destination or 'base'} already; nothing to do.")
    return there


def say(connection: Connection, what: str) -> None:
    print(f"{connection.engine.url.render_as_string()} {what}")


def stamping() -> bool:
    """Tell whether somebody only records by hand what is there: the way out of a migration that was interrupted."""
    command = getattr(context.config.cmd_opts, "cmd", (None,))[0]
    return command is alembic.command.stamp


def run(connection: Connection) -> None:
    context.configure(connection, target_metadata=db.metadata, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()


def current_revision(connection: Connection) -> str | None:
    # The catalogue first: MariaDB refuses a user with few rights to describe a table that is not there.
    has_version = read_layout(connection).has_version
    revision = MigrationContext.configure(connection).get_current_revision() if has_version else None
    connection.rollback()
    return revision


def refuse_foreign_tables(connection: Connection) -> None:
    """End with a sentence where tables of these names exist that no migration of ours has made."""
    ours = {models.Country.__tablename__, models.City.__tablename__}
    found = sorted(ours & set(inspect(connection).get_table_names()))
    connection.rollback()
    if found and current_revision(connection) is None:
        raise SystemExit(
            f"The database has {' and '.join(found)} already, not made by these migrations; nothing was changed. "
            "The application can read such a Sakila as it is. If a first migration was interrupted, drop the tables."
        )


def write_ahead_log(connection: Connection) -> None:
    """Let readers and a writer work at the same time on the file that is being made."""
    connection.exec_driver_sql("PRAGMA journal_mode = WAL")
    connection.rollback()


main()
