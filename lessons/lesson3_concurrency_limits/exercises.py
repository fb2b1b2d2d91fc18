"""Exercises of lesson 3 as plain data: cases with what is expected, typical wrong answers, hints."""

import asyncio
import selectors
from dataclasses import dataclass, field
from functools import partial
from random import Random

from lessons.lesson3_concurrency_limits import rates
from lessons.lesson3_concurrency_limits.limits import run_as_tasks_with_limit
from lessons.lesson3_concurrency_limits.runnable_parallel import RunnableParallel
from lessons.lesson3_concurrency_limits.semaphore import Semaphore

PATIENCE = 2.0  # seconds that a case waits for code that may never end

# --- Steps and questions of lesson 3


TOO_MANY_AT_ONCE = {
    "title": "Too many at once",
    "reads": "numbers",
    "cases": [
        {
            "case": "the requests that it works on, and those that came back with an error",
            "expect": [10, 90],
            "hint": "A service has to do something with those beyond its ten. Run the next cells and see.",
        }
    ],
    "wrong": [
        {"answer": [10, 0], "hint": "So ninety would wait at the service. Does this one have a queue?"},
        {"answer": [100, 0], "hint": "It works on ten at a time."},
    ],
}


async def some_rounds():
    """Give everybody time to do what needs no waiting."""
    for _ in range(20):
        await asyncio.sleep(0)


def with_release(release, permits):
    """A semaphore whose method `release` is the answer."""
    return type("Semaphore", (Semaphore,), {"release": release})(permits)


def given_back(release, waiting=0, cancel=()):
    """One permit is held, `waiting` tasks queue for it; it is given back.

    cancel: the numbers of tasks that are cancelled before.
    Returns who has got a permit, in order; then the permits that are left, and the length of the queue.
    """
    got = []

    async def want(semaphore, number):
        await semaphore.acquire()
        got.append(number)

    async def main():
        semaphore = with_release(release, 1)
        await semaphore.acquire()
        tasks = [asyncio.ensure_future(want(semaphore, number)) for number in range(waiting)]
        await some_rounds()
        for number in cancel:
            tasks[number].cancel()
        await some_rounds()
        semaphore.release()
        await some_rounds()
        left = semaphore.permits, len(semaphore.queue)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return got, *left

    return asyncio.run(main())


def one_comes_later(release):
    """Who gets the permit first: the one in the queue, or one who asks right after it was given back?"""
    order = []

    async def enter(semaphore, name):
        async with semaphore:
            order.append(name)

    async def main():
        semaphore = with_release(release, 1)
        await semaphore.acquire()
        queued = asyncio.ensure_future(enter(semaphore, "queued"))
        await some_rounds()
        semaphore.release()
        later = asyncio.ensure_future(enter(semaphore, "comes later"))
        if not await ended([queued, later]):
            order.append(f"nothing moved for {PATIENCE:g} s")
            queued.cancel(), later.cancel()

    asyncio.run(main())
    return order


def most_inside(release, permits):
    """The most tasks of twelve that are inside at one moment, after twelve others have left."""
    inside, peak = 0, 0

    async def visit(semaphore):
        nonlocal inside, peak
        async with semaphore:
            inside += 1
            peak = max(peak, inside)
            await asyncio.sleep(0)
            inside -= 1

    async def main():
        nonlocal peak
        semaphore = with_release(release, permits)
        await asyncio.wait_for(asyncio.gather(*(visit(semaphore) for _ in range(12))), PATIENCE)
        peak = 0
        await asyncio.wait_for(asyncio.gather(*(visit(semaphore) for _ in range(12))), PATIENCE)

    asyncio.run(main())
    return peak


RELEASE = {
    "title": "Write release",
    "course": Semaphore.release,
    "cases": [
        {
            "case": "nobody waits: who gets the permit, the permits left, the length of the queue",
            "run": lambda release: given_back(release),
            "expect": ([], 1, 0),
            "hint": "With nobody in the queue, the permit is free again: count it in `self.permits`.",
        },
        {
            "case": "one task waits: who gets it, the permits left, the length of the queue",
            "run": lambda release: given_back(release, waiting=1),
            "expect": ([0], 0, 0),
            "hint": "`self.queue.popleft()` is the future of the first. `turn.set_result(None)` wakes its "
            "task. The permit is handed over, so it is not counted.",
        },
        {
            "case": "three wait, and one permit is given back",
            "run": lambda release: given_back(release, waiting=3),
            "expect": ([0], 0, 2),
            "hint": "One permit lets one task in. First in, first out: take from the left what `acquire` "
            "appended on the right.",
        },
        {
            "case": "one task is in the queue, another asks right after the permit was given back",
            "run": one_comes_later,
            "expect": ["queued", "comes later"],
            "hint": "Count nothing while somebody waits: whoever comes next would find the count above zero.",
        },
        {
            "case": "two wait, and the first has been cancelled",
            "run": lambda release: given_back(release, waiting=2, cancel=[0]),
            "expect": ([1], 0, 0),
            "hint": "A future whose task was cancelled says so: `turn.cancelled()`. Take the next one then.",
        },
        {
            "case": "two wait, and both have been cancelled",
            "run": lambda release: given_back(release, waiting=2, cancel=[0, 1]),
            "expect": ([], 1, 0),
            "hint": "If the queue is empty and nobody took the permit, it is free again: count it.",
        },
        {
            "case": "the most inside of twelve tasks after twelve others, with 1, 3 and 5 permits",
            "run": lambda release: [most_inside(release, permits) for permits in (1, 3, 5)],
            "expect": [1, 3, 5],
            "hint": "Each permit that is given back lets one task in, now or later. None gets lost.",
        },
    ],
}


