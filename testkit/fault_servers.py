"""Servers that nobody else uses: each can be frozen, stopped, killed and asked what it counts."""

from __future__ import annotations

import secrets
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pymysql

from testkit import containers, processes, servers
from testkit.certificates import make_certificates
from testkit.databases import Database, administer, migrate_and_seed, new_database
from testkit.servers import Server, wait_until_it_answers


class Kind(Enum):
    """Which server; not the name alone, for which the other tests' fleet would start one of its own."""

    MARIADB = "mariadb"
    MARIADB118 = "mariadb118"
    MYSQL = "mysql"
    POSTGRESQL = "postgresql"


class Session(NamedTuple):
    """A connection as the server sees it."""

    id: int
    user: str
    command: str
    statement: str


class FaultServer:
    """A server that nobody else uses, with a connection to it that no fault of the network touches."""

    def __init__(self, server: Server, ca: Path | None = None) -> None:
        assert server.control, "a server that was given by its address is not ours to break"
        self.name, self.server, self.control, self.ca = server.name, server, server.control, ca
        self.backend = server.url.get_backend_name()
        self.is_mysql = self.backend != "postgresql"
        # Frozen, it closes nothing and answers nothing, and the kernel accepts who connects.
        self.freeze, self.thaw = server.control.freeze, server.control.thaw
        # As an operator would, and as a crash would.
        self.stop, self.kill = server.control.shut_down, server.control.kill
        self._lock = threading.RLock()
        self._connection: Any = None  # PyMySQL's or psycopg's

    @property
    def port(self) -> int:
        """Return where it listens, on this machine."""
        return int(self.server.url.port or 0)

    def start(self) -> float:
        """Start it on the same port and data, and return when (monotonic) it first let somebody in."""
        self.control.start()
        assert wait_until_it_answers(self.server.url, self.control.is_running, 60, pause=0.02)
        return time.monotonic()

    def restart(self) -> float:
        """Stop and start it; return when (monotonic) it first let somebody in."""
        self.stop()
        return self.start()

    def repair(self) -> None:
        """Let it run, whatever a test has done to it."""
        self.thaw()
        if not self.control.is_running():
            self.start()

    # ---- questions and orders ----

    def admin(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run a statement as the administrator, on a connection of its own that stays open."""
        with self._lock:
            if self._connection is None:
                self._connection = self._connect()
            try:
                cursor = self._connection.cursor()
                cursor.execute(sql, values or None)
                return list(cursor.fetchall()) if cursor.description else []
            except (pymysql.OperationalError, pymysql.InterfaceError, psycopg.OperationalError):
                if self._is_open():
                    raise
                self._connection = None  # the server was away in between
                return self.admin(sql, *values)

    def sessions(self, user: str) -> list[Session]:
        """Return the connections of this user; counted as no statement of the kinds that tests count."""
        if self.is_mysql:
            rows = self.admin("SHOW FULL PROCESSLIST")
            return [Session(row[0], row[1], row[4], row[7] or "") for row in rows if row[1] == user]
        rows = self.admin(
            "SELECT pid, usename, coalesce(state, ''), query FROM pg_stat_activity WHERE usename = %s", user
        )
        return [Session(*row) for row in rows]

    def running(self, user: str) -> list[str]:
        """Return the statements that run for this user right now."""
        busy = "Query" if self.is_mysql else "active"
        return [session.statement for session in self.sessions(user) if session.command == busy]

    def kill_connections(self, user: str) -> int:
        """End all connections that this user has now; return how many those were."""
        before = self.sessions(user)
        for session in before:
            try:
                self.admin(f"KILL {session.id}" if self.is_mysql else f"SELECT pg_terminate_backend({session.id})")
            except pymysql.OperationalError as error:
                if error.args[0] != pymysql.constants.ER.NO_SUCH_THREAD:  # gone by itself
                    raise
        return len(before)

    def status(self, *names: str) -> dict[str, int]:
        """Return these counters of a MySQL or MariaDB."""
        wanted = {name.lower() for name in names}
        rows = self.admin("SHOW GLOBAL STATUS")
        return {name: int(value) for name, value in rows if name.lower() in wanted}

    @contextmanager
    def counting(self, *names: str) -> Iterator[dict[str, int]]:
        """Yield a dictionary that says, after the block, by how much each counter has grown."""
        before, grown = self.status(*names), dict[str, int]()
        yield grown
        grown.update({name: value - before[name] for name, value in self.status(*names).items()})

    @contextmanager
    def set_globally(self, **values: int) -> Iterator[None]:
        """Change global variables of a MySQL or MariaDB for a while; new connections see them."""
        before = {name: self.admin(f"SELECT @@GLOBAL.{name}")[0][0] for name in values}
        try:
            for name, value in values.items():
                self.admin(f"SET GLOBAL {name} = {value}")
            yield
        finally:
            self.repair()
            for name, value in before.items():
                self.admin(f"SET GLOBAL {name} = {value}")

    def remove(self) -> None:
        """End it for good."""
        if self._connection is not None:
            self._connection.close()
        self.server.stop()

    def _connect(self) -> Any:
        url = self.server.url
        to: dict[str, Any] = {"host": url.host, "port": url.port, "user": url.username, "password": url.password}
        if self.is_mysql:
            return pymysql.connect(**to, autocommit=True, connect_timeout=10, read_timeout=20)
        return psycopg.connect(**to, dbname=url.database, autocommit=True, connect_timeout=10)

    def _is_open(self) -> bool:
        return bool(self._connection.open if self.is_mysql else not self._connection.closed)


@contextmanager
def seeded_database(server: FaultServer, fill: Callable[[str], None] = migrate_and_seed) -> Iterator[Database]:
    """Yield a database that is filled, by the application's commands if nothing is said.

    Its user may do everything there and nothing elsewhere.
    """
    user, password = f"app_{secrets.token_hex(4)}", secrets.token_hex(8)
    admin = server.server.url
    with new_database(server.server) as made:
        url = admin.set(username=user, password=password, database=made.url.rpartition("/")[2])
        if server.is_mysql:
            orders = [
                f"CREATE USER '{user}'@'%' IDENTIFIED BY '{password}'",
                f"GRANT ALL PRIVILEGES ON {url.database}.* TO '{user}'@'%'",
            ]
        else:
            orders = [
                f"CREATE ROLE {user} LOGIN PASSWORD '{password}'",
                f"ALTER DATABASE {url.database} OWNER TO {user}",
            ]
        administer(admin, *orders)
        address = url.render_as_string(hide_password=False)
        fill(address)
        yield Database(made.name, address, made.admin_url, server.server)
        server.repair()
    administer(admin, f"DROP USER {user}")


def obtain(kind: Kind) -> FaultServer:
    """Return a server of that kind of our own, or raise `MissingError`."""
    if kind is Kind.MARIADB and processes.program("mariadb-install-db"):
        return _mariadb()
    if kind is Kind.POSTGRESQL and processes.program("initdb"):
        return FaultServer(servers.start_postgresql_locally("synchronous_commit=on"))
    # A killed server has what it has committed: the defaults of the other tests keep the log in memory for a second.
    options = () if kind is Kind.POSTGRESQL else ("--innodb-flush-log-at-trx-commit=2", "--innodb-doublewrite=OFF")
    more = ("--skip-log-bin",) if kind is Kind.MYSQL else ()
    return FaultServer(containers.start_container(kind.value, secrets.token_hex(8), *options, *more, keeps_data=True))


def _mariadb() -> FaultServer:
    names = {"ca": "ca.pem", "cert": "server.pem", "key": "key.pem"}
    folder = Path(tempfile.mkdtemp(prefix="sakila-certificates-"))
    files = dict(zip(names.values(), make_certificates(folder), strict=True))
    tls = [f"--ssl-{what}={{folder}}/{name}" for what, name in names.items()]
    started = servers.start_mariadb_locally("--innodb-flush-log-at-trx-commit=2", *tls, files=files)
    for file in files.values():
        file.unlink()
    folder.rmdir()
    return FaultServer(started, started.folder and started.folder / "ca.pem")
