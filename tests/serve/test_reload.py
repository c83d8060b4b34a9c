"""What a reload does with a version that cannot be started, and with one that can."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.serve.serving import Serving

# Tells which process and which settings answer.
MORE = """

import os


@app.get("/shown")
def shown():
    settings = app.extensions["settings"]
    return {"pid": os.getpid(), "pool_size": settings.pool_size, "new": getattr(settings, "brand_new", None)}
"""

MISTAKES = {
    "a setting": (".env", "POOL_SIZE=banana\n", "POOL_SIZE='banana'\n    is not a whole number from 1 up to 1000"),
    "the application": ("app/__init__.py", "import nonsense\n", "ModuleNotFoundError: No module named 'nonsense'"),
    "Gunicorn's settings": ("gunicorn.conf.py", "timeout = 'banana'\n", "Invalid value for timeout: banana"),
}


@pytest.fixture(scope="module")
def server(extended: Path) -> Iterator[Serving]:
    with Serving(extended, WORKERS="1") as server:
        server.wait()
        yield server


@contextmanager
def changed(path: Path, text: str) -> Iterator[None]:
    """Let a file say something else during the block."""
    before = path.read_text() if path.exists() else ""
    path.write_text(text)
    yield
    path.write_text(before)


@pytest.mark.parametrize("where", MISTAKES)
def test_a_version_that_cannot_be_started_leaves_the_old_workers_alone(
    extended: Path, server: Serving, where: str
) -> None:
    said = "Not reloaded, the old workers go on."
    before, told = json(server), sum(event["event"].startswith(said) for event in server.events())
    name, mistake, reason = MISTAKES[where]

    with changed(extended / name, mistake):
        server.process.send_signal(signal.SIGHUP)
        server.wait_for_events(said, told + 1)

    assert reason in server.events()[-1]["event"]
    assert server.events()[-1]["level"] == "error"
    assert json(server) == before


def test_a_reload_brings_new_code_and_new_settings(extended: Path, server: Serving) -> None:
    config, before = extended / "config.py", json(server)
    code = config.read_text().replace("    workers: int", "    brand_new: int = 7\n    workers: int")

    with changed(extended / ".env", "POOL_SIZE=5\n"), changed(config, code):
        server.process.send_signal(signal.SIGHUP)
        server.wait_for_events("Worker exiting", 1)
        after = json(server)

    assert (after["pool_size"], after["new"]) == (5, 7)
    assert after["pid"] != before["pid"]


def test_a_worker_that_replaces_another_keeps_its_settings(extended: Path, serve: Callable[..., Serving]) -> None:
    server = serve(extended, WORKERS="1", MAX_REQUESTS="5")
    before = json(server)

    with changed(extended / ".env", "POOL_SIZE=banana\n"):
        for _ in range(5):
            server.get("/livez")
        server.wait_for_events("Booting worker", 2)
        after = json(server)

    assert after["pid"] != before["pid"]
    assert after["pool_size"] == before["pool_size"]


def json(server: Serving) -> Any:
    return server.get("/shown").json()
