"""`./run faults`: let every incident happen to every stack, and write docs/fault-matrix.md."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Sequence

from benchmarks.faults import report
from benchmarks.faults.incidents import INCIDENTS
from benchmarks.faults.outcome import Outcome
from benchmarks.faults.pace import FULL, QUICK, Pace
from benchmarks.faults.rule import colour_of
from benchmarks.faults.stage import ROUTES, Stage, new_stage

SIGNS = {"green": "+", "yellow": "~", "red": "!"}
ANSI = {"green": "\033[32m", "yellow": "\033[33m", "red": "\033[31m"}


def main() -> None:
    """Perform what the command line asks for; Ctrl-C keeps what is done."""
    asked = _arguments()
    done: report.Matrix = {}
    began, code = time.monotonic(), 0
    try:
        with new_stage() as stage:
            code = _perform_all(stage, asked.only, asked.stacks, QUICK if asked.quick else FULL, done)
    except KeyboardInterrupt:
        print("\nInterrupted; what is done is kept.")
        code = 130
    if done:
        is_whole = set(done) == set(INCIDENTS) and set(asked.stacks) == set(ROUTES) and not asked.quick
        minutes, folder = (time.monotonic() - began) / 60, report.DOCS if is_whole else report.PARTS
        print(f"Written: {report.write(done, minutes=minutes, into=folder)}")
    sys.exit(code)


def _perform_all(stage: Stage, only: Sequence[str], stacks: list[str], pace: Pace, done: report.Matrix) -> int:
    """Perform them one after the other into `done`; return 1 if one could not be performed."""
    code = 0
    for number, incident in enumerate((INCIDENTS[key] for key in only), start=1):
        print(f"[{number:2}/{len(only)}] {incident.key}: {incident.story}", flush=True)
        try:
            done[incident.key] = stage.perform(incident, stacks, pace)
        except Exception as error:  # the others are worth having nevertheless
            print(f"        could not be performed: {error}", flush=True)
            code = 1
            continue
        for key, outcome in done[incident.key].items():
            print(f"        {_line(key, outcome)}", flush=True)
    return code


def _line(key: str, outcome: Outcome) -> str:
    colour = colour_of(outcome)
    text = f"{SIGNS[colour]} {key:26} {report.cell(outcome)}"
    return f"{ANSI[colour]}{text}\033[0m" if sys.stdout.isatty() else text


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./run faults", description=__doc__)
    parser.add_argument(
        "--only", type=_keys(INCIDENTS), default=list(INCIDENTS), metavar="FAULT,…", help="these faults"
    )
    parser.add_argument("--stacks", type=_keys(ROUTES), default=list(ROUTES), metavar="STACK,…", help="these stacks")
    parser.add_argument("--quick", action="store_true", help="shorter faults, all stacks at once: six minutes")
    return parser.parse_args()


def _keys(known: Iterable[str]) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        asked = text.split(",")
        if unknown := [key for key in asked if key not in known]:
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: not among {', '.join(known)}")
        return asked

    return parse


if __name__ == "__main__":
    main()
