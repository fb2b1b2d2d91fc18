"""Lesson 2: the toy pool, run_on_threads, RunnableParallel, and the exercises' own solutions."""

import asyncio
import ctypes
import hashlib
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import FIRST_EXCEPTION, ProcessPoolExecutor, ThreadPoolExecutor, wait
from contextvars import ContextVar, copy_context
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from queue import SimpleQueue

import pytest

import lessons
from lessons.lesson2_thread_pools import exercises, threads
from lessons.lesson2_thread_pools.branches import count_primes, process_id
from lessons.lesson2_thread_pools.first_versions import cancel_queued
from lessons.lesson2_thread_pools.first_versions import run_on_threads as first_run_on_threads
from lessons.lesson2_thread_pools.in_flight import InFlight
from lessons.lesson2_thread_pools.runnable_parallel import RunnableParallel
from lessons.lesson2_thread_pools.thread_pool import Future, ThreadPool
from lessons.lesson2_thread_pools.threads import in_context, run_on, run_on_threads

pytestmark = pytest.mark.usefixtures("nothing_is_left")

PATIENCE = 60  # seconds that threads wait for each other before a test fails
USER = ContextVar("user", default="nobody")


def meeting(parties):
    """A call that ends only when `parties` threads make it at the same time."""
    return partial(threading.Barrier(parties).wait, PATIENCE)


def fail(message="no answer"):
    raise ValueError(message)


# --- the toy pool


def test_a_future_gives_what_the_call_returned():
    future = Future()
    future.run(divmod, 7, 2)
    assert future.result() == (3, 1)
    assert future.result() == (3, 1)


def test_a_future_raises_what_the_call_raised_each_time():
    error = KeyError("gone")

    def call():
        raise error

    future = Future()
    future.run(call)
    for _ in range(2):
        with pytest.raises(KeyError) as caught:
            future.result()
        assert caught.value is error


def test_a_false_exception_is_an_exception():
    class Quiet(Exception):
        def __bool__(self):
            return False

    def call():
        raise Quiet

    future = Future()
    future.run(call)
    with pytest.raises(Quiet):
        future.result()


def test_result_waits_for_the_other_thread():
    go_on = threading.Event()
    with ThreadPool(2) as pool:
        slow = pool.submit(go_on.wait, PATIENCE)
        assert not slow.done.is_set()
        pool.submit(go_on.set)
        assert slow.result() is True


def test_workers_run_at_the_same_time():
    meet = meeting(3)
    with ThreadPool(3) as pool:
        places = [pool.submit(meet).result for _ in range(3)]
        assert sorted(place() for place in places) == [0, 1, 2]


def test_one_worker_takes_calls_in_order_and_survives_a_failure():
    made = []
    with ThreadPool(1) as pool:
        futures = [pool.submit(made.append, 1), pool.submit(fail), pool.submit(made.append, 2)]
    assert made == [1, 2]
    with pytest.raises(ValueError, match="no answer"):
        futures[1].result()


def test_shutdown_finishes_the_queue_also_after_an_error():
    made = []
    with pytest.raises(LookupError), ThreadPool(1) as pool:
        for number in range(20):
            pool.submit(made.append, number)
        raise LookupError
    assert made == list(range(20))


def test_a_pool_that_is_shut_down_takes_no_calls():
    pool = ThreadPool(2)
    pool.shutdown()
    pool.shutdown()
    with pytest.raises(RuntimeError, match="shut down: it takes no more calls"):
        pool.submit(len, "text")


# --- on the way to run_on_threads


def test_the_first_version_gives_what_the_last_does_but_lets_the_queue_run():
    made = []
    calls = {"fails": fail, **{number: partial(made.append, number) for number in range(5)}}
    assert first_run_on_threads({"a": int, "b": str}) == run_on_threads({"a": int, "b": str}) == [0, ""]
    with pytest.raises(ValueError, match="no answer"):
        first_run_on_threads(calls, max_workers=1)
    assert made == [0, 1, 2, 3, 4]


