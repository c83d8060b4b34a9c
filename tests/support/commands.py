"""Commands as a user runs them, and the sentence that they end with where something is wrong."""

from __future__ import annotations

from collections.abc import Callable
from subprocess import CompletedProcess

from testkit.databases import alembic, flask
from tests.support.tampering import PASSWORD

Command = tuple[Callable[..., CompletedProcess[str]], *tuple[str, ...]]

MIGRATE: Command = (alembic, "upgrade", "head")
SEED: Command = (flask, "seed")


def the_sentence(url: str, command: Command, **environ: str) -> str:
    """Return the only line that a command says on standard error before it ends with code 1."""
    program, *arguments = command
    done = program(url, *arguments, **environ)
    assert done.returncode == 1, done.stdout + done.stderr
    lines = [line for line in done.stderr.splitlines() if line]
    assert len(lines) == 1, done.stderr
    assert PASSWORD not in done.stdout + done.stderr
    return lines[0]
