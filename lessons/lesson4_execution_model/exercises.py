"""Exercises and steps of lesson 4 as plain data: cases with what is expected, wrong answers, hints."""

import asyncio
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context

from lessons.lesson4_execution_model.config import DEFAULTS, config_for_call, inherited
from lessons.lesson4_execution_model.critical_path import span
from lessons.lesson4_execution_model.runnable import Runnable
from lessons.lesson4_execution_model.runnable_lambda import Function, RunnableLambda
from lessons.lesson4_execution_model.runnable_parallel import RunnableParallel, coerce_to_runnable
from lessons.lesson4_execution_model.tasks import Siblings, wait_for_all

PATIENCE = 2.0  # seconds that a case waits for code that may never end


def said(error):
    return f"{type(error).__name__}: {error}"


# --- Lesson 4: within its sections

LIFE = {
    "title": "The states of a branch",
    "reads": "words",
    "cases": [
        {
            "case": "a free permit, and one call",
            "expect": ["ready", "running", "waiting", "ready", "running", "done"],
            "hint": "Who puts a task on the ready queue, and what must happen before it is done?",
        }
    ],
    "wrong": [
        {
            "answer": "ready, running, waiting, running, done",
            "hint": "The answer only makes it ready again. The loop still has to take it from the queue.",
        },
        {
            "answer": "ready, running, queued, ready, running, waiting, ready, running, done",
            "hint": "That is the way of one that has to wait for its permit. This permit is free.",
        },
        {
            "answer": "running, waiting, ready, running, done",
            "hint": "create_task runs nothing. Where does the new task stand?",
        },
        {
            "answer": "ready, running, waiting, ready, done",
            "hint": "Who brings the result from the service to its return? The branch itself must run.",
        },
    ],
}


WHICH_POLICY = {
    "title": "Which policy?",
    "reads": "letters",
    "cases": [
        {
            "case": "a policy for each of the three",
            "expect": "ECD",
            "hint": "Of each ask: are the other answers of use, and can the others be stopped?",
        }
    ],
    "wrong": [
        {
            "answer": "DCD",
            "hint": "In the first, nine answers are useful. D gives you an error, and none.",
        },
        {"answer": "EDD", "hint": "In the second, every further second costs, and no answer is of use."},
        {"answer": "ECC", "hint": "In the third, who would stop a thread?"},
        {"answer": "ECE", "hint": "In the third nothing says that some answers are of use without the rest."},
    ],
}

# --- Lesson 4: its steps


def in_family(cancel_all, scenario):
    """Run `scenario` with siblings that have the answer as their `cancel_all`."""
    family = type("Family", (Siblings,), {"cancel_all": cancel_all})
    return asyncio.run(scenario(family()))


async def three_that_wait(family):
    """What has become of three tasks that wait, and whether the siblings know that they are stopping."""
    family.tasks = [asyncio.create_task(asyncio.Event().wait(), name=name) for name in "abc"]
    tasks = list(family.tasks)
    await asyncio.sleep(0)
    family.cancel_all()
    await asyncio.wait(tasks, timeout=PATIENCE)
    return [task.get_name() for task in tasks if task.cancelled()], family.tasks == tasks, family.stopping


def one_that_cleans_up(stopping):
    """A scenario: one of two tasks was cancelled before. How often has each been asked in the end?"""

    async def scenario(family):
        asked = []

        async def call():
            try:
                await asyncio.Event().wait()
            finally:
                await clean_up()
                asked.append("has cleaned up")

        family.tasks = tasks = [asyncio.create_task(call()) for _ in range(2)]
        family.stopping = stopping
        await asyncio.sleep(0)
        tasks[0].cancel()
        await asyncio.sleep(0)
        family.cancel_all()
        counts = [task.cancelling() for task in tasks]
        await asyncio.wait(tasks, timeout=PATIENCE)
        return counts, len(asked), family.stopping

    return scenario


async def one_that_has_ended(family):
    """What has become of a task that has ended before."""
    family.tasks = [asyncio.create_task(asyncio.sleep(0, result)) for result in (0, "good")]
    await asyncio.wait(family.tasks)
    family.cancel_all()
    return [task.result() for task in family.tasks], family.stopping


async def no_tasks(family):
    family.cancel_all()
    return family.tasks, family.stopping


CANCEL_ALL = {
    "title": "Ask all of them",
    "course": Siblings.cancel_all,
    "cases": [
        {
            "case": "three tasks that wait",
            "run": lambda answer: in_family(answer, three_that_wait),
            "expect": (["a", "b", "c"], True, True),
            "hint": "Call `task.cancel()` for each of `self.tasks`, and set `self.stopping` to True.",
        },
        {
            "case": "two tasks, of which one was asked before and is cleaning up",
            "run": lambda answer: in_family(answer, one_that_cleans_up(stopping=False)),
            "expect": ([1, 1], 2, True),
            "hint": "`task.cancelling()` says how often a task was asked. While `self.stopping` is False, "
            "leave one alone for which it is not 0.",
        },
        {
            "case": "the same two, when all are to be asked again",
            "run": lambda answer: in_family(answer, one_that_cleans_up(stopping=True)),
            "expect": ([2, 1], 1, True),
            "hint": "With `self.stopping` True already, ask every task, also one that is cleaning up.",
        },
        {
            "case": "two tasks that have ended",
            "run": lambda answer: in_family(answer, one_that_has_ended),
            "expect": ([0, "good"], True),
            "hint": "`cancel()` does nothing to a task that has ended. Leave it among the tasks.",
        },
        {
            "case": "no tasks at all",
            "run": lambda answer: in_family(answer, no_tasks),
            "expect": ([], True),
            "hint": "Set `self.stopping` after the loop, not in it.",
        },
    ],
}