def test_a_failure_cancels_what_is_queued():
    go_on, made = threading.Event(), []

    def fail_later():
        go_on.wait(PATIENCE)
        fail()

    with ThreadPoolExecutor(1) as pool:
        futures = [pool.submit(fail_later), *(pool.submit(made.append, number) for number in range(5))]
        for future in futures:
            future.add_done_callback(partial(cancel_queued, futures=futures))
        go_on.set()
    assert made == []
    assert [future.cancelled() for future in futures] == [False, *[True] * 5]


def test_the_counter_counts_all_threads():
    counter, meet = InFlight(), meeting(8)

    def call():
        with counter:
            meet()

    run_on_threads({number: call for number in range(8)}, max_workers=8)
    assert (counter.now, counter.peak) == (0, 8)


def test_a_call_in_context_sees_what_was_set_before():
    def run():
        USER.set("Ada")
        calls = in_context({"asks": USER.get})
        USER.set("Bob")
        return calls["asks"](), USER.get()

    assert copy_context().run(run) == ("Ada", "Bob")


# --- run_on_threads


def test_results_come_in_the_order_of_the_calls():
    second_ended = threading.Event()

    def first():
        return second_ended.wait(PATIENCE)

    assert run_on_threads({"first": first, "second": second_ended.set, "third": int}) == [True, None, 0]
    assert run_on_threads({}) == []


def test_max_workers_is_the_peak():
    meet, lock, running, peaks = meeting(3), threading.Lock(), [], []

    def call():
        with lock:
            running.append(1)
            peaks.append(len(running))
        meet()
        with lock:
            running.pop()

    run_on_threads({number: call for number in range(9)}, max_workers=3)
    assert max(peaks) == 3


def test_the_default_is_that_of_the_executor():
    cpus = getattr(os, "process_cpu_count", os.cpu_count)()
    meet = meeting(min(32, cpus + 4))
    calls = {number: meet for number in range(2 * min(32, cpus + 4))}
    assert sorted(run_on_threads(calls)) == sorted([*range(min(32, cpus + 4))] * 2)


def test_context_flows_in_and_not_out():
    def swap(name):
        before = USER.get()
        USER.set(name)
        return before, USER.get()

    def run():
        USER.set("Ada")
        seen = run_on_threads({name: partial(swap, name) for name in ("Bob", "Eve")}, max_workers=1)
        return seen, USER.get()

    assert copy_context().run(run) == ([("Ada", "Bob"), ("Ada", "Eve")], "Ada")


def test_calls_that_overlap_have_contexts_of_their_own():
    meet = meeting(4)

    def set_and_meet(number):
        USER.set(number)
        meet()
        return USER.get()

    calls = {number: partial(set_and_meet, number) for number in range(4)}
    assert run_on_threads(calls, max_workers=4) == [0, 1, 2, 3]


@pytest.mark.parametrize("error", [ValueError("no answer"), SystemExit(3), KeyboardInterrupt()])
@pytest.mark.parametrize("position", [0, 1])
def test_after_a_failure_no_queued_call_starts(error, position):
    def fails():
        raise error

    for _ in range(50):
        started = []
        calls = {number: partial(started.append, number) for number in range(6)}
        calls[position] = fails
        with pytest.raises(type(error)) as caught:
            run_on_threads(calls, max_workers=1)
        assert caught.value is error
        assert started == list(range(position))


def test_a_caller_that_empties_the_queue_may_be_one_call_late():
    """The worker that failed takes the next call before the caller, who waits for failures, can act."""
    taken, cleared, started = threading.Event(), threading.Event(), []

    def next_call():
        started.append(1)
        taken.set()
        cleared.wait(PATIENCE)

    with ThreadPoolExecutor(1) as pool:
        futures = [pool.submit(fail), *(pool.submit(next_call) for _ in range(5))]
        wait(futures, return_when=FIRST_EXCEPTION)
        assert taken.wait(PATIENCE)
        pool.shutdown(wait=False, cancel_futures=True)
        cleared.set()
    assert len(started) == 1
    assert [future.cancelled() for future in futures] == [False, False, True, True, True, True]


