"""What is measured on: a MariaDB of our own with Sakila's cities, and what it and the processes have used so far."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from sqlalchemy import make_url

from benchmarks.stacks import FOREIGN, Running
from testkit import processes, servers
from testkit.fault_servers import FaultServer, Kind, obtain, seeded_database

MOST_CONNECTIONS = 1000
"""All stacks are connected at once, and wait for their turn."""

COUNTERS = ("Connections", "Ssl_accepts")

COLUMNS_OF_FOREIGN = {
    "country": "country_id SMALLINT UNSIGNED PRIMARY KEY, country VARCHAR(50) NOT NULL",
    "city": "city_id SMALLINT UNSIGNED PRIMARY KEY, city VARCHAR(50) NOT NULL, country_id SMALLINT UNSIGNED NOT NULL,"
    " KEY by_somebody (city), KEY idx_fk_country_id (country_id)",
}
"""Sakila's own, of which the application makes use; and the index that its makers left out."""


@dataclass(frozen=True)
class Ground:
    """A server with seeded tables; `url` is for the application's user."""

    url: str
    server: FaultServer

    def counters(self) -> dict[str, int]:
        """Return the server's counters, on a connection that stays open."""
        return self.server.status(*COUNTERS)

    def cpu_seconds(self) -> float:
        """Return how much CPU the server has used."""
        assert self.server.server.folder
        pid = int((self.server.server.folder / "pid").read_text())
        return _cpu_seconds(psutil.Process(pid))


@contextmanager
def ground(*, tls: bool) -> Iterator[Ground]:
    """Yield a new server, with TLS or without, and remove it after the block; raises MissingError."""
    # Without TLS nobody encrypts: PyMySQL and others do by default wherever the server can.
    server = obtain(Kind.MARIADB) if tls else FaultServer(servers.start_mariadb_locally("--skip-ssl"))
    try:
        server.admin(f"SET GLOBAL max_connections = {MOST_CONNECTIONS}")
        with seeded_database(server) as database:
            _add_foreign(server, database.url)
            yield Ground(database.url, server)
    finally:
        server.remove()


def _add_foreign(server: FaultServer, url: str) -> None:
    """Copy the cities into tables as somebody else has them, for the same user to read."""
    own, user = make_url(url).database, make_url(url).username
    server.admin(f"CREATE DATABASE {own}{FOREIGN} CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci")
    for table, columns in COLUMNS_OF_FOREIGN.items():
        names = ", ".join(part.split()[0] for part in columns.split(", ") if not part.startswith("KEY"))
        server.admin(f"CREATE TABLE {own}{FOREIGN}.{table} ({columns}) SELECT {names} FROM {own}.{table}")
    server.admin(f"GRANT SELECT ON {own}{FOREIGN}.* TO '{user}'@'%'")


def what_is_missing() -> str:
    """Return the one sentence that says what to install, nothing if all is there."""
    wanted = {
        "wrk": shutil.which("wrk"),
        "mariadb-server": processes.program("mariadbd") and processes.program("mariadb-install-db"),
    }
    missing = [package for package, found in wanted.items() if not found]
    if not missing:
        return ""
    return f"./run bench needs {' and '.join(missing)}: on Debian and Ubuntu, apt install {' '.join(missing)}"


def web_cpu_seconds(running: Running) -> float:
    """Return how much CPU a stack has used, the children that have ended included."""
    master = psutil.Process(running.process.pid)
    ended = master.cpu_times()
    return float(sum(map(_cpu_seconds, [master, *master.children()])) + ended.children_user + ended.children_system)


def web_memory_mb(running: Running) -> float:
    """Return the resident memory of the largest process that answers."""
    return float(max(psutil.Process(pid).memory_info().rss for pid in running.workers()) / 1e6)


def web_switches(running: Running) -> int:
    """Return how often a thread of a stack has had to wait for something; 0 where the kernel does not tell."""
    files = [file for pid in running.workers() for file in Path(f"/proc/{pid}/task").glob("*/status")]
    lines = [line for file in files for line in _lines(file)]
    return sum(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches:"))


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):  # that thread has ended
        return []


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
