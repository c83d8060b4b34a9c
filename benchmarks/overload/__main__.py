"""`./run overload`: ask three stacks for more than they can, one after the other, and write what they did."""

from __future__ import annotations

import argparse
import os
import resource
import signal
import sys
import tempfile
from http.client import HTTPException
from pathlib import Path

from benchmarks.bench.ground import Ground, ground
from benchmarks.bench.progress import Advance
from benchmarks.bench.wire import ping_ms
from benchmarks.choosing import keys_of
from benchmarks.overload import report
from benchmarks.overload.load import GeneratorError
from benchmarks.overload.plan import FULL, ONE_WAY_SECONDS, QUICK, TIMES_SLOWER, Pace
from benchmarks.overload.report import Results
from benchmarks.overload.subjects import SUBJECTS
from benchmarks.overload.trial import NoPeakError, Trial
from benchmarks.publishing import FOLDER, circumstances
from benchmarks.stacks import NotStartedError
from testkit.proxy import Proxy
from testkit.servers import MissingError

RESULTS = FOLDER / "results"
MOST_FILES = 20_000
"""What an open loop needs: a connection for each request that waits. Each stack may have as many."""

PINGS = 50


def main() -> int:
    """Return the exit code; Ctrl-C keeps the stacks that are done."""
    options = _options()
    _allow_files()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    results, was_interrupted = Results(), False
    pace = QUICK if options.quick else FULL
    try:
        with ground(tls=False) as place, tempfile.TemporaryDirectory(prefix="sakila-overload-") as folder:
            measure(results, place, Path(folder), pace, options.only or list(SUBJECTS))
    except MissingError as error:
        print(f"./run overload: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        was_interrupted = True
    where = circumstances("fastapi", "uvicorn", "uvloop", "asyncmy", programs=("mariadbd",))
    is_to_publish = results.is_whole and not (was_interrupted or options.quick or options.output)
    file = report.write(results, options.output or RESULTS / "partial", where)
    print(f"{file.read_text('utf-8')}\nWritten: {os.path.relpath(file)}")
    if is_to_publish:
        report.publish(results, where)
    return 130 if was_interrupted else int(bool(results.absent))


def measure(results: Results, place: Ground, folder: Path, pace: Pace, keys: list[str]) -> None:
    """Take these stacks through all scenarios, one after the other, into `results`."""
    slow_one_way = _look_at_the_way(results, place)
    with Advance(len(keys) * pace.seconds()) as advance:
        advance.say(f"{len(keys)} stacks, about {len(keys) * pace.seconds() / 60:.1f} minutes")
        for key in keys:
            trial = Trial(SUBJECTS[key], place, folder, pace, advance.say)
            try:
                results.outcomes[key], results.behind[key] = trial.hold(slow_one_way)
            except (NotStartedError, GeneratorError, NoPeakError, OSError, HTTPException) as error:
                advance.say(f"{key} is left out: {error}")
                results.absent[key] = str(error) or type(error).__name__
            advance.step(pace.seconds())


def _look_at_the_way(results: Results, place: Ground) -> float:
    """Measure a round trip through the proxy; return the delay one way that makes it so many times as long."""
    with Proxy("127.0.0.1", place.server.port, is_mysql=False) as proxy:
        proxy.delay(ONE_WAY_SECONDS)
        usual = ping_ms(proxy.url(place.url), PINGS)
        slow_one_way = ONE_WAY_SECONDS + (TIMES_SLOWER - 1) * usual / 2000
        proxy.delay(slow_one_way)
        results.round_trips_ms |= {"usual": usual, "slow": ping_ms(proxy.url(place.url), PINGS // TIMES_SLOWER)}
    return slow_one_way


def _allow_files() -> None:
    """Let this process and those that it starts open as many files as the system allows, up to what is needed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_FILES if hard == resource.RLIM_INFINITY else min(MOST_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./run overload", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="shorter overloads: a minute and a half; publishes nothing"
    )
    parser.add_argument(
        "--only", type=keys_of(SUBJECTS), metavar="KEY,KEY", help=f"these stacks only, of {', '.join(SUBJECTS)}"
    )
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="write there, and leave the documents alone")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
