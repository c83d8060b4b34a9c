"""SQLite's URL: never a new file, and never more rights than were asked for."""

import pytest
from sqlalchemy import make_url

from steadypool.engine import existing_file


@pytest.mark.parametrize(
    ("given", "mode"), [("sqlite:////srv/a.sqlite3", "rw"), ("sqlite:////srv/a.sqlite3?mode=ro", "ro")]
)
def test_a_file_is_opened_and_not_made(given: str, mode: str) -> None:
    url = existing_file(make_url(given))

    assert url.database == "file:/srv/a.sqlite3"
    assert dict(url.query) == {"mode": mode, "uri": "true"}
