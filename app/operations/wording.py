"""How the dashboard writes numbers: durations, bounds, shares; and what the pools' own words mean."""

from __future__ import annotations

NOTHING = "–"

BREAKER = {
    "closed": ("good", "connections are made as needed"),
    "half-open": ("warn", "a connect failed; one thread tries, the others wait"),
    "open": ("bad", "the database cannot be reached; who needs a new connection is refused at once"),
}
"""What each state of the breaker is worth, and what it means."""

REASONS = {
    "expired": "its life was over",
    "idle": "not needed for a while",
    "stale": "the server, or something on the way, had closed it",
    "error": "an error ended it",
    "overdue": "cut at its deadline",
    "changed": "its session had been changed",
    "dropped": "its holder forgot to return it",
    "replaced": "a second try wanted a new one",
    "invalidated": "the server went away or became read-only",
    "surplus": "more than the pool keeps",
    "disposed": "the pool was closed",
    "detached": "taken out of the pool",
}


def duration(seconds: float | None) -> str:
    """Return a time in the unit that fits it, to two or three digits."""
    if seconds is None:
        return NOTHING
    if 0 < seconds < 1:
        return f"{_brief(seconds * 1000)} ms"
    if seconds < 60:
        return f"{_brief(seconds)} s"
    minutes, hours = int(seconds // 60), int(seconds // 3600)
    if minutes < 60:
        return _two(minutes, "min", int(seconds % 60), "s")
    return _two(hours, "h", minutes % 60, "min") if hours < 24 else _two(hours // 24, "d", hours % 24, "h")


def bound(seconds: float | str | None) -> str:
    """Return a percentile, which is known by the bucket that it is in; the last one has no end."""
    if seconds is None:
        return NOTHING
    return f"≤ {duration(float(seconds))}" if float(seconds) != float("inf") else "> 5 s"


def share(part: float | None) -> str:
    """Return a share in per cent; what is not quite all is not rounded to all."""
    return NOTHING if part is None else f"{int(part * 1000) / 10:g} %"


def number(count: float) -> str:
    """Return a whole number with its thousands apart."""
    return f"{count:,.0f}"


def _two(more: int, unit: str, less: int, lesser: str) -> str:
    return f"{more} {unit} {less} {lesser}" if less else f"{more} {unit}"


def _brief(number: float) -> str:
    return f"{number:.0f}" if number >= 10 else f"{round(number, 3):.2g}"
