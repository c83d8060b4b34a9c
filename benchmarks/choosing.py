"""What `--only` understands, for each command that measures a choice of things."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Collection


def keys_of(known: Collection[str]) -> Callable[[str], list[str]]:
    """Return what makes keys of KEY,KEY for argparse, which tells of those that nobody knows."""

    def keys(text: str) -> list[str]:
        asked = text.split(",")
        if unknown := [key for key in asked if key not in known]:
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; there are {', '.join(known)}")
        return asked

    return keys