def run_one(run, ending, stopping=False):
    """Run one call that gives `ending`, or raises it if it is an exception.

    Returns what came, what the siblings have noted, and how often all were cancelled.
    """

    class Family(Siblings):
        asked = 0

        def cancel_all(self):
            self.asked += 1
            self.stopping = True

    made = []

    async def call():
        made.append("call")
        await asyncio.sleep(0)
        if isinstance(ending, BaseException):
            raise ending
        return ending

    async def main():
        family = Family()
        family.stopping = stopping
        try:
            came = await run(family, call)
        except NotImplementedError:
            raise
        except BaseException as error:
            came = "that very error" if error is ending else f"another error: {said(error)}"
        noted = ["that very error" if error is ending else said(error) for error in family.failed]
        return f"called {len(made)} times" if len(made) != 1 else (came, noted, family.asked)

    return asyncio.run(main())


def one_of_three_fails(run):
    """Three siblings, of which the second fails when the others wait: what becomes of each."""
    family = type("Family", (Siblings,), {"run": run})()

    async def fail():
        await asyncio.sleep(0)
        raise ValueError("no")

    async def main():
        calls = [asyncio.Event().wait, fail, asyncio.Event().wait]
        family.tasks = tasks = [asyncio.create_task(family.run(call)) for call in calls]
        _, late = await asyncio.wait(tasks, timeout=PATIENCE)
        if late:
            return f"{len(late)} still wait"
        for task in tasks:
            if not task.cancelled() and isinstance(task.exception(), NotImplementedError):
                raise task.exception()
        ends = ["cancelled" if task.cancelled() else said(task.exception()) for task in tasks]
        return ends, [said(error) for error in family.failed]

    return asyncio.run(main())


VERY = "that very error"

RUN_ONE = {
    "title": "The one that fails stops the others",
    "course": Siblings.run,
    "cases": [
        {
            "case": "a result",
            "run": lambda run: run_one(run, "good"),
            "expect": ("good", [], 0),
            "hint": "Await `call()` once and return what comes. Nobody is cancelled for a result.",
        },
        {
            "case": "results that count as false",
            "run": lambda run: [run_one(run, each) for each in (0, None, "")],
            "expect": [(0, [], 0), (None, [], 0), ("", [], 0)],
            "hint": "`0`, `None` and the empty text are results, too.",
        },
        {
            "case": "a failure",
            "run": lambda run: run_one(run, ValueError("no")),
            "expect": (VERY, [VERY], 1),
            "hint": "Append the exception to `self.failed`, call `self.cancel_all()`, and raise it on.",
        },
        {
            "case": "three siblings, of which one fails",
            "run": one_of_three_fails,
            "expect": (["cancelled", "ValueError: no", "cancelled"], ["ValueError: no"]),
            "hint": "Those that are cancelled have not failed: ask `self.is_failure(error)`. And their "
            "CancelledError goes through.",
        },
        {
            "case": "a CancelledError that nobody here has asked for",
            "run": lambda run: run_one(run, asyncio.CancelledError("connection lost")),
            "expect": (VERY, [VERY], 1),
            "hint": "A CancelledError is no Exception: catch BaseException.",
        },
        {
            "case": "a failure when all have been asked to stop",
            "run": lambda run: run_one(run, ValueError("no"), stopping=True),
            "expect": (VERY, [VERY], 0),
            "hint": "With `self.stopping` True, do not ask again: the others may be cleaning up.",
        },
        {
            "case": "KeyboardInterrupt, and SystemExit",
            "run": lambda run: [run_one(run, KeyboardInterrupt()), run_one(run, SystemExit())],
            "expect": [(VERY, [], 0), (VERY, [], 0)],
            "hint": "Let these two through first, in an `except` of their own.",
        },
    ],
}


def wait_for(wait, endings, cancels=0, hand_on=True):
    """Wait for tasks that end in reverse order; endings: name to result or exception.

    cancels: how often the one who waits is cancelled. hand_on: whether its function cancels the tasks.
    Returns what came, how often that function was called, and what has become of the tasks.
    """

    async def main():
        names, ended = list(endings), {name: asyncio.Event() for name in endings}
        may_end, handed_on = asyncio.Event(), []

        async def call(name):
            try:
                later = names[names.index(name) + 1 :]
                await (ended[later[0]] if later else may_end).wait()
                await clean_up()  # so that each ends some turns after the one before
                if isinstance(endings[name], BaseException):
                    raise endings[name]
                return endings[name]
            except asyncio.CancelledError:
                if cancels:
                    await may_end.wait()
                raise
            finally:
                ended[name].set()

        tasks = [asyncio.create_task(call(name), name=name) for name in names]

        def when_cancelled():
            handed_on.append("cancelled")
            if hand_on and len(handed_on) == 1:
                for task in tasks:
                    task.cancel()

        waiting = asyncio.create_task(wait(tasks, when_cancelled))
        await clean_up()
        for number in range(cancels):
            waiting.cancel(f"cancellation {number + 1}")
            await clean_up()
        if tasks and waiting.done() and not all(task.done() for task in tasks):
            stop(tasks)
            await asyncio.wait(tasks)
            _ = waiting.result()
            return "it did not wait until all had ended"
        may_end.set()
        await asyncio.wait([waiting], timeout=PATIENCE)
        if not waiting.done():
            stop([*tasks, waiting])
            return f"not done after {PATIENCE:g} s"
        came = waiting.result()
        came = said(came) if isinstance(came, BaseException) else came
        return came, len(handed_on), {task.get_name(): end_of(task) for task in tasks}

    return asyncio.run(main())


