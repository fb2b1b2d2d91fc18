"""Exercises of lesson 5 as plain data: cases with what is expected, typical wrong answers, hints."""

import asyncio
import inspect

from lessons.lesson3_concurrency_limits.exercises import said, some_rounds
from lessons.lesson4_execution_model.runnable import Runnable
from lessons.lesson5_synchronization.barrier import Barrier, Latch
from lessons.lesson5_synchronization.racing import hedged
from lessons.lesson5_synchronization.runnable import RunnableLambda
from lessons.lesson5_synchronization.runnable_parallel import RunnableParallel
from lessons.lesson5_synchronization.sequence import RunnableSequence
from lessons.lesson5_synchronization.stragglers import chance_of_a_straggler
from lessons.lesson5_synchronization.streaming import AddableDict

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

TWO_FORMS = {
    "title": "Side by side, or one after the other",
    "reads": "numbers",
    "cases": [
        {
            "case": "the seconds of the two forms",
            "expect": [4, 6],
            "hint": "Add up where one step waits for another. Where all are waited for, take the longest.",
        }
    ],
    "wrong": [
        {"answer": [6, 4], "hint": "The other way round: side by side comes first."},
        {
            "answer": [4, 4],
            "hint": "With two dicts, no second step begins before both first ones have ended.",
        },
        {
            "answer": [6, 6],
            "hint": "Side by side, b's slow call begins after its own quick one, at 1 second.",
        },
        {"answer": [8, 8], "hint": "That is the work. The two branches run at the same time."},
        {"answer": [3, 6], "hint": "Side by side: each branch has a slow call and a quick one, in a row."},
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


def with_method(parent, **method):
    """A class that has a learner's method, which stands by itself in the notebook."""
    return type(parent.__name__, (parent,), method)


def count_down_from(count_down, count, times):
    """Count a latch down some times; return what that returned, and how many of three waiters go on.

    The third comes when all has been counted.
    """

    async def main():
        latch = with_method(Latch, count_down=count_down)(count)
        waiters = [asyncio.ensure_future(latch.wait()) for _ in range(2)]
        await some_rounds()
        returned = [latch.count_down() for _ in range(times)]
        for coroutine in filter(asyncio.iscoroutine, returned):
            coroutine.close()
        waiters.append(asyncio.ensure_future(latch.wait()))
        await some_rounds()
        gone_on = sum(waiter.done() for waiter in waiters)
        for waiter in waiters:
            waiter.cancel()
        return [each for each in returned if each is not None], gone_on

    return asyncio.run(main())


COUNT_DOWN = {
    "title": "Write count_down",
    "course": Latch.count_down,
    "cases": [
        {
            "case": "a latch of two is counted down once: how many of three waiters go on",
            "run": lambda count_down: count_down_from(count_down, 2, 1)[1],
            "expect": 0,
            "hint": "Take one from self.count. Open the latch only when none is left to wait for.",
        },
        {
            "case": "a latch of two is counted down twice: how many of three waiters go on",
            "run": lambda count_down: count_down_from(count_down, 2, 2)[1],
            "expect": 3,
            "hint": "At zero, set the event that the waiters await: self.opened.set().",
        },
        {
            "case": "latches of one, three and five: how many go on before the last has come, and after",
            "run": lambda count_down: [
                (
                    count_down_from(count_down, count, count - 1)[1],
                    count_down_from(count_down, count, count)[1],
                )
                for count in (1, 3, 5)
            ],
            "expect": [(0, 3)] * 3,
            "hint": "Whether the latch opens depends on self.count alone: it opens when that is zero.",
        },
        {
            "case": "counted down once more than needed: how many go on",
            "run": lambda count_down: count_down_from(count_down, 2, 3)[1],
            "expect": 3,
            "hint": "A latch that is open stays open: never clear the event.",
        },
        {
            "case": "what counting down returns, but for None",
            "run": lambda count_down: count_down_from(count_down, 2, 2)[0],
            "expect": [],
            "hint": "Whoever counts down does not wait: a plain `def` that returns nothing.",
        },
    ],
}


def meet(wait, parties, *, cancel=False, more=0):
    """Send parties to a barrier of `parties`, first all but the last.

    cancel: the first of them is cancelled before the last one comes. more: how many come after that.
    Returns how many have gone on before the last came and after, how many still wait, and how those ended
    that were cancelled.
    """

    async def main():
        barrier = with_method(Barrier, wait=wait)(parties)

        def come():
            tasks.append(asyncio.ensure_future(barrier.wait()))
            return some_rounds()

        tasks, cancelled = [], []
        try:
            for _ in range(parties - 1):
                await come()
            if cancel:
                tasks[0].cancel()
                await some_rounds()
                cancelled.append(said(tasks.pop(0).result))
            before = gone_on(tasks)
            for _ in range(1 + more):
                await come()
            return before, gone_on(tasks), len(barrier.queue), cancelled
        finally:  # look at what each has raised, else Python tells of it in some later cell
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    return asyncio.run(main())


def gone_on(tasks):
    """How many of some parties have gone on; raises what one of them has raised."""
    return len([task.result() for task in tasks if task.done()])


def cancelled_as_the_last_comes(wait):
    """What the first of two ends with that is cancelled right after the last one has let it go."""

    async def main():
        barrier = with_method(Barrier, wait=wait)(2)
        first = asyncio.ensure_future(barrier.wait())
        await some_rounds()
        await barrier.wait()
        first.cancel()
        await asyncio.wait([first], timeout=PATIENCE)
        return said(first.result)

    return asyncio.run(main())


def is_the_last_held(wait):
    """Whether the party that completes a barrier of two is suspended there."""

    async def main():
        barrier = with_method(Barrier, wait=wait)(2)
        first, last = asyncio.ensure_future(barrier.wait()), barrier.wait()
        await some_rounds()
        try:
            last.send(None)
        except StopIteration:
            return "goes straight on"
        finally:
            last.close()
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)
        return "is suspended"

    return asyncio.run(main())


BARRIER_WAIT = {
    "title": "Write Barrier.wait",
    "course": Barrier.wait,
    "cases": [
        *(
            {
                "case": f"a barrier of {parties}: how many go on before the last comes, after it, still wait",
                "run": lambda wait, parties=parties: meet(wait, parties)[:3],
                "expect": (0, parties, 0),
                "hint": "Those in the queue and this one: are they self.parties? Then self.let_go(). Else "
                "put a future into self.queue, and await it.",
            }
            for parties in (3, 2, 1)
        ),
        {
            "case": "the party that comes last",
            "run": is_the_last_held,
            "expect": "goes straight on",
            "hint": "It completes the group: it calls self.let_go() and returns, with no await.",
        },
        {
            "case": "seven come to a barrier of three: how many go on, and still wait",
            "run": lambda wait: meet(wait, 3, more=4)[1:3],
            "expect": (6, 1),
            "hint": "A barrier serves again and again: every third party to come lets two others go.",
        },
        {
            "case": "one of two that wait is cancelled: what it ends with",
            "run": lambda wait: meet(wait, 3, cancel=True)[3],
            "expect": ["CancelledError"],
            "hint": "Let the CancelledError through: use `finally`, or raise it again.",
        },
        {
            "case": "one of two that wait is cancelled, another comes: how many go on, and still wait",
            "run": lambda wait: meet(wait, 3, cancel=True)[:3],
            "expect": (0, 0, 2),
            "hint": "`try: await turn`, and in `finally` take the future out of the queue, if it is there.",
        },
        {
            "case": "one is cancelled just as it is let go: what it ends with",
            "run": cancelled_as_the_last_comes,
            "expect": "CancelledError",
            "hint": "`let_go` has emptied the queue by then: remove the future only if it is still in there.",
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
            await some_rounds()
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


def run_report(
    build,
    review="review",
    *,
    summary_waits=False,
    waits=None,
    fails=None,
    endless=(),
    returns=None,
    cancel=False,
):
    """Run the chain; return what comes out, the steps under way then, and the names of all that began.

    The three that take the review go on when all of them have begun. summary_waits: the summary goes on when
    the report has begun. waits: a step that takes longer. fails, endless, returns, cancel: as in `run_chain`.
    """
    asked = ["sentiment", "keywords", "summary"]

    async def main():
        seen = UnderWay()

        def step(name):
            async def work(value):
                if name in asked:
                    for other in asked:
                        await seen.has_begun(other).wait()
                if name == fails:
                    raise LookupError(name)
                if name in endless:
                    await for_ever()
                if name == "summary" and summary_waits:
                    await seen.has_begun("report").wait()
                if name == waits:
                    await some_rounds()
                if returns and name in returns:
                    return returns[name]
                return f"{name} of {dict(sorted(value.items())) if name == 'report' else value}"

            async def step(value):
                return await seen.call(name, lambda: work(value))

            return step

        chain = build(*map(step, [*asked, "report"]))
        if not isinstance(chain, Runnable):
            return f"build returned a {type(chain).__name__}, which is no runnable of your library", 0, []
        task = asyncio.ensure_future(chain.ainvoke(review))
        if cancel:
            begun = [asyncio.ensure_future(seen.has_begun(name).wait()) for name in asked]
            await asyncio.wait(begun, timeout=PATIENCE)
            task.cancel()
        return *await end_of(task, seen), sorted(seen.calls)

    return asyncio.run(main())


def report_of(sentiment, keywords):
    """What the report of `run_report` says when it has been given these two."""
    answers = {"keywords": keywords, "sentiment": sentiment}
    return f"report of {answers}"


WHOLE_REPORT = {
    "report": report_of("sentiment of review", "keywords of review"),
    "summary": "summary of review",
}

REPORT_EARLY = {
    "title": "The report that need not wait",
    "cases": [
        {
            "case": "the answer, while the summary goes on until the report has begun",
            "run": lambda build: run_report(build, summary_waits=True)[0],
            "expect": WHOLE_REPORT,
            "hint": "The report's own join belongs inside a branch: a RunnableParallel of the two that it "
            "needs, then `| report`, under the key `report`. If nothing came, the report waits for the "
            "summary, or the three that take the review do not begin together.",
        },
        *(
            {
                "case": f"the answer, when {late} ends last",
                "run": lambda build, late=late: run_report(build, waits=late)[0],
                "expect": WHOLE_REPORT,
                "hint": "The report is given a dict of both answers, under their names. It needs both.",
            }
            for late in ("sentiment", "keywords")
        ),
        {
            "case": "the steps that are called",
            "run": lambda build: run_report(build)[2],
            "expect": ["keywords", "report", "sentiment", "summary"],
            "hint": "Each step runs once for each call of the chain.",
        },
        {
            "case": "an empty review",
            "run": lambda build: run_report(build, "")[0],
            "expect": {"report": report_of("sentiment of ", "keywords of "), "summary": "summary of "},
            "hint": "An empty text is a value as all others: it goes through every step.",
        },
        {
            "case": "answers None and 0",
            "run": lambda build: run_report(build, returns={"sentiment": None, "keywords": 0, "summary": 0})[
                0
            ],
            "expect": {"report": report_of(None, 0), "summary": 0},
            "hint": "The report is given what came, whatever that is.",
        },
        {
            "case": "keywords fail while the summary runs: what comes out, and the steps under way then",
            "run": lambda build: run_report(build, fails="keywords", endless=["summary", "sentiment"])[:2],
            "expect": ("LookupError", 0),
            "hint": "Let RunnableParallel run the branches: it cancels the others, and waits for them.",
        },
        {
            "case": "cancelled from outside: what comes out, and the steps under way then",
            "run": lambda build: run_report(build, endless=["summary", "sentiment", "keywords"], cancel=True)[
                :2
            ],
            "expect": ("CancelledError", 0),
            "hint": "Let RunnableParallel run the branches: it hands the cancellation on to them.",
        },
    ],
}


def run_steps(_ainvoke, value="page", *, returns=None, fails=None, endless=None, cancel=False):
    """Run a sequence of three steps; return what comes out, the steps under way then, and what began.

    returns: a dict of what steps return. fails: a step that raises a LookupError. endless: a step that never
    ends. cancel: the sequence is cancelled when that one has begun. A step that begins while another is under
    way says so.
    """
    past = {"load": "loaded", "parse": "parsed", "check": "checked"}

    async def main():
        seen = UnderWay()

        def step(name):
            async def work(value):
                if seen.under_way > 1:
                    seen.calls.append(f"{name} is not alone")
                if name == endless:
                    await for_ever()
                if name == fails:
                    raise LookupError(name)
                return returns[name] if returns and name in returns else f"{value} {past[name]}"

            async def step(value):
                return await seen.call(name, lambda: work(value))

            return step

        sequence = with_method(RunnableSequence, _ainvoke=_ainvoke)(*map(step, past))
        task = asyncio.ensure_future(sequence.ainvoke(value))
        if cancel:
            begun = asyncio.ensure_future(seen.has_begun(endless).wait())
            await asyncio.wait([begun, task], timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
            begun.cancel()
            task.cancel()
        return *await end_of(task, seen), seen.calls

    return asyncio.run(main())


def plain_and_async(_ainvoke):
    """A sequence of a plain function and an async one."""

    async def last(value):
        return value + 1

    return with_method(RunnableSequence, _ainvoke=_ainvoke)(len, last).ainvoke("page")


RUN_THE_STEPS = {
    "title": "Write the sequence's _ainvoke",
    "course": RunnableSequence._ainvoke,
    "cases": [
        {
            "case": "what comes out of three steps",
            "run": lambda _ainvoke: run_steps(_ainvoke)[0],
            "expect": "page loaded parsed checked",
            "hint": "For each step of self.steps: value = await step.ainvoke(value). Return the last value.",
        },
        {
            "case": "the steps that begin, in order",
            "run": lambda _ainvoke: run_steps(_ainvoke)[2],
            "expect": ["load", "parse", "check"],
            "hint": "Await each step before you begin the next, and call each once.",
        },
        {
            "case": "a plain function, and an async one",
            "run": plain_and_async,
            "expect": 5,
            "hint": "`await step.ainvoke(value)`: every runnable has it, whatever it is made of.",
        },
        {
            "case": "an empty page",
            "run": lambda _ainvoke: run_steps(_ainvoke, "")[0],
            "expect": " loaded parsed checked",
            "hint": "An empty text is a value as all others: it goes through every step.",
        },
        {
            "case": "first steps that return None and 0",
            "run": lambda _ainvoke: [
                run_steps(_ainvoke, returns=returns)[0] for returns in ({"load": None}, {"parse": 0})
            ],
            "expect": ["None parsed checked", "0 checked"],
            "hint": "The next step is given what this one has returned, whatever that is.",
        },
        {
            "case": "the second step fails: what comes out, and what began",
            "run": lambda _ainvoke: run_steps(_ainvoke, fails="parse")[::2],
            "expect": ("LookupError", ["load", "parse"]),
            "hint": "Let the error through. The next step has nothing to begin with.",
        },
        {
            "case": "cancelled in the second step: what comes out, what is under way then, what began",
            "run": lambda _ainvoke: run_steps(_ainvoke, endless="parse", cancel=True),
            "expect": ("CancelledError", 0, ["load", "parse"]),
            "hint": "Await the step itself: then it is cancelled with you.",
        },
    ],
}


def rounded(*arguments):
    return lambda chance: [round(float(chance(*each)), 6) for each in arguments]


CHANCE = {
    "title": "Write chance_of_a_straggler",
    "course": chance_of_a_straggler,
    "cases": [
        {
            "case": "one branch that is slow once in twenty times",
            "run": rounded((1, 0.05)),
            "expect": [0.05],
            "hint": "The chance that a branch is quick is 1 - probability. The rest of 1 is yours.",
        },
        {
            "case": "two branches, each slow every second time",
            "run": rounded((2, 0.5)),
            "expect": [0.75],
            "hint": "Both are quick in 0.5 * 0.5 of the cases. In all the others one is slow, or both are.",
        },
        {
            "case": "3, 20 and 100 branches that are slow once in ten times",
            "run": rounded((3, 0.1), (20, 0.1), (100, 0.1)),
            "expect": [0.271, 0.878423, 0.999973],
            "hint": "All are quick with (1 - probability) multiplied by itself, once for each branch.",
        },
        {
            "case": "no branches at all",
            "run": rounded((0, 0.3)),
            "expect": [0.0],
            "hint": "Where there is no branch, none is slow. A number to the power of 0 is 1.",
        },
        {
            "case": "branches that are never slow, and branches that always are",
            "run": rounded((5, 0), (5, 1)),
            "expect": [0.0, 1.0],
            "hint": "The formula gives 0 and 1 here by itself.",
        },
    ],
}


def sums(add, *operands):
    """The sum of some dicts, from left to right, with a learner's `__add__`."""
    total, *rest = map(AddableDict, operands)
    for each in rest:
        total = add(total, AddableDict(each))
    return total


def operands_after(add):
    first, second = AddableDict(a=1), AddableDict(a=2, b=3)
    add(first, second)
    return dict(first), dict(second)


ADD_PARTS = {
    "title": "Write AddableDict.__add__",
    "course": AddableDict.__add__,
    "cases": [
        {
            "case": "two parts with different keys",
            "run": lambda add: dict(sums(add, {"mood": "mixed"}, {"stars": 3})),
            "expect": {"mood": "mixed", "stars": 3},
            "hint": "Begin with AddableDict(self), and put in what `other` has.",
        },
        {
            "case": "two parts with the same key",
            "run": lambda add: dict(sums(add, {"title": "Great "}, {"title": "battery"})),
            "expect": {"title": "Great battery"},
            "hint": "Where both have the key, the value is the sum: self's + other's, in this order.",
        },
        {
            "case": "the order of the keys",
            "run": lambda add: list(sums(add, {"c": 1, "a": 2}, {"b": 3, "a": 4})),
            "expect": ["c", "a", "b"],
            "hint": "Those of self come first, in their order, then what is new in `other`.",
        },
        {
            "case": "values 0, the empty text, and None",
            "run": lambda add: dict(sums(add, {"a": 0, "b": "", "c": None}, {"a": 5, "b": "so", "d": None})),
            "expect": {"a": 5, "b": "so", "c": None, "d": None},
            "hint": "Ask whether the key is there (`key in total`), not whether its value is true.",
        },
        {
            "case": "the sum of two zeros, and of two empty texts",
            "run": lambda add: dict(sums(add, {"a": 0, "b": ""}, {"a": 0, "b": ""})),
            "expect": {"a": 0, "b": ""},
            "hint": "A sum that counts as false is a value as all others.",
        },
        {
            "case": "empty parts on either side",
            "run": lambda add: [
                dict(each) for each in (sums(add, {}, {"a": 1}), sums(add, {"a": 1}, {}), sums(add, {}, {}))
            ],
            "expect": [{"a": 1}, {"a": 1}, {}],
            "hint": "An empty part adds nothing.",
        },
        {
            "case": "the two parts after the addition",
            "run": operands_after,
            "expect": ({"a": 1}, {"a": 2, "b": 3}),
            "hint": "Make a new dict: AddableDict(self). Neither part may change.",
        },
        {
            "case": "the class of the sum",
            "run": lambda add: type(sums(add, {"a": 1}, {"b": 2})).__name__,
            "expect": "AddableDict",
            "hint": "A plain dict could not be added to the next part.",
        },
    ],
}


class Source:
    """Parts of a step, one at a time, that notes when it is closed."""

    def __init__(self, seen, parts, fails):
        self.seen, self.parts, self.fails = seen, parts, fails

    async def stream(self, value):
        try:
            for part in self.parts:
                self.seen.append(f"made {part!r}")
                yield part
            if self.fails:
                raise LookupError(value)
        finally:
            self.seen.append("closed")


def stream_last(_astream, parts=("a", "b"), *, read=None, fails=False, first_fails=False):
    """Stream a sequence of a step and a last one of some parts; return the parts, and what was seen.

    read: how many parts are read before the stream is closed; None: all. fails: the last step fails after its
    parts. first_fails: the step before fails.
    """

    async def main():
        seen, came = [], []
        source = Source(seen, parts, fails)

        async def first(value):
            seen.append("first")
            if first_fails:
                raise LookupError(value)
            return value

        async def read_parts():
            if inspect.iscoroutinefunction(_astream):  # a stub, or one that never yields
                await _astream(None, "page", {})
                raise TypeError("there is no `yield` in it, so it gives no parts")
            sequence = with_method(RunnableSequence, _astream=_astream)(first, source.stream)
            stream = sequence.astream("page")
            try:
                async for part in stream:
                    came.append(part)
                    seen.append(f"read {part!r}")
                    if len(came) == read:
                        break
            finally:
                await stream.aclose()
            return came

        task = asyncio.ensure_future(read_parts())
        await asyncio.wait([task], timeout=PATIENCE)
        if not task.done():
            task.cancel()
            return f"nothing for {PATIENCE:g} s", seen
        return said(task.result), list(seen)  # as it is now: asyncio.run closes what is still open

    return asyncio.run(main())


STREAM_THE_LAST = {
    "title": "Write the sequence's _astream",
    "course": RunnableSequence._astream,
    "cases": [
        {
            "case": "the parts of the last step",
            "run": lambda _astream: stream_last(_astream)[0],
            "expect": ["a", "b"],
            "hint": "`*before, last = self.steps`. Then `async for part in last.astream(value): yield part`.",
        },
        {
            "case": "when the parts are made and read",
            "run": lambda _astream: [
                each
                for each in stream_last(_astream)[1]
                if each in ("first", "made 'a'", "read 'a'", "closed")
            ],
            "expect": ["first", "made 'a'", "read 'a'", "closed"],
            "hint": "Await the steps before, once and in turn, and yield each part as it comes.",
        },
        {
            "case": "parts 0, None and the empty text",
            "run": lambda _astream: stream_last(_astream, (0, None, ""))[0],
            "expect": [0, None, ""],
            "hint": "Hand on every part, whatever it is.",
        },
        {
            "case": "a last step without parts",
            "run": lambda _astream: stream_last(_astream, ())[0],
            "expect": [],
            "hint": "Yield what comes, and nothing else.",
        },
        {
            "case": "the last step fails after its parts: what comes out",
            "run": lambda _astream: stream_last(_astream, fails=True)[0],
            "expect": "LookupError",
            "hint": "Let the error through.",
        },
        {
            "case": "the first step fails: what comes out, and what was seen",
            "run": lambda _astream: stream_last(_astream, first_fails=True),
            "expect": ("LookupError", ["first"]),
            "hint": "Await the step before outside of any `except`: the last one never begins.",
        },
        {
            "case": "a reader that leaves after one part, when its stream is closed: what was seen last",
            "run": lambda _astream: stream_last(_astream, "abcdefgh", read=1)[1][-1],
            "expect": "closed",
            "hint": "`async with aclosing(last.astream(value)) as parts:` closes it on every way out.",
        },
    ],
}


def ask_twice(hedged, tries, delay=0.01, cancel=False):
    """Make a hedged call; return what comes out, the calls under way then, and how many were made.

    tries: what the first and the second call do: return a value, raise an exception (if it is one), or never
    end (if it is `...`). cancel: it is cancelled when the second call has begun.
    """

    async def main():
        seen, left = UnderWay(), list(tries)

        async def call():
            number, what = len(tries) - len(left) + 1, left.pop(0)

            async def work():
                if isinstance(what, Exception):
                    raise what
                return await for_ever() if what is ... else what

            return await seen.call(number, work)

        task = asyncio.ensure_future(hedged(call, delay))
        if cancel:
            begun = asyncio.ensure_future(seen.has_begun(2).wait())
            await asyncio.wait([begun, task], timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
            begun.cancel()
            task.cancel()
        return *await end_of(task, seen), len(seen.calls)

    return asyncio.run(main())


ASK_TWICE = {
    "title": "Write hedged",
    "course": hedged,
    "cases": [
        {
            "case": "the first call never ends: what comes out, what is under way then, how many were made",
            "run": lambda hedged: ask_twice(hedged, [..., "second"]),
            "expect": ("second", 0, 2),
            "hint": "An async function that sleeps for `delay` and then calls is the second one in the race: "
            "first_of takes a dict of both, and cancels the loser.",
        },
        {
            "case": "the first call answers in time: what comes out, and how many were made",
            "run": lambda hedged: ask_twice(hedged, ["first", "second"], delay=600)[::2],
            "expect": ("first", 1),
            "hint": "The second call is made after `delay`. first_of returns a dict: take its one value.",
        },
        {
            "case": "the first call is late, and the second never ends: how many were made",
            "run": lambda hedged: late_first(hedged),
            "expect": ("first", 0, 2),
            "hint": "Let the first go on when the second begins: the quicker of the two wins.",
        },
        {
            "case": "answers None, 0 and the empty text",
            "run": lambda hedged: [ask_twice(hedged, [..., what])[0] for what in (None, 0, "")],
            "expect": [None, 0, ""],
            "hint": "Whatever a call returns is its answer, also if it counts as false.",
        },
        {
            "case": "the first call fails: what comes out, and how many were made",
            "run": lambda hedged: ask_twice(hedged, [LookupError("no answer"), "second"])[::2],
            "expect": ("second", 2),
            "hint": "A failure is no answer. first_of goes on with the other.",
        },
        {
            "case": "both fail: what comes out",
            "run": lambda hedged: ask_twice(hedged, [LookupError("one"), LookupError("two")])[0],
            "expect": "LookupError",
            "hint": "Let first_of raise: with count 1 it does when both have failed.",
        },
        {
            "case": "cancelled while both run: what comes out, and what is under way then",
            "run": lambda hedged: ask_twice(hedged, [..., ...], cancel=True)[:2],
            "expect": ("CancelledError", 0),
            "hint": "Await first_of in your own task: it cancels both calls, and waits for them.",
        },
    ],
}


def late_first(hedged):
    """A hedged call whose first try answers as soon as the second has begun, which never ends."""

    async def main():
        seen, made = UnderWay(), []

        async def first():
            await seen.has_begun(2).wait()
            return "first"

        def call():
            made.append(len(made) + 1)
            return seen.call(made[-1], first if made[-1] == 1 else for_ever)

        return *await end_of(asyncio.ensure_future(hedged(call, 0.01)), seen), len(made)

    return asyncio.run(main())


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

QUIZ_STREAMS = [
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
        "question": "You leave an `async for` over your library's `astream` with `break`. The branches ...",
        "options": ["end at once", "go on until the stream is closed", "run to their ends in any case"],
        "answer": 1,
        "why": [
            "The stream could still be read on, so nothing is cancelled yet.",
            "Each goes one part ahead at most. Closing the stream cancels them and waits for them.",
            "That is langchain-core's. Yours cancels them when the stream is closed.",
        ],
    },
    {
        "question": "A branch makes parts faster than they are read. How many lie there at most?",
        "options": ["one", "as many as it can make", "none"],
        "answer": 0,
        "why": [
            "It waits until its part has been taken: backpressure.",
            "Then a fast branch would fill the memory. It waits for room.",
            "It makes one ahead, so that it is there when the reader comes.",
        ],
    },
]
