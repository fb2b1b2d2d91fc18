"""Exercises of lesson 6 as plain data: cases with what is expected, typical wrong answers, hints."""

import asyncio
import threading
import time
from functools import partial

from lessons.lesson6_at_scale.handlers import handler_on_threads
from lessons.lesson6_at_scale.obstacles import most_in_flight
from lessons.lesson6_at_scale.verdict import verdict, what_was_found

PATIENCE = 2.0  # seconds that a case waits for code that may never end
TURNS = 10  # of the loop, that a call takes before it ends, and its clean-up, too

# --- Lesson 6


async def answers_of(handler_on_threads, function, requests):
    """What a handler makes of requests, one after another; failures by name."""
    handle, answers = handler_on_threads(function, 1), []
    for request in requests:
        try:
            answers.append(await handle(request))
        except Exception as error:
            answers.append(f"{type(error).__name__}: {error}")
    return answers


def fails_at_2(request):
    if request == 2:
        raise LookupError("no answer")
    return request


async def goes_on(handler_on_threads):
    """Whether the loop goes on, and whether it is another thread, while a function blocks."""
    freed, threads = threading.Event(), []

    def block(request):
        threads.append(threading.get_ident())
        return freed.wait(PATIENCE)

    handling = asyncio.create_task(handler_on_threads(block, 1)("a request"))
    while not threads:
        await asyncio.sleep(0.001)
    freed.set()
    return await handling, threads[0] != threading.get_ident()


class Rooms:
    """A plain function that stays until so many calls are in it, and counts them."""

    def __init__(self, expected):
        self.expected, self.lock, self.full = expected, threading.Lock(), threading.Event()
        self.now = self.peak = 0

    def stay(self, request):
        with self.lock:
            self.now += 1
            self.peak = max(self.peak, self.now)
            if self.now >= self.expected:
                self.full.set()
        self.full.wait(PATIENCE)
        time.sleep(0.05)  # for those that should not come
        with self.lock:
            self.now -= 1


async def peak_of(handler_on_threads, limit):
    rooms = Rooms(limit)
    handle = handler_on_threads(rooms.stay, limit)
    await asyncio.gather(*(handle(number) for number in range(6)))
    return rooms.peak


async def after_a_cancellation(handler_on_threads):
    """At a limit of one: does a second function begin before that of a cancelled request is done?"""
    begun, freed = [], threading.Event()

    def block(request):
        begun.append(request)
        freed.wait(PATIENCE)
        return f"answer to {request}"

    handle = handler_on_threads(block, 1)
    first = asyncio.create_task(handle("first"))
    while not begun:
        await asyncio.sleep(0.001)
    first.cancel()
    second = asyncio.create_task(handle("second"))
    await asyncio.sleep(0.05)
    early = begun[1:]
    freed.set()
    return early, await second


HANDLER_ON_THREADS = {
    "title": "Write handler_on_threads",
    "course": handler_on_threads,
    "cases": [
        {
            "case": "the answers to two requests",
            "run": lambda make: answers_of(make, "answer to {}".format, ["a", "b"]),
            "expect": ["answer to a", "answer to b"],
            "hint": "Return `handle`. It awaits what run_in_executor gives, and returns what comes.",
        },
        {
            "case": "the loop goes on, and the function is on another thread",
            "run": goes_on,
            "expect": (True, True),
            "hint": "Hand the function itself to run_in_executor: `function, request`, without calling it.",
        },
        {
            "case": "six requests at limits of 1, 2 and 3: how many run at a time",
            "run": lambda make: [asyncio.run(peak_of(make, limit)) for limit in (1, 2, 3)],
            "expect": [1, 2, 3],
            "hint": "One pool for all requests, of `limit` threads: make it outside of `handle`.",
        },
        {
            "case": "answers that count as false",
            "run": lambda make: answers_of(make, lambda request: request, [0, "", None]),
            "expect": [0, "", None],
            "hint": "Return what comes, whatever it is.",
        },
        {
            "case": "the second of three requests fails",
            "run": lambda make: answers_of(make, fails_at_2, [1, 2, 3]),
            "expect": [1, "LookupError: no answer", 3],
            "hint": "Let the exception through. The thread is free again by itself.",
        },
        {
            "case": "a cancelled request at a limit of 1: who begins while its function runs, and the next",
            "run": after_a_cancellation,
            "expect": ([], "answer to second"),
            "hint": "A thread cannot be stopped. An asyncio.Semaphore is given back as soon as the "
            "request is cancelled; a pool counts its threads.",
        },
    ],
}


