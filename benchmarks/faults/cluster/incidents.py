"""What happens to a cluster, to what stands before it, and to who asks it, each told as a short incident report."""

from __future__ import annotations

from benchmarks.faults.cluster.scene import INCIDENTS as INCIDENTS
from benchmarks.faults.cluster.scene import ClusterScene, incident
from testkit.yard import wait_for


@incident()
def writer_killed(scene: ClusterScene) -> None:
    """The node that takes the writes dies (SIGKILL), and comes back a while later."""
    scene.writer.control.kill()
    scene.wait()
    scene.come_back(scene.writer)


@incident()
def reader_killed(scene: ClusterScene) -> None:
    """A node that is only read dies (SIGKILL), and comes back a while later."""
    scene.reader.control.kill()
    scene.wait()
    scene.come_back(scene.reader)


@incident()
def writer_frozen(scene: ClusterScene) -> None:
    """The node that takes the writes stops answering; nothing is closed. Later it goes on."""
    scene.writer.control.freeze()
    scene.wait()
    scene.writer.control.thaw()
    scene.cluster.wait_until_whole()


@incident()
def reader_frozen(scene: ClusterScene) -> None:
    """A node that is only read stops answering; nothing is closed. Later it goes on."""
    scene.reader.control.freeze()
    scene.wait()
    scene.reader.control.thaw()
    scene.cluster.wait_until_whole()


@incident()
def reader_cut_off(scene: ClusterScene) -> None:
    """A node that is only read loses the other two, and is still reached: it lets in, and refuses everything (1047)."""
    with scene.cut_off(scene.reader):
        scene.wait()


@incident()
def writer_cut_off(scene: ClusterScene) -> None:
    """The node that takes the writes loses the other two, and is still reached: it lets in, and refuses everything."""
    with scene.cut_off(scene.writer):
        scene.wait()


@incident()
def majority_lost(scene: ClusterScene) -> None:
    """All three nodes lose each other: none is of a majority, and all refuse; then they find each other again."""
    with scene.cut_off(*scene.others):
        wait_for(lambda: scene.writer.has_left, "leave")
        scene.wait()


@incident()
def rolling_restart(scene: ClusterScene) -> None:
    """One node after the other is shut down in order and started again, the one that takes the writes last."""
    for node in (*scene.others, scene.writer):
        node.control.shut_down()
        scene.come_back(node)


@incident()
def state_transfer(scene: ClusterScene) -> None:
    """A node that is only read comes without its data, and is given all of it by another one (SST)."""
    scene.reader.forget()
    scene.reader.control.kill()
    scene.come_back(scene.reader)


@incident()
def flow_control(scene: ClusterScene) -> None:
    """A node that is only read cannot apply what is written (LOCK TABLES), and has all who write wait for it."""
    with scene.locking("visit", scene.reader):
        scene.wait()


@incident(writes_anywhere=True)
def conflicts(scene: ClusterScene) -> None:
    """All nodes take writes, and all of them change the same two rows: of two COMMITs one is refused (error 1213)."""
    scene.wait()


@incident()
def table_changed(scene: ClusterScene) -> None:
    """A column is added to the table that is written to, and dropped again, over and over."""
    scene.again_and_again(
        lambda: scene.change_tables("ALTER TABLE {}.visit ADD note INT", "ALTER TABLE {}.visit DROP note"), every=1
    )


@incident()
def haproxy_reloaded(scene: ClusterScene) -> None:
    """HAProxy reads its configuration anew, once every two seconds."""
    scene.again_and_again(lambda: scene.cluster.proxy.kill("SIGUSR2"), every=2)


@incident()
def haproxy_killed(scene: ClusterScene) -> None:
    """HAProxy dies (SIGKILL), and is started again three seconds later: a single point here."""
    with scene.outage():
        scene.haproxy.kill()
        scene.wait(3)
        scene.haproxy.start()
        scene.cluster.wait_for_haproxy()


@incident()
def instance_killed(scene: ClusterScene) -> None:
    """The web instance dies with its workers (SIGKILL), and is started three seconds later: a single point here."""
    with scene.outage():
        for player in scene.players:
            player.instance.kill()
        scene.wait(3)
        for player in scene.players:
            player.instance.start_again()