class Calls:
    """Async functions that note how many of them run at one moment, in which tasks, and what they return."""

    def __init__(self):
        self.now = self.peak = self.most_tasks = 0
        self.names, self.tasks = [], []

    async def call(self, result, before=None, after=None):
        """Return `result`, or raise it; wait for the event `before`, and set the event `after`."""
        self.now += 1
        self.peak = max(self.peak, self.now)
        self.names.append(asyncio.current_task().get_name())
        self.tasks.append(asyncio.current_task())
        try:
            for _ in range(3):
                await asyncio.sleep(0)
            self.most_tasks = max(self.most_tasks, len(asyncio.all_tasks()))
            if before:
                await asyncio.wait_for(before.wait(), PATIENCE)
            if after:
                after.set()
            if isinstance(result, Exception):
                raise result
            return result
        finally:
            self.now -= 1


def limited(run, results, limit, names=None):
    """Run a call for each of `results` through the answer; return what came and the Calls."""

    async def main():
        calls = Calls()
        names_of = names or range(len(results))
        return await run({n: partial(calls.call, r) for n, r in zip(names_of, results)}, limit), calls

    return asyncio.run(main())


def in_reverse(run, count=4):
    """The results of calls that end in reverse order, all at a time."""

    async def main():
        calls, events = Calls(), [asyncio.Event() for _ in range(count + 1)]
        events[count].set()
        waiting = {n: partial(calls.call, n + 1, events[n + 1], events[n]) for n in range(count)}
        return await run(waiting, count)

    return asyncio.run(main())


def first_waits_for_third(run):
    """Three calls, two at a time: the first ends when the third has."""

    async def main():
        calls, third = Calls(), asyncio.Event()
        first = partial(calls.call, "first", third)
        last = partial(calls.call, "third", None, third)
        return await run({1: first, 2: partial(calls.call, "second"), 3: last}, 2)

    return said(lambda: asyncio.run(main()))


RUN_WITH_LIMIT = {
    "title": "Write run_as_tasks_with_limit",
    "course": run_as_tasks_with_limit,
    "cases": [
        {
            "case": "the results of three calls, with a limit of 2",
            "run": lambda run: limited(run, [5, 6, 7], 2)[0],
            "expect": [5, 6, 7],
            "hint": "`[None] * len(calls)` has a place for each result. Each worker fills its own.",
        },
        {
            "case": "with a limit of 2, the names of the tasks in which three calls run",
            "run": lambda run: limited(run, [5, 6, 7], 2, "abc")[1].names,
            "expect": ["a", "b", "c"],
            "hint": "All workers pull from one iterator. Each call that a worker pulls is a task: "
            "`asyncio.create_task(call(), name=name)`.",
        },
        {
            "case": "the most calls at one moment of twelve, with limits of 1, 3, 5 and none",
            "run": lambda run: [limited(run, range(12), limit)[1].peak for limit in (1, 3, 5, None)],
            "expect": [1, 3, 5, 12],
            "hint": "As many workers as the limit says. Where it is None, `run_as_tasks(calls)` does it.",
        },
        {
            "case": "four calls that end in reverse order",
            "run": in_reverse,
            "expect": [1, 2, 3, 4],
            "hint": "Each result goes to the place of its call, whatever ends first.",
        },
        {
            "case": "a limit of 2, and the first of three calls waits for the third",
            "run": first_waits_for_third,
            "expect": ["first", "second", "third"],
            "hint": "Who is free takes the next call. Do not wait for a group to be complete.",
        },
        {
            "case": "fifty calls and a limit of 3: there are ten tasks at the most",
            "run": lambda run: limited(run, range(50), 3)[1].most_tasks <= 10,
            "expect": True,
            "hint": "A call that nobody can make yet is no task. Let the workers pull from one iterator.",
        },
        {
            "case": "results that count as false",
            "run": lambda run: limited(run, [0, None, ""], 2)[0],
            "expect": [0, None, ""],
            "hint": "`0`, `None` and the empty text are results, too.",
        },
        {
            "case": "no calls at all, with a limit of 3 and with none",
            "run": lambda run: [limited(run, [], limit)[0] for limit in (3, None)],
            "expect": [[], []],
            "hint": "No calls give an empty list.",
        },
        {
            "case": "limits of 0 and True, and a text",
            "run": lambda run: [
                said(lambda limit=limit: limited(run, [5], limit)[0]) for limit in (0, True, "5")
            ],
            "expect": ["ValueError", "ValueError", "ValueError"],
            "hint": "`check_limit(limit)` raises for what is no limit. Call it before anything else.",
        },
        {
            "case": "the second of three calls fails, with a limit of 1",
            "run": lambda run: said(lambda: limited(run, [5, LookupError("none"), 7], 1)[0]),
            "expect": "LookupError",
            "hint": "Awaiting a task that has failed raises its exception. Let it through as it is.",
        },
    ],
}


def batched(abatch, inputs, own=None, config=None, branches="a", branch=None):
    """Call the answer as `abatch` of a chain; return what came and the Calls of its branches.

    own: the max_concurrency of the chain. config: that of the call. branch: a function of an input.
    """

    async def main():
        calls = Calls()
        chain = type("RunnableParallel", (RunnableParallel,), {"abatch": abatch})(
            dict.fromkeys(branches, branch or calls.call)
        )
        chain.config = {"max_concurrency": own} if own else {}
        given = () if config is None else ({"max_concurrency": config},)
        return await chain.abatch(inputs, *given), calls

    return asyncio.run(main())


def batch_in_reverse(abatch):
    async def main():
        calls, events = Calls(), [asyncio.Event() for _ in range(4)]
        events[3].set()

        async def branch(number):
            return await calls.call(number, events[number], events[number - 1])

        chain = type("RunnableParallel", (RunnableParallel,), {"abatch": abatch})({"a": branch})
        return [each["a"] for each in await chain.abatch([1, 2, 3])]

    return asyncio.run(main())


def first_input_waits_for_third(abatch):
    async def main():
        calls, third = Calls(), asyncio.Event()

        async def branch(number):
            return await calls.call(number, third if number == 1 else None, third if number == 3 else None)

        chain = type("RunnableParallel", (RunnableParallel,), {"abatch": abatch})({"a": branch})
        chain.config = {"max_concurrency": 2}
        return [each["a"] for each in await chain.abatch([1, 2, 3])]

    return said(lambda: asyncio.run(main()))


