"""Exercises of lesson 2 as plain data: cases with what is expected, typical wrong answers, hints."""

import threading
from contextvars import ContextVar

from lessons.lesson2_thread_pools.thread_pool import ThreadPool

PATIENCE = 2.0  # seconds that calls wait for each other

WHO_TAKES_WHAT = {
    "title": "Who takes what?",
    "reads": "letters",
    "cases": [
        {
            "case": "the calls of the worker that takes a",
            "expect": "AE",
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
    "reads": "words",
    "cases": [
        {
            "case": "the function that may lose an update",
            "expect": ["count"],
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


def same(value):
    return value


def meets(parties):
    """A function that gives back its input, and can end only when so many calls of it run."""
    meet = threading.Barrier(parties)

    def wait_for_the_others(value):
        meet.wait(PATIENCE)
        return value

    return wait_for_the_others


def ends_last(others):
    """Two functions: a slow one, which ends after so many calls of the other one, and that other one."""
    all_over, over = threading.Event(), []

    def slow(value):
        return value if all_over.wait(PATIENCE) else "the others had to wait for this call"

    def quick(value):
        over.append(value)
        if len(over) == others:
            all_over.set()
        return value

    return slow, quick


def map_in_pool(map_on, function, inputs, workers=2):
    with ThreadPool(workers) as pool:
        return map_on(pool, function, inputs)


def map_with_slow_first(map_on, count):
    """Map a function whose first call ends after all others."""
    slow, quick = ends_last(count - 1)
    return map_in_pool(map_on, lambda n: (slow if n == 1 else quick)(n), range(1, count + 1))


def map_that_meets(map_on):
    """On pools of 1, 2 and 3 workers, map a function that needs them all at the same time."""
    try:
        return [map_in_pool(map_on, meets(size), range(1, size + 1), size) for size in (1, 2, 3)]
    except threading.BrokenBarrierError:
        return f"not all workers of the pool had a call after {PATIENCE:g} s"


def map_with_failure(map_on):
    """Map a function that fails for one input; return the message of what is raised."""
    try:
        return map_in_pool(map_on, int, ["1", "two", "3"])
    except ValueError as error:
        return str(error)


def threads_of_map(map_on):
    """Return how many of five calls ran on a worker of the pool."""
    with ThreadPool(2) as pool:
        threads = map_on(pool, lambda number: threading.current_thread(), range(5))
        return sum(thread in pool.workers for thread in threads)


def pool_after_map(map_on):
    """Return what the pool gives after a map that failed."""
    with ThreadPool(2) as pool:
        try:
            map_on(pool, int, ["two"])
        except ValueError:
            return pool.submit(int, "2").result()
        return "no error arrived"


WRITE_MAP = {
    "title": "Write map for the toy pool",
    "cases": [
        {
            "case": "five calls, of which the first ends last",
            "run": lambda map_on: map_with_slow_first(map_on, 5),
            "expect": [1, 2, 3, 4, 5],
            "hint": "Submit all at once. Keep the futures in the order of the inputs, and ask in that order.",
        },
        {
            "case": "calls that need all workers, on pools of 1, 2 and 3",
            "run": map_that_meets,
            "expect": [[1], [1, 2], [1, 2, 3]],
            "hint": "Submit all before you ask for a result. How many run at once is the pool's business.",
        },
        {
            "case": "how many of five calls the pool's workers make",
            "run": threads_of_map,
            "expect": 5,
            "hint": "Some calls run on other threads. Hand each to `pool.submit`.",
        },
        {
            "case": "a call that fails",
            "run": map_with_failure,
            "expect": "invalid literal for int() with base 10: 'two'",
            "hint": "result() raises what the call raised. Let it through.",
        },
        {
            "case": "a call on the same pool after a failed map",
            "run": pool_after_map,
            "expect": 2,
            "hint": "The pool is the caller's, who may have more calls for it. Do not shut it down.",
        },
        {
            "case": "results that count as false",
            "run": lambda map_on: map_in_pool(map_on, same, [None, 0, "", 1]),
            "expect": [None, 0, "", 1],
            "hint": "None, 0 and an empty text are results like any other.",
        },
        {
            "case": "no inputs at all",
            "run": lambda map_on: map_in_pool(map_on, same, []),
            "expect": [],
            "hint": "With nothing to do, return an empty list.",
        },
    ],
}

USER = ContextVar("user", default="nobody")


def invoke_as_ada(invoke, count):
    """Invoke branches that read and then set a variable; return all that was seen, the caller's last."""

    def swap(value):
        seen = USER.get()
        USER.set("Bob")
        return seen

    token = USER.set("Ada")
    try:
        seen = invoke({f"branch {number}": swap for number in range(count)}, 3)
        return {*seen.values(), USER.get()}
    finally:
        USER.reset(token)


def invoke_that_meets(invoke):
    """Invoke 2, 3 and 5 branches that can end only when all have started."""
    try:
        return [len(invoke(dict.fromkeys("abcde"[:count], meets(count)), 3)) for count in (2, 3, 5)]
    except threading.BrokenBarrierError:
        return f"not all had started after {PATIENCE:g} s"


def invoke_with_slow_first(invoke):
    """Invoke eight branches, of which the first ends after all others; return names and results."""
    slow, quick = ends_last(7)
    branches = {name: lambda value, name=name: (slow if name == "a" else quick)(name) for name in "abcdefgh"}
    return list(invoke(branches, 3).items())


def error_of(invoke):
    """Invoke a branch that fails after one that does not; return what is raised."""
    try:
        return invoke({"fine": same, "fails": int}, "three")
    except ValueError as error:
        return str(error)


def threads_left(invoke):
    """Invoke a branch that fails while another runs; return how many threads are left after that."""
    other_runs, came_back = threading.Event(), threading.Event()

    def fail(value):
        other_runs.wait(PATIENCE)
        raise LookupError("no such review")

    def run_on(value):
        other_runs.set()
        came_back.wait(0.3)  # long enough for an invoke that does not wait for this

    before = set(threading.enumerate())
    try:
        invoke({"fails": fail, "runs on": run_on}, 3)
    except LookupError:
        left = len(set(threading.enumerate()) - before)
        came_back.set()
        return left
    return "no error arrived"


REPAIR_INVOKE = {
    "title": "Two things are missing",
    "cases": [
        {
            "case": "2, 3 and 5 branches that wait for each other",
            "run": invoke_that_meets,
            "expect": [2, 3, 5],
            "hint": "Submit all before you ask for a result, and fix no small number of workers. "
            "Two cannot share one copy of a context.",
        },
        {
            "case": "eight branches, of which the first ends last",
            "run": invoke_with_slow_first,
            "expect": [(name, name) for name in "abcdefgh"],
            "hint": "The dict has the order of the branches, whoever ends first. And no branch that could "
            "start waits for a slow one.",
        },
        {
            "case": "what 40 branches that set the context variable, and the caller, see of it",
            "run": lambda invoke: invoke_as_ada(invoke, 40),
            "expect": {"Ada"},
            "hint": "Copy it in the caller, once a branch: submit `copy_context().run`, branch, value.",
        },
        {
            "case": "what a single branch that sets it, and the caller, see of it",
            "run": lambda invoke: invoke_as_ada(invoke, 1),
            "expect": {"Ada"},
            "hint": "What a branch sets must not reach the caller: it runs on a worker, in a copy.",
        },
        {
            "case": "the error of a branch",
            "run": error_of,
            "expect": "invalid literal for int() with base 10: 'three'",
            "hint": "result() raises what the branch raised. Let it through.",
        },
        {
            "case": "the number of threads left after an error, while another branch still ran",
            "run": threads_left,
            "expect": 0,
            "hint": "Shut the pool down and wait for it, also after an error. A `with` block does.",
        },
        {
            "case": "results that count as false",
            "run": lambda invoke: invoke({"a": lambda _: None, "b": lambda _: 0, "c": lambda _: ""}, 3),
            "expect": {"a": None, "b": 0, "c": ""},
            "hint": "None, 0 and an empty text are results like any other.",
        },
        {
            "case": "no branches at all",
            "run": lambda invoke: invoke({}, 3),
            "expect": {},
            "hint": "Without a branch there is an empty dict. A pool of 0 workers raises.",
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
        "question": "With a GIL, two branches compute in pure Python, a second each. How long is `invoke`?",
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
        "question": "Your `batch` gets three reviews for a chain of three branches. How many LLM calls?",
        "options": ["one: they go out as one batch", "three, one a review", "nine"],
        "answer": 2,
        "why": [
            "This `batch` makes calls overlap. It merges none. (Some others do: lesson 6.)",
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
