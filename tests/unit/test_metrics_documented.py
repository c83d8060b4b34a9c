"""Rules, dashboard and documents name metrics that /metrics has, and docs/metrics.md explains them all."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from config import ROOT
from tests.api.test_metrics import VOCABULARY

SUFFIXES = {"counter": ("_total",), "histogram": ("", "_bucket", "_sum", "_count"), "gauge": ("",)}
LABELS = {"db_client_connection_pool_name", "db_client_connection_state"}
NAMED = re.compile(r"\b(?:(?:db_(?:client|pool|budget)|http_request)_[a-z_]*[a-z]|app_workers|app_build_info)\b")
FILES = [*(ROOT / "deploy").rglob("*.*"), *(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "CHANGELOG.md"]


def named(file: Path) -> set[str]:
    return set(NAMED.findall(file.read_text()))


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_only_metrics_that_exist_are_named(file: Path) -> None:
    exist = {name + suffix for name, kind in VOCABULARY.items() for suffix in SUFFIXES[kind]}

    assert named(file) <= exist | LABELS


def test_every_metric_is_explained() -> None:
    explained = {name + SUFFIXES[kind][0] for name, kind in VOCABULARY.items()}

    assert explained | LABELS <= named(ROOT / "docs/metrics.md")


@pytest.mark.parametrize("file", ["deploy/prometheus/alerts.yml", "deploy/grafana/dashboard.json"])
def test_names_are_found_where_they_stand(file: str) -> None:
    assert {"db_pool_breaker", "db_client_connection_wait_time_seconds_bucket"} <= named(ROOT / file)