class NotingExecutor(ThreadPoolExecutor):
    """Tells how much has been submitted, and when its queue has been cleared."""

    def __init__(self, max_workers):
        super().__init__(max_workers)
        self.submitted, self.cleared = 0, threading.Event()

    def submit(self, *args):
        future = super().submit(*args)
        self.submitted += 1
        return future

    def shutdown(self, wait=True, *, cancel_futures=False):
        super().shutdown(wait=False, cancel_futures=cancel_futures)
        self.cleared.set()
        super().shutdown(wait=wait)


def test_after_a_failure_running_calls_are_waited_for():
    executor, both_run = NotingExecutor(2), meeting(2)
    started, ended = [], []

    def runs_on():
        both_run()
        assert executor.cleared.wait(PATIENCE)
        ended.append("runs on")

    def fails():
        both_run()
        fail()

    queued = {number: partial(started.append, number) for number in range(5)}
    with pytest.raises(ValueError, match="no answer"):
        run_on(executor, {"runs on": runs_on, "fails": fails, **queued})
    assert (started, ended) == ([], ["runs on"])


def test_of_two_failures_the_first_in_order_is_raised():
    second_failed = threading.Event()

    def first():
        second_failed.wait(PATIENCE)
        fail("first")

    def second():
        second_failed.set()
        fail("second")

    with pytest.raises(ValueError, match="first"):
        run_on_threads({"first": first, "second": second}, max_workers=2)


def test_an_executor_that_takes_no_calls_says_so():
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown"):
        run_on(executor, {"a": int})


def test_a_submit_that_fails_leaves_nothing_running():
    made = []

    class Full(NotingExecutor):
        def submit(self, call):
            if call is None:
                raise OSError("no room")
            return super().submit(call)

    executor, starts = Full(1), threading.Event()

    def runs():
        starts.set()
        executor.cleared.wait(PATIENCE)

    class Calls(dict):
        def values(self):
            yield runs
            assert starts.wait(PATIENCE)
            yield partial(made.append, "queued")
            yield None

    with pytest.raises(OSError, match="no room"):
        run_on(executor, Calls())
    assert made == []


def test_the_executor_is_shut_down():
    executor = ThreadPoolExecutor(1)
    assert run_on(executor, {"a": int}) == [0]
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(int)


def test_ctrl_c_starts_nothing_queued_and_waits_for_what_runs(monkeypatch):
    executor, two_run = NotingExecutor(2), meeting(3)
    started, ended = [], []

    def call(number):
        started.append(number)
        two_run()
        executor.cleared.wait(PATIENCE)
        ended.append(number)

    class Interrupted(SimpleQueue):
        def get(self):
            two_run()
            raise KeyboardInterrupt

    monkeypatch.setattr(threads, "SimpleQueue", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_on(executor, {number: partial(call, number) for number in range(6)})
    assert sorted(started) == sorted(ended) == [0, 1]


SCRIPT = """
import signal, threading
from functools import partial
from lessons.lesson2_thread_pools import threads
from tests.lessons.test_lesson2 import PATIENCE, NotingExecutor

executor = NotingExecutor(2)
both_run, noticed, started, ended = threading.Barrier(2), threading.Event(), [], []

def raise_once(number, frame):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    noticed.set()
    raise KeyboardInterrupt

def call(number):
    started.append(number)
    if both_run.wait(PATIENCE) == 0:
        while executor.submitted < 6:  # not while the pool still starts a thread
            noticed.wait(0.001)
        # a signal that comes just before the main thread begins to wait does not wake it: send another
        while not noticed.wait(0.01):
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
    executor.cleared.wait(PATIENCE)
    ended.append(number)

signal.signal(signal.SIGINT, raise_once)
try:
    threads.run_on(executor, {number: partial(call, number) for number in range(6)})
except KeyboardInterrupt:
    print("interrupted", sorted(started), sorted(ended), threading.active_count())
"""


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs a signal sent to one thread")
def test_a_real_ctrl_c():
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=root, capture_output=True, text=True, timeout=300
    )
    assert done.stdout == "interrupted [0, 1] [0, 1] 1\n", done.stderr


