"""Coroutines on a simulated clock: exact times, and what is not simulated."""

import asyncio
import gc
import signal
import socket
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from itertools import pairwise

import pytest
from langchain_core.runnables import RunnableLambda, RunnableParallel

from helpers import run_on_virtual_clock
from helpers.calls.workloads import LATENCY, REVIEW, Gate, akeywords, asentiment, asummary, count_calls
from helpers.recording.data import State
from helpers.recording.recorder import record

PATIENCE = 20  # seconds until a wait that should be short counts as failed
RUNNING, READY, WAITING = State.RUNNING, State.READY, State.WAITING
BLOCKED, QUEUED = State.BLOCKED, State.QUEUED
colour = ContextVar("colour", default="none")


@pytest.fixture(autouse=True)
def nothing_is_left_behind():
    threads = threading.enumerate()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")  # a coroutine never awaited, a loop never closed
        yield
        gc.collect()
    assert [str(warning.message) for warning in warned] == []
    assert threading.enumerate() == threads


def now():
    return asyncio.get_running_loop().time()


async def sleep_and_tell(seconds):
    await asyncio.sleep(seconds)
    return now()


def test_a_hundred_calls_five_at_a_time_take_exactly_twenty_seconds():
    async def main():
        permits = asyncio.Semaphore(5)

        async def call(number):
            async with permits:
                await asyncio.sleep(1)
            return number

        return await asyncio.gather(*(call(number) for number in range(100)))

    assert run_on_virtual_clock(main()) == (list(range(100)), 20.0)


def test_a_day_takes_no_time():
    before = time.monotonic()
    assert run_on_virtual_clock(sleep_and_tell(3 * 24 * 3600 + 0.5)) == (259200.5, 259200.5)
    assert time.monotonic() - before < 3600


def test_floats_do_not_drift():
    async def main():
        for _ in range(10_000):
            await asyncio.sleep(0.1)
        return await asyncio.gather(*map(sleep_and_tell, (0.3, 0.1 + 0.2)))

    assert run_on_virtual_clock(main()) == ([1000.3, 1000.3], 1000.3)


def test_timers_fire_in_the_order_in_which_they_are_due():
    async def main():
        seen = []

        async def sleeper(seconds):
            await asyncio.sleep(seconds)
            seen.append((now(), seconds))

        async with asyncio.TaskGroup() as group:
            for seconds in (3, 1, 2.5, 1e-12, 0):
                group.create_task(sleeper(seconds))
            asyncio.get_running_loop().call_later(2, seen.append, "callback")
        return seen

    result, seconds = run_on_virtual_clock(main())
    assert seconds == 3.0
    assert result == [(0.0, 0), (0.0, 1e-12), (1.0, 1), "callback", (2.5, 2.5), (3.0, 3)]


def test_a_timeout_of_asyncio_is_simulated():
    async def main():
        try:
            async with asyncio.timeout(2):
                await asyncio.sleep(60)
        except TimeoutError:
            return now()

    assert run_on_virtual_clock(main()) == (2.0, 2.0)


def test_the_clock_stops_with_the_coroutine_not_with_what_it_leaves_behind():
    ended = []

    async def stray():
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(5)
            ended.append(now())

    async def main():
        task = asyncio.create_task(stray())
        await asyncio.sleep(1)
        return task.done()

    assert run_on_virtual_clock(main()) == (False, 1.0)
    assert ended == [6.0]


def test_it_works_inside_a_running_loop_and_inside_itself():
    async def outer():
        inner = run_on_virtual_clock(sleep_and_tell(2))
        await asyncio.sleep(0.01)
        return inner

    assert asyncio.run(outer()) == (2.0, 2.0)
    assert run_on_virtual_clock(outer()) == ((2.0, 2.0), 0.01)


def test_context_variables_flow_in_and_not_out():
    async def main():
        seen = colour.get()
        colour.set("red")
        return seen, await asyncio.create_task(asyncio.sleep(1, colour.get()))

    token = colour.set("blue")
    try:
        assert run_on_virtual_clock(main())[0] == ("blue", "red")
        assert colour.get() == "blue"
    finally:
        colour.reset(token)


@pytest.mark.parametrize(
    "error", [KeyError("gone"), asyncio.CancelledError(), SystemExit(3), KeyboardInterrupt()]
)
def test_an_exception_comes_out_as_it_is(error):
    async def main():
        await asyncio.sleep(1)
        raise error

    with pytest.raises(type(error)) as caught:
        run_on_virtual_clock(main())
    assert caught.value is error and error.__cause__ is error.__context__ is None
    assert caught.traceback[-1].name == "main"


