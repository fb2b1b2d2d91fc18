"""Exercises of lesson 2 as plain data: cases with what is expected, typical wrong answers, hints."""

import concurrent.futures
import threading
from contextvars import ContextVar
from functools import partial
from queue import SimpleQueue

from lessons.lesson2_thread_pools.first_versions import cancel_queued, run_on_threads
from lessons.lesson2_thread_pools.in_flight import InFlight
from lessons.lesson2_thread_pools.thread_pool import Future, ThreadPool
from lessons.lesson2_thread_pools.threads import in_context

PATIENCE = 2.0  # seconds that calls wait for each other


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


# --- Lesson 2: the building steps


def message_of(call, *args):
    """What a call raises, as "LookupError: no answer"; what it returns, if it does not."""
    try:
        return call(*args)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def fail(*args):
    raise LookupError("no answer")


def future_with(run):
    """A future of the lesson with the learner's `run`."""
    return type("Yours", (Future,), {"run": run})()


def result_of_run(run, *call):
    """Run a call; return what `result` returns, or that something is not as it should be."""
    future = future_with(run)
    try:
        future.run(*call)
    except NotImplementedError:
        raise  # of the stub
    except BaseException as error:
        return f"{type(error).__name__} came out of run"
    return future.result() if future.done.is_set() else "`done` is not set"


def greet():
    return "hello"


def leave():
    raise SystemExit("bye")


def result_after_exit(run):
    """Run a call that raises SystemExit; return what `result` does."""
    try:
        return result_of_run(run, leave)
    except SystemExit as error:
        return f"SystemExit: {error}"


def kept_when_done(run):
    """Return the value and the error that were there when `done` was set, for a call that returns."""

    class Notes(threading.Event):
        def set(self):
            seen.append((future.value, future.error))
            super().set()

    seen, future = [], future_with(run)
    future.done = Notes()
    future.run(str, 3)
    return seen


def where_it_runs(run):
    """Return how often run makes the call, and whether on its own thread."""
    threads, future = [], future_with(run)
    future.run(lambda: threads.append(threading.current_thread()))
    return len(threads), set(threads) == {threading.current_thread()}


FUTURE_RUN = {
    "title": "Write Future.run",
    "course": Future.run,
    "cases": [
        {
            "case": "the result after run(divmod, 7, 2)",
            "run": lambda run: result_of_run(run, divmod, 7, 2),
            "expect": (3, 1),
            "hint": "Make the call, `function(*args)`, keep what it returns as `self.value`, and set "
            "`self.done`.",
        },
        {
            "case": "the result after run(greet): a call without arguments",
            "run": lambda run: result_of_run(run, greet),
            "expect": "hello",
            "hint": "`*args` in the call hands over the arguments one by one, however many there are.",
        },
        {
            "case": "what result raises after a call that fails",
            "run": lambda run: message_of(result_of_run, run, fail),
            "expect": "LookupError: no answer",
            "hint": "Keep what the call raises as `self.error`. And `done` must be set in this case, too.",
        },
        {
            "case": "what result raises after a call that raises SystemExit",
            "run": result_after_exit,
            "expect": "SystemExit: bye",
            "hint": "Not everything that is raised is an Exception. `except BaseException` catches all.",
        },
        {
            "case": "the value and the error at the moment when done is set",
            "run": kept_when_done,
            "expect": [("3", None)],
            "hint": "Whoever waits wakes up when `done` is set. So set it last, and once.",
        },
        {
            "case": "how often the call is made, and whether on the thread of run",
            "run": where_it_runs,
            "expect": (1, True),
            "hint": "The thread is there already: it is the one that runs `run`. Make the call once, here.",
        },
        {
            "case": "results that count as false",
            "run": lambda run: [result_of_run(run, same, value) for value in (None, 0, "")],
            "expect": [None, 0, ""],
            "hint": "None, 0 and an empty text are results like any other.",
        },
    ],
}


class PatientQueue(SimpleQueue):
    """A queue whose `get` gives up after PATIENCE. asked_again: set when it is called a second time."""

    def __init__(self):
        self.asked, self.asked_again = 0, threading.Event()

    def get(self, block=True, timeout=None):
        self.asked += 1
        if self.asked > 1:
            self.asked_again.set()
        return super().get(block, PATIENCE if timeout is None else min(timeout, PATIENCE))