class OtherEnd:
    """A service that lets some calls in and answers none of them."""

    def __init__(self, places):
        self.places, self.started, self.inside = asyncio.Semaphore(places), 0, 0
        self.left = 0  # calls that have begun and not ended

    async def ask(self):
        self.started += 1
        self.left += 1
        try:
            async with self.places:
                self.inside += 1
                try:
                    await asyncio.Event().wait()
                finally:
                    self.inside -= 1
        finally:
            try:
                for _ in range(TURNS):  # a call takes its time to end
                    await asyncio.sleep(0)
            finally:
                self.left -= 1

    async def in_flight(self):
        return self.inside


async def calls_that_get_in(most_in_flight, calls, places):
    """The number that came, the calls started, and those left."""
    end = OtherEnd(places)
    number = await asyncio.wait_for(
        most_in_flight(end.ask, calls, end.in_flight, min(calls, places)), PATIENCE
    )
    return number, end.started, end.left


async def number_of(most_in_flight, numbers):
    """What comes if the other end says these numbers, one after another."""
    left = iter(numbers)

    async def in_flight():
        return next(left)

    return await most_in_flight(OtherEnd(1).ask, 1, in_flight, 3)


async def when_the_other_end_fails(most_in_flight):
    end = OtherEnd(2)

    async def in_flight():
        while end.inside < 2:
            await asyncio.sleep(0)
        raise LookupError("the other end is gone")

    try:
        return await most_in_flight(end.ask, 2, in_flight, 2), end.left
    except* LookupError as errors:
        came = str(errors.exceptions[0])
    return came, end.left


async def when_it_is_cancelled(most_in_flight):
    end = OtherEnd(2)
    measuring = asyncio.create_task(most_in_flight(end.ask, 3, end.in_flight, 3))
    while end.inside < 2:
        await asyncio.sleep(0)
    measuring.cancel()
    await asyncio.wait([measuring], timeout=PATIENCE)
    return "cancelled" if measuring.done() and measuring.cancelled() else "not cancelled", end.left


MOST_IN_FLIGHT = {
    "title": "Write most_in_flight",
    "course": most_in_flight,
    "cases": [
        {
            "case": "five calls, of which two get in: the number, the calls started, the calls left",
            "run": lambda most: calls_that_get_in(most, 5, 2),
            "expect": (2, 5, 0),
            "hint": "Make all tasks with asyncio.create_task(ask()), and ask until the number is there. At "
            "the end cancel every task, and await them: `gather(*tasks, return_exceptions=True)`.",
        },
        {
            "case": "places for 1, 3 and 9 of six calls",
            "run": lambda most: [asyncio.run(calls_that_get_in(most, 6, places))[0] for places in (1, 3, 9)],
            "expect": [1, 3, 6],
            "hint": "The number is what in_flight() says.",
        },
        {
            "case": "the other end says 0, then 1, then 4, and 3 are expected",
            "run": lambda most: number_of(most, [0, 1, 4]),
            "expect": 4,
            "hint": "Await in_flight() again and again, also after 0, until it says 3 or more. Return "
            "what it said last.",
        },
        {
            "case": "no calls, and none expected",
            "run": lambda most: calls_that_get_in(most, 0, 5),
            "expect": (0, 0, 0),
            "hint": "`asyncio.wait` raises ValueError for no tasks; `gather` takes none.",
        },
        {
            "case": "the other end cannot be asked: the error, and the calls left",
            "run": when_the_other_end_fails,
            "expect": ("the other end is gone", 0),
            "hint": "Let the error through, and cancel and await the calls in a `finally`.",
        },
        {
            "case": "cancelled from outside: how it ends, and the calls left",
            "run": when_it_is_cancelled,
            "expect": ("cancelled", 0),
            "hint": "A `finally` runs on a cancellation, too. Do not swallow it.",
        },
    ],
}

LAST_OF_A_HUNDRED = {
    "title": "The last of a hundred",
    "reads": "numbers",
    "cases": [
        {
            "case": "the seconds until the last answer",
            "expect": [3],
            "hint": "How many of the hundred have a thread at a time?",
        }
    ],
    "wrong": [
        {"answer": 1, "hint": "Do all hundred have a thread at once?"},
        {"answer": 2, "hint": "After two rounds eighty are answered."},
        {
            "answer": 2.5,
            "hint": "100 / 40 is right. But can the third round take half as long as the others?",
        },
        {"answer": 100, "hint": "That is one after another."},
    ],
}

