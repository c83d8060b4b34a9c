"""A migrator that can be stopped and killed: it takes the lock, says so, and makes a table for each line that it gets.

`python -m tests.support.migrator URL BEAT_SECONDS`
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text

from migrations import lease
from migrations.lock import migration_lock
from testkit.databases import environment, plain_engine

HAS_IT = "has the lock\n"


@contextmanager
def migrator(url: str, beat_seconds: float = lease.BEAT_SECONDS) -> Iterator[subprocess.Popen[str]]:
    """Yield the program, which has the lock."""
    command, pipe = [sys.executable, "-m", __name__, url, str(beat_seconds)], subprocess.PIPE
    with subprocess.Popen(command, env=environment(url), stdin=pipe, stdout=pipe, stderr=pipe, text=True) as program:
        try:
            assert program.stdout
            assert program.stdout.readline() == HAS_IT
            yield program
        finally:
            program.kill()


def main(url: str, beat_seconds: str) -> None:
    lease.BEAT_SECONDS = float(beat_seconds)
    with migration_lock(plain_engine(url)) as connection:
        sys.stdout.write(HAS_IT)
        sys.stdout.flush()
        for name in sys.stdin:
            connection.execute(text(f"CREATE TABLE {name} (id INT PRIMARY KEY)"))


if __name__ == "__main__":
    main(*sys.argv[1:])
