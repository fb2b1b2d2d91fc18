"""A thread pool that knows its threads: those that have just begun, and those of pools made on them."""

from concurrent.futures import ThreadPoolExecutor
from threading import current_thread, local

here = local()  # .pools: marks of the pools that this thread works for, the outermost first


class Pool(ThreadPoolExecutor):
    """A ThreadPoolExecutor whose `shutdown` waits for every worker that has begun.

    A pool notes a worker when its start is over. If Ctrl-C comes before, the worker runs, and the pool
    does not know it. Here each worker notes itself, before it takes its first call.
    """

    def __init__(self, max_workers=None):
        self.pools = pools = (*getattr(here, "pools", ()), object())
        self.workers = workers = []

        def begin():
            here.pools = pools
            workers.append(current_thread())

        super().__init__(max_workers, initializer=begin)

    def works_here(self):
        """Whether this thread is one of the pool's, or of a pool that was made on one of these."""
        return self.pools[-1] in getattr(here, "pools", ())

    def shutdown(self, wait=True, *, cancel_futures=False):
        """As that of every executor."""
        super().shutdown(wait, cancel_futures=cancel_futures)
        if wait:
            for worker in self.workers:
                worker.join()
