"""Gunicorn's hooks one by one; tests/serve has them called by a real one."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from flask import Flask

from config import ROOT, Settings
from serving import run_directory
from serving.addresses import exit_if_unusable
from serving.hooks import Hooks, suggest_a_command
from serving.protocols import Arbiter, Worker
from serving.reloading import ReloadIfSound

NO_PROCESS = 2**22 + 1
"""Above the largest process id that Linux gives."""


IMPORTED = """
import runpy
import sys
from pathlib import Path

sys.path.insert(0, "")


def executed():
    runpy.run_path("gunicorn.conf.py")
    roots = {name: name.partition(".")[0] for name in sys.modules}
    return {
        name: sys.modules[name]
        for name, root in roots.items()
        if Path(root, "__init__.py").exists() or Path(f"{root}.py").exists()
    }


first, again = executed(), executed()
print(*first)
print(*(name for name in again if again[name] is first[name]))
"""


def test_gunicorn_s_settings_import_no_application_and_a_reload_imports_all_anew(tmp_path: Path) -> None:
    """The workers inherit what was imported before the fork."""
    environ = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}

    done = subprocess.run(
        [sys.executable, "-c", IMPORTED], cwd=ROOT, env=environ, capture_output=True, text=True, check=True
    )

    imported, kept = done.stdout.split("\n")[:2]
    assert {name.partition(".")[0] for name in imported.split()} == {"config", "serving", "settings"}
    assert kept == ""


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def test_a_port_that_is_taken_and_an_address_of_another_machine_are_said(taken: int) -> None:
    with pytest.raises(SystemExit, match=f"Port {taken} is taken on 127.0.0.1; .* another: PORT={taken + 1}"):
        exit_if_unusable([("127.0.0.1", taken)], usual_port=taken)
    with pytest.raises(SystemExit, match="another for --bind"):
        exit_if_unusable([("127.0.0.1", taken)], usual_port=8000)
    with pytest.raises(SystemExit, match="HOST must be an address of this machine"):
        exit_if_unusable([("192.0.2.1", 8000)], usual_port=8000)


@pytest.mark.parametrize("name", ["GUNICORN_FD", "LISTEN_FDS", ""])
def test_a_socket_that_is_inherited_or_in_a_folder_is_not_tried(
    taken: int, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name:
        monkeypatch.setenv(name, "3")

    exit_if_unusable([("127.0.0.1", taken)] if name else ["/run/app.sock"], usual_port=taken)


class TestRunDirectory:
    @pytest.fixture(autouse=True)
    def unnamed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(run_directory.VARIABLE, "")  # so that what is set below is taken back
        monkeypatch.delenv(run_directory.VARIABLE)

    def test_it_is_made_once_named_in_the_environment_and_removed(self, tmp_path: Path) -> None:
        made = run_directory.the_run_directory(str(tmp_path), 8000)

        assert made.parent == tmp_path
        assert made == run_directory.the_run_directory(str(tmp_path), 8000) == Path(os.environ[run_directory.VARIABLE])
        run_directory.remove(made)
        assert not made.exists()

    def test_what_servers_that_were_killed_have_left_is_removed(self, tmp_path: Path) -> None:
        left, alive = tmp_path / f"gunicorn-run-8000-{NO_PROCESS}-a", tmp_path / f"gunicorn-run-8000-{os.getppid()}-b"
        init = tmp_path / "gunicorn-run-8000-1-c"  # perhaps somebody else's, whom we may not signal
        for folder in (left, alive, init):
            folder.mkdir()

        run_directory.the_run_directory(str(tmp_path), 8000)

        assert [folder.exists() for folder in (left, alive, init)] == [False, True, True]

    def test_one_of_somebody_s_choice_is_emptied_of_counts_alone_and_kept(self, tmp_path: Path) -> None:
        for name in (
            "histogram_1.db",
            "worker-1.json",
            "history.json",
            "order-drain.json",
            "budgets.json",
            "notes.txt",
        ):
            (tmp_path / name).touch()

        run_directory.begin_counting_anew(tmp_path)
        run_directory.remove(tmp_path)

        assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]

    def test_one_that_cannot_be_a_folder_stops_the_server(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()

        with pytest.raises(SystemExit, match=r"PROMETHEUS_MULTIPROC_DIR=.*/file must be a folder"):
            run_directory.begin_counting_anew(tmp_path / "file")


@pytest.fixture
def hooks(make_settings: Callable[..., Settings], tmp_path: Path) -> Hooks:
    return Hooks(make_settings(PORT=8000), tmp_path)


@dataclass
class Lines:
    """Keeps what is logged."""

    said: list[str] = field(default_factory=list)

    def info(self, line: str, *values: object) -> None:
        self.said.append(line % values)

    error = info


def worker(**attributes: Any) -> Worker:
    return cast(Worker, SimpleNamespace(**attributes))


@pytest.mark.parametrize(
    ("listener", "address"),
    [
        ("http://0.0.0.0:8000", "http://127.0.0.1:8000"),
        ("http://[::]:8000", "http://[::1]:8000"),
        ("http://10.0.0.7:80", "http://10.0.0.7:80"),
    ],
)
def test_the_log_recommends_an_address_that_answers(listener: str, address: str) -> None:
    lines, application = Lines(), Flask("some")
    new = worker(sockets=["unix:/run/app.sock", listener], log=lines, wsgi=application)

    suggest_a_command(new)
    application.config["TRY"] = "/?name=some"
    suggest_a_command(new)

    assert lines.said == [f"Try: curl '{address}/docs'", f"Try: curl '{address}/?name=some'"]


@pytest.mark.parametrize(("taken", "number"), [([], 1), ([1, 2], 3), ([1, 3], 2), ([2, 3], 1)])
def test_a_worker_gets_the_lowest_number_that_is_free(hooks: Hooks, taken: list[int], number: int) -> None:
    new, workers = worker(), {pid: worker(number=used) for pid, used in enumerate(taken)}

    hooks.pre_fork(cast(Arbiter, SimpleNamespace(WORKERS=workers)), new)

    assert new.number == number


@pytest.mark.parametrize(
    ("attribute", "value", "said"),
    [
        ("argv", ["gunicorn", "--config", "/nowhere/gunicorn.conf.py"], "Not reloaded, the old workers go on."),
        ("executable", "/nowhere/python", "The new version could not be tried out"),
    ],
)
def test_a_version_that_cannot_be_started_or_tried_is_not_loaded(
    monkeypatch: pytest.MonkeyPatch, attribute: str, value: object, said: str
) -> None:
    monkeypatch.setattr(sys, attribute, value)
    lines, reloaded = Lines(), list[str]()

    ReloadIfSound(lambda: reloaded.append("reloaded"), cast(logging.Logger, lines))()

    assert reloaded == []
    assert said in lines.said[0]
    assert attribute == "executable" or "/nowhere/gunicorn.conf.py" in lines.said[0]
