"""The one rule by which a cell of the cluster's matrix gets its colour, the same for every stack."""

from __future__ import annotations

from benchmarks.faults.cluster.outcome import BACK_SECONDS, ClusterOutcome
from benchmarks.faults.rule import HUNG_SECONDS, LONGEST_SECONDS, Colour

RULE: dict[Colour, str] = {
    "green": "no read failed while a node answered, what was answered with 200 is on every node, each write is there "
    "once and whole or not at all, a write that failed was kept only where its answer said that nobody knows, nothing "
    f"took longer than {LONGEST_SECONDS} s, reads and writes went well at least every {BACK_SECONDS:.0f} s while the "
    "cluster took them",
    "yellow": "anything else: requests failed or were slow, and it passed",
    "red": "an answer was wrong, or a write was lost, or nodes disagree, or a request was stuck at the end, or one "
    f"took longer than {HUNG_SECONDS:.0f} s",
}


def colour_of(outcome: ClusterOutcome) -> Colour:
    """Return the colour of a cell."""
    if is_bad(outcome):
        return "red"
    return "yellow" if shortcomings(outcome) else "green"


def is_bad(outcome: ClusterOutcome) -> bool:
    """Tell whether visitors were told untruths or left alone."""
    untrue = outcome.wrong or outcome.lost or outcome.uneven
    return bool(untrue or outcome.stuck or outcome.worst_seconds > HUNG_SECONDS)


def shortcomings(outcome: ClusterOutcome) -> list[str]:
    """Return, in words, what keeps a cell from being green."""
    reads_back, writes_back = outcome.reads_back_seconds, outcome.writes_back_seconds
    found = {
        f"{outcome.failed_reads} reads failed while a node answered": outcome.failed_reads > 0,
        f"{outcome.lost} writes lost": outcome.lost > 0,
        f"{outcome.uneven} nodes have a write twice, half or alone": outcome.uneven > 0,
        f"{outcome.unnamed} writes kept that were said to have failed": outcome.unnamed > 0,
        f"{outcome.wrong} wrong": outcome.wrong > 0,
        f"one took {outcome.worst_seconds:.1f} s": outcome.worst_seconds > LONGEST_SECONDS,
        f"no good read for {reads_back:.1f} s": reads_back > BACK_SECONDS,
        f"no good write for {writes_back:.1f} s": writes_back > BACK_SECONDS,
        f"{outcome.stuck} stuck": outcome.stuck > 0,
    }
    return [words for words, is_so in found.items() if is_so]
