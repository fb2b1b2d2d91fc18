"""Run calls as tasks and leave none behind: after an error or a cancellation nothing runs on."""

import asyncio

from lessons.lesson3_concurrency_limits.limits import check_limit
from lessons.lesson4_execution_model.notes import noting, tells_failures


async def wait_for_all(futures, when_cancelled):
    """Wait until all of `futures` have ended, also when the caller is cancelled meanwhile.

    futures: a list of tasks or asyncio futures.
    when_cancelled: a function without arguments, called at each cancellation of the caller.
    Returns the first CancelledError, for the caller to raise when it has cleaned up, or None.
    """
    cancelled = None
    for future in futures:
        while not future.done():
            try:
                await asyncio.wait([future])
            except asyncio.CancelledError as error:
                cancelled = cancelled or error.with_traceback(None)  # which would hold this frame
                when_cancelled()
    return cancelled


def look_at(tasks):
    """Look at what became of tasks that have ended: asyncio reports exceptions that nobody looks at."""
    for task in tasks:
        _ = task.cancelled() or task.exception()


async def run_as_tasks(calls):
    """Run every call as a task of its own, all at the same time.

    calls: dict of name to async function without arguments.
    Returns the list of their results, in the order of the calls, whatever finished first.

    When a call ends without a result, or the caller is cancelled, the other tasks are cancelled and
    waited for. Then the first failure in time is raised, or the CancelledError; later failures are
    noted on it. A call that ends with a CancelledError of its own accord has failed, too.
    """
    tasks, failed, stopping = [], [], False

    def cancel_all():
        nonlocal stopping
        for task in tasks:
            if stopping or not task.cancelling():  # not a second time: it may be cleaning up
                task.cancel()  # does nothing to a task that has ended
        stopping = True

    async def run(call):
        try:
            return await call()
        except (KeyboardInterrupt, SystemExit):
            raise  # these stop the loop, and asyncio.run cancels every task
        except BaseException as error:
            as_told = stopping and isinstance(error, asyncio.CancelledError)
            if not as_told or tells_failures(error):
                failed.append(error)
            if not stopping:
                cancel_all()
            raise

    with noting() as place:
        for name, call in calls.items():
            if failed:
                break  # an eager task, new in 3.12, runs when it is made, and may fail at once
            tasks.append(asyncio.create_task(run(call), name=name))
        cancelled = await wait_for_all(tasks, cancel_all)
    errors = [cancelled, *failed] if cancelled else failed
    if not errors:
        return [task.result() for task in tasks]
    look_at(tasks)
    place.note_others(errors)
    try:
        raise errors[0]
    finally:  # the exception holds this frame, so the frame must not hold the exception
        del cancelled, errors
        tasks.clear()
        failed.clear()


async def run_as_tasks_with_limit(calls, limit):
    """Run every call as a task of its own, at most `limit` at a time; None: all at once.

    calls: dict of name to async function without arguments. They start in the order of the calls.
    Returns and raises what `run_as_tasks` does; after a failure no queued call starts any more.
    Raises ValueError for a limit below 1.
    """
    if check_limit(limit) is None:
        return await run_as_tasks(calls)
    waiting = enumerate(calls.items())
    results, failed = [None] * len(calls), []

    async def run(call):
        try:
            return await call()
        except BaseException:
            failed.append(call)
            raise

    async def work():
        for place, (name, call) in waiting:  # all workers pull from the same iterator
            results[place] = await asyncio.create_task(run(call), name=name)
            if failed or asyncio.current_task().cancelling():  # or the call has swallowed that
                break

    await run_as_tasks({f"worker {number}": work for number in range(min(limit, len(calls)))})
    return results