def pool_with(work, workers=0):
    """A pool of the lesson with the learner's `work`."""
    return type("Yours", (ThreadPool,), {"work": work})(workers)


def work_through(work, *functions, stop_signs=1):
    """Let one worker do these calls; return their futures, and how many items it leaves in the queue."""
    pool, futures = pool_with(work), [Future() for _ in functions]
    pool.queue = PatientQueue()
    for future, function in zip(futures, functions):
        future.done = PatientEvent()
        pool.queue.put((future, function, ()))
    for _ in range(stop_signs):
        pool.queue.put(None)
    pool.work()
    return futures, pool.queue.qsize()


class PatientEvent(threading.Event):
    """An event whose `wait` gives up after PATIENCE. asked: set when somebody waits."""

    def __init__(self):
        super().__init__()
        self.asked = threading.Event()

    def wait(self, timeout=None):
        self.asked.set()
        return super().wait(PATIENCE if timeout is None else min(timeout, PATIENCE))


def results_of_work(work, *functions):
    return [message_of(future.result) for future in work_through(work, *functions)[0]]


def order_of_work(work):
    made = []

    def make(number):
        made.append(number)
        return number + 1

    work_through(work, *(partial(make, number) for number in range(5)))
    return made


def work_that_comes_late(work):
    """Queue a call when the worker has done all that there was; return its result."""
    pool = pool_with(work)
    pool.queue = queue = PatientQueue()
    pool.submit(int)
    worker = threading.Thread(target=lambda: message_of(pool.work), daemon=True)
    worker.start()
    while worker.is_alive() and not queue.asked_again.wait(0.01):
        pass
    if not queue.asked_again.is_set():
        return "the worker has ended"
    late = pool.submit(int, "7")
    queue.put(None)
    return late.result() if late.done.wait(PATIENCE) else "the worker has ended"


def work_with_slow_first(work):
    """On two workers, five calls of which the first ends after all others."""
    slow, quick = ends_last(4)
    with pool_with(work, 2) as pool:
        futures = [pool.submit(slow if number == 1 else quick, number) for number in range(1, 6)]
        return [future.result() for future in futures]


def work_that_meets(work):
    """On pools of 1, 2 and 3 workers, as many calls that wait for each other."""
    try:
        found = []
        for size in (1, 2, 3):
            together = meets(size)
            with pool_with(work, size) as pool:
                futures = [pool.submit(together, number) for number in range(size)]
                found.append(len([future.result() for future in futures]))
        return found
    except threading.BrokenBarrierError:
        return f"not all workers of the pool had a call after {PATIENCE:g} s"


def threads_of_work(work):
    """Return how many of five calls ran on a worker of the pool."""
    with pool_with(work, 2) as pool:
        futures = [pool.submit(threading.current_thread) for _ in range(5)]
        return sum(future.result() in pool.workers for future in futures)


WORK = {
    "title": "Write ThreadPool.work",
    "course": ThreadPool.work,
    "cases": [
        {
            "case": "three calls and a stop sign: the results, and the items left",
            "run": lambda work: (results_of_work(work, int, str, list), work_through(work, int)[1]),
            "expect": ([0, "", []], 0),
            "hint": "`self.queue.get()` waits for the next item. Run it with `future.run(function, *args)`, "
            "and "
            "ask again, until the item is None.",
        },
        {
            "case": "the order in which five calls are made",
            "run": order_of_work,
            "expect": [0, 1, 2, 3, 4],
            "hint": "Run each item when it comes.",
        },
        {
            "case": "two stop signs: how many are left for other workers",
            "run": lambda work: work_through(work, int, stop_signs=2)[1],
            "expect": 1,
            "hint": "End at the first None. The next one is for another worker.",
        },
        {
            "case": "a call that fails, and the one behind it",
            "run": lambda work: results_of_work(work, fail, int),
            "expect": ["LookupError: no answer", 0],
            "hint": "Do not call the function yourself: `future.run` keeps what it raises.",
        },
        {
            "case": "a call that comes when the queue has been empty",
            "run": work_that_comes_late,
            "expect": 7,
            "hint": "An empty queue is no end. `get()` waits until something comes.",
        },
        {
            "case": "how many of five calls run on the pool's workers",
            "run": threads_of_work,
            "expect": 5,
            "hint": "`work` runs on a worker already. Run the call here, and start no thread.",
        },
        {
            "case": "two workers, and a first call that ends last",
            "run": work_with_slow_first,
            "expect": [1, 2, 3, 4, 5],
            "hint": "While one worker makes a slow call, the other takes what is queued. Share no lock.",
        },
        {
            "case": "calls that need all workers, on pools of 1, 2 and 3",
            "run": work_that_meets,
            "expect": [1, 2, 3],
            "hint": "Each worker takes one item at a time, and waits for no other worker.",
        },
        {
            "case": "calls that return None, 0 and an empty text",
            "run": lambda work: results_of_work(work, lambda: None, int, str, lambda: 7),
            "expect": [None, 0, "", 7],
            "hint": "Only an item that is None is a stop sign. What a call returns is none.",
        },
    ],
}


