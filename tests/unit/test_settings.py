"""The settings: what is taken, what is refused, and that no password is ever shown."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy.engine import URL

from config import ROOT, load_settings
from settings import drivers, secrets, sources
from settings.problems import BadSetting, SettingsError

SECRET = "g3heim"

# Of an authority called Nobody, whose key was thrown away.
CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBejCCAR+gAwIBAgIUVvr1EfcLscPtCOusr0yWQ/oWwl0wCgYIKoZIzj0EAwIw
ETEPMA0GA1UEAwwGTm9ib2R5MCAXDTI2MTEyMTE0NDkzOFoYDzIxMjYxMDI4MTQ0
OTM4WjARMQ8wDQYDVQQDDAZOb2JvZHkwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC
AARuG5WfnWS5Col8URu0QEBA9W+cZlnKJBnMVeN7ZPVcIKysucnEJjZoY3oftoRv
dqLD0Hmqab3Dpc7CdT+JvIKAo1MwUTAdBgNVHQ4EFgQUxlio0NTxhe1n4P2BWcjA
dwrji3UwHwYDVR0jBBgwFoAUxlio0NTxhe1n4P2BWcjAdwrji3UwDwYDVR0TAQH/
BAUwAwEB/zAKBggqhkjOPQQDAgNJADBGAiEA2oN88USOLNa5txwvk9FRaYBH4hmU
7S1PChhUVOHxhAwCIQDKApZzpj8OfI+DdLIojTxcxr8kRIy8BRS84/e3yq9bVQ==
-----END CERTIFICATE-----
"""


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


def test_a_mapping_is_the_whole_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "9999")

    assert load_settings({}).port == 8000
    assert load_settings().port == 9999


def test_an_empty_value_is_not_given() -> None:
    assert load_settings({"PORT": "", "DATABASE_URL": "  "}).manages_own_file


def test_zero_is_off_or_none() -> None:
    settings = load_settings({"POOL_LEAK_SECONDS": "0", "POOL_PING_AFTER_SECONDS": "0", "POOL_MAX_PENDING": "0"})

    assert (settings.pool_leak_seconds, settings.pool_ping_after_seconds, settings.pool_max_pending) == (0, 0, 0)


def test_values_are_trimmed_and_typed() -> None:
    settings = load_settings(
        {"PORT": " 81 ", "POOL_TIMEOUT_SECONDS": "0.5", "DATABASE_TLS": "OFF", "LOG_LEVEL": "debug"}
    )

    assert (settings.port, settings.pool_timeout_seconds) == (81, 0.5)
    assert (settings.database_tls, settings.log_level) == ("off", "DEBUG")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", True),
        ("yes", True),
        ("TRUE", True),
        ("1", True),
        ("off", False),
        ("No", False),
        ("false", False),
        ("0", False),
    ],
)
def test_on_and_off(text: str, value: bool) -> None:
    assert load_settings({"ACCESS_LOG": text}).access_log is value


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
        ("postgresql://u@h/d", "postgresql+psycopg"),
    ],
)
def test_a_url_without_driver_means_our_default(text: str, drivername: str) -> None:
    assert load_settings({"DATABASE_URL": text}).database_url.drivername == drivername


def test_a_given_database_is_read_from_too_and_not_ours() -> None:
    settings = load_settings({"DATABASE_URL": f"mysql://u:{SECRET}@h/d"})

    assert settings.database_read_url == settings.database_url
    assert settings.database_url.password == SECRET
    assert not settings.manages_own_file


def test_a_replica_may_be_read_from() -> None:
    settings = load_settings({"DATABASE_URL": "mysql://u@writer/d", "DATABASE_READ_URL": "mariadb://u@reader/d"})

    assert settings.database_read_url.host == "reader"


def test_a_client_certificate_may_stand_in_the_url_of_postgresql() -> None:
    settings = load_settings({"DATABASE_URL": "postgresql://u@h/d?sslcert=a.pem&sslkey=a.key"})

    assert settings.database_url.query["sslcert"] == "a.pem"


def test_a_relative_sqlite_path_starts_at_the_project() -> None:
    assert load_settings({"DATABASE_URL": "sqlite:///mine.sqlite3"}).database_url.database == str(ROOT / "mine.sqlite3")


@pytest.mark.parametrize(
    ("text", "host"), [("::1", "::1"), ("0.0.0.0", "0.0.0.0"), ("a-host.example", "a-host.example")]
)
def test_where_to_listen(text: str, host: str) -> None:
    assert load_settings({"HOST": text}).host == host


