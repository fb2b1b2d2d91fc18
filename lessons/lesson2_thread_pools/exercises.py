"""Exercises of lesson 2 as plain data: cases with what is expected, typical wrong answers, hints."""

import threading
from contextvars import ContextVar

from lessons.lesson2_thread_pools.thread_pool import ThreadPool

PATIENCE = 2.0  # seconds that calls wait for each other

WHO_TAKES_WHAT = {
    "title": "Who takes what?",
    "cases": [
        {
            "case": "the calls of the worker that takes a",
            "run": lambda answer: "".join(answer).replace(",", "").replace(" ", "").lower(),
            "expect": "ae",
            "hint": "Draw a line of seconds for each worker. Who is free first takes the next in the queue.",
        }
    ],
    "wrong": [
        {"answer": "ace", "hint": "Calls are not dealt out in turn. When does the worker of b become free?"},
        {"answer": "a", "hint": "The worker of a is free after 4 seconds. Is the queue empty by then?"},
        {"answer": "abcde", "hint": "There are two workers, and b need not wait for a."},
    ],
}

FIND_THE_RACE = {
    "title": "Find the race",
    "cases": [
        {
            "case": "the function that may lose an update",
            "run": lambda answer: str(answer).strip().lower(),
            "expect": "count",
            "hint": "Look for a read and a write of one shared object, with a gap in between.",
        }
    ],
    "wrong": [
        {
            "answer": "collect",
            "hint": "The list is shared, but append is a single step, and nothing is read before.",
        },
        {"answer": "measure", "hint": "`words` is a local variable. Each call has its own."},
        {"answer": "guard", "hint": "It reads and writes, but the lock lets in one thread at a time."},
    ],
}


def square(number):
    return number * number


def map_that_meets(map_on):
    """Map, on two workers, a function whose two calls can end only when both have started."""
    meet = threading.Barrier(2)

    def wait_for_the_other(number):
        meet.wait(PATIENCE)
        return number

    with ThreadPool(2) as pool:
        try:
            return map_on(pool, wait_for_the_other, [1, 2])
        except threading.BrokenBarrierError:
            return f"the second call had not started after {PATIENCE:g} s"


def map_with_failure(map_on):
    """Map a function that fails for one input; return the message of what is raised."""
    with ThreadPool(2) as pool:
        try:
            return map_on(pool, int, ["1", "two", "3"])
        except ValueError as error:
            return str(error)


def map_squares(map_on, numbers):
    with ThreadPool(2) as pool:
        return map_on(pool, square, numbers)


WRITE_MAP = {
    "title": "Write map for the toy pool",
    "cases": [
        {
            "case": "the squares of three numbers, in their order",
            "run": lambda map_on: map_squares(map_on, [3, 1, 2]),
            "expect": [9, 1, 4],
            "hint": "Keep the futures in a list, in the order of the inputs; result() gives each value.",
        },
        {
            "case": "two calls that wait for each other",
            "run": map_that_meets,
            "expect": [1, 2],
            "hint": "You ask for a result before the next call is submitted. Submit all, then collect.",
        },
        {
            "case": "a call that fails",
            "run": map_with_failure,
            "expect": "invalid literal for int() with base 10: 'two'",
            "hint": "result() raises what the call raised. Let it through.",
        },
        {
            "case": "no inputs at all",
            "run": lambda map_on: map_squares(map_on, []),
            "expect": [],
            "hint": "With nothing to do, return an empty list.",
        },
    ],
}

USER = ContextVar("user", default="nobody")


def invoke_as_ada(invoke):
    """Invoke two branches that read a context variable of the caller."""
    token = USER.set("Ada")
    try:
        return invoke({"first": lambda value: USER.get(), "second": lambda value: USER.get()}, 3)
    finally:
        USER.reset(token)


def invoke_that_meets(invoke):
    """Invoke two branches that can end only when both have started."""
    meet = threading.Barrier(2)

    def wait_for_the_other(value):
        meet.wait(PATIENCE)
        return value

    try:
        return invoke({"first": wait_for_the_other, "second": wait_for_the_other}, 3)
    except threading.BrokenBarrierError:
        return f"the two had not run at the same time after {PATIENCE:g} s"


def threads_left(invoke):
    """Invoke a branch that fails; return how many threads are left when its error arrives."""

    def fail(value):
        raise LookupError("no such review")

    before = set(threading.enumerate())
    try:
        invoke({"fail": fail}, 3)
    except LookupError:
        return len(set(threading.enumerate()) - before)
    return "no error arrived"


REPAIR_INVOKE = {
    "title": "Two things are missing",
    "cases": [
        {
            "case": "two branches that wait for each other",
            "run": invoke_that_meets,
            "expect": {"first": 3, "second": 3},
            "hint": "Submit all before you ask for a result. Two cannot share one copy of a context.",
        },
        {
            "case": "what the branches see of the caller's context variable",
            "run": invoke_as_ada,
            "expect": {"first": "Ada", "second": "Ada"},
            "hint": "Copy it in the caller, once a branch: submit `copy_context().run`, branch, value.",
        },
        {
            "case": "the number of threads left after an error",
            "run": threads_left,
            "expect": 0,
            "hint": "Nobody shuts the pool down. A `with` block does, also after an error.",
        },
    ],
}

QUIZ = [
    {
        "question": "A function that you run with `Thread(target=...)` raises. Who gets the exception?",
        "options": [
            "whoever calls `join()`",
            "`threading.excepthook`, which prints it",
            "the main thread, at once",
        ],
        "answer": 1,
        "why": [
            "`join` waits and returns None, whether the function returned or failed.",
            "Nobody else ever sees it. That is why a pool catches it and keeps it in a future.",
            "An exception stays on the stack of its own thread unless somebody carries it over.",
        ],
    },
    {
        "question": "Three branches run on a pool with two workers. What does the third one do at first?",
        "options": [
            "it shares a worker's time with another branch",
            "it waits in the queue",
            "it gets a third thread",
        ],
        "answer": 1,
        "why": [
            "A worker makes one call at a time, from its start to its end.",
            "It is taken out by the worker that is free first.",
            "Two is the most this pool has.",
        ],
    },
    {
        "question": "With a GIL, two branches compute for a second each. How long does `invoke` take?",
        "options": [
            "about one second, if there are two cores",
            "about two seconds",
            "less, because threads are light",
        ],
        "answer": 1,
        "why": [
            "With a GIL only one thread at a time executes Python, however many cores there are.",
            "They take turns. For one second: processes, or a free-threaded build.",
            "A thread adds waiting room, not computing power.",
        ],
    },
    {
        "question": "`batch` gets three reviews for a chain of three branches. How many LLM calls are made?",
        "options": ["one: they go out as one batch", "three, one a review", "nine"],
        "answer": 2,
        "why": [
            "`batch` makes calls overlap. It does not merge them.",
            "Each review is invoked, and each invoke makes three calls.",
            "Three times three. They overlap as far as the pools allow.",
        ],
    },
    {
        "question": "A branch on a thread sets a context variable. What does the caller see after `invoke`?",
        "options": ["the new value", "its own value, unchanged", "it depends on which branch ended last"],
        "answer": 1,
        "why": [
            "The branch ran in a copy of the context.",
            "Context flows in, never out. To hand something back, return it.",
            "No branch can change the caller's context, whenever it ends.",
        ],
    },
]
