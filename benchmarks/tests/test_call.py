"""What an answer costs is counted, beside the raw limit's in the same run: work that is added is noticed."""

from __future__ import annotations

import re
import subprocess
import sys

from testkit import ROOT

MOST_CALLS = {(3, 11): 700}
"""Calls of functions, in Python and in C, that one warm answer may take: 699 when this was written, 572 for the view
that holds a bare connection. Other versions of Python count otherwise; there only the next bound holds."""
MOST_BESIDE_RAW = 1.32
"""Python calls of this application over those of a view that holds a bare connection: 1.25 when this was written (379
to 302, Python 3.11), and 3 % for those that count otherwise."""


def test_an_answer_calls_few_functions(bench_packages: None, wrk_program: None) -> None:
    command = [sys.executable, "-m", "benchmarks.call", "--rounds", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)

    assert done.returncode == 0, done.stderr
    lines = re.findall(r"^(.+?) +\d+ us,.*, (\d+) Python calls, (\d+) with those of C$", done.stdout, re.MULTILINE)
    calls = {name: int(count) for name, count, _ in lines}
    assert set(calls) == {"the floor", "the raw limit", "this application"}, done.stdout
    assert calls["this application"] <= MOST_BESIDE_RAW * calls["the raw limit"], done.stdout
    [of_all] = [int(count) for name, _, count in lines if name == "this application"]
    assert of_all <= MOST_CALLS.get(sys.version_info[:2], of_all), done.stdout
