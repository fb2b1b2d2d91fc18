"""The six ways to call a chain, and experiments that put one question to each of them.

An experiment is given a library as a pair of classes, (RunnableParallel, RunnableLambda), and builds its
chain from them: so it works on langchain-core and on the learner's own.
"""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass, field
from typing import Any

WAYS = ("invoke", "batch", "stream", "ainvoke", "abatch", "astream")
INPUT = "input 0"
INPUTS = 2  # how many batch and abatch get
PATIENCE = 30.0  # seconds that a held branch waits for its release
LINGER = 0.5  # seconds that a branch stays, for the caller to do something meanwhile


def call_sync(chain: Any, way: str, config: dict | None = None, inputs: int = INPUTS) -> Any:
    """Call a chain in a sync way, on the caller's thread. Otherwise like `call`."""
    if way == "stream":
        return list(chain.stream(INPUT, config))
    return getattr(chain, way)(_value(way, inputs), config)


async def call_async(chain: Any, way: str, config: dict | None = None, inputs: int = INPUTS) -> Any:
    """Call a chain in an async way, in the caller's task. Otherwise like `call`."""
    if way == "astream":
        return [part async for part in chain.astream(INPUT, config)]
    return await getattr(chain, way)(_value(way, inputs), config)


async def call(chain: Any, way: str, config: dict | None = None, inputs: int = INPUTS) -> Any:
    """Call a chain in one of `WAYS`; `batch` and `abatch` with `inputs` inputs, the others with one.

    A sync way runs on a thread of the loop's default executor, so that the loop can watch it. A streaming
    way returns the list of its parts. Raises ValueError for another way, and what the chain raises.
    """
    if way not in WAYS:
        raise ValueError(f"way must be one of {', '.join(WAYS)}, not {way!r}")
    if way.startswith("a"):
        return await call_async(chain, way, config, inputs)
    return await asyncio.to_thread(call_sync, chain, way, config, inputs)


def _value(way: str, inputs: int) -> Any:
    return [f"input {n}" for n in range(inputs)] if way.endswith("batch") else INPUT


@dataclass
class Watched:
    """What `watch` saw while all branches that could start were held.

    peak: how many were in flight. threads: on how many threads besides the loop's. tasks: how many tasks
    there were for the call. own_tasks: how many different ones the branches found themselves in.
    mechanism: "tasks" if every branch was one, else "threads".
    """

    peak: int = 0
    threads: int = 0
    tasks: int = 0
    own_tasks: int = 0
    mechanism: str = ""


@dataclass
class _Held:
    """A two-sided branch that counts those in flight, and holds them until it is opened."""

    now: int = 0
    peak: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    open: threading.Event = field(default_factory=threading.Event)
    threads: set[threading.Thread] = field(default_factory=set)
    tasks: set[asyncio.Task] = field(default_factory=set)
    sides: set[str] = field(default_factory=set)

    def step(self, change: int, side: str) -> None:
        with self.lock:
            self.now += change
            self.peak = max(self.peak, self.now)
            self.threads.add(threading.current_thread())
            self.sides.add(side)

    def call(self, value: object) -> None:
        self.step(1, "threads")
        self.open.wait(PATIENCE)
        self.step(-1, "threads")

    async def acall(self, value: object) -> None:
        self.step(1, "tasks")
        if task := asyncio.current_task():
            self.tasks.add(task)
        async with asyncio.timeout(PATIENCE):
            while not self.open.is_set():
                await asyncio.sleep(0.01)
        self.step(-1, "tasks")


async def _end(running: asyncio.Task, release: threading.Event) -> None:
    """Let a call end, and wait until it has: a thread of it would hold a worker of the loop's pool."""
    release.set()
    await asyncio.gather(running, return_exceptions=True)


async def watch(
    way: str, library: tuple, branches: int, config: dict | None = None, inputs: int = INPUTS
) -> Watched:
    """Call a dict of `branches` branches that are held until no more of them start; say what there was.

    On the loop that is certain after a few turns. Threads get half a second after the last one started.
    Raises what the chain raises. Whatever happens, a cancellation included, the call has ended at the end.
    """
    parallel, function = library
    held = _Held()
    chain = parallel({f"b{n}": function(held.call, afunc=held.acall) for n in range(branches)})
    before = asyncio.all_tasks()
    running = asyncio.create_task(call(chain, way, config, inputs))
    patience = 0.1 if way.startswith("a") else 0.5
    seen, since = 0, time.monotonic()
    try:
        while not running.done() and (not seen or time.monotonic() - since < patience):
            await asyncio.sleep(0.02)
            if held.now != seen:
                seen, since = held.now, time.monotonic()
        tasks = len(asyncio.all_tasks() - before) - 1  # less the one that makes the call
    finally:
        await _end(running, held.open)
    running.result()
    threads = len(held.threads - {threading.current_thread()})
    mechanism = "tasks" if held.sides == {"tasks"} else "threads"
    return Watched(held.peak, threads, tasks, len(held.tasks), mechanism)


async def hands_over_early(way: str, library: tuple) -> bool:
    """Whether the caller gets the result of a branch while another branch is still in flight.

    That other branch stays until the caller has got something, or for `LINGER` seconds. Whatever happens,
    the call has ended at the end.
    """
    parallel, function = library
    got, met = threading.Event(), []

    def slow(value: object) -> None:
        met.append(got.wait(LINGER))

    async def aslow(value: object) -> None:
        end = time.monotonic() + LINGER
        while not got.is_set() and time.monotonic() < end:
            await asyncio.sleep(0.01)
        met.append(got.is_set())

    async def quick(value: object) -> object:
        return value

    async def consume() -> None:
        if way == "stream":
            await asyncio.to_thread(lambda: [got.set() for _ in chain.stream(INPUT)])
        elif way == "astream":
            async for _ in chain.astream(INPUT):
                got.set()
        else:
            await call(chain, way)

    chain = parallel(quick=function(len, afunc=quick), slow=function(slow, afunc=aslow))
    running = asyncio.create_task(consume())
    try:
        await asyncio.shield(running)
    finally:
        await _end(running, got)
    return met[0]


async def sibling_of_an_error(way: str, library: tuple) -> str:
    """What has become of a branch in flight when the error of another one arrives, in words.

    The branch would end after `LINGER` seconds. Whatever happens, it and the call have ended at the end.
    """
    parallel, function = library
    begun, outcome = threading.Event(), []

    def sibling(value: object) -> None:
        begun.set()
        time.sleep(LINGER)
        outcome.append("runs to its end, and is waited for")

    async def asibling(value: object) -> None:
        begun.set()
        try:
            await asyncio.sleep(LINGER)
            outcome.append("runs to its end, and is waited for")
        except asyncio.CancelledError:
            outcome.append("is cancelled, and waited for")
            raise

    def fails(value: object) -> None:
        begun.wait(PATIENCE)
        raise ValueError("no answer from the model")

    async def afails(value: object) -> None:
        while not begun.is_set():
            await asyncio.sleep(0)
        raise ValueError("no answer from the model")

    chain = parallel(sibling=function(sibling, afunc=asibling), fails=function(fails, afunc=afails))
    before, came = asyncio.all_tasks(), "no error arrives"
    running = asyncio.create_task(call(chain, way))
    try:
        await asyncio.shield(running)
    except ValueError:
        came = outcome[0] if outcome else "runs on in the background"
    finally:
        await _end(running, begun)
        if left := asyncio.all_tasks() - before:
            await asyncio.wait(left)
    return came