BROKEN = """
import os
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from lessons.lesson2_thread_pools.threads import run_on

if __name__ == "__main__":
    calls = {number: partial(os._exit, 1) if number == 0 else os.getpid for number in range(300)}
    try:
        run_on(ProcessPoolExecutor(2), calls)
    except BrokenProcessPool:
        print("broken")
"""


def test_a_process_that_dies_ends_the_call_and_the_script(tmp_path):
    script = tmp_path / "broken.py"
    script.write_text(BROKEN)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, script], env=environment, capture_output=True, text=True, timeout=PATIENCE
    )
    assert (done.stdout, done.stderr) == ("broken\n", "")


def test_processes_fit_the_same_seam():
    def new_pool():
        return ProcessPoolExecutor(2, mp_context=get_context("spawn"))

    calls = {"few": partial(count_primes, 10), "primes": partial(count_primes, 100), "id": process_id}
    *counts, other = run_on(new_pool(), calls)
    assert counts == [4, 25]
    assert other != os.getpid()
    with pytest.raises(TypeError, match="interpreted as an integer"):
        run_on(new_pool(), {"fails": partial(count_primes, "ten"), **calls})


# --- RunnableParallel


def double(value):
    return 2 * value


async def double_async(value):
    await asyncio.sleep(0)
    return 2 * value


def own_thread(value):
    return threading.current_thread()


def test_lessons_give_this_class_or_a_later_one():
    result = lessons.RunnableParallel({"a": double}).invoke(4)
    assert result == {"a": 8}


def test_invoke_overlaps_and_keys_keep_their_order():
    event = threading.Event()

    def first(value):
        return event.wait(PATIENCE), value

    def second(value):
        event.set()
        return value

    result = RunnableParallel({"first": first, "second": second}).invoke(7)
    assert list(result.items()) == [("first", (True, 7)), ("second", 7)]


def test_no_branches_give_an_empty_dict():
    assert RunnableParallel({}).invoke(1) == asyncio.run(RunnableParallel({}).ainvoke(1)) == {}


def test_invoke_never_runs_a_branch_in_the_callers_thread():
    assert RunnableParallel({"a": own_thread}).invoke(1)["a"] is not threading.current_thread()


def test_a_new_pool_for_each_call():
    chain = RunnableParallel({"a": own_thread})
    assert chain.invoke(1)["a"] is not chain.invoke(1)["a"]


def test_an_async_branch_is_refused_by_name_before_anything_runs():
    made = []
    chain = RunnableParallel({"plain": made.append, "waits": double_async})
    with pytest.raises(TypeError, match="branch 'waits' is an async function: .* use ainvoke"):
        chain.invoke(1)
    with pytest.raises(TypeError, match="'waits'"):
        chain.batch([1, 2])
    assert made == []


def test_ainvoke_takes_both_kinds_and_keeps_the_loop_free():
    async def releases(value):
        event.set()
        return value

    event = threading.Event()
    chain = RunnableParallel({"blocks": lambda value: event.wait(PATIENCE), "releases": releases})
    assert asyncio.run(chain.ainvoke(7)) == {"blocks": True, "releases": 7}


def test_context_reaches_the_branches_on_both_paths():
    def run():
        USER.set("Ada")
        chain = RunnableParallel({"asks": lambda value: USER.get()})
        return chain.invoke(1), chain.batch([1, 2]), asyncio.run(chain.ainvoke(1))

    seen = {"asks": "Ada"}
    assert copy_context().run(run) == (seen, [seen, seen], seen)


def test_batch_keeps_the_order_of_its_inputs():
    chain = RunnableParallel({"double": double, "text": str})
    assert chain.batch([3, 1, 2]) == [chain.invoke(3), chain.invoke(1), chain.invoke(2)]
    assert chain.batch([]) == []


def test_batch_overlaps_on_both_levels():
    meet = meeting(6)
    chain = RunnableParallel({name: lambda value: meet() for name in "ab"})
    assert len(chain.batch([1, 2, 3])) == 3


