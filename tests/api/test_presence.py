"""Who is really there: instances told apart by the server that tells, their connections counted everywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from socket import gethostname
from typing import Any

import click
import pytest
from flask import Flask
from sqlalchemy import make_url, text

from app.extensions import LONGEST_NAME, SERVICE, application_name, db
from app.operations import limits
from app.operations.budget import may_start
from app.operations.presence import Presence, read_presence
from config import Settings
from testkit.databases import Database, plain_engine
from tests.conftest import dispose
from tests.support.tampering import user_with

pytestmark = pytest.mark.long_form("mariadb118")

MakeApp = Callable[..., Flask]
TELL = {"mysql+pymysql", "mysql+mysqlconnector", "postgresql+psycopg"}


@contextmanager
def instances(make_app: MakeApp, url: str, number: int, **environ: str) -> Iterator[list[Flask]]:
    """Have so many, each with a connection."""
    made = [make_app(DATABASE_URL=url, PORT=str(8001 + place), **environ) for place in range(number)]
    for app in made:
        with app.app_context():
            db.engine.connect().close()
    yield made
    for app in made:
        dispose(app)


def seen_by(app: Flask) -> Presence:
    with app.app_context(), db.engine.connect() as connection:
        return read_presence(connection)


@pytest.mark.parametrize("driver", ["", "mysql+mysqldb", "mysql+mysqlconnector"])
def test_each_instance_is_counted_where_server_and_driver_tell(
    served: Database, make_app: MakeApp, driver: str
) -> None:
    if driver and served.name == "postgresql":
        return
    with user_with(served, "") as url:
        address = make_url(url).set(drivername=driver) if driver else make_url(url)
        with instances(make_app, address.render_as_string(hide_password=False), 3) as apps:
            there = seen_by(apps[0])
            used = apps[0].extensions["settings"].database_url.drivername

    tells = used in TELL and not served.name.startswith("mariadb")
    assert there == Presence(3, 3 if tells else None)


def test_the_name_that_somebody_chose_comes_first_and_tells_no_instances(served: Database, make_app: MakeApp) -> None:
    word = "application_name" if served.name == "postgresql" else "program_name"
    with user_with(served, "") as url:
        chosen = make_url(url).update_query_dict({word: "mine"}).render_as_string(hide_password=False)
        with instances(make_app, chosen, 2) as apps:
            assert seen_by(apps[0]) == Presence(2, None)
            if served.name == "postgresql":
                with apps[0].app_context(), db.engine.connect() as connection:
                    assert connection.scalar(text("SHOW application_name")) == "mine"


def test_others_who_have_the_same_user_are_connections_and_no_instances(served: Database, make_app: MakeApp) -> None:
    with (
        user_with(served, "") as url,
        instances(make_app, url, 1) as apps,
        plain_engine(url).connect(),
    ):
        there = seen_by(apps[0])

    assert there.connections == 2
    assert there.instances in (1, None)


def test_a_start_tells_of_more_than_was_said_and_goes_on(
    served: Database, make_app: MakeApp, capsys: pytest.CaptureFixture[str]
) -> None:
    with user_with(served, "") as url, instances(make_app, url, 4, LOG_FORMAT="json", INSTANCES="2") as apps:
        capsys.readouterr()
        assert may_start(apps[0], 1)
        logged = capsys.readouterr().err

    tells = not served.name.startswith("mariadb")
    assert ("4 instances with" in logged and "raise INSTANCES to 4" in logged) is tells


def test_a_server_without_such_tables_is_asked_for_its_limits_alone(
    served: Database, make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_MYSQL", "_POSTGRESQL"):
        monkeypatch.setattr(f"app.operations.presence.{name}", "SELECT 1 FROM there_is_no_such_table")
    with instances(make_app, served.url, 1) as (app,), app.app_context(), db.engine.connect() as connection:
        seen = limits.look(connection)

    assert seen.there is None
    assert seen.limits


def test_doctor_counts_them(served: Database, make_app: MakeApp, doctor: Callable[..., dict[str, Any]]) -> None:
    with user_with(served, "") as url, instances(make_app, url, 2):
        line = doctor(url)["instances"]

    if served.name.startswith("mariadb"):
        assert line["level"] == "ok"
        assert "INSTANCES=1; " in line["text"]
        assert line["text"].endswith(" connections; which instances, the server does not tell")
    else:
        assert line["level"] == "warning", "doctor itself is called in this process, as one on another port"
        assert "3 instances with" in line["text"]
        assert line["remedy"] == "raise INSTANCES to 3, unless some are just being replaced"


def test_commands_and_migrations_are_no_instances(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings()

    assert application_name(settings, "reader") == f"{SERVICE} {gethostname()}:8000"
    assert application_name(settings, "migration").endswith(":command")
    with click.Context(click.Command("doctor")):
        assert application_name(settings, "writer").endswith(":command")


def test_of_a_long_host_the_end_is_kept(
    make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.extensions.gethostname", lambda: f"{'x' * 63}-ab12c")

    name = application_name(make_settings(), "reader")

    assert len(name) == LONGEST_NAME
    assert name.startswith(f"{SERVICE} x")
    assert name.endswith("-ab12c:8000")
