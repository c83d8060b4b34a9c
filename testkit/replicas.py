"""A primary and its replica: MySQL and MariaDB by GTID, PostgreSQL by streaming, and a proxy between them that lags.

The proxy delays the stream of changes by any time, the same for all; the replica itself may stop applying what has
arrived. Accounts and databases that are made on the primary come to be on the replica, too.
"""

from __future__ import annotations

import secrets
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from sqlalchemy import make_url

from testkit import containers, processes, servers
from testkit.databases import Database
from testkit.fault_servers import FaultServer, Kind
from testkit.proxy import Proxy
from testkit.servers import Server
from testkit.yard import wait_for

COMMON = ("--log-bin", "--binlog-format=ROW", "--sync-binlog=0", "--innodb-flush-log-at-trx-commit=2")
CATCH_UP_SECONDS = 60


class Orders(NamedTuple):
    """How a replica is told what to do."""

    hold: str
    go_on: str
    promote: tuple[str, ...]


MYSQL = Orders(
    "STOP REPLICA SQL_THREAD",
    "START REPLICA SQL_THREAD",
    ("STOP REPLICA", "RESET REPLICA ALL", "SET GLOBAL super_read_only = OFF", "SET GLOBAL read_only = OFF"),
)
MARIADB = Orders(MYSQL.hold, MYSQL.go_on, ("STOP REPLICA", "RESET REPLICA ALL", "SET GLOBAL read_only = OFF"))
POSTGRESQL = Orders("SELECT pg_wal_replay_pause()", "SELECT pg_wal_replay_resume()", ("SELECT pg_promote()",))


@dataclass(frozen=True)
class Replicated:
    """Two servers, each of which may be broken in its own right."""

    kind: Kind
    primary: FaultServer
    replica: FaultServer
    between: Proxy
    orders: Orders
    closing: ExitStack = field(repr=False)

    def lag(self, seconds: float) -> None:
        """Let each change take that long to the replica, from now on."""
        self.between.delay(seconds)

    def hold(self) -> None:
        """Let the replica apply nothing more; what is changed goes on arriving there."""
        self.replica.admin(self.orders.hold)

    def go_on(self) -> None:
        """Let it apply what has arrived, and what will."""
        self.replica.admin(self.orders.go_on)

    def promote(self) -> None:
        """Make the replica a primary of its own, with what it has applied by now."""
        for order in self.orders.promote:
            self.replica.admin(order)

    def position(self) -> str:
        """Return how far the primary is."""
        asked = {
            Kind.MYSQL: "SELECT @@GLOBAL.gtid_executed",
            Kind.POSTGRESQL: "SELECT pg_current_wal_flush_lsn()::text",
        }
        return str(self.primary.admin(asked.get(self.kind, "SELECT @@GLOBAL.gtid_binlog_pos"))[0][0])

    def has_reached(self, position: str) -> bool:
        """Tell whether the replica has applied all up to there."""
        asked = {
            Kind.MYSQL: "SELECT GTID_SUBSET(%s, @@GLOBAL.gtid_executed)",
            Kind.POSTGRESQL: "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn",
        }
        return bool(self.replica.admin(asked.get(self.kind, "SELECT MASTER_GTID_WAIT(%s, 0) = 0"), position)[0][0])

    def catch_up(self) -> None:
        """Return once the replica has applied all that the primary has by now; without a delay, if there is one."""
        self.between.heal()
        position = self.position()
        wait_for(lambda: self.has_reached(position), "catch up", CATCH_UP_SECONDS)

    def on_replica(self, database: Database) -> str:
        """Return the address of a primary's database as it is on the replica."""
        return make_url(database.url).set(port=self.replica.port).render_as_string(hide_password=False)

    def remove(self) -> None:
        """End both for good."""
        self.closing.close()


def obtain(kind: Kind) -> Replicated:
    """Return a primary with a replica that has caught up; raise `MissingError` where none can be had."""
    with ExitStack() as starting:
        primary = FaultServer(_start(kind, 1))
        starting.callback(primary.remove)
        between = starting.enter_context(Proxy("127.0.0.1", primary.port, is_mysql=False))
        if kind is Kind.POSTGRESQL:
            through = primary.server.url.set(port=between.port)
            replica = FaultServer(servers.start_postgresql_locally("synchronous_commit=on", copy_of=through))
        else:
            replica = FaultServer(_start(kind, 2))
        starting.callback(replica.remove)
        orders = {Kind.MYSQL: MYSQL, Kind.POSTGRESQL: POSTGRESQL}.get(kind, MARIADB)
        made = Replicated(kind, primary, replica, between, orders, ExitStack())
        if kind is not Kind.POSTGRESQL:
            _follow(made)
        made.catch_up()
        return replace(made, closing=starting.pop_all())


def _start(kind: Kind, number: int) -> Server:
    options = (*COMMON, f"--server-id={number}")
    if kind is Kind.POSTGRESQL:
        return servers.start_postgresql_locally("synchronous_commit=on")
    if kind is Kind.MARIADB and processes.program("mariadb-install-db"):
        return servers.start_mariadb_locally(*options, "--log-slave-updates")
    # Data is to outlive a crash of the server, not of the machine: to wait for the disk takes MySQL's birth minutes.
    fast = ("--innodb-flush-method=nosync", "--innodb-doublewrite=OFF")
    mysql = ("--gtid-mode=ON", "--enforce-gtid-consistency=ON", *fast)
    more = mysql if kind is Kind.MYSQL else ("--log-slave-updates",)
    password = secrets.token_hex(8)
    # On this machine's own network: a replica in a container has to reach the proxy.
    return containers.start_container(kind.value, password, *options, *more, keeps_data=True, on_host=True)


def _follow(pair: Replicated) -> None:
    """Have the replica begin at the primary's first change; what each did to itself at its birth is nobody else's."""
    is_mysql, password = pair.kind is Kind.MYSQL, secrets.token_hex(8)
    for server in (pair.primary, pair.replica):
        server.admin("RESET BINARY LOGS AND GTIDS" if is_mysql else "RESET MASTER")
    pair.primary.admin(f"CREATE USER replica@'%' IDENTIFIED BY '{password}'")
    pair.primary.admin("GRANT REPLICATION SLAVE ON *.* TO replica@'%'")
    word, change = ("SOURCE", "REPLICATION SOURCE") if is_mysql else ("MASTER", "MASTER")
    how = "SOURCE_AUTO_POSITION = 1, GET_SOURCE_PUBLIC_KEY = 1" if is_mysql else "MASTER_USE_GTID = slave_pos"
    place = f"{word}_HOST = '127.0.0.1', {word}_PORT = {pair.between.port}, {word}_CONNECT_RETRY = 1"
    pair.replica.admin(f"CHANGE {change} TO {place}, {word}_USER = 'replica', {word}_PASSWORD = '{password}', {how}")
    pair.replica.admin("START REPLICA")
    pair.replica.admin("SET GLOBAL super_read_only = ON" if is_mysql else "SET GLOBAL read_only = ON")
