"""Small JSON files that several processes share: nobody ever reads half of one."""

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


def replace(path: Path, document: Any, by: str) -> None:
    """Write a file in the place of the one that is there, readable for all who may enter its folder.

    `by` is a name for the scratch file that nobody else has at the same time. Raises OSError.
    """
    scratch = path.with_name(f"{by}.tmp")
    scratch.write_text(json.dumps(document, separators=(",", ":")))
    scratch.chmod(0o644)  # who orders something may be another user than who obeys
    scratch.replace(path)


def read_json(path: Path) -> Any:
    """Return what is written there, None if that is nothing, or nothing that can be read."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None


def understood(kind: Callable[..., T], documents: Any) -> list[T]:
    """Return those that were written by this version of the code: after a reload there may be others."""
    made = []
    for document in documents if isinstance(documents, list) else []:
        with suppress(TypeError):
            made.append(kind(**document))
    return made
