"""The report's arithmetic: medians over the rounds of a run, and what follows from them."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks.bench.plan import HEADLINE, PLAIN

MICROSECONDS = 1e6


@dataclass(frozen=True)
class Summary:
    """What a run says; None stands for what was not measured."""

    results: dict[str, Any]

    def stacks(self) -> dict[str, str]:
        """Return the titles of the stacks, in the order of the tables."""
        titles: dict[str, str] = self.results["titles"]
        return titles

    def rounds(self, stack: str, clients: int = HEADLINE, condition: str = PLAIN.key) -> list[dict[str, Any]]:
        """Return the rounds of a stack under these conditions."""
        wanted = {"stack": stack, "clients": clients, "condition": condition}
        return [each for each in self.results["rounds"] if wanted.items() <= each.items()]

    def values(self, stack: str, name: str, clients: int = HEADLINE, condition: str = PLAIN.key) -> list[float]:
        """Return what was measured in each round that came to its end."""
        return [each[name] for each in self.rounds(stack, clients, condition) if name in each]

    def median(self, stack: str, name: str, clients: int = HEADLINE, condition: str = PLAIN.key) -> float | None:
        """Return the middle of what was measured."""
        values = self.values(stack, name, clients, condition)
        return median(values) if values else None

    def per_second(self, stack: str, clients: int = HEADLINE, condition: str = PLAIN.key) -> float | None:
        """Return the right answers a second; None where there were none."""
        return self.median(stack, "per_second", clients, condition) or None

    def added_us(self, stack: str) -> float | None:
        """Return how much longer than the floor's a request keeps the one worker, in microseconds."""
        own, floor = self.per_second(stack), self.per_second("floor")
        return MICROSECONDS / own - MICROSECONDS / floor if own and floor else None

    def ratios(
        self, stack: str, to: str, clients: int = HEADLINE, condition: str = PLAIN.key, name: str = "per_second"
    ) -> list[float]:
        """Return what a stack gave in another's, for each lap that both came through: neighbours in time."""
        own, other = (self._by_lap(each, clients, condition, name) for each in (stack, to))
        return [own[lap] / other[lap] for lap in own if lap in other]

    def ratio(self, stack: str, to: str) -> float | None:
        """Return how many times as many answers a second a stack gives as another."""
        ratios = self.ratios(stack, to)
        return median(ratios) if ratios else None

    def added_ratios(self, stack: str, to: str, floor: str = "floor") -> list[float]:
        """Return, for each lap, what a stack adds to the floor's microseconds in what another adds."""
        own, other = (self.ratios(floor, each) for each in (stack, to))
        return [(one - 1) / (two - 1) for one, two in zip(own, other, strict=False) if two > 1]

    def _by_lap(self, stack: str, clients: int, condition: str, name: str) -> dict[int, float]:
        return {each["lap"]: each[name] for each in self.rounds(stack, clients, condition) if each.get(name)}

    def commands(self, stack: str) -> float | None:
        """Return the commands on the wire for one answer."""
        seen = self.results["wire"].get(stack)
        return seen["commands"] if seen else None

    def idle_ratio(self, stack: str) -> float | None:
        """Return the share of the connections' time in which no command was under way."""
        seen = self.results["wire"].get(stack)
        return 1 - seen["busy_seconds"] / seen["open_seconds"] if seen and seen["open_seconds"] else None

    def connections(self, stack: str) -> float | None:
        """Return the connections opened for 1,000 answers."""
        rounds = [each for each in self.rounds(stack) if "connections" in each]
        answers = sum(_answers(each) for each in rounds)
        return sum(each["connections"] for each in rounds) * 1000 / answers if rounds else None

    def left_out(self, stack: str, condition: str = PLAIN.key) -> str:
        """Return in a line why a stack was not measured under this condition, nothing if it was."""
        wanted = {"stack": stack, "condition": condition}
        reasons = [each["reason"] for each in self.results["absent"] if wanted.items() <= each.items()]
        return reasons[0].splitlines()[0] if reasons else ""

    def errors(self, stack: str, clients: int | None = None, condition: str | None = None) -> str:
        """Return what went wrong in the rounds of a stack, nothing if all went well."""
        rounds = [
            each
            for each in self.results["rounds"]
            if each["stack"] == stack and clients in (None, each["clients"]) and condition in (None, each["condition"])
        ]
        failed = sum(each.get("failed", 0) + each.get("lost", 0) for each in rounds)
        wrong, slow = (sum(each.get(name, 0) for each in rounds) for name in ("wrong", "timeouts"))
        problems = [each["problem"] for each in rounds if each["problem"]]
        parts = [f"{failed:,} of {sum(map(_answers, rounds)):,} failed"] if failed else []
        parts += [f"{wrong:,} wrong answers"] if wrong else []
        parts += [f"{slow:,} took over 2 s"] if slow else []
        return "; ".join([*parts, *problems[:1]])


def _answers(counted: dict[str, Any]) -> int:
    return max(1, sum(int(counted.get(name, 0)) for name in ("right", "wrong", "failed")))
