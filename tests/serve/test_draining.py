"""SIGTERM where a balancer needs time: /readyz says no at once, and all is answered until the notice is over."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

from testkit.waiting import eventually
from tests.serve.serving import Serving
from tests.serve.visitors import Visitors


def is_draining(server: Serving) -> bool:
    """Tell it as a balancer would."""
    answer = server.get("/readyz")
    return answer.status == 503 and answer.json()["status"] == "draining"


def test_all_is_answered_until_the_notice_is_over(ready_tree: Path, serve: Callable[..., Serving]) -> None:
    server = serve(ready_tree, WORKERS="2", SHUTDOWN_DELAY_SECONDS="4")
    assert server.get("/readyz").status == 200

    with Visitors(server.port) as busy, Visitors(server.port, 4, pause=0.5) as idle:
        busy.wait_for(20)
        server.process.send_signal(signal.SIGTERM)
        assert eventually(lambda: is_draining(server))
        busy.wait_for(20)
        assert server.get("/livez").status == 200  # on a new connection
        code = server.process.wait(30)

    assert code == 0
    assert (busy.tally.failed, idle.tally.failed) == ([], [])


def test_whoever_cannot_wait_says_so_twice(ready_tree: Path, serve: Callable[..., Serving]) -> None:
    server = serve(ready_tree, SHUTDOWN_DELAY_SECONDS="600")

    server.process.send_signal(signal.SIGTERM)
    assert eventually(lambda: is_draining(server))
    server.process.send_signal(signal.SIGHUP)
    server.wait_for_events("Not reloaded: this server is about to stop.", 1)
    server.process.send_signal(signal.SIGTERM)

    assert server.process.wait(20) == 0


def test_a_notice_of_another_time_is_forgotten(ready_tree: Path, tmp_path: Path, serve: Callable[..., Serving]) -> None:
    folder = tmp_path / "counts"
    folder.mkdir()
    (folder / "draining").touch()

    server = serve(ready_tree, PROMETHEUS_MULTIPROC_DIR=str(folder))

    assert server.get("/readyz").status == 200


def test_without_room_for_the_notice_the_listener_still_waits(
    ready_tree: Path, tmp_path: Path, serve: Callable[..., Serving]
) -> None:
    folder = tmp_path / "counts"
    server = serve(ready_tree, SHUTDOWN_DELAY_SECONDS="2", PROMETHEUS_MULTIPROC_DIR=str(folder))
    folder.rename(tmp_path / "elsewhere")
    folder.touch()

    server.process.send_signal(signal.SIGTERM)

    server.wait_for_events("Draining", 1)
    assert server.get("/livez").status == 200
    assert server.process.wait(20) == 0
    assert any("cannot say so" in event["event"] for event in server.events())
