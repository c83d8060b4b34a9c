"""The network between the application and its server fails, in each of the ways that networks have."""

from __future__ import annotations

from benchmarks.faults.incidents.scene import ServerScene, incident


@incident(hangs=True)
def black_hole(scene: ServerScene) -> None:
    """All bytes vanish on the way, in both directions; nothing is closed. Old connections stay deaf afterwards."""
    with scene.outage():
        scene.network.black_hole()
        scene.wait()
        scene.network.heal()


@incident(hangs=True)
def paused_network(scene: ServerScene) -> None:
    """Nothing moves for a while; then all of it goes on and nothing is lost."""
    with scene.outage():
        scene.network.freeze()
        scene.wait()
        scene.network.heal()


@incident(hangs=True)
def silent_accept(scene: ServerScene) -> None:
    """All connections are lost; new ones are accepted, and then not a word is said."""
    with scene.outage():
        scene.network.be_silent()
        scene.network.reset_all()
        scene.wait()
        scene.network.heal()


@incident()
def refused(scene: ServerScene) -> None:
    """All connections are lost, and new ones are refused."""
    with scene.outage():
        scene.network.refuse()
        scene.network.reset_all()
        scene.wait()
        scene.network.heal()


@incident(hangs=True)
def lost_syns(scene: ServerScene) -> None:
    """All connections are lost, and attempts to connect stay without an answer, as behind a firewall that drops."""
    with scene.outage():
        scene.network.lose_syns()
        scene.network.reset_all()
        scene.wait()
        scene.network.heal()


@incident(hangs=True)
def dripping_answers(scene: ServerScene) -> None:
    """Answers come as one byte each half second: no single read takes long, and no answer ever ends."""
    with scene.outage():
        scene.network.drip(0.5)
        scene.wait()
        scene.network.heal()


@incident()
def slow_network(scene: ServerScene) -> None:
    """Each round trip takes 0.2 s longer than usual; the database is there all the time."""
    scene.network.delay(0.1)
    scene.wait()
    scene.network.heal()