def stop(tasks):
    for task in tasks:
        task.cancel()


def end_of(task):
    if not task.done():
        return "not ended"
    if task.cancelled():
        return "cancelled"
    return task.result() if task.exception() is None else said(task.exception())


WAIT_FOR_ALL = {
    "title": "Wait, whatever comes",
    "course": wait_for_all,
    "cases": [
        {
            "case": "three tasks, of which the last ends first",
            "run": lambda wait: wait_for(wait, {"a": 1, "b": 0, "c": None}),
            "expect": (None, 0, {"a": 1, "b": 0, "c": None}),
            "hint": "Wait for each with `await asyncio.wait([future])`. Return None, not the results.",
        },
        {
            "case": "a failure among them",
            "run": lambda wait: wait_for(wait, {"a": ValueError("no"), "b": 2, "c": 3}),
            "expect": (None, 0, {"a": "ValueError: no", "b": 2, "c": 3}),
            "hint": "Look on only: `asyncio.wait` raises nothing of what the tasks raise.",
        },
        {
            "case": "one that somebody else has cancelled",
            "run": lambda wait: wait_for(wait, {"a": asyncio.CancelledError(), "b": 2, "c": 3}),
            "expect": (None, 0, {"a": "cancelled", "b": 2, "c": 3}),
            "hint": "A task that was cancelled has ended. The caller was not cancelled.",
        },
        {
            "case": "the caller is cancelled, and hands it on",
            "run": lambda wait: wait_for(wait, {"a": 1, "b": 2}, cancels=1),
            "expect": ("CancelledError: cancellation 1", 1, {"a": "cancelled", "b": "cancelled"}),
            "hint": "Catch the CancelledError of `asyncio.wait`, call `when_cancelled()`, and wait on until "
            "the future is done. Return the CancelledError: the caller raises it.",
        },
        {
            "case": "the caller is cancelled, and its tasks go on",
            "run": lambda wait: wait_for(wait, {"a": 1, "b": 2}, cancels=1, hand_on=False),
            "expect": ("CancelledError: cancellation 1", 1, {"a": 1, "b": 2}),
            "hint": "Only `when_cancelled` decides what is cancelled. (`gather` cancels its tasks itself.)",
        },
        {
            "case": "the caller is cancelled twice",
            "run": lambda wait: wait_for(wait, {"a": 1, "b": 2}, cancels=2),
            "expect": ("CancelledError: cancellation 1", 2, {"a": "cancelled", "b": "cancelled"}),
            "hint": "Call `when_cancelled()` at each, keep the first error, and go on waiting.",
        },
        {
            "case": "no tasks at all",
            "run": lambda wait: wait_for(wait, {}),
            "expect": (None, 0, {}),
            "hint": "With nothing to wait for, return None. (`asyncio.wait` wants a task at least.)",
        },
    ],
}


# --- Lesson 4: exercises at its end

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
]

# --- Lesson 4b: its steps


def config_from(config_for_call, above, own, given):
    """The config for a call with `own` and `given`, where `above` is inherited."""

    def call():
        inherited.set({**DEFAULTS, **above})
        return config_for_call(own, given)

    return copy_context().run(call)


def limits_from(config_for_call, rows):
    """The limits that hold, for rows of (inherited, with_config, given); "-" says nothing."""
    return [
        config_from(
            config_for_call, *({} if each == "-" else {"max_concurrency": each} for each in each_row)
        )["max_concurrency"]
        for each_row in rows
    ]


def changed_by(config_for_call):
    """Which of its three configs a call of it has changed."""
    configs = [{"tags": [tag], "metadata": {tag: 1}, "max_concurrency": 4} for tag in ("a", "b", "c")]
    before = [{key: type(value)(value) for key, value in each.items()} for each in configs]

    def call():
        inherited.set({**DEFAULTS, **configs[0]})
        config_for_call(configs[1], configs[2])
        return inherited.get()

    now = [{key: copy_context().run(call)[key] for key in configs[0]}, *configs[1:]]
    names = ("the inherited one", "that of with_config", "the given one")
    return [name for name, old, new in zip(names, before, now) if old != new]


def refused(config_for_call, given):
    try:
        return config_from(config_for_call, {}, {}, given)
    except (TypeError, ValueError) as error:
        return said(error)


