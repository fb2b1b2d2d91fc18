"""What lesson 2 builds on its way to `threads.py`."""

from concurrent.futures import ThreadPoolExecutor


def run_on_threads(calls, max_workers=None):
    """Run every call on a thread of a new ThreadPoolExecutor; return the list of their results.

    calls: dict of name to function without arguments. The results come in the order of the calls.
    max_workers: how many calls may run at the same time; the executor takes None as well.
    What a call raises is raised here. The executor is shut down in any case.
    """
    with ThreadPoolExecutor(max_workers) as pool:
        futures = [pool.submit(call) for call in calls.values()]
        return [future.result() for future in futures]


def cancel_queued(ended, futures):
    """If the call of `ended` has failed, cancel all `futures`.

    ended: a future that is over. If it was cancelled, it has not failed.
    futures: a list. `future.cancel()` does nothing to a call that runs or is over.
    """
    if not ended.cancelled() and ended.exception() is not None:
        for future in futures:
            future.cancel()
