"""The recorder: what it sees of tasks, threads and calls, and what it leaves alone."""

import asyncio
import functools
import gc
import random
import socket
import subprocess
import sys
import threading
import time
import weakref
from asyncio.base_events import BaseEventLoop
from asyncio.events import Handle
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from contextvars import copy_context
from dataclasses import replace
from functools import partial
from itertools import count, pairwise

import pytest
from jupyter_client.manager import start_new_kernel
from langchain_core.runnables import RunnableLambda, RunnableParallel

from helpers.calls.workloads import spend_cpu
from helpers.recording.data import End, State
from helpers.recording.recorder import record, working_on
from helpers.recording.virtual_clock import run_on_virtual_clock
from lessons import RunnableLambda as Lambda
from lessons import RunnableParallel as Parallel
from lessons.lesson1_async_execution.event_loop import EventLoop
from lessons.lesson4_execution_model.tasks import run_as_tasks

pause = time.sleep  # also while a recording replaces it
PATIENCE = 20  # seconds until a wait that should be short counts as failed
RUNNING, READY, WAITING = State.RUNNING, State.READY, State.WAITING
BLOCKED, IN_THREAD, QUEUED = State.BLOCKED, State.IN_THREAD, State.QUEUED
REPLACED = [
    (Handle, "_run"),
    (BaseEventLoop, "_call_soon"),
    (BaseEventLoop, "_run_once"),
    (BaseEventLoop, "create_task"),
    (BaseEventLoop, "call_at"),
    (asyncio.Semaphore, "acquire"),
    (asyncio.Semaphore, "release"),
    (asyncio.Runner, "run"),
    (ThreadPoolExecutor, "submit"),
    (threading.Thread, "start"),
    (time, "sleep"),
    (asyncio.TaskGroup, "__aexit__"),
    (asyncio.Timeout, "__aexit__"),
    (asyncio, "wait_for"),
]


@pytest.fixture(autouse=True)
def all_is_put_back():
    before = [getattr(owner, name) for owner, name in REPLACED], gc.isenabled()
    yield
    assert ([getattr(owner, name) for owner, name in REPLACED], gc.isenabled()) == before


def call(name, seconds=0.002):
    with working_on(name):
        time.sleep(seconds)
    return name


async def acall(name, seconds=0.002):
    with working_on(name):
        await asyncio.sleep(seconds)
    return name


def in_cell(function, *args):
    """Record `await function(*args)` as a cell with top-level await does: inside a task."""

    async def cell():
        with record() as recording:
            await function(*args)
        return recording

    return asyncio.run(cell())


def in_script(function, *args, places=False):
    """Record `asyncio.run(function(*args))`."""
    with record(places=places) as recording:
        asyncio.run(function(*args))
    return recording


class LateLoop(asyncio.SelectorEventLoop):
    """An event loop on a machine that has other things to do: every timer is due before it looks."""

    def _run_once(self):
        super()._run_once()
        pause(0.004)


def in_late_script(function, *args):
    """The same as `in_script`, on a busy machine."""
    with record() as recording, asyncio.Runner(loop_factory=LateLoop) as runner:
        runner.run(function(*args))
    return recording


def unit_named(recording, name):
    (unit,) = [unit for unit in recording.units.values() if unit.name == name]
    return unit


def spans_of(recording, unit):
    return [span for span in recording.spans if span.unit == unit.id]


def certain(recording, unit):
    """The spans of a unit that it has on any machine, however busy that is.

    Whether a thread was on the CPU is an estimate. Whether a timer is overdue before the loop finds it due
    depends on what else the CPU has to do.
    """
    joined = []
    for span in spans_of(recording, unit):
        if span.state in (RUNNING, IN_THREAD, BLOCKED) and span.reason != "time.sleep":
            span = replace(span, state=RUNNING)
        elif span.reason == "overdue":
            span = replace(span, reason="")
        if joined and (joined[-1].state, joined[-1].reason) == (span.state, span.reason):
            joined[-1] = replace(joined[-1], end=span.end)
        else:
            joined.append(span)
    return joined


def states_of(recording, unit):
    return [span.state for span in certain(recording, unit)]


def names(units):
    return [unit.name for unit in units]


def in_pool(*functions, workers=4):
    """Record the functions as work items of one pool; gives the recording and their units in order."""
    with record() as recording, ThreadPoolExecutor(workers) as pool:
        for function in functions:
            pool.submit(function)
    return recording, list(recording.units.values())


class Counter:
    """Counts what is under way, independently of the recorder."""

    def __init__(self):
        self.now = self.peak = 0
        self.lock = threading.Lock()

    def __enter__(self):
        with self.lock:
            self.now += 1
            self.peak = max(self.peak, self.now)

    def __exit__(self, *exc_info):
        with self.lock:
            self.now -= 1


# Tasks


@pytest.mark.parametrize("run", [in_cell, in_script, in_late_script])
def test_states_of_a_task(run):
    async def main():
        await asyncio.create_task(acall("summary"))

    recording = run(main)
    unit = unit_named(recording, "summary")
    assert states_of(recording, unit) == [READY, RUNNING, WAITING, READY, RUNNING]
    assert [span.reason for span in certain(recording, unit)] == ["", "", "sleep", "", ""]
    assert [span.thread is not None for span in certain(recording, unit)] == [
        False,
        True,
        False,
        False,
        True,
    ]
    assert (unit.kind, unit.outcome) == ("task", "ok")
    assert 0 < unit.created < unit.done < recording.duration
    assert recording.units[unit.parent].parent is None


@pytest.mark.parametrize("run", [in_cell, in_script])
def test_spans_of_a_unit_follow_each_other_without_a_gap(run):
    async def grandchild():
        await asyncio.sleep(0)
        await asyncio.to_thread(time.sleep, 0.002)

    async def main():
        async def child():
            await asyncio.gather(grandchild(), asyncio.sleep(0.001))

        await asyncio.gather(child(), child())

    recording = run(main)
    assert sorted(names(recording.units.values())) == sorted(
        ["cell" if run is in_cell else "main"] + ["child", "grandchild", "sleep", "sleep"] * 2
    )
    for unit in recording.units.values():
        spans = spans_of(recording, unit)
        assert spans[-1].end == (recording.duration if unit.done is None else unit.done)
        for before, after in pairwise(spans):
            assert before.end == after.start
            assert (before.state, before.reason) != (after.state, after.reason)