@pytest.mark.parametrize(
    ("url", "shown", "reason"),
    [
        ("nonsense", "***", "is not a database URL"),
        (f"u:{SECRET}", "***", "is not a database URL"),
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


class TestTogether:
    def test_reading_elsewhere_than_the_built_in_file(self) -> None:
        problem = the_problem_of(DATABASE_READ_URL=f"mysql://u:{SECRET}@h/d")

        assert (problem.name, problem.value_shown) == ("DATABASE_READ_URL", "mysql+pymysql://u:***@h/d")

    def test_reading_from_another_kind_of_database(self) -> None:
        problem = the_problem_of(DATABASE_URL="mysql://h/d", DATABASE_READ_URL="postgresql://h/d")

        assert problem.name == "DATABASE_READ_URL"
        assert "postgresql" in problem.reason

    @pytest.mark.parametrize("name", ["POOL_TIMEOUT_SECONDS", "REQUEST_DEADLINE_SECONDS"])
    def test_a_wait_longer_than_the_shutdown(self, name: str) -> None:
        assert the_problem_of(**{name: "20"}).name == name

    def test_a_shutdown_shorter_than_the_usual_deadline(self) -> None:
        problem = the_problem_of(GRACEFUL_TIMEOUT_SECONDS="3")

        assert (problem.name, problem.value_shown) == ("REQUEST_DEADLINE_SECONDS", "'3.0'")
        assert "GRACEFUL_TIMEOUT_SECONDS=3" in problem.reason

    def test_a_check_on_something_refused_says_nothing_more(self) -> None:
        assert set(problems_of(DATABASE_URL="nonsense", DATABASE_READ_URL="mysql://h/d")) == {"DATABASE_URL"}

    def test_the_others_are_still_made(self) -> None:
        assert set(problems_of(PORT="0", POOL_TIMEOUT_SECONDS="30")) == {"PORT", "POOL_TIMEOUT_SECONDS"}

    def test_fewer_connections_than_threads_are_on_purpose(self) -> None:
        assert load_settings({"THREADS": "64", "POOL_SIZE": "1"}).threads == 64


class TestCertificates:
    @pytest.fixture
    def ca(self, tmp_path: Path) -> str:
        (tmp_path / "ca.pem").write_text(CERTIFICATE)
        return str(tmp_path / "ca.pem")

    def test_a_pem_file_is_taken(self, ca: str) -> None:
        assert str(load_settings({"DATABASE_TLS": "verify", "DATABASE_TLS_CA": ca}).database_tls_ca) == ca

    def test_it_needs_a_tls_that_looks_at_it(self, ca: str) -> None:
        problem = the_problem_of(DATABASE_TLS_CA=ca)

        assert problem.name == "DATABASE_TLS_CA"
        assert "DATABASE_TLS=prefer" in problem.reason

    def test_a_file_that_is_not_there(self) -> None:
        assert "No such file" in the_problem_of(DATABASE_TLS="verify", DATABASE_TLS_CA="/nowhere.pem").reason

    def test_a_file_without_certificates(self, tmp_path: Path) -> None:
        (tmp_path / "ca.pem").write_text("no certificate")

        assert "PEM" in the_problem_of(DATABASE_TLS="verify", DATABASE_TLS_CA=str(tmp_path / "ca.pem")).reason


class TestSecretFiles:
    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        path = tmp_path / "database_url"
        path.write_text(f"mysql://u:{SECRET}@h/d\n")
        return path

    def test_the_content_is_the_value_without_its_newline(self, file: Path) -> None:
        settings = load_settings({"DATABASE_URL_FILE": str(file), "DATABASE_READ_URL_FILE": str(file)})

        assert settings.database_url.database == settings.database_read_url.database == "d"
        assert not settings.manages_own_file

    def test_both_ways_at_once(self, file: Path) -> None:
        problem = the_problem_of(DATABASE_URL_FILE=str(file), DATABASE_URL="mysql://h/d")

        assert (problem.name, problem.remedy) == ("DATABASE_URL_FILE", "remove one of the two")

    def test_a_missing_file(self, tmp_path: Path) -> None:
        assert "No such file" in the_problem_of(DATABASE_URL_FILE=str(tmp_path / "nothing")).reason

    def test_a_folder(self, tmp_path: Path) -> None:
        assert "directory" in the_problem_of(DATABASE_URL_FILE=str(tmp_path)).reason.lower()

    def test_an_empty_file(self, file: Path) -> None:
        file.write_text("\n")

        assert "empty" in the_problem_of(DATABASE_URL_FILE=str(file)).reason

    def test_a_file_that_is_not_text(self, file: Path) -> None:
        file.write_bytes(b"\xff\xfe")

        assert "not text" in the_problem_of(DATABASE_URL_FILE=str(file)).reason

    def test_bad_content_is_not_shown(self, file: Path) -> None:
        file.write_text(f"u:{SECRET}@h/d")

        assert SECRET not in str(the_problem_of(DATABASE_URL_FILE=str(file)))


class TestEnvFile:
    @pytest.fixture(autouse=True)
    def project(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in (
            "DATABASE_URL",
            "DATABASE_READ_URL",
            "DATABASE_URL_FILE",
            "DATABASE_READ_URL_FILE",
            "PORT",
            "THREADS",
        ):
            monkeypatch.delenv(name, raising=False)
        for module in (secrets, sources):
            monkeypatch.setattr(module, "ROOT", tmp_path)

    def test_it_is_read_and_others_lines_in_it_are_left_alone(self, tmp_path: Path) -> None:
        (tmp_path / ".env").write_text("PORT=81\nMYSQL_PASSWORD=x\n")

        assert load_settings().port == 81

    def test_the_process_environment_wins(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / ".env").write_text("PORT=81\nTHREADS=3\n")
        monkeypatch.setenv("PORT", "82")
        monkeypatch.setenv("THREADS", "")

        assert (load_settings().port, load_settings().threads) == (82, 3)

    def test_what_looks_like_a_variable_is_part_of_the_password(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / ".env").write_text("DATABASE_URL=mysql://u:pa${HOME}x@h/d\n")
        monkeypatch.delenv("DATABASE_URL", raising=False)

        assert load_settings().database_url.password == "pa${HOME}x"

    @pytest.mark.parametrize(
        "written", [b"\xef\xbb\xbfPORT=81\r\nTHREADS=3", b"export PORT = '81' # mine\r\n\r\nTHREADS=3\r\n"]
    )
    def test_it_may_be_written_by_an_editor_of_any_system(self, tmp_path: Path, written: bytes) -> None:
        (tmp_path / ".env").write_bytes(written)

        assert (load_settings().port, load_settings().threads) == (81, 3)

    def test_a_file_with_a_secret_may_begin_with_a_mark(self, tmp_path: Path) -> None:
        (tmp_path / "url").write_bytes(b"\xef\xbb\xbfmysql://h/d\r\n")
        (tmp_path / ".env").write_text("DATABASE_URL_FILE=url\n")

        assert load_settings().database_url.host == "h"

    def test_a_url_hides_the_url_file_below_it(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / ".env").write_text("DATABASE_URL_FILE=/nowhere\n")
        monkeypatch.setenv("DATABASE_URL", "mysql://h/d")

        assert load_settings().database_url.host == "h"

    def test_a_mapping_does_not_see_it(self, tmp_path: Path) -> None:
        (tmp_path / ".env").write_text("PORT=81\n")

        assert load_settings({}).port == 8000

    @pytest.mark.parametrize(
        "line", [f"DATABASE_URL: mysql://u:{SECRET}@h/d", f"set OPS_TOKEN={SECRET}", f'OPS_TOKEN="{SECRET}']
    )
    def test_a_line_that_says_nothing_is_named_by_its_number(self, tmp_path: Path, line: str) -> None:
        (tmp_path / ".env").write_text(f"# mine\nPORT=81\n\n  \n{line}\nTHREADS=3\nPORT 82\n")

        with pytest.raises(SettingsError) as caught:
            load_settings()

        assert [problem.reason[-7:] for problem in caught.value.problems] == [" line 5", " line 7"]
        assert SECRET not in str(caught.value)

    def test_one_that_is_not_text(self, tmp_path: Path) -> None:
        (tmp_path / ".env").write_bytes(b"PORT=\xff\n")

        with pytest.raises(SettingsError, match=r"\.env"):
            load_settings()


def test_no_text_of_the_settings_has_the_password() -> None:
    settings = load_settings(
        {"DATABASE_URL": f"mysql://u:{SECRET}@h/d", "DATABASE_READ_URL": f"mysql://u:{SECRET}@r/d"}
    )

    assert SECRET not in repr(settings) + str(settings) + settings.model_dump_json() + str(settings.model_dump())
    assert json.loads(settings.model_dump_json())["database_url"] == "mysql+pymysql://u:***@h/d"


def test_a_bad_environment_ends_the_process_with_code_2_within_a_second() -> None:
    command = [sys.executable, "-c", "import config; config.load_settings_or_exit()"]
    environ = {"PORT": "http", "DATABASE_URL": f"mysql://u:{SECRET}@h:{SECRET}/d"}

    before = os.times()
    ended = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    after = os.times()

    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr.startswith("2 settings cannot be used:\n  DATABASE_URL=mysql://***\n")
    assert "PORT='http'" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert SECRET not in ended.stderr
    spent = after.children_user - before.children_user + after.children_system - before.children_system
    assert spent < 1, "of the processor's time, whatever else the machine does"


def test_the_usual_environment_is_fine() -> None:
    command = [sys.executable, "-c", "import config; print(config.load_settings_or_exit().port)"]
    ended = subprocess.run(command, cwd=ROOT, env={"PORT": "81"}, capture_output=True, text=True, check=True)

    assert ended.stdout == "81\n"
