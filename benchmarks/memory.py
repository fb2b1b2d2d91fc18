"""What a call in flight, a task and a thread take of memory, each measured in a fresh process.

`python -m benchmarks.memory NAME N` prints the bytes that one of N takes; NAME is a key of `MEASURES`.

A call and a task are Python objects: what is allocated for them is counted, byte by byte. How much more of
its memory is resident would not tell, since they fit into what the imports have freed. Most of a thread is
its stack, which Python does not allocate: what it has touched of it is counted, in pages.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import signal
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks.calls import LAYERS, THREAD_LAYERS, gather, too_many
from benchmarks.lean import LeanClient, lean_server
from benchmarks.measuring import Line, Row, Scale, alternate, at_most, number, ratios, sides
from benchmarks.tasks import missing

ROOT = Path(__file__).parents[1]


def allocated() -> int:
    """The bytes of memory that Python has allocated since tracemalloc was started, and not freed."""
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def touched() -> int:
    """The bytes of memory that this process has written to, and no file holds: they cannot be taken back."""
    gc.collect()
    process = importlib.import_module("psutil").Process()
    if sys.platform == "linux":
        return sum(each.anonymous + each.swap for each in process.memory_maps(grouped=False))
    return process.memory_full_info().uss


async def while_waiting(run: Callable, branch: Callable, size: int, arrived: Callable[[], int]) -> int:
    """Start an engine, and return the bytes allocated once all its branches wait; cancel it then."""
    task = asyncio.create_task(run(branch, size))
    while arrived() < size:
        await asyncio.sleep(0.01)
        if task.done():
            raise RuntimeError("the branches have ended, and were to wait") from task.exception()
    size_of_all = allocated()
    task.cancel()
    await asyncio.wait([task])
    return size_of_all


def of_a_call(run: Callable, size: int) -> float:
    """The bytes that one of `size` real calls takes, its open connection included."""

    async def main() -> int:
        async with LeanClient(server.url, size) as client:
            return await while_waiting(run, client.achat, size, lambda: server.stats().in_flight)

    with lean_server(gate=size + 1) as server:
        tracemalloc.start()
        return asyncio.run(main()) / size


def of_a_task(run: Callable, size: int) -> float:
    """The bytes that one of `size` tasks takes that wait."""
    arrived = 0

    async def branch(value: object) -> None:
        nonlocal arrived
        arrived += 1
        await asyncio.get_running_loop().create_future()

    tracemalloc.start()
    return asyncio.run(while_waiting(run, branch, size, lambda: arrived)) / size


def of_a_thread(run: Callable, size: int) -> float:
    """The bytes that one of `size` threads takes that wait."""
    go_on, arrived = threading.Event(), threading.Semaphore(0)

    def branch(value: object) -> None:
        arrived.release()
        go_on.wait()

    before = touched()
    running = threading.Thread(target=run, args=(branch, size))
    running.start()
    for _ in range(size):
        arrived.acquire()
    after = touched()
    go_on.set()
    running.join()
    return (after - before) / size


def bare_threads(branch: Callable, size: int) -> None:
    threads = [threading.Thread(target=branch, args=(None,)) for _ in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


TASKS = {"gather": gather, **LAYERS}
THREADS: dict[str, Callable] = {"bare threads": bare_threads, **THREAD_LAYERS}
MEASURES = {
    **{f"call {name}": partial(of_a_call, run) for name, run in LAYERS.items()},
    **{f"task {name}": partial(of_a_task, run) for name, run in TASKS.items()},
    **{f"thread {name}": partial(of_a_thread, run) for name, run in THREADS.items()},
}


def in_a_fresh_process(name: str, size: int) -> float:
    command = [sys.executable, "-m", "benchmarks.memory", name, str(size)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise RuntimeError(f"the process that measures '{name}' has failed, and has printed why")
    return float(done.stdout)


def kibibytes(size: float) -> str:
    return f"{number(size / 1024)} KiB"


def memory(scale: Scale) -> Iterator[Line]:
    try:
        importlib.import_module("psutil")
    except ModuleNotFoundError as error:
        yield Line("memory", why=missing(error))
        return
    size = min(10_000, scale.calls)
    for layer in LAYERS:
        what, goal = f"KiB of a call in flight: {layer}, {size:,} calls", at_most(10)
        if why := too_many(size):
            yield Line(what, goal=goal, why=why)
            continue
        side = partial(in_a_fresh_process, f"call {layer}", size)
        (occupied,) = alternate(scale, scale.rare, side, warm_up=False)
        yield Line(what, [each / 1024 for each in occupied], goal, kibibytes(median(occupied)))

    size, threads = min(10_000, scale.calls), min(1_000, scale.calls)
    for task, thread in zip(TASKS, THREADS):
        measure = (
            partial(in_a_fresh_process, f"task {task}", size),
            partial(in_a_fresh_process, f"thread {thread}", threads),
        )
        one, other = alternate(scale, scale.rare, *measure, warm_up=False)
        what = f"a task / a thread: {task}, {size:,} / {thread}, {threads:,}"
        yield Line(what, ratios(one, other), at_most(1 / 10), sides(one, other, kibibytes))


ROWS = [
    Row(
        "memory",
        "memory of a call in flight, and of a task against a thread",
        memory,
        "a task of `RunnableParallel` has a config of its own, a dict with a list and a dict in it, and "
        "four nested coroutines: with them it is 3.4 KiB, without them 1.3 KiB.",
    )
]

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a traceback
    print(MEASURES[sys.argv[1]](int(sys.argv[2])))
