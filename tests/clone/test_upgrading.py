"""docs/upgrading.md: a clone that has become something else merges what the template has learnt since."""

from __future__ import annotations

import re
import shlex
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from config import ROOT
from tests.clone.walkthrough import change, steps
from tests.serve.conftest import borrow_environment
from tests.serve.serving import environment, run
from tools.rename import main as rename

DOCUMENT = ROOT / "docs/upgrading.md"
ONCE, EACH_TIME, WITHOUT_THE_SAMPLE, MOVE, END = [step.text for step in steps(DOCUMENT) if step.kind == "console"]
[RENUMBER] = [step for step in steps(DOCUMENT) if step.kind == "diff"]
MIGRATION = '''"""Create {table}."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table("{table}", sa.Column("{table}_id", sa.Integer, primary_key=True))


def downgrade() -> None:
    op.drop_table("{table}")
'''
AS_SOMEBODY = {
    f"GIT_{who}_{what}": "somebody@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
}


def git(tree: Path, *arguments: str) -> str:
    """Return what git says, whatever it thinks of it."""
    return subprocess.run(
        ["git", *arguments],
        cwd=tree,
        env={**environment(tree), **AS_SOMEBODY},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ).stdout


def commit(tree: Path, message: str) -> None:
    git(tree, "add", "--all")
    said = git(tree, "commit", "--message", message)
    assert message in said, said


def follow(tree: Path, block: str) -> str:
    """Run the commands of a block; return what they say."""
    commands = re.findall(r"^\$ git (.*)$", block, re.MULTILINE)
    assert commands
    return "".join(git(tree, *shlex.split(command)) for command in commands)


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


@pytest.fixture
def upstream(clone: Path) -> Path:
    """The template, with a history of one commit."""
    git(clone, "init", "--initial-branch", "main")
    commit(clone, "The template")
    return clone


@pytest.fixture
def service(upstream: Path) -> Path:
    """A service that was cloned from it and has another name and changes of its own."""
    tree = upstream.parent / "film-archive"
    git(upstream.parent, "clone", str(upstream), str(tree))
    follow(tree, ONCE)
    assert rename(["film-archive"], tree) == 0
    append(tree / "app/__init__.py", "\n# Ours.\n")
    commit(tree, "Films")
    return tree


def improve(upstream: Path) -> None:
    """Let the template learn something, old and new: in the pool, the kit, what the renaming changes, the sample."""
    for path in ("steadypool/pool.py", "testkit/proxy.py", "docs/deploy.md", "app/cities/models.py"):
        append(upstream / path, "\n# Better.\n")
    for path in ("steadypool/new.py", "app/cities/new.py", "tests/cities/new.py"):
        (upstream / path).write_text('"""New."""\n')
    commit(upstream, "Better")


def test_what_the_template_learns_is_merged_without_a_conflict(upstream: Path, service: Path) -> None:
    improve(upstream)

    follow(service, EACH_TIME + END)

    assert git(service, "status", "--short") == ""
    assert_pool_is_taken_whole(service)
    assert "/etc/film-archive/" in (service / "docs/deploy.md").read_text()
    assert (service / "docs/deploy.md").read_text().endswith("# Better.\n")


def test_a_sample_that_was_taken_out_stays_out(upstream: Path, service: Path) -> None:
    document = (ROOT / "docs" / "your-own-service.md").read_text("utf-8")
    for paths in re.findall(r"^\$ rm -r (.*)$", document, re.MULTILINE):
        git(service, "rm", "-r", "--quiet", *paths.split())
    commit(service, "No cities")
    for path in ("benchmarks/README.md", "docs/fault-matrix.md"):
        append(upstream / path, "\n# Better.\n")
    improve(upstream)

    follow(service, EACH_TIME)
    conflicts = re.findall(r"^(?:DU|UD|UU|AA) (.*)$", git(service, "status", "--short"), re.MULTILINE)
    assert conflicts == ["app/cities/models.py", "benchmarks/README.md", "docs/fault-matrix.md"]
    follow(service, WITHOUT_THE_SAMPLE + END)

    assert git(service, "status", "--short") == ""
    assert not any((service / path).exists() for path in ("app/cities", "benchmarks", "docs/fault-matrix.md"))
    assert_pool_is_taken_whole(service)


def test_the_pool_alone_is_taken_without_a_merge(upstream: Path, service: Path) -> None:
    [alone] = re.findall(r"`git (restore .*)`", (ROOT / "docs/upgrading.md").read_text())
    append(service / "steadypool/pool.py", "\n# Ours, in a place that is not.\n")
    (service / "steadypool/ours.py").write_text("")
    commit(service, "A change in the pool")
    improve(upstream)

    git(service, "fetch", "upstream")
    git(service, *alone.split())

    assert_pool_is_taken_whole(service)


def test_a_repository_without_history_is_told_where_it_comes_from(upstream: Path, service: Path) -> None:
    [told] = re.findall(r"`git (merge -s ours .*)`", (ROOT / "docs/upgrading.md").read_text())
    git(service, "checkout", "--orphan", "from-the-button")
    commit(service, "All of it, in one commit")
    git(service, *told.split(), "upstream/main")
    improve(upstream)

    follow(service, EACH_TIME + END)

    assert git(service, "status", "--short") == ""
    assert_pool_is_taken_whole(service)


def test_migrations_of_one_number_both_run_on_a_database_that_had_ours(upstream: Path, service: Path) -> None:
    versions = "migrations/versions"
    (service / versions / "0003_ours.py").write_text(MIGRATION.format(table="ours"))
    commit(service, "A table of ours")
    borrow_environment(service)
    (service / "instance").mkdir()
    assert run(service, "migrate").returncode == 0
    (upstream / versions / "0003_theirs.py").write_text(MIGRATION.format(table="theirs"))
    commit(upstream, "A table of theirs")

    follow(service, EACH_TIME + MOVE)
    change(RENUMBER, service)
    follow(service, END)

    assert run(service, "migrate").returncode == 0
    with closing(sqlite3.connect(service / "instance/sakila.sqlite3")) as database:
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
        assert {"ours", "theirs"} <= tables
        assert database.execute("SELECT version_num FROM alembic_version").fetchall() == [("0004",)]
    assert git(service, "status", "--short") == ""


def test_another_conflict_is_resolved_before_the_merge_ends(upstream: Path, service: Path) -> None:
    append(upstream / "app/__init__.py", "\n# Theirs.\n")
    commit(upstream, "Another last line")

    assert "app/__init__.py" in follow(service, EACH_TIME)
    assert "unmerged" in follow(service, END)
    git(service, "checkout", "--ours", "app/__init__.py")
    git(service, "add", "app/__init__.py")
    follow(service, END)

    assert git(service, "status", "--short") == ""
    assert git(service, "log", "--oneline", "-1", "upstream/main", "--not", "HEAD") == ""


def assert_pool_is_taken_whole(tree: Path) -> None:
    assert (tree / "steadypool/new.py").exists()
    assert git(tree, "diff", "--stat", "upstream/main", "--", "steadypool", "testkit") == ""
