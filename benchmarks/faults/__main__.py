"""`./run faults`: let every incident happen to every stack, and write docs/fault-matrix.md."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from benchmarks.faults import report
from benchmarks.faults.cluster.report import CLUSTER
from benchmarks.faults.cluster.stage import STACKS, new_cluster_stage
from benchmarks.faults.pace import FULL, ON_A_CLUSTER, QUICK, Pace
from benchmarks.faults.report import Form
from benchmarks.faults.server_stage import new_stage
from benchmarks.faults.stage import ROUTES, Stage

SIGNS = {"green": "+", "yellow": "~", "red": "!"}
ANSI = {"green": "\033[32m", "yellow": "\033[33m", "red": "\033[31m"}


def main() -> None:
    """Perform what the command line asks for; Ctrl-C keeps what is done."""
    asked = _arguments()
    if asked.cluster:
        _make(CLUSTER, new_cluster_stage(), STACKS, ON_A_CLUSTER, asked)
    else:
        _make(report.SERVER, new_stage(), tuple(ROUTES), QUICK if asked.quick else FULL, asked)


def _make(
    form: Form[Any],
    opened: AbstractContextManager[Stage[Any]],
    all_stacks: Sequence[str],
    pace: Pace,
    asked: argparse.Namespace,
) -> None:
    only, stacks = asked.only or list(form.incidents), asked.stacks or list(all_stacks)
    done: dict[str, dict[str, Any]] = {}
    began, code = time.monotonic(), 0
    try:
        with opened as stage:
            code = _perform_all(form, stage, only, stacks, pace, done)
    except KeyboardInterrupt:
        print("\nInterrupted; what is done is kept.")
        code = 130
    if done:
        is_whole = set(done) == set(form.incidents) and set(stacks) == set(all_stacks) and not asked.quick
        minutes = (time.monotonic() - began) / 60
        print(f"Written: {report.write(form, done, minutes=minutes, is_whole=is_whole)}")
    sys.exit(code)


def _perform_all(
    form: Form[Any], stage: Stage[Any], only: Sequence[str], stacks: list[str], pace: Pace, done: dict[str, Any]
) -> int:
    """Perform them one after the other into `done`; return 1 if one could not be performed."""
    code = 0
    for number, incident in enumerate((form.incidents[key] for key in only), start=1):
        print(f"[{number:2}/{len(only)}] {incident.key}: {incident.story}", flush=True)
        try:
            done[incident.key] = stage.perform(incident, stacks, pace)
        except Exception as error:  # the others are worth having nevertheless
            print(f"        could not be performed: {error}", flush=True)
            code = 1
            continue
        for key, outcome in done[incident.key].items():
            print(f"        {_line(form, key, outcome)}", flush=True)
    return code


def _line(form: Form[Any], key: str, outcome: Any) -> str:
    colour = form.colour_of(outcome)
    text = f"{SIGNS[colour]} {key:26} {form.cell(outcome)}"
    return f"{ANSI[colour]}{text}\033[0m" if sys.stdout.isatty() else text


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./run faults", description=__doc__)
    parser.add_argument("--only", type=_listed, metavar="FAULT,…", help="these faults")
    parser.add_argument("--stacks", type=_listed, metavar="STACK,…", help="these stacks")
    parser.add_argument("--quick", action="store_true", help="shorter faults, all stacks at once: six minutes")
    parser.add_argument("--cluster", action="store_true", help="those of a Galera cluster behind HAProxy instead")
    asked = parser.parse_args()
    incidents, stacks = (CLUSTER.incidents, STACKS) if asked.cluster else (report.SERVER.incidents, tuple(ROUTES))
    for given, known in ((asked.only, incidents), (asked.stacks, stacks)):
        if unknown := [key for key in given or () if key not in known]:
            parser.error(f"{', '.join(unknown)}: not among {', '.join(known)}")
    return asked


def _listed(text: str) -> list[str]:
    return text.split(",")


if __name__ == "__main__":
    main()
