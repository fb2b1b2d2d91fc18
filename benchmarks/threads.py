"""Branches on threads that do nothing: what a new pool and its queue cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from langchain_core import runnables

import helpers  # noqa: F401 - importing it switches LangSmith's tracing off
from benchmarks import measuring
from benchmarks.measuring import Goal, Line, Row, Scale, at_least, at_most, repeat
from benchmarks.tasks import LangChainNoop, Noop, names
from lessons import RunnableParallel
from lessons.lesson2_thread_pools.threads import run_on_threads

Work = Callable[[], object]


def noop(value: int) -> int:
    """The branch of every side."""
    return value


def pool_map(size: int) -> Work:
    def work():
        with ThreadPoolExecutor() as executor:
            return list(executor.map(noop, range(size)))

    return work


def mechanism(size: int) -> Work:
    return partial(run_on_threads, {name: partial(noop, 1) for name in names(size)})


def parallel(size: int) -> Work:
    return partial(RunnableParallel(dict.fromkeys(names(size), noop)).invoke, 1)


def parallel_bare(size: int) -> Work:
    return partial(RunnableParallel(dict.fromkeys(names(size), Noop())).invoke, 1)


def langchain(size: int) -> Work:
    branch = runnables.RunnableLambda(noop)
    return partial(runnables.RunnableParallel(dict.fromkeys(names(size), branch)).invoke, 1)


def langchain_bare(size: int) -> Work:
    return partial(runnables.RunnableParallel(dict.fromkeys(names(size), LangChainNoop())).invoke, 1)


LAYERS = {"run_on_threads": mechanism, "RunnableParallel.invoke": parallel}


def compare(
    scale: Scale,
    what: str,
    size: int,
    first: Callable[[int], Work],
    second: Callable[[int], Work],
    goal: Goal,
) -> Line:
    """A line: the time of `first` divided by that of `second`, for `size` branches."""
    one, other = (repeat(side(size)) for side in (first, second))
    return measuring.compare(scale, f"{what}, N = {size:,}", one, other, goal)


def against_map(scale: Scale) -> Iterator[Line]:
    for size in scale.sizes(1, 2, 10, 1_000, 10_000):
        for layer, side in LAYERS.items():
            yield compare(scale, f"{layer} / executor.map", size, side, pool_map, at_most(1.5))
    for size in scale.sizes(10, 1_000):
        for layer, side in LAYERS.items():
            goal = at_least(1.5 if size <= 10 else 5)
            yield compare(scale, f"langchain-core, RunnableLambda / {layer}", size, langchain, side, goal)
        what = "langchain-core, bare Runnable / RunnableParallel.invoke"
        yield compare(scale, what, size, langchain_bare, parallel_bare, at_least(1.5))


ROWS = [
    Row(
        "threads",
        "`invoke` of N no-op branches against a new pool's `map`, and langchain-core",
        against_map,
        "each call has a callback that stops the queue after a failure, and a place in the `wait` that lets "
        "Ctrl-C through: 3 to 4 µs that `map` does without. `RunnableParallel` adds config and notes. A "
        "bare Runnable of langchain-core does as little for a branch as one of the course. How the threads "
        "take turns differs from round to round, so that the spread is wide.",
    )
]
