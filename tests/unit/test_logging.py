import json
import logging
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import structlog
from flask import Flask
from flask.testing import FlaskClient

from app.logging import configure, logging_config, redacted

Events = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def events(capsys: pytest.CaptureFixture[str]) -> Events:
    """Return a function for what was logged since it was last called; every line must be JSON."""
    return lambda: [json.loads(line) for line in capsys.readouterr().err.splitlines()]


@pytest.fixture
def make_client(make_app: Callable[..., Flask], tmp_path: Path, events: Events) -> Callable[..., FlaskClient]:
    return lambda **environ: make_app(
        DATABASE_URL=f"sqlite:///{tmp_path}/none.sqlite3", **{"LOG_FORMAT": "json", **environ}
    ).test_client()


def test_access_line_says_what_happened_but_not_what_was_typed(
    make_client: Callable[..., FlaskClient], events: Events
) -> None:
    response = make_client().get("/docs?place=Secretville")

    [line] = events()
    assert line["event"] == "request"
    assert (line["method"], line["route"], line["path"], line["status"]) == ("GET", "/docs", "/docs", 200)
    assert line["bytes"] == len(response.data)
    assert line["duration_ms"] >= 0
    assert line["request_id"] == response.headers["X-Request-ID"]
    assert "Secretville" not in str(line)


def test_access_line_counts_the_bytes_that_leave(make_client: Callable[..., FlaskClient], events: Events) -> None:
    client = make_client()
    page = client.get("/docs")
    style = client.get("/static/style.css")
    client.get("/docs", headers={"If-None-Match": page.headers["ETag"]})
    client.get("/static/style.css", headers={"If-None-Match": style.headers["ETag"]}).close()
    client.head("/docs")

    assert [line["bytes"] for line in events()] == [len(page.data), len(style.data), 0, 0, 0]
    style.close()


@pytest.mark.parametrize(
    ("given", "is_kept"),
    [
        *((sane, True) for sane in ("abc", "A-1_b.2", "x" * 64)),
        *((odd, False) for odd in ("", " ", "a b", "x" * 65, "<b>", "é", "a\x00")),
    ],
)
def test_a_sane_request_id_is_kept_and_an_odd_one_replaced(
    make_client: Callable[..., FlaskClient], given: str, is_kept: bool
) -> None:
    told = make_client().get("/livez", environ_overrides={"HTTP_X_REQUEST_ID": given}).headers["X-Request-ID"]

    assert (told == given) is is_kept
    assert is_kept or len(told) == 32


def test_access_log_can_be_off(make_client: Callable[..., FlaskClient], events: Events) -> None:
    make_client(ACCESS_LOG="off").get("/docs")

    assert events() == []


