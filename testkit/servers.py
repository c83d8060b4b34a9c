"""The database servers of the tests: given by address, started from local programs, or run in containers.

Nothing here touches a database of the user's: a given address lends its server and its user, and the tests make
databases of their own on it (`databases.py`).
"""

from __future__ import annotations

import atexit
import os
import secrets
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import psycopg
import pymysql
from sqlalchemy import URL, make_url

from testkit import processes
from testkit.processes import FailedError, Program, free_port

NAMES = ("sqlite", "mariadb", "mariadb118", "postgresql", "mysql")
"""MariaDB twice: as Debian has it, and the first long-term release with snapshot isolation and newer collations."""
DRIVERS = {
    "mariadb": "mariadb+pymysql",
    "mariadb118": "mariadb+pymysql",
    "mysql": "mysql+pymysql",
    "postgresql": "postgresql+psycopg",
}
ADMIN = "sakila_admin"


class MissingError(Exception):
    """This database cannot be had here; the text says why and how to get it."""


class Control(Protocol):
    """What can be done to a server of the tests' own; its address and its data stay."""

    def freeze(self) -> None:
        """Stop it where it is: nothing is closed, nothing is answered."""

    def thaw(self) -> None:
        """Let it go on, if it was stopped."""

    def shut_down(self) -> None:
        """End it as an operator would."""

    def kill(self) -> None:
        """End it as a crash would."""

    def start(self) -> None:
        """Start it again; it does not answer yet."""

    def is_running(self) -> bool:
        """Tell whether it has not ended."""


@dataclass(frozen=True)
class Server:
    """A server that answers, the address of a user who may create databases on it, and how to end it."""

    name: str
    url: URL
    stop: Callable[[], None] = lambda: None
    folder: Path | None = None
    read_file: Callable[[str], bytes] | None = field(default=None, repr=False)
    control: Control | None = field(default=None, repr=False)


def obtain(name: str) -> Server:
    """Return a server that answers, or raise `MissingError`."""
    if name == "sqlite":
        folder = Path(tempfile.mkdtemp(prefix="sakila-sqlite-"))
        return Server(name, URL.create("sqlite"), lambda: shutil.rmtree(folder, ignore_errors=True), folder)
    if given := os.environ.get(f"TEST_{name.upper()}_URL"):
        return _given(name, given)
    if name == "mariadb" and processes.program("mariadb-install-db") and processes.program("mariadbd"):
        return start_mariadb_locally()
    if name == "postgresql" and processes.program("initdb"):
        return start_postgresql_locally()
    from testkit import containers

    return containers.start_container(name, secrets.token_hex(8))


def _given(name: str, text: str) -> Server:
    url = make_url(text).set(drivername=DRIVERS[name])
    try:
        _connect(url).close()
    except (pymysql.Error, psycopg.Error) as error:
        raise MissingError(f"TEST_{name.upper()}_URL is set, but {url} does not answer: {error}") from error
    return Server(name, url)


def start_mariadb_locally(*options: str, files: Mapping[str, Path] | None = None) -> Server:
    """Start MariaDB's own programs in a temporary folder, with these files in it.

    `options` go to the daemon; `{folder}` in them is that folder.
    """
    install, daemon = processes.program("mariadb-install-db"), processes.program("mariadbd")
    if not (install and daemon):
        raise MissingError("install MariaDB's server to have it")
    folder, user = processes.new_folder("mariadb"), processes.unprivileged("mysql")
    for name, source in (files or {}).items():
        shutil.copyfile(source, folder / name)
        if user:
            shutil.chown(folder / name, user)
    data, port, password = folder / "data", free_port(), secrets.token_hex(8)
    # Before the first start nobody may enter from outside: this file is the server's first client.
    start = folder / "start.sql"
    start.write_text(
        "SET sql_log_bin = 0;\n"  # no business of a replica's
        f"CREATE USER IF NOT EXISTS '{ADMIN}'@'%' IDENTIFIED BY '{password}';\n"
        f"GRANT ALL PRIVILEGES ON *.* TO '{ADMIN}'@'%' WITH GRANT OPTION;\n"
    )
    start.chmod(0o644)
    _make_data(["cp", "-a", f"{_new_mariadb(install, user)}/.", str(data)], folder, user)
    command = [
        daemon,
        "--no-defaults",
        f"--datadir={data}",
        f"--port={port}",
        "--bind-address=127.0.0.1",
        f"--socket={folder / 's'}",
        f"--pid-file={folder / 'pid'}",
        f"--init-file={start}",
        "--skip-name-resolve",
        # Nothing here outlives the tests, so nothing has to be safe on disk.
        "--innodb-flush-log-at-trx-commit=0",
        "--innodb-doublewrite=0",
        "--innodb-buffer-pool-size=64M",
        "--innodb-fast-shutdown=2",
        *(option.format(folder=folder) for option in options),
    ]
    url = URL.create(DRIVERS["mariadb"], ADMIN, password, "127.0.0.1", port)
    return _start("mariadb", url, Program(command, folder, user))


