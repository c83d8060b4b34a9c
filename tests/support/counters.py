"""What a pool counts when something is not as it should be: by these names in `snapshot()`, /pool and /metrics."""

from __future__ import annotations

TROUBLE = (
    "rejected",
    "unavailable",
    "statement_timeouts",
    "unknown_outcomes",
    "conflicts",
    "retried",
    "leaked",
    "orphaned",
    "diverted",
    "probes",
)
"""All but `timeouts`, which OpenTelemetry has a name for."""
