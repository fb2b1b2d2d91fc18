"""Exercises of lesson 1 as plain data: cases with what is expected, typical wrong answers, hints."""

import asyncio
import threading
import types
from functools import partial
from types import SimpleNamespace

from lessons.lesson1_async_execution.event_loop import EventLoop, sleep
from lessons.lesson1_async_execution.runnable_parallel import RunnableParallel
from lessons.lesson1_async_execution.tasks import run_as_tasks
from lessons.lesson1_async_execution.turns import take_turns
from lessons.lesson1_async_execution.waits import future_sleep, off_the_loop

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

IS_IT_A_PAUSE = {
    "title": "Is every await a pause?",
    "reads": "letters",
    "cases": [
        {
            "case": "the order of the letters",
            "expect": "ABCD",
            "hint": "A coroutine hands back the thread at a `yield`. Is there one below this `await`?",
        }
    ],
    "wrong": [{"answer": "ACBD", "hint": "That would need a pause at the `await`. Where is the `yield`?"}],
}

NEVER_AWAITED = {
    "title": "The call that never happens",
    "reads": "words",
    "cases": [
        {
            "case": "the one that never makes its call",
            "expect": ["third"],
            "hint": "Who drives the coroutine that `ask()` builds: an await, a task, or nobody?",
        }
    ],
    "wrong": [
        {"answer": "first", "hint": "`await ask()` drives it right here."},
        {"answer": "second", "hint": "A task is driven by the loop, whether or not somebody awaits it."},
        {"answer": "fourth", "hint": "`call` is another name for the function. It is called, and awaited."},
    ],
}

