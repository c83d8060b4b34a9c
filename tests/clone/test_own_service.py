"""docs/your-own-service.md is followed to the letter: the sample goes with a handful of edits, the rest is green."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from config import ROOT
from tests.clone.walkthrough import follow, steps

DOCUMENT = ROOT / "docs" / "your-own-service.md"
MOST_EDITS = 5
WORDS = re.compile(r"\b(cit(y|ies)|countr(y|ies)|London)\b")


def test_a_person_changes_no_more_than_a_handful_of_lines() -> None:
    edits = [line for step in steps(DOCUMENT) if step.kind != "console" for line in step.text.splitlines()]

    assert {step.kind for step in steps(DOCUMENT)} == {"console", "diff"}
    assert len([line for line in edits if line.startswith("-")]) <= MOST_EDITS


@pytest.mark.timeout(600)  # whole commands and tests of their own run inside
def test_the_sample_is_removed_as_the_document_says(walkable: Path) -> None:
    follow(walkable / "docs" / "your-own-service.md", walkable)

    assert not (walkable / "app" / "cities").exists()
    kept = [path for folder in ("app", "testkit") for path in (walkable / folder).rglob("*.py")]
    # But for what the service is called, until `./run rename`.
    texts = {path.name: path.read_text("utf-8").replace('SERVICE = "cities"', "") for path in kept}
    assert [name for name, text in texts.items() if WORDS.search(text)] == []