ABATCH = {
    "title": "Write abatch",
    "course": RunnableParallel.abatch,
    "cases": [
        {
            "case": "three inputs for two branches",
            "run": lambda abatch: batched(abatch, [5, 6, 7], branches="ab")[0],
            "expect": [{"a": 5, "b": 5}, {"a": 6, "b": 6}, {"a": 7, "b": 7}],
            "hint": "`calls_for_each(self.ainvoke, inputs, config)` makes the calls. Run them as tasks.",
        },
        {
            "case": "the most calls at one moment of twelve inputs, with limits of 1, 3 and 5 by with_config",
            "run": lambda abatch: [
                batched(abatch, list(range(12)), own=limit)[1].peak for limit in (1, 3, 5)
            ],
            "expect": [1, 3, 5],
            "hint": "`self.limit(config)` is the limit of this call. Pass it to `run_as_tasks_with_limit`.",
        },
        {
            "case": "the chain says 5, the call says 2: the most at one moment of twelve inputs",
            "run": lambda abatch: batched(abatch, list(range(12)), own=5, config=2)[1].peak,
            "expect": 2,
            "hint": "The call's own config wins: `self.limit(config)` sees to that.",
        },
        {
            "case": "the call says 2: the most at one moment of four inputs with three branches each",
            "run": lambda abatch: batched(abatch, [1, 2, 3, 4], config=2, branches="abc")[1].peak,
            "expect": 4,
            "hint": "`ainvoke` limits the branches by the config. Hand it to `calls_for_each`, too.",
        },
        {
            "case": "three inputs that end in reverse order",
            "run": batch_in_reverse,
            "expect": [1, 2, 3],
            "hint": "The results keep the order of the inputs.",
        },
        {
            "case": "a limit of 2, and the first of three inputs waits for the third",
            "run": first_input_waits_for_third,
            "expect": [1, 2, 3],
            "hint": "Do not wait for a group to be complete. `run_as_tasks_with_limit` does not.",
        },
        {
            "case": "inputs that count as false",
            "run": lambda abatch: batched(abatch, [0, None, ""])[0],
            "expect": [{"a": 0}, {"a": None}, {"a": ""}],
            "hint": "`0`, `None` and the empty text are inputs, too.",
        },
        {
            "case": "no inputs at all",
            "run": lambda abatch: batched(abatch, [])[0],
            "expect": [],
            "hint": "No inputs give an empty list.",
        },
        {
            "case": "a tuple, and a text",
            "run": lambda abatch: [said(lambda x=x: batched(abatch, x)[0]) for x in ((5, 6), "text")],
            "expect": ["TypeError", "TypeError"],
            "hint": "`calls_for_each` refuses what is not a list. Let it look before anything runs.",
        },
        {
            "case": "the second of three inputs fails",
            "run": lambda abatch: said(lambda: batched(abatch, [5, LookupError("none"), 7])[0]),
            "expect": "LookupError",
            "hint": "Let the exception through as it is.",
        },
    ],
}

PLAN_THE_LIMIT = {
    "title": "Plan the limit",
    "reads": "numbers",
    "cases": [
        {
            "case": "the limit, and the seconds for 300 documents",
            "expect": [30, 5],
            "hint": "In flight = throughput × latency. And 300 documents at so many a second?",
        }
    ],
    "wrong": [
        {"answer": [120, 2.5], "hint": "You divided 60 by 0.5. The law says throughput × latency."},
        {"answer": [100, 1.5], "hint": "The service could take a hundred. You need only 60 a second."},
    ],
}

TWO_LEVELS = {
    "title": "Limits on two levels",
    "reads": "numbers",
    "cases": [
        {
            "case": "the calls at once under max_concurrency, and with a permit around each call",
            "expect": [16, 7],
            "hint": "How many inputs run at a time, and how many branches of each? "
            "And how many permits does one semaphore give out, whoever asks?",
        }
    ],
    "wrong": [
        {"answer": [4, 4], "hint": "Four inputs at a time. And of each, how many branches?"},
        {"answer": [24, 7], "hint": "Each input has six branches, but its limit is four."},
        {"answer": [16, 16], "hint": "A branch that finds no permit waits. There are seven."},
    ],
}


# --- Exercises of lesson 3


