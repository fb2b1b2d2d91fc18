"""Not to wait for all: the first few of many, a second try that overtakes the first, a deadline."""

import asyncio

from lessons.lesson4_execution_model.tasks import wait_for_all


async def first_of(calls, count=1):
    """Run every call as a task; return a dict of the first `count` that succeed, name to result.

    calls: dict of name to async function without arguments.
    The others are cancelled and waited for. Raises ValueError if `count` is no int from 1 to the number
    of calls, and an ExceptionGroup with every failure when too many have failed.
    """
    if type(count) is not int or not 1 <= count <= len(calls):
        raise ValueError(f"count is {count!r}; it must be an int from 1 to {len(calls)}, the number of calls")
    tasks = {name: asyncio.create_task(call(), name=name) for name, call in calls.items()}
    results, errors, running = {}, [], set(tasks.values())
    try:
        while len(results) < count:
            if len(calls) - len(errors) < count:
                raise ExceptionGroup(f"{len(errors)} of {len(calls)} calls failed", errors)
            ended, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for name, task in tasks.items():
                if task in ended and len(results) < count:
                    try:
                        results[name] = task.result()
                    except Exception as error:
                        errors.append(error)
    finally:
        await cancel_and_wait(list(tasks.values()))
    return results


async def hedged(call, delay):
    """Await `call()`; if it has not succeeded within `delay` seconds, make it again and take the quicker.

    call: async function without arguments that may be called twice. Raises what `first_of` raises.
    """

    async def again():
        await asyncio.sleep(delay)
        return await call()

    results = await first_of({"first": call, "again": again})
    return next(iter(results.values()))


async def within(seconds, calls):
    """Run every call as a task; return a dict of those that succeed within `seconds`, name to result.

    calls: dict of name to async function without arguments. The others are cancelled and waited for.
    When a call fails in time, its exception is raised.
    """
    tasks = {name: asyncio.create_task(call(), name=name) for name, call in calls.items()}
    try:
        if tasks:
            await asyncio.wait(tasks.values(), timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
        return {name: task.result() for name, task in tasks.items() if task.done()}
    finally:
        await cancel_and_wait(list(tasks.values()))


async def cancel_and_wait(tasks):
    """Cancel those of `tasks` that still run, and wait until all have ended."""

    def cancel_all():
        for task in tasks:
            task.cancel()

    cancel_all()
    cancelled = await wait_for_all(tasks, cancel_all)
    for task in tasks:
        _ = task.cancelled() or task.exception()  # looked at
    if cancelled is not None:
        raise cancelled
