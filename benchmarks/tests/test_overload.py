"""The overload, in its shortest form, on all three stacks; and what is made of what it counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import Mock
from xml.etree import ElementTree

import pytest

if TYPE_CHECKING:
    from benchmarks.bench.ground import Ground
    from benchmarks.overload.report import Results

pytestmark = pytest.mark.usefixtures("bench_packages")

SCENARIOS = ("peak", "crowd", "flood", "slow")


@pytest.fixture(scope="module")
def results(place: Ground, tmp_path_factory: pytest.TempPathFactory) -> Results:
    """A run of seconds."""
    from benchmarks.overload.__main__ import measure
    from benchmarks.overload.plan import Pace
    from benchmarks.overload.report import Results
    from benchmarks.overload.subjects import SUBJECTS

    pace = Pace(warm=0.5, peak=1, before=0.5, overload=1, after=1, slow=1, after_slow=1)
    results = Results()
    measure(results, place, tmp_path_factory.mktemp("overload"), pace, list(SUBJECTS))
    return results


def test_every_stack_goes_through_every_scenario(results: Results) -> None:
    assert results.absent == {}
    assert results.is_whole
    assert {key: tuple(outcomes) for key, outcomes in results.outcomes.items()} == dict.fromkeys(
        ("ours", "flask-sqlalchemy", "fastapi-async"), SCENARIOS
    )


def test_every_answer_was_right_and_told_how_long_it_took_inside(results: Results) -> None:
    for outcomes in results.outcomes.values():
        for outcome in outcomes.values():
            assert outcome.counts["wrong"] == 0

        counts, peak = outcomes["peak"].counts, outcomes["peak"]
        assert counts["right"] > 0
        assert peak.inside.p50 is not None
        assert peak.client.p50 is not None
        assert 0 < peak.inside.p50 <= peak.client.p50


def test_what_is_possible_is_what_was_measured_in_the_same_run(results: Results) -> None:
    for key, outcomes in results.outcomes.items():
        assert outcomes["crowd"].possible > 0
        assert outcomes["flood"].possible > 0
        assert outcomes["slow"].possible <= results.behind[key]["slow"]


def test_an_overload_is_measured_by_the_peaks_before_and_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchmarks.overload import trial
    from benchmarks.overload.answers import Phase
    from benchmarks.overload.load import Load
    from benchmarks.overload.plan import QUICK
    from benchmarks.overload.subjects import SUBJECTS

    asked: list[Phase] = []

    def put(_port: int, phases: list[Phase], *_: object) -> Load:
        asked.append(phases[1])
        return Load(phases, [], [0.0])

    peaks = Mock(side_effect=[Mock(goodput=goodput) for goodput in (100.0, 200.0, 300.0)])
    monkeypatch.setattr(trial, "put_load_on", put)
    monkeypatch.setattr(trial.Trial, "_closed_loop", peaks)

    outcomes = trial.Trial(SUBJECTS["ours"], Mock(), tmp_path, QUICK, Mock())._overload(1)

    assert [phase.rate for phase in asked] == [0, 1.5 * 200]
    assert outcomes["crowd"].possible == 150
    assert outcomes["flood"].possible == 0, "nobody came"


def test_the_slow_database_is_some_five_times_as_slow(results: Results) -> None:
    usual, slow = results.round_trips_ms["usual"], results.round_trips_ms["slow"]

    assert usual >= 16
    # What is added is known; what the proxy itself takes may be more at one time than at the other.
    assert slow >= 4 * usual


def test_whoever_has_to_answer_throughout_is_asked(results: Results) -> None:
    asked = {key: set(outcomes["crowd"].probes) for key, outcomes in results.outcomes.items()}

    assert asked["ours"] == {"/livez", "/readyz", "/pool"}
    assert asked["flask-sqlalchemy"] == asked["fastapi-async"] == {"/livez"}
    assert all(count > 0 for count, _ in results.outcomes["ours"]["crowd"].probes.values())


def test_a_run_is_written_down_and_published(results: Results, tmp_path: Path) -> None:
    from benchmarks.overload import report
    from benchmarks.publishing import circumstances

    document, image = tmp_path / "README.md", tmp_path / "image.svg"
    document.write_text("<!-- overload -->\n<!-- /overload -->\n")

    text = report.write(results, tmp_path / "partial", circumstances()).read_text()
    report.publish(results, circumstances(), document, image)

    kept = json.loads((tmp_path / "partial" / "overload.json").read_text())
    assert set(kept["outcomes"]["ours"]) == set(SCENARIOS)
    assert text.count("| **this application** |") == len(SCENARIOS)
    assert text.count("| Flask-SQLAlchemy |") == len(SCENARIOS)
    assert report.tables(results) in document.read_text()
    lines = ElementTree.parse(image).findall("{*}path[@class='line ours']")
    assert len(lines) == 1 + 3, "one in the legend, one in each chart"
