"""What commands that fill the tables share: they know the schema, take turns, and leave the numbering in order."""

import click
from sqlalchemy import Connection, func, inspect, select, text

from app.extensions import Model
from app.schema import MAIN, quoted, refuse_hidden, schema_state


def refuse_unknown_schema(connection: Connection) -> None:
    """Raise ClickException where the tables are missing or not ours, the database's no where it hides them."""
    state = schema_state(connection)
    if state not in ("current", "newer"):
        refuse_hidden(connection, "alembic_version" if state == "unmanaged" else MAIN)
        raise click.ClickException("the tables are missing or not ours; nothing was changed. Run ./run migrate first.")


def wait_for_others(connection: Connection) -> None:
    """Let others who fill the tables wait until this transaction is over; its first statement, or it sees old rows."""
    if connection.dialect.name == "sqlite":
        # Python's driver would begin at the first INSERT only.
        connection.exec_driver_sql("BEGIN IMMEDIATE", execution_options={"leaves_no_trace": True})
    else:
        # MySQL and MariaDB lock the version row, which is there as soon as the tables are.
        is_postgresql = connection.dialect.name == "postgresql"
        of_rows = f"LOCK TABLE {quoted(connection, MAIN)} IN SHARE ROW EXCLUSIVE MODE"
        lock = of_rows if is_postgresql else _LOCK_VERSION
        connection.execute(text(lock).execution_options(leaves_no_trace=True))


_LOCK_VERSION = "SELECT version_num FROM alembic_version FOR UPDATE"


def continue_numbering(connection: Connection, *models: type[Model]) -> None:
    """Tell PostgreSQL's sequences about the ids that were given by hand; the others see for themselves."""
    if connection.dialect.name != "postgresql":
        return
    for model in models:
        (key,) = inspect(model).primary_key
        highest = select(func.max(key)).scalar_subquery()
        # Which reads the name of the table as SQL does, that of the column as it is.
        sequence = func.pg_get_serial_sequence(quoted(connection, model.__tablename__), key.name)
        follow = select(func.setval(sequence, highest))
        connection.execute(follow.execution_options(leaves_no_trace=True))
