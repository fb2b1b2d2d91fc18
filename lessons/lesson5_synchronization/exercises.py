"""Exercises of lesson 5 as plain data: cases with what is expected, typical wrong answers, hints."""

import asyncio

from lessons.lesson5_synchronization.runnable import Runnable
from lessons.lesson5_synchronization.runnable_parallel import RunnableParallel

PATIENCE = 2.0  # seconds that a case waits for code that may never end

SLACK = {
    "title": "Who could take their time?",
    "cases": [
        {
            "case": "the slack of each of the four",
            "run": lambda answer: list(answer),
            "expect": [3, 0, 5, 1],
            "hint": "When is the join? How long before that has each ended?",
        }
    ],
    "wrong": [
        {"answer": [4, 7, 2, 6], "hint": "Those are their times. Slack is what is left until the join."},
        {"answer": [-3, 0, -5, -1], "hint": "Slack is the time of the join less the branch's own."},
        {"answer": [0, 3, 0, 4], "hint": "They all start at the same time, and all meet in one join."},
        {"answer": [2, -1, 4, 0], "hint": "The join is where the very last one ends. Who is that?"},
    ],
}

WHICH_ONE = {
    "title": "Which one is it?",
    "cases": [
        {
            "case": "what fits the four situations",
            "run": lambda answer: [str(each).strip().lower() for each in answer],
            "expect": ["semaphore", "latch", "event", "barrier"],
            "hint": "For each: who waits, for what, and how often? The table in section 2 has the answers.",
        }
    ],
    "wrong": [
        {
            "answer": ["semaphore", "barrier", "event", "latch"],
            "hint": "In which of 2 and 4 do those that are waited for wait themselves?",
        },
        {
            "answer": ["semaphore", "barrier", "event", "barrier"],
            "hint": "2: a loader that has loaded its cache goes on. Does it wait?",
        },
        {
            "answer": ["semaphore", "latch", "latch", "barrier"],
            "hint": "3: with a count of 1 that would do. There is something simpler.",
        },
    ],
}


def run_chain(build):
    """Run the chain with a `load` that waits until `check` has begun; return its answer."""

    async def main():
        check_begun = asyncio.Event()

        async def load(value):
            await asyncio.wait_for(check_begun.wait(), PATIENCE)
            return value + " loaded"

        async def parse(value):
            return value + " parsed"

        async def ask(value):
            return value + " asked"

        async def check(value):
            check_begun.set()
            return value + " checked"

        chain = build(load, parse, ask, check)
        if not isinstance(chain, Runnable):
            return f"build returned a {type(chain).__name__}, not a runnable"
        return await chain.ainvoke("page")

    try:
        return asyncio.run(main())
    except TimeoutError:
        return "load waited in vain: check may not begin before load has ended"


TAKE_OUT_THE_JOIN = {
    "title": "Take out the join",
    "cases": [
        {
            "case": "the answer, while load goes on until check has begun",
            "run": run_chain,
            "expect": {"page": "page loaded parsed", "model": "page asked checked"},
            "hint": "A branch may be a sequence: a runnable `|` what comes after it. Then one join is left.",
        }
    ],
}


class Parts:
    """A chain of three branches: two answer when they are asked to, the third never does."""

    def __init__(self):
        self.closed = []
        self.chain = RunnableParallel(first=self.first, second=self.second, third=self.third)
        self.first_seen = asyncio.Event()

    async def first(self, value):
        return 1

    async def second(self, value):
        await asyncio.wait_for(self.first_seen.wait(), PATIENCE)
        return 2

    async def third(self, value):
        try:
            await asyncio.sleep(2 * PATIENCE)
        finally:
            self.closed.append("third")

    def enough(self, keys):
        def enough(total):
            self.first_seen.set()
            return len(total) >= keys

        return enough


def stream_until(until, keys):
    """Return what `until` gives when `keys` keys are enough, and whether the third branch was closed."""

    async def main():
        parts = Parts()
        total = await asyncio.wait_for(until(parts.chain, "review", parts.enough(keys)), PATIENCE)
        return total, parts.closed

    try:
        return asyncio.run(main())
    except TimeoutError:
        return "waited for more than was asked for"


def stream_to_the_end(until):
    """Return what `until` gives when it is never enough."""

    async def main():
        return await until(RunnableParallel(a=str.lower, b=len), "OK", lambda total: False)

    return asyncio.run(main())


STOP_WHEN_ENOUGH = {
    "title": "Stop when it is enough",
    "cases": [
        {
            "case": "one key is enough",
            "run": lambda until: stream_until(until, 1),
            "expect": ({"first": 1}, ["third"]),
            "hint": "Ask `enough` after each part. Close the stream before you return: then third is closed.",
        },
        {
            "case": "two keys are enough",
            "run": lambda until: stream_until(until, 2),
            "expect": ({"first": 1, "second": 2}, ["third"]),
            "hint": "Add the parts up with `+`, starting with the first.",
        },
        {
            "case": "never enough",
            "run": stream_to_the_end,
            "expect": {"a": "ok", "b": 2},
            "hint": "At the end of the stream, return the sum of all parts.",
        },
    ],
}

QUIZ = [
    {
        "question": "Branches take 12, 6 and 9 ms. You make the second twice as fast. The chain takes ...",
        "options": ["3 ms less", "6 ms less", "as long as before"],
        "answer": 2,
        "why": [
            "That branch ends 3 ms earlier, and then waits 3 ms longer.",
            "The join is where the last one ends, and that is another.",
            "It only has more slack now. The straggler decides.",
        ],
    },
    {
        "question": "What stands behind the dict of a RunnableParallel?",
        "options": ["a barrier", "a join", "a semaphore"],
        "answer": 1,
        "why": [
            "At a barrier the branches themselves would wait for each other. They end and are gone.",
            "The caller waits until all have ended.",
            "A semaphore may stand before the branches, as a limit. Behind them nobody asks for a permit.",
        ],
    },
    {
        "question": "Three tasks wait at a barrier of three. Which of them is not suspended there?",
        "options": ["the first to come", "the last to come", "all of them are"],
        "answer": 1,
        "why": [
            "It waits longest of all.",
            "It completes the group, makes the others ready, and goes straight on.",
            "The one that completes the group has nobody to wait for.",
        ],
    },
    {
        "question": "`{...} | f` is streamed, and f is a plain function. How many parts are there?",
        "options": ["one for each branch", "one", "none"],
        "answer": 1,
        "why": [
            "The dict alone would give those. f needs the whole dict before it can begin.",
            "f waits for the whole dict, and gives one result.",
            "A result is one part at the least.",
        ],
    },
    {
        "question": "Each of 100 branches is slow in 1 % of the calls. How often does the join wait?",
        "options": ["in 1 % of the calls", "in about 63 %", "always"],
        "answer": 1,
        "why": [
            "That is one branch alone.",
            "1 - 0.99^100 = 0.634. Rare events become the rule.",
            "In 37 % of the calls all hundred are quick.",
        ],
    },
]
