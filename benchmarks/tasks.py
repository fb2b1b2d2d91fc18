"""Branches on the event loop that do nothing: what the engine costs, against gather and against libraries."""

from __future__ import annotations

import asyncio
import gc
import importlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from statistics import median

from langchain_core import runnables

import helpers  # noqa: F401 - importing it switches LangSmith's tracing off
from benchmarks import measuring
from benchmarks.figures import draw_cost
from benchmarks.measuring import (
    Goal,
    Line,
    Row,
    Scale,
    alternate,
    at_least,
    at_most,
    duration,
    repeat_async,
    sampled,
)
from lessons import Runnable, RunnableParallel
from lessons.lesson4_execution_model.runnable_parallel import RunnableParallel as RunnableParallelOfLesson4
from lessons.lesson4_execution_model.tasks import run_as_tasks

Work = Callable[[], Awaitable]


async def noop(value: int) -> int:
    """The branch of every side."""
    return value


class Noop(Runnable):
    """The same as a runnable of the course, without RunnableLambda."""

    def _invoke(self, value, config):
        return value

    async def _ainvoke(self, value, config):
        return value


class LangChainNoop(runnables.Runnable):
    """The same as a runnable of langchain-core."""

    def invoke(self, input, config=None, **kwargs):
        return input

    async def ainvoke(self, input, config=None, **kwargs):
        return input


def names(size: int) -> list[str]:
    return [f"branch {number}" for number in range(size)]


# Each side is a function of N that returns an async function without arguments. What a user makes once,
# the chain or the dict of calls, is made beforehand; what is made at each call is part of the time.


def gather(size: int) -> Work:
    async def work():
        return await asyncio.gather(*[noop(1) for _ in range(size)])

    return work


def mechanism(size: int) -> Work:
    return partial(run_as_tasks, {name: partial(noop, 1) for name in names(size)})


def parallel(size: int) -> Work:
    return partial(RunnableParallel(dict.fromkeys(names(size), noop)).ainvoke, 1)


def parallel_of_lesson_4(size: int) -> Work:
    return partial(RunnableParallelOfLesson4(dict.fromkeys(names(size), noop)).ainvoke, 1)


def parallel_bare(size: int) -> Work:
    return partial(RunnableParallel(dict.fromkeys(names(size), Noop())).ainvoke, 1)


def langchain(size: int) -> Work:
    branch = runnables.RunnableLambda(noop)
    return partial(runnables.RunnableParallel(dict.fromkeys(names(size), branch)).ainvoke, 1)


def langchain_bare(size: int) -> Work:
    return partial(runnables.RunnableParallel(dict.fromkeys(names(size), LangChainNoop())).ainvoke, 1)


def anyio_group(size: int) -> Work:
    anyio = importlib.import_module("anyio")

    async def work():
        async with anyio.create_task_group() as group:
            for _ in range(size):
                group.start_soon(noop, 1)

    return work


def aiometer_run_all(size: int) -> Work:
    aiometer = importlib.import_module("aiometer")
    calls = [partial(noop, 1)] * size
    return lambda: aiometer.run_all(calls)


LAYERS = {"run_as_tasks": mechanism, "RunnableParallel.ainvoke": parallel}
# How many times the time of gather they may take, where the code stays as clear.
MOST = {"run_as_tasks": 1, "RunnableParallel.ainvoke": 1.3}
MOST_ON_A_LIVE_HEAP = {"run_as_tasks": 1.25, "RunnableParallel.ainvoke": 1.6}


@contextmanager
def frozen_heap(frozen: bool = True) -> Iterator[None]:
    """Inside the block, the garbage collector passes over what was there before."""
    if frozen:
        gc.collect()
        gc.freeze()
    try:
        yield
    finally:
        if frozen:
            gc.unfreeze()


def compare(
    scale: Scale,
    what: str,
    size: int,
    first: Callable[[int], Work],
    second: Callable[[int], Work],
    goal: Goal | None = None,
) -> Line:
    """A line: the time of `first` divided by that of `second`, for `size` branches."""
    with asyncio.Runner() as runner:
        one, other = (repeat_async(runner, side(size)) for side in (first, second))
        return measuring.compare(scale, f"{what}, N = {size:,}", one, other, goal)


def against_gather(scale: Scale) -> Iterator[Line]:
    for size in scale.sizes(2, 10, 100, 1_000):
        for layer, side in LAYERS.items():
            yield compare(scale, f"{layer} / gather", size, side, gather, at_most(MOST[layer]))
    (size,) = scale.sizes(10_000)
    for layer, side in LAYERS.items():
        for heap, bound in ("frozen", MOST[layer]), ("live", MOST_ON_A_LIVE_HEAP[layer]):
            what = f"{layer} / gather, {heap} heap"
            with frozen_heap(heap == "frozen"):
                yield compare(scale, what, size, side, gather, at_most(bound))


