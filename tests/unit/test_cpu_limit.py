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


@pytest.mark.parametrize(
    ("files", "count"),
    [
        ({"cpu.max": "150000 100000\n"}, 1.5),
        ({"cpu.max": "50000 100000\n"}, 0.5),
        ({"cpu.max": "max 100000\n"}, 8),
        ({"cpu.max": "1600000 100000\n"}, 8),
        ({"cpu.max": "nonsense\n"}, 8),
        ({"cpu/cpu.cfs_quota_us": "200000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 2),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 8),
        ({"cpu/cpu.cfs_quota_us": "200000\n", "cpu/cpu.cfs_period_us": "0\n"}, 8),
        ({}, 8),
    ],
)
def test_limit_of_cgroups_of_both_versions(tmp_path: Path, files: dict[str, str], count: float) -> None:
    (tmp_path / "cpu").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)

    assert cpus.cpu_limit(tmp_path) == count


def test_without_affinity_the_cpus_of_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 6)

    assert cpus.cpu_limit(tmp_path) == 6


@pytest.mark.parametrize(("count", "workers"), [(0.25, 1), (1, 1), (1.5, 2), (3, 3), (64, 4)])
def test_a_worker_for_each_cpu_and_at_most_four(monkeypatch: pytest.MonkeyPatch, count: float, workers: int) -> None:
    monkeypatch.setattr(cpus, "cpu_limit", lambda: count)

    assert load_settings({}).workers == workers
