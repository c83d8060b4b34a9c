"""The document counts the colours, and has a reason where this application is not green."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.faults import remarks
from benchmarks.tests.test_faults_rule import FLAWLESS

MATRIX = {
    "crash": {"persistent-db": replace(FLAWLESS, stuck=16), "ours": FLAWLESS},
    "leak": {"persistent-db": FLAWLESS, "ours": replace(FLAWLESS, worst_seconds=3.7)},
}


@pytest.mark.usefixtures("bench_packages")
def test_colours_are_counted_and_a_row_that_is_not_won_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchmarks.faults import report

    monkeypatch.setattr(report, "ROOT", tmp_path)
    monkeypatch.setattr(report, "PARTS", tmp_path / "partial")
    monkeypatch.setitem(remarks.REMARKS, "leak", "for this reason.")

    text = (tmp_path / report.write(report.SERVER, MATRIX, minutes=7.0, is_whole=False)).read_text()

    assert "| [crash](#crash) | 🔴 16 stuck | 🟢 worst 3.1 s |" in text
    assert "| **all** | 🟢 1 🟡 0 🔴 1 | 🟢 1 🟡 1 🔴 0 |" in text
    assert "- **leak** (one took 3.7 s): for this reason." in text
