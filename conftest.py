"""What holds for all tests, of the application and of the benchmarks: whose they are, and what becomes of a skip."""

from __future__ import annotations

import re
import signal
from collections import Counter
from collections.abc import Generator, Iterator

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from testkit.leaving_out import REQUIRE_ALL

STARTING = ("browser", "clone", "deploy", "docker", "serve")
"""Folders of tests/ whose tests start whole programs and mostly wait for them."""

COMMANDS = re.compile(
    r"tests/(api|cities)/test_(commands|doctor|foreign|load|migrations_under_load|narrow|passwords|seed)|tests/cities/browser/"
    r"|tests/(pool/)?faults/test_(failover|galera|group)|tests/pool/test_(package|sqlalchemy_suite)|benchmarks/tests/test_(?!matrix)"
)
"""So do these files: commands, clusters in containers, packages, what is measured."""

FAULTS = re.compile(r"tests/(\w+/)?faults/|benchmarks/tests/test_(cluster_)?matrix")
"""What watches the clock."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let all be asked for."""
    parser.addoption("--long", action="store_true", help="all cases of the long matrices, too")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let the faults, which watch the clock, come last: by then the other worker, if there is one, is mostly through.

    Of a test that is marked `short_form("a", "b")` only the cases a and b are run, of one that is marked
    `long_form("a")` all others, unless all are asked for.
    """
    items.sort(key=lambda item: FAULTS.match(item.nodeid) is not None)
    if not config.option.long:
        config.hook.pytest_deselected(items=[item for item in items if not is_in_the_short_form(item)])
        items[:] = filter(is_in_the_short_form, items)


def is_in_the_short_form(item: pytest.Item) -> bool:
    """Tell whether a test is run without `--long`."""
    short, long = item.get_closest_marker("short_form"), item.get_closest_marker("long_form")
    words = re.split(r"[\[\]-]", item.name)
    return (short is None or not set(short.args).isdisjoint(words)) and set(long.args if long else ()).isdisjoint(words)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Deal the tests out to two workers: one has those that start programs, the other the rest."""
    return TwoShares(config, log)


class TwoShares(LoadScopeScheduling):  # type: ignore[misc] # it has no types
    """In xdist 3.8 the mark `xdist_group`, which is made for this, does nothing under pytest 9.2."""

    def _split_scope(self, nodeid: str) -> str:
        return "starting" if folder_of(nodeid) in STARTING or COMMANDS.match(nodeid) else "asking"


def folder_of(nodeid: str) -> str:
    """Return the folder of tests/ that a test is in; all of the benchmarks are in one."""
    return nodeid.split("/")[1]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn every skip into a failure where all is required, whoever skipped."""
    report = yield
    if REQUIRE_ALL and report.skipped:
        report.outcome, report.longrepr = "failed", f"REQUIRE_ALL forbids this skip: {report.longrepr}"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly what was left out, each reason once; it tells how to get it."""
    skipped = Counter(report.longrepr[2] for report in terminalreporter.getreports("skipped"))
    if not skipped:
        return
    terminalreporter.section(f"LEFT OUT: {skipped.total()} TESTS", sep="!", red=True, bold=True)
    for reason, count in skipped.items():
        terminalreporter.write_line(f"{count} tests: {reason.removeprefix('Skipped: ')}")
    terminalreporter.write_line("REQUIRE_ALL=1 makes this an error.")


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Have Ctrl-C heard: a shell that starts the tests in the background has them ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
