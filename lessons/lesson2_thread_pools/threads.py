"""Run calls on threads: the one mechanism behind `invoke` and `batch` of this lesson."""

from concurrent.futures import BrokenExecutor
from contextvars import copy_context
from functools import partial
from queue import SimpleQueue
from threading import Lock

from lessons.lesson2_thread_pools.pool import Pool


def run_on(executor, calls):
    """Run every call on `executor`, which is shut down afterwards; return the list of their results.

    executor: any concurrent.futures.Executor, used for nothing else.
    calls: dict of name to function without arguments. The results come in the order of the calls.

    When a call fails on a thread, no queued call starts any more. (A pool of processes may have handed
    one to a worker already. If it breaks, all its calls fail.) The running ones are waited for, then the
    first failure in the order of the calls is raised. Ctrl-C while waiting is treated in the same way.
    """
    futures, failed, ended = [], [], SimpleQueue()
    submitting = Lock()

    def when_ended(future):  # on threads this runs in the worker, before that takes another call
        if not future.cancelled() and not isinstance(future.exception(), (BrokenExecutor, type(None))):
            with submitting:
                failed.append(future)
            for queued in futures:
                queued.cancel()  # does nothing to a call that runs or has ended
        ended.put(None)

    try:
        for call in calls.values():
            with submitting:  # a failure comes before or after a submit, never in between
                if failed:
                    break
                futures.append(executor.submit(call))
            futures[-1].add_done_callback(when_ended)
        for _ in range(len(futures)):
            ended.get()
            if failed:
                break
    finally:
        executor.shutdown(cancel_futures=True)  # waits for the calls that run
    results = []
    try:
        for future in futures:
            if future.cancelled():
                continue  # then another has failed
            if (error := future.exception()) is not None:
                raise error  # result() overlooks one that counts as false: of length 0, say
            results.append(future.result())
        return results
    finally:  # an exception holds this frame, so the frame must not hold the exception
        future = error = None
        futures.clear()
        failed.clear()


def in_context(calls):
    """Return a dict with the same names, in which each call runs in a copy of the present context.

    calls: dict of name to function without arguments. None of them is called here. Each has a copy
    of its own, for two threads cannot be inside one context at the same time.
    """
    return {name: partial(copy_context().run, call) for name, call in calls.items()}


def run_on_threads(calls, max_workers=None):
    """Run every call on a thread of a new pool, in a copy of the caller's context.

    calls: dict of name to function without arguments.
    max_workers: how many may run at the same time; None: min(32, number of CPUs + 4).
    Returns and raises what `run_on` does. No thread is left behind.
    """
    return run_on(Pool(max_workers), in_context(calls))
