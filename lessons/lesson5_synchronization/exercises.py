"""Exercises of lesson 5 as plain data: cases with what is expected, typical wrong answers, hints."""

import asyncio

from lessons.lesson3_concurrency_limits.exercises import said
from lessons.lesson4_execution_model.runnable import Runnable
from lessons.lesson5_synchronization.runnable import RunnableLambda
from lessons.lesson5_synchronization.runnable_parallel import RunnableParallel

PATIENCE = 2.0  # seconds that a case waits for code that may never end

SLACK = {
    "title": "Who could take their time?",
    "reads": "numbers",
    "cases": [
        {
            "case": "the slack of each of the four",
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
    "reads": "words",
    "cases": [
        {
            "case": "what fits the four situations",
            "run": lambda words: [word for word in words if not word.isdigit()],  # "1. semaphore"
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


class UnderWay:
    """Counts the calls that are under way; one that is cancelled takes a moment to clean up."""

    def __init__(self):
        self.calls, self.under_way, self.begun = [], 0, {}

    def has_begun(self, name):
        return self.begun.setdefault(name, asyncio.Event())

    async def call(self, name, work):
        self.calls.append(name)
        self.under_way += 1
        self.has_begun(name).set()
        try:
            await asyncio.sleep(0)
            return await work()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            raise
        finally:
            self.under_way -= 1


async def for_ever():
    await asyncio.Event().wait()


async def end_of(task, seen):
    """What a task returns or raises, and how many calls are under way at that moment."""
    await asyncio.wait([task], timeout=PATIENCE)
    if not task.done():
        task.cancel()
        return f"nothing for {PATIENCE:g} s", seen.under_way
    left = seen.under_way  # as it is now: asyncio.run closes what is still open
    return said(task.result), left


def run_chain(build, value="page", *, waits=None, fails=None, endless=(), returns=None, cancel=False):
    """Run the chain; return what comes out, the steps under way then, and the names of all that began.

    waits: "load" or "ask", a first step that goes on when the second of the other branch has begun.
    fails: a first step that raises a LookupError when the other has begun. returns: a dict of what
    steps return. cancel: the chain is cancelled when both first steps have begun.
    """
    second, first = {"load": "check", "ask": "parse"}, {"load": "ask", "ask": "load"}  # of the other branch
    past = {"load": "loaded", "parse": "parsed", "ask": "asked", "check": "checked"}

    async def main():
        seen = UnderWay()

        def step(name):
            async def work(value):
                if name in endless:
                    await for_ever()
                if name == waits:
                    await seen.has_begun(second[name]).wait()
                if name == fails:
                    await seen.has_begun(first[name]).wait()
                    raise LookupError(name)
                return returns[name] if returns and name in returns else f"{value} {past[name]}"

            async def step(value):
                return await seen.call(name, lambda: work(value))

            return step

        chain = build(*map(step, past))
        if not isinstance(chain, Runnable):
            return f"build returned a {type(chain).__name__}, which is no runnable of your library", 0, []
        task = asyncio.ensure_future(chain.ainvoke(value))
        if cancel:
            begun = [asyncio.ensure_future(seen.has_begun(name).wait()) for name in first]
            await asyncio.wait(begun, timeout=PATIENCE)
            task.cancel()
        return *await end_of(task, seen), sorted(seen.calls)

    return asyncio.run(main())


TAKE_OUT_THE_JOIN = {
    "title": "Take out the join",
    "cases": [
        *(
            {
                "case": f"the answer, while {name} goes on until {other} has begun",
                "run": lambda build, name=name: run_chain(build, waits=name)[0],
                "expect": {"page": "page loaded parsed", "model": "page asked checked"},
                "hint": "A branch may be a sequence: a runnable `|` what comes after it. Then one join is "
                f"left. If nothing came, {other} still waits for {name}, which it does not need.",
            }
            for name, other in (("load", "check"), ("ask", "parse"))
        ),
        {
            "case": "the steps that are called",
            "run": lambda build: run_chain(build)[2],
            "expect": ["ask", "check", "load", "parse"],
            "hint": "Each step runs once for each call of the chain.",
        },
        {
            "case": "an empty page",
            "run": lambda build: run_chain(build, "")[0],
            "expect": {"page": " loaded parsed", "model": " asked checked"},
            "hint": "An empty text is a value as all others: it goes through every step.",
        },
        {
            "case": "first steps that return None and 0",
            "run": lambda build: run_chain(build, returns={"load": None, "ask": 0})[0],
            "expect": {"page": "None parsed", "model": "0 checked"},
            "hint": "The second step is given what the first has returned, whatever that is.",
        },
        {
            "case": "load fails while ask runs: what comes out, and the steps under way then",
            "run": lambda build: run_chain(build, fails="load", endless=["ask"])[:2],
            "expect": ("LookupError", 0),
            "hint": "Let RunnableParallel run the branches: it cancels the others, and waits for them.",
        },
        {
            "case": "cancelled from outside: what comes out, and the steps under way then",
            "run": lambda build: run_chain(build, endless=["load", "ask"], cancel=True)[:2],
            "expect": ("CancelledError", 0),
            "hint": "Let RunnableParallel run the branches: it hands the cancellation on to them.",
        },
    ],
}


def stream_until(until, keys, *, fails=False, raises=False, cancel=False):
    """Stream three branches that answer and a fourth that never does, until there are `keys` keys.

    Each answers when `enough` has been asked about the one before. fails: the second raises a LookupError.
    raises: `enough` raises a ValueError when it is asked. cancel: `until` is cancelled then.
    Returns what comes out, the branches under way then, and the names of all that began.
    """

    async def main():
        seen, turns = UnderWay(), [asyncio.Event() for _ in range(4)]
        turns[0].set()

        def branch(place, name):
            async def work():
                await turns[place].wait()
                if fails and place == 1:
                    raise LookupError(name)
                return place + 1 if place < 3 else await for_ever()

            async def branch(value):
                return await seen.call(name, work)

            return branch

        def enough(total):
            for turn in turns[: len(total) + 1]:
                turn.set()
            if raises:
                raise ValueError("not to be compared")
            if cancel:
                asyncio.get_running_loop().call_soon(task.cancel)
            return len(total) >= keys

        names = ["first", "second", "third", "fourth"]
        chain = RunnableParallel({name: branch(place, name) for place, name in enumerate(names)})
        task = asyncio.ensure_future(until(chain, "review", enough))
        return *await end_of(task, seen), sorted(seen.calls)

    return asyncio.run(main())


async def words(value):
    for word in value.split():
        yield word + " "


def never(total):
    return False


STOP_WHEN_ENOUGH = {
    "title": "Stop when it is enough",
    "cases": [
        {
            "case": "one key is enough: the sum, and the branches under way then",
            "run": lambda until: stream_until(until, 1)[:2],
            "expect": ({"first": 1}, 0),
            "hint": "Start with the first part (`{}` has no `+`), and ask `enough` after each. "
            "Close the stream, and await that, before you return: then no branch is under way.",
        },
        {
            "case": "two keys are enough: the sum, and the branches under way then",
            "run": lambda until: stream_until(until, 2)[:2],
            "expect": ({"first": 1, "second": 2}, 0),
            "hint": "Add the parts up with `+`, starting with the first. Ask `enough` about the sum.",
        },
        {
            "case": "three keys are enough: the sum, and the branches under way then",
            "run": lambda until: stream_until(until, 3)[:2],
            "expect": ({"first": 1, "second": 2, "third": 3}, 0),
            "hint": "Go on until `enough` says so, however many parts that takes.",
        },
        {
            "case": "the branches that are called",
            "run": lambda until: stream_until(until, 2)[2],
            "expect": ["first", "fourth", "second", "third"],
            "hint": "Stream the chain once: each `astream` calls every branch.",
        },
        {
            "case": "never enough",
            "run": lambda until: until(RunnableParallel(a=words, b=len), "so it is", never),
            "expect": {"a": "so it is ", "b": 8},
            "hint": "At the end, return the sum of all parts. What has the same key adds up, with `+`.",
        },
        {
            "case": "a chain whose parts are texts, and more than four letters are enough",
            "run": lambda until: until(RunnableLambda(words), "so it is", lambda total: len(total) > 4),
            "expect": "so it ",
            "hint": "Parts need not be dicts. Start with the first part, whatever it is.",
        },
        {
            "case": "a chain whose one part is 0",
            "run": lambda until: until(RunnableLambda(lambda value: 0), "review", never),
            "expect": 0,
            "hint": "0 is a part as all others: do not ask whether a part or a sum is true.",
        },
        {
            "case": "a chain without branches",
            "run": lambda until: until(RunnableParallel(), "review", never),
            "expect": None,
            "hint": "No part comes, so there is no sum to ask about. Return None.",
        },
        {
            "case": "the second branch fails: what comes out, and the branches under way then",
            "run": lambda until: stream_until(until, 4, fails=True)[:2],
            "expect": ("LookupError", 0),
            "hint": "Let the error through: half a sum is not what was asked for.",
        },
        {
            "case": "`enough` raises: what comes out, and the branches under way then",
            "run": lambda until: stream_until(until, 4, raises=True)[:2],
            "expect": ("ValueError", 0),
            "hint": "Close the stream also after an error: `aclosing` or a `finally` does.",
        },
        {
            "case": "cancelled from outside: what comes out, and the branches under way then",
            "run": lambda until: stream_until(until, 4, cancel=True)[:2],
            "expect": ("CancelledError", 0),
            "hint": "Await the stream in your own task, and let the CancelledError through.",
        },
    ],
}

QUIZ = [
    {
        "question": "Branches take 12, 6 and 9 ms. You make the second twice as fast. The chain takes ...",
        "options": ["3 ms less", "6 ms less", "as long as before"],
        "answer": 2,
        "why": [
            "That branch ends 3 ms earlier, and has 3 ms more of slack.",
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
        "question": "Each of 100 branches is slow in 1 % of the calls, independently. How often is one slow?",
        "options": ["in 1 % of the calls", "in about 63 %", "always"],
        "answer": 1,
        "why": [
            "That is one branch alone.",
            "1 - 0.99^100 = 0.634. Rare events become the rule.",
            "In 37 % of the calls all hundred are quick.",
        ],
    },
]