def run_each(run, function, inputs, max_workers=None):
    """Run `function` with each input by the learner's run_on_threads."""
    return run({number: partial(function, value) for number, value in enumerate(inputs)}, max_workers)


def run_slow_first(run, count, max_workers):
    """Run calls of which the first ends after all others."""
    slow, quick = ends_last(count - 1)
    return run_each(run, lambda n: (slow if n == 1 else quick)(n), range(1, count + 1), max_workers)


def run_that_meets(run):
    """With max_workers 2, 3 and 5, and without: as many calls that wait for each other."""
    try:
        found = [run_each(run, meets(size), "abcde"[:size], size) for size in (2, 3, 5)]
        together = meets(2)
        return [*found, run({"first": partial(together, "a"), "second": partial(together, "b")})]
    except threading.BrokenBarrierError:
        return f"not all had started after {PATIENCE:g} s"


def run_one_too_many(run):
    """With max_workers 1, 2 and 3, run one call more; return in which cases all of them met."""
    met = []
    for size in (1, 2, 3):
        meet = threading.Barrier(size + 1, action=partial(met.append, size))
        for_a_while = partial(message_of, meet.wait, 0.2)
        run(dict.fromkeys(range(size + 1), for_a_while), size)
    return met


def is_any_by_the_caller(run):
    return [
        threading.current_thread() in run(dict.fromkeys(range(n), threading.current_thread)) for n in (1, 3)
    ]


FALSY_AND_NONE = [  # cases of whatever runs a dict of calls
    {
        "case": "results that count as false",
        "run": lambda run: run_each(run, same, [None, 0, "", 1]),
        "expect": [None, 0, "", 1],
        "hint": "None, 0 and an empty text are results like any other.",
    },
    {
        "case": "no calls at all",
        "run": lambda run: run({}),
        "expect": [],
        "hint": "No calls give an empty list.",
    },
]

RUN_ON_THREADS = {
    "title": "Write run_on_threads",
    "course": run_on_threads,
    "cases": [
        {
            "case": "five calls on two threads, of which the first ends last",
            "run": lambda run: run_slow_first(run, 5, 2),
            "expect": [1, 2, 3, 4, 5],
            "hint": "Submit all calls first, and keep the futures in a list. Then ask each for its result().",
        },
        {
            "case": "2, 3 and 5 calls that wait for each other",
            "run": run_that_meets,
            "expect": [[*"ab"], [*"abc"], [*"abcde"], [*"ab"]],
            "hint": "Submit all before you ask for a result. ThreadPoolExecutor(max_workers) takes None, "
            "too.",
        },
        {
            "case": "whether more than 1, 2 and 3 run at once, where max_workers says so",
            "run": run_one_too_many,
            "expect": [],
            "hint": "Hand `max_workers` to the ThreadPoolExecutor: it makes no more threads than that.",
        },
        {
            "case": "whether the caller's thread makes a call, of 1 and of 3",
            "run": is_any_by_the_caller,
            "expect": [False, False],
            "hint": "Hand each call to `pool.submit`, also a single one.",
        },
        {
            "case": "what a call raises",
            "run": lambda run: message_of(run, {"fine": int, "fails": fail}),
            "expect": "LookupError: no answer",
            "hint": "result() raises what the call raised. Let it through.",
        },
        {
            "case": "the number of threads left after an error, while another call still ran",
            "run": lambda run: threads_left(as_invoke(run)),
            "expect": 0,
            "hint": "Shut the pool down and wait for it, also after an error. A `with` block does.",
        },
        *FALSY_AND_NONE,
    ],
}