def test_a_batch_of_one_stays_in_the_callers_thread():
    class Reports(RunnableParallel):
        def invoke(self, value):
            return threading.current_thread()

    assert Reports({}).batch([1]) == [threading.current_thread()]
    assert threading.current_thread() not in Reports({}).batch([1, 2])


def test_a_failing_branch_raises_its_own_exception():
    error = LookupError("no such review")

    def fails(value):
        raise error

    chain = RunnableParallel({"fine": double, "fails": fails})
    for call in (lambda: chain.invoke(1), lambda: chain.batch([1, 2]), lambda: asyncio.run(chain.ainvoke(1))):
        with pytest.raises(LookupError) as caught:
            call()
        assert caught.value is error


def test_a_later_change_of_the_callers_dict_changes_nothing():
    branches = {"a": double}
    chain = RunnableParallel(branches)
    branches["b"] = "nonsense"
    assert chain.invoke(1) == {"a": 2}


@pytest.mark.parametrize(
    ("branches", "message"),
    [
        ([double], "branches is a list; it must be a dict"),
        ({3: double}, "branch name 3 is a int; it must be a str"),
        ({"a": double, "b": "text"}, "branch 'b' is a str; it must be a function"),
        ({"b": None}, "branch 'b' is a NoneType; it must be a function"),
        ({"b": RunnableParallel({})}, "branch 'b' is a RunnableParallel; it must be a function"),
    ],
)
def test_bad_branches_are_told_by_name(branches, message):
    with pytest.raises(TypeError, match=message):
        RunnableParallel(branches)


@pytest.mark.parametrize("inputs", ["text", (1, 2), {"a": 1}, None, iter([1])])
def test_inputs_that_are_no_list_are_told_by_type(inputs):
    with pytest.raises(TypeError, match=f"inputs is a {type(inputs).__name__}; it must be a list"):
        RunnableParallel({"a": double}).batch(inputs)


# --- the exercises


def test_the_predicted_worker_takes_these_calls():
    """Two workers, simulated: whoever is free first takes the first call in the queue."""
    seconds = {"a": 4, "b": 1, "c": 2, "d": 2, "e": 1}
    workers = [[0, ""], [0, ""]]  # when it is free, what it made
    for call, duration in seconds.items():
        worker = min(workers, key=lambda worker: worker[0])
        worker[0] += duration
        worker[1] += call
    assert workers[0][1].upper() == exercises.WHO_TAKES_WHAT["cases"][0]["expect"]
    assert workers[1][1] == "bcd"


def test_the_race_is_one():
    """`count` reads its total, makes a call, and writes: what another call wrote meanwhile is lost."""
    total = 0
    both_have_read = meeting(2)

    def make_call():
        both_have_read()
        return 100

    def count():
        nonlocal total
        total = total + make_call()

    run_on_threads({"a": count, "b": count})
    assert total == 100
    assert exercises.FIND_THE_RACE["cases"][0]["expect"] == [count.__name__]


@pytest.mark.skipif(not getattr(sys, "_is_gil_enabled", lambda: True)(), reason="there is no GIL to keep")
@pytest.mark.skipif(sys.platform == "win32", reason="ctypes cannot load the C library by None")
def test_a_c_call_that_keeps_the_gil_stops_the_others_and_one_that_lets_go_does_not():
    turns, stop, interval = [], threading.Event(), sys.getswitchinterval()

    def tick():
        while not stop.wait(0.001):
            turns.append(1)

    def until_it_ticks(work):
        before = len(turns)
        while len(turns) == before:
            work()

    ticker = threading.Thread(target=tick)
    ticker.start()
    try:
        sys.setswitchinterval(60)
        until_it_ticks(partial(ctypes.CDLL(None).usleep, 1000))
        until_it_ticks(partial(hashlib.sha256, bytes(5_000_000)))
        sleep = ctypes.PyDLL(None).usleep
        before = len(turns)
        sleep(50_000)
        assert len(turns) == before
    finally:
        sys.setswitchinterval(interval)
        stop.set()
        ticker.join()
