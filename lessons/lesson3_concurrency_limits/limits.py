"""Run calls as tasks under a limit: what stands behind `max_concurrency` on the event loop in this lesson.

On threads the limit is the size of the pool: `run_on_threads(calls, max_workers)` of lesson 2.
"""

import asyncio

from lessons.lesson1_async_execution.tasks import run_as_tasks


def check_limit(limit):
    """Return `limit`: an int of 1 or more, or None for no limit. Raises ValueError for anything else."""
    if limit is not None and (type(limit) is not int or limit < 1):
        raise ValueError(f"max_concurrency is {limit!r}; it must be an int of 1 or more, or None")
    return limit


async def run_as_tasks_with_limit(calls, limit):
    """Run every call as a task of its own, with its name, at most `limit` at a time; None: all at once.

    calls: dict of name to async function without arguments. They start in the order of the calls, and
    become tasks only when they do.
    Returns the list of their results, in that order. Raises ValueError for what is no limit.
    Raises what a failing call raised; other calls then run on (lesson 4).
    """
    if check_limit(limit) is None:
        return await run_as_tasks(calls)
    waiting = enumerate(calls.items())
    results = [None] * len(calls)

    async def work():
        for place, (name, call) in waiting:  # all workers pull from the same iterator
            results[place] = await asyncio.create_task(call(), name=name)

    await run_as_tasks({f"worker {number}": work for number in range(min(limit, len(calls)))})
    return results