def layers(scale: Scale) -> Iterator[Line]:
    (size,) = scale.sizes(1_000)
    for what, side in {
        "run_as_tasks": mechanism,
        "RunnableParallel.ainvoke, bare Runnables": parallel_bare,
        "RunnableParallel.ainvoke of lesson 4, functions": parallel_of_lesson_4,
        "RunnableParallel.ainvoke, functions": parallel,
    }.items():
        yield compare(scale, f"{what} / gather", size, side, gather)


def against_libraries(scale: Scale) -> Iterator[Line]:
    few, many = scale.sizes(10, 1_000)
    for size, heap in (few, "live"), (many, "live"), (many, "frozen"):
        for other, theirs, ours, bound in (
            ("langchain-core, RunnableLambda", langchain, parallel, 25),
            ("langchain-core, bare Runnable", langchain_bare, parallel_bare, 4),
            ("anyio's task group", anyio_group, parallel, 3),
            ("aiometer", aiometer_run_all, parallel, 5),
        ):
            for layer, side in zip(LAYERS, (mechanism, ours)):
                what = f"{other} / {layer}, {heap} heap"
                try:
                    with frozen_heap(heap == "frozen"):
                        yield compare(scale, what, size, theirs, side, at_least(bound))
                except ModuleNotFoundError as error:
                    yield Line(what, goal=at_least(bound), why=missing(error))


def missing(error: ModuleNotFoundError) -> str:
    """What to do about a package that is not there."""
    return f'the package {error.name} is missing; pip install -e ".[bench]" gets it'


def per_branch(
    scale: Scale, chosen: Mapping[str, Callable[[int], Work]]
) -> dict[str, dict[int, list[float]]]:
    """The seconds a branch takes in each round: side -> N -> values. All sides and N take turns."""
    with asyncio.Runner() as runner:
        timed = {
            (name, size): sampled(repeat_async(runner, side(size)), scale.sample)
            for name, side in chosen.items()
            for size in scale.sizes(10, 100, 1_000, 10_000, 100_000)
            if side is not langchain or size <= 10_000  # beyond that it takes minutes
        }
        measured = alternate(scale, scale.few, *timed.values())
    seconds: dict[str, dict[int, list[float]]] = {name: {} for name in chosen}
    for (name, size), values in zip(timed, measured):
        seconds[name][size] = [value / size for value in values]
    return seconds


def cost_against_size(scale: Scale) -> Iterator[Line]:
    chosen = {"gather": gather, **LAYERS}
    live = per_branch(scale, {**chosen, "langchain-core": langchain})
    gc.disable()
    try:
        uncollected = per_branch(scale, chosen)
    finally:
        gc.enable()
    for collecting, seconds in ("", live), (", collector off", uncollected):
        for name, by_size in seconds.items():
            factors = [max(values) / min(values) for values in zip(*by_size.values())]
            what = f"{name}{collecting}: dearest N / cheapest N, {min(by_size):,} to {max(by_size):,}"
            goal = at_most(1.5) if name in LAYERS and not collecting else None
            yield Line(what, factors, goal, ", ".join(duration(median(each)) for each in by_size.values()))
    draw_cost(live, uncollected, scale.results)


ROWS = [
    Row(
        "tasks",
        "`ainvoke` of N no-op async branches against `asyncio.gather`",
        against_gather,
        "`run_as_tasks` ends with one `asyncio.wait`, about 4 µs, which shows at N = 2. `RunnableParallel` "
        "gives each branch a place to note errors (0.7 µs) and four nested coroutines (row `layers`). At "
        "10,000 these objects set off garbage collections that go through the whole heap.",
    ),
    Row("layers", "where the time of `ainvoke` goes", layers),
    Row(
        "libraries",
        "other libraries against `ainvoke`: how many times faster it is",
        against_libraries,
        "what `RunnableParallel` adds to `run_as_tasks` (rows `tasks` and `layers`) is more than what the "
        "libraries take beyond it. anyio and aiometer have no config and no notes, as `run_as_tasks` has "
        "none.",
    ),
    Row(
        "cost",
        "cost against N: time a branch, within which factor it is flat",
        cost_against_size,
        "at 100,000 the garbage collector goes through all living tasks again and again; gather slows down "
        "in the same way. With the collector off, the lines are about flat.",
    ),
]
