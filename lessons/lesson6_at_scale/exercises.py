"""Exercises of lesson 6 as plain data: cases with what is expected, typical wrong answers, hints."""

import asyncio
from functools import partial

PATIENCE = 2.0  # seconds that a case waits for code that may never end

IN_FLIGHT = {
    "title": "How many are in flight?",
    "reads": "numbers",
    "cases": [
        {
            "case": "the most requests at the service",
            "expect": [100],
            "hint": "Follow a call: branches, limit, client, service. Which number is the smallest?",
        }
    ],
    "wrong": [
        {"answer": 150, "hint": "Does `ainvoke` of langchain-core look at `max_concurrency`?"},
        {"answer": 120, "hint": "The service would take 120. Do so many get through the client?"},
        {"answer": 400, "hint": "All branches start. Which of them get a connection?"},
        {"answer": 1000, "hint": "That is the pool of openai's client. This one is aiohttp's."},
    ],
}


WAYS = ("invoke", "batch", "stream", "ainvoke", "abatch", "astream")


def the_ways(words):
    """The ways that an answer names. For the first, `ainvoke` does as well as `invoke`."""
    ways = [word for word in words if word in WAYS]
    return ["invoke", *ways[1:]] if ways[:1] == ["ainvoke"] else ways


WHICH_WAY = {
    "title": "Which way?",
    "reads": "words",
    "cases": [
        {
            "case": "the four situations",
            "run": the_ways,
            "expect": ["invoke", "astream", "ainvoke", "abatch"],
            "hint": "Is a loop running? One input or many? Is anything shown before the end?",
        }
    ],
    "wrong": [
        {
            "answer": ["invoke", "astream", "invoke", "abatch"],
            "hint": "3: what do the other requests of the server do meanwhile?",
        },
        {
            "answer": ["abatch", "astream", "ainvoke", "abatch"],
            "hint": "1: how many inputs does this chain get?",
        },
        {
            "answer": ["invoke", "ainvoke", "ainvoke", "abatch"],
            "hint": "2: when does `ainvoke` hand over its first answer?",
        },
        {
            "answer": ["invoke", "astream", "ainvoke", "ainvoke"],
            "hint": "4: which way takes many inputs and keeps to a limit?",
        },
    ],
}

NEVER = object()  # in place of a result: the call does not end by itself
LAST = object()  # the call ends when no other one is left that could
TURNS = 10  # of the loop, that a call takes before it ends, and its clean-up, too


class Calls:
    """Async functions with outcomes that are known, and what was seen of them.

    outcomes: name to a result, an exception to raise, NEVER or LAST.
    """

    def __init__(self, outcomes):
        self.outcomes = outcomes
        self.now, self.peak, self.cancelled = set(), 0, []
        self.to_come = sum(each is not NEVER and each is not LAST for each in outcomes.values())

    def by_name(self):
        return {name: partial(self.call, name) for name in self.outcomes}

    async def call(self, name):
        outcome = self.outcomes[name]
        self.now.add(name)
        self.peak = max(self.peak, len(self.now))
        try:
            for _ in range(TURNS):
                await asyncio.sleep(0)
            if outcome is NEVER:
                await asyncio.Event().wait()
            while outcome is LAST and self.to_come:
                await asyncio.sleep(0)
            if isinstance(outcome, Exception):
                raise outcome
            return "the last" if outcome is LAST else outcome
        except asyncio.CancelledError:
            try:
                for _ in range(TURNS):  # a clean-up that takes its time: whoever cancels must wait for it
                    await asyncio.sleep(0)
            finally:  # anyio cancels at each await
                self.cancelled.append(name)
            raise
        finally:
            self.now.discard(name)
            self.to_come -= outcome is not NEVER and outcome is not LAST


def run_fan_out(fan_out, limit, seconds, **outcomes):
    """Run calls through `fan_out`; return its results, the peak, and whose cancellation is over by then."""

    async def main():
        calls = Calls(outcomes)
        results = await asyncio.wait_for(fan_out(calls.by_name(), limit, seconds), PATIENCE)
        return results, calls.peak, sorted(calls.cancelled)

    try:
        return asyncio.run(main())
    except TimeoutError:
        return f"not done after {PATIENCE:g} s"


def peaks_of_fan_out(fan_out, limits):
    """The largest number of calls under way, of six, for each limit."""
    six = dict.fromkeys("abcdef", "an answer")
    return [run_fan_out(fan_out, limit, PATIENCE, **six)[1] for limit in limits]


def names_within(fan_out, seconds):
    """The names of the results, of one call that takes a quarter of a second."""

    async def slow():
        await asyncio.sleep(0.25)

    return list(asyncio.run(fan_out({"slow": slow}, 1, seconds)))


def cancel_fan_out(fan_out):
    """Cancel `fan_out` in the middle of two endless calls, a third one queued; say what became of all."""

    async def main():
        calls = Calls({"a": NEVER, "b": NEVER, "c": NEVER})
        fanning_out = asyncio.create_task(fan_out(calls.by_name(), 2, 10 * PATIENCE))
        async with asyncio.timeout(PATIENCE):
            while len(calls.now) < 2:
                await asyncio.sleep(0)
            fanning_out.cancel()
            await asyncio.wait([fanning_out])
            ended = "cancelled" if fanning_out.cancelled() else "not cancelled"
            return f"fan_out_within {ended}", sorted(calls.cancelled), sorted(calls.now)

    try:
        return asyncio.run(main())
    except TimeoutError:
        return f"not done after {PATIENCE:g} s"


