"""A plan says what the playground runs: which branches, called how. Plain data, and the Python for it."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from string import ascii_lowercase

from helpers.calls.workloads import spend_cpu
from helpers.playground.six_ways import WAYS

WORK = ("I/O", "CPU")
SIDES = ("async", "sync", "both")
LIBRARIES = {"ours": "lessons", "langchain-core": "langchain_core.runnables"}  # name -> what to import from
_WHERE = {"ours": "\n\nRun it with the Python of the course and in its folder: it imports from lessons.\n"}
FAILURE = "no answer from the model"  # the message of a branch that fails

MAX_CALLS = 200  # of branches, in one run
MAX_LATENCY = 5.0  # seconds
MAX_INPUTS = 20
MAX_TOTAL = 20.0  # seconds that a run takes at the least


@dataclass(frozen=True)
class Group:
    """Some equal branches.

    count: how many. latency: seconds that each takes. work: "I/O" waits, "CPU" computes. side: "async"
    for a coroutine function, "sync" for a plain one, "both" for a branch that has both. fails: whether
    each raises a ValueError at its end.
    """

    count: int = 1
    latency: float = 0.3
    work: str = "I/O"
    side: str = "async"
    fails: bool = False

    def __post_init__(self) -> None:
        """Raises TypeError or ValueError that names the value and what is allowed."""
        _require_int("count", self.count, MAX_CALLS)
        if isinstance(self.latency, bool) or not isinstance(self.latency, int | float):
            raise TypeError(f"latency must be a number of seconds, not {self.latency!r}")
        if not 0 <= self.latency <= MAX_LATENCY:
            raise ValueError(f"latency must be from 0 to {MAX_LATENCY:g} seconds, not {self.latency!r}")
        _require_one_of("work", self.work, WORK)
        _require_one_of("side", self.side, SIDES)
        if not isinstance(self.fails, bool):
            raise TypeError(f"fails must be True or False, not {self.fails!r}")


@dataclass(frozen=True)
class Plan:
    """A chain of branches, and how it is called.

    groups: a list or tuple of Group. way: one of `helpers.playground.six_ways.WAYS`. max_concurrency: the
    limit, or None. library: a key of LIBRARIES. inputs: how many `batch` and `abatch` are given; the other
    ways take one input.
    """

    groups: tuple[Group, ...]
    way: str = "ainvoke"
    max_concurrency: int | None = None
    library: str = "ours"
    inputs: int = 2

    def __post_init__(self) -> None:
        """Raises TypeError or ValueError that names the value, what is allowed, and the group."""
        if not isinstance(self.groups, list | tuple):
            raise TypeError(f"groups must be a list of Group, not {type(self.groups).__name__}")
        if not 1 <= len(self.groups) <= len(ascii_lowercase):
            raise ValueError(f"groups must be 1 to {len(ascii_lowercase)}, not {len(self.groups)}")
        for letter, group in zip(ascii_lowercase, self.groups):
            if not isinstance(group, Group):
                raise TypeError(f"group {letter} must be a Group, not {group!r}")
        object.__setattr__(self, "groups", tuple(self.groups))
        _require_one_of("way", self.way, WAYS)
        if self.max_concurrency is not None:
            _require_int("max_concurrency", self.max_concurrency, MAX_CALLS, "or None")
        _require_one_of("library", self.library, LIBRARIES)
        _require_int("inputs", self.inputs, MAX_INPUTS)
        if self.calls > MAX_CALLS:
            raise ValueError(
                f"{self._counted()} {'is' if self.calls == 1 else 'are'} more than {MAX_CALLS} calls, "
                "the most that one run may make: choose fewer"
            )
        if self.least_seconds > MAX_TOTAL:
            raise ValueError(
                f"this run would take at least {self.least_seconds:.3g} s; at most {MAX_TOTAL:g} s are "
                f"allowed: {self.shorter}"
            )

    @property
    def branches(self) -> dict[str, Group]:
        """Name of a branch (a1, a2, ..., b1, ...) -> its group, in declared order."""
        return {
            f"{letter}{number}": group
            for letter, group in zip(ascii_lowercase, self.groups)
            for number in range(1, group.count + 1)
        }

    @property
    def is_batch(self) -> bool:
        return self.way in ("batch", "abatch")

    @property
    def is_async(self) -> bool:
        return self.way.startswith("a")

    @property
    def values(self) -> list[str]:
        """The inputs of the chain."""
        return [f"review {number}" for number in range(1, self.inputs + 1)] if self.is_batch else ["review"]

    @property
    def calls(self) -> int:
        """How many times a branch is called, if all are."""
        return len(self.values) * sum(group.count for group in self.groups)

    @property
    def longest(self) -> float:
        """The latency of the slowest branch, in seconds."""
        return max(group.latency for group in self.groups)

    @property
    def total(self) -> float:
        """Seconds that all calls take, one after another."""
        return len(self.values) * sum(group.count * group.latency for group in self.groups)

    @property
    def least_seconds(self) -> float:
        """Seconds that the run takes at the least: work on the CPU takes turns, and so does a limit.

        A limit counts at each level: that of the inputs of a batch, and that of the branches.
        """
        cpu = sum(group.count * group.latency for group in self.groups if group.work == "CPU")
        at_a_time = (self.max_concurrency or MAX_CALLS) ** (2 if self.is_batch else 1)
        return max(self.longest, len(self.values) * cpu, self.total / at_a_time)

    @property
    def shorter(self) -> str:
        """How to make a plan of a run that takes less time."""
        if self.max_concurrency is None:
            return "choose fewer branches or a shorter latency"
        return "choose fewer branches, a shorter latency or a higher limit"

    @property
    def title(self) -> str:
        """The plan in short: "ainvoke, 4 branches, limit 2, ours"."""
        limit = [] if self.max_concurrency is None else [f"limit {self.max_concurrency}"]
        return ", ".join([self.way, self._counted(), *limit, self.library])

    def _counted(self) -> str:
        branches = _number(sum(group.count for group in self.groups), "branch", "branches")
        return f"{branches} × {_number(self.inputs, 'input', 'inputs')}" if self.is_batch else branches


def python(plan: Plan) -> str:
    """A script that does what the plan says and prints what comes, ready to run with `python script.py`."""
    used = {(group.work, side) for group in plan.groups for side in _sides(group)}
    needs_asyncio = plan.is_async or ("I/O", "async") in used
    needs_time = used - {("I/O", "async")}
    imports = ["import asyncio"] * needs_asyncio + ["import time"] * bool(needs_time)
    head = [
        f'"""{plan.title}.{_WHERE.get(plan.library, "")}"""',
        "\n".join(imports),
        f"from {LIBRARIES[plan.library]} import RunnableLambda, RunnableParallel",
    ]
    functions = [
        _function(letter, group, side) for letter, group in _lettered(plan) for side in _sides(group)
    ]
    if any(group.work == "CPU" for group in plan.groups):
        functions.insert(0, inspect.getsource(spend_cpu).strip())
    return "\n\n\n".join(["\n\n".join(head), *functions, _chain(plan), *_call(plan)]) + "\n"


def _lettered(plan: Plan) -> Iterator[tuple[str, Group]]:
    return zip(ascii_lowercase, plan.groups)


def _sides(group: Group) -> tuple[str, ...]:
    return ("sync", "async") if group.side == "both" else (group.side,)


def _function(letter: str, group: Group, side: str) -> str:
    """The definition of a branch function; `answer` in helpers.playground.process does the same."""
    name = f"async_{letter}" if group.side == "both" and side == "async" else letter
    if group.work == "CPU":
        wait = f"spend_cpu({group.latency})"
    else:
        wait = f"await asyncio.sleep({group.latency})" if side == "async" else f"time.sleep({group.latency})"
    end = f'raise ValueError("{FAILURE}")' if group.fails else f'return f"{letter} answers {{value}}"'
    return f"{'async def' if side == 'async' else 'def'} {name}(value):\n    {wait}\n    {end}"


def _chain(plan: Plan) -> str:
    lines = []
    for letter, group in _lettered(plan):
        sides = f"{letter}, afunc=async_{letter}" if group.side == "both" else letter
        branch = f"RunnableLambda({sides})"
        if group.count == 1:
            entries = f'{{"{letter}1": {branch}}}'
        else:
            entries = f'{{f"{letter}{{n}}": {branch} for n in range(1, {group.count + 1})}}'
        lines.append(f"branches {'|=' if lines else '='} {entries}")
    return "\n".join([*lines, "chain = RunnableParallel(branches)"])


def _call(plan: Plan) -> list[str]:
    """The call, as parts of the script."""
    value, before = '"review"', ""
    if plan.is_batch:
        value, before = "reviews", f'reviews = [f"review {{n}}" for n in range(1, {plan.inputs + 1})]\n'
    if plan.max_concurrency is not None:
        value += f', config={{"max_concurrency": {plan.max_concurrency}}}'
    call = f"chain.{plan.way}({value})"
    if plan.way == "stream":
        return [f"for part in {call}:\n    print(part)"]
    if plan.way == "astream":
        body = f"async for part in {call}:\n        print(part)"
    else:
        body = f"print({'await ' if plan.is_async else ''}{call})"
    if not plan.is_async:
        return [before + body]
    before = before and f"    {before}"
    return [f"async def main():\n{before}    {body}", "asyncio.run(main())"]


def _number(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


def _require_int(name: str, value: object, largest: int, otherwise: str = "") -> None:
    allowed = f"{name} must be an int from 1 to {largest}{otherwise and ' ' + otherwise}, not {value!r}"
    if type(value) is not int:
        raise TypeError(allowed)
    if not 1 <= value <= largest:
        raise ValueError(allowed)


def _require_one_of(name: str, value: object, allowed: Iterable[str]) -> None:
    if value not in tuple(allowed):
        raise ValueError(f"{name} must be one of {', '.join(allowed)}, not {value!r}")
