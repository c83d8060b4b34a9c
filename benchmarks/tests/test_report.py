"""The report's arithmetic, on a run that was made up."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from benchmarks.bench.summary import Summary

TITLES = {"floor": "floor", "raw": "raw", "persistent-db": "PersistentDB", "ours": "ours"}


def one_round(stack: str, per_second: float, **more: Any) -> dict[str, Any]:
    return {
        "stack": stack,
        "condition": "plain",
        "clients": 16,
        "lap": 1,
        "right": 1000,
        "wrong": 0,
        "failed": 0,
        "lost": 0,
        "timeouts": 0,
        "per_second": per_second,
        "p50_ms": 6.0,
        "p99_ms": 9.0,
        "memory_mb": 80.0,
        "web_cpu_ms": 0.6,
        "database_cpu_ms": 0.1,
        "connections": 0,
        "problem": "",
        **more,
    }


def made_up(*rounds: dict[str, Any], **more: Any) -> Summary:
    return Summary({"titles": TITLES, "rounds": list(rounds), "wire": {}, "absent": [], "ended_early": "", **more})


def verdicts(summary: Summary) -> dict[str, str]:
    from benchmarks.bench.figures import figures

    return {each.name: each.verdict() for each in figures(summary)}


def test_microseconds_are_added_to_the_floor_s() -> None:
    summary = made_up(one_round("floor", 2500), one_round("raw", 2000), one_round("ours", 1900))

    assert summary.added_us("raw") == pytest.approx(100)
    assert summary.added_us("ours") == pytest.approx(126.3, abs=0.1)
    assert summary.added_us("persistent-db") is None


def test_medians_are_compared_and_the_spread_is_shown() -> None:
    from benchmarks.bench import tables

    speeds = {"ours": (1000, 1800, 1100), "persistent-db": (1000, 1200, 1000)}
    rounds = [one_round(key, speed, lap=lap) for key, each in speeds.items() for lap, speed in enumerate(each)]
    summary = made_up(one_round("floor", 2500), *rounds)

    assert summary.ratio("ours", "persistent-db") == 1.1
    assert "| at least 1 x | 1.10 x (1.00–1.50) | reached |" in tables.to_reach(summary)
    assert "| 1,100 (1,000–1,800) |" in tables.headline(summary)


def test_a_figure_is_reached_not_reached_or_not_measured() -> None:
    floor, raw, slow = one_round("floor", 2500), one_round("raw", 2000), one_round("ours", 1850)
    name = "added microseconds over the floor, in those of the raw limit"

    assert verdicts(made_up(floor, raw, one_round("ours", 1950)))[name] == "reached"
    assert verdicts(made_up(floor, raw, slow))[name] == "**not reached**"
    assert verdicts(made_up(floor, slow))[name] == "not measured"


@pytest.mark.parametrize(("own", "verdict"), [(3.2, "reached"), (3.6, "**not reached**")])
def test_a_delayed_answer_is_compared_with_the_raw_limit_s(own: float, verdict: str) -> None:
    times = {"raw": 3.0, "ours": own}
    delayed = [one_round(stack, 300, condition="delay", clients=1, p50_ms=p50) for stack, p50 in times.items()]

    assert verdicts(made_up(*delayed))["1 ms each way, one client: p50, in the raw limit's"] == verdict


@pytest.mark.parametrize(("with_two", "verdict"), [(1900, "reached"), (1700, "**not reached**")])
def test_what_a_second_worker_gives_is_compared_with_the_floor_s(with_two: float, verdict: str) -> None:
    one = [one_round("floor", 2000), one_round("ours", 1000)]
    two = [one_round("floor", 4000, condition="workers"), one_round("ours", with_two, condition="workers")]

    assert verdicts(made_up(*one, *two))["two workers: times as fast as one, in the floor's"] == verdict


def test_commands_and_dead_time_come_from_the_wire() -> None:
    summary = made_up(wire={"ours": {"commands": 1.0, "open_seconds": 8.0, "busy_seconds": 2.0}})

    assert summary.commands("ours") == 1
    assert summary.idle_ratio("ours") == 0.75
    assert verdicts(summary)["database commands per read"] == "reached"


def test_connections_are_counted_for_a_thousand_answers() -> None:
    summary = made_up(one_round("ours", 1000, right=500, connections=5), one_round("ours", 1000, right=1500))

    assert summary.connections("ours") == 2.5


def test_a_stack_that_errs_is_shown_with_its_errors() -> None:
    from benchmarks.bench import tables

    erring = one_round("raw", 1500, right=900, failed=100, wrong=2, timeouts=3)
    gone = {"stack": "ours", "condition": "plain", "clients": 16, "lap": 1, "problem": "ConnectionRefusedError"}

    shown = tables.headline(made_up(one_round("floor", 2500), erring, gone))

    assert "100 of 1,002 failed; 2 wrong answers; 3 took over 2 s |" in shown
    assert "| ours | – |" in shown
    assert "ConnectionRefusedError |" in shown


def test_what_could_not_be_started_says_why() -> None:
    from benchmarks.bench import tables

    absent = [
        {"stack": "raw", "condition": "tls", "reason": "does not use TLS when asked to"},
        {"stack": "ours", "condition": "plain", "reason": "ended with 2 at the start\nits log"},
    ]
    summary = made_up(one_round("floor", 2500), absent=absent)

    assert "| raw | – | n/a: does not use TLS when asked to | – |" in tables.elsewhere(summary)
    assert "| ended with 2 at the start |" in tables.headline(summary)


def test_the_report_can_be_made_again_from_what_is_kept(bench_packages: None, tmp_path: Path) -> None:
    from benchmarks.bench import report
    from benchmarks.publishing import circumstances

    rounds = [one_round(stack, 2000, clients=clients) for stack in TITLES for clients in (1, 16)]
    growth = {"requests": 2, "before_mb": 80.0, "after_mb": 81.0}
    results = made_up(*rounds, growth=growth).results | {"circumstances": circumstances()}

    text = report.write(results, tmp_path).read_text()

    assert json.loads((tmp_path / "bench.json").read_text()) == results
    assert "81.0 MB after 2 more" in text


def test_only_what_stands_between_the_markers_is_replaced(tmp_path: Path) -> None:
    from benchmarks.publishing import circumstances, publish

    file = tmp_path / "text.md"
    file.write_text("before\n<!-- bench -->\nold \\1\n<!-- /bench -->\nafter\n")

    publish("bench", "new \\1", circumstances(), file)

    assert re.fullmatch(r"before\n<!-- bench -->\nnew \\1\n\n`.*`.*\.\n<!-- /bench -->\nafter\n", file.read_text())
    with pytest.raises(ValueError, match="has no <!-- scale --> with"):
        publish("scale", "new", circumstances(), file)


@pytest.mark.parametrize(
    ("changed", "mark"),
    [("", ""), ("benchmarks/README.md", ""), ("docs/images/overload.svg", ""), ("app.py", "-dirty")],
)
def test_the_commit_is_another_one_where_more_has_changed_than_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str, mark: str
) -> None:
    from benchmarks import publishing

    for name in ("benchmarks/README.md", "docs/images/overload.svg", "app.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("old")
    for arguments in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "a"],
    ):
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True)
    if changed:
        (tmp_path / changed).write_text("new")
    monkeypatch.setattr(publishing, "FOLDER", tmp_path / "benchmarks")

    assert re.fullmatch(f"[0-9a-f]{{7,}}{mark}", publishing.circumstances()["commit"])