HOW_MANY_AT_ONCE = {
    "title": "How many at once?",
    "reads": "numbers",
    "cases": [
        {
            "case": "the peak",
            "expect": [2],
            "hint": "Go line by line: which calls have started, and which of them are not done yet?",
        }
    ],
    "wrong": [
        {
            "answer": 3,
            "hint": "When is the task of `akeywords` made: before or after the first await?",
        },
        {"answer": 1, "hint": "The task of `asummary` runs on while the cell awaits `asentiment`."},
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


# --- The building steps take_turns and suspend


@types.coroutine
def turn():
    """Pause, for whoever drives the coroutine."""
    yield "next turn"


def order_of_turns(take_turns, pauses):
    """Drive a coroutine for each name in `pauses`, which pauses so often; return who had each turn."""
    seen = []

    async def work(name, count):
        seen.append(name)
        for _ in range(count):
            await turn()
            seen.append(name)

    coroutines = [work(name, count) for name, count in pauses.items()]
    try:
        take_turns(*coroutines)
    finally:
        for each in coroutines:
            each.close()  # an answer may not have run them all: no warning for those
    return "".join(seen)


def what_take_turns_raises(take_turns):
    """Drive two coroutines of which the second fails at its second turn; return the error in words."""

    async def fine():
        await turn()

    async def fail():
        await turn()
        raise FAILURE

    coroutines = fine(), fail()
    try:
        take_turns(*coroutines)
    except LookupError as error:
        return f"{type(error).__name__}: {error}"
    finally:
        for each in coroutines:
            each.close()


FAILURE = LookupError("no answer")

TAKE_TURNS = {
    "title": "Write take_turns",
    "course": take_turns,
    "cases": [
        {
            "case": "whose turn it is, when a and b pause once each",
            "run": lambda take_turns: order_of_turns(take_turns, {"a": 1, "b": 1}),
            "expect": "abab",
            "hint": "Take the first out and send None once. StopIteration means that it has ended: leave it "
            "out, and go on with the others. Else put it back at the end.",
        },
        {
            "case": "whose turn it is, when a pauses twice, b never and c once",
            "run": lambda take_turns: order_of_turns(take_turns, {"a": 2, "b": 0, "c": 1}),
            "expect": "abcaca",
            "hint": "`send` raises StopIteration when a coroutine has ended: then do not put it back.",
        },
        {
            "case": "a coroutine alone that pauses three times",
            "run": lambda take_turns: order_of_turns(take_turns, {"a": 3}),
            "expect": "aaaa",
            "hint": "Go on for as long as somebody is in the queue.",
        },
        {
            "case": "what comes out when a coroutine fails",
            "run": what_take_turns_raises,
            "expect": "LookupError: no answer",
            "hint": "Catch StopIteration alone, and let every other exception through.",
        },
        {
            "case": "no coroutines at all",
            "run": lambda take_turns: order_of_turns(take_turns, {}),
            "expect": "",
            "hint": "With nothing in the queue, return.",
        },
    ],
}


def loop_with(suspend, events=None):
    """A new loop that has `suspend`, of the class that the notebook of the answer defines.

    events: a list that gets what the loop tells.
    """
    own = getattr(suspend, "__globals__", {}).get("EventLoop")
    base = own if hasattr(own, "make_ready") else EventLoop
    observe = (lambda event, name: None) if events is None else (lambda *event: events.append(event))
    return type("Loop", (base,), {"suspend": suspend})(observe)


def run_all(loop, *coroutines):
    """Run coroutines as tasks on a loop until the last of them is done; return the results."""

    async def main():
        return [await task for task in tasks]

    tasks = [loop.create_task(each, name) for name, each in zip("abc", coroutines)]
    everything = main()
    try:
        return loop.run(everything)
    finally:
        for each in (everything, *coroutines):
            each.close()  # no warning for those that never ran


def clock_after(suspend, *naps):
    """Run a task for each list of naps in seconds; return (who has ended, clock) in order of the ends."""
    ended = []

    async def work(name, seconds):
        for each in seconds:
            await sleep(each)
        ended.append((name, round(loop.now, 6)))

    loop = loop_with(suspend)
    run_all(loop, *(work(name, seconds) for name, seconds in zip("abc", naps)))
    return ended


def who_is_woken(suspend):
    """Let two tasks await a third one; return what each of them got from it."""

    async def reader():
        return await shared

    async def source():
        await sleep(0.01)
        return "an answer"

    loop, answer = loop_with(suspend), source()
    shared = loop.create_task(answer, "source")
    try:
        return run_all(loop, reader(), reader())
    finally:
        answer.close()


def what_is_told(suspend):
    """Let a task nap and another await it; return what the loop tells of their waits."""
    events = []
    run_all(loop_with(suspend, events), sleep(0.01))
    return [event for event in events if event[0] in ("wait", "sleep")]


SUSPEND = {
    "title": "Write suspend",
    "course": EventLoop.suspend,
    "cases": [
        {
            "case": "the loop's clock after a nap of 0.02 seconds",
            "run": lambda suspend: clock_after(suspend, [0.02]),
            "expect": [("a", 0.02)],
            "hint": "A number: push (self.now + request, next(self.number), task) onto self.timers. "
            "A Task: the one that waits is `task`, and `request` keeps it in its list of waiters.",
        },
        {
            "case": "who wakes when, with naps of 0.03, 0.01 and 0.02 seconds",
            "run": lambda suspend: clock_after(suspend, [0.03], [0.01], [0.02]),
            "expect": [("b", 0.01), ("c", 0.02), ("a", 0.03)],
            "hint": "The heap puts the smallest first: the due time must come first in what you push.",
        },
        {
            "case": "a task that naps twice, 0.01 and then 0.02 seconds",
            "run": lambda suspend: clock_after(suspend, [0.01, 0.02]),
            "expect": [("a", 0.03)],
            "hint": "The request counts from now: due at self.now + request.",
        },
        {
            "case": "three naps of the same length",
            "run": lambda suspend: clock_after(suspend, [0.01], [0.01], [0.01]),
            "expect": [("a", 0.01), ("b", 0.01), ("c", 0.01)],
            "hint": "next(self.number), second in what you push, settles ties. Tasks cannot be compared.",
        },
        {
            "case": "a nap of 0 seconds",
            "run": lambda suspend: clock_after(suspend, [0]),
            "expect": [("a", 0.0)],
            "hint": "0 is a number, too: ask what the request is with isinstance, not whether it is true.",
        },
        {
            "case": "two tasks that await the same one",
            "run": who_is_woken,
            "expect": ["an answer", "an answer"],
            "hint": "If the request is a Task, append the task to request.waiters.",
        },
        {
            "case": "what the loop tells",
            "run": what_is_told,
            "expect": [("sleep", "a"), ("wait", "main")],
            "hint": 'Call self.observe("wait", task.name), or with "sleep".',
        },
    ],
}


# --- The building steps future_sleep and off_the_loop


class CountingLoop(asyncio.SelectorEventLoop):
    """An event loop that keeps the timers that were set on it."""

    def __init__(self):
        super().__init__()
        self.set_timers, self.failures = [], []
        self.set_exception_handler(lambda loop, context: self.failures.append(context["message"]))

    def call_at(self, when, callback, *args, **options):
        timer = super().call_at(when, callback, *args, **options)
        self.set_timers.append(timer)
        return timer


def on_counting_loop(function):
    """Run `function(loop)` on such a loop."""
    with asyncio.Runner(loop_factory=CountingLoop) as runner:
        return runner.run(function(runner.get_loop()))


def sleep_beside_another(future_sleep):
    """Sleep while another task waits for its turn; return the result, and whether that one had it."""

    async def order(loop):
        seen = []

        async def other():
            seen.append("the other task")

        task = asyncio.create_task(other())
        result = await future_sleep(0.01)
        seen.append("awake")
        await task
        return result, seen

    return on_counting_loop(order)


def is_long_enough(future_sleep):
    """Whether a sleep of 0.05 seconds takes that long, by the clock of its loop."""

    async def run(loop):
        start = loop.time()
        await future_sleep(0.05)
        return loop.time() - start >= 0.05 - loop._clock_resolution

    return on_counting_loop(run)


def timers_of(future_sleep):
    """How many timers a sleep sets."""

    async def run(loop):
        await future_sleep(0.05)
        return len(loop.set_timers)

    return on_counting_loop(run)


def cancelled_sleep(future_sleep):
    """Cancel a sleep; return how it ended, the timers that are left, and what the loop complains of."""

    async def run(loop):
        task = asyncio.create_task(future_sleep(0.02))
        await asyncio.sleep(0)
        mine = list(loop.set_timers)
        task.cancel()
        await asyncio.wait([task])
        left = sum(not timer.cancelled() for timer in mine)
        await asyncio.sleep(0.05)  # a timer that is left goes off
        return task.cancelled(), left, loop.failures

    return on_counting_loop(run)


FUTURE_SLEEP = {
    "title": "Write future_sleep",
    "course": future_sleep,
    "cases": [
        {
            "case": "the result, and who comes first: the sleeper or a task that is ready",
            "run": sleep_beside_another,
            "expect": (None, ["the other task", "awake"]),
            "hint": "asyncio.get_running_loop().create_future() makes a future: await it.",
        },
        {
            "case": "whether a sleep of 0.05 seconds takes that long",
            "run": is_long_enough,
            "expect": True,
            "hint": "call_later(seconds, future.set_result, None): function and argument, uncalled.",
        },
        {
            "case": "the timers that one sleep sets",
            "run": timers_of,
            "expect": 1,
            "hint": "One timer, with loop.call_later. To ask the clock again and again keeps the loop busy.",
        },
        {
            "case": "calls of asyncio.sleep in it",
            "run": lambda sleep: [name for name in sleep.__code__.co_names if name == "sleep"],
            "expect": [],
            "hint": "asyncio.sleep is what you are writing. Use a future and loop.call_later.",
        },
        {
            "case": "cancelled half-way: whether it ends so, the timers left, complaints of the loop",
            "run": cancelled_sleep,
            "expect": (True, 0, []),
            "hint": "Keep what call_later returns, and call its cancel() in a `finally` around the await.",
        },
    ],
}


def thread_of(off_the_loop):
    """Return what comes out of a function that is sent off the loop, and whether it was on another thread."""

    async def main():
        threads = []

        def function(value):
            threads.append(threading.get_ident())
            return value + 1

        result = await off_the_loop(function)(41)
        return result, [thread != threading.get_ident() for thread in threads]

    return asyncio.run(main())


def two_that_block(off_the_loop):
    """Run two functions that block until both are under way, as branches; return what they give."""
    both = threading.Barrier(2)

    def function(value):
        try:
            both.wait(PATIENCE)
        except threading.BrokenBarrierError:
            return "alone"
        return value

    branches = dict.fromkeys(("first", "second"), off_the_loop(function))
    return asyncio.run(RunnableParallel(branches).ainvoke("together"))


def what_off_the_loop_gives(off_the_loop, outcome):
    """What comes out where the function returns this, or raises it."""

    def function(value):
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    try:
        return asyncio.run(RunnableParallel({"a": off_the_loop(function)}).ainvoke(1))
    except LookupError as error:
        return f"{type(error).__name__}: {error}"


OFF_THE_LOOP = {
    "title": "Write off_the_loop",
    "course": off_the_loop,
    "cases": [
        {
            "case": "the result, and whether it came from another thread",
            "run": thread_of,
            "expect": (42, [True]),
            "hint": "Return a function, not a coroutine: define an `async def` of one value inside, and "
            "return it. It awaits asyncio.to_thread(function, value).",
        },
        {
            "case": "two functions that block until both are under way",
            "run": two_that_block,
            "expect": {"first": "together", "second": "together"},
            "hint": "off_the_loop only makes the branch, an `async def`: a lambda is not known as async. "
            "The call happens when the branch is awaited.",
        },
        {
            "case": "a result that counts as false",
            "run": lambda off: [what_off_the_loop_gives(off, each)["a"] for each in (0, None, "")],
            "expect": [0, None, ""],
            "hint": "`0`, `None` and the empty text are results, too.",
        },
        {
            "case": "what comes out when the function fails",
            "run": lambda off: what_off_the_loop_gives(off, FAILURE),
            "expect": "LookupError: no answer",
            "hint": "await asyncio.to_thread(...) raises what the function raised. Let it through.",
        },
    ],
}


# --- gather for the toy loop


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


def as_function(ainvoke):
    """The method as an async function of branches and a value."""

    async def call(branches, value):
        return await ainvoke(SimpleNamespace(branches=branches), value)

    return call


AINVOKE = {
    "title": "Write ainvoke",
    "course": RunnableParallel.ainvoke,
    "cases": [
        case
        | {
            "run": lambda answer, run=case["run"]: run(as_function(answer)),
            "hint": case["hint"]
            if number
            else "calls: {name: partial(branch, value) for name, branch in "
            "self.branches.items()}. Await run_as_tasks(calls), and zip the names with what it gives.",
        }
        for number, case in enumerate(MAKE_IT_CONCURRENT["cases"])
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
