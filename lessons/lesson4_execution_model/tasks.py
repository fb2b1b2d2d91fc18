"""Run calls as tasks and leave none behind: after an error or a cancellation nothing runs on."""

import asyncio

from lessons.lesson3_concurrency_limits.limits import check_limit
from lessons.lesson4_execution_model.notes import noting, tells_failures


async def wait_for_all(futures, when_cancelled):
    """Wait until all of `futures` have ended, also when the caller is cancelled meanwhile.

    futures: a list of tasks or asyncio futures. What they raise is not raised here.
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


class Siblings:
    """Tasks that end together: the first that fails has all the others cancelled.

    tasks: all of them. failed: the exceptions that ended a call, in the order of time. stopping: whether
    `cancel_all` has been called.
    """

    def __init__(self):
        self.tasks, self.failed, self.stopping = [], [], False

    def cancel_all(self):
        """Ask every task in `self.tasks` to stop, and set `self.stopping` to True.

        While `self.stopping` is False, a task that somebody else has asked already is left alone: it may
        be cleaning up. `task.cancelling()` tells how often it was asked. Later each is asked again.
        """
        for task in self.tasks:
            if self.stopping or not task.cancelling():
                task.cancel()  # does nothing to a task that has ended
        self.stopping = True

    def is_failure(self, error):
        """Whether `error` is one of its own: a call that was cancelled from here did as it was told."""
        as_told = self.stopping and isinstance(error, asyncio.CancelledError)
        return not as_told or tells_failures(error)

    async def run(self, call):
        """Await `call`, an async function without arguments, and return its result.

        Every exception is raised on as it is. KeyboardInterrupt and SystemExit, which stop the loop, have
        no other effect. Any other is appended to `self.failed` if `self.is_failure(error)`, and
        `self.cancel_all()` is called unless `self.stopping` already.
        """
        try:
            return await call()
        except (KeyboardInterrupt, SystemExit):
            raise  # these stop the loop, and asyncio.run cancels every task
        except BaseException as error:
            if self.is_failure(error):
                self.failed.append(error)
            if not self.stopping:
                self.cancel_all()
            raise


async def run_as_tasks(calls):
    """Run every call as a task of its own, all at the same time.

    calls: dict of name to async function without arguments.
    Returns the list of their results, in the order of the calls, whatever finished first.

    When a call ends without a result, or the caller is cancelled, the other tasks are cancelled and
    waited for. Then the first failure in time is raised, or the CancelledError; later failures are
    noted on it. A call that ends with a CancelledError of its own accord has failed, too.
    """
    siblings = Siblings()
    with noting() as place:
        for name, call in calls.items():
            if siblings.failed:
                break  # an eager task, new in 3.12, runs when it is made, and may fail at once
            siblings.tasks.append(asyncio.create_task(siblings.run(call), name=name))
        cancelled = await wait_for_all(siblings.tasks, siblings.cancel_all)
    errors = [cancelled, *siblings.failed] if cancelled else siblings.failed
    if not errors:
        return [task.result() for task in siblings.tasks]
    look_at(siblings.tasks)
    place.note_others(errors)
    try:
        raise errors[0]
    finally:  # the exception holds this frame, so the frame must not hold the exception
        del cancelled, errors
        siblings.tasks.clear()
        siblings.failed.clear()


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
