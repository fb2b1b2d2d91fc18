"""The runner: rows made of lines, a line's rounds, its median and spread, and whether its goal is met."""

from __future__ import annotations

import asyncio
import gc
import operator
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter
from typing import Any

RELATIONS = {"≤": operator.le, "≥": operator.ge, "=": operator.eq}


@dataclass(frozen=True)
class Goal:
    """What the median of a line should be. relation: a key of `RELATIONS`."""

    relation: str
    bound: float

    def met_by(self, value: float) -> bool:
        return RELATIONS[self.relation](value, self.bound)

    def share(self, value: float) -> float:
        """How much of the goal is used: up to 1 it is met. For an exact goal, how far off it is."""
        return self.bound / value if self.relation == "≥" else value / self.bound if self.bound else 1 + value

    def __str__(self) -> str:
        return f"{self.relation} {self.bound:,g}"


def at_most(bound: float) -> Goal:
    return Goal("≤", bound)


def at_least(bound: float) -> Goal:
    return Goal("≥", bound)


def exactly(bound: float) -> Goal:
    return Goal("=", bound)


@dataclass(frozen=True)
class Line:
    """One line of the table.

    what: which side against which other, and how many. values: a ratio (or count) for each round.
    sides: the two sides as they are, in words; they depend on the machine, their ratio less.
    why: instead of values, why there are none.
    """

    what: str
    values: Sequence[float] = ()
    goal: Goal | None = None
    sides: str = ""
    why: str = ""

    @property
    def median(self) -> float:
        return median(self.values)

    @property
    def quartiles(self) -> tuple[float, float]:
        """The lower and the upper one: half of the rounds lie between them."""
        if len(self.values) == 1:
            return self.values[0], self.values[0]
        low, _, high = quantiles(self.values, n=4, method="inclusive")
        return low, high

    @property
    def verdict(self) -> str:
        """ "met" or "missed"; "not run" without values, empty without a goal."""
        if not self.values:
            return "not run"
        if self.goal is None:
            return ""
        return "met" if self.goal.met_by(self.median) else "missed"


@dataclass(frozen=True)
class Row:
    """A row of the issue: a name to choose it by, and a function that measures its lines one by one.

    causes: why lines of it are missed where they are, as measured; shown only if some are.
    """

    name: str
    title: str
    measure: Callable[[Scale], Iterator[Line]]
    causes: str = ""


@dataclass(frozen=True)
class Scale:
    """How much is measured; the defaults are those of a full run.

    rounds: of samples that take milliseconds; few: of those that take seconds; rare: of those that take
    longer still. sample: how many seconds of repetitions make up one sample at least.
    branches, calls: no N is larger, for branches that do nothing and for real calls and threads.
    latency: of a real call; nap: of a sleeping branch. notebooks: how many, None for all.
    results: the folder for figures. tick: called after each sample, to show progress.
    """

    rounds: int = 9
    few: int = 3
    rare: int = 3
    sample: float = 0.02
    branches: int = 100_000
    calls: int = 10_000
    latency: float = 1.0
    nap: float = 0.1
    notebooks: int | None = None
    results: Path = Path(__file__).parent / "results"
    tick: Callable[[], object] = field(default=lambda: None, compare=False)

    def sizes(self, *wanted: int) -> list[int]:
        """The wanted numbers of branches, as far as the scale allows."""
        return sorted({min(size, self.branches) for size in wanted})


FULL = Scale()
QUICK = Scale(
    rounds=3, few=1, rare=1, sample=0.005, branches=1_000, calls=500, latency=0.5, nap=0.05, notebooks=1
)


def alternate(scale: Scale, rounds: int, *sides: Callable[[], Any], warm_up: bool = True) -> list[list]:
    """Measure each of `sides` in turn, `rounds` times: A B A B. Returns a list of values for each side.

    sides: functions that return what they measure. warm_up: call each once before, unmeasured.
    """
    if warm_up:
        for side in sides:
            side()
            scale.tick()
    values: list[list] = [[] for _ in sides]
    for _ in range(rounds):
        for side, measured in zip(sides, values):
            gc.collect()
            measured.append(side())
            scale.tick()
    return values


def ratios(numerators: Sequence[float], denominators: Sequence[float]) -> list[float]:
    """The ratio of each round."""
    return [a / b for a, b in zip(numerators, denominators, strict=True)]


def sampled(run: Callable[[int], float], seconds: float) -> Callable[[], float]:
    """Return a function that measures the seconds one piece of work takes, as a mean of repetitions.

    run: does the work a number of times and returns the seconds. How many times makes up a sample of
    `seconds` is found out at the first call, which is not to be counted.
    """
    times = 0

    def measure() -> float:
        nonlocal times
        if times:
            return run(times) / times
        times = 1
        while (taken := run(times)) < seconds:
            times *= 2
        return taken / times

    return measure


def repeat(work: Callable[[], object]) -> Callable[[int], float]:
    """Return a function that does `work` a number of times and returns the seconds."""

    def run(times: int) -> float:
        start = perf_counter()
        for _ in range(times):
            work()
        return perf_counter() - start

    return run


def repeat_async(runner: asyncio.Runner, work: Callable[[], Awaitable]) -> Callable[[int], float]:
    """As `repeat`, on the loop of `runner`, for work that is awaited."""

    async def run(times: int) -> float:
        start = perf_counter()
        for _ in range(times):
            await work()
        return perf_counter() - start

    return lambda times: runner.run(run(times))


def compare(
    scale: Scale,
    what: str,
    first: Callable[[int], float],
    second: Callable[[int], float],
    goal: Goal | None = None,
    rounds: int | None = None,
) -> Line:
    """A line: the time of `first` divided by that of `second`, both made by `repeat` or `repeat_async`."""
    timed = [sampled(run, scale.sample) for run in (first, second)]
    one, other = alternate(scale, rounds or scale.rounds, *timed)
    return Line(what, ratios(one, other), goal, sides(one, other))


def number(value: float) -> str:
    """A number as a table shows it, with the digits that count."""
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    digits = 1 if abs(value) >= 10 else 2 if abs(value) >= 0.1 else 4
    return f"{value:.{digits}f}"


def duration(seconds: float) -> str:
    """Seconds in a unit that fits."""
    unit, size = next(each for each in (("s", 1), ("ms", 1e-3), ("µs", 0)) if seconds >= each[1])
    return f"{number(seconds / (size or 1e-6))} {unit}"


def sides(first: Sequence[float], second: Sequence[float], shown: Callable[[float], str] = duration) -> str:
    """The medians of the two sides of a ratio."""
    return f"{shown(median(first))} / {shown(median(second))}"
