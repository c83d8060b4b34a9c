"""The server goes away as a whole, and comes back."""

from __future__ import annotations

from benchmarks.faults.incidents.scene import ServerScene, incident


@incident(touches_server=True)
def restart(scene: ServerScene) -> None:
    """The server is shut down in order and started again a while later."""
    with scene.outage():
        scene.server.stop()
        scene.wait(scene.seconds / 2)
        scene.server.start()


@incident(touches_server=True)
def crash(scene: ServerScene) -> None:
    """The server dies (SIGKILL) and is started again a while later."""
    with scene.outage():
        scene.server.kill()
        scene.wait(scene.seconds / 2)
        scene.server.start()


@incident(touches_server=True, hangs=True)
def frozen_server(scene: ServerScene) -> None:
    """The server stops answering (SIGSTOP); connections stay open, new ones are accepted by the kernel."""
    with scene.outage():
        scene.server.freeze()
        scene.wait()
        scene.server.thaw()


@incident(hangs=True)
def table_locked(scene: ServerScene) -> None:
    """Somebody holds a lock on the table (LOCK TABLES, a long ALTER): every lookup waits, all else works."""
    with scene.outage(), scene.holding("LOCK TABLES city WRITE"):
        scene.wait()
