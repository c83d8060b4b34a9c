"""What rules and dashboard ask Prometheus for, read from the files in deploy/."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from tests.deploy.conftest import DEPLOY

COMPARED = re.compile(r"(?P<metric>.*)\s[<>]\s[\d.]+\s*", re.DOTALL)


@dataclass(frozen=True)
class Asked:
    """An expression, where it stands, and the labels that the text around it names."""

    where: str
    expression: str
    labels: frozenset[str]


def alerts() -> list[dict[str, Any]]:
    """Return the alerts as they are written."""
    groups = yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def of_alerts() -> Iterator[Asked]:
    """Yield the left side of each alert's comparison."""
    for rule in alerts():
        compared = COMPARED.fullmatch(rule["expr"])
        assert compared, f"{rule['alert']} does not end in a comparison with a number"
        labels = re.findall(r"\$labels\.(\w+)", str(rule["annotations"]))
        yield Asked(rule["alert"], compared["metric"], frozenset(labels))


def of_adapter(**labels: str) -> Iterator[Asked]:
    """Yield what Prometheus' adapter for Kubernetes asks for, of these labels in place of a pod's."""
    for rule in yaml.safe_load((DEPLOY / "kubernetes/adapter-rules.yaml").read_text())["rules"]:
        matchers = ",".join(f'{name}="{value}"' for name, value in labels.items())
        query = rule["metricsQuery"].replace("<<.LabelMatchers>>", matchers).replace("<<.GroupBy>>", ",".join(labels))
        yield Asked(rule["name"]["as"], query, frozenset(labels))


def dashboard() -> dict[str, Any]:
    """Return the dashboard as it is written."""
    written: dict[str, Any] = json.loads((DEPLOY / "grafana/dashboard.json").read_text())
    return written


def of_dashboard(**variables: str) -> Iterator[Asked]:
    """Yield what each panel asks for, and where each variable's values come from, with the variables filled in."""
    for variable in dashboard()["templating"]["list"]:
        if variable["type"] == "query":
            source = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"])
            assert source, variable["query"]
            yield Asked(variable["name"], _filled(source[1], variables), frozenset([source[2]]))
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", []):
            labels = re.findall(r"{{(\w+)}}", target.get("legendFormat", ""))
            # What only keeps a panel from being empty would keep this test from failing.
            expression = target["expr"].replace(" or vector(0)", "")
            yield Asked(panel["title"], _filled(expression, variables), frozenset(labels))


def _filled(expression: str, variables: dict[str, str]) -> str:
    for name, value in variables.items():
        expression = re.sub(rf"\${name}\b", value, expression)
    assert "$" not in expression, expression
    return expression
