"""Connections die while the server is there: whoever makes a new one is served."""

from __future__ import annotations

from benchmarks.faults.incidents.scene import ServerScene, incident
from testkit.packets import Cut

QUERY = b"FROM city"
"""What every stack's lookup has in it."""


@incident()
def killed_connections(scene: ServerScene) -> None:
    """An administrator kills all connections, once a second."""
    scene.again_and_again(scene.kill_connections, every=1)


@incident()
def reset_connections(scene: ServerScene) -> None:
    """A firewall resets all connections (RST), once a second."""
    scene.again_and_again(scene.network.reset_all, every=1)


@incident(touches_server=True, variables={"wait_timeout": 2})
def idle_timeout(scene: ServerScene) -> None:
    """Nobody comes for a while, the server closes what idles (wait_timeout), and then everybody comes at once."""
    with scene.quiet():
        scene.wait(3)


@incident()
def cut_between_test_and_query(scene: ServerScene) -> None:
    """A connection that has just been tested is lost when the query is sent; the server never sees it."""
    scene.again_and_again(lambda: scene.network.cut_one(Cut.BEFORE, holding=QUERY))


@incident()
def cut_before_the_answer(scene: ServerScene) -> None:
    """The server has run the query, and the connection is lost before the answer comes."""
    scene.again_and_again(lambda: scene.network.cut_one(Cut.AFTER, holding=QUERY))


@incident()
def one_lost_connect(scene: ServerScene) -> None:
    """All connections are lost, and of the new ones the first is cut before the greeting, once a second."""

    def lose_one() -> None:
        scene.network.cut_one(Cut.BEFORE, "to client")
        scene.network.reset_all()

    scene.again_and_again(lose_one, every=1)


@incident(touches_server=True, one_at_a_time=True)
def max_connections_reached(scene: ServerScene) -> None:
    """A neighbour has taken all that is left of max_connections: those that are open go on, new ones get error 1040."""
    with scene.server.set_globally(max_connections=10), scene.no_connection_left():  # the least that MariaDB takes
        scene.wait()


@incident(hangs=True)
def forgotten_by_the_firewall(scene: ServerScene) -> None:
    """A firewall forgets the connections that are open and tells nobody; new ones pass."""
    scene.network.black_hole(existing=True, new=False)
    scene.wait()
