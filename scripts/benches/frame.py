"""What all benches have in common: rounds, ratios, and how they are told.

A bench measures what it is about and its own limit, in turns, in the same run. Rates depend on the
machine and on what else it does; the ratio of the two does much less, so that is what counts.
"""

import statistics
import sys
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import msgspec
from machine import machine
from msgspec import Struct
from processes import Used


class Goal(Struct, frozen=True):
    """What a ratio should be."""

    side: Literal["at least", "at most"]
    bound: float

    def is_met(self, ratio: float) -> bool:
        """Whether a ratio is on the right side."""
        return ratio >= self.bound if self.side == "at least" else ratio <= self.bound


class Figure(Struct, kw_only=True):
    """One thing that is measured once a round."""

    unit: str
    values: list[float] = []
    cpu_us: dict[str, list[float]] = {}
    """Processor time by group of processes, for one operation."""
    words: list[str] = []


class Ratio(Struct, frozen=True, kw_only=True):
    """One figure by another, round by round."""

    of: str
    against: str
    goal: Goal | None = None


class Report:
    """Takes in what is measured, says it as it comes, and sums it up."""

    def __init__(self, command: Sequence[str], *, as_json: bool) -> None:
        """Report a run of *command*; with *as_json* all but the result goes to standard error."""
        self.machine = machine()
        self._command = ["scripts/bench", *command]
        self._as_json = as_json
        self._figures: dict[str, Figure] = {}
        self._ratios: list[Ratio] = []
        self._memory_mb: dict[str, dict[str, float]] = {}
        self.say(f"# {' '.join(self._command)}")
        self.say(f"# {self.machine}")

    def say(self, text: str) -> None:
        """Tell whoever watches."""
        print(text, file=sys.stderr if self._as_json else sys.stdout, flush=True)

    def ratio(
        self,
        of: str,
        against: str,
        *,
        at_least: float | None = None,
        at_most: float | None = None,
    ) -> None:
        """Announce what is to be compared, with the goal if there is one."""
        goal = None
        if at_least is not None:
            goal = Goal("at least", at_least)
        elif at_most is not None:
            goal = Goal("at most", at_most)
        self._ratios.append(Ratio(of=of, against=against, goal=goal))

    def rounds(self, count: int, sides: Sequence[str]) -> Iterator[list[str]]:
        """Give the sides of each round; every other round goes through them backwards.

        So a machine whose speed drifts favours none of them.
        """
        for number in range(1, count + 1):
            self.say(f"round {number} of {count}")
            yield list(sides) if number % 2 else list(reversed(sides))

    def measured(
        self,
        name: str,
        value: float,
        unit: str,
        *,
        used: Used | None = None,
        operations: int = 0,
        words: str = "",
    ) -> None:
        """Take in one figure of this round; processor time is told for one of *operations*."""
        figure = self._figures.setdefault(name, Figure(unit=unit))
        figure.values.append(value)
        if words:
            figure.words.append(words)
        costs = []
        if used is not None and operations:
            for group, seconds in used.cpu_s.items():
                cost = seconds / operations * 1e6
                figure.cpu_us.setdefault(group, []).append(cost)
                costs.append(f"{group} {cost:.0f} µs")
        told = [f"  {name:24} {_number(value):>12} {unit}", words, ", ".join(costs)]
        self.say("   ".join(part for part in told if part))

    def memory(self, when: str, resident_mb: dict[str, float]) -> None:
        """Take in how much memory the groups of processes hold."""
        self._memory_mb[when] = resident_mb
        told = ", ".join(f"{group} {mb:.0f} MB" for group, mb in resident_mb.items())
        self.say(f"  resident, {when}: {told}")

    def end(self) -> None:
        """Sum up."""
        if self._as_json:
            print(msgspec.json.format(msgspec.json.encode(self._summary()), indent=2).decode())
            return
        self.say("")
        width = max((len(name) for name in self._figures), default=0)
        for name, figure in self._figures.items():
            low, middle, high = _spread(figure.values)
            cpu = ", ".join(
                f"{group} {statistics.median(costs):.0f} µs"
                for group, costs in figure.cpu_us.items()
            )
            self.say(
                f"{name:{width}}  {_number(middle):>10} {figure.unit} "
                f"({_number(low)} to {_number(high)})" + (f"; processor time: {cpu}" if cpu else "")
            )
        for ratio in self._ratios:
            low, middle, high = _spread(self._quotients(ratio))
            goal = ""
            if ratio.goal is not None:
                met = "met" if ratio.goal.is_met(middle) else "not met"
                goal = f"; goal {ratio.goal.side} {ratio.goal.bound:g}: {met}"
            self.say(
                f"ratio {ratio.of} / {ratio.against}: median {middle:.2f} "
                f"(min {low:.2f}, max {high:.2f}, {len(self._quotients(ratio))} rounds){goal}"
            )

    def _quotients(self, ratio: Ratio) -> list[float]:
        of, against = self._figures[ratio.of].values, self._figures[ratio.against].values
        return [value / other for value, other in zip(of, against, strict=True)]

    def _summary(self) -> dict[str, Any]:
        return {
            "command": " ".join(self._command),
            "machine": self.machine,
            "figures": self._figures,
            "ratios": [
                {
                    "of": ratio.of,
                    "against": ratio.against,
                    **dict(
                        zip(("min", "median", "max"), _spread(self._quotients(ratio)), strict=True)
                    ),
                    "rounds": self._quotients(ratio),
                    "goal": ratio.goal,
                }
                for ratio in self._ratios
            ],
            "memory_mb": self._memory_mb,
        }


def _spread(values: Sequence[float]) -> tuple[float, float, float]:
    return min(values), statistics.median(values), max(values)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"