def test_one_thread_takes_one_step_at_a_time():
    async def main():
        await asyncio.gather(*(acall(f"call {i}", random.random() / 100) for i in range(20)))

    recording = in_script(main)
    assert set(recording.threads.values()) == {"MainThread"}
    assert len(recording.steps) >= 40
    assert all(before.end <= after.start for before, after in pairwise(recording.steps))
    assert {step.unit for step in recording.steps} == {None, *recording.units}


def test_a_task_whose_timer_was_due_while_the_loop_was_busy_was_ready_since_then():
    async def main():
        sleeper = asyncio.create_task(acall("sleeper", 0.01))
        await asyncio.sleep(0)
        time.sleep(0.06)
        await sleeper

    recording = in_cell(main)
    (busy,) = [span for span in recording.spans if span.state is BLOCKED]
    assert busy.reason == "time.sleep" and busy.duration >= 0.06
    spans = spans_of(recording, unit_named(recording, "sleeper"))
    _, overdue, ready = [span for span in spans if span.state is READY]
    assert [overdue.reason, ready.reason] == ["overdue", ""]
    assert overdue.start < busy.end < overdue.end


def test_a_task_is_ready_because_what_it_awaits_was_cancelled():
    async def main():
        permit = asyncio.Semaphore(1)
        async with permit:
            others = [asyncio.create_task(asyncio.sleep(PATIENCE)), asyncio.create_task(permit.acquire())]
            await asyncio.sleep(0)
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

    recording = in_script(main)
    reasons = {
        unit.name: [span.reason for span in spans_of(recording, unit) if span.state is READY]
        for unit in recording.units.values()
    }
    assert reasons == {
        "main": ["", "", ""],
        "sleep": ["", "cancelled"],
        "Semaphore.acquire": ["", "cancelled"],
    }


def test_a_timeout_that_strikes_late_makes_nobody_ready_in_the_past():
    async def main():
        async def busy():
            time.sleep(0.06)

        other = asyncio.create_task(busy())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await asyncio.sleep(PATIENCE)
        await other

    recording = in_script(main)
    (blocked,) = [span for span in recording.spans if span.state is BLOCKED]
    woken = [span for span in spans_of(recording, unit_named(recording, "main")) if span.state is READY][1]
    assert woken.reason == "cancelled" and woken.start >= blocked.end


@pytest.mark.parametrize(
    ("wait", "reason"),
    [
        (lambda: _use(asyncio.Semaphore(1)), "Semaphore.acquire"),
        (lambda: _use(asyncio.BoundedSemaphore(1)), "Semaphore.acquire"),
        (lambda: _use(asyncio.Lock()), "Lock.acquire"),
        (lambda: _put(asyncio.Queue(1)), "Queue.put"),
    ],
)
def test_queued_for_a_limit(wait, reason):
    async def main():
        await asyncio.gather(*wait())

    recording = in_cell(main)
    queued = [span for span in recording.spans if span.state is QUEUED]
    assert [span.reason for span in queued] == [reason]


def _use(limit):
    async def use():
        async with limit:
            await asyncio.sleep(0.002)

    return use(), use()


def _put(queue):
    async def take():
        await asyncio.sleep(0.002)
        await queue.get()

    return queue.put(1), queue.put(2), take()


def test_what_a_task_waits_for():
    async def main():
        event = asyncio.Event()
        waiter = asyncio.create_task(event.wait(), name="waiter")
        await asyncio.gather(asyncio.sleep(0.001))
        event.set()
        await waiter
        future = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(future.set_result, None)
        await future

    recording = in_script(main)
    reasons = [
        span.reason for span in spans_of(recording, unit_named(recording, "main")) if span.state is WAITING
    ]
    assert reasons == ["gather", "task", "future"]


def test_without_places_a_recording_knows_the_same_but_where():
    async def branch(name, limit):
        async with limit:
            with working_on(name):
                await asyncio.sleep(0)
                await asyncio.sleep(0.5)
                time.sleep(0.1)

    async def main():
        limit = asyncio.Semaphore(1)
        async with asyncio.timeout(5):
            await asyncio.gather(branch("a", limit), asyncio.create_task(branch("b", limit)))

    def recorded(places):
        recorder = record(places=places)

        async def block():
            with recorder:
                await main()

        run_on_virtual_clock(block())
        return recorder._recording

    plain, full = recorded(places=False), recorded(places=True)

    def told(recording):
        units = [(unit.name, unit.kind, unit.outcome, unit.parent) for unit in recording.units.values()]
        return units, [(span.unit, span.state, span.reason) for span in recording.spans]

    assert told(plain) == told(full)
    assert (plain.has_places, plain.suspensions) == (False, [])
    assert full.has_places and full.suspensions
    slept = [(place.unit, place.line) for place in plain.passages]
    assert len(slept) == 2 and set(slept) < {(place.unit, place.line) for place in full.passages}


def test_source_line_of_each_suspension():
    async def inner():
        await asyncio.sleep(0)
        await asyncio.sleep(0.001)

    async def outer():
        await inner()

    recording = in_script(outer, places=True)
    first = inner.__code__.co_firstlineno + 1
    assert [(s.function, s.file, s.line) for s in recording.suspensions] == [
        ("inner", __file__, first),
        ("inner", __file__, first + 1),
    ]
    (timer,) = recording.timers
    assert timer.unit == unit_named(recording, "outer").id
    assert timer.due > timer.created


def test_where_the_coroutine_of_a_task_is_defined():
    async def inner():
        await asyncio.to_thread(int)

    async def main():
        await asyncio.gather(inner(), asyncio.sleep(0))

    recording = in_script(main)
    defined = {unit.name: (unit.file, unit.line) for unit in recording.units.values()}
    assert defined == {
        "main": (__file__, main.__code__.co_firstlineno),
        "inner": (__file__, inner.__code__.co_firstlineno),
        "sleep": (asyncio.tasks.__file__, asyncio.sleep.__code__.co_firstlineno),
        "int": ("", 0),
    }


