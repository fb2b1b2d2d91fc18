"""Exercises of lesson 4 as plain data: cases with what is expected, typical wrong answers, hints."""

import asyncio

PATIENCE = 2.0  # seconds that a case waits for code that may never end

WORK_AND_SPAN = {
    "title": "Work, span, and two workers",
    "reads": "numbers",
    "cases": [
        {
            "case": "span, work, and the least time with two workers",
            "expect": [4, 10, 5],
            "hint": "Span: the longest way from the root to a leaf. Work: the sum of all leaves. "
            "Two workers do two seconds of work a second.",
        }
    ],
    "wrong": [
        {"answer": (10, 10, 5), "hint": "The span is not the sum: branches overlap. Which one ends last?"},
        {"answer": (4, 10, 4), "hint": "Can two workers do ten seconds of work in four?"},
        {"answer": (4, 10, 10), "hint": "That is the time of one worker."},
        {
            "answer": (6, 10, 5),
            "hint": "c and d are in one dict: they run at the same time, so only d counts.",
        },
        {
            "answer": (6, 10, 6),
            "hint": "c and d are in one dict: they run at the same time, so only d counts.",
        },
    ],
}

WHICH_ERROR = {
    "title": "Which error arrives?",
    "reads": "letters",
    "cases": [
        {
            "case": "the branch whose error arrives: under invoke, then under ainvoke",
            "expect": "AC",
            "hint": "invoke: first in declared order, of those that failed. ainvoke: first in time.",
        }
    ],
    "wrong": [
        {"answer": "ca", "hint": "It is the other way round. Which of the two asks the futures in order?"},
        {"answer": "aa", "hint": "Under ainvoke c fails first in time: a is cancelled, and raises nothing."},
        {
            "answer": "cc",
            "hint": "Under invoke, c fails first in time, but a runs on and is looked at first.",
        },
        {"answer": "ab", "hint": "b fails only because it is cancelled. Who failed before that?"},
    ],
}


NEVER = object()  # in place of a reply: the answer does not end by itself
TURNS = 5  # of the loop, that whatever is cancelled takes to clean up


async def clean_up():
    for _ in range(TURNS):
        await asyncio.sleep(0)


class Connection:
    """`answer` gives `reply`, raises it, or with NEVER does not end. log: what happened, in order."""

    def __init__(self, reply):
        self.reply, self.log = reply, []

    async def answer(self):
        self.log.append("asked")
        try:
            await asyncio.sleep(PATIENCE if self.reply is NEVER else 0)
        except asyncio.CancelledError:
            await clean_up()
            raise
        finally:
            self.log.append("ended")
        if isinstance(self.reply, Exception):
            raise self.reply
        return self.reply

    def close(self):
        self.log.append("closed")


def ask_once(ask, reply):
    """Ask a connection; cancel the asking where there is no reply. Returns what came of it, and the log."""

    async def main():
        connection = Connection(reply)
        task = asyncio.create_task(ask(connection))
        if reply is NEVER:
            while not (task.done() or connection.log):
                await asyncio.sleep(0)
            task.cancel()
        await asyncio.wait([task], timeout=PATIENCE)
        log = list(connection.log)
        return outcome_of(task, reply), log

    return asyncio.run(main())


def outcome_of(task, reply):
    if not task.done():
        return f"not done after {PATIENCE:g} s"
    if task.cancelled():
        return "cancelled"
    if (error := task.exception()) is None:
        return task.result()
    if isinstance(error, NotImplementedError):
        raise error
    return "that very error" if error is reply else f"another error: {error!r}"


LET_IT_THROUGH = {
    "title": "Clean up and let it through",
    "cases": [
        {
            "case": "a reply",
            "run": lambda ask: ask_once(ask, "good"),
            "expect": ("good", ["asked", "ended", "closed"]),
            "hint": "Return the reply, and close the connection once, on every way out.",
        },
        {
            "case": "an empty reply",
            "run": lambda ask: ask_once(ask, ""),
            "expect": ("", ["asked", "ended", "closed"]),
            "hint": "An empty text is a reply, too.",
        },
        {
            "case": "an error",
            "run": lambda ask: ask_once(ask, ValueError("no answer")),
            "expect": ("that very error", ["asked", "ended", "closed"]),
            "hint": "`finally` runs on every way out, and lets the error through.",
        },
        {
            "case": "a cancellation",
            "run": lambda ask: ask_once(ask, NEVER),
            "expect": ("cancelled", ["asked", "ended", "closed"]),
            "hint": "Whoever catches CancelledError must raise it again; `finally` does not catch it. And "
            "the answer must be cancelled, too, and have ended, before its connection is closed: `await` it.",
        },
    ],
}


def run_collect(collect, outcomes):
    """Run `collect` on calls that end in reverse order; outcomes: name to result or exception."""

    async def main():
        names = list(outcomes)
        ended = {name: asyncio.Event() for name in names}
        made = []

        async def call(name):
            made.append(name)
            later = names[names.index(name) + 1 :]
            if later:
                await asyncio.wait_for(ended[later[0]].wait(), PATIENCE)
            ended[name].set()
            if isinstance(outcomes[name], Exception):
                raise outcomes[name]
            return outcomes[name]

        pair = await collect({name: lambda name=name: call(name) for name in names})
        twice = sorted({name for name in made if made.count(name) > 1})
        return f"made twice: {', '.join(twice)}" if twice else readable(pair, outcomes)

    try:
        return asyncio.run(main())
    except TimeoutError:
        return "the calls did not run at the same time"


