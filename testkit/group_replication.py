"""MySQL's Group Replication in containers: members that all take writes, or one that does and hands it on."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pymysql
from docker.models.containers import Container

from testkit.containers import MYSQL_IMAGE
from testkit.processes import free_port
from testkit.servers import wait_until_it_answers
from testkit.yard import Member, Yard, wait_for, yard

OPTIONS = (
    "--gtid-mode=ON",
    "--enforce-gtid-consistency=ON",
    "--sync-binlog=0",
    "--replica-parallel-workers=1",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-doublewrite=OFF",
    "--plugin-load-add=group_replication.so",
    "--loose-group-replication-start-on-boot=OFF",
    "--loose-group-replication-recovery-get-public-key=ON",
    # Who is silent is suspected after five seconds, and expelled at once.
    "--loose-group-replication-member-expel-timeout=0",
)
BY_ROLE = "SELECT member_host FROM performance_schema.replication_group_members WHERE member_state = 'ONLINE'"


@dataclass(frozen=True)
class GroupMember(Member):
    """One server of a group."""

    name: str
    inside: Container

    def online(self, role: str = "%") -> list[str]:
        """Return who is in the group and serves, all or those of a role, as this one sees it; none if it is away."""
        try:
            return [name for (name,) in self.ask(f"{BY_ROLE} AND member_role LIKE '{role}'")]
        except pymysql.Error:
            return []


@contextmanager
def group(number: int = 2, *, single_primary: bool = False) -> Iterator[list[GroupMember]]:
    """Yield the members of a group that works, its primary first; raise `MissingError` where none can be had."""
    with yard("group-replication") as made:
        yield _start(made, [f"member{count}" for count in range(1, number + 1)], single_primary)


def _start(yard: Yard, names: list[str], single_primary: bool) -> list[GroupMember]:
    password, members = secrets.token_hex(8), list[GroupMember]()
    common = (
        f"--loose-group-replication-group-name={uuid.uuid4()}",
        f"--loose-group-replication-group-seeds={','.join(f'{name}:33061' for name in names)}",
        f"--loose-group-replication-single-primary-mode={single_primary:d}",
        f"--loose-group-replication-enforce-update-everywhere-checks={not single_primary:d}",
    )
    for number, name in enumerate(names, 1):
        own = f"--server-id={number}", f"--report-host={name}", f"--loose-group-replication-local-address={name}:33061"
        port = free_port()
        container = yard.container(
            MYSQL_IMAGE,
            name,
            {3306: port},
            command=["mysqld", *OPTIONS, *common, *own],
            environment={"MYSQL_ROOT_PASSWORD": password},
            tmpfs={"/var/lib/mysql": ""},
        )
        members.append(GroupMember(password, port, name, container))
        container.start()
    for number, member in enumerate(members):
        assert wait_until_it_answers(member.url(), lambda: True)
        member.ask(
            # What each did to itself at its birth is nobody else's.
            "RESET BINARY LOGS AND GTIDS",
            f"CHANGE REPLICATION SOURCE TO SOURCE_USER = 'root', SOURCE_PASSWORD = '{password}' "
            "FOR CHANNEL 'group_replication_recovery'",
            f"SET GLOBAL group_replication_bootstrap_group = {int(number == 0)}",
            "START GROUP_REPLICATION",
            "SET GLOBAL group_replication_bootstrap_group = 0",
        )
    wait_for(lambda: len(members[0].online()) == len(names), "make the group")
    return members
