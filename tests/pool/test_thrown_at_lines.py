"""An exception at each line of the package in turn, while a connection is acquired, used and released.

Whatever it breaks off: after two rounds of the housekeeping all permits and connections are accounted for, and the next
answers are right.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import suppress
from contextvars import copy_context
from dataclasses import replace
from pathlib import Path

import pytest

import steadypool
from steadypool import deadline
from tests.pool.place import Place
from tests.pool.ways import WAYS, Way
from tests.support.policies import POLICY
from tests.support.throwing import Thrown, thrown_at_line

# What is thrown while a connection is being made leaves it to the garbage collector, which closes it.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")

PACKAGE = Path(steadypool.__file__).parent
HARMLESS = {"plain.py", "harmless.py", "deadline.py"}
"""What statements are asked about, once each, and a block that callers begin and end; no connection is involved."""
FILES = tuple(str(path) for path in PACKAGE.rglob("*.py") if path.name not in HARMLESS)
SIZE = 2


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch, frozen: None) -> Iterator[None]:
    """Pass over what finalizers raise, and log nothing."""
    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.usefixtures("quiet")
@pytest.mark.short_form("once")
@pytest.mark.parametrize("again", [(), (1,), (2,), (5,), (11,)], ids=lambda steps: f"and {steps}" if steps else "once")
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_at_whatever_line_it_breaks_off_all_is_accounted_for(tmp_path: Path, way: Way, again: tuple[int, ...]) -> None:
    (tmp_path / "empty.sqlite3").touch()
    policy = replace(POLICY, size=SIZE, timeout_seconds=0.5)
    place = Place(f"sqlite:///{tmp_path}/empty.sqlite3", policy)
    assert place.problems() == []
    found, line = list[object](), 0
    while True:
        context, line = copy_context(), line + 1  # else a deadline that is left would be that of all that follow
        if not (where := context.run(broken_off, place, way, line, again)):
            break
        left = context.run(deadline.current)
        if problems := place.problems() + ([left] if left else []):
            found.append((where, problems))
            place.engine.dispose()
            place = Place(f"sqlite:///{tmp_path}/empty.sqlite3", policy)
    place.engine.dispose()

    assert not found, "\n".join(map(repr, found))
    assert line > 3, "hardly a line was executed"


def broken_off(place: Place, way: Way, line: int, again: tuple[int, ...]) -> list[str]:
    """Go a way until something is thrown at that line; return where, nothing if the way ended before."""
    steps = way(place, 666)
    next(steps)
    told = 666
    with suppress(Thrown, Exception), thrown_at_line(FILES, line, *again) as where:
        told = next(steps)
    steps.close()
    assert told == 666
    assert where or deadline.current() is None
    return where
