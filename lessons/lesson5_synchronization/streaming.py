"""Hand over parts of a result as they come: the one mechanism behind `stream` and `astream`."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, closing
from contextvars import copy_context
from functools import partial, reduce
from operator import add
from queue import SimpleQueue
from threading import Event, Semaphore

from lessons.lesson2_thread_pools.threads import run_on_threads
from lessons.lesson4_execution_model.tasks import run_as_tasks_with_limit, wait_for_all

END = object()  # comes after the last part


class AddableDict(dict):
    """A part of a dict. Parts add up: where two have the same key, what they hold there adds up."""

    def __add__(self, other):
        total = AddableDict(self)
        for key, part in other.items():
            total[key] = total[key] + part if key in total else part
        return total


def add_up(parts):
    """Return the sum of some parts, whatever `+` means for them; None if there are none."""
    parts = list(parts)
    return reduce(add, parts) if parts else None


def stream_on_threads(streams, max_workers=None):
    """Run every stream on a thread; yield pairs of a name and a part, as they come.

    streams: dict of name to function without arguments that returns a generator.
    max_workers: as in `run_on_threads`. A stream runs to its end before its thread takes the next one,
    and it runs one part ahead of whoever iterates, no further.

    Raises what `run_on_threads` raises, after the last part. Whoever closes the iterator early waits
    for the parts under way; no queued stream starts any more.
    """
    parts, room, stopped = SimpleQueue(), Semaphore(0), Event()

    def pump(name, stream):
        if stopped.is_set():
            return
        with closing(stream()) as own_parts:
            for part in own_parts:
                parts.put((name, part))
                room.acquire()
                if stopped.is_set():
                    room.release()  # for the next who waits for room
                    return

    calls = {name: partial(pump, name, stream) for name, stream in streams.items()}
    with ThreadPoolExecutor(1) as executor:
        run = executor.submit(copy_context().run, run_on_threads, calls, max_workers)
        run.add_done_callback(lambda _: parts.put(END))
        try:
            while (pair := parts.get()) is not END:
                room.release()
                yield pair
        finally:
            stopped.set()
            room.release()
    run.result()


async def stream_as_tasks(streams, limit=None):
    """Run every stream as a task; yield pairs of a name and a part, as they come.

    streams: dict of name to function without arguments that returns an async generator.
    limit: how many may run at a time. Each runs one part ahead of whoever iterates, no further.

    Raises what `run_as_tasks_with_limit` raises, after the parts that were there before. When the
    iterator is closed early, or its task is cancelled, the streams are cancelled and waited for.
    """
    parts, room = asyncio.Queue(), asyncio.Semaphore(0)

    async def pump(name, stream):
        async with aclosing(stream()) as own_parts:
            async for part in own_parts:
                parts.put_nowait((name, part))
                await room.acquire()

    calls = {name: partial(pump, name, stream) for name, stream in streams.items()}
    run = asyncio.create_task(run_as_tasks_with_limit(calls, limit), name="streams")
    run.add_done_callback(lambda _: parts.put_nowait(END))
    try:
        while (pair := await parts.get()) is not END:
            room.release()
            yield pair
    finally:
        run.cancel()  # does nothing after the last part
        cancelled = await wait_for_all([run], run.cancel)
        _ = run.cancelled() or run.exception()
        if cancelled is not None:
            raise cancelled
    run.result()
