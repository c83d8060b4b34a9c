"""SQLite's URL: never a new file, and never more rights than were asked for."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import literal, make_url, select

from steadypool import PoolPolicy, create_pool_engine, read
from steadypool.engine import existing_file

ONE = select(literal(1))


@pytest.mark.parametrize(
    ("given", "mode"), [("sqlite:////srv/a.sqlite3", "rw"), ("sqlite:////srv/a.sqlite3?mode=ro", "ro")]
)
def test_a_file_is_opened_and_not_made(given: str, mode: str) -> None:
    url = existing_file(make_url(given))

    assert url.database == "file:/srv/a.sqlite3"
    assert dict(url.query) == {"mode": mode, "uri": "true"}


def test_what_is_a_uri_already_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "own file.sqlite3").touch()
    engine = create_pool_engine(f"sqlite:///file:{tmp_path}/own%20file.sqlite3?mode=ro&uri=true", role="reader")

    assert read(engine, lambda connection: connection.scalar(ONE)) == 1
    engine.dispose()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///file:shared?mode=memory&cache=shared&uri=true"])
def test_a_connection_goes_from_thread_to_thread(url: str) -> None:
    engine = create_pool_engine(url, PoolPolicy(size=1), role="reader")
    with ThreadPoolExecutor(1) as other:
        assert read(engine, lambda connection: connection.scalar(ONE)) == 1
        assert other.submit(read, engine, lambda connection: connection.scalar(ONE)).result(5) == 1
    engine.dispose()
