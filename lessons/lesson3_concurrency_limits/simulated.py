"""A service on the event loop, without a network, that refuses what is too many or too fast."""

import asyncio

from lessons.lesson3_concurrency_limits.rates import TokenBucket


class SimulatedService:
    """Takes ten at a time and fifty a second; notes when requests come, and counts what it refuses.

    refusal: the exception that it raises, made from a text and `retry_after`. first_ten, others: the
    seconds that an answer takes.
    """

    def __init__(self, refusal, first_ten=0.5, others=0.5):
        self.refusal, self.first_ten, self.others = refusal, first_ten, others
        self.in_flight = self.taken = self.refused = 0
        self.bucket = TokenBucket(rate=50, burst=5)
        self.came = []

    async def ask(self, document):
        """Return the document, as an answer; or raise a refusal, at once."""
        now = asyncio.get_running_loop().time()
        self.came.append(now)
        wait = self.bucket.reserve(now)
        if wait > 0 or self.in_flight == 10:
            self.bucket.tokens += 1  # who is refused takes no token
            self.refused += 1
            raise self.refusal("Too many requests.", retry_after=wait or 0.5)
        self.in_flight += 1
        self.taken += 1
        await asyncio.sleep(self.first_ten if self.taken <= 10 else self.others)
        self.in_flight -= 1
        return document
