"""Exercises of lesson 6 as plain data: cases with what is expected, typical wrong answers, hints."""

import asyncio
from functools import partial

PATIENCE = 2.0  # seconds that a case waits for code that may never end

IN_FLIGHT = {
    "title": "How many are in flight?",
    "cases": [
        {
            "case": "the most requests at the service",
            "expect": 100,
            "hint": "Follow a call: branches, limit, client, service. Which number is the smallest?",
        }
    ],
    "wrong": [
        {"answer": 150, "hint": "Does `ainvoke` of langchain-core look at `max_concurrency`?"},
        {"answer": 120, "hint": "The service would take 120. Do so many get through the client?"},
        {"answer": 400, "hint": "All branches start. Which of them get a connection?"},
    ],
}

WHICH_WAY = {
    "title": "Which way?",
    "cases": [
        {
            "case": "the four situations",
            "run": lambda answer: [str(each).strip().lower() for each in answer],
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
            "answer": ["ainvoke", "astream", "ainvoke", "abatch"],
            "hint": "1: it would work. Does a tool with three calls need an event loop?",
        },
        {
            "answer": ["invoke", "astream", "ainvoke", "ainvoke"],
            "hint": "4: which way takes many inputs and keeps to a limit?",
        },
    ],
}


def run_fan_out(fan_out, limit, seconds, **outcomes):
    """Run calls through `fan_out`; return its results, the peak, and who was cancelled.

    outcomes: name to result, to an exception to raise, or to None for a call that never ends. Each call
    that ends lets the others have a turn first.
    """
    now, peaks, cancelled = set(), [0], []

    async def call(name):
        now.add(name)
        peaks.append(len(now))
        try:
            for _ in range(5):
                await asyncio.sleep(0)
            if outcomes[name] is None:
                await asyncio.sleep(2 * PATIENCE)
            if isinstance(outcomes[name], Exception):
                raise outcomes[name]
            return outcomes[name]
        except asyncio.CancelledError:
            for _ in range(5):  # a clean-up that takes its time: whoever cancels must wait for it
                await asyncio.sleep(0)
            cancelled.append(name)
            raise
        finally:
            now.discard(name)

    async def main():
        calls = {name: partial(call, name) for name in outcomes}
        results = await asyncio.wait_for(fan_out(calls, limit, seconds), PATIENCE)
        return results, max(peaks), sorted(cancelled)  # those whose clean-up is done by now

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
            "case": "one of three fails",
            "run": lambda fan_out: run_fan_out(fan_out, 3, PATIENCE, a=1, b=ValueError("no"), c=3),
            "expect": ({"a": 1, "c": 3}, 3, []),
            "hint": "Catch the exception where the call is made, so that it stops nobody else.",
        },
        {
            "case": "one of three never ends",
            "run": lambda fan_out: run_fan_out(fan_out, 3, 0.3, a=1, b=None, c=3),
            "expect": ({"a": 1, "c": 3}, 3, ["b"]),
            "hint": "A deadline for all, a dict of what has come, and the rest cancelled and waited for.",
        },
        {
            "case": "one at a time, and the first never ends",
            "run": lambda fan_out: run_fan_out(fan_out, 1, 0.3, a=None, b=2),
            "expect": ({}, 1, ["a"]),
            "hint": "The seconds count for all calls together, also for one that still waits for a permit.",
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
        "question": "Your fan-out never has more than 100 requests in flight. What do you look at first?",
        "options": ["the event loop", "the client's connection pool", "the number of cores"],
        "answer": 1,
        "why": [
            "It has no such limit.",
            "aiohttp and httpx hold back at 100, unless told otherwise.",
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
        "question": "A call takes 1 s to be answered and 0.3 ms of CPU. 10,000 of them take about ...",
        "options": ["1 s", "4 s", "10,000 s"],
        "answer": 1,
        "why": [
            "That is the latency. The one core also has 10,000 × 0.3 ms of work.",
            "1 s of waiting that overlaps, and 3 s of work that does not.",
            "That is one after another.",
        ],
    },
]
