"""What is measured under which conditions, and how often, so that all of it fits into the time there is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

HEADLINE = 16
"""The number of clients that most figures are about: as many as there are threads."""

SECONDS_AROUND_A_ROUND = 0.35
"""wrk's start and end, the server's counters, the answers that are checked by hand."""

SECONDS_TO_START = 2.0
"""A stack's start and the round that warms it up, at the middle."""

SECONDS_OF_WIRE = 2.6
SECONDS_OF_GROWTH = 90
LAPS_OF_FIGURES = 5
"""At least: the median of so many, and how far they lie apart, say something."""

MOST_LAPS = 9


@dataclass(frozen=True)
class Condition:
    """A set-up in which all stacks are measured."""

    key: str
    title: str
    clients: tuple[int, ...]
    in_figures: tuple[int, ...] = ()
    """The numbers of clients that a figure to reach is about."""
    workers: int = 1
    tls: bool = False
    delay_seconds: float = 0.0


PLAIN = Condition("plain", "one worker", (1, 4, 8, HEADLINE, 64), (1, HEADLINE))
TWO_WORKERS = Condition("workers", "two workers", (HEADLINE,), (HEADLINE,), workers=2)
TLS = Condition("tls", "TLS to the database", (HEADLINE,), tls=True)
DELAY = Condition("delay", "1 ms delay each way", (1,), (1,), delay_seconds=0.001)


@dataclass(frozen=True)
class Step:
    """One round of every stack in turn."""

    condition: Condition
    clients: int
    lap: int
    seconds: int


@dataclass(frozen=True)
class Plan:
    """The whole run; `stacks` is how many there are."""

    stacks: int
    conditions: tuple[Condition, ...]
    laps: int
    laps_of_figures: int
    headline_seconds: int
    measures_growth: bool = False

    def steps(self, condition: Condition) -> Iterator[Step]:
        """Return the rounds of a condition, lap by lap: A B C A B C, so that drift meets all alike."""
        for lap in range(1, max(self.laps, self.laps_of_figures) + 1):
            for clients in condition.clients:
                is_headline = condition.key == PLAIN.key and clients == HEADLINE
                if lap <= (self.laps_of_figures if clients in condition.in_figures else self.laps):
                    yield Step(condition, clients, lap, self.headline_seconds if is_headline else 1)

    def seconds(self) -> float:
        """Return how long it will take, about."""
        rounds = sum(step.seconds + SECONDS_AROUND_A_ROUND for each in self.conditions for step in self.steps(each))
        once = len(self.conditions) * SECONDS_TO_START + SECONDS_OF_WIRE
        return self.stacks * (rounds + once) + self.measures_growth * SECONDS_OF_GROWTH


def quick(stacks: int) -> Plan:
    """Return a plan for two and a half minutes: the headline alone."""
    return Plan(stacks, (replace(PLAIN, clients=(HEADLINE,)),), laps=2, laps_of_figures=2, headline_seconds=1)


def full(stacks: int, minutes: float) -> Plan:
    """Return a plan with as many laps as fit into so many minutes, one at least."""
    conditions = (PLAIN, TWO_WORKERS, TLS, DELAY)

    def with_laps(laps: int) -> Plan:
        return Plan(stacks, conditions, laps, max(laps, LAPS_OF_FIGURES), 2, measures_growth=True)

    fitting = [laps for laps in range(1, MOST_LAPS + 1) if with_laps(laps).seconds() <= minutes * 60]
    return with_laps(max(fitting, default=1))
