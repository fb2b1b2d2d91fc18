"""Branches that prove how many run at once: each waits until the crowd is complete."""

import asyncio
import threading
from contextlib import contextmanager

PATIENCE = 10.0  # seconds that a branch waits for the others


class Crowd:
    """Counts branches in flight, and lets them end only in groups of `size`.

    Its branches are `call` for threads and `acall` for tasks; both return their input.
    peak: the most there were in flight at one moment. It is at least `size`, or else the branches wait
    in vain: after `PATIENCE` seconds they raise threading.BrokenBarrierError or TimeoutError.
    """

    def __init__(self, size):
        self.lock = threading.Lock()
        self.now = self.peak = 0
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
            self.threads.wait(PATIENCE)
            return value

    async def acall(self, value):
        """A branch for tasks."""
        with self.in_flight():
            async with asyncio.timeout(PATIENCE):
                await self.tasks.wait()
            return value
