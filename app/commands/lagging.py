"""doctor's line about the replica: how far behind the server is that reads go to, and whether it can tell."""

from __future__ import annotations

from time import monotonic, sleep

from app.commands.findings import Finding
from app.extensions import db
from app.operations.lag import Lag
from config import Settings
from steadypool import start_thread

LOOKS_SECONDS = 2.0
"""So long a replica is waited for at the most: one that is further behind is one to see to, however far it is."""


def check_lag(settings: Settings, ends: float) -> Finding:
    """Return what to think of the replica, by `ends` (monotonic) at the latest."""
    if not settings.waits_for_replica:
        return Finding("ok", "no replica is waited for")
    reader, writer = db.engines["reader"], db.engine
    lag = Lag(reader, writer)
    try:
        # A daemon: a driver that waits for a deaf server must not keep the command from ending.
        looking = start_thread("doctor", _look, lag, min(ends, monotonic() + LOOKS_SECONDS))
        looking.join(max(0.0, ends - monotonic()))
    finally:
        reader.dispose()
        writer.dispose()
    return judge_lag(lag.seconds, lag.is_level, settings)


def _look(lag: Lag, ends: float) -> None:
    lag.look()
    while not lag.is_level and lag.seconds is not None and monotonic() < ends:
        sleep(lag.pause_seconds)
        lag.look()


def judge_lag(seconds: float | None, is_level: bool, settings: Settings) -> Finding:
    """Return what to think of a replica that was there after so many seconds or, after so many, still was not."""
    waits = settings.read_your_writes_seconds
    said = f"READ_YOUR_WRITES_SECONDS={waits:g}"
    if seconds is None:
        return Finding(
            "warning",
            f"the servers do not tell; {said}: reads of own writes go to the primary",
            "have the primary write GTIDs (MySQL: gtid_mode=ON, MariaDB: log_bin), or set READ_YOUR_WRITES_SECONDS=0",
        )
    if is_level and seconds <= waits:
        return Finding("ok", f"{seconds:.3f} s behind, {said}")
    how = f"{seconds:.3f} s behind" if is_level else f"more than {seconds:.1f} s behind, or not following"
    remedy = "see to the replica: whether it follows, long transactions, its size"
    return Finding("warning", f"{how}, {said}: reads of own writes go to the primary", remedy)
