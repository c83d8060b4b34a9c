"""What an incident did to one stack: the figures of a cell, counted from its requests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from benchmarks.faults.crowd import in_words
from testkit.clients import Request

Interval = tuple[float, float]


RECOVERY_SECONDS = 1.0
"""How long a stack may take to find out that the database is back; how long it took is a figure of its own."""


@dataclass(frozen=True)
class Times:
    """When it happened, on the monotonic clock: what was under way at `opened` or came later counts, until `closed`."""

    opened: float
    recovered: float
    closed: float
    outages: Sequence[Interval] = ()
    write_outages: Sequence[Interval] = ()

    def was_down(self, request: Request, grace: float = 0.0) -> bool:
        """Tell whether the database was away during any part of a request, or shortly before it."""
        intervals = [*self.outages, *(self.write_outages if request.kind == "write" else ())]
        ended = self.closed if request.ended is None else request.ended
        return any(request.began <= end + grace and ended >= began for began, end in intervals)


@dataclass(frozen=True)
class Outcome:
    """The figures of a cell."""

    asked: int
    """Reads and writes that count."""
    failed_up: int
    """Those without a good answer, though the database was there from a second before their beginning to their end."""
    failed_after: int
    """Those that came in the first second after an outage, while a stack may find out that it is over."""
    failed_down: int
    writes_cut: int
    """Writes that failed where the fault took their answer away."""
    wrong: int
    """Answers with another city's id; writes kept twice, or said to be kept and not there."""
    worst_seconds: float
    first_good_seconds: float | None
    """From the recovery to the first 200 (the later one where reads and writes were down), None for never."""
    reconnects: int
    stuck: int
    """Requests begun before the recovery that still had no answer at the end."""
    failures: dict[str, int] = field(default_factory=dict)
    """The failed ones by kind, status and the first words of the answer; 0 is a connection that broke."""


def measure(
    requests: Iterable[Request], times: Times, reconnects: int, kept: Sequence[str], *, cuts_writes: bool = False
) -> Outcome:
    """Count."""
    counted = [each for each in list(requests) if each.kind != "other" and matters(each, times)]
    failed = [each for each in counted if has_ended(each, times) and not is_good(each)]
    cut = [each for each in failed if cuts_writes and each.kind == "write"]
    blamed = [each for each in failed if not (cuts_writes and each.kind == "write") and not each.is_wrong]
    down = [each for each in blamed if times.was_down(each)]
    after = [each for each in blamed if times.was_down(each, RECOVERY_SECONDS) and each not in down]
    return Outcome(
        asked=len(counted),
        failed_up=len(blamed) - len(down) - len(after),
        failed_after=len(after),
        failed_down=len(down),
        writes_cut=len(cut),
        wrong=sum(each.is_wrong for each in counted) + _wrong_writes(counted, Counter(kept)),
        worst_seconds=max((seconds(each, times) for each in counted), default=0.0),
        first_good_seconds=_first_good(counted, times),
        reconnects=reconnects,
        stuck=sum(not has_ended(each, times) and each.began < times.recovered for each in counted),
        failures=dict(Counter(in_words(each) for each in failed).most_common()),
    )


def matters(request: Request, times: Times) -> bool:
    """Tell whether it was under way at some time that counts."""
    return request.began <= times.closed and (request.ended is None or request.ended >= times.opened)


def is_good(request: Request) -> bool:
    """Tell whether it was answered with what was asked for, right or wrong."""
    return request.status == 200


def has_ended(request: Request, times: Times) -> bool:
    """Tell whether it was answered before the end of all."""
    return request.ended is not None and request.ended <= times.closed


def seconds(request: Request, times: Times) -> float:
    """Return how long it took; without an answer, until the end of all."""
    return ended(request, times) - request.began


def ended(request: Request, times: Times) -> float:
    """Return when it was answered, at the latest at the end of all."""
    return times.closed if request.ended is None else min(request.ended, times.closed)


def _first_good(requests: Iterable[Request], times: Times) -> float | None:
    """Return after how long both reads and, where writes were refused, writes were well again; None for never."""
    good = [each for each in requests if is_good(each) and has_ended(each, times)]
    outages = {"read": times.outages, "write": times.write_outages}
    backs: list[float] = []
    for kind, intervals in outages.items():
        if not intervals and kind == "write":
            continue
        up = max((end for _, end in intervals), default=times.recovered)
        later = [ended(each, times) - up for each in good if each.kind == kind and ended(each, times) >= up]
        if not later:
            return None
        backs.append(min(later))
    return max(backs)


def _wrong_writes(requests: Iterable[Request], kept: Counter[str]) -> int:
    writes = [each for each in requests if each.kind == "write" and each.ended is not None]
    return sum(kept[each.question.about] > 1 or (is_good(each) and kept[each.question.about] != 1) for each in writes)