@pytest.mark.parametrize("run", [in_cell, in_script])
def test_names_of_tasks(run):
    async def branch():
        await acall("summary")

    async def plain():
        await asyncio.sleep(0)

    async def both():
        await acall("summary")
        await acall("keywords")

    async def main():
        named = asyncio.create_task(branch(), name="given")
        renamed = asyncio.create_task(branch())
        renamed.set_name("later")
        await asyncio.gather(branch(), plain(), both(), named, renamed)

    recording = run(main)
    tasks = [unit for unit in recording.units.values() if unit.kind == "task"]
    root, *others = names(tasks)
    assert root == ("cell" if run is in_cell else "main")
    assert sorted(others) == ["both", "given", "later", "plain", "summary"]
    unit = unit_named(recording, "both")
    assert [made.name for made in recording.calls if made.unit == unit.id] == ["summary", "keywords"]


def test_outcomes_of_tasks():
    left_behind = []

    async def fail():
        raise ValueError("no answer")

    async def main():
        endless = asyncio.create_task(asyncio.sleep(PATIENCE), name="endless")
        asyncio.create_task(asyncio.sleep(0), name="never started").cancel()
        left_behind.append(asyncio.create_task(asyncio.sleep(PATIENCE), name="left behind"))
        await asyncio.gather(fail(), asyncio.sleep(0.001), return_exceptions=True)
        asyncio.get_running_loop().call_soon(endless.cancel)  # a bound method of a task, but no step
        await asyncio.gather(endless, return_exceptions=True)

    recording = in_cell(main)
    outcomes = {unit.name: unit.outcome for unit in recording.units.values()}
    assert outcomes == {
        "cell": "",
        "endless": "cancelled",
        "never started": "cancelled",
        "left behind": "",
        "fail": "failed",
        "sleep": "ok",
    }
    assert unit_named(recording, "left behind").done is None
    assert states_of(recording, unit_named(recording, "endless")) == [READY, RUNNING, WAITING, READY, RUNNING]


def test_an_error_that_nobody_retrieves_is_still_reported():
    async def fail():
        raise ValueError("no answer")

    async def main():
        reports = []
        asyncio.get_running_loop().set_exception_handler(
            lambda loop, context: reports.append(context["message"])
        )
        task = asyncio.create_task(fail())
        await asyncio.wait([task])
        return reports

    async def cell():
        with record() as recording:
            reports = await main()
        assert unit_named(recording, "fail").outcome == "failed"
        del recording
        await asyncio.sleep(0)
        gc.collect()
        return reports

    assert asyncio.run(cell()) == ["Task exception was never retrieved"]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
@pytest.mark.parametrize("run", [in_cell, in_script])
def test_eager_tasks_keep_their_first_step(run):
    async def at_once():
        return "done"

    async def yields():
        await asyncio.sleep(0)

    async def main():
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        await asyncio.gather(acall("summary"), yields(), at_once())

    recording = run(main)
    assert states_of(recording, unit_named(recording, "summary")) == [RUNNING, WAITING, READY, RUNNING]
    assert states_of(recording, unit_named(recording, "yields")) == [RUNNING, READY, RUNNING]
    assert states_of(recording, unit_named(recording, "at_once")) == [RUNNING]
    root = unit_named(recording, "cell" if run is in_cell else "main")
    children = [unit for unit in recording.units.values() if unit.parent == root.id]
    assert sorted(names(children)) == ["at_once", "summary", "yields"]
    assert {unit.outcome for unit in children} == {"ok"}
    assert recording.peak() == 1


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
def test_an_eager_task_that_fails_at_once_has_a_lane():
    async def main():
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        with pytest.raises(ValueError):
            await asyncio.gather(acall("summary", PATIENCE), aat_once())

    assert ends(in_cell(main)) == {"summary": UNFINISHED, "aat_once": FAILED}


@pytest.mark.parametrize("run", [in_cell, in_script, in_late_script])
def test_a_task_factory_that_is_not_eager(run):
    async def main():
        loop = asyncio.get_running_loop()
        loop.set_task_factory(lambda loop, coro, **options: asyncio.Task(coro, loop=loop, **options))
        await asyncio.gather(acall("summary"), acall("keywords"))

    recording = run(main)
    for name in ("summary", "keywords"):
        unit = unit_named(recording, name)
        assert states_of(recording, unit) == [READY, RUNNING, WAITING, READY, RUNNING]
        assert recording.units[unit.parent].name == ("cell" if run is in_cell else "main")


# How units ended


def at_once(*_):
    raise ValueError("no answer")


async def aat_once(*_):
    raise ValueError("no answer")


def ends(recording):
    return {unit.name: (recording.end_of(unit), unit.error) for unit in recording.lanes()}


FAILED, CANCELLED, UNFINISHED = (End.FAILED, "ValueError"), (End.CANCELLED, ""), (End.UNFINISHED, "")
FINE = (None, "")


def test_a_task_that_fails_at_once_has_a_lane_and_so_have_those_it_cancels():
    async def main():
        with pytest.raises(ValueError):
            calls = {
                "summary": partial(acall, "", PATIENCE),
                "keywords": aat_once,
                "late": partial(acall, ""),
            }
            await run_as_tasks(calls)

    assert ends(in_cell(main)) == {"summary": CANCELLED, "keywords": FAILED, "late": CANCELLED}


def test_a_work_item_that_fails_at_once_or_is_cancelled_in_the_queue_has_a_lane():
    release = threading.Event()
    calls = {
        "summary": lambda: release.wait(PATIENCE) and call("summary"),
        "keywords": at_once,
        "title": partial(call, "title"),
    }
    with record() as recording, ThreadPoolExecutor(1) as pool:
        futures = [pool.submit(function) for function in calls.values()]
        assert futures[2].cancel()
        release.set()
    assert ends(recording) == {"summary": FINE, "keywords": FAILED, "title": CANCELLED}