CONFIG_FOR_CALL = {
    "title": "The config of a call",
    "course": config_for_call,
    "cases": [
        {
            "case": "a call that says nothing of its own",
            "run": lambda answer: config_from(answer, {"tags": ["shop"], "max_concurrency": 3}, {}, None),
            "expect": {"max_concurrency": 3, "tags": ["shop"], "metadata": {}, "recursion_limit": 25},
            "hint": "`inherited.get()` is what is inherited. `check_config(None)` is an empty dict.",
        },
        {
            "case": "a key in all three places, and tags that add up",
            "run": lambda answer: config_from(
                answer,
                {"tags": ["above"], "recursion_limit": 9},
                {"tags": ["own"], "recursion_limit": 7},
                {"tags": ["call"], "recursion_limit": 0},
            ),
            "expect": {
                "max_concurrency": None,
                "tags": ["above", "call", "own"],
                "metadata": {},
                "recursion_limit": 0,
            },
            "hint": "Merge the inherited config, `own`, and what is given, in this order.",
        },
        {
            "case": "an inherited limit and one of with_config",
            "run": lambda answer: limits_from(
                answer, [(2, 8, "-"), (8, 2, "-"), (None, 8, "-"), (8, None, "-"), (8, "-", "-"), (1, 1, "-")]
            ),
            "expect": [2, 2, 8, 8, 8, 1],
            "hint": "If the call gives no limit, the smaller of these two holds: `smallest` finds it. "
            "`own` need not have one: `own.get(...)`.",
        },
        {
            "case": "a limit that the call is given, also None",
            "run": lambda answer: limits_from(
                answer, [(2, 8, 16), (8, 4, 1), (2, "-", None), ("-", 2, None)]
            ),
            "expect": [16, 1, None, None],
            "hint": "The call's own wins, whatever it is: ask whether the key is in what is given.",
        },
        {
            "case": "a misspelt key, and a limit of 0",
            "run": lambda answer: [
                refused(answer, {"max_concurency": 2}),
                refused(answer, {"max_concurrency": 0}),
            ],
            "expect": [
                refused(config_for_call, {"max_concurency": 2}),
                refused(config_for_call, {"max_concurrency": 0}),
            ],
            "hint": "Call `check_config(config)`, and use what it gives.",
        },
        {
            "case": "the three configs afterwards",
            "run": changed_by,
            "expect": [],
            "hint": "Change none of the three. `merge` gives a new one.",
        },
    ],
}


class Probe(Runnable):
    """A runnable of a function of value and config, for `_invoke` and for `_ainvoke`."""

    def __init__(self, function):
        self.function = function

    def _invoke(self, value, config):
        return self.function(value, config)

    async def _ainvoke(self, value, config):
        return self.function(value, config)


def with_batch(batch, function):
    return type("ProbeWithBatch", (Probe,), {"batch": batch})(function)


def batch_in_reverse(batch, results):
    """A batch whose calls end in reverse order, each with its result; an exception is raised."""
    ended = [threading.Event() for _ in results]
    made = []

    def call(number, config):
        made.append(number)
        try:
            if number + 1 < len(results) and not ended[number + 1].wait(PATIENCE):
                raise TimeoutError("the calls did not run at the same time")
            if isinstance(results[number], Exception):
                raise results[number]
            return results[number]
        finally:
            ended[number].set()

    came = with_batch(batch, call).batch(list(range(len(results))))
    return came if sorted(made) == list(range(len(results))) else f"called with {sorted(made)}"


def batch_with(batch, inputs, *, own=None, function=None, **options):
    """What comes of a batch: the exceptions in it, and one that is raised, as text with its notes."""

    def call(value, config):
        if isinstance(value, Exception):
            raise value
        return function(config) if function else value

    runnable = with_batch(batch, call).with_config(own)
    try:
        came = runnable.batch(inputs, **options)
    except (ValueError, TypeError) as error:
        return "raised", with_notes(error)
    if not isinstance(came, list):
        return came
    return [with_notes(each) if isinstance(each, Exception) else each for each in came]


def with_notes(error):
    return said(error), [str(note) for note in getattr(error, "__notes__", [])]


def peak_of(batch, own, config):
    """The most inputs at a time. The first to come wait for one too many, who should not come."""
    lock, come, now, peaks = threading.Lock(), [], [], []
    width = min(each["max_concurrency"] for each in (own, config) if each)
    full, too_many = threading.Event(), threading.Event()

    def call(value, config):
        with lock:
            come.append(value)
            now.append(value)
            peaks.append(len(now))
            is_first = len(come) <= width
            if len(now) == width:
                full.set()
            if len(now) > width:
                too_many.set()
        if is_first:
            full.wait(PATIENCE)
            too_many.wait(PATIENCE / 10)
        with lock:
            now.remove(value)

    with_batch(batch, call).with_config(own).batch(list(range(width + 2)), config)
    return max(peaks)


def one_input(batch):
    """Of a batch of one: is it in the caller's thread, and does its config stay inside?"""
    runnable = with_batch(batch, lambda value, config: (threading.current_thread(), config["tags"]))

    def call():
        ((thread, tags),) = runnable.batch(["a"], {"tags": ["inside"]})
        return thread is threading.current_thread(), tags, inherited.get()["tags"]

    return copy_context().run(call)


