"""How many CPUs a container gives, read from files that are made up here."""

import os
from pathlib import Path

import pytest

from config import load_settings
from settings import cpus


@pytest.fixture(autouse=True)
def machine_of_eight(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of eight CPUs, whatever runs the tests."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(8)), raising=False)


def version_2(folder: Path, text: str) -> Path:
    (folder / "cpu.max").write_text(text)
    return folder


def version_1(folder: Path, quota: str, period: str) -> Path:
    (folder / "cpu").mkdir()
    (folder / "cpu" / "cpu.cfs_quota_us").write_text(quota)
    (folder / "cpu" / "cpu.cfs_period_us").write_text(period)
    return folder


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("150000 100000\n", 1.5),
        ("50000 100000\n", 0.5),
        ("max 100000\n", 8),
        ("1600000 100000\n", 8),
        ("nonsense\n", 8),
    ],
)
def test_limit_of_cgroup_version_2(tmp_path: Path, text: str, count: float) -> None:
    assert cpus.cpu_limit(version_2(tmp_path, text)) == count


@pytest.mark.parametrize(
    ("quota", "period", "count"), [("200000\n", "100000\n", 2), ("-1\n", "100000\n", 8), ("200000\n", "0\n", 8)]
)
def test_limit_of_cgroup_version_1(tmp_path: Path, quota: str, period: str, count: float) -> None:
    assert cpus.cpu_limit(version_1(tmp_path, quota, period)) == count


def test_without_a_container_the_cpus_this_process_may_use(tmp_path: Path) -> None:
    assert cpus.cpu_limit(tmp_path / "no-cgroup") == 8


def test_without_affinity_the_cpus_of_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 6)

    assert cpus.cpu_limit(tmp_path) == 6


@pytest.mark.parametrize(("count", "workers"), [(0.25, 1), (1, 1), (1.5, 2), (3, 3), (64, 4)])
def test_a_worker_for_each_cpu_and_at_most_four(monkeypatch: pytest.MonkeyPatch, count: float, workers: int) -> None:
    monkeypatch.setattr(cpus, "cpu_limit", lambda: count)

    assert load_settings({}).workers == workers
