"""The settings: what is taken, what is refused, and that no password is ever shown."""

import json

import pytest
from sqlalchemy.engine import URL

from config import ROOT, load_settings
from settings import drivers
from settings.problems import BadSetting, SettingsError

SECRET = "g3heim"


def problems_of(**environ: str) -> dict[str, BadSetting]:
    """Return what is wrong with this environment, by name."""
    with pytest.raises(SettingsError) as caught:
        load_settings(environ)
    return {problem.name: problem for problem in caught.value.problems}


def the_problem_of(**environ: str) -> BadSetting:
    """Return the only thing that is wrong with this environment."""
    problems = problems_of(**environ)
    assert len(problems) == 1, problems
    return next(iter(problems.values()))


def test_nothing_given_means_the_built_in_file() -> None:
    settings = load_settings({})

    assert settings.database_url == URL.create("sqlite", database=str(ROOT / "instance" / "sakila.sqlite3"))
    assert settings.database_read_url == settings.database_url
    assert settings.manages_own_file
    assert load_settings({"DATABASE_URL": "  "}).manages_own_file


def test_a_mapping_is_the_whole_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "9999")

    assert load_settings({}).port == 8000
    assert load_settings().port == 9999


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("PORT", " 81 ", 81),
        ("PORT", "", 8000),
        ("POOL_TIMEOUT_SECONDS", "0.5", 0.5),
        *((f"POOL_{name}", "0", 0) for name in ("LEAK_SECONDS", "PING_AFTER_SECONDS", "MAX_PENDING")),
        ("DATABASE_TLS", "OFF", "off"),
        ("LOG_LEVEL", "debug", "DEBUG"),
        *(("ACCESS_LOG", text, True) for text in ("on", "yes", "TRUE", "1")),
        *(("ACCESS_LOG", text, False) for text in ("off", "No", "false", "0")),
        *(("HOST", host, host) for host in ("::1", "0.0.0.0", "a-host.example")),
    ],
)
def test_values_are_trimmed_and_typed(name: str, text: str, value: object) -> None:
    assert getattr(load_settings({name: text}), name.lower()) == value


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings({}).port = 1


@pytest.mark.parametrize(
    ("text", "drivername"),
    [
        ("mysql://u@h/d", "mysql+pymysql"),
        ("mysql+pymysql://u@h/d", "mysql+pymysql"),
        ("mysql+mysqlconnector://u@h/d", "mysql+mysqlconnector"),
        ("mariadb://u@h/d", "mariadb+pymysql"),
        ("postgres://u@h/d", "postgresql+psycopg"),
        ("postgresql://u@h/d?sslcert=a.pem&sslkey=a.key", "postgresql+psycopg"),
    ],
)
def test_a_url_without_driver_means_our_default(text: str, drivername: str) -> None:
    assert load_settings({"DATABASE_URL": text}).database_url.drivername == drivername


def test_a_given_database_is_not_ours_and_read_from_unless_there_is_a_replica() -> None:
    settings = load_settings({"DATABASE_URL": f"mysql://u:{SECRET}@h/d"})
    with_replica = load_settings({"DATABASE_URL": "mysql://u@writer/d", "DATABASE_READ_URL": "mariadb://u@reader/d"})

    assert settings.database_read_url == settings.database_url
    assert settings.database_url.password == SECRET
    assert not settings.manages_own_file
    assert with_replica.database_read_url.host == "reader"


def test_a_relative_sqlite_path_starts_at_the_project() -> None:
    assert load_settings({"DATABASE_URL": "sqlite:///mine.sqlite3"}).database_url.database == str(ROOT / "mine.sqlite3")


