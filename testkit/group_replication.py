"""MySQL's Group Replication in containers: two members, both of which take writes."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from testkit.containers import MYSQL_IMAGE
from testkit.processes import free_port
from testkit.servers import wait_until_it_answers
from testkit.yard import Member, Yard, wait_for, yard

MEMBERS = ("member1", "member2")
OPTIONS = (
    "--gtid-mode=ON",
    "--enforce-gtid-consistency=ON",
    "--sync-binlog=0",
    "--replica-parallel-workers=1",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-doublewrite=OFF",
    "--plugin-load-add=group_replication.so",
    "--loose-group-replication-start-on-boot=OFF",
    "--loose-group-replication-single-primary-mode=OFF",
    "--loose-group-replication-enforce-update-everywhere-checks=ON",
    "--loose-group-replication-recovery-get-public-key=ON",
    f"--loose-group-replication-group-seeds={','.join(f'{name}:33061' for name in MEMBERS)}",
)


@contextmanager
def group() -> Iterator[list[Member]]:
    """Yield the members of a group that works; raise `MissingError` where none can be had."""
    with yard("group-replication") as made:
        yield _start(made)


def _start(yard: Yard) -> list[Member]:
    password, name_of_group = secrets.token_hex(8), uuid.uuid4()
    members, containers = [], []
    for number, name in enumerate(MEMBERS, 1):
        own = f"--server-id={number}", f"--report-host={name}", f"--loose-group-replication-local-address={name}:33061"
        members.append(Member(password, free_port()))
        containers.append(
            yard.container(
                MYSQL_IMAGE,
                name,
                {3306: members[-1].port},
                command=["mysqld", *OPTIONS, *own, f"--loose-group-replication-group-name={name_of_group}"],
                environment={"MYSQL_ROOT_PASSWORD": password},
                tmpfs={"/var/lib/mysql": ""},
            )
        )
        containers[-1].start()
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
    wait_for(lambda: members[0].ask(STATES) == [("ONLINE",)] * len(MEMBERS), "make the group")
    return members


STATES = "SELECT member_state FROM performance_schema.replication_group_members"
