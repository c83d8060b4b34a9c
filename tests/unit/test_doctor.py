"""What doctor thinks of answers that the tests' own servers do not give."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import make_url
from sqlalchemy.exc import OperationalError

from app.commands import checks, doctor, lagging, rights
from app.operations.budget import Fleet, budgets
from app.operations.limits import Limit
from config import Settings
from steadypool import Role


@pytest.mark.parametrize(
    ("cipher", "wish", "local", "level"),
    [
        ("TLS_AES_128_GCM_SHA256", "prefer", False, "ok"),
        ("", "off", True, "ok"),
        ("", "prefer", False, "warning"),
        ("", "off", False, "warning"),
        ("", "require", True, "problem"),
        ("", "verify", False, "problem"),
    ],
)
def test_tls(cipher: str, wish: str, local: bool, level: str) -> None:
    finding = checks.judge_tls(cipher, wish, local)

    assert finding.level == level
    assert bool(finding.remedy) is (level != "ok")


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("mysql://u@127.0.0.1/d", True),
        ("mysql://u@localhost/d", True),
        ("postgresql:///d", True),
        ("mysql://u@db/d", False),
        ("mysql://u@10.0.0.1/d", False),
    ],
)
def test_where_no_network_is_between(url: str, local: bool) -> None:
    assert checks.is_local(make_url(url)) is local


@pytest.mark.parametrize(
    ("seconds", "environ", "level"),
    [
        (28800, {}, "ok"),
        (1800, {}, "ok"),
        (None, {}, "ok"),
        (600, {}, "warning"),
        (20, {}, "warning"),
        (20, {"POOL_STRATEGY": "request"}, "ok"),
        (600, {"POOL_RECYCLE_SECONDS": "500"}, "ok"),
    ],
)
def test_wait_timeout(
    make_settings: Callable[..., Settings], seconds: float | None, environ: dict[str, str], level: str
) -> None:
    finding = checks.judge_wait_timeout("wait_timeout", seconds, make_settings(**environ))

    assert finding.level == level
    assert bool(finding.remedy) is (level != "ok")


def test_wait_timeout_below_the_ping(make_settings: Callable[..., Settings]) -> None:
    assert "POOL_PING_AFTER_SECONDS=30" in checks.judge_wait_timeout("wait_timeout", 20, make_settings()).text
    assert "POOL_PING_AFTER_SECONDS" not in checks.judge_wait_timeout("wait_timeout", 600, make_settings()).text


@pytest.mark.parametrize(
    ("environ", "level", "said"),
    [
        ({}, "ok", "POOL_SIZE 8"),
        ({"POOL_SIZE": "17"}, "warning", "never used"),
        ({"POOL_SIZE": "9", "THREADS": "8"}, "warning", "lower POOL_SIZE to 8 at the most"),
        ({"WRITER_POOL_SIZE": "17"}, "warning", "WRITER_POOL_SIZE 17"),
        ({"POOL_SIZE": "10", "POOL_MAX_OVERFLOW": "7"}, "warning", "POOL_SIZE 17 (overflow counted)"),
        ({"THREADS": "72"}, "ok", "THREADS=72"),
        ({"THREADS": "73"}, "warning", "503 at once"),
        ({"THREADS": "73", "POOL_STRATEGY": "request"}, "ok", "each opens its own"),
    ],
)
def test_threads(make_settings: Callable[..., Settings], environ: dict[str, str], level: str, said: str) -> None:
    finding = doctor.judge_threads(make_settings(**environ))

    assert finding.level == level
    assert said in f"{finding.text} {finding.remedy}"


@pytest.mark.parametrize(("allowed", "level"), [(25, "ok"), (24, "warning"), (15, "warning"), (14, "problem")])
def test_budget(allowed: int, level: str) -> None:
    limit = Limit("db:3306", "max_connections", allowed)

    finding = doctor.judge_budget(budgets([((("POOL_SIZE", 10),), [limit])], Fleet(1))[0])

    assert finding.level == level
    assert ("raise max_connections" in finding.remedy) is (level != "ok")


def test_a_password_in_an_error_is_not_repeated(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings(DATABASE_URL="mysql://u:g3heim@db/d")

    error = OperationalError(None, None, Exception("no entry for u with g3heim, mysql://u:g3heim@db\nmore"))

    assert doctor._said(error, settings) == "no entry for u with ***, mysql://u:***@db"


@pytest.mark.parametrize("name", ["root", "roots", "g3heim"])
def test_a_password_like_the_users_name_leaves_the_name(make_settings: Callable[..., Settings], name: str) -> None:
    settings = make_settings(DATABASE_URL=f"mysql://{name}:root@db/d")

    error = OperationalError(None, None, Exception(f"denied for user '{name}'@'h' with root"))

    assert doctor._said(error, settings) == f"denied for user '{name}'@'h' with ***"


@pytest.mark.parametrize(
    ("role", "denied", "level"),
    [("reader", ["SELECT ON table"], "problem"), ("writer", ["INSERT ON table"], "warning"), ("writer", [], "ok")],
)
def test_privileges(role: Role, denied: list[str], level: str) -> None:
    finding = rights.judge_privileges(role, rights.WRITE_RIGHTS, denied)

    assert finding.level == level
    assert bool(denied) is ("GRANT" in finding.remedy)


@pytest.mark.parametrize(
    ("seconds", "is_level", "level", "text"),
    [
        (0.1, True, "ok", "0.100 s behind"),
        (0.5, True, "warning", "0.500 s behind"),
        (2.0, False, "warning", "more than 2.0 s behind"),
        (None, False, "warning", "the servers do not tell"),
    ],
)
def test_lag(
    make_settings: Callable[..., Settings], seconds: float | None, is_level: bool, level: str, text: str
) -> None:
    finding = lagging.judge_lag(seconds, is_level, make_settings())

    assert finding.level == level
    assert finding.text.startswith(text)
    assert bool(finding.remedy) is (level != "ok")
