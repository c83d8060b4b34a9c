"""The compose profile `observability`, as `docker compose config` understands it; its images are not pulled here."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from config import ROOT
from tests.docker.stacks import require_engine

pytestmark = pytest.mark.docker

TOKEN = "a-token-of-these-tests"
WATCHERS = ("prometheus", "grafana")


def compose(*arguments: str, **environ: str) -> dict[str, Any]:
    """Return the services, volumes and secrets after interpolation."""
    # --env-file: not the settings of whoever runs the tests.
    done = subprocess.run(
        ["docker", "compose", "--env-file", os.devnull, *arguments, "config", "--format", "json"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **environ},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    understood: dict[str, Any] = json.loads(done.stdout)
    return understood


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """All services, with OPS_TOKEN set."""
    require_engine()
    found: dict[str, Any] = compose("--profile", "observability", OPS_TOKEN=TOKEN)["services"]
    return found


def test_nobody_gets_them_unasked_and_nothing_needs_the_token_then(services: dict[str, Any]) -> None:
    alone = compose()["services"]

    assert set(services) - set(alone) == set(WATCHERS)
    assert alone["web"]["environment"]["OPS_TOKEN"] == ""


def test_the_token_reaches_the_application_and_prometheus(services: dict[str, Any]) -> None:
    web, prometheus, grafana = (services[name] for name in ("web", *WATCHERS))
    scraping = (ROOT / "deploy/prometheus/prometheus.yml").read_text()

    assert web["environment"]["OPS_TOKEN"] == TOKEN
    assert [secret["target"] for secret in prometheus["secrets"]] == ["/run/ops/token"]
    assert "credentials_file: /run/ops/token " in scraping
    assert TOKEN not in json.dumps(prometheus)
    assert grafana["environment"]["GF_SECURITY_ADMIN_PASSWORD"] == TOKEN
    # Beside Prometheus, which has it as a file; the one-shot service and the database have no use for it.
    assert [name for name, service in services.items() if TOKEN in json.dumps(service)] == ["grafana", "web"]


@pytest.mark.parametrize("name", WATCHERS)
def test_a_watcher_can_do_little_and_change_nothing_that_is_mounted(services: dict[str, Any], name: str) -> None:
    service = services[name]

    assert re.fullmatch(r"[a-z/]+:v?\d+\.\d+\.\d+", service["image"])
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert int(service["mem_limit"]) > 0
    assert service["pids_limit"] > 0
    assert {port["host_ip"] for port in service["ports"]} == {"127.0.0.1"}
    assert list(service["networks"]) == ["outside"]
    # Where a secret has to be put into the container, its files are protected by who the process is.
    assert service.get("read_only") or service["user"] == "65534:65534"
    mounts = [mount for mount in service["volumes"] if mount["type"] == "bind"]
    assert mounts
    assert all(Path(mount["source"]).exists() and mount["read_only"] for mount in mounts)


def test_they_find_each_other(services: dict[str, Any]) -> None:
    scraping = (ROOT / "deploy/prometheus/prometheus.yml").read_text()
    source = (ROOT / "deploy/grafana/provisioning/datasources/prometheus.yml").read_text()
    provider = (ROOT / "deploy/grafana/provisioning/dashboards/cities.yml").read_text()
    folder = re.search(r"path: (\S+)", provider)
    assert folder, provider
    dashboard = next(mount["target"] for mount in services["grafana"]["volumes"] if "dashboard.json" in mount["source"])

    assert {port["target"] for port in services["web"]["ports"]} == {8000}
    assert '"web:8000"' in scraping
    assert f"http://prometheus:{services['prometheus']['ports'][0]['target']}" in source
    assert Path(dashboard).parent == Path(folder[1])
