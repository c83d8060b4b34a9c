"""Threads of ours know nothing of whoever started them, also where Python lets them inherit it."""

from __future__ import annotations

import ast
import contextvars
import threading
from pathlib import Path

import pytest
from sqlalchemy import Engine

from steadypool import deadline
from steadypool.core.threads import start_thread
from testkit.waiting import eventually
from tests.support.pools import steady

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def inheriting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let threads inherit the context, as free-threaded Python 3.14 does (`-X thread_inherit_context=1`)."""
    start, run = threading.Thread.start, threading.Thread.run

    def begin(self: threading.Thread) -> None:
        context = contextvars.copy_context()
        self.run = lambda: context.run(run, self)  # type: ignore[method-assign] # for the length of a test
        start(self)

    monkeypatch.setattr(threading.Thread, "start", begin)


def test_a_thread_has_no_deadline_of_its_starter(inheriting: None) -> None:
    seen: list[object] = []

    with deadline.within(1):
        start_thread("curious", lambda: seen.append(deadline.current())).join(5)

    assert seen == [None]


def test_a_probe_outlives_the_deadline_of_who_began_it(inheriting: None, engine: Engine) -> None:
    engine.connect().close()
    breaker = steady(engine).breaker

    with deadline.within(0):
        breaker.trip("a call was cut at its deadline")

    assert eventually(lambda: breaker.state == "closed")


def test_nobody_starts_a_thread_in_another_way() -> None:
    """Nor in an application that is beside the pool."""
    folders = [path for name in ("app", "steadypool") for path in (ROOT / name).rglob("*.py")]
    sources = [*folders, *(set(ROOT.glob("*.py")) - {ROOT / "conftest.py"})]
    found = [
        f"{path.relative_to(ROOT)}:{call.lineno}"
        for path in sources
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and ast.unparse(call.func).rpartition(".")[2] in STARTS
    ]

    assert len(found) == 2
    assert all(place.startswith("steadypool/core/threads.py:") for place in found)


STARTS = {"Thread", "Timer", "ThreadPoolExecutor", "start_new_thread", "start_joinable_thread"}
