"""Load on a stack from a process of its own, with something that happens meanwhile."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bench import wrk
from benchmarks.overload.answers import GIVE_UP_SECONDS, Answer, Phase
from testkit import ROOT

LONGEST_SECONDS_BEYOND = 30
SEED = 4

Event = tuple[float, Callable[[], object]]
"""When it happens, in seconds from the first phase's begin, and what it is."""


class GeneratorError(Exception):
    """The process that sends could not do its work; the text is what it said."""


@dataclass(frozen=True)
class Load:
    """What came of all requests of these phases."""

    phases: Sequence[Phase]
    answers: Sequence[Answer]
    cpu: Sequence[float]
    """How much of a core the process that sends took in each phase."""

    def span(self, number: int) -> tuple[float, float]:
        """Return when a phase began and ended."""
        began = sum(phase.seconds for phase in self.phases[:number])
        return began, began + self.phases[number].seconds

    def due_in(self, number: int) -> list[Answer]:
        """Return what came of the requests that were due in a phase."""
        began, ended = self.span(number)
        return [answer for answer in self.answers if began <= answer.due < ended]


def put_load_on(port: int, phases: Sequence[Phase], folder: Path, events: Sequence[Event] = ()) -> Load:
    """Ask for random cities, phase by phase, and let the events happen; raises GeneratorError."""
    questions = {name: f'City "{name}" is #{number}\n' for name, number in wrk.IDS.items()}
    spec = {"port": port, "questions": questions, "seed": SEED, "phases": phases}
    (folder / "spec.json").write_text(json.dumps(spec), "utf-8")
    process = _start(folder)
    try:
        _let_happen(process, events)
        process.wait(sum(phase.seconds for phase in phases) + 2 * GIVE_UP_SECONDS + LONGEST_SECONDS_BEYOND)
    finally:
        process.kill()
        process.communicate()
    if process.returncode:
        raise GeneratorError((folder / "generator.log").read_text(errors="replace")[-1000:])
    done = json.loads((folder / "answers.json").read_text("utf-8"))
    return Load(phases, [Answer(*answer) for answer in done["answers"]], done["cpu"])


def _start(folder: Path) -> subprocess.Popen[str]:
    with (folder / "generator.log").open("w") as log:
        # A session of its own keeps Ctrl-C from it: it is killed, or ends by itself.
        return subprocess.Popen(
            [sys.executable, "-m", "benchmarks.overload.generator", str(folder)],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )


def _let_happen(process: subprocess.Popen[str], events: Sequence[Event]) -> None:
    assert process.stdout
    if not (began := process.stdout.readline()):
        return  # it has ended, and its log says why
    for moment, happen in events:
        time.sleep(max(0.0, float(began) + moment - time.monotonic()))
        happen()
