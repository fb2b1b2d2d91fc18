"""A future and a thread pool to read: one queue, a fixed number of workers.

It leaves out what concurrent.futures has beyond that: cancelling, timeouts, workers started on demand.
"""

from queue import SimpleQueue
from threading import Event, Thread


class Future:
    """The result-to-be of a call that runs on another thread."""

    def __init__(self):
        self.done = Event()
        self.value = None
        self.error = None

    def run(self, function, *args):
        """Call `function(*args)`; keep what it returns as `value`, or what it raises as `error`.

        Then set `done`. No exception of any kind leaves this method: it would end the thread.
        """
        try:
            self.value = function(*args)
        except BaseException as error:
            self.error = error
        self.done.set()

    def result(self):
        """Wait until the call has ended; return what it returned, or raise what it raised."""
        self.done.wait()
        if self.error is not None:
            raise self.error
        return self.value


class ThreadPool:
    """Runs calls on `max_workers` threads; a call that finds no free worker waits in a queue."""

    def __init__(self, max_workers):
        self.queue = SimpleQueue()
        self.is_open = True
        self.workers = [Thread(target=self.work, daemon=True) for _ in range(max_workers)]
        for worker in self.workers:
            worker.start()

    def work(self):
        """Take items from `queue` and run them, one after the other, until one is None, the stop sign.

        An item is (future, function, args): `future.run(function, *args)` makes the call.
        Each worker runs this method.
        """
        while (item := self.queue.get()) is not None:
            future, function, args = item
            future.run(function, *args)

    def submit(self, function, *args):
        """Put a call into the queue and return its Future at once."""
        if not self.is_open:
            raise RuntimeError("this pool is shut down: it takes no more calls")
        future = Future()
        self.queue.put((future, function, args))
        return future

    def shutdown(self):
        """Let the workers finish all that is queued, and wait until they have ended."""
        self.is_open = False
        for _ in self.workers:
            self.queue.put(None)  # a stop sign for each worker, behind everything that is queued
        for worker in self.workers:
            worker.join()

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.shutdown()
