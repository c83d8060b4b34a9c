"""Some of the requests write, and each must be kept once or not at all."""

from __future__ import annotations

from benchmarks.faults.incidents.scene import ServerScene, incident
from testkit.packets import Cut


@incident(cuts_writes=True)
def cut_after_the_commit(scene: ServerScene) -> None:
    """The server has kept a write, and the connection is lost before it says so."""
    with scene.writing(clients=4):
        scene.again_and_again(lambda: scene.network.cut_one(Cut.AFTER, holding=b"COMMIT"))


@incident(cuts_writes=True)
def cut_after_the_insert(scene: ServerScene) -> None:
    """The server has run the first statement of a write, and the connection is lost before it says so."""
    with scene.writing(clients=4):
        scene.again_and_again(lambda: scene.network.cut_one(Cut.AFTER, holding=b"INSERT"))


@incident()
def deadlock(scene: ServerScene) -> None:
    """Eight clients write to the same two rows in opposite orders: the server ends one of each pair (error 1213)."""
    with scene.writing(clients=8):
        scene.wait()


@incident(hangs=True)
def row_locked(scene: ServerScene) -> None:
    """Somebody holds a lock on the row that four clients write to; the others go on asking for cities."""
    lock = "SELECT * FROM counter WHERE id = 1 FOR UPDATE"
    with scene.writing(clients=4):
        with scene.write_outage(), scene.holding(lock):
            scene.wait()
        scene.wait(1)


@incident(touches_server=True, needs_standby=True)
def read_only_failover(scene: ServerScene) -> None:
    """The server becomes read-only (error 1290), and a second later its address leads to another; nothing is closed."""
    assert scene.standby
    with scene.writing(clients=4):
        with scene.write_outage():
            scene.lasting.enter_context(scene.server.set_globally(read_only=1))
            scene.wait(1)
            scene.network.lead_to(scene.standby.port)
        scene.wait()