_making = threading.Lock()


def _new_mariadb(install: str, user: str | None) -> Path:
    """Return the data of a server that was never started, to be copied: to make it takes seconds of CPU."""
    with _making:
        return _made_once(install, user)


@cache
def _made_once(install: str, user: str | None) -> Path:
    folder = processes.new_folder("new-mariadb")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    data = folder / "data"
    make = [install, "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal", "--skip-test-db"]
    _make_data(make, folder, user)
    return data


def start_postgresql_locally(*options: str, copy_of: URL | None = None) -> Server:
    """Start PostgreSQL's own programs in a temporary folder; `options` are of the form name=value.

    With `copy_of` it is a standby, which follows the server at that address.
    """
    initdb = processes.program("initdb")
    if not initdb:
        raise MissingError("install PostgreSQL's server to have it")
    folder, user = processes.new_folder("postgresql"), processes.unprivileged("postgres")
    data, port, password = folder / "data", free_port(), secrets.token_hex(8)
    secret = folder / "secret"
    secret.write_text(password)
    secret.chmod(0o644)
    make = [initdb, f"--pgdata={data}", f"--username={ADMIN}", f"--pwfile={secret}", "--auth=scram-sha-256"]
    if copy_of:
        password, source = str(copy_of.password), copy_of.set(drivername="postgresql", database=None)
        make = [str(Path(initdb).with_name("pg_basebackup")), f"--pgdata={data}", "--write-recovery-conf"]
        make += [f"--dbname={source.render_as_string(hide_password=False)}", "--checkpoint=fast"]
    else:
        make += ["--no-locale", "--encoding=UTF8"]
    _make_data([*make, "--no-sync"], folder, user)
    fast = ["fsync=off", "synchronous_commit=off", "full_page_writes=off"]
    settings = [part for value in ("unix_socket_directories=", *fast, *options) for part in ("-c", value)]
    command = [str(Path(initdb).with_name("postgres")), "-D", str(data), "-p", str(port), "-h", "127.0.0.1", *settings]
    url = URL.create(DRIVERS["postgresql"], ADMIN, password, "127.0.0.1", port, "postgres")
    # SIGTERM would wait for all clients to go by themselves.
    return _start("postgresql", url, Program(command, folder, user, goodbye=signal.SIGINT))


def _make_data(command: list[str], folder: Path, user: str | None) -> None:
    try:
        processes.run_to_end(command, folder, user)
    except FailedError as error:
        raise MissingError(str(error)) from error


def _start(name: str, url: URL, program: Program) -> Server:
    program.start()
    if not wait_until_it_answers(url, program.is_running, 60):
        log = program.log()
        program.remove()
        raise MissingError(f"{name} was started from {program.command[0]} but did not answer:\n{log}")
    return Server(name, url, program.remove, program.folder, control=program)


def wait_until_it_answers(url: URL, is_alive: Callable[[], bool], seconds: float = 120, *, pause: float = 0.1) -> bool:
    """Return True once a client can log in, False when the server ended or the time is over."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and is_alive():
        try:
            _connect(url).close()
        except Exception:  # whatever a driver makes of a server that is just starting
            time.sleep(pause)
        else:
            return True
    return False


def _connect(url: URL) -> Any:
    host, port = url.host or "127.0.0.1", url.port
    if url.get_backend_name() == "postgresql":
        return psycopg.connect(
            host=host,
            port=port or 5432,
            user=url.username,
            password=url.password,
            dbname=url.database or "postgres",
            connect_timeout=5,
        )
    return pymysql.connect(
        host=host, port=port or 3306, user=url.username, password=url.password or "", connect_timeout=5
    )
