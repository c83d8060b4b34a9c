"""./run rename on copies of the project: what it changes, what it leaves alone, what still works afterwards."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from config import ROOT
from tests.serve.serving import Serving, run
from tests.support.copies import LEFT_BEHIND
from tools.rename import main

# In these folders the old name may stand nowhere after a renaming, but for the sample feature; elsewhere it may not
# stand where only the project can be meant.
CARRYING = ("deploy/", "tests/deploy/", "docs/deploy.md", "docs/releasing.md", "SECURITY.md", ".github/")
THE_FEATURE = re.compile(r"app/cities|/api/v1/[a-z]*|looks up cities by")
THE_PROJECT = re.compile(
    r"cities\.(service|conf|example)\b|/(srv|etc|ssl)/cities|job=.cities|Cities(Error|Pool|Breaker|Conn)"
)


def contents(tree: Path) -> dict[str, str]:
    """Return the text of every file that a clone has, by its path."""
    ignored = shutil.ignore_patterns(*LEFT_BEHIND)
    found = {}
    for folder, folders, files in os.walk(tree):
        left_behind = ignored(folder, [*folders, *files])
        folders[:] = set(folders) - left_behind
        for path in (Path(folder, name) for name in set(files) - left_behind):
            found[str(path.relative_to(tree))] = path.read_text("utf-8", errors="replace")
    return found


@pytest.mark.timeout(400)  # whole commands and tests of their own run inside
def test_a_renamed_project_serves_and_its_tests_are_green(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = contents(clone)

    assert main(["film-archive", "--dry-run"], clone) == 0
    said = capsys.readouterr().out
    assert "left as it is" not in said, "a place of tools/rename.py is not there any more"
    assert said.endswith("nothing was changed.\n")
    assert contents(clone) == before

    done = run(clone, "rename", "film-archive")
    assert done.returncode == 0
    assert 'The way back: ./run rename cities --title "Cities"' in done.stdout
    assert names_left_over(clone) == []

    assert main(["film-archive"], clone) == 0
    assert capsys.readouterr().out == "The project is called film-archive (Film Archive) already; nothing to do.\n"

    with Serving(clone, DATABASE_URL="sqlite:///none") as server:
        server.wait()
        assert "<title>API · Film Archive</title>" in server.get("/docs", Accept="text/html").text
        assert server.get("/openapi.json").json()["info"]["title"] == "Film Archive"
    tested = run(clone, "test", "-q", *PART, timeout=200)
    assert tested.returncode == 0, tested.stdout[-4000:]

    assert main(["cities", "--title", "Cities"], clone) == 0
    assert contents(clone) == before


# What reads the files that carry the name.
PART = [f"tests/deploy/test_{name}.py" for name in ("rules", "observability", "systemd")]


@pytest.mark.parametrize("path", ["SECURITY.md", "docs/releasing.md", "docs/upgrading.md"])
def test_what_a_clone_inherits_names_no_address_of_ours(path: str) -> None:
    """Whoever reports a hole in a clone must not come to us, nor to somebody who is gone."""
    text = (ROOT / path).read_text().replace("https://token.actions.githubusercontent.com", "")

    assert re.findall(r"\S+@[\w-]+\.\S+|https?://(?!github\.com/OWNER/NAME/)\S+", text) == []


def names_left_over(tree: Path) -> list[str]:
    """Return the lines that still have the old name where only a project's name can be meant."""
    return [
        f"{path}: {line.strip()}"
        for path, text in contents(tree).items()
        if not path.startswith(("tests/clone/", "benchmarks/"))
        for line in [path, *text.splitlines()]
        if THE_PROJECT.search(line)
        or (path.startswith(CARRYING) and re.search("cities", THE_FEATURE.sub("", line), re.IGNORECASE))
    ]


@pytest.fixture
def small(tmp_path: Path, template: Path) -> Path:
    """As much of the project as the renaming looks at, in a folder where it can be damaged."""
    tree = tmp_path / "small"
    tree.mkdir()
    for part in ("pyproject.toml", "README.md"):
        shutil.copy2(template / part, tree / part)
    return tree


BAD_NAMES = ["x", "Film", "film archive", "film_archive", "9films", "films-", "a--b", "ä", "a/b", "a" * 32, ""]
BAD_TITLES = ["", " ", " Films", "Films ", '"', "<b>", "{{ 1 }}", "a\nb", "100 %", "a" * 41]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        *(([name], f'"{name}" will not do: 2 to 31 small letters') for name in BAD_NAMES),
        *((["films", "--title", title], "will not do: 1 to 40 letters") for title in BAD_TITLES),
    ],
)
def test_a_name_or_title_that_will_not_do_is_refused_in_a_sentence(
    small: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], why: str
) -> None:
    before = contents(small)

    assert main(arguments, small) == 2

    assert why in capsys.readouterr().err
    assert contents(small) == before


@pytest.mark.parametrize(("name", "place"), [("nginx", "docs/deploy.md"), ("systemd", "deploy/systemd/cities.service")])
def test_a_name_that_could_not_be_taken_back_is_refused(
    small: Path, template: Path, capsys: pytest.CaptureFixture[str], name: str, place: str
) -> None:
    """/etc/nginx/ would become /etc/cities/ on the way back."""
    (small / place).parent.mkdir(parents=True)
    shutil.copy2(template / place, small / place)
    before = contents(small)

    assert main([name], small) == 2

    assert f'./run rename: "{name}" will not do: {place} uses it for something else' in capsys.readouterr().err
    assert contents(small) == before


def test_what_the_owner_has_rewritten_is_named_and_left_alone(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (small / "README.md").write_text("# My own words\n")

    assert main(["films", "--title", "Ein Verzeichnis"], small) == 0

    said = capsys.readouterr().out
    assert "README.md: no '# Cities:' in it; left as it is" in said
    assert "deploy/nginx/app.conf: not there; left as it is" in said
    assert "cities is films (Ein Verzeichnis) now, in 1 file;" in said
    assert 'title = "Ein Verzeichnis"' in (small / "pyproject.toml").read_text()


def test_an_interrupted_renaming_is_finished_by_doing_it_again(small: Path) -> None:
    whole = small / "README.md"
    text = whole.read_text()
    assert main(["films"], small) == 0
    pyproject = small / "pyproject.toml"
    # As if it had ended before the last file: the README has the new name, the record the old one.
    pyproject.write_text(pyproject.read_text().replace('"films"', '"cities"').replace('"Films"', '"Cities"'))

    assert main(["films"], small) == 0

    assert whole.read_text() == text.replace("# Cities:", "# Films:")
    assert 'name = "films"' in pyproject.read_text()


def test_a_project_that_does_not_say_its_name_is_told_where_to(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (small / "pyproject.toml").write_text("[tool.ruff]\n")

    assert main(["films"], small) == 2

    assert "pyproject.toml has no [tool.rename]" in capsys.readouterr().err
