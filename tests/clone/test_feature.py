"""docs/add-a-feature.md is followed to the letter, so that it cannot rot; and a rotten document is found out."""

from __future__ import annotations

from pathlib import Path

import pytest

from config import ROOT
from tests.clone.walkthrough import DocumentError, follow


@pytest.mark.timeout(600)  # whole commands and tests of their own run inside
def test_the_films_room_is_built_as_the_document_says(walkable: Path) -> None:
    follow(walkable / "docs" / "add-a-feature.md", walkable)

    assert (walkable / "app" / "films" / "queries.py").exists()
    assert not (ROOT / "app" / "films").exists()


ROTTEN = {
    "a file that is there": ("New file `here.txt`:\n\n```text\nnew\n```\n", "here.txt is there already"),
    "a line that is gone": ("In `here.txt`, below `three`:\n\n```text\nnew\n```\n", "0 lines of here.txt begin with"),
    "a line that is there twice": ("In `here.txt`, instead of `t`:\n\n```text\nnew\n```\n", "2 lines of here.txt"),
    "an end that is gone": (
        "In `here.txt`, from `two` to `ten`:\n\n```text\nnew\n```\n",
        "after two no line of here.txt",
    ),
    "a diff of lines that are gone": ("In `here.txt`:\n\n```diff\n-three\n+four\n```\n", "0 places of here.txt have"),
    "a diff of a file that is gone": ("In `there.txt`:\n\n```diff\n-ten\n```\n", "there are 0 files there.txt"),
    "a block that nobody explains": ("Look:\n\n```python\nprint()\n```\n", "a block of python below 'Look:'"),
    "a console without a command": ("```console\nthree\n```\n", "begins with a command"),
    "a command that fails": ("```console\n$ echo no; false\n```\n", "ended with 1:\nno"),
    "another output": ("```console\n$ cat here.txt\ntwo\n…\n```\n", "instead of"),
}


@pytest.mark.parametrize("rot", ROTTEN)
def test_a_document_that_rotted_is_found_out(tmp_path: Path, rot: str) -> None:
    text, complaint = ROTTEN[rot]
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "here.txt").write_text("ten\ntwo\n")
    (tmp_path / "document.md").write_text(f"# Rotten\n\n{text}")

    with pytest.raises(DocumentError, match=complaint) as error:
        follow(tmp_path / "document.md", tree)

    assert "document.md, line " in str(error.value)


def test_a_sound_document_is_followed(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "here.txt").write_text("ten\ntwo\nfour\nfive\nsix\n")
    (tmp_path / "document.md").write_text(
        "New file `new.txt`:\n\n```text\nfirst\n```\n"
        "In `here.txt`, below `ten`:\n\n```text\n  five\n```\n"
        "In `here.txt`, instead of `two`:\n\n```text\nthree\n```\n"
        "In `here.txt`, from `four` to `six`:\n\n```text\nfour to six\n```\n"
        "In `h*.txt`:\n\n```diff\n ten\n-  five\n+  5\n+  and a half\n```\n"
        "```console\n$ cat new.txt here.txt\nfirst\n…\nthr…\nfour to …\n$ true\n```\n"
    )

    follow(tmp_path / "document.md", tree)

    assert (tree / "here.txt").read_text() == "ten\n  5\n  and a half\nthree\nfour to six\n"
