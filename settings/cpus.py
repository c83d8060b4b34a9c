"""How many workers a machine or a container is good for."""

import math
import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")

# Each worker has its own pools, so every one more is POOL_SIZE + WRITER_POOL_SIZE more
# connections: on a machine of 64 cores that must be somebody's decision, not a default.
MOST_WORKERS_BY_DEFAULT = 4


def cpu_limit(cgroup: Path = CGROUP) -> float:
    """Return how many CPUs this process may use, by the container's limit (cgroup v2 or v1) and by the machine."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS
    usable = float(len(affinity(0)) if affinity else os.cpu_count() or 1)
    try:
        if (cgroup / "cpu.max").exists():
            quota, period = (cgroup / "cpu.max").read_text().split()
        else:
            quota, period = ((cgroup / "cpu" / f"cpu.cfs_{part}_us").read_text() for part in ("quota", "period"))
        limit = int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):  # no limit is "max" in v2
        return usable
    return min(usable, limit) if limit > 0 else usable  # and -1 in v1


def default_workers() -> int:
    """Return one worker for each CPU, begun ones counted, and at most four."""
    return max(1, min(MOST_WORKERS_BY_DEFAULT, math.ceil(cpu_limit())))
