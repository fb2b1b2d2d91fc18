"""Branches that wait: for a sleep, and for real calls of a service in another process."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from statistics import median

from langchain_core import runnables

import helpers  # noqa: F401 - importing it switches LangSmith's tracing off
from benchmarks import measuring
from benchmarks.lean import BlockingClient, LeanClient, LeanServer, lean_server, most_connections
from benchmarks.measuring import (
    Line,
    Row,
    Scale,
    alternate,
    at_most,
    duration,
    exactly,
    ratios,
    repeat,
    repeat_async,
    sides,
)
from benchmarks.tasks import names
from helpers.calls.llm_clients import AsyncLLMClient
from helpers.calls.llm_service import llm_server
from lessons import RunnableParallel
from lessons.lesson2_thread_pools.threads import run_on_threads
from lessons.lesson4_execution_model.tasks import run_as_tasks

PROMPT = "sentiment: Great battery, poor strap."

Branch = Callable[[str], Awaitable[str]]


# --- Each engine as a function that runs a branch `size` times on PROMPT


async def gather(branch: Branch, size: int) -> list[str]:
    return await asyncio.gather(*[branch(PROMPT) for _ in range(size)])


async def mechanism(branch: Branch, size: int) -> list[str]:
    return await run_as_tasks({name: partial(branch, PROMPT) for name in names(size)})


async def parallel(branch: Branch, size: int) -> list[str]:
    chain = RunnableParallel(dict.fromkeys(names(size), branch))
    return list((await chain.ainvoke(PROMPT)).values())


async def langchain(branch: Branch, size: int) -> list[str]:
    branches = dict.fromkeys(names(size), runnables.RunnableLambda(branch))
    return list((await runnables.RunnableParallel(branches).ainvoke(PROMPT)).values())


def mechanism_on_threads(branch: Callable[[str], object], size: int) -> list:
    return run_on_threads({name: partial(branch, PROMPT) for name in names(size)}, size)


def parallel_on_threads(branch: Callable[[str], object], size: int) -> list:
    chain = RunnableParallel(dict.fromkeys(names(size), branch))
    return list(chain.invoke(PROMPT, {"max_concurrency": size}).values())


LAYERS = {"run_as_tasks": mechanism, "RunnableParallel.ainvoke": parallel}
ENGINES = {"gather": gather, **LAYERS, "langchain-core": langchain}
THREAD_LAYERS = {"run_on_threads": mechanism_on_threads, "RunnableParallel.invoke": parallel_on_threads}


# --- Sleeping


def sleeping(scale: Scale) -> Iterator[Line]:
    size = min(100, scale.calls)
    sleep = partial(time.sleep, scale.nap)
    for layer, run in THREAD_LAYERS.items():
        what = f"{layer}: {size} sleeping threads / the sleep itself"
        work = partial(run, lambda _: sleep(), size)
        yield measuring.compare(scale, what, repeat(work), repeat(sleep), at_most(1.3))

    async def asleep(_: str = "") -> str:
        await asyncio.sleep(scale.nap)
        return ""

    size = min(1_000, scale.calls)
    for layer, run_tasks in LAYERS.items():
        what = f"{layer}: {size:,} sleeping tasks / the sleep itself"
        with asyncio.Runner() as runner:
            tasks = repeat_async(runner, partial(run_tasks, asleep, size))
            yield measuring.compare(scale, what, tasks, repeat_async(runner, asleep), at_most(1.2))


# --- Real calls


def too_many(size: int) -> str:
    """Why so many connections are not possible here, and how many are; empty if they are."""
    most = most_connections()
    if size <= most:
        return ""
    return f"{size:,} connections do not fit: the limit of open files (ulimit -n) allows {most:,} at most"


async def seconds_of(run: Callable, branch: Branch, size: int) -> float:
    """The seconds that an engine takes for `size` calls."""
    start = time.perf_counter()
    answers = await run(branch, size)
    seconds = time.perf_counter() - start
    check(answers, size)
    return seconds


def check(answers: list[str], size: int) -> None:
    """Raises RuntimeError unless all calls were answered, and all in the same way."""
    if len(answers) != size or len(set(answers)) != 1:
        raise RuntimeError(f"{size:,} equal calls, {len(answers):,} answers, {len(set(answers)):,} different")


@contextmanager
def opened(runner: asyncio.Runner, client: LeanClient | AsyncLLMClient) -> Iterator[None]:
    """Keep a client open, on the loop of `runner`."""
    runner.run(client.__aenter__())
    try:
        yield
    finally:
        runner.run(client.__aexit__(None, None, None))


def real_calls(scale: Scale) -> Iterator[Line]:
    for size in sorted({min(size, scale.calls) for size in (1_000, 10_000)}):
        bound, aiohttp_bound = (1.1, 1.25) if size <= 1_000 else (1.5, 3.5)
        if why := too_many(size):
            yield Line(f"{size:,} calls", goal=at_most(bound), why=why)
            continue
        lean, aiohttp = dict.fromkeys(LAYERS, at_most(bound)), dict.fromkeys(LAYERS, at_most(aiohttp_bound))
        for where, serve, connect, goals, rounds in (
            ("lean", lean_server, LeanClient, {"gather": None, **lean}, scale.few),
            ("lean", lean_server, LeanClient, {"langchain-core": None}, scale.rare),
            ("aiohttp server", llm_server, LeanClient, aiohttp, scale.rare),
            ("aiohttp server and client", llm_server, aiohttp_client, dict.fromkeys(LAYERS), scale.rare),
        ):
            with serve(latency=scale.latency) as server:
                measured = measure_calls(rounds, connect(server.url, size), goals, size, scale)
            for (engine, goal), values in zip(goals.items(), measured):
                yield Line(
                    f"{engine}, {where}: {size:,} calls / one of {duration(scale.latency)}",
                    [value / scale.latency for value in values],
                    goal,
                    f"{duration(median(values))} / {duration(scale.latency)}",
                )


def aiohttp_client(url: str, size: int) -> AsyncLLMClient:
    return AsyncLLMClient(url, max_connections=None)


def measure_calls(
    rounds: int, client: LeanClient | AsyncLLMClient, engines: Iterable[str], size: int, scale: Scale
) -> list[list]:
    """The seconds of each of `engines`, which take turns; a round that is not counted opens connections."""
    with asyncio.Runner() as runner, opened(runner, client):

        def side(engine: str) -> Callable[[], float]:
            return lambda: runner.run(seconds_of(ENGINES[engine], client.achat, size))

        return alternate(scale, rounds, *map(side, engines))


# --- The gate


@dataclass
class Passage:
    """What it took to hold `size` calls in flight at the same moment, in each round.

    cpu: seconds of this process; peaks: counted by the server; extra: threads beyond those before.
    """

    cpu: list[float] = field(default_factory=list)
    peaks: list[int] = field(default_factory=list)
    extra: list[int] = field(default_factory=list)

    @contextmanager
    def noting(self, server: LeanServer) -> Iterator[Callable[[], None]]:
        """Note what the block takes; branches call the function given after their answer."""
        before, threads = threading.active_count(), 0

        def look() -> None:
            nonlocal threads
            threads = threads or threading.active_count()  # once: it takes a lock

        start = time.process_time()
        yield look
        self.cpu.append(time.process_time() - start)
        self.peaks.append(server.stats().peak)
        self.extra.append(threads - before)


def pass_as_tasks(run: Callable, size: int, passage: Passage) -> float:
    async def main() -> None:
        async with LeanClient(server.url, size) as client:
            with passage.noting(server) as look:

                async def branch(prompt: str) -> str:
                    answer = await client.achat(prompt)
                    look()
                    return answer

                await seconds_of(run, branch, size)

    with lean_server(gate=size) as server:
        asyncio.run(main())
    return passage.cpu[-1]


def pass_on_threads(run: Callable, size: int, passage: Passage) -> float:
    with lean_server(gate=size) as server, BlockingClient(server.url, size) as client:
        with passage.noting(server) as look:

            def branch(prompt: str) -> str:
                answer = client.chat(prompt)
                look()
                return answer

            check(run(branch, size), size)
    return passage.cpu[-1]


def through_a_gate(scale: Scale) -> Iterator[Line]:
    size = min(10_000, scale.calls)
    if why := too_many(size):
        yield Line(f"{size:,} calls at a gate", why=why)
        return
    for (layer, run), (thread_layer, run_on) in zip(LAYERS.items(), THREAD_LAYERS.items()):
        tasks, thread = Passage(), Passage()
        measure = partial(pass_as_tasks, run, size, tasks), partial(pass_on_threads, run_on, size, thread)
        what = f"{layer} / {thread_layer}"
        try:
            one, other = alternate(scale, scale.rare, *measure, warm_up=False)
        except (RuntimeError, OSError) as error:  # the system may not allow as many threads
            yield Line(f"CPU: {what}, {size:,} calls", goal=at_most(1 / 8), why=str(error))
            continue
        yield Line(f"peak: {layer}, {size:,} calls", tasks.peaks, exactly(size))
        yield Line(f"extra threads: {layer}", tasks.extra, exactly(0))
        yield Line(f"peak: {thread_layer}, {size:,} calls", thread.peaks)
        yield Line(f"extra threads: {thread_layer}", thread.extra)
        yield Line(f"CPU: {what}, {size:,} calls", ratios(one, other), at_most(1 / 8), sides(one, other))


ROWS = [
    Row(
        "sleep",
        "sleeping threads and tasks against the sleep itself",
        sleeping,
        "100 threads have to be made and woken, or 1,000 tasks made and ended, beside so short a sleep, so "
        "that other work on the same cores shows here first: the two lines of threads were 1.13 and 1.15 on "
        "a quiet machine, 1.21 and 1.25, then 2.00 and 1.75 in runs beside other work. For tasks, what "
        "`RunnableParallel` adds (row `tasks`) is a good part of it.",
    ),
    Row(
        "calls",
        "real calls at the same time against the latency of one, warm connections",
        real_calls,
        "the wall time is the latency and N times the CPU time of a call, in one thread. `RunnableParallel` "
        "adds its own (row `tasks`), and garbage collections that go through all calls in flight.",
    ),
    Row(
        "gate",
        "calls held until all are in flight: tasks against threads",
        through_a_gate,
        "what `RunnableParallel` adds to a branch (row `tasks`) is small beside a thread, but not beside a "
        "task.",
    ),
]
