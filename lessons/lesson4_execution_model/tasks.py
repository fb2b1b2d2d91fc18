"""Run calls as tasks and leave none behind: after an error or a cancellation nothing runs on."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

from lessons.lesson3_concurrency_limits.limits import check_limit
from lessons.lesson4_execution_model.notes import noting


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
                cancelled = cancelled or error.with_traceback(None)  # that would hold this frame
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
            if stopping or not task.cancelling():  # one that somebody else has cancelled may clean up
                task.cancel()  # does nothing to a task that has ended
        stopping = True

    async def run(call):
        try:
            return await call()
        except (KeyboardInterrupt, SystemExit):
            raise  # these stop the loop, and asyncio.run cancels every task
        except BaseException as error:
            if not (stopping and isinstance(error, asyncio.CancelledError)):  # as it was told to
                failed.append(error)
            if not stopping:
                cancel_all()
            raise

    with noting() as place:
        for name, call in calls.items():
            if failed:
                break  # an eager task (Python 3.12) may fail before the next one is made
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
    results = [None] * len(calls)

    async def work():
        for place, (name, call) in waiting:  # all workers pull from the same iterator
            results[place] = await asyncio.create_task(call(), name=name)
            if asyncio.current_task().cancelling():  # the call has swallowed its cancellation
                break

    await run_as_tasks({f"worker {number}": work for number in range(min(limit, len(calls)))})
    return results


async def run_in_thread(call, own_thread=False, always=False):
    """Run `call`, a function without arguments, on a worker thread, in a copy of the caller's context.

    own_thread: on a new thread, not on one of the loop's default executor.
    always: for what cleans up; it starts even if the caller is cancelled while it is still queued.
    Returns what it returns and raises what it raises. A thread cannot be cancelled: whoever is
    cancelled while waiting here waits on until the function has ended. One still queued never starts.
    """
    context, begun, given_up = copy_context(), [], []

    def run():
        begun.append(True)
        if given_up:
            return None
        try:
            return context.run(call)
        except StopIteration as stop:  # no future can carry this one
            raise RuntimeError(f"{call} raised StopIteration") from stop

    def give_up():
        if not always:
            given_up.append(True)
            if not begun:  # then `run` will see that it was given up, if it ever begins
                futures[0].cancel()

    executor = ThreadPoolExecutor(1) if own_thread else None
    futures = [asyncio.get_running_loop().run_in_executor(executor, run)]
    cancelled = await wait_for_all(futures, give_up)
    if executor is not None:
        executor.shutdown()
    try:
        if cancelled is not None:
            raise cancelled from None if futures[0].cancelled() else futures[0].exception()
        return futures[0].result()
    finally:  # as in run_as_tasks
        del cancelled
        futures.clear()
