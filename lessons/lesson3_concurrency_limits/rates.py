"""A rate limit and a retry for asyncio: how fast, where a semaphore says how many."""

import asyncio


class TokenBucket:
    """Lets `rate` callers a second through, up to `burst` at once: at most rate + burst - 1 in any second."""

    def __init__(self, rate, burst=1):
        if rate <= 0 or burst < 1:
            raise ValueError(f"rate must be more than 0, not {rate!r}, and burst 1 or more, not {burst!r}")
        self.rate, self.burst = rate, burst
        self.tokens = burst  # below zero: tokens that are promised already
        self.time = float("-inf")  # when `tokens` was right; the bucket starts full
        self.turn = asyncio.Lock()  # held by the one who waits for a token; the others wait for their turn

    def reserve(self, now):
        """Take a token at the time `now`, and note it; return the seconds to wait until it is there.

        `rate` tokens a second have fallen since `self.time`; above `burst` they are lost. Whoever finds
        none takes one in advance: `self.tokens` goes below zero.
        """
        self.tokens = min(self.burst, self.tokens + (now - self.time) * self.rate) - 1
        self.time = now
        return max(0.0, -self.tokens / self.rate)

    async def take(self):
        """Wait for a token: first come, first served. A caller that is cancelled takes none."""
        async with self.turn:
            try:
                await asyncio.sleep(self.reserve(asyncio.get_running_loop().time()))
            except asyncio.CancelledError:
                self.tokens += 1
                raise


async def permit_then_token(permits, bucket, ask, value):
    """Return what `await ask(value)` gives: wait for a permit, then for a token, then ask at once.

    permits: a semaphore; the permit is held until the answer is there. bucket: a TokenBucket.
    """
    async with permits:
        await bucket.take()
        return await ask(value)


def backoff(attempt, random, base=0.1, cap=10.0):
    """Return the seconds to wait after attempt number `attempt`, counted from 0, has failed.

    At most `base` after the first, twice as long after each further one, never above `cap`; and a random
    part of that ("full jitter"), so that callers who failed together do not come back together.
    random: a random.Random.
    """
    return random.uniform(0, min(cap, base * 2**attempt))


def seconds_asked(refusal):
    """Return the seconds that the service asks to wait, 0.0 if it does not say, or names a date.

    They stand in the exception's `retry_after`, or, as with openai's client, in the header of its `response`.
    """
    headers = getattr(getattr(refusal, "response", None), "headers", {})
    asked = getattr(refusal, "retry_after", None) or headers.get("retry-after") or 0
    try:
        return float(asked)
    except ValueError:  # a date
        return 0.0


async def retry(call, retry_on, random, attempts=6):
    """Await `call()`; where it raises `retry_on`, wait and try again, `attempts` times in all.

    The wait, an `asyncio.sleep`, is what the service asks for and the backoff on top. Returns the first
    result; raises what the last attempt raised, and at once whatever is no `retry_on`.
    """
    for attempt in range(attempts - 1):
        try:
            return await call()
        except retry_on as refusal:
            asked = seconds_asked(refusal)
        await asyncio.sleep(asked + backoff(attempt, random))
    return await call()
