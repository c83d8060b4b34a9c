"""./run serve and ./run dev from start to end, on the built-in database and on one that was given."""

from __future__ import annotations

import hashlib
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from testkit.databases import Database
from tests.serve.serving import Serving, run
from tests.support.asking import LOOKUP


def fingerprint(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir() if path.is_file()}


def test_the_second_start_answers_within_three_seconds(served_before: Path) -> None:
    took = []
    for _ in range(2):  # the better of two: it takes half of that where nobody else is at work
        with Serving(served_before) as server:
            took.append(server.wait())
            assert server.get(LOOKUP).status == 200

    assert min(took) < 3


def test_a_removed_database_is_made_again(ready_tree: Path, serve: Callable[..., Serving]) -> None:
    serve(ready_tree).stop()
    for file in (ready_tree / "instance").glob("sakila.sqlite3*"):
        file.unlink()

    again = serve(ready_tree)

    assert again.get(LOOKUP).status == 200


def test_ctrl_c_ends_it_cleanly(served_before: Path, serve: Callable[..., Serving]) -> None:
    server = serve(served_before)

    code = server.stop(signal.SIGINT, whole_group=True)

    assert code in (0, 130)
    assert "Traceback" not in server.log.read_text()
    assert not [event for event in server.events() if event["level"] in ("error", "critical")]


def test_host_port_workers_and_threads_are_what_their_names_say(
    served_before: Path, serve: Callable[..., Serving]
) -> None:
    server = serve(served_before, HOST="127.0.0.1", WORKERS="3", THREADS="2")

    deadline = time.monotonic() + 10
    while len(booted := [e for e in server.events() if e["event"].startswith("Booting worker")]) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.05)

    assert len(booted) == 3
    assert [event for event in server.events() if f"Listening at: http://127.0.0.1:{server.port}" in event["event"]]
    assert [event for event in server.events() if event["event"] == "Using worker: gthread"]


@pytest.mark.tables
def test_a_database_that_is_given_is_served_and_not_changed(
    tree: Path, serve: Callable[..., Serving], empty_database: Database
) -> None:
    server = serve(tree, DATABASE_URL=empty_database.url)

    assert server.get("/readyz").status == 503
    server.stop()

    engine = sa.create_engine(empty_database.url)
    assert sa.inspect(engine).get_table_names() == []
    engine.dispose()
    assert not (tree / "instance").exists()


def test_a_database_named_in_env_file_is_not_changed_either(tree: Path, serve: Callable[..., Serving]) -> None:
    (tree / "data").mkdir()
    (tree / ".env").write_text("DATABASE_URL=sqlite:///data/mine.sqlite3\n")

    server = serve(tree)
    server.get("/readyz")
    server.stop()

    assert not (tree / "instance").exists()
    mine = tree / "data" / "mine.sqlite3"
    assert not mine.exists() or mine.stat().st_size == 0


def test_migrate_and_seed_say_what_they_did_and_may_be_repeated(tree: Path) -> None:
    (tree / "data").mkdir()
    url = "sqlite:///data/mine.sqlite3"

    first = [run(tree, "migrate", DATABASE_URL=url), run(tree, "seed", DATABASE_URL=url)]
    before = fingerprint(tree / "data")
    second = [run(tree, "migrate", DATABASE_URL=url), run(tree, "seed", DATABASE_URL=url)]

    assert [ended.returncode for ended in first + second] == [0, 0, 0, 0]
    assert second[1].stdout + second[1].stderr
    assert fingerprint(tree / "data") == before


def test_dev_reloads_what_was_changed(ready_tree: Path) -> None:
    wsgi = ready_tree / "wsgi.py"
    with Serving(ready_tree, command="dev") as server:
        server.wait()
        wsgi.write_text(wsgi.read_text() + '\n\n@app.get("/just-written")\ndef written():\n    return "here"\n')

        deadline = time.monotonic() + 15
        while (status := _status(server, "/just-written")) != 200 and time.monotonic() < deadline:
            # Again and again: the first look at the files, a moment after the first answer, is what later ones are
            # compared with.
            wsgi.touch()
            time.sleep(0.5)

    assert status == 200


def _status(server: Serving, path: str) -> int | None:
    try:
        return server.get(path).status
    except OSError:
        return None