@pytest.mark.parametrize("made", [Lambda, RunnableLambda])
def test_a_branch_that_fails_at_once_has_a_lane_on_every_way(made):
    parallel = {Lambda: Parallel, RunnableLambda: RunnableParallel}[made]
    gate = threading.Event()

    def last(_):
        gate.wait(PATIENCE)
        return call("summary")

    def reject(_):
        gate.set()
        at_once()

    async def alast(_):
        await acall("summary", PATIENCE)

    chain = parallel(summary=made(last, alast), keywords=made(reject, aat_once))
    with record() as recording, pytest.raises(ValueError):
        chain.invoke("x")
    assert ends(recording) == {"summary": FINE, "keywords": FAILED}

    async def main():
        with record() as recording, pytest.raises(ValueError):
            await chain.ainvoke("x")
        return recording

    # LangChain's siblings run on
    assert ends(asyncio.run(main())) == {
        "summary": CANCELLED if made is Lambda else UNFINISHED,
        "keywords": FAILED,
    }


def test_what_is_still_under_way_when_the_recording_ends():
    async def cell():
        with record() as recording:
            tasks = [asyncio.create_task(acall(name, PATIENCE)) for name in ("summary", "keywords")]
            tasks.append(asyncio.create_task(asyncio.Event().wait(), name="no call yet"))
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        return recording

    assert ends(asyncio.run(cell())) == dict.fromkeys(["summary", "keywords", "no call yet"], UNFINISHED)


def test_the_task_of_the_block_cannot_have_ended():
    async def main():
        await asyncio.gather(asyncio.sleep(0), asyncio.sleep(0))

    recording = in_cell(main)
    assert recording.end_of(unit_named(recording, "cell")) is None
    assert in_script(main).block is None


def test_a_toy_task_that_fails_is_known_by_its_exception():
    async def fail():
        raise ValueError("no answer")

    with record() as recording, pytest.raises(ValueError):
        EventLoop(recording.observe).run(fail())
    assert ends(recording) == {"main": FAILED}
    assert recording.raised


# Whether an exception came back


async def _gather_with_errors():
    await asyncio.gather(aat_once(), acall("summary"), return_exceptions=True)


async def _let_one_task_pass():
    await asyncio.wait([asyncio.create_task(aat_once())])


async def _caught_in_another_task():
    async def careful():
        with pytest.raises(ValueError):
            await asyncio.create_task(aat_once())

    await asyncio.create_task(careful())


@pytest.mark.parametrize("main", [_gather_with_errors, _let_one_task_pass, _caught_in_another_task])
@pytest.mark.parametrize("run", [in_cell, in_script])
def test_a_failure_that_comes_no_further_is_no_raise(main, run):
    recording = run(main)
    assert any(recording.end_of(unit) is End.FAILED for unit in recording.units.values())
    assert not recording.raised


async def _group():
    async with asyncio.TaskGroup() as group:
        group.create_task(aat_once())


async def _out_of_time():
    async with asyncio.timeout(0.001):
        await asyncio.create_task(asyncio.sleep(PATIENCE))


async def _out_of_patience():
    await asyncio.wait_for(acall("summary", PATIENCE), 0.001)


@pytest.mark.parametrize("raising", [aat_once, _group, _out_of_time, _out_of_patience])
@pytest.mark.parametrize("caught", ["inside", "outside"])
@pytest.mark.parametrize("where", ["cell", "script"])
def test_what_comes_as_far_as_the_block_has_raised(raising, caught, where):
    errors = ValueError, TimeoutError, ExceptionGroup
    given = []

    async def main():
        await asyncio.create_task(raising()) if raising is aat_once else await raising()

    async def cell():
        with pytest.raises(errors) if caught == "outside" else nullcontext(), record() as recording:
            given.append(recording)
            with pytest.raises(errors) if caught == "inside" else nullcontext():
                await main()

    if where == "cell":
        asyncio.run(cell())
    else:
        with pytest.raises(errors) if caught == "outside" else nullcontext(), record() as recording:
            given.append(recording)
            with pytest.raises(errors) if caught == "inside" else nullcontext():
                asyncio.run(main())
    assert given[0].raised


def test_main_that_catches_what_its_call_raised():
    async def main():
        with pytest.raises(ValueError):
            await asyncio.create_task(aat_once())

    assert in_script(main).raised


def test_errors_live_no_longer_than_without_a_recording():
    class Precious(Exception):
        pass

    def fail():
        raise Precious

    async def afail():
        raise Precious

    async def main():
        await asyncio.gather(afail(), return_exceptions=True)

    gc.disable()
    try:
        with record() as recording, ThreadPoolExecutor(1) as pool:
            pool.submit(fail)
            with pytest.raises(Precious), working_on("summary"):
                raise Precious
            asyncio.run(main())
        assert [unit.error for unit in recording.units.values() if unit.error] == ["Precious"] * 3
        pool = None
        alive = [each for each in gc.get_objects() if isinstance(each, Precious)]
    finally:
        gc.enable()
    assert len(alive) <= 1  # that of pytest.raises


# Names


def test_a_work_item_has_the_name_by_which_the_caller_knows_it():
    calls = {"summary": partial(pow, 2), "keywords": lambda exponent: None}
    numbered = {0: partial(abs, -1), 1: partial(abs, 1)}
    twice = {"a": divmod, "b": divmod}
    with record() as recording, ThreadPoolExecutor(1) as pool:
        for function in calls.values():
            pool.submit(function, 2)
        for function in numbered.values():
            pool.submit(copy_context().run, function)
        for function in twice.values():
            pool.submit(function, 7, 2)
    expected = ["summary", "keywords", "abs 0", "abs 1", "divmod", "divmod"]
    assert names(recording.units.values()) == expected


def test_looking_for_names_keeps_and_changes_nothing():
    class Precious:
        pass

    def submit(pool):
        precious, variables = Precious(), None
        known = weakref.ref(precious)
        pool.submit(abs, -1)
        del precious
        assert known() is None
        variables = locals()
        pool.submit(abs, -1)
        assert variables["pool"] is pool

    with record(), ThreadPoolExecutor(1) as pool:
        submit(pool)


@pytest.mark.parametrize("made", [Lambda, RunnableLambda])
@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
def test_branches_without_calls_have_their_names(made, way):
    parallel = {Lambda: Parallel, RunnableLambda: RunnableParallel}[made]
    chain = parallel({name: made(lambda value: value) for name in ("summary", "keywords")})
    if way == "invoke":
        with record() as recording:
            chain.invoke("x")
    else:
        recording = in_script(chain.ainvoke, "x")
    found = names(recording.units.values())
    assert {"summary", "keywords"} <= set(found)
    items = [unit for unit in recording.units.values() if unit.kind == "thread"]
    assert len({unit.name for unit in items}) == 2


