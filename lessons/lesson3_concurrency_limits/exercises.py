"""Exercises of lesson 3 as plain data: cases with what is expected, typical wrong answers, hints."""

import asyncio
from functools import partial

PATIENCE = 2.0  # seconds that a case waits for code that may never end

WHO_ENDS_WHEN = {
    "title": "Two permits, five tasks",
    "cases": [
        {
            "case": "the order in which they end",
            "run": lambda answer: "".join(answer).replace(" ", "").lower(),
            "expect": "bcade",
            "hint": "Draw a line of seconds for each permit. The first in the queue gets the next one.",
        }
    ],
    "wrong": [
        {"answer": "abcde", "hint": "That is the order in which they get their permits. Who ends first?"},
        {"answer": "bdcea", "hint": "All five would have to run at once. There are two permits."},
        {"answer": "bcdae", "hint": "c gets the permit of b after 1 second. When does it pass it on to d?"},
    ],
}

FIND_THE_LIMIT = {
    "title": "The limit that limits nothing",
    "cases": [
        {
            "case": "the function that lets all run at once",
            "run": lambda answer: str(answer).strip().lower(),
            "expect": "second",
            "hint": "How many semaphores are there, and who shares them?",
        }
    ],
    "wrong": [
        {"answer": "first", "hint": "One semaphore for all calls: five permits, and the rest queue."},
        {
            "answer": "third",
            "hint": "It never has more than five. (Its fault is another: each five wait for their slowest.)",
        },
        {"answer": "fourth", "hint": "Five workers, and each makes one call at a time."},
    ],
}


class Service:
    """Counts the calls under way, and how many there were at most and in all."""

    def __init__(self):
        self.now = self.peak = self.calls = 0

    async def ask(self, page):
        self.now += 1
        self.calls += 1
        self.peak = max(self.peak, self.now)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        self.now -= 1
        return page.upper()


THREE_BOOKS = [["a", "b"], ["c", "d"], ["e", "f"]]


def read_library(read_all, permits, books=THREE_BOOKS):
    """Read `books`, lists of pages, under a semaphore; return the texts and the service."""

    async def main():
        service = Service()
        try:
            texts = await asyncio.wait_for(read_all(books, service.ask, asyncio.Semaphore(permits)), PATIENCE)
        except TimeoutError:
            return f"nothing moved for {PATIENCE:g} s", service
        return texts, service

    return asyncio.run(main())


REPAIR_THE_DEADLOCK = {
    "title": "A permit held while waiting",
    "cases": [
        {
            "case": "three books with three permits",
            "run": lambda read_all: read_library(read_all, 3)[0],
            "expect": ["AB", "CD", "EF"],
            "hint": "Who holds a permit while it waits for another? Take it for the call of `ask` only.",
        },
        {
            "case": "three books with one permit",
            "run": lambda read_all: read_library(read_all, 1)[0],
            "expect": ["AB", "CD", "EF"],
            "hint": "A book needs no permit. Only a page is asked of the service.",
        },
        {
            "case": "the most calls under way, with two permits",
            "run": lambda read_all: read_library(read_all, 2)[1].peak,
            "expect": 2,
            "hint": "More than two: a call goes without a permit. One: you await one after another.",
        },
        {
            "case": "one book of four pages: the most calls under way, with two permits",
            "run": lambda read_all: read_library(read_all, 2, [["a", "b", "c", "d"]])[1].peak,
            "expect": 2,
            "hint": "One: its pages wait for each other while a permit is free. Take a permit for each page.",
        },
        {
            "case": "the number of calls",
            "run": lambda read_all: read_library(read_all, 2)[1].calls,
            "expect": 6,
            "hint": "Each page is asked for once.",
        },
    ],
}


