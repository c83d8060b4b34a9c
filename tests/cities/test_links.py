"""Every link in the documents leads somewhere. In this folder, since some lead to the sample."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from config import ROOT

LINK = re.compile(r"\]\(([^)\s]+)\)")
ELSEWHERE = ("http://", "https://", "mailto:")
LISTED = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
DOCUMENTS = [ROOT / line for line in LISTED.splitlines()]


def anchors(document: Path) -> set[str]:
    """Return what its headings are called behind a #, as GitHub makes it of them."""
    heads = re.findall(r"^#+ (.*)$", document.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def broken(document: Path) -> Iterator[str]:
    text = re.sub(r"^```.*?^```", "", document.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    for link in LINK.findall(text):
        path, _, anchor = link.partition("#")
        target = document.parent / path if path else document
        is_there = target.exists() and (not anchor or target.suffix != ".md" or anchor in anchors(target))
        if not link.startswith(ELSEWHERE) and not is_there:
            yield link


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(document: Path) -> None:
    assert list(broken(document)) == []


def test_documents_were_found() -> None:
    assert len(DOCUMENTS) > 20
