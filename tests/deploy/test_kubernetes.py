"""deploy/kubernetes: Kubernetes would take each object, and they fit each other, the image and the settings."""

from __future__ import annotations

import math
import re
from typing import Any

import kubernetes_validate
import pytest
import yaml

from app.operations.budget import Fleet, budgets, terms_of
from app.operations.limits import Limit
from config import ROOT, Settings, load_settings
from settings.secrets import SECRETS
from tests.deploy.conftest import DEPLOY

RELEASES = ("1.33", kubernetes_validate.latest_version())
OBJECTS = [
    each
    for name in ("migrate.yaml", "web.yaml")
    for each in yaml.safe_load_all((DEPLOY / "kubernetes" / name).read_text())
]
WEB, MIGRATE = (
    next(each for each in OBJECTS if each["kind"] == kind)["spec"]["template"]["spec"] for kind in ("Deployment", "Job")
)


def the(kind: str) -> Any:
    return next(each for each in OBJECTS if each["kind"] == kind)["spec"]


def variables(pod: Any) -> dict[str, str]:
    return {each["name"]: each["value"] for each in pod["containers"][0]["env"]}


def variables_without_files(pod: Any) -> dict[str, str]:
    return {name: value for name, value in variables(pod).items() if not name.endswith("_FILE")}


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("made", OBJECTS, ids=lambda made: f"{made['kind']} {made['metadata']['name']}")
def test_kubernetes_knows_every_field(made: dict[str, Any], release: str) -> None:
    kubernetes_validate.validate(made, release, strict=True)


def test_an_unknown_field_would_be_found() -> None:
    wrong = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"prots": []}}

    with pytest.raises(kubernetes_validate.ValidationError, match="prots"):
        kubernetes_validate.validate(wrong, RELEASES[-1], strict=True)


@pytest.mark.parametrize("pod", [WEB, MIGRATE], ids=["web", "migrate"])
def test_a_pod_may_do_little(pod: Any) -> None:
    [container] = pod["containers"]
    user = re.search(r"^USER (\d+):(\d+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)

    assert user
    assert (pod["securityContext"]["runAsUser"], pod["securityContext"]["runAsGroup"]) == tuple(map(int, user.groups()))
    assert pod["securityContext"]["runAsNonRoot"]
    assert not pod["automountServiceAccountToken"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"cpu", "memory"} <= set(container["resources"]["requests"])
    assert "memory" in container["resources"]["limits"]


@pytest.mark.parametrize("pod", [WEB, MIGRATE], ids=["web", "migrate"])
def test_each_variable_is_a_setting_and_each_secret_is_a_file(pod: Any) -> None:
    given = variables(pod)
    files = {name.removesuffix("_FILE"): path for name, path in given.items() if name.endswith("_FILE")}
    [mount] = [each for each in pod["containers"][0]["volumeMounts"] if each["name"] == "secrets"]

    assert set(files) <= set(SECRETS)
    assert {name.lower() for name in variables_without_files(pod)} <= set(Settings.model_fields)
    assert set(files.values()) == {f"{mount['mountPath']}/{name.lower().replace('_', '-')}" for name in files}
    load_settings({"DATABASE_URL": "mysql://web@database/sakila", **variables_without_files(pod)})


def seconds_to_stop() -> int:
    """Return how long it may take from the moment at which a pod is deleted."""
    settings = load_settings({"DATABASE_URL": "mysql://web@database/sakila", **variables_without_files(WEB)})
    sleeps: int = WEB["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    return sleeps + settings.shutdown_delay_seconds + settings.graceful_timeout_seconds


def test_a_pod_has_time_to_stop() -> None:
    delay = int(variables(WEB)["SHUTDOWN_DELAY_SECONDS"])
    asks = WEB["containers"][0]["readinessProbe"]

    assert WEB["terminationGracePeriodSeconds"] > seconds_to_stop()
    assert delay > asks["periodSeconds"] * asks["failureThreshold"]


def test_the_probes_ask_for_different_things() -> None:
    container = WEB["containers"][0]
    asked = {name: container[name]["httpGet"]["path"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}

    assert asked == {"startupProbe": "/livez", "livenessProbe": "/livez", "readinessProbe": "/readyz"}


def test_the_budget_counts_all_that_there_can_be_at_once_and_fits_into_mysql_as_it_comes() -> None:
    settings = load_settings({"DATABASE_URL": "mysql://web@database/sakila", **variables_without_files(WEB)})
    fleet, deployment = Fleet.of(settings), the("Deployment")
    # A pod that was told to stop keeps its connections until it ends; the next is told when another has been ready for
    # a while.
    drain_together = math.ceil(seconds_to_stop() / deployment["minReadySeconds"])
    limit = Limit("database:3306", "max_connections", 151)
    [budget] = budgets([(terms, [limit]) for terms in terms_of(settings).values()], fleet)

    assert fleet.instances == the("HorizontalPodAutoscaler")["maxReplicas"]
    assert fleet.surge >= deployment["strategy"]["rollingUpdate"]["maxSurge"] + drain_together
    assert not budget.remedy, budget.arithmetic


def test_all_mean_the_same_pods_and_port() -> None:
    labels = the("Deployment")["template"]["metadata"]["labels"]
    [port] = WEB["containers"][0]["ports"]

    assert the("Deployment")["selector"]["matchLabels"] == labels == the("Service")["selector"]
    assert the("PodDisruptionBudget")["selector"]["matchLabels"] == labels
    assert the("NetworkPolicy")["podSelector"]["matchExpressions"][0]["values"] == ["web", "migrate"]
    assert the("Service")["ports"][0]["targetPort"] == port["name"]
    assert f"PORT={port['containerPort']} " in (ROOT / "Dockerfile").read_text()
    assert WEB["containers"][0]["image"] == MIGRATE["containers"][0]["image"]


def test_it_is_scaled_by_what_the_adapter_makes() -> None:
    [metric] = the("HorizontalPodAutoscaler")["metrics"]
    [rule] = yaml.safe_load((DEPLOY / "kubernetes/adapter-rules.yaml").read_text())["rules"]

    assert metric["pods"]["metric"]["name"] == rule["name"]["as"]
