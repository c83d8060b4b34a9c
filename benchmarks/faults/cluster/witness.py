"""Who goes to every node past HAProxy, all the time: when the cluster itself takes a write, and answers a read."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import get_args

import pymysql

from benchmarks.faults.outcome import Interval
from testkit.clients import QuestionKind
from testkit.galera import Node

DATABASE = "witness"
TABLES = (f"CREATE DATABASE {DATABASE}", f"CREATE TABLE {DATABASE}.seen (id INTEGER AUTO_INCREMENT PRIMARY KEY)")
STATEMENTS: dict[QuestionKind, str] = {
    "read": f"SELECT id FROM {DATABASE}.seen LIMIT 1",
    "write": f"INSERT INTO {DATABASE}.seen VALUES ()",
}
PAUSE_SECONDS = 0.2
GAP_SECONDS = 1.0
"""So long nobody has to be answered for the cluster to be away: less may be this machine's."""


class Witness:
    """Asks until it is told to stop; what a node does not answer is waited for, and asked anew on an error."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._answered: dict[QuestionKind, list[float]] = {kind: [] for kind in get_args(QuestionKind)}
        self._over = threading.Event()
        for node in nodes:
            for kind in STATEMENTS:
                threading.Thread(target=self._go_on, args=(node, kind), daemon=True).start()

    def stop(self) -> None:
        """Ask nothing more; whoever waits is not waited for."""
        self._over.set()

    def gaps(self, kind: QuestionKind, opened: float, closed: float) -> list[Interval]:
        """Return when no node at all answered, each time from the last answer to the next (monotonic)."""
        moments = [each for each in sorted(self._answered[kind]) if opened < each < closed]
        return [gap for gap in pairwise([opened, *moments, closed]) if gap[1] - gap[0] > GAP_SECONDS]

    def _go_on(self, node: Node, kind: QuestionKind) -> None:
        while not self._over.is_set():
            try:
                with node.connect() as connection, connection.cursor() as cursor:
                    while not self._over.wait(PAUSE_SECONDS):
                        cursor.execute(STATEMENTS[kind])
                        self._answered[kind].append(time.monotonic())
            except pymysql.Error:
                self._over.wait(PAUSE_SECONDS)


@contextmanager
def watching(nodes: Sequence[Node]) -> Iterator[Witness]:
    """Yield a witness, who stops after the block."""
    witness = Witness(nodes)
    try:
        yield witness
    finally:
        witness.stop()
