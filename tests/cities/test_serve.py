"""Cities by ./run: served from a fresh clone, kept through an upgrade, loaded from where somebody stands."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa

from tests.serve.serving import Serving, environment, run


def test_a_fresh_clone_answers_from_sakila_and_changed_data_survives_an_upgrade(
    tree: Path, serve: Callable[..., Serving]
) -> None:
    fresh = serve(tree)
    answer = fresh.get("/?city=London")
    fresh.stop()
    engine = sa.create_engine(f"sqlite:///{tree}/instance/sakila.sqlite3")
    with engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM city WHERE city_id = 1"))
    engine.dispose()
    (tree / "app" / "cities" / "data" / "README.md").write_text("Another version.")

    upgraded = serve(tree)

    assert (answer.status, answer.text.strip()) == (200, 'City "London" is #312')
    assert f"curl 'http://127.0.0.1:{fresh.port}/?city=London'" in fresh.log.read_text()
    assert upgraded.get("/?city=London").status == 200
    assert upgraded.get("/api/v1/cities/1").status == 404


def test_load_names_files_from_where_the_user_stands_and_itself_as_it_was_called(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "cities.csv").write_text("city,country\n")
    (tmp_path / "link").symlink_to(tree / "run")

    refused = subprocess.run(
        ["./link", "load", "cities.csv", "--synthetic", "7"],
        cwd=tmp_path,
        env=environment(tree, DATABASE_URL="sqlite:///none"),
        capture_output=True,
        text=True,
    )

    assert refused.stderr.startswith("Usage: ./run load [OPTIONS] [FILE]\n")
    assert "Name a file (- is standard input), or --synthetic N." in refused.stderr


def test_the_list_of_commands_has_those_of_the_room(bare_tree: Path) -> None:
    assert "\n  load FILE         add the cities of a CSV file" in run(bare_tree).stdout
