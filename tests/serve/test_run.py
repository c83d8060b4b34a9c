"""What ./run says and does before there is a server."""

from __future__ import annotations

import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from config import ROOT
from testkit.processes import free_port
from testkit.terminal import on_terminal
from testkit.waiting import eventually
from tests.serve.serving import Serving, environment, run
from tests.support.asking import LOOKUP

COMMANDS = [
    "serve",
    "dev",
    "migrate",
    "seed",
    "doctor",
    "test",
    "check",
    "screenshots",
    "lock",
    "rename",
    "new-feature",
]


def shim(folder: Path, before: str, version: str = "Python 3.14.0") -> str:
    """Return the path of a Python that runs some code before what it is asked to run."""
    path = folder / "some-python"
    path.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && echo "{version}" && exit\n'
        f'exec {sys.executable} -c "import sys; {before}; exec(sys.argv[1])" "$2"\n'
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_run_alone_lists_every_command_in_groups_that_fit_a_terminal(bare_tree: Path) -> None:
    shown = run(bare_tree)

    assert shown.returncode == 0
    listed = re.findall(r"^  ([\w-]+) .{10,}$", shown.stdout, re.MULTILINE)
    assert [command for command in listed if command in COMMANDS] == COMMANDS  # rooms may bring more
    lines = shown.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    groups = ["Run it", "Its data", "Work on it"]
    assert [line for line in lines if line in groups] == groups
    assert [line for line in lines if line.startswith("  ") and not re.match(r"  .{17} \S", line)] == []


def test_the_list_is_in_colour_only_where_it_is_seen_and_wanted(bare_tree: Path) -> None:
    piped = run(bare_tree, TERM="xterm").stdout
    seen = on_terminal("./run", env=environment(bare_tree), cwd=bare_tree).text
    unwanted = on_terminal("./run", env=environment(bare_tree, NO_COLOR="1"), cwd=bare_tree).text
    dumb = on_terminal("./run", env=environment(bare_tree, TERM="dumb"), cwd=bare_tree).text

    assert "\x1b[36mserve" in seen
    assert re.sub(r"\x1b\[\d+m|\r", "", seen) == piped
    assert unwanted.replace("\r", "") == dumb.replace("\r", "") == piped


def test_an_unknown_command_is_answered_with_the_list(bare_tree: Path) -> None:
    shown = run(bare_tree, "srve")

    assert shown.returncode == 1
    assert "no command 'srve'" in shown.stderr
    assert "serve" in shown.stderr


def test_run_is_written_for_the_bash_of_macos() -> None:
    newer = r"\bmapfile\b|\breadarray\b|declare -A|local -A|local -n|\$\{\w+(,,|\^\^|@Q)|\[\[ -v |&>>|\|&"

    assert re.findall(newer, (ROOT / "run").read_text()) == []


@pytest.mark.parametrize(
    ("before", "version", "sentence"),
    [
        ("sys.version_info = (3, 9, 1)", "Python 3.9.1", "Python 3.9.1 is too old; install Python 3.11 or newer"),
        ("sys.modules['ensurepip'] = None", "Python 3.14.0", "has no venv module; install it"),
    ],
)
def test_a_python_that_will_not_do_is_named_in_one_sentence(
    bare_tree: Path, before: str, version: str, sentence: str
) -> None:
    ended = run(bare_tree, "serve", PYTHON=shim(bare_tree, before, version))

    assert ended.returncode == 1
    assert sentence in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert not (bare_tree / ".venv").exists()


