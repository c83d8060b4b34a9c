"""deploy/grafana/dashboard.json: Grafana's own models know every word of it.

No Grafana is started. The models read a dashboard and write it again, and lose on the way what they do not know.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from config import ROOT
from tests.deploy.expressions import dashboard


def unknown_in(written: dict[str, Any]) -> list[str]:
    """Return where something stands that Grafana's models do not know."""
    register_default_plugins()  # those of each kind of panel and of Prometheus
    understood = JSONEncoder(sort_keys=True, indent=None).encode(Dashboard.from_json(written))
    return list(lost(written, json.loads(understood)))


def lost(written: Any, understood: Any, where: str = "") -> Iterator[str]:
    pairs: Any = ()
    if isinstance(written, dict) and isinstance(understood, dict):
        pairs = written.items()
    elif isinstance(written, list) and isinstance(understood, list) and len(written) == len(understood):
        pairs = enumerate(written)
    elif written != understood:
        yield where
    for name, value in pairs:
        if isinstance(understood, dict) and name not in understood:
            yield f"{where}/{name}"
        else:
            yield from lost(value, understood[name], f"{where}/{name}")


def test_grafana_knows_every_word() -> None:
    assert unknown_in(dashboard()) == []


def test_they_are_those_of_the_version_that_compose_starts() -> None:
    (image,) = re.findall(r"image: grafana/grafana:(\d+\.\d+)\.\d+$", (ROOT / "compose.yaml").read_text(), re.MULTILINE)

    assert version("grafana-foundation-sdk").partition("!")[2].startswith(f"{image}.")
    assert dashboard()["schemaVersion"] == Dashboard().schema_version


@pytest.mark.parametrize(
    "where",
    [
        "/templatting",
        "/panels/1/fieldconfig",
        "/panels/1/gridPos/width",
        "/panels/1/options/colourMode",
        "/panels/1/targets/0/legend",
        "/panels/1/fieldConfig/defaults/colour",
        "/templating/list/0/labels",
    ],
)
def test_an_unknown_word_would_be_found(where: str) -> None:
    wrong = dashboard()
    *way, name = where[1:].split("/")
    part: Any = wrong
    for step in way:
        part = part[int(step) if step.isdigit() else step]
    part[name] = "wrong"

    assert unknown_in(wrong) == [where]
