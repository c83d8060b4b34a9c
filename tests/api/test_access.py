"""Who may see /metrics and /pool."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.support.problems import assert_problem

TOKEN = "a-token-of-more-than-16-characters"


@pytest.fixture
def ask(make_app: Callable[..., Flask], tmp_path: Path) -> Callable[..., TestResponse]:
    """Ask for an address of operators, of a server with these settings, from an address and with headers."""

    def ask(
        address: str = "/metrics",
        *,
        peer: str = "127.0.0.1",
        host: str = "localhost",
        headers: dict[str, str] | None = None,
        **environ: str,
    ) -> TestResponse:
        client: FlaskClient = make_app(DATABASE_URL=f"sqlite:///{tmp_path}/none.sqlite3", **environ).test_client()
        given = {"Host": host, "Accept": "application/json", **(headers or {})}
        return client.get(address, headers=given, environ_overrides={"REMOTE_ADDR": peer})

    return ask


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"}


PADDED = "cGFkZGVkIHRva2Vucw=="


@pytest.mark.parametrize(
    ("token", "headers"),
    [
        (TOKEN, {"Authorization": f"Bearer {TOKEN}"}),
        (TOKEN, {"Authorization": f"bearer {TOKEN}"}),
        (TOKEN, basic("anybody", TOKEN)),
        (TOKEN, basic("", TOKEN)),
        (PADDED, {"Authorization": f"Bearer {PADDED}"}),
        (PADDED, basic("me", PADDED)),
    ],
)
def test_the_token_opens_from_anywhere_also_in_production(
    ask: Callable[..., TestResponse], token: str, headers: dict[str, str]
) -> None:
    answer = ask(peer="203.0.113.7", host="example.org", headers=headers, OPS_TOKEN=token, ENVIRONMENT="production")

    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": "Bearer é"},
        {"Authorization": f"Digest {TOKEN}"},
        {"Authorization": "Basic not-base64"},
        {"Authorization": TOKEN},
        basic(TOKEN, ""),
        basic("anybody", "wrong"),
    ],
)
def test_where_there_is_a_token_nothing_else_opens(ask: Callable[..., TestResponse], headers: dict[str, str]) -> None:
    answer = ask(headers=headers, OPS_TOKEN=TOKEN)

    assert_problem(answer, 401, "unauthorized")
    assert answer.headers["WWW-Authenticate"].startswith('Basic realm="operations"')
    assert TOKEN not in answer.text


@pytest.mark.parametrize(
    ("peer", "host"),
    [
        ("127.0.0.1", "localhost"),
        ("127.9.9.9", "127.0.0.1:8000"),
        ("::1", "[::1]:8000"),
        ("::ffff:127.0.0.1", "LOCALHOST:8000"),
    ],
)
def test_without_a_token_this_machine_may_look(ask: Callable[..., TestResponse], peer: str, host: str) -> None:
    assert ask(peer=peer, host=host).status_code == 200


OTHERS = ["203.0.113.7", "10.0.0.1", "::2", "", "::ffff:10.0.0.1", "127.0.0.1.example.org"]
PROXIES = ["X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Forwarded", "Via", "X-Real-IP"]
NAMES = ["attacker.example", "attacker.example:8000", "127.0.0.1.attacker.example"]


@pytest.mark.parametrize(
    "asked",
    [
        *({"peer": peer} for peer in OTHERS),
        *({"headers": {header: "127.0.0.1"}} for header in (*PROXIES, "CF-Connecting-IP")),
        *({"host": host} for host in NAMES),  # of somebody else, that lead here
        # The proxy may have forgotten its headers; who asks through it is on no account this machine.
        {"TRUSTED_PROXY_HOPS": "1"},
        {"ENVIRONMENT": "production"},
        {"address": "/pool", "ENVIRONMENT": "production"},
    ],
    ids=str,
)
def test_without_a_token_nobody_else_may(ask: Callable[..., TestResponse], asked: dict[str, Any]) -> None:
    assert_problem(ask(**asked), 403, "forbidden")


def test_a_browser_is_asked_for_the_password_and_told_why(ask: Callable[..., TestResponse]) -> None:
    answer = ask("/pool", headers={"Accept": "text/html"}, OPS_TOKEN=TOKEN)

    assert (answer.status_code, answer.mimetype) == (401, "text/html")
    assert answer.headers["WWW-Authenticate"].startswith("Basic")
    assert "OPS_TOKEN" in answer.text
