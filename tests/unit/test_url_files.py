"""A file with the address of a database, read anew: what of it is followed, and what is told of the rest."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from app.extensions import credentials
from config import Settings, load_settings
from steadypool import Credentials

SECRET = "s3cr3t-Zx9"
FIRST = "mysql://anna:first@db.example:3306/sakila"
SECOND = f"mysql://berta:{SECRET}@db.example:3306/sakila"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "url"
    made.write_text(FIRST + "\n")
    return made


def settings_of(file: Path, **more: str) -> Settings:
    return load_settings({"DATABASE_URL_FILE": str(file), **more})


def login(settings: Settings) -> tuple[str | None, str | None]:
    assert settings.writer_url_file
    return settings.writer_url_file.login()


def in_place(file: Path, text: str) -> None:
    file.write_text(text)


def replaced(file: Path, text: str) -> None:
    new = file.with_name("new")
    new.write_text(text)
    new.replace(file)


def with_the_old_times(file: Path, text: str) -> None:
    """Replace it by one that looks the same: its length, its times, and where the system allows its number."""
    before = file.stat()
    file.write_text(text)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("write", [in_place, replaced, with_the_old_times])
@pytest.mark.parametrize("password", [SECRET, "other"], ids=["longer", "as long"])
def test_a_new_password_is_read(file: Path, write: Callable[[Path, str], None], password: str) -> None:
    settings = settings_of(file)
    assert login(settings) == ("anna", "first")

    write(file, FIRST.replace("first", password))

    assert login(settings) == ("anna", password)


def test_a_secret_of_kubernetes_is_read(tmp_path: Path) -> None:
    """There the file is a link to one in a folder that is a link, and only that is replaced."""
    for version, url in {"..1": FIRST, "..2": SECOND}.items():
        (tmp_path / version).mkdir()
        (tmp_path / version / "url").write_text(url)
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "url").symlink_to("..data/url")
    settings = settings_of(tmp_path / "url")
    assert login(settings) == ("anna", "first")

    (tmp_path / "..data_tmp").symlink_to("..2")
    (tmp_path / "..data_tmp").rename(tmp_path / "..data")

    assert login(settings) == ("berta", SECRET)


UNUSABLE = {
    "": "is an empty file",
    "\n": "is an empty file",
    f"berta {SECRET}": "is not a database URL",
    "mysql://berta:" + SECRET: "is not a database URL",
    SECOND.removesuffix("sakila"): "names no database",
    SECOND[:-2]: "names another host, database or option by now",
    SECOND.replace("db.", "other."): "names another host, database or option by now",
    SECOND.replace("3306", "3307"): "names another host, database or option by now",
    SECOND.replace("mysql", "postgresql"): "names another host, database or option by now",
    SECOND + "?charset=utf8mb4": "names another host, database or option by now",
    f"sqlite:////tmp/{SECRET}": "names another host, database or option by now",
}


@pytest.mark.parametrize("text", UNUSABLE)
def test_what_cannot_be_followed_changes_nothing_and_is_told_once(
    file: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings = settings_of(file)

    file.write_text(text)
    found = [login(settings) for _ in range(3)]

    assert found == [("anna", "first")] * 3
    (told,) = caplog.messages
    assert told.startswith(f"DATABASE_URL_FILE {UNUSABLE[text]}")
    assert SECRET not in told

    file.write_text(SECOND)
    assert login(settings) == ("berta", SECRET)


def test_half_of_an_address_is_never_taken_for_one(file: Path) -> None:
    settings = settings_of(file)

    for length in range(len(SECOND)):
        file.write_text(SECOND[:length])
        assert login(settings) == ("anna", "first")


def test_a_file_that_is_away_keeps_the_last_one(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = settings_of(file)
    file.write_text(SECOND)
    assert login(settings) == ("berta", SECRET)

    file.unlink()
    assert [login(settings), login(settings)] == [("berta", SECRET)] * 2
    (told,) = caplog.messages
    assert told == (
        "DATABASE_URL_FILE cannot be read: No such file or directory; user and password are still those from before: "
        "name a readable file with nothing but the value of DATABASE_URL"
    )

    file.write_text(FIRST)
    assert login(settings) == ("anna", "first")
    file.unlink()
    login(settings)
    assert len(caplog.messages) == 2, "each absence is told of"


def test_a_folder_in_its_place_keeps_the_last_one(file: Path) -> None:
    settings = settings_of(file)

    file.unlink()
    file.mkdir()

    assert login(settings) == ("anna", "first")


def test_what_came_through_a_pipe_is_not_asked_for_again() -> None:
    hear, say = os.pipe()
    os.write(say, FIRST.encode())
    os.close(say)

    settings = settings_of(Path(f"/dev/fd/{hear}"))

    assert login(settings) == ("anna", "first")
    os.close(hear)


def test_reader_and_writer_have_each_their_own(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text(FIRST.replace("db.", "replica."))
    both = settings_of(file, DATABASE_READ_URL_FILE=str(other))
    one = settings_of(file)
    writer = settings_of(file, DATABASE_READ_URL=FIRST)
    reader = load_settings({"DATABASE_URL": FIRST, "DATABASE_READ_URL_FILE": str(other)})
    none = load_settings({"DATABASE_URL": FIRST})

    assert both.reader_url_file is not both.writer_url_file
    assert one.reader_url_file is one.writer_url_file is not None
    assert (writer.writer_url_file is None, writer.reader_url_file is None) == (False, True)
    assert (reader.writer_url_file is None, reader.reader_url_file is None) == (True, False)
    assert (none.writer_url_file, none.reader_url_file) == (None, None)


def test_sqlite_knows_no_login(file: Path, tmp_path: Path) -> None:
    file.write_text(f"sqlite:///{tmp_path}/some.sqlite3")

    assert settings_of(file).writer_url_file is None


def test_no_password_is_shown(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    file.write_text(SECOND)
    settings = settings_of(file)
    login(settings)

    shown = [f"{settings!r} {settings} {settings.model_dump_json()} {settings.writer_url_file!r}", *caplog.messages]

    assert [text for text in shown if SECRET in text] == []


@pytest.mark.parametrize("address", ["mysql://anna@db.example:3306/sakila", "mysql://db.example:3306/sakila"])
def test_where_the_file_has_no_password_by_now_none_is_sent(file: Path, address: str) -> None:
    ask = credentials(settings_of(file), "writer")
    assert ask
    assert ask(None) == Credentials(user="anna", password="first")

    file.write_text(address)

    assert ask(None) == Credentials(user="anna" if "@" in address else "", password="")