@pytest.mark.parametrize(
    ("url", "shown", "reason"),
    [
        ("nonsense", "***", "is not a database URL"),
        (f"u:{SECRET}", "***", "is not a database URL"),
        (f"mysql//u:{SECRET}@h/d", "***", "is not a database URL"),
        (f"u:{SECRET}@h/d", "***", "is not a database URL"),
        (f"mysql://u:{SECRET}@h:port/d", "mysql://***", "is not a database URL"),
        (f"oracle://u:{SECRET}@h/d", "oracle://u:***@h/d", "not supported"),
        (f"mysql+asyncmy://u:{SECRET}@h/d", "mysql+asyncmy://u:***@h/d", "not supported"),
        (f"mysql://u:x@{SECRET}@h/d", "mysql://***", "second @"),
        (f"mysql://u:x@y/{SECRET}@h/d", "mysql://***", "second @"),
        (f"mysql://u/v:{SECRET}@h/d", "mysql://***", "second @"),
        (f"mysql://h/d?password={SECRET}", "mysql://***", "password behind the ?"),
        (f"mysql://u:{SECRET}@h", "mysql+pymysql://u:***@h", "names no database"),
        (f"mysql://u:{SECRET}@h:99999/d", "mysql://u:***@h:99999/d", "port outside"),
        (f"postgresql://u:{SECRET}@h/d?sslmode=require", "postgresql://u:***@h/d", "DATABASE_TLS would overrule"),
        (f"mysql://u:{SECRET}@h/d?ssl_cert=x", "mysql://u:***@h/d", "asks for TLS by ssl_cert"),
        ("sqlite://", "'sqlite://'", "in memory"),
        ("sqlite:///:memory:", "'sqlite:///:memory:'", "in memory"),
        ("sqlite:///file:x?mode=memory&uri=true", "'sqlite:///file:x?mode=memory&uri=true'", "in memory"),
        ("sqlite:///file:/srv/a?uri=true", "'sqlite:///file:/srv/a?uri=true'", "file: name"),
        ("sqlite:////nowhere/at/all.sqlite3", "'sqlite:////nowhere/at/all.sqlite3'", "/nowhere/at"),
    ],
)
@pytest.mark.parametrize("name", ["DATABASE_URL", "DATABASE_READ_URL"])
def test_a_database_url_that_cannot_be_used(name: str, url: str, shown: str, reason: str) -> None:
    problem = the_problem_of(**{name: url})

    assert problem.name == name
    assert problem.value_shown.replace("+pymysql", "") == shown.replace("+pymysql", "")
    assert reason in problem.reason
    assert SECRET not in str(problem)


def test_an_unknown_driver_is_told_the_known_ones() -> None:
    remedy = the_problem_of(DATABASE_URL="mysql+asyncmy://h/d").remedy

    assert "mysql+pymysql, mysql+mysqldb, mysql+mysqlconnector" in remedy
    assert "postgresql+psycopg" in remedy


@pytest.mark.parametrize(
    ("url", "module", "package"),
    [
        ("mysql+mysqldb://h/d", "MySQLdb", "mysqlclient"),
        ("mariadb+mysqlconnector://h/d", "mysql.connector", "mysql-connector-python"),
    ],
)
def test_a_driver_that_is_not_installed(monkeypatch: pytest.MonkeyPatch, url: str, module: str, package: str) -> None:
    monkeypatch.setattr(drivers, "is_installed", lambda name: name != module)

    assert f"pip install {package}" in the_problem_of(DATABASE_URL=url).remedy


def test_installed_is_what_can_be_imported() -> None:
    assert drivers.is_installed("pymysql")
    assert not drivers.is_installed("no_such_module")
    assert not drivers.is_installed("no_such_package.module")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("POOL_SIZE", ["0", "1001", "8.5", "many"]),
        ("POOL_MAX_OVERFLOW", ["-1"]),
        ("POOL_RECYCLE_SECONDS", ["0", "-1"]),
        ("POOL_TIMEOUT_SECONDS", ["0", "-1", "61", "nan", "inf"]),
        ("POOL_PING_AFTER_SECONDS", ["-1", "86401", "nan", "inf"]),
        ("POOL_MAX_PENDING", ["-1", "10001", "1.5"]),
        ("POOL_LEAK_SECONDS", ["-0.1", "86401", "nan"]),
        ("POOL_BUDGET", ["on", "error"]),
        ("WRITER_POOL_SIZE", ["0"]),
        ("REQUEST_DEADLINE_SECONDS", ["0", "-1", "301", "nan", "inf"]),
        ("WORKERS", ["0", "257", "two"]),
        ("THREADS", ["0"]),
        ("PORT", ["0", "65536", "-1", "http"]),
        ("GRACEFUL_TIMEOUT_SECONDS", ["0"]),
        ("MAX_REQUESTS", ["-1"]),
        ("TRUSTED_PROXY_HOPS", ["-1", "11"]),
        ("HOST", ["127.0.0.1:80", "http://x", "[::1]", "a b"]),
        ("DATABASE_TLS", ["yes", "verify-full"]),
        ("POOL_STRATEGY", ["fifo"]),
        ("POOL_PRE_PING", ["maybe"]),
        ("LOG_LEVEL", ["loud"]),
        ("LOG_FORMAT", ["xml"]),
        ("ACCESS_LOG", ["2"]),
    ],
)
def test_values_out_of_bounds_are_refused(name: str, values: list[str]) -> None:
    for value in values:
        problem = the_problem_of(**{name: value})
        assert (problem.name, problem.value_shown) == (name, repr(value) if "://" not in value else "http://***")