def test_functions_of_one_name_are_told_by_their_branches():
    async def parse():
        await asyncio.sleep(0)

    async def branch():
        await asyncio.create_task(parse())

    async def main():
        await asyncio.gather(*(asyncio.create_task(branch(), name=name) for name in ("summary", "keywords")))

    recording = in_script(main)
    assert names(recording.units.values())[1:] == [
        "summary",
        "keywords",
        "summary (parse)",
        "keywords (parse)",
    ]


# Work items of a pool


def test_states_of_a_work_item():
    recording, (first, second) = in_pool(lambda: call("a", 0.01), lambda: call("b", 0.01), workers=1)
    assert names([first, second]) == ["a", "b"]
    assert [first.kind, first.outcome] == ["thread", "ok"]
    for unit in (first, second):
        assert states_of(recording, unit) == [QUEUED, RUNNING, BLOCKED, RUNNING]
        queued, _, blocked, _ = certain(recording, unit)
        assert (queued.thread, queued.reason, blocked.reason) == (None, "worker", "time.sleep")
        assert blocked.duration >= 0.01
        assert recording.threads[blocked.thread].startswith("ThreadPoolExecutor")
    assert spans_of(recording, second)[0].end >= first.done
    assert recording.peak() == 1


def test_outcomes_of_work_items():
    release = threading.Event()

    with record() as recording, ThreadPoolExecutor(1) as pool:
        futures = [
            pool.submit(release.wait, timeout=PATIENCE),
            pool.submit(int, "seven"),
            pool.submit(pow, 2, exp=5),
            pool.submit(functools.partial(call, "cancelled")),
        ]
        assert futures[3].cancel()
        release.set()
        assert futures[0].result() is True
        assert isinstance(futures[1].exception(), ValueError)
        assert futures[2].result() == 32
    with pytest.raises(RuntimeError, match="after shutdown"):
        pool.submit(call)
    assert [(unit.name, unit.outcome) for unit in recording.units.values()] == [
        ("Event.wait", "ok"),
        ("int", "failed"),
        ("pow", "ok"),
        ("call", "cancelled"),
    ]
    assert states_of(recording, unit_named(recording, "call")) == [QUEUED]
    assert unit_named(recording, "call").id not in recording.in_flight()


def test_a_submit_that_fails_leaves_no_unit():
    with record() as recording:
        pool = ThreadPoolExecutor(1)
        pool.shutdown()
        with pytest.raises(RuntimeError, match="after shutdown"):
            pool.submit(call)
    assert recording.units == {}


def test_names_look_through_partials_and_contexts():
    async def main():
        with ThreadPoolExecutor(1) as pool:
            pool.submit(functools.partial(copy_context().run, divmod, 7), 2)
            pool.submit(copy_context().run, functools.partial(divmod, 7), 2)
        await asyncio.to_thread(divmod, 7, 2)

    recording = in_script(main)
    assert [unit.name for unit in recording.units.values() if unit.kind == "thread"] == ["divmod"] * 3


def test_work_items_of_work_items():
    def outer():
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(call, ["a", "b"]))

    recording, units = in_pool(outer)
    assert names(units) == ["outer", "a", "b"]
    assert [unit.parent for unit in units[1:]] == [units[0].id] * 2
    assert names(recording.lanes()) == ["a", "b"]


def test_a_loop_in_a_worker():
    recording, units = in_pool(lambda: asyncio.run(acall("summary")))
    assert [unit.kind for unit in units] == ["thread", "task"]
    assert names(units) == ["<lambda>", "summary"]
    assert {recording.threads[step.thread] for step in recording.steps} == set(recording.threads.values())


def test_threads_have_numbers_of_their_own():
    with record() as recording:
        for name in ("first", "second"):  # the system may give both threads the same identifier
            with ThreadPoolExecutor(1, thread_name_prefix=name) as pool:
                pool.submit(call, name)
    assert list(recording.threads.values()) == ["first_0", "second_0"]


# What a thread does outside time.sleep


def test_computing_is_running():
    with record() as recording, working_on("summary"):
        spend_cpu(0.02)
    (unit,) = recording.units.values()
    assert unit.cpu >= 0.02
    if sys.platform == "linux":  # elsewhere being preempted cannot be told from waiting
        assert [span.state for span in spans_of(recording, unit)] == [RUNNING]


def test_socket_and_lock_waits_are_blocked():
    reader, writer = socket.socketpair()
    lock = threading.Lock()
    lock.acquire()

    def read():
        return reader.recv(1)

    def wait_for_lock():
        return lock.acquire(timeout=PATIENCE)

    with reader, writer, record() as recording, ThreadPoolExecutor(2) as pool:
        pool.submit(read)
        pool.submit(wait_for_lock)
        time.sleep(0.1)
        writer.send(b"x")
        lock.release()
    for name in ("read", "wait_for_lock"):
        blocked = [span for span in spans_of(recording, unit_named(recording, name)) if span.state is BLOCKED]
        assert len(blocked) == 1
        assert unit_named(recording, name).cpu < blocked[0].duration / 10


def test_blocking_the_loop_without_time_sleep():
    def block():
        threading.Event().wait(0.05)

    async def main():
        await asyncio.sleep(0)
        block()

    recording = in_cell(main)
    assert BLOCKED in [span.state for span in spans_of(recording, unit_named(recording, "cell"))]


def test_two_threads_that_share_the_gil_are_not_both_running():
    started = [threading.Event(), threading.Event()]

    def compute(me):
        started[me].set()
        until = time.monotonic() + PATIENCE
        while not started[1 - me].is_set() and time.monotonic() < until:
            pass
        spend_cpu(0.06)

    recording, units = in_pool(lambda: compute(0), lambda: compute(1))
    first, second = ([span for span in spans_of(recording, unit) if span.state is RUNNING] for unit in units)
    both = sum(max(0, min(a.end, b.end) - max(a.start, b.start)) for a in first for b in second)
    either = sum(span.duration for span in first + second)
    assert both <= 0.1 * either + 0.002
    assert all(unit.cpu >= 0.06 for unit in units)


