"""`python -m tests.support.storming`: a storm of exceptions in a process of its own.

What is thrown into threads may leave locks of Python's own behind (of logging, of standard error), and with them the
process that ran the tests.
"""

from __future__ import annotations

import argparse
import gc
import sqlite3
import subprocess
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from sqlalchemy import make_url, text

from steadypool import create_pool_engine
from testkit import ROOT
from testkit.databases import plain_engine
from tests.support.policies import POLICY
from tests.support.throwing import assert_all_is_back, storm, storm_of_signals

SIZE, THREADS = 2, 4
ENOUGH = 30
"""Exceptions met; fewer would say nothing."""


def run(url: str, admin_url: str, role: str, kind: str, *, times: int, seed: int) -> None:
    """Have it done, and fail where it ended badly or not at all."""
    given = [url, admin_url, role, kind, str(times), str(seed)]
    command = [sys.executable, "-m", "tests.support.storming", *given]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr[-3000:]


def main() -> None:
    """Use an engine while exceptions are thrown; end with 0 where no answer is wrong and all is back."""
    parser = argparse.ArgumentParser()
    for name in ("url", "admin_url", "role", "kind"):
        parser.add_argument(name)
    for name in ("times", "seed"):
        parser.add_argument(name, type=int)
    asked = parser.parse_args()
    # What is thrown while a connection is being made leaves it to the garbage collector, which closes it.
    warnings.simplefilter("ignore", ResourceWarning)
    policy = replace(POLICY, size=SIZE, timeout_seconds=3.0, tls="off")
    engine = create_pool_engine(asked.url, policy, role=asked.role)
    count = counter(asked.url, asked.admin_url)
    if asked.kind == "signals":
        users = storm_of_signals(engine, times=asked.times, seed=asked.seed)
    else:
        users = storm(engine, threads=THREADS, times=asked.times, seed=asked.seed)
    assert not users.wrong, users.wrong
    assert users.met > ENOUGH, f"next to nothing was thrown: {users.met}"
    assert_all_is_back(engine, SIZE, count)
    engine.dispose()


def counter(url: str, admin_url: str) -> Callable[[], int]:
    """Return what counts the connections that the engine's user has, by the server's word."""
    if url.startswith("sqlite"):
        return lambda: sum(isinstance(each, sqlite3.Connection) and is_open(each) for each in gc.get_objects())
    is_postgresql = url.startswith("postgresql")
    seen = (
        "SELECT count(*) FROM pg_stat_activity WHERE usename"
        if is_postgresql
        else ("SELECT count(*) FROM information_schema.processlist WHERE user")
    )
    admin = plain_engine(admin_url)

    def ask() -> int:
        with admin.connect() as connection:
            return int(connection.scalar(text(f"{seen} = :user"), {"user": make_url(url).username}) or 0)

    return ask


def is_open(connection: sqlite3.Connection) -> bool:
    """Tell whether a connection to SQLite was not closed."""
    with suppress(sqlite3.ProgrammingError):
        return connection.total_changes >= 0
    return False


if __name__ == "__main__":
    main()