BATCH = {
    "title": "batch, from what one value needs",
    "course": Runnable.batch,
    "cases": [
        {
            "case": "three inputs, of which the last ends first",
            "run": lambda batch: batch_in_reverse(batch, ["a", "b", "c"]),
            "expect": ["a", "b", "c"],
            "hint": "Make a call of each input, `partial(call, number)` say, and give `run_on_threads` a "
            "dict of them.",
        },
        {
            "case": "results that count as false",
            "run": lambda batch: batch_in_reverse(batch, [0, None, ""]),
            "expect": [0, None, ""],
            "hint": "`0`, `None` and the empty text are results, too.",
        },
        {
            "case": "no inputs",
            "run": lambda batch: batch_with(batch, []),
            "expect": [],
            "hint": "No inputs give an empty list.",
        },
        {
            "case": "a single input: its thread, its tags, and the caller's tags afterwards",
            "run": one_input,
            "expect": (True, ["inside"], []),
            "hint": "Without `run_on_threads` there is no context of its own: `copy_context().run(call, 0)`.",
        },
        {
            "case": "one config for each input, and one for all",
            "run": lambda batch: [
                batch_with(
                    batch, [1, 2], function=lambda config: config["tags"], config=[{"tags": ["x"]}, None]
                ),
                batch_with(batch, [1, 2], function=lambda config: config["tags"], config={"tags": ["y"]}),
            ],
            "expect": [[["x"], []], [["y"], ["y"]]],
            "hint": "`config_for_each(inputs, config)` gives a list with the config of each input.",
        },
        {
            "case": "inputs that are no list",
            "run": lambda batch: batch_with(batch, "ab"),
            "expect": ("raised", ("TypeError: inputs is a str; it must be a list", [])),
            "hint": "`config_for_each` says so. Call it first.",
        },
        {
            "case": "the failure of one of three",
            "run": lambda batch: batch_with(batch, [1, ValueError("no"), 3]),
            "expect": ("raised", ("ValueError: no", ["in inputs[1]"])),
            "hint": 'Give `self._run` the place, f"in inputs[{number}]", and let the exception through.',
        },
        {
            "case": "the same with return_exceptions=True",
            "run": lambda batch: batch_with(batch, [1, ValueError("no"), 3], return_exceptions=True),
            "expect": [1, ("ValueError: no", ["in inputs[1]"]), 3],
            "hint": "Catch an Exception of a single call there, and return it in place of a result.",
        },
        {
            "case": "a single input that fails, without return_exceptions and with it",
            "run": lambda batch: [
                batch_with(batch, [ValueError("no")]),
                batch_with(batch, [ValueError("no")], return_exceptions=True),
            ],
            "expect": [
                ("raised", ("ValueError: no", ["in inputs[0]"])),
                [("ValueError: no", ["in inputs[0]"])],
            ],
            "hint": "What holds for one of three holds for a single one, too: run the same call.",
        },
        {
            "case": "the most at a time: limits of 1, 2 and 6, by the call or with_config",
            "run": lambda batch: [
                peak_of(batch, None, {"max_concurrency": 1}),
                peak_of(batch, {"max_concurrency": 2}, None),
                peak_of(batch, None, {"max_concurrency": 6}),
            ],
            "expect": [1, 2, 6],
            "hint": "The limit of `run_on_threads` is `self._limit(configs)`.",
        },
    ],
}


def acall_on(acall, *functions, config=None):
    """What `acall` gives for "review", on a Function made of `functions`."""
    function = type("WithAcall", (Function,), {"acall": acall})(*functions)
    came = asyncio.run(function.acall("review", {**DEFAULTS, **(config or {})}))
    if asyncio.iscoroutine(came):
        came.close()
        return "a coroutine that nobody has awaited"
    return came


def where_it_runs(acall):
    """Does a plain function run on another thread than the loop's?"""

    async def main():
        loop = threading.get_ident()
        function = type("WithAcall", (Function,), {"acall": acall})(
            lambda value: "the loop's thread" if threading.get_ident() == loop else "another thread"
        )
        return await function.acall("review", DEFAULTS)

    return asyncio.run(main())


def threads_for(acall, limits):
    """Whose thread a plain function gets under each limit: one of the loop's executor, or its own."""

    def whose(value):
        name = threading.current_thread().name
        return "the executor's" if name.startswith("asyncio") else "its own"

    return [acall_on(acall, whose, config={"max_concurrency": limit}) for limit in limits]


def config_afterwards(acall):
    """What a plain and an async function see that change their tags, and then the caller's tags."""

    def plain(value, config):
        config["tags"].append("changed")
        return config["tags"]

    async def not_plain(value, config):
        return plain(value, config)

    given = {"tags": ["call"]}
    return [acall_on(acall, each, config=given) for each in (plain, not_plain)], given["tags"]


def failures_of(acall):
    """What comes of a plain and of an async function that raise."""
    error = ValueError("no")

    def plain(value):
        raise error

    async def not_plain(value):
        raise error

    came = []
    for function in (plain, not_plain):
        try:
            came.append(acall_on(acall, function))
        except ValueError as raised:
            came.append(VERY if raised is error else said(raised))
    return came


def cancelled_on_a_thread(acall):
    """Cancel a call under way on a thread. Has the function ended when the call has?"""
    begun, go_on, log = threading.Event(), threading.Event(), []

    def function(value):
        begun.set()
        go_on.wait(PATIENCE)
        log.append("ended")

    async def main():
        holder = type("WithAcall", (Function,), {"acall": acall})(function)
        task = asyncio.create_task(holder.acall("review", DEFAULTS))
        while not (begun.is_set() or task.done()):
            await asyncio.sleep(0)
        task.cancel()
        await clean_up()
        early = task.done()
        go_on.set()
        await asyncio.wait([task], timeout=PATIENCE)
        return "left its thread behind" if early else (list(log), task.cancelled())

    return asyncio.run(main())


async def async_upper(value):
    return value.upper()


async def async_choice(value):
    return Probe(lambda value, config: (value, config["recursion_limit"]))


def plain_choice(value):
    return Probe(lambda value, config: (value, config["recursion_limit"]))


