"""The database is there, and something else keeps it or its connections busy."""

from __future__ import annotations

from benchmarks.faults.incidents.scene import ServerScene, incident


@incident(hangs=True)
def slow_queries(scene: ServerScene) -> None:
    """Four clients ask for a report that takes five seconds; the others go on asking for cities."""
    with scene.asking("/slow?seconds=5", clients=4):
        scene.wait()


@incident()
def busy_pool(scene: ServerScene) -> None:
    """Sixteen more clients ask for what takes the database half a second: threads and connections are all in use."""
    with scene.asking("/slow?seconds=0.5", clients=16):
        scene.wait()


@incident(hangs=True)
def pool_exhausted(scene: ServerScene) -> None:
    """Sixteen more clients ask for what takes the database a second and a half: whoever comes then waits that long."""
    with scene.asking("/slow?seconds=1.5", clients=16):
        scene.wait()


@incident()
def leak(scene: ServerScene) -> None:
    """Every 0.6 s a request keeps the connection it has acquired, for good: in the end more than any pool has."""
    for _ in range(2):
        scene.again_and_again(lambda: scene.ask_once("/leak"), every=0.6)
