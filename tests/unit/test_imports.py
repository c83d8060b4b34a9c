"""What the web process does not carry about."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NOT_SERVED = {"alembic", "mako", "tests", "testkit", "benchmarks"}


def test_the_web_process_imports_nothing_of_migrations() -> None:
    listing = "import sys, wsgi; print(*{name.partition('.')[0] for name in sys.modules})"
    environ = {"DATABASE_URL": "sqlite:///none.sqlite3", "PYTHONPATH": str(ROOT)}

    done = subprocess.run(
        [sys.executable, "-c", listing], cwd=ROOT, env=environ, capture_output=True, text=True, check=True
    )

    assert set(done.stdout.split()) & NOT_SERVED == set()