ACALL = {
    "title": "The way under ainvoke",
    "course": Function.acall,
    "cases": [
        {
            "case": "an async function, alone and beside a plain one",
            "run": lambda acall: [acall_on(acall, async_upper), acall_on(acall, len, async_upper)],
            "expect": ["REVIEW", "REVIEW"],
            "hint": "If `self.afunc` is not None, await it, by way of `call_with`.",
        },
        {
            "case": "a plain function: where it runs",
            "run": where_it_runs,
            "expect": "another thread",
            "hint": "`run_in_thread` takes a call without arguments: `partial(call_with, ...)`.",
        },
        {
            "case": "results that count as false",
            "run": lambda acall: [acall_on(acall, lambda value, each=each: each) for each in (0, None, "")],
            "expect": [0, None, ""],
            "hint": "`0`, `None` and the empty text are results, too.",
        },
        {
            "case": "a plain function that returns a coroutine",
            "run": lambda acall: acall_on(acall, lambda value: async_upper(value)),
            "expect": "REVIEW",
            "hint": "`inspect.iscoroutine(result)` tells. Await it.",
        },
        {
            "case": "functions that take the config, and change theirs",
            "run": config_afterwards,
            "expect": ([["call", "changed"]] * 2, ["call"]),
            "hint": "Give `call_with` the config if `self.func_takes_config`, or `self.afunc_takes_config` "
            "for the async one, and else None. It makes a copy.",
        },
        {
            "case": "functions that return a runnable",
            "run": lambda acall: [acall_on(acall, plain_choice), acall_on(acall, async_choice)],
            "expect": [("review", 24)] * 2,
            "hint": "`isinstance(result, Runnable)`: then await its `ainvoke(value, "
            "self._one_deeper(config))`, whichever function it came from.",
        },
        {
            "case": "functions that fail",
            "run": failures_of,
            "expect": [VERY, VERY],
            "hint": "Let the exception through as it is.",
        },
        {
            "case": "a cancellation while a plain function runs",
            "run": cancelled_on_a_thread,
            "expect": (["ended"], True),
            "hint": "Await `run_in_thread`, which waits for the function's end; `to_thread` does not.",
        },
        {
            "case": "whose thread it is: without a limit, with a limit of 1, and of 9",
            "run": lambda acall: threads_for(acall, [None, 1, 9]),
            "expect": ["the executor's", "its own", "its own"],
            "hint": "run_in_thread(call, own_thread=is_limited(config))",
        },
    ],
}


class Callable(Probe):
    """A runnable that can be called, too."""

    def __call__(self, value):
        return "called"


def kind_of(thing):
    """A runnable in words: its class, and what is inside."""
    match type(thing).__name__:
        case "RunnableLambda":
            return f"RunnableLambda of {thing.function}"
        case "RunnableParallel":
            return {name: kind_of(branch) for name, branch in thing.branches.items()}
        case kind:
            return kind


def coerced(coerce, *things):
    """What is made of each thing; an error as text."""
    came = []
    for thing in things:
        try:
            runnable = coerce(thing)
            came.append("that very one" if runnable is thing else kind_of(runnable))
        except TypeError as error:
            name = type(thing).__name__
            came.append(f"TypeError: {name}" if name in str(error) else f"TypeError without {name}")
    return came


COERCE = {
    "title": "Anything that can be called",
    "course": coerce_to_runnable,
    "cases": [
        {
            "case": "a runnable, also one that can be called",
            "run": lambda coerce: coerced(
                coerce, RunnableLambda(len), Callable(len), RunnableParallel(a=len)
            ),
            "expect": ["that very one"] * 3,
            "hint": "Ask first whether it is a Runnable. Some of them can be called, too.",
        },
        {
            "case": "a function, an async one, a class",
            "run": lambda coerce: coerced(coerce, len, async_upper, str),
            "expect": ["RunnableLambda of len", "RunnableLambda of async_upper", "RunnableLambda of str"],
            "hint": "`callable(thing)` is true for all three.",
        },
        {
            "case": "a dict, and a dict in it",
            "run": lambda coerce: coerced(coerce, {"b": len, "a": {"c": str}}),
            "expect": [{"b": "RunnableLambda of len", "a": {"c": "RunnableLambda of str"}}],
            "hint": "RunnableParallel(thing) does the rest, for the dicts inside, too.",
        },
        {
            "case": "an empty dict",
            "run": lambda coerce: coerced(coerce, {}),
            "expect": [{}],
            "hint": "An empty dict counts as false, but it is a dict.",
        },
        {
            "case": "a text, and None",
            "run": lambda coerce: coerced(coerce, "text", None),
            "expect": [
                "TypeError: str",
                "TypeError: NoneType",
            ],
            "hint": "Raise a TypeError for anything else. `type(thing).__name__` is the name of its type.",
        },
    ],
}


# --- Lesson 4b: exercises at its end


def mask_one(mask, review):
    """Mask a review; return the new one, the old one, and whether both are one object."""
    given = dict(review)
    masked = asyncio.run(mask(given))
    return masked, given == review, masked is given