def as_invoke(run):
    """An `invoke(branches, value)` on the learner's run_on_threads."""

    def invoke(branches, value):
        calls = {name: partial(branch, value) for name, branch in branches.items()}
        return dict(zip(calls, run(calls)))

    return invoke


HOW_MANY_WAVES = {
    "title": "How many waves?",
    "reads": "numbers",
    "cases": [
        {
            "case": "the waves of 11 branches on 4, 6 and 20 workers, and the peak on 20",
            "expect": [3, 2, 1, 11],
            "hint": "A wave has as many branches as there are workers; the last one may have fewer.",
        }
    ],
    "wrong": [
        {
            "answer": [3, 2, 1, 20],
            "hint": "What would workers 12 to 20 run? There are eleven branches.",
        },
        {
            "answer": [2, 1, 0, 11],
            "hint": "The branches that are left over make a wave, too.",
        },
    ],
}

# --- Lesson 2: the exercises

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
    "title": "It uses a pool, and nothing overlaps",
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


def future_that_waits(*call, asked=False):
    """A future of the lesson that is run on a thread, whose call goes on only when it is told to.

    Returns the future, what tells it to go on, and its thread. asked: it goes on when somebody waits for it.
    """
    future = Future()
    future.done = PatientEvent()
    go_on = future.done.asked if asked else threading.Event()

    def wait_and_call(function, *args):
        go_on.wait(PATIENCE)
        return function(*args)

    thread = threading.Thread(target=future.run, args=(wait_and_call, *call), daemon=True)
    thread.start()
    return future, go_on, thread


def future_of(*call):
    """A future of the lesson whose call is over."""
    future = Future()
    future.run(*call)
    return future


def kind_of(call, *args):
    """The name of the exception that a call raises; what it returns, if it raises none."""
    try:
        return call(*args)
    except Exception as error:
        return type(error).__name__


def within_limits(result_within):
    """Ask with three limits for a call that is never over."""
    future, go_on, thread = future_that_waits(int)
    try:
        return [kind_of(result_within, future, seconds) for seconds in (0, 0.01, 0.05)]
    finally:
        go_on.set()
        thread.join()


def threads_after_time_is_up(result_within):
    """Return how many threads there are more after a TimeoutError."""
    future, go_on, thread = future_that_waits(int)
    before = set(threading.enumerate())
    kind_of(result_within, future, 0.01)
    more = len(set(threading.enumerate()) - before)
    go_on.set()
    thread.join()
    return more


def asked_twice(result_within):
    """Ask before the call is over, and after."""
    future, go_on, thread = future_that_waits(int, "7")
    first = kind_of(result_within, future, 0.01)
    go_on.set()
    thread.join()
    return [first, kind_of(future.result)]


RESULT_WITHIN = {
    "title": "A result with a time limit",
    "cases": [
        {
            "case": "a call that is over",
            "run": lambda within: within(future_of(divmod, 7, 2), 1),
            "expect": (3, 1),
            "hint": "When the call is over, return what `future.result()` returns.",
        },
        {
            "case": "a call that has failed",
            "run": lambda within: message_of(within, future_of(fail), 1),
            "expect": "LookupError: no answer",
            "hint": "When the call is over, let `future.result()` raise what it raises.",
        },
        {
            "case": "a call that is not over after 0, 0.01 and 0.05 seconds",
            "run": within_limits,
            "expect": ["TimeoutError"] * 3,
            "hint": "`future.done.wait(seconds)` waits so long at most. It returns whether the event has "
            "been set.",
        },
        {
            "case": "a call that is over while you wait",
            "run": lambda within: kind_of(within, future_that_waits(int, "7", asked=True)[0], 60),
            "expect": 7,
            "hint": "Do not only look whether it is over: wait for it, `seconds` at most.",
        },
        {
            "case": "the threads that there are more after a TimeoutError",
            "run": threads_after_time_is_up,
            "expect": 0,
            "hint": "No further thread is needed: the event can wait with a limit.",
        },
        {
            "case": "a TimeoutError, and the result when the call is over at last",
            "run": asked_twice,
            "expect": ["TimeoutError", 7],
            "hint": "Raise the error to your caller only. The future stays as it is.",
        },
        {
            "case": "results that count as false",
            "run": lambda within: [within(future_of(same, value), 1) for value in (None, 0, "")],
            "expect": [None, 0, ""],
            "hint": "Look at what `wait` returns, not at the result: that may be None.",
        },
    ],
}

