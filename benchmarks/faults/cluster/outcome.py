"""What an incident on a cluster did to one stack: the figures of a cell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from benchmarks.faults.crowd import in_words
from benchmarks.faults.outcome import Interval, Times, has_ended, is_good, matters, seconds
from testkit.clients import QuestionKind, Request

BACK_SECONDS = 2.0
"""How long a stack may take to write again after the cluster does, or to read after all of it was away."""


@dataclass(frozen=True)
class Kept:
    """What a node has of one stack's writes in the end."""

    nonces: Counter[str]
    counted: tuple[int, ...]
    """What the rows say that each write adds one to."""

    @property
    def is_even(self) -> bool:
        """Whether each write was kept once and whole."""
        return set(self.counted) == {self.nonces.total()} and max(self.nonces.values(), default=1) == 1


@dataclass(frozen=True)
class ClusterOutcome:
    """The figures of a cell."""

    reads: int
    writes: int
    failed_reads: int
    """Those without a good answer though a node would have answered, from two seconds before them until their end."""
    failed_reads_down: int
    refused: int
    """Writes that failed, and were not kept."""
    unknown: int
    """Writes that failed, and whose answer says, or whose lost answer shows, that they may have been kept."""
    unnamed: int
    """Writes that failed, whose answer says nothing of the kind, and that were kept."""
    lost: int
    """Writes that were answered with 200, and that a node does not have."""
    uneven: int
    """Nodes that have a write twice, or half, or another set of writes than the others."""
    wrong: int
    """Answers with another city's id."""
    worst_seconds: float
    write_outage_seconds: float
    """For how long the cluster itself took no writes."""
    reads_back_seconds: float
    """The longest time without a good read while nodes answered."""
    writes_back_seconds: float
    """The longest time without a good write while the cluster took them."""
    stuck: int
    failures: dict[str, int] = field(default_factory=dict)
    """The failed ones by kind, status and the first words of the answer; 0 is a connection that broke."""


def measure(requests: Iterable[Request], times: Times, kept: Sequence[Kept]) -> ClusterOutcome:
    """Count."""
    counted = [each for each in list(requests) if each.kind != "other" and matters(each, times)]
    reads, writes = ([each for each in counted if each.kind == kind] for kind in ("read", "write"))
    failed = [each for each in counted if has_ended(each, times) and not is_good(each) and not each.is_wrong]
    failed_reads = [each for each in failed if each.kind == "read"]
    down = [each for each in failed_reads if times.was_down(each, BACK_SECONDS)]
    failed_writes = [each for each in failed if each.kind == "write"]
    unknown = [each for each in failed_writes if _is_named(each)]
    unnamed = [each for each in failed_writes if not _is_named(each) and any(_has(node, each) for node in kept)]
    return ClusterOutcome(
        reads=len(reads),
        writes=len(writes),
        failed_reads=len(failed_reads) - len(down),
        failed_reads_down=len(down),
        refused=len(failed_writes) - len(unknown) - len(unnamed),
        unknown=len(unknown),
        unnamed=len(unnamed),
        lost=sum(is_good(each) and not all(_has(node, each) for node in kept) for each in writes),
        uneven=sum(not node.is_even or node != kept[0] for node in kept),
        wrong=sum(each.is_wrong for each in counted),
        worst_seconds=max((seconds(each, times) for each in counted), default=0.0),
        write_outage_seconds=sum(end - began for began, end in times.write_outages),
        reads_back_seconds=_longest_silence(reads, "read", times),
        writes_back_seconds=_longest_silence(writes, "write", times),
        stuck=sum(not has_ended(each, times) and each.began < times.recovered for each in counted),
        failures=dict(Counter(in_words(each) for each in failed).most_common()),
    )


def _is_named(request: Request) -> bool:
    """Tell whether who asked knows that nobody knows: by the answer, or because the answer itself was lost."""
    return "outcome-unknown" in request.text or request.status == 0


def _has(node: Kept, request: Request) -> bool:
    return node.nonces[request.question.about] > 0


def _longest_silence(requests: Sequence[Request], kind: QuestionKind, times: Times) -> float:
    """Return for how long, at most, nothing went well though it could have: the time of outages is left out."""
    outages = sorted([*times.outages, *(times.write_outages if kind == "write" else ())])
    good = sorted(each.ended for each in requests if is_good(each) and each.ended and each.ended < times.closed)
    return max(
        end - began
        for silence in pairwise([times.opened, *(moment for moment in good if moment > times.opened), times.closed])
        for began, end in _without(silence, outages)
    )


def _without(time: Interval, outages: Sequence[Interval]) -> list[Interval]:
    """Return the pieces of a time that are in no outage; none has length 0."""
    pieces, (began, end) = [], time
    for outage_began, outage_end in outages:
        if outage_began > began:
            pieces.append((began, min(outage_began, end)))
        began = max(began, outage_end)
        if began >= end:
            break
    return [*pieces, (min(began, end), end)]
