"""Run calls as tasks and leave none behind: after an error or a cancellation nothing runs on."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

from lessons.lesson3_concurrency_limits.limits import check_limit


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
                cancelled = cancelled or error
                when_cancelled()
    return cancelled


async def run_as_tasks(calls):
    """Run every call as a task of its own, all at the same time.

    calls: dict of name to async function without arguments.
    Returns the list of their results, in the order of the calls, whatever finished first.

    When a call fails, or the caller is cancelled, the other tasks are cancelled and waited for. Then
    the first failure in time is raised, or the CancelledError; later failures are noted on it.
    """
    tasks, failed, stopping = [], [], False

    def cancel_all():
        nonlocal stopping
        stopping = True
        for task in tasks:
            task.cancel()  # does nothing to a task that has ended

    async def run(call):
        try:
            return await call()
        except Exception as error:
            failed.append(error)
            if not stopping:
                cancel_all()
            raise

    tasks += [asyncio.create_task(run(call), name=name) for name, call in calls.items()]
    cancelled = await wait_for_all(tasks, cancel_all)
    errors = [cancelled, *failed] if cancelled else failed
    if not errors:
        return [task.result() for task in tasks]
    for task in tasks:
        _ = task.cancelled() or task.exception()  # looked at: else asyncio reports that nobody did
    for error in errors[1:]:
        errors[0].add_note(" ".join([f"another failure: {error!r}", *getattr(error, "__notes__", [])]))
    raise errors[0]


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


async def run_in_thread(call, own_thread=False):
    """Run `call`, a function without arguments, on a worker thread, in a copy of the caller's context.

    own_thread: on a new thread, not on one of the loop's default executor.
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
        given_up.append(True)
        if not begun:  # then `run` will see that it was given up, if it ever begins
            future.cancel()

    executor = ThreadPoolExecutor(1) if own_thread else None
    future = asyncio.get_running_loop().run_in_executor(executor, run)
    cancelled = await wait_for_all([future], give_up)
    if executor is not None:
        executor.shutdown()
    if cancelled is not None:
        raise cancelled from None if future.cancelled() else future.exception()
    return future.result()