# --- Lesson 2b: the building steps

USER = ContextVar("user", default="nobody")


def on_pool(calls, max_workers=2):
    """Run calls on a thread pool that knows nothing of contexts; return the dict of their results."""
    with concurrent.futures.ThreadPoolExecutor(max_workers) as pool:
        futures = {name: pool.submit(call) for name, call in calls.items()}
        return {name: future.result() for name, future in futures.items()}


def swap_user():
    """Set the variable, and return what it was before."""
    before = USER.get()
    USER.set("Bob")
    return before


def seen_as_ada(in_context, *calls, max_workers=2):
    """Run calls in context for Ada; return what they saw, and what the caller sees then."""
    token = USER.set("Ada")
    try:
        seen = on_pool(in_context(dict(enumerate(calls))), max_workers)
        return [*seen.values(), USER.get()]
    finally:
        USER.reset(token)


def seen_at_the_same_time(in_context):
    """Calls that are in their contexts at the same time."""
    together = meets(3)
    calls = [lambda: together(USER.get()) for _ in range(3)]
    try:
        return seen_as_ada(in_context, *calls, max_workers=3)
    except threading.BrokenBarrierError:
        return f"not all calls had started after {PATIENCE:g} s"


def made_by_in_context(in_context):
    made = []
    in_context({"a": partial(made.append, 1)})
    return len(made)


IN_CONTEXT = {
    "title": "Write in_context",
    "course": in_context,
    "cases": [
        {
            "case": "the names and the results of three calls",
            "run": lambda wrap: list(on_pool(wrap({"c": lambda: 1, "a": lambda: 2, "b": lambda: 3})).items()),
            "expect": [("c", 1), ("a", 2), ("b", 3)],
            "hint": "Return a dict: for each name a function without arguments that makes this very call. "
            "`partial(copy_context().run, call)` is one.",
        },
        {
            "case": "how many calls in_context itself makes",
            "run": made_by_in_context,
            "expect": 0,
            "hint": "`context.run(call)` makes the call at once. Wrap it: partial(context.run, call).",
        },
        {
            "case": "what two calls on threads, and the caller, see of a context variable",
            "run": lambda wrap: seen_as_ada(wrap, USER.get, USER.get),
            "expect": ["Ada", "Ada", "Ada"],
            "hint": "Copy the context here, in the caller's thread. On the worker it is too late: there it "
            "is empty.",
        },
        {
            "case": "three calls that are in their contexts at the same time",
            "run": seen_at_the_same_time,
            "expect": ["Ada", "Ada", "Ada", "Ada"],
            "hint": "Two threads cannot be inside one context. Make a copy for each call.",
        },
        {
            "case": "what two calls see that set the variable, one after the other, and what the caller sees",
            "run": lambda wrap: seen_as_ada(wrap, swap_user, swap_user, max_workers=1),
            "expect": ["Ada", "Ada", "Ada"],
            "hint": "What a call sets stays in its copy, if each call has a copy of its own.",
        },
        {
            "case": "what a call raises",
            "run": lambda wrap: message_of(on_pool, wrap({"a": fail})),
            "expect": "LookupError: no answer",
            "hint": "`run` raises what the call raises. Let it through.",
        },
        {
            "case": "results that count as false",
            "run": lambda wrap: on_pool(wrap({"a": lambda: None, "b": int, "c": str})),
            "expect": {"a": None, "b": 0, "c": ""},
            "hint": "`run` returns what the call returns. Return that as it is.",
        },
        {
            "case": "no calls at all",
            "run": lambda wrap: wrap({}),
            "expect": {},
            "hint": "No calls give an empty dict.",
        },
    ],
}


