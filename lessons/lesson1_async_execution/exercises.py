"""Exercises of lesson 1 as plain data: cases with what is expected, typical wrong answers, hints."""

import asyncio
import threading
from functools import partial

from lessons.lesson1_async_execution.event_loop import EventLoop, sleep
from lessons.lesson1_async_execution.tasks import run_as_tasks

PREDICT_AN_ORDER = {
    "title": "Predict an order",
    "reads": "letters",
    "cases": [
        {
            "case": "the order of the letters",
            "expect": "ACDBE",
            "hint": "Follow the queue on paper: take the first, run it to its next pause, put it back.",
        }
    ],
    "wrong": [
        {"answer": "ABCDE", "hint": "That is the order without any pause. What does `await pause` do?"},
        {"answer": "ACDEB", "hint": "three() pauses twice, so one() gets its second turn before E."},
    ],
}

FIND_THE_BLOCKING_CALL = {
    "title": "Find the blocking call",
    "reads": "words",
    "cases": [
        {
            "case": "the branch that blocks the loop",
            "expect": ["store"],
            "hint": "Look for a wait that is neither awaited nor on another thread.",
        }
    ],
    "wrong": [
        {"answer": "fetch", "hint": "asyncio.sleep suspends the task; the loop is free meanwhile."},
        {"answer": "parse", "hint": "time.sleep blocks its thread. But which thread is it on here?"},
        {
            "answer": "notify",
            "hint": "A task of its own, awaited at once: not concurrent, but nothing is blocked.",
        },
    ],
}


PATIENCE = 2.0  # seconds that a case waits for branches that may never end


def loop_of(gather):
    """A new loop, of the class that the notebook of an answer defines: its loop knows its tasks only."""
    own = getattr(gather, "__globals__", {}).get("EventLoop")
    return own() if hasattr(own, "make_ready") else EventLoop()


def run_on_toy_loop(gather, outcomes):
    """Gather a toy coroutine for each (seconds, outcome), an exception being raised.

    Returns the results, or the error in words, and the loop's clock.
    """

    async def nap(seconds, outcome):
        await sleep(seconds)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    loop = loop_of(gather)
    coroutines = [nap(seconds, outcome) for seconds, outcome in outcomes]
    try:
        return loop.run(gather(loop, coroutines)), loop.now
    except LookupError as error:
        return f"{type(error).__name__}: {error}", loop.now
    finally:
        for each in coroutines:
            each.close()  # an answer may not have run them all: no warning for those


FAILURE = LookupError("no answer")

WRITE_GATHER = {
    "title": "Write gather for the toy loop",
    "cases": [
        {
            "case": "the results of two coroutines",
            "run": lambda gather: run_on_toy_loop(gather, [(0.01, "a"), (0.02, "b")])[0],
            "expect": ["a", "b"],
            "hint": "Make a task of each with loop.create_task(coroutine, name), then await the tasks.",
        },
        {
            "case": "the order of the list, though the last ends first",
            "run": lambda gather: run_on_toy_loop(gather, [(0.03, "a"), (0.02, "b"), (0.01, "c")])[0],
            "expect": ["a", "b", "c"],
            "hint": "Await the tasks in the order in which you created them.",
        },
        {
            "case": "the loop's clock at the end, with naps of 0.03, 0.01 and 0.02 seconds",
            "run": lambda gather: run_on_toy_loop(gather, [(0.03, "a"), (0.01, "b"), (0.02, "c")])[1],
            "expect": 0.03,
            "hint": "They did not all overlap on this loop. Create all the tasks before you await the first.",
        },
        {
            "case": "results that count as false",
            "run": lambda gather: run_on_toy_loop(gather, [(0, 0), (0, None), (0, "")])[0],
            "expect": [0, None, ""],
            "hint": "`0`, `None` and the empty text are results, too.",
        },
        {
            "case": "what comes out when the first of two fails",
            "run": lambda gather: run_on_toy_loop(gather, [(0.01, FAILURE), (0.02, "b")])[0],
            "expect": "LookupError: no answer",
            "hint": "Awaiting a task that has failed raises its exception. Let it through.",
        },
        {
            "case": "what comes out when the second of two fails",
            "run": lambda gather: run_on_toy_loop(gather, [(0.02, "a"), (0.01, FAILURE)])[0],
            "expect": "LookupError: no answer",
            "hint": "Await every task, and let what it raises through.",
        },
        {
            "case": "no coroutines at all",
            "run": lambda gather: run_on_toy_loop(gather, [])[0],
            "expect": [],
            "hint": "With nothing to wait for, return an empty list.",
        },
    ],
}


