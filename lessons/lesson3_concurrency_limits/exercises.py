"""Exercises of lesson 3 as plain data: cases with what is expected, typical wrong answers, hints."""

import asyncio
from dataclasses import dataclass, field
from functools import partial

PATIENCE = 2.0  # seconds that a case waits for code that may never end

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


async def some_rounds():
    """Give everybody time to do what needs no waiting."""
    for _ in range(20):
        await asyncio.sleep(0)


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
