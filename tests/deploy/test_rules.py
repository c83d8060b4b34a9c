"""The alerts: what promtool says of them, and that each leads to what to do."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from config import ROOT
from tests.deploy.expressions import alerts, dashboard

WANTED = {"PoolExhausted", "PoolSlowWait", "BreakerOpen", "ConnectionLeak", "ConnectionBudget", "ErrorRate"}
METRIC = re.compile(r"\b(?:up|(?:http|db)_\w+)(?={)")  # a name without braces is that of a label


def run(*command: str, folder: Path) -> str:
    """Return what a program said, or fail with it."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def anchors(document: str) -> set[str]:
    """Return what links into a document may name: its headings, as GitHub spells them in addresses."""
    headings = re.findall(r"^#+ (.*)$", (ROOT / document).read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_each_alert_fires_when_it_should_and_not_just_below(program: Callable[[str], str], rules: Path) -> None:
    assert "SUCCESS" in run(program("promtool"), "test", "rules", "tests.yml", folder=rules)


def test_rules_and_configuration_are_valid(program: Callable[[str], str], rules: Path) -> None:
    token = rules / "token"
    token.write_text("a token of some length")
    config = (rules / "prometheus.yml").read_text()
    (rules / "prometheus.yml").write_text(config.replace("/run/ops/token", str(token)))

    said = run(program("promtool"), "check", "config", "--lint=all", "--lint-fatal", "prometheus.yml", folder=rules)

    assert f"SUCCESS: {len(alerts())} rules found" in said


def test_what_is_wanted_is_there() -> None:
    assert {rule["alert"].removeprefix("Cities") for rule in alerts()} >= WANTED


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_an_alert_says_what_is_seen_and_leads_to_what_to_do(rule: dict[str, Any]) -> None:
    says = rule["annotations"]
    document, _, anchor = says["runbook"].partition("#")
    section = re.match(r"\d+", anchor)

    assert rule["for"]
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert says["summary"]
    assert all(metric.removesuffix("_bucket") in says["description"] for metric in METRIC.findall(rule["expr"]))
    assert anchor in anchors(document)
    assert f"See {document}" in says["description"]
    assert section is None or f"{document}, section {section[0]}." in says["description"]


def test_the_dashboard_leaves_no_gap_and_lays_nothing_over_another() -> None:
    places = [panel["gridPos"] for panel in dashboard()["panels"]]
    cells = [
        (place["x"] + dx, place["y"] + dy) for place in places for dx in range(place["w"]) for dy in range(place["h"])
    ]

    assert len(cells) == len(set(cells))
    assert len(cells) == 24 * (1 + max(y for _, y in cells))
    assert len({panel["id"] for panel in dashboard()["panels"]}) == len(places)