MASK_A_COPY = {
    "title": "Mask a copy",
    "cases": [
        {
            "case": "a text with one poor word, and the review that was given",
            "run": lambda mask: mask_one(mask, {"text": "Great battery, poor strap."}),
            "expect": ({"text": "Great battery, **** strap."}, True, False),
            "hint": "Make a new dict, and leave the given one as it is: `{**review, ...}`.",
        },
        {
            "case": "two poor words, and other keys",
            "run": lambda mask: mask_one(mask, {"stars": 2, "text": "poor, poor", "shop": ""}),
            "expect": ({"stars": 2, "text": "****, ****", "shop": ""}, True, False),
            "hint": "All keys of the review go into the new one.",
        },
        {
            "case": "an empty text",
            "run": lambda mask: mask_one(mask, {"text": ""}),
            "expect": ({"text": ""}, True, False),
            "hint": "An empty text is a text, too. Return a new dict for it.",
        },
    ],
}

WHICH_LIMIT = {
    "title": "Which limit holds?",
    "reads": "numbers",
    "cases": [
        {
            "case": "the limit that is reported in each of the four calls",
            "expect": [4, 3, 4, 6],
            "hint": "Which limits are inherited, which comes from with_config, and which is the call's own?",
        }
    ],
    "wrong": [
        {
            "answer": (4, 3, 9, 6),
            "hint": "That is langchain-core. In yours, of the inherited 9 and the 4 the smaller holds.",
        },
        {
            "answer": (4, 3, 4, 3),
            "hint": "In the fourth, `inner` is given a limit by its own call.",
        },
        {
            "answer": (4, 3, 4, 4),
            "hint": "In the fourth, `inner` is given a limit by its own call, which wins.",
        },
        {
            "answer": (4, 4, 4, 6),
            "hint": "In the second a limit is inherited that is smaller than that of with_config.",
        },
    ],
}


def ask_for_tags(ask, count):
    """The tags that `count` calls at the same time see, each asked with tags of its own."""
    together = threading.Barrier(count)

    def report(value, config):
        together.wait(PATIENCE)
        return value, config["tags"]

    def one(pool, value):
        inherited.set({**DEFAULTS, "tags": [f"call {value}"]})
        future = ask(pool, RunnableLambda(report), value)
        return future if isinstance(future, Future) else f"no future of the pool: {future!r}"

    with ThreadPoolExecutor(count) as pool:
        futures = [copy_context().run(one, pool, number) for number in range(count)]
        return [future if isinstance(future, str) else future.result(PATIENCE) for future in futures]


def ask_twice_from_one(ask):
    """Two calls at the same time, asked by one caller."""
    together = threading.Barrier(2)

    def report(value, config):
        together.wait(PATIENCE)
        return config["tags"]

    def main(pool):
        inherited.set({**DEFAULTS, "tags": ["shop"]})
        futures = [ask(pool, RunnableLambda(report), number) for number in range(2)]
        return [future.result(PATIENCE) for future in futures], inherited.get()["tags"]

    with ThreadPoolExecutor(2) as pool:
        return copy_context().run(main, pool)


def report_limit(value, config):
    return config["max_concurrency"]


def ask_under_a_limit(ask):
    """The limit that a runnable with 2 of its own sees, asked where 8 is inherited."""

    def main(pool):
        inherited.set({**DEFAULTS, "max_concurrency": 8})
        return ask(pool, RunnableLambda(report_limit).with_config(max_concurrency=2), 1).result(PATIENCE)

    with ThreadPoolExecutor(1) as pool:
        return copy_context().run(main, pool)


def ask_for(ask, function):
    """What is in the future for a function, and whether it ran in the pool."""
    where = []

    def call(value):
        where.append(threading.current_thread().name.startswith("pool of the caller"))
        return function(value)

    with ThreadPoolExecutor(1, "pool of the caller") as pool:
        future = ask(pool, RunnableLambda(call), "")
        error = future.exception(PATIENCE)
        return (future.result() if error is None else said(error)), where


LOST_CONFIG = {
    "title": "A config that does not arrive",
    "cases": [
        {
            "case": "the tags that a call in the pool sees",
            "run": lambda ask: ask_for_tags(ask, 1),
            "expect": [(0, ["call 0"])],
            "hint": "Take the context along: `copy_context().run` runs a function in a copy of it.",
        },
        {
            "case": "three calls at the same time, each asked from a context of its own",
            "run": lambda ask: ask_for_tags(ask, 3),
            "expect": [(number, [f"call {number}"]) for number in range(3)],
            "hint": "Return the pool's future at once, and copy the context in `ask`, not in the pool.",
        },
        {
            "case": "two calls at the same time, asked from one context",
            "run": ask_twice_from_one,
            "expect": ([["shop"], ["shop"]], ["shop"]),
            "hint": "Two threads cannot run in one context at the same time: a copy for each call.",
        },
        {
            "case": "the limit of a runnable that has 2 of its own, where 8 is inherited",
            "run": ask_under_a_limit,
            "expect": 2,
            "hint": "What is inherited is not the call's own: copy the context, and hand over no config.",
        },
        {
            "case": "an empty text as input and as result, in the caller's pool",
            "run": lambda ask: ask_for(ask, str),
            "expect": ("", [True]),
            "hint": "Submit `runnable.invoke` with the value to the pool that you are given, once.",
        },
        {
            "case": "a failure",
            "run": lambda ask: ask_for(ask, int),
            "expect": ("ValueError: invalid literal for int() with base 10: ''", [True]),
            "hint": "The failure belongs into the future. Do not catch it.",
        },
    ],
}