THE_WHOLE = {
    "title": "The whole of ten thousand calls",
    "reads": "numbers",
    "cases": [
        {
            "case": "the seconds for all",
            "expect": [4],
            "hint": "What overlaps, the latency or the work of the one core?",
        }
    ],
    "wrong": [
        {"answer": 1, "hint": "That is the latency. The one core has work for each call, too."},
        {"answer": 3, "hint": "That is the work. When does the service begin to answer?"},
        {"answer": 10_000, "hint": "That is one after another."},
    ],
}

WITHOUT_A_LIMIT = {
    "title": "A hundred branches, no limit",
    "reads": "numbers",
    "cases": [
        {
            "case": "the branches that run at a time",
            "expect": [12],
            "hint": "How wide is the pool that `invoke` makes if nobody gives a number?",
        }
    ],
    "wrong": [
        {"answer": 100, "hint": "Each needs a thread. How many does the default pool have?"},
        {"answer": 8, "hint": "The pool has a few threads more than the machine has CPUs."},
        {"answer": 32, "hint": "32 is the most that the rule gives. Here the other number is smaller."},
    ],
}

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
]

# --- Lesson 6b

PEAKS = {
    "title": "Twenty branches at a limit of 5",
    "reads": "numbers",
    "cases": [
        {
            "case": "the most branches at a time, in four ways",
            "expect": [5, 10, 20, 40],
            "hint": "Which of the four look at the limit for branches (lesson 3)? And how many inputs are "
            "under way?",
        }
    ],
    "wrong": [
        {
            "answer": [5, 5, 5, 5],
            "hint": "Then the limit would hold everywhere. Remember lesson 3, the real thing.",
        },
        {"answer": [5, 5, 20, 20], "hint": "Two inputs are under way at the same time in both batches."},
        {"answer": [5, 10, 5, 10], "hint": "Does the async side of langchain-core limit branches?"},
        {"answer": [5, 10, 20, 10], "hint": "What does `abatch` limit: inputs, or branches?"},
    ],
}

ONLY_5 = {
    "title": "Only 5 run",
    "reads": "numbers",
    "cases": [
        {
            "case": "the cases in which it holds",
            "expect": [4],
            "hint": "Count the rows of langchain-core with a peak of 5. Then: what do both batches limit?",
        }
    ],
    "wrong": [
        {"answer": 2, "hint": "These are the branches. What of the inputs of `batch` and `abatch`?"},
        {"answer": 3, "hint": "Both batches limit their inputs. `batch` limits its branches to 5 for each."},
        {"answer": 5, "hint": "A `batch` of two inputs runs 2 × 5 branches."},
        {"answer": 8, "hint": "Look at the peaks of `ainvoke` and of `abatch`."},
    ],
}


def worth_of(verdict, *seen):
    return verdict({f"case {number}": holds for number, holds in enumerate(seen)})


def refusal_of(verdict):
    try:
        return verdict({})
    except ValueError:
        return "ValueError"


VERDICT = {
    "title": "Write verdict",
    "course": verdict,
    "cases": [
        {
            "case": "it holds in both of two cases",
            "run": lambda verdict: worth_of(verdict, True, True),
            "expect": "holds",
            "hint": "`all(cases.values())` says whether it holds in all cases.",
        },
        {
            "case": "it holds in neither of two",
            "run": lambda verdict: worth_of(verdict, False, False),
            "expect": "does not hold",
            "hint": "`any(cases.values())` says whether it holds in one case at least.",
        },
        {
            "case": "it holds in the first of two, then in the second",
            "run": lambda verdict: [worth_of(verdict, True, False), worth_of(verdict, False, True)],
            "expect": ["holds, with a footnote", "holds, with a footnote"],
            "hint": "Look at all cases. Their order does not count.",
        },
        {
            "case": "it holds in one of twenty",
            "run": lambda verdict: worth_of(verdict, *19 * [False], True),
            "expect": "holds, with a footnote",
            "hint": "One case is some.",
        },
        {
            "case": "one case only: it holds, then it does not",
            "run": lambda verdict: [worth_of(verdict, True), worth_of(verdict, False)],
            "expect": ["holds", "does not hold"],
            "hint": "With one case there is no footnote.",
        },
        {
            "case": "no case at all",
            "run": refusal_of,
            "expect": "ValueError",
            "hint": "Nothing was observed: raise ValueError. (`all` of nothing is True.)",
        },
    ],
}