def test_the_remedy_says_what_is_allowed_and_the_default() -> None:
    problem = the_problem_of(PORT="99999")

    assert str(problem) == (
        "PORT='99999'\n    is not a whole number from 1 up to 65535\n    -> correct it, or leave it out (default 8000)"
    )


def test_a_long_value_is_cut() -> None:
    assert len(the_problem_of(PORT="9" * 100_000).value_shown) < 100


@pytest.mark.parametrize("name", ["HOST", "PORT", "LOG_LEVEL"])
def test_a_url_in_the_wrong_place_keeps_its_secret(name: str) -> None:
    assert SECRET not in str(the_problem_of(**{name: f"mysql://u:{SECRET}@h/d"}))


def test_all_problems_are_listed_at_once() -> None:
    problems = problems_of(PORT="0", DATABASE_URL="nonsense", DATABASE_READ_URL_FILE="/nowhere", LOG_FORMAT="xml")

    assert set(problems) == {"PORT", "DATABASE_URL", "DATABASE_READ_URL_FILE", "LOG_FORMAT"}


@pytest.mark.parametrize(
    ("environ", "name", "said"),
    [
        ({"DATABASE_READ_URL": f"mysql://u:{SECRET}@h/d"}, "DATABASE_READ_URL", "mysql+pymysql://u:***@h/d"),
        ({"DATABASE_URL": "mysql://h/d", "DATABASE_READ_URL": "postgresql://h/d"}, "DATABASE_READ_URL", "postgresql"),
        ({"POOL_TIMEOUT_SECONDS": "20"}, "POOL_TIMEOUT_SECONDS", "GRACEFUL_TIMEOUT_SECONDS"),
        ({"REQUEST_DEADLINE_SECONDS": "20"}, "REQUEST_DEADLINE_SECONDS", "GRACEFUL_TIMEOUT_SECONDS"),
        ({"GRACEFUL_TIMEOUT_SECONDS": "3"}, "REQUEST_DEADLINE_SECONDS", "GRACEFUL_TIMEOUT_SECONDS=3"),
        ({"DATABASE_URL": "nonsense", "DATABASE_READ_URL": "mysql://h/d"}, "DATABASE_URL", "is not a database URL"),
    ],
)
def test_what_does_not_go_together_is_said_once(environ: dict[str, str], name: str, said: str) -> None:
    problem = the_problem_of(**environ)

    assert problem.name == name
    assert said in str(problem)
    assert SECRET not in str(problem)


def test_what_is_refused_alone_hides_nothing_that_does_not_go_together() -> None:
    assert set(problems_of(PORT="0", POOL_TIMEOUT_SECONDS="30")) == {"PORT", "POOL_TIMEOUT_SECONDS"}


def test_fewer_connections_than_threads_are_on_purpose() -> None:
    assert load_settings({"THREADS": "64", "POOL_SIZE": "1"}).threads == 64


def test_no_text_of_the_settings_has_the_password() -> None:
    settings = load_settings(
        {"DATABASE_URL": f"mysql://u:{SECRET}@h/d", "DATABASE_READ_URL": f"mysql://u:{SECRET}@r/d"}
    )

    assert SECRET not in repr(settings) + str(settings) + settings.model_dump_json() + str(settings.model_dump())
    assert json.loads(settings.model_dump_json())["database_url"] == "mysql+pymysql://u:***@h/d"
