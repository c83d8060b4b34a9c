"""`python -m benchmarks.acquire`: what a warm acquire and release costs, beside SQLAlchemy's QueuePool.

On a SQLite file, so that next to nothing of it is the database. The two do not do the same. QueuePool, with
`pool_pre_ping` off, lends what is on top and sends a ROLLBACK on return. Ours, by its default policy, validates,
watches deadlines, keeps its counts, and a stack for reports of leaks; what that costs is seen with `leak_seconds=0`.
"""

from __future__ import annotations

import argparse
import gc
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from sqlalchemy import QueuePool, create_engine

import steadypool
from benchmarks.lines import sizes_of
from benchmarks.locks import CountingLock
from steadypool import PoolPolicy, SteadyPool, create_pool_engine

DEPTH = 40  # of the stack of a web application
ROUNDS, CALLS = 400, 150  # so short that in some of them nobody else is on the core
PACKAGE = Path(steadypool.__file__).parent
OURS, WITHOUT_STACK, PEER = "SteadyPool", "with leak_seconds=0", "QueuePool"
LOCKS = (type(threading.Lock()), type(threading.RLock()), threading.Condition)

Way = Callable[[], None]
"""Acquires and releases."""


def main() -> None:
    """Print what is counted, what is measured, and how large the package is."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.acquire", description=main.__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"{CALLS} times each; {ROUNDS} unless given")
    rounds = parser.parse_args().rounds
    with ways() as each:
        calls, times = own_calls(each[OURS]), measure(each, rounds)
    with our_pool() as pool:
        sections = lock_sections(pool)
    files = Counter(place.partition(":")[0] for place in calls.elements())
    print(f"{calls.total()} own calls in {len(files)} files, {sections.total()} lock sections ({_told(sections)})")
    print("\n".join(f"  {number} x {place}" for place, number in calls.items()))
    print("\n".join(f"{name:20} {us:5.1f} us, {us / times[PEER]:.2f} x {PEER}" for name, us in times.items()))
    sizes = sizes_of(PACKAGE)
    print(f"{sum(sizes.files.values())} lines in {len(sizes.files)} files, {sum(sizes.code.values())} of them code")
    print("longest: {} with {} lines; {} with {}".format(*sizes.longest_file(), *sizes.longest_function()))


@contextmanager
def ways() -> Iterator[dict[str, Way]]:
    """Return ours, ours without stacks, and the peer's, each on a connection of its own."""
    with our_pool() as ours, our_pool(leak_seconds=0) as without, _file() as file:
        peer = create_engine(f"sqlite:///{file}", poolclass=QueuePool, pool_size=8, max_overflow=0).pool
        yield {OURS: way_of(ours), WITHOUT_STACK: way_of(without), PEER: lambda: peer.connect().close()}
        peer.dispose()


@contextmanager
def our_pool(**policy: Any) -> Iterator[SteadyPool]:
    """Return a pool of ours with the default policy, but for what is given."""
    with _file() as file:
        pool = create_pool_engine(f"sqlite:///{file}", PoolPolicy(**policy)).pool
        assert isinstance(pool, SteadyPool)
        yield pool
        pool.dispose()


@contextmanager
def _file() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        (file := Path(folder, "empty.sqlite3")).touch()
        yield file


def way_of(pool: SteadyPool) -> Way:
    """Return acquire and release as an engine's Connection has them: it vouches for what it runs."""

    def acquire_and_release() -> None:
        proxy: Any = pool.connect()
        proxy._connection_record.use.changed = False  # else it would not be kept
        proxy.close()

    return acquire_and_release


# ---- counting ----


def own_calls(way: Way) -> Counter[str]:
    """Return which functions of ours a warm one calls, and how often."""
    counted: Counter[str] = Counter()

    def count(frame: FrameType, event: str, _argument: object) -> None:
        path = Path(frame.f_code.co_filename)
        if event == "call" and path.is_relative_to(PACKAGE):
            counted[f"{path.relative_to(PACKAGE)}:{frame.f_code.co_name}"] += 1

    way()
    sys.setprofile(count)
    try:
        way()
    finally:
        sys.setprofile(None)
    return counted


def lock_sections(pool: SteadyPool) -> Counter[str]:
    """Return which locks a warm one takes, and how often; in the pool there are counting ones from now on."""
    way, taken = way_of(pool), Counter[str]()
    way()
    _put_counters(pool, taken, {}, set())
    taken.clear()
    way()
    return +taken


def _put_counters(part: object, taken: Counter[str], known: dict[int, CountingLock], seen: set[int]) -> None:
    """Put counting locks into a part of the pool and into whatever of ours it holds; one lock stays one."""
    seen.add(id(part))
    for name, value in list(vars(part).items()):
        if isinstance(value, LOCKS):
            where = f"{type(part).__name__}.{name}"
            setattr(part, name, known.setdefault(id(value), CountingLock(value, where, taken)))
        elif type(value).__module__.startswith("steadypool") and hasattr(value, "__dict__") and id(value) not in seen:
            _put_counters(value, taken, known, seen)


def _told(sections: Counter[str]) -> str:
    return ", ".join(f"{number} x {name}" for name, number in sections.items())


# ---- measuring ----


def measure(each: dict[str, Way], rounds: int) -> dict[str, float]:
    """Return the microseconds of CPU of each, the best of so many rounds in turn."""
    times: dict[str, list[float]] = {name: [] for name in each}
    tracer = sys.gettrace()
    sys.settrace(None)  # what measures coverage takes its time for each line of ours, and for none of the peer's
    gc.collect()
    for _ in range(rounds):
        for name, way in each.items():
            times[name].append(_called_from_deep(DEPTH, partial(_cpu, way)))
    sys.settrace(tracer)
    return {name: min(found) for name, found in times.items()}


def _called_from_deep(frames: int, call: Callable[[], float]) -> float:
    """Call below a stack as deep as a web application's, all of which is kept for the reports of leaks."""
    return _called_from_deep(frames - 1, call) if frames else call()


def _cpu(way: Way) -> float:
    began = time.thread_time()
    for _ in range(CALLS):
        way()
    return (time.thread_time() - began) / CALLS * 1e6


if __name__ == "__main__":
    main()
