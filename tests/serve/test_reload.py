"""What a reload does with a version that cannot be started, and with one that can."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.serve.serving import Serving

SHOWING = """

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


@pytest.fixture
def showing(ready_tree: Path) -> Path:
    """A clone that tells which process and which settings answer."""
    with (ready_tree / "wsgi.py").open("a") as file:
        file.write(SHOWING)
    return ready_tree


@pytest.mark.parametrize("where", MISTAKES)
def test_a_version_that_cannot_be_started_leaves_the_old_workers_alone(
    showing: Path, serve: Callable[..., Serving], where: str
) -> None:
    server = serve(showing, WORKERS="1")
    before = json(server)
    name, mistake, reason = MISTAKES[where]
    path = showing / name
    sound = path.read_text() if path.exists() else ""

    path.write_text(mistake)
    server.process.send_signal(signal.SIGHUP)
    server.wait_for_events("Not reloaded, the old workers go on.", 1)

    assert reason in server.events()[-1]["event"]
    assert server.events()[-1]["level"] == "error"
    assert json(server) == before

    path.write_text(sound)
    server.process.send_signal(signal.SIGHUP)
    server.wait_for_events("Booting worker", 2)
    server.wait_for_events("Worker exiting", 1)
    assert json(server)["pid"] != before["pid"]


def test_a_reload_brings_new_code_and_new_settings(showing: Path, serve: Callable[..., Serving]) -> None:
    server = serve(showing, WORKERS="1")
    config = showing / "config.py"

    (showing / ".env").write_text("POOL_SIZE=5\n")
    config.write_text(config.read_text().replace("    workers: int", "    brand_new: int = 7\n    workers: int"))
    server.process.send_signal(signal.SIGHUP)
    server.wait_for_events("Worker exiting", 1)

    after = json(server)
    assert (after["pool_size"], after["new"]) == (5, 7)


def test_a_worker_that_replaces_another_keeps_its_settings(showing: Path, serve: Callable[..., Serving]) -> None:
    server = serve(showing, WORKERS="1", MAX_REQUESTS="5")
    before = json(server)

    (showing / ".env").write_text("POOL_SIZE=banana\n")
    for _ in range(5):
        server.get("/livez")
    server.wait_for_events("Booting worker", 2)

    after = json(server)
    assert after["pid"] != before["pid"]
    assert after["pool_size"] == before["pool_size"]


def json(server: Serving) -> Any:
    return server.get("/shown").json()