def test_a_deadlock_is_reported_and_cleaned_up():
    cleaned = []

    async def wait_for(event):
        try:
            await event.wait()
        finally:
            cleaned.append("waiter")

    async def main():
        await asyncio.sleep(2.5)
        await asyncio.gather(*(wait_for(asyncio.Event()) for _ in range(2)))

    with pytest.raises(RuntimeError, match=r"deadlock after 2\.5 s on the virtual clock: every task waits"):
        run_on_virtual_clock(main())
    assert cleaned == ["waiter"] * 2


def submit_and_wrap(work):
    async def main():
        with ThreadPoolExecutor(1) as pool:
            await asyncio.wrap_future(pool.submit(work))

    return main()


async def in_executor(work):
    await asyncio.get_running_loop().run_in_executor(None, work)


@pytest.mark.parametrize("wait", [submit_and_wrap, asyncio.to_thread, in_executor])
def test_the_clock_stands_still_while_a_thread_works_for_a_task(wait):
    async def main():
        turns = asyncio.Event()
        loop = asyncio.get_running_loop()
        go_on = threading.Event()
        ticks = []

        async def ticker():
            while True:
                await asyncio.sleep(1)
                ticks.append(now())

        def work():  # the loop goes round, woken by this thread, and must not take to its timer
            loop.call_soon_threadsafe(turns.set)
            assert go_on.wait(PATIENCE)

        async def let_it_go_on():
            await turns.wait()
            for _ in range(10):
                await asyncio.sleep(0)
            threading.Timer(0.05, go_on.set).start()

        task = asyncio.create_task(ticker())
        await asyncio.gather(wait(work), let_it_go_on())
        meanwhile = list(ticks), now()
        await asyncio.sleep(2.5)
        task.cancel()
        return meanwhile, ticks

    assert run_on_virtual_clock(main()) == ((([], 0.0), [1.0, 2.0]), 2.5)


def test_a_failure_in_a_thread_lets_the_clock_go_on():
    def fail():
        raise LookupError

    async def main():
        with pytest.raises(LookupError):
            await asyncio.to_thread(fail)
        await asyncio.sleep(1)

    assert run_on_virtual_clock(main()) == (None, 1.0)


def test_work_in_a_thread_that_nobody_awaits_any_more_does_not_hold_the_clock():
    go_on = threading.Event()

    async def main():
        task = asyncio.create_task(asyncio.to_thread(go_on.wait, PATIENCE))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(1)
        go_on.set()

    assert run_on_virtual_clock(main()) == (None, 1.0)
    assert go_on.is_set()


def test_an_idle_worker_does_not_hold_the_clock():
    async def main():
        await asyncio.to_thread(int)
        assert any(thread.name.startswith("asyncio_") for thread in threading.enumerate())
        await asyncio.sleep(1)

    assert run_on_virtual_clock(main()) == (None, 1.0)


def test_a_network_connection_is_refused():
    with socket.create_server(("127.0.0.1", 0)) as server:
        with pytest.raises(RuntimeError, match="cannot wait for a network connection"):
            run_on_virtual_clock(asyncio.open_connection(*server.getsockname()))


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs a signal to one thread")
def test_ctrl_c_stops_the_coroutine():
    cleaned = []

    async def forever():
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        try:
            while True:
                await asyncio.sleep(1)
        finally:
            cleaned.append(True)

    with pytest.raises(KeyboardInterrupt):
        run_on_virtual_clock(forever())
    assert cleaned == [True]


@pytest.mark.parametrize("wrong", [sleep_and_tell, None])
def test_anything_but_a_coroutine_is_refused(wrong):
    with pytest.raises(TypeError, match=f"takes a coroutine, .* not a {type(wrong).__name__}"):
        run_on_virtual_clock(wrong)


def test_simulated_calls_and_gates():
    calls = {"summary": asummary, "sentiment": asentiment, "keywords": akeywords}

    async def main():
        await asyncio.gather(*(call(REVIEW) for call in calls.values()))

    with count_calls() as counted:
        assert run_on_virtual_clock(main()) == (None, LATENCY["summary"])
    assert (counted.peak, counted.ended) == (3, ["sentiment", "keywords", "summary"])
    with Gate("summary", "sentiment", "keywords"), count_calls() as counted:
        run_on_virtual_clock(main())
    assert counted.ended == ["summary", "sentiment", "keywords"]


def test_langchain_runs_on_it():
    async def wait(seconds):
        await asyncio.sleep(seconds)
        return seconds

    parallel = RunnableParallel(a=wait, b=RunnableLambda(lambda seconds: -seconds))
    assert run_on_virtual_clock(parallel.ainvoke(2)) == ({"a": 2, "b": -2}, 2.0)


def test_a_recording_around_it_sees_nothing_of_it():
    with record() as recording:
        assert run_on_virtual_clock(asummary(REVIEW))[1] == LATENCY["summary"]
        asyncio.run(asyncio.sleep(0))
    assert [unit.name for unit in recording.units.values()] == ["sleep"]