class NotingLock:
    """A lock that counts how often it has been taken."""

    def __init__(self):
        self.inner, self.taken = threading.Lock(), 0

    def acquire(self, blocking=True, timeout=-1):
        self.taken += 1
        return self.inner.acquire(blocking, PATIENCE if blocking and timeout < 0 else timeout)

    def release(self):
        self.inner.release()

    def locked(self):
        return self.inner.locked()

    def __enter__(self):
        return self.acquire()

    def __exit__(self, *exc_info):
        self.release()


class WatchedInFlight(InFlight):
    """An InFlight that notes whether its lock was held each time somebody read or wrote `now` or `peak`."""

    def __init__(self):
        super().__init__()
        self.lock, self.held = NotingLock(), []

    def __getattribute__(self, name):
        if name in ("now", "peak") and "held" in self.__dict__:
            self.held.append(self.lock.locked())
        return super().__getattribute__(name)

    def __setattr__(self, name, value):
        if name in ("now", "peak") and "held" in self.__dict__:
            self.held.append(self.lock.locked())
        super().__setattr__(name, value)


def add_all(add, *changes):
    """Return `now` and `peak` after some changes, and whether the lock is free then."""
    counter = type("Yours", (InFlight,), {"add": add})()
    counter.lock = NotingLock()
    for change in changes:
        counter.add(change)
    return counter.now, counter.peak


def locks_of(add):
    """Return whether the lock was held each time, and how often it was taken for one change."""
    counter = type("Yours", (WatchedInFlight,), {"add": add})()
    counter.add(1)
    return all(counter.held) and bool(counter.held), counter.lock.taken


def lock_after(add, change):
    """Return what a change raises, if it raises, and whether the lock is still held."""
    counter = type("Yours", (InFlight,), {"add": add})()
    counter.lock = NotingLock()
    return kind_of(counter.add, change), counter.lock.locked()


ADD = {
    "title": "Write InFlight.add",
    "course": InFlight.add,
    "cases": [
        {
            "case": "now and peak after two came in",
            "run": lambda add: add_all(add, 1, 1),
            "expect": (2, 2),
            "hint": "First `self.now += change`. Then compare the new `now` with `peak`.",
        },
        {
            "case": "now and peak after two came in, two left, one came in",
            "run": lambda add: add_all(add, 1, 1, -1, -1, 1),
            "expect": (1, 2),
            "hint": "`peak` never falls: take the larger of `peak` and `now`.",
        },
        {
            "case": "now and peak after changes of 0, and of 1, 2 and 3",
            "run": lambda add: (add_all(add, 0), add_all(add, 1, 2, 3)),
            "expect": ((0, 0), (6, 6)),
            "hint": "Add `change`, whatever number it is.",
        },
        {
            "case": "whether the lock is held at each read and write, and how often it is taken",
            "run": locks_of,
            "expect": (True, 1),
            "hint": "One `with self.lock:` around all of it. Between two of them another thread could come "
            "in.",
        },
        {
            "case": "whether the lock is still held after a change",
            "run": lambda add: lock_after(add, 1),
            "expect": (None, False),
            "hint": "Whoever takes a lock gives it back. A `with` block does. And return nothing.",
        },
        {
            "case": "a change that is a text: what is raised, and whether the lock is still held",
            "run": lambda add: lock_after(add, "one"),
            "expect": ("TypeError", False),
            "hint": "The lock must be given back after an error, too. A `with` block does that.",
        },
    ],
}


class PatientFuture(concurrent.futures.Future):
    """A future whose `result` and `exception` give up after PATIENCE."""

    def result(self, timeout=None):
        return super().result(PATIENCE if timeout is None else timeout)

    def exception(self, timeout=None):
        return super().exception(PATIENCE if timeout is None else timeout)


def future_in(state, error=None):
    """A future that is queued, running, over, failed or cancelled."""
    future = PatientFuture()
    if state == "cancelled":
        future.cancel()
    if state != "queued":
        future.set_running_or_notify_cancel()
    if state == "over":
        future.set_result(None)
    if state == "failed":
        future.set_exception(LookupError("no answer") if error is None else error)
    return future


def state_of(future):
    if future.cancelled():
        return "cancelled"
    if not future.done():
        return "running" if future.running() else "queued"
    return "failed" if future.exception() else "over"