def collect(each_as_it_ends, count, limit, end_order=None):
    """Run `count` calls through the generator; return [(name, result), ...], the peak, the most pulled ahead.

    end_order: the numbers of the calls; each ends when the one before it has been handed over.
    None: every call ends soon.
    """
    handed_over = [asyncio.Event() for _ in range(count)]
    now, peaks, pulled, ahead = set(), [0], [], [0]
    results = []

    async def call(number):
        now.add(number)
        peaks.append(len(now))
        await asyncio.sleep(0)
        if end_order and (place := end_order.index(number)):
            await handed_over[end_order[place - 1]].wait()
        now.discard(number)
        return 10 * number

    def calls():
        for number in range(count):
            pulled.append(number)
            ahead.append(len(pulled) - len(results))
            yield f"call {number}", partial(call, number)

    async def main():
        async for name, result in each_as_it_ends(calls(), limit):
            results.append((name, result))
            handed_over[result // 10].set()

    try:
        asyncio.run(asyncio.wait_for(main(), PATIENCE))
    except TimeoutError:
        results.append((f"nothing more for {PATIENCE:g} s", None))
    return results, max(peaks), max(ahead)


EACH_AS_IT_ENDS = {
    "title": "Each as it ends",
    "cases": [
        {
            "case": "the results of four calls, whatever their order",
            "run": lambda generator: sorted(collect(generator, 4, 2)[0]),
            "expect": [("call 0", 0), ("call 1", 10), ("call 2", 20), ("call 3", 30)],
            "hint": "Yield a pair of the name and what the call returned. StopIteration comes from `next` "
            "when no call is left, and must not leave a generator: use a for loop, or `next(calls, None)`.",
        },
        {
            "case": "three calls that end in the order 2, 0, 1",
            "run": lambda generator: [name for name, _ in collect(generator, 3, 3, [2, 0, 1])[0]],
            "expect": ["call 2", "call 0", "call 1"],
            "hint": "Wait with asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED).",
        },
        {
            "case": "the most calls under way, with a limit of 3",
            "run": lambda generator: collect(generator, 12, 3)[1],
            "expect": 3,
            "hint": "Start a call only while fewer than `limit` run, and keep `limit` running.",
        },
        {
            "case": "pulled from the iterator and not yet handed over, 6 at most with a limit of 3",
            "run": lambda generator: collect(generator, 12, 3)[2] <= 6,
            "expect": True,
            "hint": "You pull calls that you cannot start yet. Pull the next one when there is room for it.",
        },
        {
            "case": "no calls at all",
            "run": lambda generator: collect(generator, 0, 3)[0],
            "expect": [],
            "hint": "With nothing to do, yield nothing. asyncio.wait refuses an empty set.",
        },
    ],
}

QUIZ = [
    {
        "question": "A semaphore has 5 permits, and 100 tasks want one. How many tasks exist meanwhile?",
        "options": ["5: the others are not created yet", "100", "20 at a time"],
        "answer": 1,
        "why": [
            "That is how workers do it that pull from an iterator.",
            "95 of them wait for a permit. They occupy no thread, but they take memory.",
            "Nothing comes in groups: each permit that is given back goes to the next task.",
        ],
    },
    {
        "question": "A call takes half a second. You need 40 answers a second. Which limit?",
        "options": ["20", "40", "80"],
        "answer": 0,
        "why": [
            "Limit = throughput × latency = 40 × 0.5. It holds if the service can take 20 at a time.",
            "That gives 80 a second, if the service keeps up.",
            "You multiplied by the wrong thing: 80 = 40 / 0.5. The law says 40 × 0.5.",
        ],
    },
    {
        "question": "A service is saturated at 10 in flight. You raise your limit to 40. What changes?",
        "options": [
            "four times the throughput",
            "each call takes about four times as long",
            "nothing at all",
        ],
        "answer": 1,
        "why": [
            "Not beyond the knee: ten at a time is all that the service does.",
            "The throughput stays, four times as many wait: latency = in flight / throughput.",
            "The throughput does not change. What a single caller sees does.",
        ],
    },
    {
        "question": "On threads, three nested levels of six branches each, with a limit of 3 at each level. "
        "How many of the innermost calls run at once?",
        "options": ["3", "9", "27"],
        "answer": 2,
        "why": [
            "It would be, if one semaphore stood around the innermost calls only.",
            "That is two levels.",
            "Each level has a limit of its own, and they multiply.",
        ],
    },
    {
        "question": "The service allows 60 requests a minute. You set max_concurrency to 1. Are you safe?",
        "options": ["yes: one at a time", "only if each call takes a second or more", "yes, with retries"],
        "answer": 1,
        "why": [
            "One after another can still be a hundred a second, if the answers come quickly.",
            "Then 1 / latency is at most one a second. For any latency: a token bucket.",
            "Retries repair refusals, and add requests. They do not prevent them.",
        ],
    },
]
