"""The database servers of the tests: given by address, started from local programs, or run in containers.

Nothing here touches a database of the user's: a given address lends its server and its user, and the tests make
databases of their own on it (`databases.py`).
"""

from __future__ import annotations

import getpass
import os
import random
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pymysql
from sqlalchemy import URL, make_url

NAMES = ("sqlite", "mariadb", "postgresql", "mysql")
DRIVERS = {"mariadb": "mariadb+pymysql", "mysql": "mysql+pymysql", "postgresql": "postgresql+psycopg"}
ADMIN = "sakila_admin"


class MissingError(Exception):
    """This database cannot be had here; the text says why and how to get it."""


@dataclass(frozen=True)
class Server:
    """A server that answers, the address of a user who may create databases on it, and how to end it."""

    name: str
    url: URL
    stop: Callable[[], None] = lambda: None
    folder: Path | None = None
    read_file: Callable[[str], bytes] | None = field(default=None, repr=False)


def obtain(name: str) -> Server:
    """Return a server that answers, or raise `MissingError`."""
    if name == "sqlite":
        folder = Path(tempfile.mkdtemp(prefix="sakila-sqlite-"))
        return Server(name, URL.create("sqlite"), lambda: shutil.rmtree(folder, ignore_errors=True), folder)
    if given := os.environ.get(f"TEST_{name.upper()}_URL"):
        return _given(name, given)
    return {"mysql": _mysql, "mariadb": _mariadb, "postgresql": _postgresql}[name]()


def _given(name: str, text: str) -> Server:
    url = make_url(text).set(drivername=DRIVERS[name])
    try:
        _connect(url).close()
    except (pymysql.Error, psycopg.Error) as error:
        raise MissingError(f"TEST_{name.upper()}_URL is set, but {url} does not answer: {error}") from error
    return Server(name, url)


def _mysql() -> Server:
    from tests.support.containers import start_mysql

    return start_mysql(secrets.token_hex(8))


def _mariadb() -> Server:
    install = _program("mariadb-install-db")
    daemon = _program("mariadbd")
    if not (install and daemon):
        from tests.support.containers import start_mariadb

        return start_mariadb(secrets.token_hex(8))
    return start_mariadb_locally()


