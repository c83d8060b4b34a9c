"""What ./run installs, whatever the index has learnt since, whichever pip came with Python, however the user set it.

The packages are invented: newer ones of all, and others of the same version, are what time makes of an index.
"""

from __future__ import annotations

import ensurepip
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests.serve.packages import BACK_END, index_of, pin, source, wheel
from tests.serve.serving import environment

# Of one kind with the one that is bundled with Python 3.11.
pytestmark = pytest.mark.long_form("23.0")

PACKAGES = ("base", "plugin", "measure", "reader", "mysqlclient")
FILE = "user = true\ndry-run = true\nconstraint = {newer}\nrequirement = {newer}\n"
SPOILT = "raise SystemExit('not what was locked')\n"
# Debian 12 has 23.0; Python 3.12 is too new for it.
PIPS = [ensurepip.version(), "newest", *(["23.0"] if sys.version_info < (3, 12) else [])]


@pytest.fixture(scope="session")
def environment_with(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return an environment with one of the pips and nothing else, made once."""

    @cache
    def make(pip: str) -> Path:
        venv = tmp_path_factory.mktemp("environment") / ".venv"
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        if pip != ensurepip.version():
            wanted = "pip" if pip == "newest" else f"pip=={pip}"
            subprocess.run([venv / "bin/python", "-m", "pip", "install", "--quiet", "--upgrade", wanted], check=True)
        return venv

    return make


@pytest.fixture(params=dict.fromkeys(PIPS))
def tree(bare_tree: Path, environment_with: Callable[[str], Path], request: pytest.FixtureRequest) -> Path:
    """A fresh clone with lock files of its own, and an index that was the newest when they were written."""
    shutil.copytree(environment_with(request.param), bare_tree / ".venv", symlinks=True)
    index = bare_tree / "index"
    locks = {
        "requirements": [wheel(index, "base", "1.0")],
        "requirements-dev": [
            wheel(index, "plugin", "1.0", "base", "measure[toml]>=1"),
            wheel(index, "measure", "1.0", 'reader; extra == "toml"'),
            wheel(index, "reader", "1.0"),
        ],
        "requirements-build": [wheel(index, "backend", "1.0", code=BACK_END)],
        "requirements-mysqlclient": [source(index, wheel(bare_tree, "mysqlclient", "1.0"), "backend")],
    }
    for lock, releases in locks.items():
        (bare_tree / f"{lock}.txt").write_text("".join(map(pin, releases)))
    return bare_tree


def time_passes(tree: Path) -> None:
    """Let the index learn of newer releases of everything, and of other files for the versions that are locked."""
    for name in (*PACKAGES, "backend"):
        wheel(tree / "index", name, "99.0", code=SPOILT)
        wheel(tree / "index", name, "1.0-99", code=SPOILT)


def install(tree: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Return how the part of ./run that reads lock files ended: what comes after it would start servers and tests."""
    script = "source ./run help >/dev/null; install requirements-dev.txt; install requirements-mysqlclient.txt"
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(index_of(tree / "index"))}
    return subprocess.run(
        ["bash", "-c", script],
        cwd=tree,
        env=environment(tree, **offline, **environ),
        capture_output=True,
        text=True,
        timeout=60,
    )


def assert_as_locked(tree: Path) -> None:
    imports = ["-c", f"import {', '.join(PACKAGES)}"]
    subprocess.run([tree / ".venv/bin/python", *imports], check=True)
    assert (tree / ".venv" / ".installed-requirements-mysqlclient.txt").exists()


def test_an_index_that_has_gone_on_changes_nothing(tree: Path) -> None:
    time_passes(tree)

    ended = install(tree)

    assert ended.returncode == 0, ended.stderr
    assert_as_locked(tree)


@pytest.mark.parametrize("tree", PIPS[:1], indirect=True)
def test_what_a_user_is_used_to_changes_nothing_either(tree: Path) -> None:
    """All at once, in the environment and in a file, as each alone would send the packages elsewhere, or stop."""
    elsewhere = str(tree / "elsewhere")
    (tree / "newer").write_text("measure==99.0\n")
    (tree / "pip.conf").write_text(f"[install]\n{FILE.format(newer=tree / 'newer')}")
    habits = {
        "PIP_CONFIG_FILE": f"{tree}/pip.conf",
        "PIP_USER": "1",
        "PIP_REQUIRE_VIRTUALENV": "1",
        "PIP_PYTHON": sys.executable,
        "PIP_DRY_RUN": "1",
        "PIP_VERSION": "23.0",
        **dict.fromkeys(("PIP_CONSTRAINT", "PIP_EDITABLE", "PIP_REQUIREMENT"), f"{tree}/newer"),
        **dict.fromkeys(("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT"), elsewhere),
    }

    ended = install(tree, **habits)

    assert ended.returncode == 0, ended.stderr
    assert_as_locked(tree)
    assert not Path(elsewhere).exists()


@pytest.mark.short_form("target")
@pytest.mark.parametrize("tree", PIPS[:1], indirect=True)
@pytest.mark.parametrize("option", ["target", "prefix", "root"])
def test_what_a_file_sends_elsewhere_is_not_taken_for_installed(tree: Path, option: str) -> None:
    (tree / "pip.conf").write_text(f"[install]\n{option} = {tree}/elsewhere\n")

    for _ in range(2):
        ended = install(tree, PIP_CONFIG_FILE=f"{tree}/pip.conf", PYTHONPATH=f"{tree}/elsewhere")

        assert ended.returncode == 1
        assert "pip installed elsewhere: see 'pip config list'" in ended.stderr
    assert not list((tree / ".venv").glob(".installed-*"))


@pytest.mark.parametrize(
    ("tree", "without", "told"),
    [
        *[(pip, "--no-deps ", "all requirements must have their versions pinned") for pip in PIPS if pip[:3] == "23."],
        (PIPS[0], "what+=(--no-build-isolation)", "not what was locked"),
    ],
    indirect=["tree"],
)
def test_it_is_this_index_that_breaks_other_ways(tree: Path, without: str, told: str) -> None:
    """An older pip takes the newest release of what is wanted with an extra; every pip the newest back end."""
    script = (tree / "run").read_text()
    assert without in script
    (tree / "run").write_text(script.replace(without, ""))
    time_passes(tree)

    ended = install(tree)

    assert ended.returncode == 1
    assert told in ended.stderr