WHAT_WAS_FOUND = {
    "title": "Write what_was_found",
    "course": what_was_found,
    "cases": [
        {
            "case": "one of three",
            "run": lambda found: found({"a": True, "b": False, "c": False}),
            "expect": "1 of 3; not: b, c",
            "hint": "Make a list of the cases that fail. Its length gives the numbers, "
            "`', '.join` the names.",
        },
        {
            "case": "the names in the order of the cases",
            "run": lambda found: found({"c": False, "b": True, "a": False}),
            "expect": "1 of 3; not: c, a",
            "hint": "A dict has an order. Keep it.",
        },
        {
            "case": "three of three",
            "run": lambda found: found({"a": True, "b": True, "c": True}),
            "expect": "3 of 3",
            "hint": "Where nothing fails there is no `; not: `.",
        },
        {
            "case": "none of two",
            "run": lambda found: found({"a": False, "b": False}),
            "expect": "0 of 2; not: a, b",
            "hint": "0 is a number, too.",
        },
    ],
}

FOUR_VERDICTS = {
    "title": "Four verdicts",
    "reads": "letters",
    "cases": [
        {
            "case": "the four claims",
            "expect": "CBAB",
            "hint": "Count for each: in how many of its cases was it seen to hold?",
        }
    ],
    "wrong": [
        {"answer": "BBAB", "hint": "1: in which of the three cases was the rate slow?"},
        {"answer": "CCAB", "hint": "2: four of six is some."},
        {"answer": "CAAB", "hint": "2: what do `stream` and `astream` hand over first?"},
        {"answer": "CBAC", "hint": "4: in one of the two cases the claim is right."},
        {"answer": "CBAA", "hint": "4: is `threading.Semaphore` for async code?"},
    ],
}

REQUESTS = {
    "title": "How many requests?",
    "reads": "numbers",
    "cases": [
        {
            "case": "the requests of three chains",
            "expect": [4, 1, 20],
            "hint": "Who is asked for all ten inputs at once: the model, or somebody around it?",
        }
    ],
    "wrong": [
        {"answer": [1, 1, 20], "hint": "1: a limit of 3 makes groups of three."},
        {"answer": [3, 1, 20], "hint": "1: three groups of three are nine inputs."},
        {"answer": [10, 10, 20], "hint": "1 and 2: a `BaseLLM` takes many prompts in one request."},
        {"answer": [4, 10, 20], "hint": "2: a sequence gives all inputs to one step, then to the next."},
        {"answer": [4, 1, 2], "hint": "3: RunnableParallel runs `invoke` for each input."},
        {"answer": [4, 1, 10], "hint": "3: how many branches does it have?"},
    ],
}


async def what_is_observed(observe, **outcomes):
    """What `observe` makes of outcomes, results or exceptions by name; and what was tried, and the peak."""
    tried, now, peak = [], 0, 0

    async def experiment(argument):
        nonlocal now, peak
        tried.append(argument)
        now += 1
        peak = max(peak, now)
        try:
            for _ in range(TURNS):
                await asyncio.sleep(0)
        finally:
            now -= 1
        outcome = outcomes[argument.lower()]
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    seen = await observe(experiment, {name: name.upper() for name in outcomes})
    return list(seen.items()), "".join(tried), peak


async def observing_cancelled(observe):
    begun, ended = asyncio.Event(), []

    async def experiment(argument):
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(argument)

    observing = asyncio.create_task(observe(experiment, {"a": 1, "b": 2}))
    await begun.wait()
    observing.cancel()
    await asyncio.wait([observing], timeout=PATIENCE)
    return "cancelled" if observing.done() and observing.cancelled() else "not cancelled", list(ended)


OBSERVE = {
    "title": "An observation for any claim",
    "cases": [
        {
            "case": "three experiments: what was seen, what was tried, how many at a time",
            "run": lambda observe: what_is_observed(observe, b=True, a=False, c=True),
            "expect": ([("b", True), ("a", False), ("c", True)], "BAC", 1),
            "hint": "A loop over `cases.items()` that awaits each experiment before the next.",
        },
        {
            "case": "experiments that return 5, 0, None and a text",
            "run": lambda observe: what_is_observed(observe, a=5, b=0, c=None, d="seen"),
            "expect": ([("a", True), ("b", False), ("c", False), ("d", True)], "ABCD", 1),
            "hint": "`bool(...)` says whether something counts as true.",
        },
        {
            "case": "the first of two fails",
            "run": lambda observe: what_is_observed(observe, a=LookupError("no answer"), b=True),
            "expect": ([("a", False), ("b", True)], "AB", 1),
            "hint": "Catch Exception around one experiment, not around the loop.",
        },
        {
            "case": "no cases",
            "run": what_is_observed,
            "expect": ([], "", 0),
            "hint": "No cases give an empty dict.",
        },
        {
            "case": "cancelled during the first of two",
            "run": observing_cancelled,
            "expect": ("cancelled", [1]),
            "hint": "Catch Exception, which a CancelledError is not. A bare `except:` would swallow it.",
        },
    ],
}
