"""What the course's recorder costs: recording on against off, and against viztracer."""

from __future__ import annotations

import asyncio
import gc
import importlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any

from benchmarks.calls import PROMPT, aiohttp_client, opened
from benchmarks.lean import LeanClient, lean_server
from benchmarks.measuring import (
    Line,
    Row,
    Scale,
    alternate,
    at_most,
    ratios,
    sides,
)
from benchmarks.tasks import missing, names
from helpers.calls.llm_service import llm_server
from helpers.recording.recorder import record
from lessons import RunnableParallel

STEPS = 10


async def empty_steps(value: str) -> str:
    """A branch that does nothing but to give up the loop."""
    for _ in range(STEPS):
        await asyncio.sleep(0)
    return value


@contextmanager
def tracing(tracer: Any) -> Iterator[None]:
    """Trace the block with viztracer, and read what it has found into Python, as `record` does."""
    tracer.start()
    try:
        yield
    finally:
        tracer.stop()
        tracer.parse()
        tracer.clear()


@dataclass
class Times:
    """The seconds of a workload in each round: inside the block, and until its recording can be used."""

    inside: Sequence[float]
    whole: Sequence[float]


def measure(
    scale: Scale,
    runner: asyncio.Runner,
    what: str,
    branch: Callable[[str], Awaitable],
    size: int,
    goals: tuple[float, float],
) -> Iterator[Line]:
    """The lines of one workload: `size` times `branch`, on the loop of `runner`.

    goals: the most that on / off and on / viztracer should be.
    """
    to_off, to_viztracer = map(at_most, goals)
    chain = RunnableParallel(dict.fromkeys(names(size), branch))

    async def timed(block: AbstractContextManager) -> tuple[float, float]:
        start = perf_counter()
        with block:
            begin = perf_counter()
            await chain.ainvoke(PROMPT)
            end = perf_counter()
        return end - begin, perf_counter() - start

    def compare(block: Callable[[], AbstractContextManager]) -> tuple[Times, Times]:
        """Let recording and another block take turns. Recording turns garbage collection off: so do both."""
        gc.disable()
        try:
            turns = (lambda: runner.run(timed(record()))), (lambda: runner.run(timed(block())))
            measured = alternate(scale, scale.few, *turns)
        finally:
            gc.enable()
        first, second = (Times(*zip(*values)) for values in measured)
        return first, second

    on, off = compare(nullcontext)
    for where, one, other in ("inside the block", on.inside, off.inside), ("whole", on.whole, off.whole):
        yield Line(f"on / off, {where}: {what}", ratios(one, other), to_off, sides(one, other))
    try:
        tracer = importlib.import_module("viztracer").VizTracer(verbose=0, log_async=True)
    except ModuleNotFoundError as error:
        yield Line(f"on / viztracer: {what}", goal=to_viztracer, why=missing(error))
        return
    on, viztracer = compare(partial(tracing, tracer))
    for where, one, other in (
        ("inside the block", on.inside, viztracer.inside),
        ("whole", on.whole, viztracer.whole),
    ):
        yield Line(f"on / viztracer, {where}: {what}", ratios(one, other), to_viztracer, sides(one, other))


def on_against_off(scale: Scale) -> Iterator[Line]:
    size = min(1_000, scale.calls)
    for name, serve, connect in (
        ("aiohttp calls", llm_server, aiohttp_client),
        ("lean calls", lean_server, LeanClient),
    ):
        with serve(latency=0) as server, asyncio.Runner() as runner:
            client = connect(server.url, size)
            with opened(runner, client):
                what = f"{size:,} {name} without latency"
                yield from measure(scale, runner, what, client.achat, size, (1.25, 0.6))
    with asyncio.Runner() as runner:
        what = f"{size:,} branches of {STEPS} empty steps"
        yield from measure(scale, runner, what, empty_steps, size, (3, 0.9))


ROWS = [
    Row(
        "recording",
        "the recorder on against off, and against viztracer",
        on_against_off,
        "the recorder, in Python, takes about 4 µs for a step of a task, and 4 µs after the block to make "
        "spans of it. A call of aiohttp takes many times that; a step that does nothing takes 2 µs. "
        "viztracer, in C, takes less inside the block, and more until its events can be read.",
    )
]
