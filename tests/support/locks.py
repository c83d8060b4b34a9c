"""What the lock files pin."""

import re

from testkit import ROOT


def locked(*names: str) -> str:
    """Return what requirements.txt pins of these packages, with their hashes."""
    entries = re.findall(r"^[\w.-]+==.*(?:\n    --hash=.*)*", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    chosen = [entry for entry in entries if entry.partition("==")[0] in names]
    assert len(chosen) == len(names)
    return "\n".join(chosen) + "\n"