def fall_back(fallback, first, second, way="invoke"):
    """What a Fallback of two functions of value and config gives, and who was asked with which tags."""
    asked = []

    def noting_it(name, function):
        def call(value, config):
            asked.append((name, value, config["tags"]))
            return function(value)

        return Probe(call)

    runnable = fallback(noting_it("first", first), noting_it("second", second))
    try:
        if way == "invoke":
            came = runnable.invoke("x", {"tags": ["call"]})
        else:
            came = asyncio.run(runnable.ainvoke("x", {"tags": ["call"]}))
    except (ValueError, LookupError) as error:
        came = said(error)
    return came, [name for name, *_ in asked], all(each[1:] == ("x", ["call"]) for each in asked)


def on_both_ways(fallback, first, second):
    return [fall_back(fallback, first, second, way) for way in ("invoke", "ainvoke")]


def raising(error):
    def function(value):
        raise error

    return function


def cancel_fallback(fallback):
    """Cancel a Fallback whose first waits; what became of it, and whether the second was asked."""
    asked = []

    class Waits(Probe):
        async def _ainvoke(self, value, config):
            started.set()
            await asyncio.sleep(PATIENCE)

    async def main():
        nonlocal started
        started = asyncio.Event()
        second = Probe(lambda value, config: asked.append("second"))
        task = asyncio.create_task(fallback(Waits(None), second).ainvoke("x"))
        await asyncio.wait([task, asyncio.ensure_future(started.wait())], return_when="FIRST_COMPLETED")
        task.cancel()
        await asyncio.wait([task], timeout=PATIENCE)
        return "cancelled" if task.cancelled() else "not cancelled", asked

    started = None
    return asyncio.run(main())


def is_on_the_loop(fallback):
    """Is the first awaited, and not called on a thread?"""

    class Awaited(Probe):
        async def _ainvoke(self, value, config):
            return "awaited"

    return asyncio.run(fallback(Awaited(lambda value, config: "called"), Probe(None)).ainvoke("x"))


def fallback_under_a_limit(fallback):
    """The limit that a first with 2 of its own sees, called with 8, on both ways."""
    runnable = fallback(RunnableLambda(report_limit).with_config(max_concurrency=2), Probe(None))
    config = {"max_concurrency": 8}
    return runnable.invoke("x", config), asyncio.run(runnable.ainvoke("x", config))


FALLBACK = {
    "title": "A runnable of your own",
    "cases": [
        {
            "case": "the first gives a result, on both ways",
            "run": lambda fallback: on_both_ways(fallback, str.upper, str.lower),
            "expect": [("X", ["first"], True)] * 2,
            "hint": "`return self.first.invoke(value)`, and in `_ainvoke` await its `ainvoke`.",
        },
        {
            "case": "the first gives a result that counts as false",
            "run": lambda fallback: [
                on_both_ways(fallback, lambda value, each=each: each, str.lower) for each in (0, None, "")
            ],
            "expect": [[(each, ["first"], True)] * 2 for each in (0, None, "")],
            "hint": "`0`, `None` and the empty text are results: only an exception asks the second.",
        },
        {
            "case": "the first fails",
            "run": lambda fallback: on_both_ways(fallback, raising(ValueError("no")), str.upper),
            "expect": [("X", ["first", "second"], True)] * 2,
            "hint": "Catch the Exception of the first, and give the second the same value.",
        },
        {
            "case": "both fail",
            "run": lambda fallback: on_both_ways(
                fallback, raising(ValueError("no")), raising(LookupError("neither"))
            ),
            "expect": [("LookupError: neither", ["first", "second"], True)] * 2,
            "hint": "Nobody is left to ask: let the second's exception through.",
        },
        {
            "case": "the limit of a first that has 2 of its own, called with 8",
            "run": fallback_under_a_limit,
            "expect": (2, 2),
            "hint": "What is inherited is not the call's own: call `first.invoke(value)` without a config.",
        },
        {
            "case": "an async first",
            "run": is_on_the_loop,
            "expect": "awaited",
            "hint": "Under `ainvoke` use the `ainvoke` of both.",
        },
        {
            "case": "a cancellation",
            "run": cancel_fallback,
            "expect": ("cancelled", []),
            "hint": "CancelledError is no Exception. Do not catch it.",
        },
    ],
}

QUIZ_RUNNABLE = [
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
]

# --- Lesson 4c

SPAN = {
    "title": "The span",
    "course": span,
    "cases": [
        {
            "case": "a single call, also one of 0 seconds",
            "run": lambda span: [span(3), span(0)],
            "expect": [3, 0],
            "hint": "What is neither a dict nor a list is the seconds of a call.",
        },
        {
            "case": "three at the same time",
            "run": lambda span: span({"a": 1, "b": 4, "c": 2}),
            "expect": 4,
            "hint": "At the same time: the longest of them counts.",
        },
        {
            "case": "three one after another",
            "run": lambda span: span([1, 4, 2]),
            "expect": 7,
            "hint": "One after another: the sum counts.",
        },
        {
            "case": "a tree",
            "run": lambda span: span([{"a": [1, {"b": 2, "c": 5}], "d": 4}, {"e": 1}, 2]),
            "expect": 9,
            "hint": "Each branch and each step is a tree, too: call `span` for it.",
        },
        {
            "case": "no branches, and no steps",
            "run": lambda span: [span({}), span([])],
            "expect": [0, 0],
            "hint": "`max` of nothing is an error, but for `max(..., default=0)`.",
        },
    ],
}

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

QUIZ_DEEPER = [
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