def record_on_it(function):
    async def main():
        with record() as recording:
            result = await asyncio.create_task(function(), name="task")
        return recording, result

    (recording, result), seconds = run_on_virtual_clock(main())
    return recording, result, seconds


def spans_of_task(recording):
    (unit,) = [unit for unit in recording.units.values() if unit.name == "task"]
    return [span for span in recording.spans if span.unit == unit.id]


MICROSECOND = 1e-6  # the recorder's readings of the clock make its times some nanoseconds later


def test_a_recording_inside_shows_virtual_times():
    async def sleeper():
        await asyncio.sleep(86_400)
        await asyncio.sleep(0.5)

    recording, _, seconds = record_on_it(sleeper)
    assert recording.duration == pytest.approx(seconds, abs=MICROSECOND) and seconds == 86_400.5
    spans = spans_of_task(recording)
    assert [span.state for span in spans] == [
        READY,
        RUNNING,
        WAITING,
        READY,
        RUNNING,
        WAITING,
        READY,
        RUNNING,
    ]
    durations = [span.duration for span in spans]
    assert durations == pytest.approx([0, 0, 86_400, 0, 0, 0.5, 0, 0], abs=MICROSECOND)
    assert [timer.due for timer in recording.timers] == pytest.approx([86_400, 86_400.5], abs=MICROSECOND)
    assert [timer.due - timer.created for timer in recording.timers] == pytest.approx([86_400, 0.5], abs=1e-9)


def test_a_recording_inside_is_the_same_each_time():
    async def main():
        await asyncio.gather(asummary(REVIEW), asentiment(REVIEW), akeywords(REVIEW))

    recordings = [record_on_it(main)[0] for _ in range(2)]
    first, second = (
        [(span.unit, span.state, span.start, span.end) for span in each.spans] for each in recordings
    )
    assert first == second


def test_no_two_moments_of_a_recording_inside_are_the_same():
    async def main():
        await asyncio.gather(*map(asyncio.sleep, (0, 0, 0.1, 0.1, 0.2)))

    recording, _, _ = record_on_it(main)
    starts = [span.start for span in recording.spans]
    assert len(set(starts)) == len(starts) > 15
    assert all(span.start < span.end for span in recording.spans)
    for unit in recording.units.values():
        spans = [span for span in recording.spans if span.unit == unit.id]
        assert all(before.end == after.start for before, after in pairwise(spans))


def test_time_sleep_in_a_recording_inside_passes_on_the_virtual_clock_only():
    async def blocking():
        before = time.monotonic(), now()
        time.sleep(86_400)
        return time.monotonic() - before[0], now() - before[1]

    recording, (real, virtual), seconds = record_on_it(blocking)
    assert (virtual, seconds) == (86_400, 86_400)
    assert real < 3600
    (blocked,) = [span for span in recording.spans if span.state is BLOCKED]
    assert blocked.duration == pytest.approx(86_400, abs=MICROSECOND) and blocked.reason == "time.sleep"


def test_time_sleep_without_a_recording_takes_no_virtual_time():
    async def blocking():
        time.sleep(0.001)
        return now()

    assert run_on_virtual_clock(blocking()) == (0.0, 0.0)


def test_time_sleep_in_another_thread_takes_real_time():
    def work():
        before = time.monotonic()
        time.sleep(0.02)
        return time.monotonic() - before

    async def main():
        return await asyncio.to_thread(work)

    recording, real, seconds = record_on_it(main)
    assert real >= 0.02 and seconds == 0.0
    (item,) = [unit for unit in recording.units.values() if unit.kind == "thread"]
    states = [span.state for span in recording.spans if span.unit == item.id]
    assert states == [QUEUED, RUNNING, BLOCKED, RUNNING]


def test_a_virtual_clock_does_not_go_back():
    async def main():
        with pytest.raises(ValueError, match="sleep length must be non-negative"):
            time.sleep(-1)
        return now()

    assert record_on_it(main)[1:] == (0.0, 0.0)


def test_a_timer_that_is_late_on_the_virtual_clock_is_exact():
    async def main():
        sleeper = asyncio.create_task(asyncio.sleep(0.06), name="sleeper")
        await asyncio.sleep(0)
        time.sleep(0.2)
        await sleeper

    recording, _, _ = record_on_it(main)
    (sleeper,) = [unit for unit in recording.units.values() if unit.name == "sleeper"]
    ready = [span for span in recording.spans if (span.unit, span.state) == (sleeper.id, READY)][1:]
    assert [span.reason for span in ready] == ["overdue", ""]
    assert [ready[0].start, ready[1].start] == pytest.approx([0.06, 0.2], abs=MICROSECOND)
