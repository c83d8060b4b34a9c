"""Puts what a command has measured between two markers of a Markdown file, and leaves the rest as it was written."""

from __future__ import annotations

import re
from pathlib import Path


def replace_between(file: Path, name: str, text: str) -> None:
    """Replace what stands between `<!-- name -->` and `<!-- /name -->`; raises ValueError where the two are missing."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before = file.read_text(encoding="utf-8")
    pattern = f"{re.escape(begin)}.*?{re.escape(end)}"
    after, found = re.subn(pattern, lambda _: f"{begin}\n{text.strip()}\n{end}", before, count=1, flags=re.DOTALL)
    if not found:
        raise ValueError(f"{file} has no {begin} with {end} after it")
    file.write_text(after, encoding="utf-8")