def run_two_that_meet(ainvoke):
    """Run two branches of which the first cannot end before the second has started."""

    async def both():
        started = asyncio.Event()

        async def waits_for_second(value):
            await asyncio.wait_for(started.wait(), PATIENCE)
            return value

        async def second(value):
            started.set()
            return value

        branches = {"first": waits_for_second, "second": second}
        try:
            return await asyncio.wait_for(ainvoke(branches, 7), PATIENCE)
        except TimeoutError:
            return f"the second branch had not started after {PATIENCE:g} s"

    return asyncio.run(both())


def run_in_reverse(ainvoke):
    """Run six branches of which each ends before the one declared ahead of it; return the items."""

    async def all_six():
        ended = [asyncio.Event() for _ in range(7)]
        ended[6].set()

        def branch(number):
            async def after_the_next(value):
                await asyncio.wait_for(ended[number + 1].wait(), PATIENCE)
                ended[number].set()
                return value + number

            return after_the_next

        try:
            results = await asyncio.wait_for(ainvoke({f"b{n}": branch(n) for n in range(6)}, 10), PATIENCE)
        except TimeoutError:
            return f"not all had ended after {PATIENCE:g} s"
        return list(results.items())

    return asyncio.run(all_six())


def where_they_run(ainvoke):
    """Run three branches; return how often they are called, in how many tasks, on how many threads."""
    tasks, threads = [], set()

    async def branch(value):
        tasks.append(asyncio.current_task())
        threads.add(threading.get_ident())
        return value

    asyncio.run(ainvoke(dict.fromkeys("abc", branch), 1))
    return len(tasks), len(set(tasks)), len(threads)


def what_comes_out(ainvoke, outcomes):
    """Run a branch for each outcome, an exception being raised; return the results, or the error in words."""

    def branch(outcome):
        async def give(value):
            await asyncio.sleep(0)
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        return give

    try:
        return asyncio.run(ainvoke({name: branch(outcome) for name, outcome in outcomes.items()}, 1))
    except ExceptionGroup as group:
        return ", ".join(f"{type(error).__name__}: {error}" for error in group.exceptions)
    except LookupError as error:
        return f"{type(error).__name__}: {error}"


MAKE_IT_CONCURRENT = {
    "title": "It looks concurrent",
    "cases": [
        {
            "case": "a first branch that waits for the second to start",
            "run": run_two_that_meet,
            "expect": {"first": 7, "second": 7},
            "hint": "Create all the tasks first. Then await each of them, and return the results by name.",
        },
        {
            "case": "six branches that end in reverse order",
            "run": run_in_reverse,
            "expect": [(f"b{number}", 10 + number) for number in range(6)],
            "hint": "All six at the same time; then a dict of name to result, in the order of the branches.",
        },
        {
            "case": "three branches: the calls made, the tasks and the threads that they run on",
            "run": where_they_run,
            "expect": (3, 3, 1),
            "hint": "Call each branch once, and make a task of it on the loop that runs.",
        },
        {
            "case": "results that count as false",
            "run": lambda ainvoke: what_comes_out(ainvoke, {"a": 0, "b": None, "c": ""}),
            "expect": {"a": 0, "b": None, "c": ""},
            "hint": "`0`, `None` and the empty text are results, too.",
        },
        {
            "case": "the exception of one of two branches",
            "run": lambda ainvoke: what_comes_out(ainvoke, {"a": 1, "b": FAILURE}),
            "expect": "LookupError: no answer",
            "hint": "Awaiting a task that has failed raises its exception. Let it through.",
        },
        {
            "case": "no branches at all",
            "run": lambda ainvoke: asyncio.run(ainvoke({}, 3)),
            "expect": {},
            "hint": "An empty dict gives an empty dict.",
        },
    ],
}


def as_ainvoke(run_as_tasks):
    """The `ainvoke` that the learner's function makes, to be tried as exercise 4 is."""

    async def ainvoke(branches, value):
        calls = {name: partial(branch, value) for name, branch in branches.items()}
        return dict(zip(calls, await run_as_tasks(calls)))

    return ainvoke


def results_of(run_as_tasks, outcomes):
    """What the learner's function returns for calls that return these."""

    def call(outcome):
        async def give():
            return outcome

        return give

    return asyncio.run(run_as_tasks({str(number): call(outcome) for number, outcome in enumerate(outcomes)}))


def names_of_tasks(run_as_tasks):
    """Run three calls; return the name of the task that each of them finds itself in."""

    async def name():
        return asyncio.current_task().get_name()

    return asyncio.run(run_as_tasks({"summary": name, "sentiment": name, "keywords": name}))


