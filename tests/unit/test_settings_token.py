"""OPS_TOKEN and API_TOKEN: what a token may be, and that it is never shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from config import load_settings
from settings.problems import SettingsError
from settings.values import SHORTEST_TOKEN

TOKEN = "0123456789abcdef~._+/-"

pytestmark = pytest.mark.parametrize("name", ["OPS_TOKEN", "API_TOKEN"])


@pytest.mark.parametrize("token", [TOKEN, "x" * SHORTEST_TOKEN, "cGFkZGVkIHRva2Vucw=="])
def test_what_a_header_can_carry_is_taken(name: str, token: str) -> None:
    settings = load_settings({name: token})

    kept: SecretStr | None = getattr(settings, name.lower())
    assert kept is not None
    assert kept.get_secret_value() == token
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
def test_what_cannot_be_used_is_refused_and_not_shown(name: str, token: str, reason: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({name: token})

    [problem] = caught.value.problems
    assert reason in problem.reason
    assert problem.remedy == "make one: openssl rand -hex 24"
    assert token not in str(problem)
    assert "***" in str(problem)


def test_it_may_come_from_a_file(name: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")

    settings = load_settings({f"{name}_FILE": str(file)})

    kept: SecretStr | None = getattr(settings, name.lower())
    assert kept is not None
    assert kept.get_secret_value() == TOKEN
