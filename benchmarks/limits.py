"""Many branches under a limit: workers that pull from one iterator, against all tasks and a semaphore."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import Callable, Coroutine, Iterator
from functools import partial

from benchmarks.measuring import (
    Line,
    Row,
    Scale,
    alternate,
    at_most,
    exactly,
    number,
    ratios,
    repeat_async,
    sampled,
    sides,
)
from benchmarks.tasks import names
from lessons import RunnableParallel
from lessons.lesson4_execution_model.tasks import run_as_tasks_with_limit

Work = Callable[[], Coroutine]


class Branch:
    """A branch that gives up the loop once; it counts how many of it are in flight."""

    def __init__(self) -> None:
        self.now = self.peak = 0

    async def call(self, value: int) -> int:
        self.now += 1
        self.peak = max(self.peak, self.now)
        await asyncio.sleep(0)
        self.now -= 1
        return value


def all_tasks_and_a_semaphore(size: int, limit: int, branch: Branch) -> Work:
    calls = {name: partial(branch.call, 1) for name in names(size)}

    async def work():
        semaphore = asyncio.Semaphore(limit)

        async def run(call):
            async with semaphore:
                return await call()

        return await asyncio.gather(*[run(call) for call in calls.values()])

    return work


def mechanism(size: int, limit: int, branch: Branch) -> Work:
    return partial(run_as_tasks_with_limit, {name: partial(branch.call, 1) for name in names(size)}, limit)


def parallel(size: int, limit: int, branch: Branch) -> Work:
    chain = RunnableParallel(dict.fromkeys(names(size), branch.call))
    return partial(chain.ainvoke, 1, {"max_concurrency": limit})


LAYERS = {"run_as_tasks_with_limit": mechanism, "RunnableParallel.ainvoke": parallel}


def traced(runner: asyncio.Runner, work: Work) -> Callable[[], int]:
    """Return a function that measures the bytes that `work` takes at its peak, beyond those before it."""

    def measure() -> int:
        tracemalloc.start()
        try:
            before, _ = tracemalloc.get_traced_memory()
            runner.run(work())
            return tracemalloc.get_traced_memory()[1] - before
        finally:
            tracemalloc.stop()

    return measure


def mebibytes(size: float) -> str:
    return f"{number(size / 2**20)} MiB"


def against_semaphore(scale: Scale) -> Iterator[Line]:
    (size,) = scale.sizes(100_000)
    for limit in scale.sizes(5, 50, 500):
        for layer, side in LAYERS.items():
            ours, theirs = Branch(), Branch()
            with asyncio.Runner() as runner:
                works = side(size, limit, ours), all_tasks_and_a_semaphore(size, limit, theirs)
                what = f"{layer} / all tasks, N = {size:,}, limit {limit}"

                timed = [sampled(repeat_async(runner, work), scale.sample) for work in works]
                one, other = alternate(scale, scale.rare, *timed)
                yield Line(f"time: {what}", ratios(one, other), at_most(0.35), sides(one, other))

                # Once: the bytes hardly vary, and tracing makes everything slow.
                one, other = alternate(scale, 1, *[traced(runner, work) for work in works], warm_up=False)
                shown = sides(one, other, mebibytes)
                yield Line(f"memory: {what}", ratios(one, other), at_most(1 / 50), shown)
            yield Line(f"peak: {layer}, limit {limit}", [ours.peak], exactly(limit))


ROWS = [
    Row(
        "limits",
        "many branches under a limit against all tasks and a semaphore",
        against_semaphore,
        "`RunnableParallel` makes its dict of calls beforehand, a partial for each branch: 370 bytes; and it "
        "gives each branch config and notes, while the other side has bare coroutines.",
    )
]
