"""A semaphore to read: a number of permits, and a queue of futures for those who wait for one."""

import asyncio
from collections import deque


class Semaphore:
    """Lets `permits` tasks into its `async with` block at a time; the others queue, first in, first out."""

    def __init__(self, permits):
        if type(permits) is not int or permits < 1:
            raise ValueError(f"permits is {permits!r}; it must be an int of 1 or more")
        self.permits = permits  # those that nobody holds; above zero only while nobody waits
        self.queue = deque()  # a future for each task that waits

    async def acquire(self):
        """Take a permit; wait for one if none is left."""
        if self.permits > 0:
            self.permits -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        self.queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # the permit had come just before: pass it on
                self.release()
            raise

    def release(self):
        """Give a permit back: to the first in the queue that still waits, else to `permits`.

        It is that task's turn when its future's result is set, to None. Cancelled futures leave the queue.
        """
        while self.queue:
            turn = self.queue.popleft()
            if not turn.cancelled():
                turn.set_result(None)
                return
        self.permits += 1

    async def __aenter__(self):
        await self.acquire()

    async def __aexit__(self, *exc_info):
        self.release()
