"""A file of many lines needs no more memory than one of few: the most that the process ever had, as `time` shows it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from config import ROOT
from testkit.databases import environment, migrate_and_seed

MORE_MB = 8
"""Batches may fall differently; to keep 50,000 lines would take 20."""

# In between, as a process is said to have had what the one had that started it.
WATCH = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(most / (1e6 if sys.platform == "darwin" else 1e3))
"""


def test_memory_is_that_of_one_batch_however_long_the_file(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/memory.sqlite3"
    migrate_and_seed(url)

    short = most_mb(url, lines(tmp_path, 10_000))
    long = most_mb(url, lines(tmp_path, 60_000))

    assert long < short + MORE_MB


def lines(folder: Path, number: int) -> Path:
    file = folder / f"{number}.csv"
    file.write_text("city,country\n" + "".join(f"Town {number:06},Utopia\n" for number in range(number)))
    return file


def most_mb(url: str, file: Path) -> float:
    """Load a file and return the most memory that this took."""
    load = [sys.executable, "-m", "flask", "--app", "wsgi", "load", str(file)]
    watched = [sys.executable, "-c", WATCH, *load]
    done = subprocess.run(watched, cwd=ROOT, env=environment(url), stdout=subprocess.PIPE, check=True, text=True)
    return float(done.stdout)
