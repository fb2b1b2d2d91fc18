"""Run calls as tasks: what this lesson's `ainvoke` is made of. Lessons 3 and 4 have versions of their own."""

import asyncio


async def run_as_tasks(calls):
    """Run every call as a task of its own, all at the same time.

    calls: dict of name to async function without arguments.
    Returns the list of their results, in the order of the calls, whatever finished first.
    Raises what the first failing call in that order raised; the others then run on (lesson 4).
    """
    tasks = [asyncio.create_task(call(), name=name) for name, call in calls.items()]
    return [await task for task in tasks]
