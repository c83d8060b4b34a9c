"""The three stacks that are compared, each with the clock around it, and what a prober asks each of them."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.stacks import STACKS, Stack

TOKEN = secrets.token_hex(16)

PLAIN: Mapping[str, Mapping[str, str]] = {"/livez": {}}


@dataclass(frozen=True)
class Subject:
    """A stack, and the headers for each path that has to answer throughout."""

    stack: Stack
    probes: Mapping[str, Mapping[str, str]]

    @property
    def title(self) -> str:
        """What it is called in tables and pictures."""
        return self.stack.title.replace("*", "")


def _timed(key: str, **environ: str) -> Stack:
    stack, module = STACKS[key], f"benchmarks.overload.timed_{key.replace('-', '_')}:app"
    # What is named last is the application; ours is named in gunicorn.conf.py, and the command line wins.
    command = stack.command[:-1] if ":" in stack.command[-1] else stack.command
    return dataclasses.replace(stack, command=[*command, module], environ=stack.environ | environ)


_ALL = [
    Subject(_timed("ours", OPS_TOKEN=TOKEN), {**PLAIN, "/readyz": {}, "/pool": {"Authorization": f"Bearer {TOKEN}"}}),
    Subject(_timed("flask-sqlalchemy"), PLAIN),
    Subject(_timed("fastapi-async"), PLAIN),
]

SUBJECTS: dict[str, Subject] = {subject.stack.key: subject for subject in _ALL}
