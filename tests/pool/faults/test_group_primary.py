"""MySQL's Group Replication with one primary: it hands over, is killed, and at last the group has no majority."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from threading import Event, Thread

import pymysql
import pytest

from steadypool import PoolPolicy
from testkit.databases import plain_engine
from testkit.group_replication import GroupMember, group
from testkit.leaving_out import leave_out
from testkit.proxy import Proxy
from testkit.servers import MissingError
from testkit.waiting import eventually
from testkit.yard import wait_for
from tests.pool import library
from tests.pool.service import FOUND, Clients, Service
from tests.pool.writing import Writing, assert_a_write_soon_after, assert_all_read, kept_at
from tests.support.ledger import metadata

DEADLINE_SECONDS = 3.0
ELECTING_SECONDS = 60


@pytest.fixture(scope="module")
def members() -> Iterator[list[GroupMember]]:
    """Three members with the library, and the ledger."""
    with ExitStack() as closing:
        try:
            made = closing.enter_context(group(3, single_primary=True))
        except MissingError as error:
            leave_out("group replication", error)
        made[0].ask("CREATE DATABASE sakila CHARACTER SET utf8mb4", "CREATE TABLE sakila.taken (id INT PRIMARY KEY)")
        library.fill(url_of(made[0]))
        metadata.create_all(plain_engine(url_of(made[0])))
        yield made


def url_of(member: GroupMember) -> str:
    return member.url("sakila").render_as_string(hide_password=False)


def primary_of(members: list[GroupMember]) -> GroupMember:
    """Return who takes writes, as those say who are there; there must be one."""
    named = {name for member in members for name in member.online("PRIMARY")}
    return next(member for member in members if member.name in named)


@contextmanager
def following_the_primary(members: list[GroupMember]) -> Iterator[Proxy]:
    """Yield an address that leads to the primary, as the members themselves say; MySQL Router does that."""
    over = Event()
    with Proxy("127.0.0.1", primary_of(members).port) as proxy:

        def follow() -> None:
            led_to = None
            while not over.wait(0.1):
                named = {name for member in members for name in member.online("PRIMARY")}
                for member in members:
                    if named == {member.name} and led_to != member.port:
                        led_to = member.port
                        proxy.lead_to(led_to)

        thread = Thread(target=follow)
        thread.start()
        try:
            yield proxy
        finally:
            over.set()
            thread.join()


@pytest.fixture
def make_service(members: list[GroupMember]) -> Iterator[Callable[[GroupMember], Service]]:
    """Return a service that reads from this member and writes to the primary."""
    with ExitStack() as closing:
        there = [member for member in members if member.online()]
        proxy = closing.enter_context(following_the_primary(there))

        def make(reader: GroupMember) -> Service:
            policy = PoolPolicy(deadline_seconds=DEADLINE_SECONDS, tls="off")
            made = Service(url_of(reader), policy, writer_size=8, writer_url=proxy.url(url_of(reader)))
            closing.callback(made.dispose)
            return made

        yield make


def hand_over(members: list[GroupMember], to: GroupMember) -> None:
    """Make another one the primary, at once: what has not come to its COMMIT by then is cut."""
    here = primary_of(members)
    (row,) = here.ask(
        f"SELECT member_id FROM performance_schema.replication_group_members WHERE member_host = '{to.name}'"
    )
    here.ask(f"SELECT group_replication_set_as_primary('{row[0]}', 0)")


def taken_by(members: list[GroupMember]) -> float:
    """Return when (monotonic) one of them first takes a write again."""

    def takes() -> bool:
        for member in members:
            try:
                member.ask("INSERT INTO sakila.taken SELECT COUNT(*) + 1 FROM sakila.taken")
            except pymysql.Error:
                continue
            return True
        return False

    wait_for(takes, "elect a primary", ELECTING_SECONDS)
    return time.monotonic()


def assert_told_truly(writing: Writing, members: list[GroupMember]) -> None:
    """Each member comes to have what was acknowledged, once, and nothing that was refused."""
    for member in members:
        wait_for(lambda: writing.untrue(kept_at(url_of(member))) == [], f"apply at {member.name}", 20)  # noqa: B023 -- called at once


def test_a_primary_that_hands_over_fails_no_read_and_no_write_in_the_dark(
    make_service: Callable[[GroupMember], Service], members: list[GroupMember]
) -> None:
    """Meanwhile the member that hands over refuses whatever begins, with 4094, and then all that writes, with 1290."""
    service = make_service(members[0])
    writing = Writing(service.writer)
    readers, writers = Clients(service, 8), Clients(service, 8, work=writing)

    with readers.running(), writers.running():
        for to in members[1:] + members[:1]:
            began = time.monotonic()
            assert eventually(lambda: len(writing.done_after(began)) > 20, 20)  # noqa: B023 -- called at once
            hand_over(members, to)
            assert_a_write_soon_after(taken_by(members), writing, writers)

    assert_all_read(readers)
    assert set(writers.statuses) <= {"done", "down", "unknown"}, writers.statuses
    assert_told_truly(writing, members)


def test_when_the_primary_is_killed_the_next_one_has_all_that_was_acknowledged_and_the_first_write_soon(
    make_service: Callable[[GroupMember], Service], members: list[GroupMember]
) -> None:
    """The second test from the end: that one does not come back."""
    killed = primary_of(members)
    left = [member for member in members if member is not killed]
    service = make_service(left[-1])
    writing = Writing(service.writer)
    readers, writers = Clients(service, 8), Clients(service, 8, work=writing, pause=0.02)

    with readers.running(), writers.running():
        assert eventually(lambda: len(writing.told) > 50)
        killed.inside.kill()
        assert_a_write_soon_after(taken_by(left), writing, writers)

    assert_all_read(readers)
    assert set(writers.statuses) <= {"done", "down", "unknown"}, writers.statuses
    assert writers.slowest < DEADLINE_SECONDS + 0.5
    assert_told_truly(writing, left)


def test_without_a_majority_reads_go_on_and_of_a_commit_nobody_knows(
    make_service: Callable[[GroupMember], Service], members: list[GroupMember]
) -> None:
    """The last test: of the three one is left, which waits for the others as long as it is let."""
    left = [member for member in members if member.online()]
    primary = primary_of(left)
    service = make_service(primary)
    writing = Writing(service.writer)
    assert service.do(writing) == "done"

    next(member for member in left if member is not primary).inside.kill()
    began = time.monotonic()
    told = service.do(writing)

    assert (told, service.ask()) == ("unknown", FOUND)
    assert time.monotonic() - began < DEADLINE_SECONDS + 1.0
