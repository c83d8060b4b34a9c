"""./run serve and ./run dev from start to end, on the built-in database and on one that was given."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from testkit.databases import Database
from tests.serve.serving import Serving
from tests.support.asking import LOOKUP


def test_the_second_start_answers_within_three_seconds(served_before: Path) -> None:
    for _ in range(2):  # the better of two: it takes half of that where nobody else is at work
        with Serving(served_before) as server:
            took = server.wait()
            assert server.get(LOOKUP).status == 200
        if took < 3:
            break

    assert took < 3


def test_a_removed_database_is_made_again(ready_tree: Path, serve: Callable[..., Serving]) -> None:
    for file in (ready_tree / "instance").glob("sakila.sqlite3*"):
        file.unlink()

    again = serve(ready_tree)

    assert again.get(LOOKUP).status == 200


def test_host_port_workers_and_threads_are_what_their_names_say_and_ctrl_c_ends_all_of_it(
    served_before: Path, serve: Callable[..., Serving]
) -> None:
    server = serve(served_before, HOST="127.0.0.1", WORKERS="3", THREADS="2")
    server.wait_for_events("Booting worker", 3)

    code = server.stop(signal.SIGINT, whole_group=True)

    said = [event["event"] for event in server.events()]
    assert len([event for event in said if event.startswith("Booting worker")]) == 3
    assert [event for event in said if f"Listening at: http://127.0.0.1:{server.port}" in event]
    assert "Using worker: serving.worker.GuardedWorker" in said
    assert code in (0, 130)
    assert "Traceback" not in server.log.read_text()
    assert not [event for event in server.events() if event["level"] in ("error", "critical")]


@pytest.mark.tables
@pytest.mark.long_form("mariadb118", "mysql", "postgresql")
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