def states_after(cancel, ended, *others):
    """Let `cancel` know that the first of some futures is over; return the states of the others."""
    futures = [ended, *map(future_in, others)]
    cancel(ended, futures)
    return [state_of(future) for future in futures[1:]]


class Empty(Exception):
    """An exception that counts as false."""

    def __len__(self):
        return 0


def calls_made_after_a_failure(cancel):
    """On pools of 1, 2 and 3 workers: fail with five calls in the queue; return how many were made."""
    made = []
    for size in (1, 2, 3):
        prepared, cleared = threading.Event(), threading.Event()
        runs_on = threading.Barrier(size)

        def first(prepared=prepared, runs_on=runs_on):
            runs_on.wait(PATIENCE)
            prepared.wait(PATIENCE)
            fail()

        def other(runs_on=runs_on, cleared=cleared):
            runs_on.wait(PATIENCE)
            cleared.wait(PATIENCE)

        with concurrent.futures.ThreadPoolExecutor(size) as pool:
            futures = [pool.submit(first), *(pool.submit(other) for _ in range(size - 1))]
            futures += [pool.submit(made.append, size) for _ in range(5)]
            for future in futures:
                future.add_done_callback(partial(cancel, futures=futures))
            futures[0].add_done_callback(lambda future, cleared=cleared: cleared.set())
            prepared.set()
    return len(made)


CANCEL_QUEUED = {
    "title": "Write cancel_queued",
    "course": cancel_queued,
    "cases": [
        {
            "case": "a failure: what becomes of one that is over, one that runs, and two in the queue",
            "run": lambda cancel: states_after(
                cancel, future_in("failed"), "over", "running", "queued", "queued"
            ),
            "expect": ["over", "running", "cancelled", "cancelled"],
            "hint": "`ended.exception()` is what the call has raised. Cancel all `futures`: those that run "
            "or are "
            "over do not mind.",
        },
        {
            "case": "no failure: what becomes of two in the queue",
            "run": lambda cancel: states_after(cancel, future_in("over"), "queued", "queued"),
            "expect": ["queued", "queued"],
            "hint": "`ended.exception()` is None if the call has returned. Then there is nothing to do.",
        },
        {
            "case": "one that was itself cancelled, and two in the queue",
            "run": lambda cancel: states_after(cancel, future_in("cancelled"), "queued", "queued"),
            "expect": ["queued", "queued"],
            "hint": "`exception()` of a future that was cancelled raises. Ask `ended.cancelled()` first.",
        },
        {
            "case": "a call that raised SystemExit, and one in the queue",
            "run": lambda cancel: states_after(cancel, future_in("failed", SystemExit(3)), "queued"),
            "expect": ["cancelled"],
            "hint": "Whatever `exception()` returns other than None is a failure. There is nothing to catch.",
        },
        {
            "case": "an exception that counts as false, and one in the queue",
            "run": lambda cancel: states_after(cancel, future_in("failed", Empty()), "queued"),
            "expect": ["cancelled"],
            "hint": "Ask whether the exception `is not None`. One of length 0 counts as false.",
        },
        {
            "case": "how many of 5 queued calls pools of 1, 2 and 3 workers still make",
            "run": calls_made_after_a_failure,
            "expect": 0,
            "hint": "Cancel here, before you return: the worker takes its next call when the callback is "
            "over.",
        },
        {
            "case": "a failure, and no futures",
            "run": lambda cancel: cancel(future_in("failed"), []),
            "expect": None,
            "hint": "With nothing to cancel there is nothing to do. And return nothing.",
        },
    ],
}

WHICH_OVERLAP = {
    "title": "Which overlap?",
    "reads": "letters",
    "cases": [
        {
            "case": "the branches that overlap with themselves, in alphabetical order",
            "expect": "ACE",
            "hint": "Ask of each: does it let go of the GIL while it waits or works? Write the letters in "
            "alphabetical order.",
        }
    ],
    "wrong": [
        {"answer": "acde", "hint": "d blocks, but no other thread can run meanwhile: it keeps the GIL."},
        {
            "answer": "ac",
            "hint": "Some C code lets go of the GIL although it computes. You have run it above.",
        },
        {"answer": "abce", "hint": "A loop executes Python, and for that a thread needs the GIL."},
    ],
}

# --- Lesson 2b: the exercises

