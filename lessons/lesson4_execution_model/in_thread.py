"""Await a call on a worker thread, and leave none behind: a cancelled caller waits until it has ended."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

from lessons.lesson4_execution_model.tasks import wait_for_all


async def run_in_thread(call, own_thread=False, always=False):
    """Run `call`, a function without arguments, on a worker thread, in a copy of the caller's context.

    own_thread: on a new thread, not on one of the loop's default executor.
    always: for what cleans up; it starts even if the caller is cancelled while it is still queued.
    Returns what it returns and raises what it raises. A thread cannot be cancelled: whoever is
    cancelled while waiting here waits on until the function has ended. Without `always`, one that is
    still queued never starts.
    """
    context, begun, given_up = copy_context(), [], []
    results, errors = [], []

    def run():
        begun.append(True)
        if not given_up:
            try:
                results.append(context.run(call))
            except BaseException as error:  # asyncio's future would hand on a copy of some
                errors.append(error)

    def give_up():
        if not always:
            given_up.append(True)
            if not begun:  # then `run` will see that it was given up, if it ever begins
                future.cancel()

    executor = ThreadPoolExecutor(1) if own_thread else None
    future = asyncio.get_running_loop().run_in_executor(executor, run)
    cancelled = await wait_for_all([future], give_up)
    if executor is not None:
        executor.shutdown()
    try:
        if cancelled is not None:
            raise cancelled from errors[0] if errors else None
        if errors:
            raise errors[0]
        return results[0]
    finally:  # the exception holds this frame, so the frame must not hold the exception
        del cancelled
        errors.clear()