def test_no_python_at_all_is_said_in_one_sentence(bare_tree: Path) -> None:
    ended = run(bare_tree, "serve", PYTHON="python-that-is-not-there")

    assert ended.returncode == 1
    assert "Found no python-that-is-not-there; install Python 3.11 or newer" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize(("number", "exit_code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_while_python_still_imports_is_a_sentence(tree: Path, number: str, exit_code: int) -> None:
    """Stand-ins for what is imported first send it, and go on importing for a while."""
    for name in ("flask", "alembic"):
        (tree / f"{name}.py").write_text(f"import os, signal\nos.kill(os.getpid(), signal.{number})\nsignal.pause()\n")

    for command in ("migrate", "seed", "doctor"):
        ended = run(tree, command, DATABASE_URL="sqlite:///none")

        assert (ended.returncode, ended.stderr) == (exit_code, "Error: interrupted; to run it again does no harm.\n")


def test_run_may_be_called_through_links(bare_tree: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "link").symlink_to("../another")
    (tmp_path / "another").symlink_to(bare_tree / "run")

    shown = subprocess.run(["bin/link"], cwd=tmp_path, env=environment(bare_tree), capture_output=True, text=True)

    assert shown.stdout == run(bare_tree).stdout


@pytest.fixture(scope="module")
def first(served_before: Path) -> Iterator[Serving]:
    """A server that has the port which others want."""
    with Serving(served_before) as server:
        server.wait()
        yield server


def test_a_taken_port_is_said_in_one_sentence(served_before: Path, first: Serving) -> None:
    second = run(served_before, "serve", PORT=str(first.port))

    assert second.returncode == 1
    assert f"Port {first.port} is taken on 127.0.0.1; stop what listens there or choose another" in second.stderr
    assert "Traceback" not in second.stderr
    assert "Retrying" not in second.stderr


def test_an_address_given_to_gunicorn_is_the_one_that_is_tried_and_shown(
    served_before: Path, first: Serving, tmp_path: Path
) -> None:
    port = free_port()
    with socket.socket(socket.AF_INET6) as taken:
        taken.bind(("::1", 0))
        taken.listen()
        six = taken.getsockname()[1]
        refused = run(served_before, "serve", "--bind", f"[::1]:{six}", PORT=str(port))

    # The settings name a port that is taken, which nobody wants.
    with Serving(
        served_before, "-b", f"unix:{tmp_path}/socket", "-b", f"0.0.0.0:{port}", PORT=str(first.port)
    ) as other:
        other.port = port
        other.wait()
        assert eventually(lambda: f"Try: curl 'http://127.0.0.1:{port}/" in other.log.read_text())

    assert refused.returncode == 1
    assert f"Port {six} is taken on ::1; stop what listens there or choose another for --bind" in refused.stderr


@pytest.mark.parametrize("command", ["serve", "migrate", "seed"])
def test_bad_settings_end_with_2_and_all_problems(tree: Path, command: str) -> None:
    ended = run(tree, command, THREADS="many", POOL_STRATEGY="none", DATABASE_URL="nonsense")

    assert ended.returncode == 2
    for name in ("THREADS", "POOL_STRATEGY", "DATABASE_URL"):
        assert name in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.timeout(300)  # pip has everything to fetch, twice
@pytest.mark.usefixtures("ctrl_c")
def test_an_interrupted_install_heals_at_the_next_start(bare_tree: Path) -> None:
    """The only test that installs for real; what it interrupts is pip in the middle of its work."""
    venv = bare_tree / ".venv"
    # Compiled is what the server imports, by itself.
    environ = {"PIP_NO_COMPILE": "1"}
    first = subprocess.Popen(
        ["./run", "serve"],
        cwd=bare_tree,
        env=environment(bare_tree, **environ),
        start_new_session=True,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 60
    # As soon as the first package is there: pip must not be done before it hears of it.
    while len(list(venv.glob("lib/*/site-packages/*.dist-info"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(first.pid, signal.SIGINT)
    first.communicate(timeout=30)
    assert not (venv / ".installed-requirements.txt").exists()

    with Serving(bare_tree, **environ) as server:
        server.wait(200)
        assert server.get(LOOKUP).status == 200


def test_another_lock_file_is_installed(tree: Path) -> None:
    """A changed lock file is noticed: here one that no index can satisfy."""
    bin_folder = tree / ".venv" / "bin"
    bin_folder.unlink()
    bin_folder.mkdir()
    for tool in ("python", "pip"):
        (bin_folder / tool).symlink_to(ROOT / ".venv" / "bin" / tool)
    (tree / "requirements.txt").write_text("flask==0.0.0 --hash=sha256:" + "0" * 64 + "\n")

    ended = run(tree, "serve", PIP_NO_INDEX="1", PIP_FIND_LINKS="")

    assert ended.returncode == 1
    assert "pip could not install requirements.txt" in ended.stderr
    assert (tree / ".venv" / ".half-done").exists()


def test_an_input_that_left_its_lock_file_behind_fails_the_check(tree: Path) -> None:
    with (tree / "requirements-dev.in").open("a") as file:
        file.write("colorama==0.4.6\n")

    # The part of ./run check that is about lock files: the others take long and have nothing to say here.
    ended = subprocess.run(
        ["bash", "-c", "source ./run help >/dev/null; lock_files_in_step"],
        cwd=tree,
        env={**os.environ, **environment(tree)},
        capture_output=True,
        text=True,
        timeout=100,
    )

    assert ended.returncode == 1
    assert "+colorama==0.4.6" in ended.stderr
    assert "not in step with their inputs; ./run lock renews them" in ended.stderr
