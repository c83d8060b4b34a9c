"""Follows an example of `docs/migrations.md` under load: `sql` is a version of the code, `python` a revision.

A version begins beside the one before it, which ends when both have worked for a while; a revision is run while the
version before it works. All of them change the same members, and each must find what was written last, whoever did so.
"""

from __future__ import annotations

import itertools
import random
import re
import secrets
import threading
from functools import partial
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, TextClause, inspect, text

from steadypool import PoolPolicy, create_pool_engine, deadline, in_transaction, read
from testkit import ROOT, commands
from testkit.clients import Clients, Group, Question, Request
from testkit.databases import environment, plain_engine
from testkit.waiting import eventually

SIDE_BY_SIDE = "Old and new code side by side"
CLIENTS = 2
MEMBERS = 2_500
ASKED_FOR = 20
"""About so many of them clients care; the others are there to be copied."""
ENOUGH = 10
"""So many requests of each version that works, before the next step."""
LONGEST_SECONDS = 60.0
STEP = re.compile(r"^```(sql|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INI = """[alembic]
script_location = {root}/migrations
prepend_sys_path = {root}
version_locations = {versions}
"""
REVISION = '''"""Do it."""

import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = {number!r}, {before!r}, None, None


'''


class Step(NamedTuple):
    """A block of the document."""

    kind: str
    text: str


def example(title: str) -> list[Step]:
    """Return the blocks below that heading of the document."""
    _, _, behind = Path(ROOT, "docs", "migrations.md").read_text(encoding="utf-8").partition(f"\n## {title}\n")
    return [Step(*found) for found in STEP.findall(behind.partition("\n## ")[0])]


class Members:
    """The table, and what was last written of each member."""

    def __init__(self, url: str) -> None:
        policy = PoolPolicy(size=2 * CLIENTS)  # two versions have clients at a time
        self.writer = create_pool_engine(url, policy, role="writer")
        self.reader = create_pool_engine(url, policy, role="reader")
        self.addresses = {number: f"{number}@old" for number in range(1, MEMBERS + 1)}
        self.locks = {number: threading.Lock() for number in range(1, ASKED_FOR + 1)}
        self.new = itertools.count(MEMBERS + 1)
        with plain_engine(url).begin() as connection:
            connection.execute(text("CREATE TABLE member (member_id INT PRIMARY KEY, mail VARCHAR(200) NOT NULL)"))
            rows = [{"id": number, "mail": mail} for number, mail in self.addresses.items()]
            connection.execute(text("INSERT INTO member VALUES (:id, :mail)"), rows)

    def write(self, statement: TextClause, number: int) -> None:
        """Give a member a new address by the statement of some version."""
        address = secrets.token_hex(8)
        values = {"member_id": number, "address": address}
        in_transaction(self.writer, lambda connection: connection.execute(statement, values))
        self.addresses[number] = address

    def dispose(self) -> None:
        """Close every connection."""
        self.writer.dispose()
        self.reader.dispose()


class Version:
    """What the code of one version does at a request: it looks a member up, changes it, and adds another."""

    def __init__(self, members: Members, statements: str) -> None:
        self._members = members
        self._add, self._change, self._find = (
            text(each).execution_options(leaves_no_trace=True) for each in statements.strip().rstrip(";").split(";")
        )

    def ask(self, question: Question) -> tuple[str, str]:
        """Return "done", or "wrong" if it found another address than the last that was written; raise what failed."""
        number = int(question.about)
        with deadline.within(LONGEST_SECONDS):
            with self._members.locks[number]:
                found = read(self._members.reader, partial(self._look_up, number=number))
                is_right = found == self._members.addresses[number]
                self._members.write(self._change, number)
            self._members.write(self._add, next(self._members.new))
        return "done" if is_right else "wrong", str(found)

    def close(self) -> None:
        """There is nothing to close."""

    def _look_up(self, connection: Connection, number: int) -> object:
        return connection.scalar(self._find, {"member_id": number})


class Rollout:
    """The versions that are at work, the last one at the end, and the revision that the database has."""

    def __init__(self, members: Members, url: str, folder: Path) -> None:
        self._members, self._url, self._folder = members, url, folder
        self._at_work, self._revision = list[tuple[Clients, Group]](), 0
        self.requests: list[Request] = []
        (folder / "alembic.ini").write_text(INI.format(root=ROOT, versions=folder))

    def deploy(self, statements: str) -> None:
        """Let the next version begin, and the one before it end."""
        clients = Clients(lambda: Version(self._members, statements), pause=(0.0, 0.1))
        self._at_work.append((clients, clients.begin(CLIENTS, ask_for_anybody)))
        self._let_them_work()
        if len(self._at_work) > 1:
            self._end_the_first()

    def migrate(self, code: str) -> None:
        """Run the revision as a user does."""
        before, self._revision = self._revision, self._revision + 1
        number = str(self._revision)
        revision = REVISION.format(number=number, before=str(before) if before else None) + code
        (self._folder / f"{number}_step.py").write_text(revision)
        ini = str(self._folder / "alembic.ini")
        done = commands.run("alembic", "-c", ini, "upgrade", number, env=environment(self._url))
        assert done.returncode == 0, done.stdout + done.stderr
        self._let_them_work()

    def end(self) -> None:
        """Let no version go on."""
        while self._at_work:
            self._end_the_first()

    def _let_them_work(self) -> None:
        for clients, _ in self._at_work:
            answered = len(clients.answers)
            assert eventually(lambda: len(clients.answers) > answered + ENOUGH, LONGEST_SECONDS)  # noqa: B023 -- called at once

    def _end_the_first(self) -> None:
        clients, group = self._at_work.pop(0)
        group.end()
        assert group.wait(LONGEST_SECONDS) == 0
        self.requests += clients.requests


def ask_for_anybody(_number: int, dice: random.Random) -> Question:
    return Question("", about=str(dice.randint(1, ASKED_FOR)))


def follow(steps: list[Step], url: str, folder: Path) -> None:
    """Do the steps on an empty database; raise AssertionError if a request failed or anything written is lost."""
    members = Members(url)
    going_on = Rollout(members, url, folder)
    try:
        for step in steps:
            (going_on.deploy if step.kind == "sql" else going_on.migrate)(step.text)
    finally:
        going_on.end()
        members.dispose()

    assert [request for request in going_on.requests if request.status != "done"] == []
    with plain_engine(url).connect() as connection:
        assert {column["name"] for column in inspect(connection).get_columns("member")} == {"member_id", "email"}
        there = connection.execute(text("SELECT member_id, email FROM member")).all()
    assert sorted(map(tuple, there)) == sorted(members.addresses.items())
