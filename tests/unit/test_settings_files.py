"""What settings are read from beside the environment: certificates, files with secrets, .env; and where it ends."""

import subprocess
import sys
from pathlib import Path

import pytest

from config import ROOT, load_settings
from settings import secrets, sources
from settings.problems import SettingsError
from tests.unit.test_settings import SECRET, the_problem_of

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


class TestCertificates:
    @pytest.fixture
    def ca(self, tmp_path: Path) -> str:
        (tmp_path / "ca.pem").write_text(CERTIFICATE)
        return str(tmp_path / "ca.pem")

    def test_a_pem_file_is_taken_where_tls_looks_at_it(self, ca: str) -> None:
        problem = the_problem_of(DATABASE_TLS_CA=ca)

        assert str(load_settings({"DATABASE_TLS": "verify", "DATABASE_TLS_CA": ca}).database_tls_ca) == ca
        assert problem.name == "DATABASE_TLS_CA"
        assert "DATABASE_TLS=prefer" in problem.reason

    @pytest.mark.parametrize(("content", "reason"), [(None, "No such file"), ("no certificate", "PEM")])
    def test_what_is_no_certificate_is_refused(self, tmp_path: Path, content: str | None, reason: str) -> None:
        if content:
            (tmp_path / "ca.pem").write_text(content)

        assert reason in the_problem_of(DATABASE_TLS="verify", DATABASE_TLS_CA=str(tmp_path / "ca.pem")).reason


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

    @pytest.mark.parametrize(("name", "reason"), [("nothing", "No such file"), ("", "directory")])
    def test_what_is_no_file(self, tmp_path: Path, name: str, reason: str) -> None:
        assert reason in the_problem_of(DATABASE_URL_FILE=str(tmp_path / name)).reason

    @pytest.mark.parametrize(
        ("content", "reason"),
        [(b"\n", "empty"), (b"\xff\xfe", "not text"), (f"u:{SECRET}@h/d".encode(), "is not a database URL")],
    )
    def test_bad_content_is_said_and_not_shown(self, file: Path, content: bytes, reason: str) -> None:
        file.write_bytes(content)

        problem = the_problem_of(DATABASE_URL_FILE=str(file))

        assert reason in problem.reason
        assert SECRET not in str(problem)


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


def test_a_bad_environment_ends_the_process_with_code_2() -> None:
    environ = {"PORT": "http", "DATABASE_URL": f"mysql://u:{SECRET}@h:{SECRET}/d"}

    ended = run_to_end("import config; config.load_settings_or_exit()", environ)

    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr.startswith("2 settings cannot be used:\n  DATABASE_URL=mysql://***\n")
    assert "PORT='http'" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert SECRET not in ended.stderr


def test_to_say_so_the_application_need_not_be_imported() -> None:
    ended = run_to_end("import config, sys; config.load_settings(); print(*sys.modules)", {})

    assert not {"app", "flask", "gunicorn", "steadypool", "werkzeug"} & set(ended.stdout.split())
    assert "settings" in ended.stdout.split()


def run_to_end(program: str, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program]
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