def start_mariadb_locally(*options: str, files: Mapping[str, Path] | None = None) -> Server:
    """Start MariaDB's own programs in a temporary folder, with these files in it.

    `options` go to the daemon; `{folder}` in them is that folder.
    """
    program = _program("mariadb-install-db")
    if not program:
        raise MissingError("install MariaDB's server to have it")
    folder, user = _folder("mariadb"), _unprivileged("mysql")
    for name, source in (files or {}).items():
        shutil.copyfile(source, folder / name)
        if user:
            shutil.chown(folder / name, user)
    data, port, password = folder / "data", free_port(), secrets.token_hex(8)
    # Before the first start nobody may enter from outside: this file is the server's first client.
    start = folder / "start.sql"
    start.write_text(
        f"CREATE USER '{ADMIN}'@'%' IDENTIFIED BY '{password}';\n"
        f"GRANT ALL PRIVILEGES ON *.* TO '{ADMIN}'@'%' WITH GRANT OPTION;\n"
    )
    start.chmod(0o644)
    _run(
        [program, "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal", "--skip-test-db"],
        folder,
        user,
    )
    command = [
        _program("mariadbd"),
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
    process = _start(command, folder, user)
    url = URL.create(DRIVERS["mariadb"], ADMIN, password, "127.0.0.1", port)
    return _when_it_answers("mariadb", url, process, folder)


def _postgresql() -> Server:
    initdb = _program("initdb")
    if not initdb:
        from tests.support.containers import start_postgresql

        return start_postgresql(secrets.token_hex(8))
    folder, user = _folder("postgresql"), _unprivileged("postgres")
    data, port, password = folder / "data", free_port(), secrets.token_hex(8)
    secret = folder / "secret"
    secret.write_text(password)
    secret.chmod(0o644)
    make = [initdb, f"--pgdata={data}", f"--username={ADMIN}", f"--pwfile={secret}", "--auth=scram-sha-256"]
    _run([*make, "--no-locale", "--encoding=UTF8", "--no-sync"], folder, user)
    fast = [part for name in ("fsync", "synchronous_commit", "full_page_writes") for part in ("-c", f"{name}=off")]
    command = [str(Path(initdb).with_name("postgres")), "-D", str(data), "-p", str(port), "-h", "127.0.0.1"]
    process = _start([*command, "-c", "unix_socket_directories=", *fast], folder, user)
    url = URL.create(DRIVERS["postgresql"], ADMIN, password, "127.0.0.1", port, "postgres")
    return _when_it_answers("postgresql", url, process, folder)


def wait_until_it_answers(url: URL, is_alive: Callable[[], bool], seconds: float = 120) -> bool:
    """Return True once a client can log in, False when the server ended or the time is over."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and is_alive():
        try:
            _connect(url).close()
        except (pymysql.Error, psycopg.Error, OSError):
            time.sleep(0.1)
        else:
            return True
    return False


def _connect(url: URL):
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


def _when_it_answers(name: str, url: URL, process: subprocess.Popen[bytes], folder: Path) -> Server:
    def stop() -> None:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)

    if not wait_until_it_answers(url, lambda: process.poll() is None, 60):
        log = (folder / "log").read_text(errors="replace")[-2000:]
        stop()
        raise MissingError(f"{name} was started from {process.args[0]} but did not answer:\n{log}")
    return Server(name, url, stop, folder)


def _folder(name: str) -> Path:
    return Path(tempfile.mkdtemp(prefix=f"sakila-{name}-"))


def _unprivileged(account: str) -> str | None:
    """Both servers refuse to run as root: then they get an account of their own."""
    return account if getpass.getuser() == "root" or os.geteuid() == 0 else None


def _run(command: Sequence[str], folder: Path, user: str | None) -> None:
    if user:
        shutil.chown(folder, user)
    with (folder / "log").open("ab") as log:
        done = subprocess.run(command, cwd=folder, stdout=log, stderr=log, check=False, **_as_user(user))
    if done.returncode:
        text = (folder / "log").read_text(errors="replace")[-2000:]
        shutil.rmtree(folder, ignore_errors=True)
        raise MissingError(f"{command[0]} failed:\n{text}")


def _start(command: Sequence[str], folder: Path, user: str | None) -> subprocess.Popen[bytes]:
    # Ended by the kernel with us, however we end. A session of its own keeps Ctrl-C from it: we stop it in order.
    leash = ["setpriv", "--pdeathsig", "TERM"] if sys.platform == "linux" and shutil.which("setpriv") else []
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            [*leash, *command], cwd=folder, stdout=log, stderr=log, start_new_session=True, **_as_user(user)
        )


def _as_user(user: str | None) -> dict[str, object]:
    return {"user": user, "group": _group_of(user), "extra_groups": []} if user else {}


def _group_of(user: str) -> int:
    import pwd

    return pwd.getpwnam(user).pw_gid


def _program(name: str) -> str | None:
    places = [*Path("/usr/lib/postgresql").glob("*/bin"), Path("/opt/homebrew/bin"), Path("/usr/local/bin")]
    newest_first = sorted(places, key=str, reverse=True)
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", *map(str, newest_first)])
    found = shutil.which(name, path=path)
    return str(Path(found).resolve()) if found else None


def free_port() -> int:
    """Return a port that stays free: no client is given one of these for its own end of a connection."""
    while True:
        with closing(socket.socket()) as probe, suppress(OSError):
            probe.bind(("127.0.0.1", random.randrange(20_000, 32_000)))
            return probe.getsockname()[1]