@pytest.fixture
def waits(monkeypatch):
    """A recorder that is told by each reading whether its thread gave up the CPU since the one before."""

    def set_up(has_waited, counted=True):
        readings = count()
        reading = lambda: (0, next(readings) if has_waited else 0) if counted else (0, None)  # noqa: E731
        monkeypatch.setattr("helpers.recording.log.thread_clock", reading)
        monkeypatch.setattr("helpers.recording.recorder.thread_clock", reading)

    return set_up


@pytest.mark.parametrize("has_waited", [False, True])
def test_a_stretch_is_running_only_if_the_thread_never_waited_however_short_it_is(waits, has_waited):
    waits(has_waited)
    recording, (unit,) = in_pool(lambda: None)
    _, stretch = spans_of(recording, unit)
    assert (stretch.state is RUNNING) == (not has_waited)
    if has_waited and stretch.duration < 0.001:
        assert stretch.state is IN_THREAD


def test_where_waits_are_not_counted_only_steps_of_tasks_are_taken_for_running(waits):
    waits(has_waited=False, counted=False)

    async def main():
        await asyncio.to_thread(int)

    recording = in_script(main)
    step = spans_of(recording, unit_named(recording, "main"))[1]
    assert step.state in ((RUNNING,) if step.duration < 0.001 else (IN_THREAD, BLOCKED))
    assert not any(span.state is RUNNING for span in spans_of(recording, unit_named(recording, "int")))


def test_a_callback_that_blocks_the_loop_does_not_run():
    async def main():
        asyncio.get_running_loop().call_soon(pause, 0.03)
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    recording = in_script(main)
    (blocking,) = [step for step in recording.steps if (step.unit, step.reason) == (None, "sleep")]
    assert blocking.duration >= 0.03
    assert blocking.state is not RUNNING


# Peaks equal an independent counter


@pytest.mark.parametrize("seed", range(20))
def test_peak_of_tasks_under_a_semaphore(seed):
    rng = random.Random(seed)
    limit, size = rng.randint(1, 8), rng.randint(1, 30)
    kind = rng.choice([asyncio.Semaphore, asyncio.BoundedSemaphore])
    pauses = [[rng.choice([0, rng.random() / 200]) for _ in range(3)] for _ in range(size)]
    counter = Counter()

    async def branch(semaphore, before, inside, after):
        if before:
            await asyncio.sleep(before)
        async with semaphore:
            with counter:
                await asyncio.sleep(inside)
        if after:
            await asyncio.sleep(after)

    async def main():
        semaphore = kind(limit)
        await asyncio.gather(*(branch(semaphore, *pause) for pause in pauses))

    recording = rng.choice([in_cell, in_script])(main)
    assert recording.peak() == recording.peak("task") == counter.peak <= limit


@pytest.mark.parametrize("seed", range(20))
def test_peak_of_work_items(seed):
    rng = random.Random(seed)
    workers, size = rng.randint(1, 8), rng.randint(1, 30)
    meeting = threading.Barrier(min(workers, size))  # the first ones meet, so that the peak is reached
    counter = Counter()

    def branch(number, seconds):
        with counter:
            if number < meeting.parties:
                meeting.wait(PATIENCE)
            time.sleep(seconds)

    pauses = [rng.random() / 200 for _ in range(size)]
    with record() as recording, ThreadPoolExecutor(workers) as pool:
        list(pool.map(branch, range(size), pauses))
    assert recording.peak() == recording.peak("thread") == counter.peak == meeting.parties


def test_peak_of_a_semaphore_made_by_hand():
    class Semaphore:
        def __init__(self, permits):
            self.permits, self.waiters = permits, []

        async def acquire(self):
            while not self.permits:
                self.waiters.append(asyncio.get_running_loop().create_future())
                await self.waiters[-1]
            self.permits -= 1

        def release(self):
            self.permits += 1
            if self.waiters:
                self.waiters.pop(0).set_result(None)

    counter = Counter()

    async def branch(semaphore):
        await semaphore.acquire()
        with counter:
            await asyncio.sleep(0.001)
        semaphore.release()

    async def main():
        semaphore = Semaphore(3)
        await asyncio.gather(*(branch(semaphore) for _ in range(12)))

    recording = in_script(main)
    assert recording.peak() == counter.peak == 3
    assert sum(span.state is QUEUED for span in recording.spans) == 9


def test_cancelled_in_the_queue_was_never_in_flight():
    async def main():
        semaphore = asyncio.Semaphore(1)
        async with semaphore:
            task = asyncio.create_task(semaphore.acquire(), name="queued")
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    recording = in_script(main)
    queued = unit_named(recording, "queued")
    assert QUEUED in states_of(recording, queued)
    assert recording.permits[queued.id] is None
    assert queued.id not in recording.in_flight()


# Simulated calls


def test_calls_of_the_block_itself_are_units():
    def functions():
        with record() as recording:
            call("summary", 0.01)
            call("keywords", 0.01)
        return recording

    async def coroutines():
        await acall("summary", 0.01)
        await acall("keywords", 0.01)

    for recording, state in ((functions(), BLOCKED), (in_cell(coroutines), WAITING)):
        assert names(recording.lanes()) == ["summary", "keywords"]
        assert [made.name for made in recording.calls] == ["summary", "keywords"]
        for unit, made in zip(recording.lanes(), recording.calls):
            spans = spans_of(recording, unit)
            assert (unit.kind, unit.outcome) == ("call", "ok")
            assert (spans[0].start, spans[-1].end) == (made.start, made.end) == (unit.created, unit.done)
            assert max(spans, key=lambda span: span.duration).state is state
        assert recording.peak() == 1


def test_outcomes_of_calls():
    with record() as recording, pytest.raises(ValueError):
        call("summary")
        with working_on("keywords"):
            raise ValueError("no answer")
    assert [(unit.name, unit.outcome) for unit in recording.units.values()] == [
        ("summary", "ok"),
        ("keywords", "failed"),
    ]