WHO_ENDS_WHEN = {
    "title": "Two permits, five tasks",
    "reads": "letters",
    "cases": [
        {
            "case": "the order in which they end",
            "expect": "BCADE",
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
    "reads": "words",
    "cases": [
        {
            "case": "the function that lets all run at once",
            "expect": ["second"],
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
    """Counts the calls under way, and how many there were at most and in all.

    pages: how many it will be asked for. waits_for_all: a page that is answered when all others have been.
    fails: a page that is not there. answers: False for a service that never answers.
    """

    def __init__(self, pages, waits_for_all=None, fails=None, answers=True):
        self.now = self.peak = self.calls = 0
        self.open, self.waits_for_all, self.fails, self.answers = pages, waits_for_all, fails, answers
        self.asked, self.last_is_left, self.never = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def ask(self, page):
        self.now += 1
        self.calls += 1
        self.peak = max(self.peak, self.now)
        self.asked.set()
        try:
            for _ in range(2 + ord("z") - ord(page or "z")):  # the first letters take longest
                await asyncio.sleep(0)
            if not self.answers:
                await self.never.wait()
            if page == self.waits_for_all:
                await self.last_is_left.wait()
            if page == self.fails:
                raise LookupError(page)
            self.open -= 1
            if self.open == 1:
                self.last_is_left.set()
            return page.upper()
        finally:
            self.now -= 1


THREE_BOOKS = [["a", "b"], ["c", "d"], ["e", "f"]]


def read_library(read_all, permits, books=THREE_BOOKS, *, held=0, cancel=False, **service):
    """Read `books`, lists of pages, under a semaphore; return the future with the texts, and the service.

    held: permits that somebody else has, and gives one back of when the reading has begun; `early` calls are
    those before that. The service's `free` permits and calls that are `left` are those in the end.
    """

    async def main():
        library, semaphore = Service(sum(map(len, books)), **service), asyncio.Semaphore(permits)
        for _ in range(held):
            await semaphore.acquire()
        reading = asyncio.ensure_future(read_all(books, library.ask, semaphore))
        if held:
            await some_rounds()
            library.early = library.calls
            semaphore.release()
        if cancel:
            await asyncio.wait_for(library.asked.wait(), PATIENCE)
            await asyncio.sleep(0)
            reading.cancel()
        if not await ended([reading]):
            reading.cancel()
            await ended([reading])
            reading = asyncio.get_running_loop().create_future()
            reading.set_result(f"nothing moved for {PATIENCE:g} s")
        await ended(asyncio.all_tasks() - {asyncio.current_task()})  # what a failure has left running
        library.free, library.left = 0, library.now
        while not semaphore.locked():
            await semaphore.acquire()
            library.free += 1
        return reading, library

    return asyncio.run(main())


async def ended(tasks):
    """Wait for `tasks`; return whether all of them have ended in time."""
    return not tasks or not (await asyncio.wait(tasks, timeout=PATIENCE))[1]


def texts_of(*arguments, **options):
    return read_library(*arguments, **options)[0].result()


def in_any_order(texts):
    """The texts and the letters of each in alphabetical order; what is no list as it is."""
    return sorted(map(sorted, texts)) if isinstance(texts, list) else texts


def peak_of(*arguments, **options):
    return read_library(*arguments, **options)[1].peak


def calls_beside_others(read_all):
    library = read_library(read_all, 2, held=2)[1]
    return library.early, library.peak


def end_of(*arguments, **options):
    """What the caller sees of a reading that fails or is cancelled; then the free permits, the calls left."""
    reading, library = read_library(*arguments, **options)
    return said(reading.result), library.free, library.left


def said(call):
    """What `call` returns, or the name of what it raises: of what is in a group, if it is one."""
    try:
        return call()
    except NotImplementedError:
        raise
    except BaseException as error:
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        return type(error).__name__


REPAIR_THE_DEADLOCK = {
    "title": "A permit held while waiting",
    "cases": [
        {
            "case": "three books with three permits, in any order",
            "run": lambda read_all: in_any_order(texts_of(read_all, 3)),
            "expect": [["A", "B"], ["C", "D"], ["E", "F"]],
            "hint": "Who holds a permit while it waits for another? Take it for the call of `ask` only.",
        },
        {
            "case": "three books with one permit, in any order",
            "run": lambda read_all: in_any_order(texts_of(read_all, 1)),
            "expect": [["A", "B"], ["C", "D"], ["E", "F"]],
            "hint": "A book needs no permit. Only a page is asked of the service.",
        },
        {
            "case": "the texts, where the first pages take longest",
            "run": lambda read_all: texts_of(read_all, 6),
            "expect": ["AB", "CD", "EF"],
            "hint": "Books and pages keep their order, whatever ends first. gather sees to that.",
        },
        {
            "case": "the most calls under way, with 1, 2 and 5 permits",
            "run": lambda read_all: [peak_of(read_all, permits) for permits in (1, 2, 5)],
            "expect": [1, 2, 5],
            "hint": "More: a call goes without a permit. Fewer: calls wait for each other, not for a permit.",
        },
        {
            "case": "somebody else holds both permits, then gives one back: the calls before, the most after",
            "run": lambda read_all: calls_beside_others(read_all),
            "expect": (0, 1),
            "hint": "The permits are those of `semaphore`, which others use, too. Make none of your own.",
        },
        {
            "case": "two permits, and the first page is answered when all others have been",
            "run": lambda read_all: texts_of(read_all, 2, waits_for_all="a"),
            "expect": ["AB", "CD", "EF"],
            "hint": "Who gets the second permit while the first is taken? Wait for no group to be complete.",
        },
        {
            "case": "the number of calls",
            "run": lambda read_all: read_library(read_all, 2)[1].calls,
            "expect": 6,
            "hint": "Each page is asked for once.",
        },
        {
            "case": "a blank page, and a book without pages",
            "run": lambda read_all: texts_of(read_all, 2, [["a"], [""], []]),
            "expect": ["A", "", ""],
            "hint": "An empty text is a text: it keeps its place.",
        },
        {
            "case": "no books at all",
            "run": lambda read_all: texts_of(read_all, 2, []),
            "expect": [],
            "hint": "With nothing to do, return an empty list. asyncio.wait refuses an empty set.",
        },
        {
            "case": "a page that fails: what comes out; then the free permits of two and the calls left",
            "run": lambda read_all: end_of(read_all, 2, fails="c"),
            "expect": ("LookupError", 2, 0),
            "hint": "Let the error through. `async with` gives the permit back after an error, too.",
        },
        {
            "case": "cancelled from outside: what comes out; then the free permits of two and the calls left",
            "run": lambda read_all: end_of(read_all, 2, cancel=True, answers=False),
            "expect": ("CancelledError", 2, 0),
            "hint": "A CancelledError is no Exception. Who holds a permit gives it back; who still waits for "
            "one has none to give back. `async with` knows the difference.",
        },
    ],
}


@dataclass
class Seen:
    """What the calls, the iterator and the reader of a generator have noted."""

    results: list = field(default_factory=list)  # (name, result) as handed over
    peak: int = 0  # the most calls under way
    under_way: int = 0  # a call that is cleaning up is under way, too
    left: int = 0  # calls under way when the reader has ended
    ahead: int = 0  # the most that were pulled from the iterator and not yet handed over


def collect(each_as_it_ends, returns, limit, *, order=None, together=(), fails=(), endless=(), leave=None):
    """Run a call for each value of `returns` through the generator; return the reader and what was Seen.

    order: the numbers of the calls; each ends when the one before it has been handed over.
    together: calls that end at one moment, when `limit` are under way. All others end soon, but those that
    are `endless`. fails: calls that raise a LookupError.
    leave: what happens after the first result: "close" closes the generator, "cancel" cancels the reader.
    """
    seen, started = Seen(), []
    handed_over, moment = [asyncio.Event() for _ in returns], asyncio.Event()

    async def call(number):
        seen.under_way += 1
        seen.peak = max(seen.peak, seen.under_way)
        if seen.under_way == limit:
            moment.set()
        try:
            await asyncio.sleep(0)
            if order and (place := order.index(number)):
                await handed_over[order[place - 1]].wait()
            if number in together:
                await moment.wait()
            if number in endless:
                await asyncio.Event().wait()
            if number in fails:
                raise LookupError(f"call {number}")
            return returns[number]
        except asyncio.CancelledError:
            await asyncio.sleep(0)  # a clean-up that takes its time
            raise
        finally:
            seen.under_way -= 1

    def calls():
        for number in range(len(returns)):
            started.append(number)
            seen.ahead = max(seen.ahead, len(started) - len(seen.results))
            yield f"call {number}", partial(call, number)

    async def read(generator):
        try:
            async for name, result in generator:
                seen.results.append((name, result))
                handed_over[int(name.removeprefix("call "))].set()
                if leave == "close":
                    return await generator.aclose()
        finally:
            seen.left = seen.under_way

    async def main():
        reader = asyncio.ensure_future(read(each_as_it_ends(calls(), limit)))
        if leave == "cancel":
            await asyncio.wait(
                [reader, asyncio.ensure_future(handed_over[0].wait())],
                timeout=PATIENCE,
                return_when="FIRST_COMPLETED",
            )
            await asyncio.sleep(0)
            reader.cancel()
        if not await ended([reader]):
            seen.results.append((f"nothing more for {PATIENCE:g} s", None))
        return reader, seen

    return asyncio.run(main())


def results_of(*arguments, **options):
    """The pairs that are handed over; raises what the generator raises."""
    reader, seen = collect(*arguments, **options)
    if not reader.cancelled():  # else it was stopped, since nothing came
        reader.result()
    return seen.results


def end_of_reading(*arguments, **options):
    """Names of the results, what the reader sees at the end, and the calls that are under way then."""
    reader, seen = collect(*arguments, **options)
    return [name for name, _ in seen.results], said(reader.result), seen.left


EACH_AS_IT_ENDS = {
    "title": "Each as it ends",
    "cases": [
        {
            "case": "the results of four calls, whatever their order",
            "run": lambda generator: sorted(results_of(generator, [5, 6, 7, 8], 2)),
            "expect": [("call 0", 5), ("call 1", 6), ("call 2", 7), ("call 3", 8)],
            "hint": "Yield a pair of the name and what the call returned. StopIteration comes from `next` "
            "when no call is left, and must not leave a generator: use a for loop, or `next(calls, None)`.",
        },
        {
            "case": "calls that return 0, None and an empty text",
            "run": lambda generator: dict(results_of(generator, [0, None, ""], 1)),
            "expect": {"call 0": 0, "call 1": None, "call 2": ""},
            "hint": "These are results as all others. Do not ask whether a result is true.",
        },
        {
            "case": "three calls that end in the order 2, 0, 1",
            "run": lambda generator: [
                name for name, _ in results_of(generator, [5, 6, 7], 3, order=[2, 0, 1])
            ],
            "expect": ["call 2", "call 0", "call 1"],
            "hint": "Wait with asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED).",
        },
        {
            "case": "the most calls under way, with limits of 1, 3 and 5",
            "run": lambda generator: [collect(generator, range(12), limit)[1].peak for limit in (1, 3, 5)],
            "expect": [1, 3, 5],
            "hint": "Start a call only while fewer than `limit` run, and keep `limit` running.",
        },
        {
            "case": "five calls, a limit of 2, and call 0 ends last",
            "run": lambda generator: [
                name for name, _ in results_of(generator, range(5), 2, order=[1, 2, 3, 4, 0])
            ],
            "expect": ["call 1", "call 2", "call 3", "call 4", "call 0"],
            "hint": "Start the next call as soon as one has ended. Do not wait for a group to be complete.",
        },
        {
            "case": "pulled from the iterator and not yet handed over, 6 at most with a limit of 3",
            "run": lambda generator: collect(generator, range(12), 3)[1].ahead <= 6,
            "expect": True,
            "hint": "You pull calls that you cannot start yet. Pull the next one when there is room for it.",
        },
        {
            "case": "no calls at all",
            "run": lambda generator: results_of(generator, [], 3),
            "expect": [],
            "hint": "With nothing to do, yield nothing. asyncio.wait refuses an empty set.",
        },
        {
            "case": "call 1 of 3 fails, with a limit of 1: the results, and what is raised",
            "run": lambda generator: end_of_reading(generator, [5, 6, 7], 1, fails=[1])[:2],
            "expect": (["call 0"], "LookupError"),
            "hint": "A failure is not dropped, and is no result: task.result() raises what the call raised.",
        },
        {
            "case": "of forty calls that end at one moment half fail: the number of results",
            "run": lambda generator: len(
                end_of_reading(generator, range(40), 40, together=range(40), fails=range(0, 40, 2))[0]
            ),
            "expect": 20,
            "hint": "Of the tasks that are done, hand over the results first. Only then raise a failure.",
        },
        {
            "case": "call 0 fails while call 1 runs: what is raised, and the calls under way then",
            "run": lambda generator: end_of_reading(generator, [5, 6], 2, fails=[0], endless=[1])[1:],
            "expect": ("LookupError", 0),
            "hint": "Cancel what runs, in a `finally`, and wait until it has ended: its clean-up takes time.",
        },
        {
            "case": "closed after the first result: the calls under way then",
            "run": lambda generator: end_of_reading(
                generator, range(9), 3, endless=range(1, 9), leave="close"
            ),
            "expect": (["call 0"], None, 0),
            "hint": "`aclose` raises GeneratorExit at the `yield`. A `finally` sees that, too.",
        },
        {
            "case": "cancelled from outside: what comes out, and the calls under way then",
            "run": lambda generator: end_of_reading(
                generator, range(9), 3, endless=range(1, 9), leave="cancel"
            ),
            "expect": (["call 0"], "CancelledError", 0),
            "hint": "The CancelledError comes out of your `await`. Clean up in a `finally`; let it through.",
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
]


# --- Steps, questions and exercises of lesson 3b


RATE_OF_A_LIMIT = {
    "title": "The rate of a limit",
    "reads": "numbers",
    "cases": [
        {
            "case": "requests a minute with five permits and with one",
            "expect": [3000, 600],
            "hint": "Little's law: limit / latency a second. A minute has sixty of them.",
        }
    ],
    "wrong": [
        {"answer": [50, 10], "hint": "That is a second. And a minute?"},
        {"answer": [300, 300], "hint": "That is what the service allows. The permits know nothing of it."},
    ],
}


def with_reserve(reserve, rate, burst):
    """A bucket whose method `reserve` is the answer."""
    return type("TokenBucket", (rates.TokenBucket,), {"reserve": reserve})(rate, burst)


def waits(reserve, rate, burst, moments):
    """The seconds to wait of callers who come at `moments`, to one bucket."""
    bucket = with_reserve(reserve, rate, burst)
    return [rounded(bucket.reserve(moment)) for moment in moments]


def rounded(value):
    return round(value, 6) if isinstance(value, float) else value


def left_over(reserve):
    bucket = with_reserve(reserve, 2, 3)
    for moment in (10.0, 10.0, 10.0, 10.0, 10.25):
        bucket.reserve(moment)
    return rounded(bucket.tokens), bucket.time


RESERVE = {
    "title": "Write reserve",
    "course": rates.TokenBucket.reserve,
    "cases": [
        {
            "case": "five callers at second 10, with 10 a second and a burst of 2",
            "run": lambda reserve: waits(reserve, 10, 2, [10.0] * 5),
            "expect": [0, 0, 0.1, 0.2, 0.3],
            "hint": "Take a token in any case: `self.tokens` may go below zero. Then it takes "
            "-tokens / rate seconds until it is back at zero; never less than none.",
        },
        {
            "case": "the callers that go at once, of ten, with bursts of 1, 2 and 5",
            "run": lambda reserve: [waits(reserve, 1, burst, [7.0] * 10).count(0) for burst in (1, 2, 5)],
            "expect": [1, 2, 5],
            "hint": "The bucket holds `burst` tokens at the most, however long ago the last caller came.",
        },
        {
            "case": "2 a second, a burst of 1: callers at seconds 0, 0.25, 0.5 and 5",
            "run": lambda reserve: waits(reserve, 2, 1, [0.0, 0.25, 0.5, 5.0]),
            "expect": [0, 0.25, 0.5, 0],
            "hint": "In 0.25 seconds half a token has fallen. Note the time, or it falls twice.",
        },
        {
            "case": "one every two seconds: three callers at second 3",
            "run": lambda reserve: waits(reserve, 0.5, 1, [3.0] * 3),
            "expect": [0, 2, 4],
            "hint": "A rate may be below one: divide by it, and round nothing.",
        },
        {
            "case": "the tokens and the time in the bucket, after four callers at 10 and one at 10.25",
            "run": left_over,
            "expect": (-1.5, 10.25),
            "hint": "A token that is promised counts: `take` gives it back if its caller is cancelled.",
        },
    ],
}


class Slots(asyncio.Semaphore):
    """A semaphore that says how many of its permits are free."""

    def free(self):
        return self._value


class Bucket:
    """Counts the tokens that are taken, and the free permits at that moment. endless: it has none to give."""

    def __init__(self, permits, endless=False):
        self.permits, self.endless, self.free = permits, endless, []

    async def take(self):
        self.free.append(self.permits.free())
        await asyncio.sleep(0)
        if self.endless:
            await asyncio.Event().wait()


@dataclass
class Asked:
    """What came of one or more politely made calls. came: of each the result, or the name of an exception."""

    came: list
    tokens: int
    free_at_token: list  # the free permits when a token was taken
    calls: int
    peak: int  # the most calls at one moment
    free: int  # permits at the end
    free_in_wait: list  # the free permits in each wait between two attempts
    retries: int  # how often `retry` was called


class Refused(Exception):
    """The service refuses a call."""

    retry_after = 0.0


def politely(ask, outcomes=("answer",), *, permits=1, endless=False, cancel=None):
    """Make calls through `ask(call, permits, bucket, retry)`, all at a time; return the Asked.

    outcomes: for each call what it returns or raises, or a list of what it does in turn.
    endless: no token ever comes. cancel: "token" cancels the first call as it waits for a token, "call" as
    it is under way.
    """

    async def main():
        slots = Slots(permits)
        bucket, asked = Bucket(slots, endless), Asked([], 0, [], 0, 0, 0, [], 0)
        now, under_way = 0, asyncio.Event()

        def call_of(outcome):
            left = list(outcome) if isinstance(outcome, list) else [outcome]

            async def call():
                nonlocal now
                now += 1
                asked.calls += 1
                asked.peak = max(asked.peak, now)
                try:
                    for _ in range(3):
                        await asyncio.sleep(0)
                    under_way.set()
                    if cancel == "call":
                        await asyncio.Event().wait()
                    result = left.pop(0) if len(left) > 1 else left[0]
                    if isinstance(result, Exception):
                        raise result
                    return result
                finally:
                    now -= 1

            return call

        async def retry(attempt):
            asked.retries += 1
            for _ in range(3):
                try:
                    return await attempt()
                except Refused:
                    await some_rounds()
                    asked.free_in_wait.append(slots.free())
            return await attempt()

        tasks = [asyncio.ensure_future(ask(call_of(each), slots, bucket, retry)) for each in outcomes]
        if cancel:
            await some_rounds()
            tasks[0].cancel()
        if not await ended(tasks):
            for task in tasks:
                task.cancel()
            await ended(tasks)
        asked.came = [said(task.result) for task in tasks]
        asked.tokens, asked.free_at_token, asked.free = len(bucket.free), bucket.free, slots.free()
        return asked

    return asyncio.run(main())


def as_ask(order):
    """The step's function, used as `politely` uses one: without its retry."""
    return lambda call, permits, bucket, retry: order(permits, bucket, lambda value: call(), "document")


def handed_on(order):
    async def main():
        async def ask(value):
            return value.upper()

        slots = Slots(1)
        return await order(slots, Bucket(slots), ask, "document")

    return asyncio.run(main())


PERMIT_THEN_TOKEN = {
    "title": "Write permit_then_token",
    "course": rates.permit_then_token,
    "cases": [
        {
            "case": "what comes of a document",
            "run": handed_on,
            "expect": "DOCUMENT",
            "hint": "Return what `await ask(value)` gives.",
        },
        {
            "case": "one permit: how many are free when the token is taken",
            "run": lambda order: politely(as_ask(order)).free_at_token,
            "expect": [0],
            "hint": "Take the permit first: `async with permits:`. Then `await bucket.take()`, inside.",
        },
        {
            "case": "the most calls at one moment of twelve, with 1, 2 and 5 permits",
            "run": lambda order: [politely(as_ask(order), range(12), permits=n).peak for n in (1, 2, 5)],
            "expect": [1, 2, 5],
            "hint": "Hold the permit until the answer is there: the call stands inside `async with`, too.",
        },
        {
            "case": "the tokens, and the calls, of four documents",
            "run": lambda order: [
                (asked.tokens, asked.calls) for asked in [politely(as_ask(order), range(4), permits=2)]
            ],
            "expect": [(4, 4)],
            "hint": "One token and one call for each document.",
        },
        {
            "case": "answers that count as false",
            "run": lambda order: politely(as_ask(order), [0, None, ""], permits=2).came,
            "expect": [0, None, ""],
            "hint": "These are answers, too.",
        },
        {
            "case": "a call that fails: what comes out, and the free permits of one at the end",
            "run": lambda order: [
                (asked.came, asked.free) for asked in [politely(as_ask(order), [LookupError("none")])]
            ],
            "expect": [(["LookupError"], 1)],
            "hint": "Let the error through. `async with` gives the permit back after an error, too.",
        },
        {
            "case": "cancelled as it waits for a token: what comes out, and the free permits of one",
            "run": lambda order: [
                (asked.came, asked.free) for asked in [politely(as_ask(order), endless=True, cancel="token")]
            ],
            "expect": [(["CancelledError"], 1)],
            "hint": "A CancelledError is no Exception. `async with` gives the permit back all the same.",
        },
    ],
}


class Most(Random):
    """A random number that is the largest there is: so a wait is as long as it can be."""

    def random(self):
        return 1.0


class Middle(Random):
    """Half-way."""

    def random(self):
        return 0.5


class Least(Random):
    """The smallest there is."""

    def random(self):
        return 0.0


BACKOFF = {
    "title": "Write backoff",
    "course": rates.backoff,
    "cases": [
        {
            "case": "the longest waits after attempts 0, 1, 2 and 3",
            "run": lambda backoff: [rounded(backoff(attempt, Most())) for attempt in range(4)],
            "expect": [0.1, 0.2, 0.4, 0.8],
            "hint": "At most `base * 2**attempt` seconds.",
        },
        {
            "case": "the longest waits, with a base of 0.5 and a cap of 3",
            "run": lambda backoff: [rounded(backoff(attempt, Most(), 0.5, 3)) for attempt in range(5)],
            "expect": [0.5, 1, 2, 3, 3],
            "hint": "Never more than `cap`: take the smaller of the two.",
        },
        {
            "case": "the shortest wait after attempt 3",
            "run": lambda backoff: rounded(backoff(3, Least())),
            "expect": 0,
            "hint": "Full jitter: a random part of the most, from nothing to all.",
        },
        {
            "case": "a wait half-way, after attempt 10, with a cap of 10",
            "run": lambda backoff: rounded(backoff(10, Middle(), 0.1, 10)),
            "expect": 5,
            "hint": "First the cap, then the random part of it: else all wait for the cap together.",
        },
        {
            "case": "the same seed gives the same wait",
            "run": lambda backoff: backoff(2, Random(7)) == backoff(2, Random(7)),
            "expect": True,
            "hint": "Use the `random` that is handed over, not the module of that name.",
        },
    ],
}


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop on a clock that jumps from one timer to the next."""

    def __init__(self):
        self.now = 0.0
        selector = selectors.DefaultSelector()
        look, selector.select = selector.select, lambda timeout=None: self.jump(timeout) or look(0)
        super().__init__(selector)

    def time(self):
        return self.now

    def jump(self, seconds):
        if seconds is None:
            raise TimeoutError("every task waits, and no timer will wake one")
        self.now += max(0.0, seconds)


def retried(retry, outcomes, *, attempts=4, cancel_at=None):
    """Retry a call that returns or raises `outcomes` in turn; on a clock that jumps.

    Returns what came, the number of calls, the seconds. cancel_at: the second at which it is cancelled.
    """
    left, made = iter(outcomes), 0

    async def call():
        nonlocal made
        made += 1
        outcome = next(left)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def main():
        loop = asyncio.get_running_loop()
        task = asyncio.ensure_future(retry(call, Refused, Most(), attempts=attempts))
        if cancel_at is not None:
            loop.call_later(cancel_at, task.cancel)
        await asyncio.wait([task])
        return said(task.result), made, rounded(loop.time())

    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        return runner.run(main())


def refused(seconds=0.0, number=""):
    refusal = type(f"Refused{number}", (Refused,), {})()
    refusal.retry_after = seconds
    return refusal


RETRY = {
    "title": "Write retry",
    "course": rates.retry,
    "cases": [
        {
            "case": "a call that is answered at once: what comes, the calls, the seconds",
            "run": lambda retry: retried(retry, ["answer"]),
            "expect": ("answer", 1, 0),
            "hint": "Return what `await call()` gives, and wait for nothing.",
        },
        {
            "case": "refused once, and asked to wait 2 s; the backoff is 0.1 s",
            "run": lambda retry: retried(retry, [refused(2.0), "answer"]),
            "expect": ("answer", 2, 2.1),
            "hint": "`await asyncio.sleep(seconds_asked(refusal) + backoff(attempt, random))`: both count.",
        },
        {
            "case": "refused three times; the backoffs are 0.1, 0.2 and 0.4 s",
            "run": lambda retry: retried(retry, [refused(), refused(), refused(), "answer"]),
            "expect": ("answer", 4, 0.7),
            "hint": "Hand `backoff` the number of the attempt, counted from 0.",
        },
        {
            "case": "refused whenever it comes, with 1, 2 and 3 attempts",
            "run": lambda retry: [
                retried(retry, [refused(0.0, n) for n in (1, 2, 3, 4)], attempts=attempts)
                for attempts in (1, 2, 3)
            ],
            "expect": [("Refused1", 1, 0), ("Refused2", 2, 0.1), ("Refused3", 3, 0.3)],
            "hint": "The exception of the last attempt comes out, and nobody waits after it.",
        },
        {
            "case": "a call that fails for another reason",
            "run": lambda retry: retried(retry, [LookupError("no such document"), "answer"]),
            "expect": ("LookupError", 1, 0),
            "hint": "Catch `retry_on` only. To ask again does not help with anything else.",
        },
        {
            "case": "answers that count as false",
            "run": lambda retry: [retried(retry, [refused(), each, "more"])[0] for each in (0, None, "")],
            "expect": [0, None, ""],
            "hint": "What a call returns is its answer, whatever it is. Only an exception is a refusal.",
        },
        {
            "case": "cancelled after 5 of 20 s that it was asked to wait",
            "run": lambda retry: retried(retry, [refused(20.0), "answer"], cancel_at=5),
            "expect": ("CancelledError", 1, 5),
            "hint": "A CancelledError is no refusal. Let it through, also out of the wait.",
        },
    ],
}

WHEN_THEY_GO = {
    "title": "When they go",
    "reads": "numbers",
    "cases": [
        {
            "case": "the seconds at which the six go",
            "expect": [0, 0, 0.25, 0.5, 0.75, 2],
            "hint": "How many tokens are there at second 0? Then one falls every quarter of a second.",
        }
    ],
    "wrong": [
        {"answer": [0, 0, 0.25, 0.25, 0.25, 2], "hint": "A token that falls is for one caller only."},
        {"answer": [0, 0, 0.25, 0.5, 0.75, 2.25], "hint": "What has fallen between 0.75 and 2?"},
        {"answer": [0, 0, 0, 0, 0.25, 2], "hint": "The bucket holds two tokens, not four."},
    ],
}

RETRIES_MULTIPLY = {
    "title": "Retries multiply",
    "reads": "numbers",
    "cases": [
        {
            "case": "the requests, and the tokens",
            "expect": [24, 8],
            "hint": "Each level makes all attempts of the level within it again, each time.",
        }
    ],
    "wrong": [
        {
            "answer": [9, 6],
            "hint": "They do not add up: each attempt of one is all attempts of the other.",
        },
        {
            "answer": [24, 24],
            "hint": "What the client sends again by itself, the bucket does not see.",
        },
    ],
}

RETRY_WITHOUT_PERMIT = {
    "title": "The retry that keeps its permit",
    "cases": [
        {
            "case": "a call that is answered at once",
            "run": lambda ask: politely(ask).came,
            "expect": ["answer"],
            "hint": "Return what `await retry(attempt)` gives.",
        },
        {
            "case": "refused twice: what comes, the calls, and the tokens that were taken",
            "run": lambda ask: [
                (asked.came, asked.calls, asked.tokens)
                for asked in [politely(ask, [[Refused(), Refused(), "answer"]])]
            ],
            "expect": [(["answer"], 3, 3)],
            "hint": "Each attempt takes a token. So `bucket.take()` belongs into what `retry` calls again.",
        },
        {
            "case": "refused twice: the free permits of one, in each wait",
            "run": lambda ask: politely(ask, [[Refused(), Refused(), "answer"]]).free_in_wait,
            "expect": [1, 1],
            "hint": "Give the permit back before the wait: the `async with` belongs into the attempt.",
        },
        {
            "case": "refused once: the free permits of one, whenever a token is taken",
            "run": lambda ask: politely(ask, [[Refused(), "answer"]]).free_at_token,
            "expect": [0, 0],
            "hint": "First the permit, then the token: the other way round, paid tokens pile up.",
        },
        {
            "case": "the most calls at one moment of twelve, with 1, 2 and 5 permits",
            "run": lambda ask: [politely(ask, range(12), permits=n).peak for n in (1, 2, 5)],
            "expect": [1, 2, 5],
            "hint": "The call itself needs the permit, too.",
        },
        {
            "case": "answers that count as false",
            "run": lambda ask: politely(ask, [0, None, ""], permits=2).came,
            "expect": [0, None, ""],
            "hint": "These are answers, too.",
        },
        {
            "case": "a call that fails for another reason: what comes out, the calls, the free permits",
            "run": lambda ask: [
                (asked.came, asked.calls, asked.free) for asked in [politely(ask, [LookupError("none")])]
            ],
            "expect": [(["LookupError"], 1, 1)],
            "hint": "Let the error through. `async with` gives the permit back.",
        },
        {
            "case": "cancelled as it waits for a token: what comes out, and the free permits",
            "run": lambda ask: [
                (asked.came, asked.free) for asked in [politely(ask, endless=True, cancel="token")]
            ],
            "expect": [(["CancelledError"], 1)],
            "hint": "A CancelledError is no Exception: `async with` gives the permit back all the same.",
        },
    ],
}

QUIZ_RATES = [
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
    {
        "question": "A call has a permit and its token. What should it do next?",
        "options": ["call at once", "give the permit back and call", "wait for its turn in a queue"],
        "answer": 0,
        "why": [
            "The token says that now is the moment. Later it says nothing about the rate.",
            "Then the service sees more calls at a time than there are permits.",
            "Tokens that were paid and not used pile up there, and come all at once.",
        ],
    },
    {
        "question": "A refusal says: Retry-After 10. Ninety callers have got it. When do they come back?",
        "options": [
            "all after 10 seconds",
            "all at once, after a random time below 10 seconds",
            "each after 10 seconds and a random time of its own",
        ],
        "answer": 2,
        "why": [
            "Then they are refused together once more.",
            "The service has asked for ten seconds. Before that they are refused for certain.",
            "Not before they may, and not together.",
        ],
    },
]
