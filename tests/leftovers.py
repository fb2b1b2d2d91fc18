"""Run something, and see that it leaves nothing behind: no thread, no task, no process, no silent error."""

import asyncio
import gc
import os
import threading
import time
import warnings
from contextlib import contextmanager

import psutil

PATIENCE = 60  # seconds that branches wait for each other before a test fails


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
    before = open_files()
    with no_child_left():
        yield
    assert open_files() == before


def open_files():
    """How many files, pipes among them, this process has open; Windows does not say."""
    return psutil.Process().num_fds() if os.name == "posix" else None


@contextmanager
def no_child_left():
    """As `no_process_left`, but pipes and files may stay open."""
    children = psutil.Process().children(recursive=True)
    with nothing_left():
        yield
    assert psutil.Process().children(recursive=True) == children


def gone(process):
    """Whether a process, given by its number, ends in time; it need not be a child of this one."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            if psutil.Process(process).status() == psutil.STATUS_ZOMBIE:  # ended, and nobody has asked how
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False


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


def wait_for(condition, patience=PATIENCE):
    """Wait until `condition()` is true, at most `patience` seconds; return what it gave."""
    deadline = time.monotonic() + patience
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


class Stop(BaseException):
    """No Exception: as those of pytest and of trio are."""


async def stops(value=None):
    await asyncio.sleep(0)
    raise Stop("stop")


async def gives_up(value=None):
    """Somebody cancels what this call waits for, and nobody cancels the call."""
    job = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(job.cancel, "gone")
    await job
