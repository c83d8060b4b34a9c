"""docs/your-own-service.md is followed to the letter behind docs/add-a-feature.md: the sample goes, the rest stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clone.walkthrough import change, follow, steps


@pytest.mark.timeout(400)  # whole commands and tests of their own run inside
def test_the_sample_room_is_removed_as_the_document_says(walkable: Path) -> None:
    documents = walkable / "docs"
    # Its commands are run by test_feature.py: here it is only what the other one begins with.
    for step in steps(documents / "add-a-feature.md"):
        if step.kind != "console":
            change(step, walkable)

    follow(documents / "your-own-service.md", walkable)

    assert not (walkable / "app" / "cities").exists()
    left = [path for path in (walkable / "app").rglob("*.py") if "cities" in path.read_text("utf-8").lower()]
    assert [path.name for path in left] == ["openapi.py"], "./run rename sees to the title"