FAN_OUT = {
    "title": "A fan-out for production",
    "cases": [
        {
            "case": "six calls, three at a time",
            "run": lambda fan_out: run_fan_out(fan_out, 3, PATIENCE, a=1, b=2, c=3, d=4, e=5, f=6),
            "expect": ({"a": 1, "b": 2, "c": 3, "d": 4, "e": 5, "f": 6}, 3, []),
            "hint": "A semaphore around each call. Make all the tasks before you wait.",
        },
        {
            "case": "at limits of 1, 2 and 5: how many of six are under way",
            "run": lambda fan_out: peaks_of_fan_out(fan_out, [1, 2, 5]),
            "expect": [1, 2, 5],
            "hint": "As many permits as `limit` says.",
        },
        {
            "case": "two at a time, and the first takes longest",
            "run": lambda fan_out: run_fan_out(fan_out, 2, PATIENCE / 2, a=LAST, b=2, c=3, d=4),
            "expect": ({"a": "the last", "b": 2, "c": 3, "d": 4}, 2, []),
            "hint": "A free permit goes to the next call at once, and each result belongs to its name.",
        },
        {
            "case": "answers that count as false",
            "run": lambda fan_out: run_fan_out(fan_out, 3, PATIENCE, a=0, b="", c=None, d=[], e=False),
            "expect": ({"a": 0, "b": "", "c": None, "d": [], "e": False}, 3, []),
            "hint": "`None`, `0` and the empty text are answers, too. What tells you that a call has one?",
        },
        {
            "case": "nothing to call",
            "run": lambda fan_out: run_fan_out(fan_out, 3, PATIENCE),
            "expect": ({}, 0, []),
            "hint": "An empty dict gives an empty dict. `asyncio.wait` raises ValueError for no tasks.",
        },
        {
            "case": "one of three fails",
            "run": lambda fan_out: run_fan_out(fan_out, 3, PATIENCE, a=1, b=ValueError("no"), c=3),
            "expect": ({"a": 1, "c": 3}, 3, []),
            "hint": "Catch the exception where the call is made, so that it stops nobody else.",
        },
        {
            "case": "two of six fail, with two at a time",
            "run": lambda fan_out: run_fan_out(
                fan_out, 2, PATIENCE / 2, a=TimeoutError("no"), b=RuntimeError("no"), c=3, d=4, e=5, f=6
            ),
            "expect": ({"c": 3, "d": 4, "e": 5, "f": 6}, 2, []),
            "hint": "A call that fails gives back its permit like any other, one and no more. And any "
            "exception may be a failure, a TimeoutError of the call, too.",
        },
        {
            "case": "one of three never ends",
            "run": lambda fan_out: run_fan_out(fan_out, 3, 0.3, a=1, b=NEVER, c=3),
            "expect": ({"a": 1, "c": 3}, 3, ["b"]),
            "hint": "A deadline for all, a dict of what has come, and the rest cancelled and waited for.",
        },
        {
            "case": "a call of 0.25 s: with 0.05 s for it, then with 2 s",
            "run": lambda fan_out: [names_within(fan_out, seconds) for seconds in (0.05, 2)],
            "expect": [[], ["slow"]],
            "hint": "The deadline is what `seconds` says.",
        },
        {
            "case": "one at a time, and the first never ends",
            "run": lambda fan_out: run_fan_out(fan_out, 1, 0.3, a=NEVER, b=2),
            "expect": ({}, 1, ["a"]),
            "hint": "The seconds count for all calls together, also for one that still waits for a permit. "
            "And all that is cancelled must have ended: a `gather` that is cancelled waits for the first, "
            "unless it has `return_exceptions=True`.",
        },
        {
            "case": "cancelled from outside, with two calls under way",
            "run": cancel_fan_out,
            "expect": ("fan_out_within cancelled", ["a", "b"], []),
            "hint": "Whoever is cancelled cancels what it has started, waits for its end, and passes the "
            "cancellation on. `async with asyncio.TaskGroup()` does all three.",
        },
    ],
}

QUIZ = [
    {
        "question": "10,000 tasks wait for answers on one thread. What does the core do meanwhile?",
        "options": [
            "it is busy with 10,000 tasks",
            "nothing",
            "it asks each task in turn whether it is ready",
        ],
        "answer": 1,
        "why": [
            "A suspended task needs memory, and no CPU.",
            "The loop sleeps in one call to the system until a socket has data or a timer is due.",
            "Nobody asks the tasks. The system tells the loop which sockets have data.",
        ],
    },
    {
        "question": "With aiohttp, never more than 100 requests are in flight. What do you look at first?",
        "options": ["the event loop", "the client's connection pool", "the number of cores"],
        "answer": 1,
        "why": [
            "It has no such limit.",
            "aiohttp holds back at 100, unless told otherwise. So does httpx; openai's client at 1,000.",
            "Waiting needs none.",
        ],
    },
    {
        "question": "An `async def` handler calls `chain.invoke`. Who waits?",
        "options": ["this request", "every request of this server process", "nobody: it uses threads"],
        "answer": 1,
        "why": [
            "And all the others, too.",
            "The loop's one thread stands in the handler until the chain is done.",
            "The branches have threads. The handler waits for them on the loop's own.",
        ],
    },
    {
        "question": "10,000 calls need 0.3 ms of CPU each. The service takes 1 s to answer, and begins when "
        "it has them all. Together they take about ...",
        "options": ["1 s", "4 s", "10,000 s"],
        "answer": 1,
        "why": [
            "That is the latency. The one core also has 10,000 × 0.3 ms of work.",
            "1 s of waiting that overlaps, and 3 s of work that does not.",
            "That is one after another.",
        ],
    },
]
