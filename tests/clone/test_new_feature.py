"""./run new-feature in a small copy: what it writes, names and refuses. test_feature.py has a room at work."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from config import ROOT
from tools.new_feature import FeatureError, main, make, names


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """As much of the project as it looks at, without any migration."""
    for part in ("app/__init__.py", "app/schema.py"):
        (tmp_path / part).parent.mkdir(exist_ok=True)
        shutil.copy2(ROOT / part, tmp_path / part)
    shutil.copytree(ROOT / "tools" / "room", tmp_path / "tools" / "room")
    (tmp_path / "migrations" / "versions").mkdir(parents=True)
    return tmp_path


def test_every_file_has_the_new_name_and_no_other(small: Path) -> None:
    done = make(small, "stories")

    texts = {path: (small / path).read_text("utf-8") for path in done}
    assert len(done) == len(set(done)) == 12
    own = [path for path in done if path not in ("app/__init__.py", "app/schema.py")]
    assert [path for path in own if "thing" in path + texts[path].lower()] == []
    assert "class Story(Model)" in texts["app/stories/models.py"]
    assert "init_stories(app)\n" in texts["app/__init__.py"]
    assert '"story": "story_id"}\n' in texts["app/schema.py"]


SINGULARS = {
    "films": "film",
    "stories": "story",
    "movies": "movie",
    "shelves": "shelf",
    "book_shelves": "book_shelf",
    "boxes": "box",
    "addresses": "address",
    "branches": "branch",
    "brushes": "brush",
    "children": "child",
    "people": "person",
}
DOUBTFUL = ["caves", "houses", "buses", "caches", "prizes", "shoes", "series", "status", "glass", "analysis", "read"]


@pytest.mark.parametrize("several", SINGULARS)
def test_one_of_them_is_named_as_in_english(several: str) -> None:
    assert names(several, None)["thing"] == SINGULARS[several]


@pytest.mark.parametrize("several", DOUBTFUL)
def test_where_english_goes_both_ways_one_is_asked_for(several: str) -> None:
    with pytest.raises(FeatureError, match="--one"):
        names(several, None)

    assert names(several, "one_of_them")["Thing"] == "OneOfThem"


def test_what_one_of_them_is_called_is_told(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["book_shelves"], small) == 0

    told = (
        "One of them: class BookShelf, table book_shelf, /book_shelves and /api/v1/book_shelves; otherwise: --one NAME."
    )
    assert told in capsys.readouterr().out.splitlines()


def test_migrations_are_numbered_on(small: Path) -> None:
    make(small, "films")
    make(small, "children", "child")

    first, second = sorted((small / "migrations" / "versions").iterdir())
    assert (first.name, second.name) == ("0001_create_film.py", "0002_create_child.py")
    assert 'revision = "0001"\ndown_revision = None\n' in first.read_text()
    assert 'revision = "0002"\ndown_revision = "0001"\n' in second.read_text()
    assert '"film": "film_id", "child": "child_id"}\n' in (small / "app" / "schema.py").read_text()


REFUSED = [
    (["Films"], "will not do"),
    (["film archive"], "will not do"),
    (["fish"], "--one"),
    (["films", "--one", "films"], "--one"),
    (["commands"], "is there already"),
    (["operations"], "is there already"),
    # These mean something else to the project, to Python or to SQL.
    *(([name], "") for name in ("tokens", "idempotency_keys", "pages", "fields", "connections", "orders", "libraries")),
    (["classes", "--one", "class"], ""),
]


@pytest.mark.parametrize(("arguments", "why"), REFUSED)
def test_a_name_that_will_not_do_is_refused_and_nothing_is_written(
    small: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], why: str
) -> None:
    (small / "app" / "tokens.py").touch()
    (keys,) = (ROOT / "migrations" / "versions").glob("*_create_idempotency_key.py")
    shutil.copy2(keys, small / "migrations" / "versions")
    before = sorted(small.rglob("*"))

    assert main(arguments, small) == 2

    said = capsys.readouterr().err
    assert said.startswith("./run new-feature: ")
    assert why in said
    assert sorted(small.rglob("*")) == before


def test_a_room_that_is_there_is_left_alone(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(small, "films")
    (small / "app" / "films" / "models.py").write_text("mine")

    assert main(["films"], small) == 2

    assert "app/films or tests/films is there already" in capsys.readouterr().err
    assert (small / "app" / "films" / "models.py").read_text() == "mine"
