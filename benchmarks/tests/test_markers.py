"""Figures in a text: only they are replaced."""

from pathlib import Path

import pytest

from benchmarks.markers import replace_between


def test_only_what_stands_between_the_markers_is_replaced(tmp_path: Path) -> None:
    file = tmp_path / "text.md"
    file.write_text("before\n<!-- bench -->\nold \\1\n<!-- /bench -->\nafter\n")

    replace_between(file, "bench", "new \\1\n")

    assert file.read_text() == "before\n<!-- bench -->\nnew \\1\n<!-- /bench -->\nafter\n"


def test_missing_markers_are_an_error(tmp_path: Path) -> None:
    file = tmp_path / "text.md"
    file.write_text("<!-- bench -->\n")

    with pytest.raises(ValueError, match="has no <!-- bench --> with"):
        replace_between(file, "bench", "new")
