"""A child process whose garbage collector finds what its parent's threads forgot, before the pool has begun anew."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from steadypool import create_pool_engine
from tests.support.fake_driver import FakeDriver
from tests.support.policies import POLICY
from tests.support.pools import steady
from tests.support.stress import ended

pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")  # that is what is tried


@pytest.mark.usefixtures("frozen")
@pytest.mark.parametrize("somebody_is_in_the_pool", [False, True])
def test_what_the_parent_forgot_is_left_alone(tmp_path: Path, somebody_is_in_the_pool: bool) -> None:
    """Neither does the child close it, nor wait for a lock that a thread had that it has not got."""
    (tmp_path / "none.sqlite3").touch()
    driver = FakeDriver()
    engine = create_pool_engine(f"sqlite:///{tmp_path}/none.sqlite3", POLICY, creator=driver.connect)
    pool = steady(engine)
    pool.forget_parent = after_collecting(pool.forget_parent)  # type: ignore[method-assign] # for this one
    gc.disable()
    circle: list[Any] = [engine.connect()]
    circle.append(circle)
    del circle
    has_begun, is_over = threading.Event(), threading.Event()
    holder = threading.Thread(target=hold, args=(pool.stats.lock, has_begun, is_over))
    if somebody_is_in_the_pool:
        holder.start()
        has_begun.wait(5)

    if (child := os.fork()) == 0:
        os._exit(len(driver.wrong))
    how = ended(child, 5)

    is_over.set()
    if somebody_is_in_the_pool:
        holder.join()
    gc.enable()
    gc.collect()
    engine.dispose()
    assert how == "exit code 0"


def after_collecting(forget: Callable[[], None]) -> Callable[[], None]:
    """Have the garbage collector come by first, as it may at any line and in the hooks of others."""

    def collect_and_forget() -> None:
        gc.collect()
        forget()

    return collect_and_forget


def hold(lock: Any, has_begun: threading.Event, is_over: threading.Event) -> None:
    with lock:
        has_begun.set()
        is_over.wait(30)
