"""Not to wait for all: the first few of many, a second try that overtakes the first, a deadline."""

import asyncio
from functools import partial

from lessons.lesson4_execution_model.tasks import look_at, run_as_tasks, wait_for_all


async def first_of(calls, count=1):
    """Run every call as a task; return a dict of the first `count` that succeed, name to result.

    calls: dict of name to async function without arguments.
    The others are cancelled and waited for. Raises ValueError if `count` is not an int from 1 to the number
    of calls, and an ExceptionGroup with every failure when too many have failed. (It is a
    BaseExceptionGroup if one of them is not an Exception: a call may end with a CancelledError of its own.)
    """
    if type(count) is not int or not 1 <= count <= len(calls):
        raise ValueError(f"count is {count!r}; it must be an int from 1 to {len(calls)}, the number of calls")
    tasks, results, errors = {}, {}, []
    try:
        for name, call in calls.items():
            tasks[name] = asyncio.create_task(call(), name=name)
        running = set(tasks.values())
        while len(results) < count:
            if len(calls) - len(errors) < count:
                raise BaseExceptionGroup(f"{len(errors)} of {len(calls)} calls failed", errors)
            ended, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for name, task in tasks.items():
                if task in ended and len(results) < count:
                    error = failure_of(task)
                    if error is None:
                        results[name] = task.result()
                    else:
                        errors.append(error)
    finally:
        await cancel_and_wait(list(tasks.values()))
    return results


def failure_of(task):
    """Return the exception that a task has ended with, None if it has a result."""
    if task.cancelled():
        return asyncio.CancelledError(f"{task.get_name()} was cancelled")
    return task.exception()


async def hedged(call, delay):
    """Return the result of `call()`; after `delay` seconds without one, call it again, and take the quicker.

    call: async function without arguments that may be called twice. The slower is cancelled and waited
    for. A first call that fails is followed by the second, too; raises an ExceptionGroup when both fail.
    """

    async def again():
        await asyncio.sleep(delay)
        return await call()

    results = await first_of({"first": call, "again": again})
    return next(iter(results.values()))


async def within(seconds, calls):
    """Run every call as a task; return a dict of those that succeed within `seconds`, name to result.

    calls: dict of name to async function without arguments. The others are cancelled and waited for.
    When a call fails in time, what it raised is raised, as by `run_as_tasks`.
    """
    clock, results = asyncio.timeout(seconds), {}

    async def keep(name, call):
        result = await call()
        if not clock.expired():
            results[name] = result

    try:
        async with clock:
            await run_as_tasks({name: partial(keep, name, call) for name, call in calls.items()})
    except TimeoutError:
        if not clock.expired():
            raise  # that of a call
    return {name: results[name] for name in calls if name in results}


async def cancel_and_wait(tasks):
    """Cancel those of `tasks` that still run, and wait until all have ended."""

    def cancel_all():
        for task in tasks:
            task.cancel()

    cancel_all()
    cancelled = await wait_for_all(tasks, cancel_all)
    look_at(tasks)
    if cancelled is not None:
        raise cancelled
