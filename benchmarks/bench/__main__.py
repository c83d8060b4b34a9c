"""`./run bench`: measure, and write the report, whether all was measured or Ctrl-C came first."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import traceback
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.bench import against, plan, report
from benchmarks.bench.experiment import Experiment
from benchmarks.bench.ground import what_is_missing
from benchmarks.bench.progress import Advance
from benchmarks.choosing import keys_of
from benchmarks.publishing import FOLDER, circumstances
from benchmarks.stacks import STACKS, Stack

PACKAGES = ("DBUtils", "mysql-connector-python", "mysqlclient", "fastapi", "uvicorn", "uvloop", "asyncmy")
RESULTS, PARTIAL = FOLDER / "results", FOLDER / "results" / "partial"
LONGEST_MINUTES = 20
INTERRUPTED = "Ctrl-C"


def main() -> int:
    """Return the exit code."""
    options = _options()
    if options.report:
        return _report_again()
    if missing := what_is_missing():
        print(missing, file=sys.stderr)
        return 1
    if options.against:
        return _compare(options)
    stacks = [STACKS[key] for key in options.only or STACKS]
    number = len(stacks)
    chosen = plan.quick(number) if options.quick else plan.full(number, options.minutes)
    results = _measure(chosen, stacks)
    is_whole = not (options.quick or options.only or results["ended_early"])
    file = report.write(results, options.output or (RESULTS if is_whole else PARTIAL))
    if is_whole and not options.output:
        report.publish(results)
    print(f"{file.read_text('utf-8')}\nWritten: {os.path.relpath(file)}")
    return _exit_code(results)


def _exit_code(results: dict[str, Any]) -> int:
    return {"": 0, INTERRUPTED: 130}.get(results["ended_early"], 1)


def _compare(options: argparse.Namespace) -> int:
    keys = options.only or against.COMPARED
    with tempfile.TemporaryDirectory() as folder, against.checked_out(options.against, Path(folder)) as place:
        stacks = against.of_both([STACKS[key] for key in keys], place, options.against)
        results = _measure(against.plan_for(len(stacks), is_quick=options.quick), stacks)
    print(against.report(results, options.against))
    return _exit_code(results)


def _report_again() -> int:
    results = json.loads((RESULTS / "bench.json").read_text("utf-8"))
    print(report.write(results, RESULTS))
    report.publish(results)
    return 0


def _measure(chosen: plan.Plan, stacks: list[Stack]) -> dict[str, Any]:
    """Return what was measured, until the end or until something came in between."""
    installed = [name for name in PACKAGES if _is_installed(name)]
    titles = {stack.key: stack.title for stack in stacks}
    results: dict[str, Any] = {"circumstances": circumstances(*installed), "titles": titles, "ended_early": ""}
    folder = Path(tempfile.mkdtemp(prefix="sakila-bench-"))
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with Advance(chosen.seconds()) as advance:
            advance.say(f"{len(stacks)} stacks, about {chosen.seconds() / 60:.0f} minutes; Ctrl-C keeps what is done")
            Experiment(chosen, stacks, folder, advance, results).run()
    except KeyboardInterrupt:
        results["ended_early"] = INTERRUPTED
    except Exception as error:
        # What was measured is not thrown away for what went wrong at its end.
        traceback.print_exc()
        results["ended_early"] = f"{type(error).__name__}: {error}"
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return results


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./run bench", description="Measure the application beside its peers.")
    parser.add_argument("--quick", action="store_true", help="16 clients on one worker only: two and a half minutes")
    parser.add_argument(
        "--only", type=keys_of(STACKS), metavar="KEY,KEY", help=f"these stacks only, of {', '.join(STACKS)}"
    )
    parser.add_argument("--against", metavar="COMMIT", help="compare this tree with that commit: ratios, in one run")
    parser.add_argument("--minutes", type=float, default=LONGEST_MINUTES, help="how long it may take (default 20)")
    parser.add_argument("--report", action="store_true", help="measure nothing: write the report of bench.json again")
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="write there, and leave the READMEs alone")
    return parser.parse_args()


def _is_installed(name: str) -> bool:
    try:
        return bool(metadata.version(name))
    except metadata.PackageNotFoundError:
        return False


if __name__ == "__main__":
    sys.exit(main())
