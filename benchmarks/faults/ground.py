"""A server of our own with Sakila on it, of which each stack gets a copy: nobody meets another's locks and users."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, make_url

from benchmarks.faults.routes import TABLES
from testkit import servers
from testkit.databases import PREFIX, administer
from testkit.fault_servers import FaultServer, seeded_database


class Ground:
    """The server, and the database that is copied."""

    def __init__(self, server: FaultServer, template: URL) -> None:
        self.server, self.template = server, template

    @contextmanager
    def copy(self, token: str) -> Iterator[str]:
        """Yield the address of a copy, with a user of its own; the same token makes the same names."""
        with copy_of(self.template, token, self.server.admin) as url:
            yield url.render_as_string(hide_password=False)


@contextmanager
def copy_of(template: URL, token: str, order: Callable[[str], list[tuple[Any, ...]]]) -> Iterator[URL]:
    """Yield the address of a copy of a database, with a user of its own; `order` runs a statement there."""
    user, database = f"app_{token}", PREFIX + token
    order(f"CREATE DATABASE {database} CHARACTER SET utf8mb4")
    order(f"CREATE USER '{user}'@'%' IDENTIFIED BY '{token}'")
    order(f"GRANT ALL PRIVILEGES ON {database}.* TO '{user}'@'%'")
    for (table,) in order(f"SHOW TABLES FROM {template.database}"):
        order(f"CREATE TABLE {database}.{table} LIKE {template.database}.{table}")
        order(f"INSERT INTO {database}.{table} SELECT * FROM {template.database}.{table}")
    yield template.set(username=user, password=token, database=database)
    order(f"DROP DATABASE {database}")
    order(f"DROP USER '{user}'@'%'")


@contextmanager
def new_ground() -> Iterator[Ground]:
    """Yield a MariaDB that was started for us, without TLS, so that the proxies see packets; it must be installed."""
    # A killed server has what it has committed.
    server = FaultServer(servers.start_mariadb_locally("--innodb-flush-log-at-trx-commit=2"))
    try:
        with seeded_database(server) as database:
            administer(database.url, *TABLES)
            yield Ground(server, make_url(database.url))
    finally:
        server.remove()