def what_is_raised(run_as_tasks):
    """Run two calls of which the second fails; return the error in words."""

    async def fine():
        return 1

    async def fail():
        raise FAILURE

    try:
        return asyncio.run(run_as_tasks({"fine": fine, "fails": fail}))
    except LookupError as error:
        return f"{type(error).__name__}: {error}"


RUN_AS_TASKS = {
    "title": "Write run_as_tasks",
    "course": run_as_tasks,
    "cases": [
        {
            "case": "the results of two calls, as a list",
            "run": lambda run: results_of(run, ["a", "b"]),
            "expect": ["a", "b"],
            "hint": "Make a task of each call with asyncio.create_task(call()), then await each task.",
        },
        {
            "case": "a first call that waits for the second to start",
            "run": lambda run: run_two_that_meet(as_ainvoke(run)),
            "expect": {"first": 7, "second": 7},
            "hint": "Create all the tasks before you await the first one.",
        },
        {
            "case": "six calls that end in reverse order",
            "run": lambda run: run_in_reverse(as_ainvoke(run)),
            "expect": [(f"b{number}", 10 + number) for number in range(6)],
            "hint": "Await the tasks in the order of the calls, whatever has ended first.",
        },
        {
            "case": "three branches: the calls made, the tasks and the threads that they run on",
            "run": lambda run: where_they_run(as_ainvoke(run)),
            "expect": (3, 3, 1),
            "hint": "Call each once, `call()`, and make a task of what comes.",
        },
        {
            "case": "the names of the tasks",
            "run": names_of_tasks,
            "expect": ["summary", "sentiment", "keywords"],
            "hint": "asyncio.create_task takes a name: create_task(call(), name=name).",
        },
        {
            "case": "results that count as false",
            "run": lambda run: results_of(run, [0, None, ""]),
            "expect": [0, None, ""],
            "hint": "`0`, `None` and the empty text are results, too.",
        },
        {
            "case": "the exception of one of two calls",
            "run": what_is_raised,
            "expect": "LookupError: no answer",
            "hint": "Awaiting a task that has failed raises its exception. Let it through as it is.",
        },
        {
            "case": "no calls at all",
            "run": lambda run: results_of(run, []),
            "expect": [],
            "hint": "No calls give an empty list.",
        },
    ],
}

QUIZ = [
    {
        "question": "`job = work()` for an `async def work()`. What has run of the body?",
        "options": ["all of it", "everything up to the first `await`", "nothing"],
        "answer": 2,
        "why": [
            "That would be a plain function. An `async def` builds a coroutine object.",
            "Nobody has sent anything yet. And a `send` goes to the first pause, not the first `await`.",
            "The body runs when something drives it: `send`, an `await`, or a task on a loop.",
        ],
    },
    {
        "question": "A thousand coroutines wait for the network on one event loop. What does each hold?",
        "options": ["a thread that is blocked", "no thread: it is an object in memory", "a core"],
        "answer": 1,
        "why": [
            "That is the path of threads, under `invoke`.",
            "When nothing is ready, the loop's one thread waits for all thousand together.",
            "Waiting needs no core, and one thread never uses more than one.",
        ],
    },
    {
        "question": "`await a()` and then `await b()`, for two calls of one second. How long does it take?",
        "options": ["one second: `await` is concurrent", "two seconds", "it depends on the number of cores"],
        "answer": 1,
        "why": [
            "`await` waits. The call `b()` does not exist before the first line is done.",
            "One after another. For one second, create two tasks first.",
            "One thread runs both. Cores play no part.",
        ],
    },
    {
        "question": "In a Jupyter cell you call `chain.invoke(review)`. What runs the branches?",
        "options": ["the notebook's event loop", "worker threads", "the main thread, one after another"],
        "answer": 1,
        "why": [
            "It would need `ainvoke`. The method decides, not the place.",
            "`invoke` takes threads anywhere. Here it also blocks the notebook's loop meanwhile.",
            "The branches do run at the same time, each on a worker thread.",
        ],
    },
    {
        "question": "Among `async def` branches one calls `requests.get`. What do the others do meanwhile?",
        "options": [
            "they go on: that is the point of asyncio",
            "they stand still until it returns",
            "they are moved to another thread",
        ],
        "answer": 1,
        "why": [
            "They go on only while the loop's thread is free. This call keeps it.",
            "The thread is blocked inside the call. Timers come due and nobody looks at them.",
            "asyncio moves nothing. You would write `await asyncio.to_thread(...)`.",
        ],
    },
]