def test_a_log_that_cannot_be_written_fails_no_request(
    make_client: Callable[..., FlaskClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = make_client()

    with open("/dev/full", "w", buffering=1) as full, monkeypatch.context() as patched:
        patched.setattr("sys.stderr", full)
        statuses = [client.get("/docs").status_code for _ in range(2)]
        with suppress(OSError):  # what is left in the buffer
            full.close()

    assert statuses == [200, 200]


def test_input_cannot_forge_a_line(make_client: Callable[..., FlaskClient], events: Events) -> None:
    make_client().get("/x%0A%7B%22event%22%3A%22forged%22%7D%E2%80%A8y")

    assert [line["event"] for line in events()] == ["request"]


def test_input_cannot_forge_a_line_on_a_terminal(
    make_client: Callable[..., FlaskClient], capsys: pytest.CaptureFixture[str]
) -> None:
    make_client(LOG_FORMAT="pretty").get("/x%0Aforged")
    logging.getLogger("other").warning("typed: %s", "a\nforged \x1b[31m")

    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert not any(line.startswith("forged") for line in lines)
    assert "\x1b[31m" not in lines[1].split("typed:")[1].split("forged")[1][:10]


def test_a_terminal_is_shown_each_line_break_escaped_once(
    make_settings: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    class Odd:
        def __repr__(self) -> str:
            return "odd\n\x1b[31m"

    configure(make_settings(LOG_FORMAT="pretty"))
    capsys.readouterr()
    values = {"error": "refused\nby two", "word": "a\x1b[31m", "other": Odd(), "path": "/x"}
    raised = ValueError("broken\n2026-01-01 [info] forged \x1b[31m")
    structlog.stdlib.get_logger("x").error("said", exc_info=raised, **values)

    shown = capsys.readouterr().err
    assert r"error='refused\nby two' word='a\x1b[31m' other=odd\n\x1b[31m path=/x" in shown.splitlines()[0]
    assert "\n  ValueError: broken\n  2026-01-01 [info] forged \\x1b[31m\n" in shown
    assert "\x1b" not in shown


def test_other_loggers_speak_the_same_format(make_settings: Callable[..., Any], events: Events) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(False)  # pytest has taken our hook away, and logging does not know
        configure(make_settings(LOG_FORMAT="json"))

        logging.getLogger("gunicorn.error").info("Booting %s", "worker")
        warnings.warn("old", DeprecationWarning, stacklevel=1)

    booting, warning = events()
    assert (booting["event"], booting["logger"], booting["level"]) == ("Booting worker", "gunicorn.error", "info")
    assert warning["logger"] == "py.warnings"


def test_level_is_that_of_the_settings_and_auto_is_json_where_nobody_watches(
    make_settings: Callable[..., Any], events: Events
) -> None:
    configure(make_settings(LOG_FORMAT="auto", LOG_LEVEL="WARNING"))

    structlog.stdlib.get_logger("x").info("quiet")
    structlog.stdlib.get_logger("x").warning("loud")

    assert [line["event"] for line in events()] == ["loud"]


def test_traceback_is_one_line_without_local_variables(make_settings: Callable[..., Any], events: Events) -> None:
    configure(make_settings(LOG_FORMAT="json"))

    try:
        local = "hunter2" * 1  # noqa: F841 - a traceback with locals would show it
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("x").exception("failed")

    [line] = events()
    assert "ValueError: broken" in line["exception"]
    assert line["exception"].count("hunter2") <= 1  # the source line itself


def test_config_is_complete_for_gunicorn(make_settings: Callable[..., Any]) -> None:
    config = logging_config(make_settings())

    # Gunicorn lays these over its own, key by key: one that is missing would bring its handlers back.
    assert {"version", "root", "loggers", "handlers", "formatters"} <= set(config)
    assert config["loggers"]["gunicorn.error"]["propagate"]


@pytest.mark.parametrize(
    ("line", "is_left"),
    [
        ("cannot connect to mysql+pymysql://app:hunter2@db:3306/sakila", False),
        ("postgresql://app:hunter2@/x and mysql://b:hunter2@y", False),
        ("redis://:hunter2@cache", False),
        ("connection to host=db user=app password=hunter2 failed", False),
        ("password='hunter2 x' host=db", False),
        ("see https://example.org:80/a", True),
        ("mail me@example.org", True),
        ("(using password: YES)", True),
    ],
)
def test_password_of_a_database_address_is_blotted_out_and_other_text_left_alone(line: str, is_left: bool) -> None:
    assert "hunter2" not in redacted(line)
    assert (redacted(line) == line) is is_left


@pytest.mark.parametrize(
    ("terminal", "no_color", "coloured"), [(True, "", True), (True, "1", False), (False, "", False)]
)
def test_pretty_lines_are_coloured_on_a_terminal_unless_nobody_wants_that(
    make_client: Callable[..., FlaskClient],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    terminal: bool,
    no_color: str,
    coloured: bool,
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)
    monkeypatch.setenv("NO_COLOR", no_color)

    make_client(LOG_FORMAT="pretty").get("/docs")

    assert ("\x1b[" in capsys.readouterr().err) is coloured
