"""What happens to the processes of the application themselves."""

from __future__ import annotations

import signal

from benchmarks.faults.incidents.scene import ServerScene, incident


@incident(workers=2, one_at_a_time=True, begins_at_once=True, preload=True, pause=(0, 0.02))
def forked_after_connecting(scene: ServerScene) -> None:
    """The application asks the database while it is imported, and its two workers are forked afterwards (--preload)."""
    scene.wait(scene.seconds / 2)


@incident(workers=2, one_at_a_time=True)
def reload_under_load(scene: ServerScene) -> None:
    """A new version is rolled out (SIGHUP) under load."""
    scene.signal(signal.SIGHUP)
    scene.wait()


@incident(workers=2, one_at_a_time=True, max_requests=100)
def workers_replaced(scene: ServerScene) -> None:
    """Each worker is replaced after 100 to 200 requests (max_requests)."""
    scene.wait()


@incident()
def clock_set_back(scene: ServerScene) -> None:
    """The clock is set back by an hour, and then all connections are killed."""
    scene.ask_once("/clock?step=-3600")
    scene.wait(0.5)
    scene.again_and_again(scene.kill_connections, every=2)


@incident()
def clock_set_forward(scene: ServerScene) -> None:
    """The clock is set forward by a day."""
    scene.ask_once("/clock?step=86400")
    scene.wait(scene.seconds / 2)
