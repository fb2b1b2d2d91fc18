"""Two ways to wait that leave the loop's thread to others: on a future, and on another thread."""

import asyncio


async def future_sleep(seconds):
    """Suspend the task that awaits this for `seconds`, as asyncio.sleep does, and without it.

    A new future of the running loop is awaited, and a timer of the loop sets its result to None.
    However the wait ends, also when it is cancelled, the timer is cancelled.
    """
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    timer = loop.call_later(seconds, future.set_result, None)
    try:
        await future
    finally:
        timer.cancel()


def off_the_loop(function):
    """Return an async function of one value that calls `function` with it on a worker thread.

    The loop runs on meanwhile. What `function` returns or raises comes out of it.
    """

    async def branch(value):
        return await asyncio.to_thread(function, value)

    return branch
