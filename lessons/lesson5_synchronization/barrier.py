"""A latch and a barrier to read: two ways to wait for others, each a count and a list of futures."""

import asyncio


class Latch:
    """Opens for good when it has been counted down `count` times; whoever counts down does not wait."""

    def __init__(self, count):
        self.count = count
        self.opened = asyncio.Event()
        if count == 0:
            self.opened.set()

    def count_down(self):
        """Say that one of those waited for has come this far; the last one opens the latch for good."""
        self.count -= 1
        if self.count == 0:
            self.opened.set()

    async def wait(self):
        """Wait until the latch is open."""
        await self.opened.wait()


class Barrier:
    """Holds tasks back until `parties` of them have come, then lets all of them go on; and again."""

    def __init__(self, parties):
        if type(parties) is not int or parties < 1:
            raise ValueError(f"parties is {parties!r}; it must be an int of 1 or more")
        self.parties = parties
        self.queue = []  # a future for each task that waits

    async def wait(self):
        """Wait until `parties` tasks have come, this one included.

        The last to come does not wait: it lets the others go. Each of these waits for a future of its own
        in the queue; one that is cancelled takes its future out again, and one party fewer has come.
        """
        if len(self.queue) + 1 == self.parties:
            self.let_go()
            return
        turn = asyncio.get_running_loop().create_future()
        self.queue.append(turn)
        try:
            await turn
        finally:
            if turn in self.queue:  # it has been cancelled
                self.queue.remove(turn)

    def let_go(self):
        """Make all that wait ready, and begin anew with nobody."""
        for turn in self.queue:
            if not turn.cancelled():  # the task was cancelled just now, and is counted all the same
                turn.set_result(None)
        self.queue = []
