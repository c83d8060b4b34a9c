"""The tests that stay with a clone hold for rooms that nobody thought of here, whose tables have no row at first."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from config import ROOT
from tests.clone.walkthrough import change, commands, steps
from tests.serve.serving import run
from tools.new_feature import main as new_feature
from tools.rename import main as rename

DOCUMENT = ROOT / "docs" / "your-own-service.md"

# File -> what goes and what comes.
SHELVES = {
    "app/shelves/models.py": {
        "from datetime import datetime": "from datetime import date, datetime\nfrom decimal import Decimal",
        "import String": "import Numeric, String",
        "(String(100))\n": "(String(100))\n"
        "    external_id: Mapped[str] = mapped_column(String(20))\n"
        "    since: Mapped[date]\n"
        "    length: Mapped[Decimal] = mapped_column(Numeric(10, 2))\n",
    },
    "migrations/versions/0003_create_shelf.py": {
        "sa.String(100), nullable=False),\n": "sa.String(100), nullable=False),\n"
        '        sa.Column("external_id", sa.String(20), nullable=False),\n'
        '        sa.Column("since", sa.Date, nullable=False),\n'
        '        sa.Column("length", sa.Numeric(10, 2), nullable=False),\n',
    },
}
TO_SHELF = 'ForeignKey("shelf.shelf_id", name="fk_book_shelf")'
BOOKS = {
    "app/books/models.py": {
        "import String": "import ForeignKey, String",
        "(String(100))\n": f"(String(100))\n    shelf_id: Mapped[int] = mapped_column({TO_SHELF})\n",
    },
    "migrations/versions/0004_create_book.py": {
        "sa.String(100), nullable=False),\n": "sa.String(100), nullable=False),\n"
        f'        sa.Column("shelf_id", sa.Integer, sa.{TO_SHELF}, nullable=False),\n',
    },
    "app/books/api.py": {
        '@bp.get("/books")\n': '@bp.post("/books/returns")\n'
        "@operation(returns=None, status=204)\n"
        "def give_back() -> Response:\n"
        '    """Take a book back: the only thing to do here."""\n'
        "    return Response(status=204)\n\n\n"
        '@bp.get("/books")\n',
    },
}
SHARED = [f"tests/api/test_{name}.py" for name in ("doctor", "doctor_refused", "health", "migrations", "openapi")]


@pytest.fixture
def service(clone: Path) -> Path:
    """A clone under another name, whose sample is out, with two rooms: books refer to shelves, which were first."""
    assert rename(["film-archive"], clone) == 0
    remove_the_sample(clone)
    for name, edits in (("shelves", SHELVES), ("books", BOOKS)):
        assert new_feature([name], clone) == 0
        for path, changes in edits.items():
            for before, after in changes.items():
                text = (clone / path).read_text("utf-8")
                assert before in text, before
                (clone / path).write_text(text.replace(before, after), "utf-8")
    return clone


def remove_the_sample(tree: Path) -> None:
    """Do what the document says before it has the first command of ours run."""
    for step in steps(DOCUMENT):
        if step.kind != "console":
            change(step, tree)
            continue
        for command, _ in commands(step):
            if command.startswith("./run"):
                return
            if command.startswith("rm -r "):
                remove(tree, command.split()[2:])


def remove(tree: Path, patterns: list[str]) -> None:
    for path in [path for pattern in patterns for path in tree.glob(pattern)]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.mark.timeout(400)  # a run of tests of its own inside
def test_what_stays_is_green_whatever_the_rooms_are_like(service: Path) -> None:
    tested = run(service, "test", "-q", "-n0", *SHARED, "-k", "sqlite", timeout=380)

    assert tested.returncode == 0, tested.stdout[-4000:]
