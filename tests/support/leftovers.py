"""What a fault must not leave behind: threads, open files, connections that are nobody's, statements that still run."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from testkit.fault_servers import FaultServer
from tests.support.pools import steady

WATCHDOG = "pool-housekeeping"
LAST_THREADS_SECONDS = 6.0
"""The drivers in C count whole seconds, psycopg at least two: for so long a thread may wait for a connect of theirs."""


def seconds_until(is_so: Callable[[], Any], at_most: float) -> float:
    """Wait until something is so and return how long that took; fail when it takes longer than this."""
    began = time.monotonic()
    while not is_so():
        assert time.monotonic() - began <= at_most, f"not so after {at_most} s: {is_so.__qualname__}"
        time.sleep(0.01)
    return time.monotonic() - began


def assert_nothing_is_lent(engine: Engine) -> None:
    """Every permit is back, and every connection that was not closed lies in the pool."""
    seen = steady(engine).snapshot()
    assert (seen["in_use"], seen["pending"]) == (0, 0)
    assert seen["opened"] - sum(seen["closed"].values()) == seen["idle"]


def assert_no_orphans(server: FaultServer, user: str, within: float) -> None:
    """The server works for nobody any more, at the latest after so many seconds."""
    seconds_until(lambda: not server.running(user), within)


@contextmanager
def leaving_nothing() -> Iterator[None]:
    """At the end there are as many open files as at the beginning and, but for the housekeeping, the same threads."""
    threads, files = set(threading.enumerate()), _open_files()
    yield

    def is_over() -> bool:
        gc.collect()  # psycopg itself leaves the sockets of connects that timed out in a circle of references
        more = {thread for thread in threading.enumerate() if thread.name != WATCHDOG} - threads
        return not more and _open_files() <= files

    try:
        seconds_until(is_over, LAST_THREADS_SECONDS)
    except AssertionError:
        left = [thread.name for thread in set(threading.enumerate()) - threads]
        raise AssertionError(f"left over: threads {left}; {_open_files()} open files after {files}") from None


def _open_files() -> int:
    """Count what this process has open, but not the local sockets with which Docker's client comes and goes."""
    local = {line.split()[6] for line in Path("/proc/net/unix").read_text().splitlines()}
    targets = [_target(entry) for entry in Path("/proc/self/fd").iterdir()]
    return sum(target.removeprefix("socket:[").rstrip("]") not in local for target in targets if target)


def _target(entry: Path) -> str:
    try:
        return str(entry.readlink())
    except FileNotFoundError:  # the one that reads this folder
        return ""