def test_calls_are_listed_in_the_order_in_which_they_ended():
    async def main():
        ended = asyncio.Event()

        async def first_to_start():
            with working_on("last to end"):
                await ended.wait()

        async def second_to_start():
            with working_on("first to end"):
                await asyncio.sleep(0)
            ended.set()

        await asyncio.gather(first_to_start(), second_to_start())

    recording = in_script(main)
    assert [made.name for made in recording.calls] == ["first to end", "last to end"]


def test_a_call_still_under_way_ends_with_the_recording():
    left_behind = []

    async def main():
        left_behind.append(asyncio.create_task(acall("summary", PATIENCE)))
        await asyncio.sleep(0.001)

    recording = in_cell(main)
    (made,) = recording.calls
    assert made.end == recording.duration
    assert names(recording.lanes()) == ["summary"]
    assert recording.lanes()[0].done is None


def test_a_thread_started_by_hand():
    with record() as recording:
        threads = [threading.Thread(target=call, args=(name,), name=name) for name in ("summary", "keywords")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(names(recording.lanes())) == ["keywords", "summary"]
    for unit in recording.lanes():
        assert unit.kind == "call"
        assert states_of(recording, unit) == [RUNNING, BLOCKED, RUNNING]
        assert {recording.threads[span.thread] for span in spans_of(recording, unit)} == {unit.name}


def test_a_loop_in_a_thread_started_by_hand():
    async def main():
        await asyncio.gather(acall("summary"), acall("keywords"))

    with record() as recording:
        thread = threading.Thread(target=asyncio.run, args=(main(),), name="by hand")
        thread.start()
        thread.join()
    assert names(recording.units.values()) == ["main", "summary", "keywords"]
    assert list(recording.threads.values()) == ["by hand"]


def test_working_on_without_a_recording():
    with working_on("summary") as nothing:
        assert nothing is None


# Toy tasks


def test_toy_tasks():
    with record() as recording:
        observe = recording.observe
        for name in ("a", "b"):
            observe("ready", name)
        observe("run", "a")
        call("summary")
        observe("sleep", "a")
        observe("run", "b")
        observe("wait", "b")
        observe("ready", "a")
        observe("run", "a")
        observe("done", "a")
        observe("ready", "b")
        observe("run", "b")
        observe("failed", "b")
        with pytest.raises(ValueError, match="ready, run, sleep, wait, done, failed, not 'stop'"):
            observe("stop", "a")
    a, b = recording.units.values()
    assert [(unit.kind, unit.name, unit.outcome) for unit in (a, b)] == [
        ("toy", "a", "ok"),
        ("toy", "b", "failed"),
    ]
    assert states_of(recording, a) == [READY, RUNNING, BLOCKED, RUNNING, WAITING, READY, RUNNING]
    assert [span.reason for span in spans_of(recording, a) if span.state is WAITING] == ["sleep"]
    assert states_of(recording, b) == [READY, RUNNING, WAITING, READY, RUNNING]
    assert [(made.unit, made.name) for made in recording.calls] == [(a.id, "summary")]
    with pytest.raises(RuntimeError, match="only inside"):
        observe("run", "a")


class Pause:
    def __await__(self):
        yield


def test_where_a_toy_task_is_suspended():
    async def inner():
        await Pause()
        return "an answer"

    async def outer():
        await inner()
        await Pause()

    toy = outer()
    with record() as recording:
        recording.observe("ready", "a", toy)
        for event in ("sleep", "wait"):
            recording.observe("run", "a", toy)
            toy.send(None)
            recording.observe(event, "a", toy)
        recording.observe("run", "a", toy)
        with pytest.raises(StopIteration):
            toy.send(None)
        recording.observe("done", "a", toy)
        recording.observe("ready", "b")
    a, b = recording.units.values()
    begin = outer.__code__.co_firstlineno
    assert [(unit.file, unit.line) for unit in (a, b)] == [(__file__, begin), ("", 0)]
    waits = [span.start for span in spans_of(recording, a) if span.state is WAITING]
    assert [(s.unit, s.time, s.function, s.file, s.line) for s in recording.suspensions] == [
        (a.id, waits[0], "inner", __file__, inner.__code__.co_firstlineno + 1),
        (a.id, waits[1], "outer", __file__, begin + 2),
    ]


def test_a_toy_task_without_its_coroutine_has_no_place():
    with record() as recording:
        for event in ("ready", "run", "sleep"):
            recording.observe(event, "a")
    assert recording.suspensions == []


# langchain-core


def test_invoke_of_a_runnable_parallel():
    branches = {name: RunnableLambda(lambda text, name=name: call(name)) for name in ("summary", "keywords")}
    with record() as recording:
        assert RunnableParallel(branches).invoke("text") == {"summary": "summary", "keywords": "keywords"}
    assert names(recording.lanes()) == ["summary", "keywords"]
    assert {unit.kind for unit in recording.lanes()} == {"thread"}
    assert recording.steps == []


@pytest.mark.parametrize("run", [in_cell, in_script])
def test_ainvoke_of_a_runnable_parallel(run):
    def branch(name):
        async def answer(text):
            return await acall(name)

        return RunnableLambda(answer)

    async def main():
        chain = RunnableParallel({name: branch(name) for name in ("summary", "keywords", "sentiment")})
        await chain.ainvoke("text")

    recording = run(main)
    assert names(recording.lanes()) == ["summary", "keywords", "sentiment"]
    assert {unit.kind for unit in recording.lanes()} == {"task"}
    assert set(recording.threads.values()) == {"MainThread"}
    assert recording.peak() == 3


# What is not recorded


def test_tasks_of_others_stay_out():
    async def kernel():
        over = asyncio.Event()

        async def restless(name):
            while not over.is_set():
                await acall(name, 0.001)

        async def cell(name):
            with record() as recording:
                tasks.append(asyncio.create_task(restless(f"left behind by {name}")))
                await acall(name, 0.01)
            return recording

        tasks = [asyncio.create_task(restless("stranger"))]
        recordings = [await asyncio.create_task(cell(name)) for name in ("first", "second")]
        over.set()
        await asyncio.gather(*tasks)
        return recordings

    for name, recording in zip(("first", "second"), asyncio.run(kernel())):
        assert names(recording.units.values()) == ["cell", f"left behind by {name}", name]
        assert {made.name for made in recording.calls} == {name, f"left behind by {name}"}
        assert {step.unit for step in recording.steps} <= {None, *recording.units}


def test_a_block_that_never_waits_has_no_task_of_its_own():
    async def cell():
        with record() as recording:
            call("summary")
            task = asyncio.create_task(acall("keywords"))
        await task
        return recording

    recording = asyncio.run(cell())
    assert [(unit.kind, unit.parent) for unit in recording.units.values()] == [("call", None), ("task", None)]


def test_threads_of_others_stay_out():
    go, done = threading.Event(), threading.Event()

    def stranger():
        go.wait(PATIENCE)
        call("stranger")
        with ThreadPoolExecutor(1) as pool:
            pool.submit(call, "stranger's item")
        done.set()

    thread = threading.Thread(target=stranger)
    thread.start()
    with record() as recording:
        go.set()
        done.wait(PATIENCE)
        call("mine")
    thread.join()
    assert names(recording.units.values()) == ["mine"]


def test_nothing_is_added_after_the_block():
    async def main():
        async with asyncio.timeout(PATIENCE):
            with record() as recording:
                task = asyncio.create_task(acall("summary"))
                await asyncio.sleep(0)
            before = list(recording.spans), list(recording.calls)
            await task
            assert (recording.spans, recording.calls) == before

    asyncio.run(main())


# The block


def test_all_is_put_back_after_an_exception():
    before = [getattr(owner, name) for owner, name in REPLACED]
    with pytest.raises(KeyboardInterrupt), record() as recording:
        assert not gc.isenabled()
        assert all(getattr(owner, name) is not old for (owner, name), old in zip(REPLACED, before))
        call("summary")
        raise KeyboardInterrupt
    assert [getattr(owner, name) for owner, name in REPLACED] == before
    assert gc.isenabled()
    assert names(recording.lanes()) == ["summary"]


def test_garbage_collection_stays_off_if_it_was():
    gc.disable()
    try:
        with record():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_recordings_cannot_be_nested():
    with record() as recording:
        with pytest.raises(RuntimeError, match="cannot be nested"), record():
            pass
        call("summary")
    assert names(recording.lanes()) == ["summary"]


def test_a_recorder_can_be_used_again():
    recorder = record()
    with recorder as first:
        call("summary")
    with recorder as second:
        call("keywords")
    assert (names(first.lanes()), names(second.lanes())) == (["summary"], ["keywords"])


def test_a_recording_is_filled_after_the_block():
    with record() as recording:
        call("summary")
        assert recording.units == {}
        for use in (recording.lanes, recording.in_flight, recording.peak, recording.to_chrome_trace):
            with pytest.raises(RuntimeError, match="after"):
                use()
    assert recording.peak() == 1
    assert recording.to_chrome_trace()


class ForeignLoop(asyncio.AbstractEventLoop):
    def close(self):
        pass


def test_a_foreign_loop_is_refused():
    asyncio._set_running_loop(ForeignLoop())
    try:
        with pytest.raises(RuntimeError, match="sees nothing of a .*ForeignLoop"), record():
            pass
    finally:
        asyncio._set_running_loop(None)
    with record(), asyncio.Runner(loop_factory=ForeignLoop) as runner:
        runner._state = asyncio.runners._State.INITIALIZED
        runner._loop = ForeignLoop()
        with pytest.raises(RuntimeError, match="sees nothing of a .*ForeignLoop"):
            runner.run(acall("summary"))
        runner._state = asyncio.runners._State.CLOSED


def test_uvloop_is_refused():
    uvloop = pytest.importorskip("uvloop")

    async def cell():
        with record():
            pass

    with pytest.raises(RuntimeError, match="sees nothing of a uvloop.Loop"):
        uvloop.run(cell())
    never_run = acall("summary")
    with record(), pytest.raises(RuntimeError, match="sees nothing of a uvloop.Loop"):
        uvloop.run(never_run)
    never_run.close()
    loop = uvloop.new_event_loop()
    with record(), pytest.raises(RuntimeError, match="sees nothing of a uvloop.Loop"):
        loop.run_until_complete(acall("summary"))
    loop.close()


def test_a_python_without_the_hooks_is_refused(monkeypatch):
    monkeypatch.delattr(Handle, "_run")
    submit = ThreadPoolExecutor.submit
    with pytest.raises(RuntimeError, match=r"needs Handle\._run, which this Python lacks"), record():
        pass
    assert ThreadPoolExecutor.submit is submit
    assert gc.isenabled()


# In a kernel


def test_in_a_kernel():
    cells = [
        """
import asyncio, time
from concurrent.futures import ThreadPoolExecutor
from helpers.recording.recorder import record, working_on
from helpers.recording.virtual_clock import run_on_virtual_clock

def call(name):
    with working_on(name):
        time.sleep(0.002)

async def acall(name):
    with working_on(name):
        await asyncio.sleep(0.002)

def tell(recording):
    for unit in recording.units.values():
        print(unit.kind, unit.name, unit.outcome, end="; ")
""",
        "with record() as recording:\n    call('one')\n    call('two')\ntell(recording)",
        "with record() as recording:\n    await acall('one')\n    print(end='')\n    await acall('two')\n"
        "tell(recording)",
        "with record() as recording:\n    await asyncio.gather(acall('one'), acall('two'))\n"
        "left = asyncio.create_task(acall('left behind'))\ntell(recording)",
        "with record() as recording, ThreadPoolExecutor() as pool:\n    pool.submit(call, 'one')\n"
        "tell(recording)",
    ]
    manager, client = start_new_kernel(kernel_name="python3", stderr=subprocess.DEVNULL)
    try:
        printed = []

        def hook(message):
            assert message["msg_type"] != "error", message["content"]["evalue"]
            if message["msg_type"] == "stream":
                printed[-1] += message["content"]["text"]

        for cell in cells:
            printed.append("")
            client.execute_interactive(cell, output_hook=hook, timeout=60)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert printed == [
        "",
        "call one ok; call two ok; ",
        "task cell ; call one ok; call two ok; ",
        "task cell ; task one ok; task two ok; ",
        "thread one ok; ",
    ]
