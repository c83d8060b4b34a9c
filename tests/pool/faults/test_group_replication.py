"""MySQL's Group Replication: whose change was second is told at COMMIT, and does it again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, insert, select, update

from steadypool import create_pool_engine, in_transaction
from testkit.databases import Database
from testkit.group_replication import group
from testkit.leaving_out import leave_out
from testkit.servers import MissingError, Server
from testkit.yard import Member, wait_for
from tests.support.ledger import Unit, Witness, ledger, witness_of
from tests.support.policies import POLICY

ROW = 1_000_001


@pytest.fixture(scope="module")
def members() -> Iterator[list[Member]]:
    with ExitStack() as closing:
        try:
            made = list[Member](closing.enter_context(group()))
        except MissingError as error:
            leave_out("group replication", error)
        made[0].ask("CREATE DATABASE sakila", "CREATE TABLE sakila.waited_for (number INT PRIMARY KEY)")
        yield made


@pytest.fixture
def witness(members: list[Member]) -> Iterator[Witness]:
    """A row to quarrel over is there, with part 0, on both."""
    url = members[0].url("sakila")
    text = url.render_as_string(hide_password=False)
    with witness_of(Database("mysql", text, text, Server("mysql", url))) as made:
        made.connection.execute(ledger.delete().where(ledger.c.id == ROW))
        made.connection.execute(insert(ledger), {"id": ROW, "nonce": "row", "part": 0})
        wait_for(lambda: part_on(members[1]) == [(0,)], "replicate", 10)
        yield made


def part_on(member: Member) -> list[tuple[Any, ...]]:
    return member.ask(f"SELECT part FROM sakila.ledger WHERE id = {ROW}")


@pytest.fixture
def writers(members: list[Member]) -> Iterator[list[Engine]]:
    """A writer on each member, and what its driver said at COMMIT."""
    policy = replace(POLICY, size=2, deadline_seconds=10.0)
    made = [create_pool_engine(member.url("sakila"), policy) for member in members]
    yield made
    for engine in made:
        engine.dispose()


def codes_of(*engines: Engine) -> list[int]:
    """Return the list to which the codes of the drivers' errors are added."""
    codes: list[int] = []
    for engine in engines:
        event.listen(engine, "handle_error", lambda context: codes.append(context.original_exception.args[0]))
    return codes


class Counting(Unit):
    """Changes the row as well."""

    def between(self, connection: Connection) -> None:
        connection.execute(update(ledger).where(ledger.c.id == ROW).values(part=ledger.c.part + 1))


def test_a_unit_whose_row_another_member_changed_is_done_again(
    writers: list[Engine], witness: Witness, members: list[Member]
) -> None:
    """The change of the other throws it out while it waits: COMMIT fails with 1180, the engine's deadlock in it."""
    codes = codes_of(writers[1])

    class Late(Counting):
        def __call__(self, connection: Connection) -> str:
            super().__call__(connection)
            if self.begun == 1:
                change(witness, members[1])
            return self.nonce

    unit = Late()
    in_transaction(writers[1], unit)

    assert (codes, unit.begun) == ([1180], 2)
    assert_both_count(witness, unit)


def test_a_unit_that_lost_the_certification_is_done_again(
    writers: list[Engine], witness: Witness, members: list[Member]
) -> None:
    """What the group has agreed on is not yet applied here: COMMIT is answered with 3101, and was a ROLLBACK."""
    second, codes = members[1], codes_of(writers[1])
    with second.connect() as holding:
        holding.cursor().execute("LOCK TABLES sakila.waited_for READ")
        members[0].ask("INSERT INTO sakila.waited_for VALUES (1)")
        witness.connection.execute(update(ledger).where(ledger.c.id == ROW).values(part=10))

        class Late(Counting):
            def __call__(self, connection: Connection) -> str:
                if self.begun == 1:
                    holding.cursor().execute("UNLOCK TABLES")
                    wait_for(lambda: part_on(second) == [(10,)], "replicate", 10)
                return super().__call__(connection)

        unit = Late()
        in_transaction(writers[1], unit)

    assert (codes, unit.begun) == ([3101], 2)
    assert_both_count(witness, unit)


def change(witness: Witness, member: Member) -> None:
    """Change the row on the first member; return when the change is known on that one."""
    witness.connection.execute(update(ledger).where(ledger.c.id == ROW).values(part=10))
    wait_for(lambda: part_on(member) == [(10,)], "replicate", 10)


def assert_both_count(witness: Witness, unit: Unit) -> None:
    wait_for(lambda: witness.times(unit) == 1, "replicate", 10)
    assert witness.connection.scalar(select(ledger.c.part).where(ledger.c.id == ROW)) == 11
