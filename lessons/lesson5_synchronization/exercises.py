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
        {"answer": [0, 4, 2, 6], "hint": "Slack is what is left until the join, not a time to start."},
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
            "answer": ["semaphore", "event", "event", "barrier"],
            "hint": "2: an event needs one who sets it. Here four have to come first: who counts them?",
        },
        {
            "answer": ["semaphore", "latch", "latch", "barrier"],
            "hint": "3: with a count of 1 that would do. There is something simpler.",
        },
    ],
}


def run_chain(build, first_to_wait):
    """Run the chain; the first step of one branch waits until the second step of the other has begun.

    first_to_wait: "load" or "ask", which of the two first steps waits. Returns the chain's answer.
    """

    async def main():
        begun = {"load": asyncio.Event(), "ask": asyncio.Event()}  # the second step of the other branch

        async def begin(name, value):
            if name == first_to_wait:
                await asyncio.wait_for(begun[name].wait(), PATIENCE)
            return f"{value} {name}ed"

        async def load(value):
            return await begin("load", value)

        async def parse(value):
            begun["ask"].set()
            return value + " parsed"

        async def ask(value):
            return await begin("ask", value)

        async def check(value):
            begun["load"].set()
            return value + " checked"

        chain = build(load, parse, ask, check)
        if not isinstance(chain, Runnable):
            return f"build returned a {type(chain).__name__}, which is no runnable of your library"
        return await chain.ainvoke("page")

    try:
        return asyncio.run(main())
    except TimeoutError:
        return f"{first_to_wait} waited in vain: a second step waits for a first step that it does not need"


TAKE_OUT_THE_JOIN = {
    "title": "Take out the join",
    "cases": [
        {
            "case": f"the answer, while {name} goes on until {other} has begun",
            "run": lambda build, name=name: run_chain(build, name),
            "expect": {"page": "page loaded parsed", "model": "page asked checked"},
            "hint": "A branch may be a sequence: a runnable `|` what comes after it. Then one join is left.",
        }
        for name, other in (("load", "check"), ("ask", "parse"))
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
        return total, list(parts.closed)  # as it is now: asyncio.run closes what is still open

    try:
        return asyncio.run(main())
    except TimeoutError:
        return "waited for more than was asked for"


async def words(value):
    for word in value.split():
        yield word + " "


def stream_to_the_end(until):
    """Return what `until` gives when it is never enough; one branch comes in several parts."""

    async def main():
        return await until(RunnableParallel(a=words, b=len), "so it is", lambda total: False)

    return asyncio.run(main())


STOP_WHEN_ENOUGH = {
    "title": "Stop when it is enough",
    "cases": [
        {
            "case": "one key is enough",
            "run": lambda until: stream_until(until, 1),
            "expect": ({"first": 1}, ["third"]),
            "hint": "Start with the first part (`{}` has no `+`), and ask `enough` after each. "
            "Close the stream before you return: then third is closed.",
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
            "expect": {"a": "so it is ", "b": 8},
            "hint": "At the end, return the sum of all parts. What has the same key adds up, with `+`.",
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
        "question": "What is `{'a': f} | {'b': g}`, for two functions f and g?",
        "options": ["a chain of two dicts", "one dict with two keys", "an error"],
        "answer": 1,
        "why": [
            "It would be, if the first were a RunnableParallel.",
            "Python merges two dicts. No error, and no chain.",
            "Two functions would give one. Two dicts merge.",
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
        "question": "Each of 100 branches is slow in 1 % of the calls. How often is one of them slow?",
        "options": ["in 1 % of the calls", "in about 63 %", "always"],
        "answer": 1,
        "why": [
            "That is one branch alone.",
            "1 - 0.99^100 = 0.634. Rare events become the rule.",
            "In 37 % of the calls all hundred are quick.",
        ],
    },
]
