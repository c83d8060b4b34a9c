"""`python -m benchmarks.servers`: makes an environment with the servers, measures, and writes docs/servers.md."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from pathlib import Path

from benchmarks.bench.ground import ground, what_is_missing
from benchmarks.bench.progress import Advance
from benchmarks.choosing import keys_of
from benchmarks.publishing import circumstances, publish
from benchmarks.servers import environment
from benchmarks.servers.experiment import FULL, QUICK, Experiment
from benchmarks.servers.rows import SERVERS, Server
from benchmarks.servers.table import Results, report
from benchmarks.stacks import NotStartedError
from testkit import ROOT

DOCUMENT = ROOT / "docs" / "servers.md"


def main() -> int:
    """Return the exit code."""
    options = _options()
    if missing := what_is_missing():
        sys.exit(missing)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    results, is_whole = Results(), False
    try:
        measure([SERVERS[key] for key in options.only or SERVERS], results, is_quick=options.quick)
        is_whole = not (options.quick or options.only)
    except KeyboardInterrupt:
        print("Interrupted; what was measured:", file=sys.stderr)
        return 130
    finally:
        print(report(results))
    if is_whole:
        where = circumstances(programs=("wrk", "mariadbd"))
        where |= {"python": environment.python(), "versions": where["versions"] | environment.versions()}
        publish("servers", report(results), where, DOCUMENT)
    return 0


def measure(servers: list[Server], results: Results, *, is_quick: bool) -> None:
    """Measure these, into the results."""
    binaries, failed = environment.make()
    results.absent |= {server.key: failed[server.package] for server in servers if server.package in failed}
    there = [server for server in servers if server.key not in results.absent]
    plan = QUICK if is_quick else FULL
    with ground(tls=False) as place, tempfile.TemporaryDirectory() as folder, Advance(plan.length(there)) as advance:
        Path(folder).chmod(0o755)  # what Apache's other user may pass through
        experiment = Experiment(plan, place.url, binaries, Path(folder), results)
        advance.say(f"{len(there)} servers, about {plan.length(there) / 60:.0f} minutes")
        experiment.measure_speed(there, advance)
        for server in there:
            if server.is_watched and server.key not in results.absent:
                advance.say(f"what {server.key} loses")
                try:
                    experiment.count_losses(server, advance)
                except NotStartedError as error:
                    results.absent[server.key] = str(error)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.servers", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a round of each; prints the tables, writes nothing")
    parser.add_argument("--only", type=keys_of(SERVERS), metavar="KEY,KEY", help=f"these only, of {', '.join(SERVERS)}")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
