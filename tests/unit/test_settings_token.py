"""OPS_TOKEN: what a token may be, and that it is never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from config import load_settings
from settings.problems import SettingsError
from settings.values import SHORTEST_TOKEN

TOKEN = "0123456789abcdef~._+/-"


@pytest.mark.parametrize("token", [TOKEN, "x" * SHORTEST_TOKEN, "cGFkZGVkIHRva2Vucw=="])
def test_what_a_header_can_carry_is_taken(token: str) -> None:
    settings = load_settings({"OPS_TOKEN": token})

    assert settings.ops_token is not None
    assert settings.ops_token.get_secret_value() == token
    assert token not in f"{settings!r} {settings}"


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("short", "has 5 characters, fewer than 16"),
        ("abc=defghijklmnopq", "a bearer token must not have"),
        ("with a blank inside it", "a bearer token must not have"),
        ("mit-Umlaut-ä-0123456789", "a bearer token must not have"),
        ("https://somebody:secret@host/0123456789", "a bearer token must not have"),
    ],
)
def test_what_cannot_be_used_is_refused_and_not_shown(token: str, reason: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({"OPS_TOKEN": token})

    [problem] = caught.value.problems
    assert reason in problem.reason
    assert problem.remedy == "make one: openssl rand -hex 24"
    assert token not in str(problem)
    assert "***" in str(problem)


def test_it_may_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")

    settings = load_settings({"OPS_TOKEN_FILE": str(file)})

    assert settings.ops_token is not None
    assert settings.ops_token.get_secret_value() == TOKEN