def readable(pair, outcomes):
    """(results, errors) with the errors as text; anything else unchanged."""
    if isinstance(pair, tuple | list) and len(pair) == 2 and isinstance(pair[1], dict):
        errors = {
            name: "its own" if error is outcomes.get(name) else repr(error) for name, error in pair[1].items()
        }
        return pair[0], errors
    return pair


def cancel_collect(collect):
    """Cancel a `collect` under way; return what had become of its two calls when it was over."""

    async def main():
        started, seen = {"a": asyncio.Event(), "b": asyncio.Event()}, []

        async def call(name):
            started[name].set()
            try:
                await asyncio.sleep(PATIENCE)
            except asyncio.CancelledError:
                await clean_up()
                if name == "b":
                    await clean_up()
                seen.append(f"{name} was cancelled and has ended")
                raise

        task = asyncio.create_task(collect({name: lambda name=name: call(name) for name in started}))
        for event in started.values():
            await asyncio.wait_for(event.wait(), PATIENCE)
        task.cancel()
        await asyncio.wait([task], timeout=PATIENCE)
        return [*sorted(seen), "collect was cancelled" if task.cancelled() else "collect went on"]

    try:
        return asyncio.run(main())
    except TimeoutError:
        return "the calls did not run at the same time"


COLLECT = {
    "title": "Wait for all and sort",
    "cases": [
        {
            "case": "three results, of which the last comes first",
            "run": lambda collect: run_collect(collect, {"a": 1, "b": 2, "c": 3}),
            "expect": ({"a": 1, "b": 2, "c": 3}, {}),
            "hint": "Return two dicts: name to result, name to error. Make all tasks before you await one.",
        },
        {
            "case": "results that count as false",
            "run": lambda collect: run_collect(collect, {"a": 0, "b": None, "c": ""}),
            "expect": ({"a": 0, "b": None, "c": ""}, {}),
            "hint": "`0`, `None` and the empty text are results, too.",
        },
        {
            "case": "a failure among results",
            "run": lambda collect: run_collect(collect, {"a": 1, "b": ValueError("no"), "c": 3}),
            "expect": ({"a": 1, "c": 3}, {"b": "its own"}),
            "hint": "A failed call is no reason to stop. Catch its exception and keep it under its name.",
        },
        {
            "case": "no calls at all",
            "run": lambda collect: run_collect(collect, {}),
            "expect": ({}, {}),
            "hint": "With nothing to do, return two empty dicts. (`asyncio.wait` wants a task at least.)",
        },
        {
            "case": "a cancellation meanwhile",
            "run": cancel_collect,
            "expect": [
                "a was cancelled and has ended",
                "b was cancelled and has ended",
                "collect was cancelled",
            ],
            "hint": "A cancellation is no result. Hand it on to every task, wait until all have ended, and "
            "let it through. `asyncio.gather` with `return_exceptions=True` does all three, and so does a "
            "TaskGroup.",
        },
    ],
}

QUIZ = [
    {
        "question": "A branch has been created as a task, but the loop has not come to it. It is ...",
        "options": ["queued", "ready", "waiting"],
        "answer": 1,
        "why": [
            "Queued is what waits for a permit or for a worker. This one waits for neither.",
            "It stands on the loop's ready queue. All it needs is the one thread.",
            "Waiting is what it does once it has run to a pause.",
        ],
    },
    {
        "question": "langchain-core, `ainvoke`: branch 3 of 10 fails. What becomes of the other nine?",
        "options": [
            "they are cancelled",
            "they run on, and nobody gets their results",
            "`ainvoke` waits for them",
        ],
        "answer": 1,
        "why": [
            "That is what yours does, and what a TaskGroup does.",
            "`gather` raises at once and cancels nothing. The calls are made, and paid for.",
            "`invoke` waits. `ainvoke` raises at once.",
        ],
    },
    {
        "question": "What does `asyncio.timeout(1)` do with a plain function on a worker thread?",
        "options": [
            "it stops the function after a second",
            "it cancels the task that waits; the function runs on",
            "it raises in the thread",
        ],
        "answer": 1,
        "why": [
            "Nobody can stop a thread from outside.",
            "So whoever wants nothing left behind must wait for its end.",
            "Exceptions are not thrown into threads.",
        ],
    },
    {
        "question": "An inner `with_config` of 2, an outer limit of 8: how many inner branches run in yours?",
        "options": ["2", "8", "16"],
        "answer": 0,
        "why": [
            "An inherited limit never loosens an inner one.",
            "That is langchain-core: the inherited config counts as the call's own.",
            "Limits multiply over levels, but the inner level alone has no more than its own.",
        ],
    },
    {
        "question": "Work is 12 s, span is 3 s, the limit is 6. What is the least possible time?",
        "options": ["2 s", "3 s", "12 s"],
        "answer": 1,
        "why": [
            "12 / 6 = 2, but the longest branch alone takes 3.",
            "max(span, work / limit) = max(3, 2).",
            "That is one after another.",
        ],
    },
]
