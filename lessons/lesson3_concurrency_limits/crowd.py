"""Branches that prove how many run at once: each waits until the crowd is complete."""

import asyncio
import threading
from contextlib import contextmanager

PATIENCE = 10.0  # seconds that a branch waits for the others


class Crowd:
    """Counts branches in flight, and lets them end only in groups of `size`.

    Its branches are `call` for threads and `acall` for tasks; both return their input.
    peak: the most there were in flight at one moment. It is at least `size`, or else the branches wait
    in vain: after `PATIENCE` seconds all of them raise a TimeoutError that says how many came, and so
    does everyone who comes later.
    """

    def __init__(self, size):
        self.size = size
        self.lock = threading.Lock()
        self.now = self.peak = 0
        self.shortfall = None  # in words, once the branches have waited in vain
        self.threads = threading.Barrier(size)
        self.tasks = asyncio.Barrier(size)

    @contextmanager
    def in_flight(self):
        """Count whoever is inside the block."""
        with self.lock:
            self.now += 1
            self.peak = max(self.peak, self.now)
        try:
            yield
        finally:
            with self.lock:
                self.now -= 1

    def call(self, value):
        """A branch for threads."""
        with self.in_flight():
            try:
                self.threads.wait(PATIENCE)
            except threading.BrokenBarrierError:
                raise self.never_complete() from None
            return value

    async def acall(self, value):
        """A branch for tasks."""
        with self.in_flight():
            try:
                async with asyncio.timeout(PATIENCE):
                    await self.tasks.wait()
            except (TimeoutError, asyncio.BrokenBarrierError):
                await self.tasks.abort()  # a thread's barrier does that by itself
                raise self.never_complete() from None
            return value

    def never_complete(self):
        """The error for a branch that has waited in vain, with the same words for all of them."""
        with self.lock:
            if self.shortfall is None:  # whoever comes first counts; nobody has left yet
                self.shortfall = (
                    f"a crowd of {self.size} was never complete: "
                    f"{self.now} came, and gave up after {PATIENCE:g} s"
                )
        return TimeoutError(self.shortfall)