WHICH_BEGIN = {
    "title": "Which calls begin?",
    "reads": "letters",
    "cases": [
        {
            "case": "the calls that begin",
            "expect": "ABC",
            "hint": "Draw a line of seconds for each worker. What is still in the queue when c fails?",
        }
    ],
    "wrong": [
        {
            "answer": "abcdef",
            "hint": "That is the first version. Now the worker that fails empties the queue.",
        },
        {"answer": "abcd", "hint": "When c fails, is a's worker free? And what does c's worker do first?"},
        {"answer": "ab", "hint": "b is over after one second. What does its worker take then?"},
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


def described(run_all, calls, max_workers=None):
    """What run_all returns for some calls, with exceptions as text."""
    came = run_all(calls, max_workers)
    return [f"{type(each).__name__}: {each}" if isinstance(each, Exception) else each for each in came]


def fail_with(key):
    return {}[key]


def all_with_a_failure(run_all):
    """One worker, and failures before, between and behind other calls; return results and calls made."""
    made = []

    def make(number):
        made.append(number)
        return number

    calls = {"a": fail, "b": partial(make, 1), "c": partial(fail_with, "none"), "d": partial(make, 2)}
    return described(run_all, calls, 1), made


def all_as_ada(run_all):
    """What calls see that set a context variable, and then the caller."""
    token = USER.set("Ada")
    try:
        return [*run_all({number: swap_user for number in range(3)}, 1), USER.get()]
    finally:
        USER.reset(token)


def threads_after_all(run_all):
    """Return how many threads there are more afterwards."""
    before = set(threading.enumerate())
    run_all({"fails": fail, "fine": int})
    return len(set(threading.enumerate()) - before)


RUN_ALL = {
    "title": "Keep the errors, too",
    "cases": [
        {
            "case": "five calls on two threads, of which the first ends last",
            "run": lambda run: run_slow_first(run, 5, 2),
            "expect": [1, 2, 3, 4, 5],
            "hint": "The results have the order of the calls, whoever ends first.",
        },
        {
            "case": "one worker, two calls that fail and two that do not: what comes, and which are made",
            "run": all_with_a_failure,
            "expect": (["LookupError: no answer", 1, "KeyError: 'none'", 2], [1, 2]),
            "hint": "A call that fails must look like one that returns: wrap each in a function that catches "
            "an Exception and returns it.",
        },
        {
            "case": "2, 3 and 5 calls that wait for each other",
            "run": run_that_meets,
            "expect": [[*"ab"], [*"abc"], [*"abcde"], [*"ab"]],
            "hint": "Let them overlap: hand all calls to one `run_on_threads`, with `max_workers`.",
        },
        {
            "case": "whether more than 1, 2 and 3 run at once, where max_workers says so",
            "run": run_one_too_many,
            "expect": [],
            "hint": "Hand `max_workers` on.",
        },
        {
            "case": "what calls see that set a context variable, and what the caller sees",
            "run": all_as_ada,
            "expect": ["Ada", "Ada", "Ada", "Ada"],
            "hint": "Each call needs a copy of the caller's context. Your `run_on_threads` sees to that.",
        },
        {
            "case": "the threads that are left afterwards",
            "run": threads_after_all,
            "expect": 0,
            "hint": "Shut down what you open. `run_on_threads` leaves nothing behind.",
        },
        *FALSY_AND_NONE,
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
        "question": "Your `batch` gets three reviews for a chain of three branches. How many LLM calls?",
        "options": ["one: they go out as one batch", "three, one a review", "nine"],
        "answer": 2,
        "why": [
            "This `batch` makes calls overlap. It merges none. (Some others do: lesson 6.)",
            "Each review is invoked, and each invoke makes three calls.",
            "Three times three. They overlap as far as the pools allow.",
        ],
    },
]

QUIZ_B = [
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
        "question": "Two branches run, four are queued. One of the two fails. When does your `invoke` raise?",
        "options": [
            "at once",
            "when the other one that runs is over",
            "when all six are over",
        ],
        "answer": 1,
        "why": [
            "The other one still runs, and a thread cannot be stopped from outside. It is waited for.",
            "What runs is waited for, what is queued never starts.",
            "That is the first version: its `with` block lets the workers finish the queue.",
        ],
    },
]
