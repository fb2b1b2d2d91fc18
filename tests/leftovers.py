"""Run something, and see that it leaves nothing behind: no thread, no task, no process, no silent error."""

import asyncio
import gc
import threading
import warnings
from contextlib import contextmanager

import psutil

PATIENCE = 10  # seconds that branches wait for each other before a test fails


@contextmanager
def nothing_left():
    """Inside the block, every thread that is started ends, and every coroutine is awaited."""
    before = set(threading.enumerate())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
        assert set(threading.enumerate()) == before
        gc.collect()
    assert not [warning.message for warning in caught if "never awaited" in str(warning.message)]


@contextmanager
def no_process_left():
    """Inside the block, every process, thread and pipe that is made goes, and every coroutine is awaited."""
    pipes = open_files()
    with no_child_left():
        yield
    assert open_files() == pipes


def open_files() -> int:
    """How many files and pipes this process has open; 0 on Windows, which counts handles of every kind."""
    process = psutil.Process()
    return process.num_fds() if hasattr(process, "num_fds") else 0


@contextmanager
def no_child_left():
    """As `no_process_left`, but pipes and files may stay open."""
    children = psutil.Process().children(recursive=True)
    with nothing_left():
        yield
    assert psutil.Process().children(recursive=True) == children


def run(coroutine):
    """Run a coroutine; no task may be left at its end, and no error may be reported to the loop."""
    left, reports = [], []

    async def main():
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: reports.append(context))
        try:
            async with asyncio.timeout(3 * PATIENCE):
                return await coroutine
        finally:
            left.extend(asyncio.all_tasks() - {asyncio.current_task()})

    try:
        return asyncio.run(main())
    finally:
        gc.collect()
        assert (left, reports) == ([], [])


async def for_ever(value=None):
    await asyncio.get_running_loop().create_future()


async def fail(value=None):
    raise LookupError("no such review")


async def give(value=None):
    return value


async def cancelled_while(work, times=1):
    """Cancel `work(started)`, a coroutine, once it has set the event `started`; return its task."""
    started = asyncio.Event()
    task = asyncio.create_task(work(started))
    await started.wait()
    for _ in range(times):
        task.cancel()
        await asyncio.sleep(0)
    await asyncio.wait([task], timeout=PATIENCE)
    return task
