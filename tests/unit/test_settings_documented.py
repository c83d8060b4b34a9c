"""config.py, .env.example and docs/settings.md name the same settings with the same defaults."""

import re
from pathlib import Path

import pytest

from config import ROOT, Settings
from settings.checks import allowed
from settings.secrets import SECRETS

NAMES = [name.upper() for name in Settings.model_fields]
FILES = [f"{name}_FILE" for name in SECRETS]
COMPOSE = ["MYSQL_PASSWORD", "MYSQL_WEB_PASSWORD", "MYSQL_ROOT_PASSWORD"]

# Defaults that depend on the machine or on another setting: empty in the example, in words in the document.
IN_WORDS = {
    "DATABASE_READ_URL": "the value of `DATABASE_URL`",
    "DATABASE_TLS_CA": "none, which means those of the system",
    "WORKERS": "one for each CPU",
    "OPS_TOKEN": "none, which means that only this machine",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "none, which means that nothing is sent",
    "API_TOKEN": "none, which means that nobody may write",
}


def default_text(name: str) -> str:
    default = Settings.model_fields[name.lower()].default
    if name == "DATABASE_URL":
        return f"sqlite:///{Path(default.database).relative_to(ROOT).as_posix()}"
    return {True: "on", False: "off"}[default] if isinstance(default, bool) else str(default)


def examples() -> dict[str, str]:
    return dict(re.findall(r"^#([A-Z_]+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE))


def cards() -> dict[str, str]:
    parts = re.split(r"^##+ (.*)$", (ROOT / "docs/settings.md").read_text(), flags=re.MULTILINE)
    return {title.strip("`"): text for title, text in zip(parts[1::2], parts[2::2], strict=True) if "`" in title}


def test_each_setting_is_in_the_example_and_nothing_else_is() -> None:
    assert [name for name in examples() if name not in FILES + COMPOSE] == NAMES
    assert set(FILES) <= set(examples())


def test_each_setting_has_a_card_and_nothing_else_has() -> None:
    assert list(cards()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_example_has_the_default(name: str) -> None:
    assert examples()[name] == ("" if name in IN_WORDS else default_text(name))


@pytest.mark.parametrize("name", NAMES)
def test_the_card_has_the_default_what_is_allowed_and_when_to_leave_it_alone(name: str) -> None:
    card = cards()[name]
    field = Settings.model_fields[name.lower()]

    assert f"\n- Default: {IN_WORDS.get(name) or f'`{default_text(name)}`'}" in card
    assert re.search(r"^- Leave it alone: \S", card, re.MULTILINE)
    bounded = field.annotation in (int, float, bool) or "Literal" in str(field.annotation)
    assert f"\n- Allowed: {allowed(field) if bounded else ''}" in card


@pytest.mark.parametrize("name", NAMES)
def test_each_line_of_the_example_is_explained_above_it(name: str) -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    above = lines[next(number for number, line in enumerate(lines) if line.startswith(f"#{name}=")) - 1]

    assert re.match(r"# \w", above)
