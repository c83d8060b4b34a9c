"""Writes what was measured into `benchmarks/README.md`: tables, and below each where and with what."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from testkit import processes

FOLDER = Path(__file__).parent
WRITTEN = ("benchmarks/README.md", "benchmarks/results", "docs/fault-matrix.md", "docs/images", "docs/servers.md")
"""By the programs that measure: one table does not make the next one's commit another one."""
PACKAGES = ("Flask", "Werkzeug", "gunicorn", "SQLAlchemy", "Flask-SQLAlchemy", "PyMySQL")


def circumstances(*packages: str, programs: Sequence[str] = ()) -> dict[str, Any]:
    """Return where and with what this process measures; `programs` are asked for their versions."""
    return {
        "command": " ".join(["python -m", _module(), *sys.argv[1:]]),
        "commit": _commit(),
        "cores": os.cpu_count(),
        "processor": _processor(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "versions": {name: metadata.version(name) for name in (*PACKAGES, *packages)} | dict(map(_version, programs)),
    }


def in_words(where: dict[str, Any]) -> str:
    """Return the circumstances as the line below a table."""
    machine = f"{where['cores']} cores ({where['processor']}), {where['system']}"
    versions = ", ".join(f"{name} {version}" for name, version in where["versions"].items())
    return f"`{where['command']}` at `{where['commit']}`: {machine}, Python {where['python']}, {versions}."


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, texts: int = 1) -> str:
    """Return a Markdown table whose first columns are texts and whose others are numbers."""
    rule = ["---"] * texts + ["--:"] * (len(head) - texts)
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *rows))


def publish(name: str, text: str, where: dict[str, Any], file: Path = FOLDER / "README.md") -> None:
    """Replace what stands between `<!-- name -->` and `<!-- /name -->`; raises ValueError where the two are missing."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before = file.read_text(encoding="utf-8")
    between = f"{begin}\n{text}\n\n{in_words(where)}\n{end}"
    pattern = f"{re.escape(begin)}.*?{re.escape(end)}"
    after, found = re.subn(pattern, lambda _: between, before, count=1, flags=re.DOTALL)
    if not found:
        raise ValueError(f"{file} has no {begin} with {end} after it")
    file.write_text(after, encoding="utf-8")


def _module() -> str:
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    return spec.name.removesuffix(".__main__") if spec else sys.argv[0]


def _commit() -> str:
    """Return the commit, dirty if anything else has changed than what is written here."""
    commit = _git("describe", "--always") or "unknown"
    others = (f":(top,exclude){each}" for each in WRITTEN)
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", ":/", *others)
    return f"{commit}-dirty" if changed else commit


def _git(*arguments: str) -> str:
    said = subprocess.run(["git", *arguments], cwd=FOLDER, capture_output=True, text=True, check=False)
    return said.stdout.strip()


def _version(program: str) -> tuple[str, str]:
    # Some say it on stderr, and wrk ends with 1.
    command = [processes.program(program) or program, "--version"]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"\d+\.\d+[.\d]*", said.stdout + said.stderr)
    return program, found[0].rstrip(".") if found else "of unknown version"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # not Linux
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
