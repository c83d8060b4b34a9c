"""The document has every figure, the rule, and a reason where this application is not green."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest

from benchmarks.faults import remarks
from benchmarks.tests.test_faults_rule import FLAWLESS

SLOW = replace(FLAWLESS, worst_seconds=3.7)
MATRIX = {
    "crash": {"persistent-db": replace(FLAWLESS, stuck=16), "ours": FLAWLESS},
    "leak": {"persistent-db": FLAWLESS, "ours": SLOW},
}
WHERE = {
    "command": "./run faults",
    "commit": "abc",
    "cores": 2,
    "processor": "P",
    "system": "S",
    "python": "3",
    "versions": {},
    "minutes": 7,
}


@pytest.fixture
def report(bench_packages: None) -> ModuleType:
    from benchmarks.faults import report

    return report


def test_the_overview_has_a_row_for_each_fault_and_counts_colours(report: ModuleType) -> None:
    text = report.markdown(MATRIX, WHERE)

    assert "| [crash](#crash) | 🔴 16 stuck | 🟢 worst 3.1 s |" in text
    assert "| **all** | 🟢 1 🟡 0 🔴 1 | 🟢 1 🟡 1 🔴 0 |" in text


def test_a_row_that_is_not_won_is_explained(report: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(remarks.REMARKS, "leak", "for this reason.")

    assert "- **leak** (one took 3.7 s): for this reason." in report.markdown(MATRIX, WHERE)


def test_the_figures_are_in_the_json_too(report: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "ROOT", tmp_path)

    assert report.write(MATRIX, minutes=7.0, into=tmp_path) == [f"fault-matrix.{end}" for end in ("md", "svg", "json")]

    cells = json.loads((tmp_path / "fault-matrix.json").read_text())["cells"]
    assert cells["crash"]["persistent-db"]["stuck"] == 16
    assert cells["leak"]["ours"]["colour"] == "yellow"


def test_the_picture_has_a_square_for_each_cell(report: ModuleType) -> None:
    drawn = ElementTree.fromstring(report.draw({"crash": ["red", "green"], "leak": ["green", "yellow"]}, ["a", "b, c"]))

    squares = [each for each in drawn.iter() if each.get("rx")]
    assert len(squares) == 4
