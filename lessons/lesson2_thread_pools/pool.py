"""A thread pool that waits for all its workers, also when Ctrl-C came while it started one."""

from concurrent.futures import ThreadPoolExecutor
from threading import current_thread


class Pool(ThreadPoolExecutor):
    """A ThreadPoolExecutor whose `shutdown` waits for every worker that has begun.

    A pool notes a worker when its start is over. If Ctrl-C comes before, the worker runs, and the pool
    does not know it. Here each worker notes itself, before it takes its first call.
    """

    def __init__(self, max_workers=None):
        self.workers = workers = []
        super().__init__(max_workers, initializer=lambda: workers.append(current_thread()))

    def shutdown(self, wait=True, *, cancel_futures=False):
        """As that of every executor."""
        super().shutdown(wait, cancel_futures=cancel_futures)
        if wait:
            for worker in self.workers:
                worker.join()
