"""The document counts the colours, and has a reason where this application is not green."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.faults import remarks
from benchmarks.tests.test_cluster_outcome import FLAWLESS as CLUSTER_FLAWLESS
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


@pytest.mark.usefixtures("bench_packages")
def test_the_clusters_part_has_faults_of_its_own_and_a_figure_in_each_column(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchmarks.faults import report
    from benchmarks.faults.cluster.report import CLUSTER

    document = tmp_path / "fault-matrix.md"
    document.write_text("<!-- server -->\n<!-- /server -->\n<!-- cluster -->\n<!-- /cluster -->\n")
    monkeypatch.setattr(report, "ROOT", tmp_path)
    monkeypatch.setattr(report, "DOCUMENT", document)

    report.write(CLUSTER, {"conflicts": {"ours": CLUSTER_FLAWLESS}}, minutes=7.0, is_whole=True)

    text = document.read_text()
    assert len(CLUSTER.figures(CLUSTER_FLAWLESS)) == len(CLUSTER.columns)
    assert set(CLUSTER.incidents).isdisjoint(report.SERVER.incidents), "two headings of one document"
    assert text.startswith("<!-- server -->\n<!-- /server -->\n<!-- cluster -->\n")
    assert "| [conflicts](#conflicts) | 🟢 worst 3.1 s |" in text
