"""Hand over parts of a result as they come, from tasks: the mechanism behind `astream`."""

import asyncio
from contextlib import aclosing
from contextvars import copy_context
from functools import partial, reduce
from operator import add

from lessons.lesson4_execution_model.notes import noting
from lessons.lesson4_execution_model.tasks import look_at, run_as_tasks_with_limit, wait_for_all

END = object()  # comes after the last part


class AddableDict(dict):
    """A part of a dict. Parts add up: where two have the same key, what they hold there adds up."""

    def __add__(self, other):
        """Return the sum, an AddableDict with the keys of both, this one's first; neither of the two changes.

        Where both have a key, the value is the sum of the two values: this one's + the other's.
        """
        total = AddableDict(self)
        for key, part in other.items():
            total[key] = total[key] + part if key in total else part
        return total


def add_up(parts):
    """Return the sum of some parts, whatever `+` means for them; None if there are none."""
    parts = list(parts)
    return reduce(add, parts) if parts else None


async def stream_as_tasks(streams, limit=None):
    """Run every stream as a task; yield pairs of a name and a part, as they come.

    streams: dict of name to function without arguments that returns an async generator.
    limit: how many may run at a time. Each runs one part ahead of whoever iterates, no further.

    Raises what `run_as_tasks_with_limit` raises, after the parts that were there before. When the
    iterator is closed early, or its task is cancelled, the streams are cancelled and waited for. (Not
    when one of them closes the iterator that it is a part of: it cannot wait for itself.)
    """
    parts, room, left = asyncio.Queue(), asyncio.Semaphore(0), False
    place, context = noting(), copy_context()
    context.run(place.__enter__)

    async def pump(name, stream):
        async with aclosing(stream()) as own_parts:
            async for part in own_parts:
                if left or asyncio.current_task().cancelling():  # it has swallowed its cancellation
                    break
                parts.put_nowait((name, part))
                await room.acquire()

    calls = {name: partial(pump, name, stream) for name, stream in streams.items()}
    run = asyncio.create_task(run_as_tasks_with_limit(calls, limit), name="streams", context=context)
    run.add_done_callback(lambda run: look_at([run]))
    run.add_done_callback(lambda run: parts.put_nowait(END))
    try:
        while (pair := await parts.get()) is not END:
            room.release()
            yield pair
    finally:
        left = place.over = True
        run.cancel()  # does nothing after the last part
        if not place.is_here():
            cancelled = await wait_for_all([run], run.cancel)
            if cancelled is not None:
                raise cancelled
    try:
        run.result()
    finally:
        del run  # a failure holds this frame, so the frame must not hold a failure
