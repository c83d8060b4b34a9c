"""PgBouncer, the program of this machine, before a PostgreSQL: in transaction mode, with few connections of its own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import URL, make_url

from testkit import processes
from testkit.processes import Program, free_port
from testkit.servers import MissingError, wait_until_it_answers

CONNECTIONS = 2
CONFIGURATION = """
[databases]
{database} = host=127.0.0.1 port={port} user={user} password={password} dbname={database}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {own_port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {connections}
ignore_startup_parameters = {ignored}
"""


@contextmanager
def pgbouncer(url: str, *, ignored: str) -> Iterator[URL]:
    """Yield the address of a database as it is behind PgBouncer, which ignores these options of who connects.

    Raises `MissingError` where it is not installed.
    """
    command = processes.program("pgbouncer")
    if not command:
        raise MissingError("install PgBouncer to have it")
    direct, user = make_url(url), processes.unprivileged("postgres")
    folder, own_port = processes.new_folder("pgbouncer"), free_port()
    file = folder / "pgbouncer.ini"
    file.write_text(
        CONFIGURATION.format(
            database=direct.database,
            port=direct.port,
            user=direct.username,
            password=direct.password,
            own_port=own_port,
            connections=CONNECTIONS,
            ignored=ignored,
        )
    )
    if user:
        for path in (folder, file):  # the server's password is in it
            shutil.chown(path, user)
    program = Program([command, str(file)], folder, user)
    program.start()
    try:
        through = direct.set(port=own_port)
        if not wait_until_it_answers(through, program.is_running, 30):
            raise MissingError(f"{command} was started but did not answer:\n{program.log()}")
        yield through
    finally:
        program.remove()
