"""The frames of a recording: who is where after each step, and the sentence that says what happened."""

import asyncio
import random
import re
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from tempfile import gettempdir
from types import SimpleNamespace

import pytest
from budgets import examples
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.configuration import set_hypothesis_home_dir
from leftovers import PATIENCE, fail
from libraries import LIBRARIES

from helpers.calls.workloads import REVIEW, Gate, akeywords, asentiment, asummary, keywords, summary
from helpers.explorables import frames as frames_module
from helpers.explorables.frames import frames
from helpers.explorables.stepper import _run_on_toy
from helpers.recording.data import Recording, Span, State, Unit
from helpers.recording.recorder import record, working_on
from helpers.recording.virtual_clock import run_on_virtual_clock
from lessons.lesson1_async_execution import event_loop

set_hypothesis_home_dir(Path(gettempdir()) / "hypothesis")  # it writes, and not into the repository

tried = examples(40, 80)


# Making recordings, and reading frames


def record_task(function, run=run_on_virtual_clock):
    """Record `await function()` as a task of the function's name; gives its recording."""
    recorder = record(places=True)

    async def main():
        with recorder:
            await asyncio.gather(
                asyncio.create_task(function(), name=function.__name__), return_exceptions=True
            )
        return recorder._recording

    result = run(main())
    return result[0] if run is run_on_virtual_clock else result


def frames_of(recording):
    """The frames of all units but the one that records; what holds for all frames is checked."""
    units = [unit for unit in recording.units.values() if unit.parent is not None]
    return checked(frames(recording, units))


def steps(function, run=run_on_virtual_clock):
    return frames_of(record_task(function, run))


def say(found):
    return [frame.said for frame in found]


def where(frame):
    """name -> (box, what else is known of it there); every name is in one box only."""
    blocked, timers = dict(frame.blocked), dict(frame.timers)
    boxes = [
        *((name, ("running", blocked.get(name))) for name in frame.running),
        *((name, ("ready", None)) for name in frame.ready),
        *((name, ("timers", "due" if name in frame.overdue else None)) for name in timers),
        *((name, ("suspended", what)) for name, what in frame.suspended),
        *((name, ("permits", None)) for name in frame.permits),
        *((name, ("threads", state)) for name, state in frame.threads),
        *((name, ("done", outcome)) for name, outcome in frame.done),
    ]
    assert len(boxes) == len(dict(boxes))
    assert blocked.keys() <= set(frame.running) and timers.keys() >= set(frame.overdue)
    return dict(boxes)


def named_in(name, text):
    return re.search(rf"(^|\s){re.escape(name)}([.:\s]|$)", text) is not None


def checked(found, loops=1):
    """The frames, after a look at what holds between each two of them."""
    for before, frame in pairwise([SimpleNamespace(**vars(frames_before_all)), *found]):
        places, earlier = where(frame), where(before)
        if places == earlier:  # a worker thread may block in one thing after another
            assert "blocks its worker thread in" in frame.said
            continue
        (changed,) = [name for name in places if places[name] != earlier.get(name)]
        assert earlier.keys() <= places.keys()
        assert named_in(changed, frame.said) and frame.said.endswith(".")
        assert len(frame.running) <= loops
        assert frame.done[: len(before.done)] == before.done
        assert set(frame.places) <= places.keys() - dict(frame.done).keys()
        box, came_from = places[changed][0], earlier.get(changed, ("", None))[0]
        if came_from == "ready" and box == "running" and loops == 1:
            assert (changed, *frame.ready) == before.ready
        if came_from == "permits" and " is cancelled" not in frame.said:
            assert (changed, *frame.permits) == before.permits
        if box == "ready":
            assert frame.ready == (*before.ready, changed)
        if box == "permits":
            assert frame.permits == (*before.permits, changed)
        dues = [due for _, due in frame.timers if due is not None]
        assert dues == sorted(dues)
        if frame.time is not None:
            assert (before.time or 0) <= frame.time
    return found


frames_before_all = SimpleNamespace(
    said="", time=None, running=(), blocked=(), ready=(), timers=(), overdue=(), suspended=(), permits=(),
    threads=(), done=(), places={},
)  # fmt: skip


def line(frame):
    """A frame in a line; boxes that are empty are left out."""
    timers = [name if due is None else f"{name} {due * 1e3:.0f}" for name, due in frame.timers]
    boxes = {
        "running": frame.running,
        "blocked in": [what for _, what in frame.blocked],
        "ready": frame.ready,
        "timers": timers,
        "due": frame.overdue,
        "suspended": [f"{name} on {what}" for name, what in frame.suspended],
        "permits": frame.permits,
        "threads": [f"{name} {state}" for name, state in frame.threads],
        "done": [name if outcome == "ok" else f"{name} {outcome}" for name, outcome in frame.done],
    }
    return "; ".join(f"{box}: {', '.join(names)}" for box, names in boxes.items() if names)


async def nap(seconds):
    await asyncio.sleep(seconds)


END_OF_QUEUE = "goes to the end of the ready queue."


def tasks(**functions):
    return [asyncio.create_task(coroutine, name=name) for name, coroutine in functions.items()]


def milliseconds(found):
    return [round(frame.time * 1e3, 3) for frame in found]


# Tasks


async def three():
    await asyncio.gather(*tasks(summary=nap(0.12), sentiment=nap(0.06), keywords=nap(0.09)))


def test_three_sleeps():
    found = steps(three)
    assert [line(frame) for frame in found] == [
        "ready: three",
        "running: three",
        "running: three; ready: summary",
        "running: three; ready: summary, sentiment",
        "running: three; ready: summary, sentiment, keywords",
        "ready: summary, sentiment, keywords; suspended: three on asyncio.gather",
        "running: summary; ready: sentiment, keywords; suspended: three on asyncio.gather",
        "ready: sentiment, keywords; timers: summary 120; suspended: three on asyncio.gather",
        "running: sentiment; ready: keywords; timers: summary 120; suspended: three on asyncio.gather",
        "ready: keywords; timers: sentiment 60, summary 120; suspended: three on asyncio.gather",
        "running: keywords; timers: sentiment 60, summary 120; suspended: three on asyncio.gather",
        "timers: sentiment 60, keywords 90, summary 120; suspended: three on asyncio.gather",
        "ready: sentiment; timers: keywords 90, summary 120; suspended: three on asyncio.gather",
        "running: sentiment; timers: keywords 90, summary 120; suspended: three on asyncio.gather",
        "timers: keywords 90, summary 120; suspended: three on asyncio.gather; done: sentiment",
        "ready: keywords; timers: summary 120; suspended: three on asyncio.gather; done: sentiment",
        "running: keywords; timers: summary 120; suspended: three on asyncio.gather; done: sentiment",
        "timers: summary 120; suspended: three on asyncio.gather; done: sentiment, keywords",
        "ready: summary; suspended: three on asyncio.gather; done: sentiment, keywords",
        "running: summary; suspended: three on asyncio.gather; done: sentiment, keywords",
        "suspended: three on asyncio.gather; done: sentiment, keywords, summary",
        "ready: three; done: sentiment, keywords, summary",
        "running: three; done: sentiment, keywords, summary",
        "done: sentiment, keywords, summary, three",
    ]
    assert milliseconds(found) == [0] * 12 + [60] * 3 + [90] * 3 + [120] * 6


def test_each_step_is_said():
    assert say(steps(three))[:8] + say(steps(three))[12:15] == [
        "The task three is created and goes to the end of the ready queue.",
        "The loop takes three from the head of the ready queue and runs it.",
        "three creates the task summary. It goes to the end of the ready queue.",
        "three creates the task sentiment. It goes to the end of the ready queue.",
        "three creates the task keywords. It goes to the end of the ready queue.",
        "three awaits asyncio.gather and suspends.",
        "The loop takes summary from the head of the ready queue and runs it.",
        "summary awaits a sleep. Its timer is set, and summary suspends.",
        "The loop has nothing to run and waits for the earliest timer. The timer of sentiment is due: "
        "sentiment goes to the end of the ready queue.",
        "The loop takes sentiment from the head of the ready queue and runs it.",
        "sentiment is done.",
    ]


def test_two_runs_give_the_same_frames():
    assert steps(three) == steps(three)


def test_where_in_the_source_each_coroutine_is():
    async def main():
        await asyncio.gather(*tasks(a=nap(1), b=nap(2)))
        await asyncio.sleep(3)

    start, inside = nap.__code__.co_firstlineno, nap.__code__.co_firstlineno + 1
    begin = main.__code__.co_firstlineno
    found = steps(main)
    assert {file for frame in found for file, _ in frame.places.values()} == {__file__}
    lines = [{name: place[1] - begin for name, place in frame.places.items()} for frame in found]
    creates = tasks.__code__.co_firstlineno + 1 - begin  # while it runs, the line of what it does
    assert lines[:3] == [{"main": 0}, {"main": 0}, {"main": creates, "a": start - begin}]
    suspended = next(frame for frame in found if frame.said.startswith("main awaits asyncio.gather"))
    assert suspended.places == {"main": (__file__, begin + 1), "a": (__file__, start), "b": (__file__, start)}
    slept = next(frame for frame in found if len(frame.timers) == 2)
    assert {name: number for name, (_, number) in slept.places.items()} == {
        "main": begin + 1,
        "a": inside,
        "b": inside,
    }
    assert lines[-3:] == [{"main": 2}, {"main": 2}, {}]  # where it goes on, until it ends


def test_two_timers_that_are_due_together():
    async def main():
        await asyncio.gather(*tasks(a=nap(1), b=nap(1)))

    found = steps(main)
    assert [frame.said for frame in found if "timer of" in frame.said] == [
        "The loop has nothing to run and waits for the earliest timer. The timer of a is due: "
        "a goes to the end of the ready queue.",
        "The timer of b is due: b goes to the end of the ready queue.",
    ]


def test_a_sleep_of_zero_gives_up_the_thread_for_one_turn():
    async def polite():
        tasks(other=nap(0))
        await asyncio.sleep(0)

    found = steps(polite)
    assert say(found)[3:5] == [
        "polite gives up the thread for one turn and goes to the end of the ready queue.",
        "The loop takes other from the head of the ready queue and runs it.",
    ]
    assert line(found[3]) == "ready: other, polite"
    assert not any(frame.timers for frame in found)


def test_a_long_step_that_ends_with_a_sleep_of_zero():
    async def polite():
        threading.Event().wait(0.01)  # not time.sleep: the recorder has to guess
        await asyncio.sleep(0)

    assert say(steps(polite, asyncio.run))[-3:] == [
        "polite gives up the thread for one turn and goes to the end of the ready queue.",
        "The loop takes polite from the head of the ready queue and runs it.",
        "polite is done.",
    ]


def test_a_permit_is_handed_over():
    async def main():
        permit = asyncio.Semaphore(1)

        async def use():
            async with permit:
                await asyncio.sleep(0.01)

        await asyncio.gather(*tasks(a=use(), b=use(), c=use()))

    found = steps(main)
    queued = [frame.permits for frame in found]
    assert [queue for queue, _ in Counter(queued).items()] == [(), ("b",), ("b", "c"), ("c",)]
    assert [said for said in say(found) if "permit" in said] == [
        "b waits for a permit: it joins the queue and suspends.",
        "c waits for a permit: it joins the queue and suspends.",
        "A permit is there for b. It goes to the end of the ready queue.",
        "A permit is there for c. It goes to the end of the ready queue.",
    ]
    (over,) = [frame for frame in found if "there for b" in frame.said]
    assert line(over) == "running: a; ready: b; suspended: main on asyncio.gather; permits: c"


def wait_for_a_lock():
    lock = asyncio.Lock()

    async def use():
        async with lock:
            await asyncio.sleep(0.01)

    return {"first": use(), "waiter": use()}


def wait_for_a_condition():
    condition = asyncio.Condition()

    async def wait():
        async with condition:
            await condition.wait()

    async def notify():
        async with condition:
            condition.notify()

    return {"waiter": wait(), "other": notify()}


def wait_to_put():
    queue = asyncio.Queue(1)
    queue.put_nowait("a review")
    return {"waiter": queue.put("another"), "other": queue.get()}


def wait_to_get():
    queue = asyncio.Queue()
    return {"waiter": queue.get(), "other": queue.put("a review")}


def wait_for_an_event():
    event = asyncio.Event()

    async def set_it():
        event.set()

    return {"waiter": event.wait(), "other": set_it()}


def wait_for_a_future():
    future = asyncio.get_running_loop().create_future()

    async def wait():
        await future

    async def set_it():
        future.set_result("an answer")

    return {"waiter": wait(), "other": set_it()}


def wait_for_a_task():
    async def wait():
        await asyncio.create_task(nap(0.01))

    return {"waiter": wait()}


def wait_for_a_group():
    async def wait():
        async with asyncio.TaskGroup() as group:
            group.create_task(nap(0.01))

    return {"waiter": wait()}


def wait_for_the_first():
    async def wait():
        await asyncio.wait([asyncio.create_task(nap(0.01))])

    return {"waiter": wait()}


@pytest.mark.parametrize(
    ("make", "what"),
    [(wait_for_a_lock, "Lock.acquire"), (wait_for_a_condition, "Condition.wait"), (wait_to_put, "Queue.put")],
)
def test_the_queue_before_a_limit(make, what):
    async def main():
        await asyncio.gather(*tasks(**make()))

    found = steps(main)
    suspended, woken = [said for said in say(found) if what in said]
    assert suspended == f"waiter waits for {what}: it joins the queue and suspends."
    assert woken == f"waiter need not wait for {what} any longer. It goes to the end of the ready queue."
    assert found[say(found).index(suspended)].permits == ("waiter",)


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (wait_to_get, "Queue.get"),
        (wait_for_an_event, "Event.wait"),
        (wait_for_a_future, "a future"),
        (wait_for_a_task, "nap"),
        (wait_for_a_group, "the tasks of its TaskGroup"),
        (wait_for_the_first, "asyncio.wait"),
    ],
)
def test_what_a_task_awaits(make, what):
    async def main():
        await asyncio.gather(*tasks(**make()))

    found = steps(main)
    said = [said for said in say(found) if said.startswith(("waiter awaits", "What waiter"))]
    is_task = make is wait_for_a_task
    woken = "waiter awaits nap, which has ended:" if is_task else "What waiter awaits has happened."
    assert said == [
        f"waiter awaits {what} and suspends.",
        f"{woken} waiter goes to the end of the ready queue.",
    ]
    assert ("waiter", what) in found[say(found).index(said[0])].suspended


def test_a_sleep_in_an_async_generator_is_a_future_to_the_recorder():
    async def answers():
        for number in range(2):
            await asyncio.sleep(0.01)
            yield number

    async def main():
        async for _ in answers():
            pass

    found = steps(main)
    assert say(found).count("main awaits a future and suspends.") == 2
    assert milliseconds(found)[-1] == 20
    assert found[-2].places == {"main": (__file__, main.__code__.co_firstlineno + 1)}


def test_the_end_of_a_task_comes_before_the_waking_of_the_one_that_awaits_it():
    async def inner():
        await asyncio.sleep(0.01)

    async def outer():
        await tasks(inner=inner())[0]

    async def main():
        await tasks(outer=outer())[0]

    assert say(steps(main))[-8:-1] == [
        "The loop takes inner from the head of the ready queue and runs it.",
        "inner is done.",
        "outer awaits inner, which has ended: outer goes to the end of the ready queue.",
        "The loop takes outer from the head of the ready queue and runs it.",
        "outer is done.",
        "main awaits outer, which has ended: main goes to the end of the ready queue.",
        "The loop takes main from the head of the ready queue and runs it.",
    ]


def test_several_await_the_same_task():
    async def main():
        (shared,) = tasks(shared=nap(0.01))
        await asyncio.gather(*tasks(a=join(shared), b=join(shared)))

    async def join(task):
        await task

    said = say(steps(main))
    end = said.index("shared is done.")
    assert said[end + 1].startswith("a awaits shared, which") and said[end + 2].startswith("b awaits shared")


# A loop that is blocked


async def blocked_loop():
    async def stubborn():
        time.sleep(0.2)

    for task in tasks(sentiment=nap(0.06), keywords=nap(0.09), summary=stubborn(), other=nap(0.3)):
        await task


def test_timers_that_are_due_stay_timers_until_the_loop_is_back():
    found = steps(blocked_loop)
    begin = say(found).index("summary blocks the loop's thread in time.sleep. No other task can run.")
    rest = "suspended: blocked_loop on sentiment"
    assert [line(frame).replace(f"; {rest}", "") for frame in found[begin : begin + 10]] == [
        "running: summary; blocked in: time.sleep; ready: other; timers: sentiment 60, keywords 90",
        "running: summary; blocked in: time.sleep; ready: other; timers: sentiment 60, keywords 90; "
        "due: sentiment",
        "running: summary; blocked in: time.sleep; ready: other; timers: sentiment 60, keywords 90; "
        "due: sentiment, keywords",
        "running: summary; ready: other; timers: sentiment 60, keywords 90; due: sentiment, keywords",
        "ready: other; timers: sentiment 60, keywords 90; due: sentiment, keywords; done: summary",
        "running: other; timers: sentiment 60, keywords 90; due: sentiment, keywords; done: summary",
        "timers: sentiment 60, keywords 90, other 500; due: sentiment, keywords; done: summary",
        "ready: sentiment; timers: keywords 90, other 500; due: keywords; done: summary",
        "ready: sentiment, keywords; timers: other 500; done: summary",
        "running: sentiment; ready: keywords; timers: other 500; done: summary",
    ]
    assert milliseconds(found)[begin : begin + 10] == [0, 60, 90] + [200] * 7


def test_a_late_timer_is_said():
    assert [said for said in say(steps(blocked_loop)) if "timer of sentiment" in said] == [
        "The timer of sentiment is due, but the loop is busy: sentiment has to wait.",
        "The loop is back and finds the timer of sentiment due: "
        "sentiment goes to the end of the ready queue.",
    ]


def test_who_became_ready_while_the_loop_was_busy_comes_before_the_late_timers():
    async def main():
        async def busy():
            time.sleep(0.02)
            await asyncio.sleep(0)

        await asyncio.gather(*tasks(sleeper=nap(0.01), busy=busy()))

    said = say(steps(main))
    assert said.index("busy is done.") < said.index(
        "The loop is back and finds the timer of sleeper due: sleeper goes to the end of the ready queue."
    )


def test_a_late_timer_of_somebody_else_does_not_make_a_task_overdue():
    async def main():
        future = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(0.01, future.set_result, None)

        async def busy():
            time.sleep(0.02)

        tasks(busy=busy())
        await future

    found = steps(main)
    assert say(found)[-3].endswith(
        "A timer is due that ends the wait of main: main goes to the end of the ready queue."
    )
    assert not any(frame.timers for frame in found)


@pytest.mark.parametrize("run", [asyncio.run, run_on_virtual_clock])
def test_late_timers_on_both_clocks(run):
    async def main():
        async def busy():
            time.sleep(0.1)

        await asyncio.gather(*tasks(sleeper=nap(0.03), busy=busy()))

    found = steps(main, run)
    (due,) = [frame for frame in found if "but the loop is busy" in frame.said]
    (back,) = [frame for frame in found if "The loop is back" in frame.said]
    assert due.overdue == ("sleeper",) and back.ready == ("sleeper",)
    assert due.time < 0.1 <= back.time


# Failures and cancellations


def test_a_failure_in_a_group_cancels_the_others():
    async def main():
        async with asyncio.TaskGroup() as group:
            group.create_task(fail(), name="bad")
            group.create_task(nap(1), name="sleeper")
            group.create_task(asyncio.Event().wait(), name="waiter")

    found = steps(main)
    said = say(found)
    first, *others, last = found[-1].done
    assert (first, last) == (("bad", "failed"), ("main", "failed"))
    assert set(others) == {("sleeper", "cancelled"), ("waiter", "cancelled")}  # a group cancels in any order
    assert [said.count(end) for end in ("bad fails.", "sleeper is cancelled.", "main fails.")] == [1, 1, 1]
    assert f"The sleep of sleeper is cancelled before its timer is due. sleeper {END_OF_QUEUE}" in said
    assert "What waiter awaits is cancelled. waiter goes to the end of the ready queue." in said


def test_cancelled_in_the_queue_before_a_limit():
    async def main():
        permit = asyncio.Semaphore(1)
        async with permit:
            (late,) = tasks(late=permit.acquire())
            await asyncio.sleep(0)
            late.cancel()
            await asyncio.wait([late])

    found = steps(main)
    assert "What late awaits is cancelled. late goes to the end of the ready queue." in say(found)
    assert not any("permit is there" in said for said in say(found))
    assert ("late", "cancelled") in found[-1].done


def test_a_task_that_cancels_itself():
    async def main():
        asyncio.current_task().cancel()
        await asyncio.Event().wait()

    assert say(steps(main))[2:] == [
        "What main awaits is cancelled. main goes to the end of the ready queue.",
        "The loop takes main from the head of the ready queue and runs it.",
        "main is cancelled.",
    ]


def test_cancelled_before_its_first_step():
    async def main():
        (never,) = tasks(never=nap(1))
        never.cancel()
        await asyncio.wait([never])

    assert steps(main)[-1].done == (("never", "cancelled"), ("main", "ok"))


async def limited_in_time():
    try:
        async with asyncio.timeout(0.05):
            await asyncio.sleep(0.1)
    except TimeoutError:
        await asyncio.sleep(0.01)


async def limited_by_wait_for():
    try:
        await asyncio.wait_for(tasks(limited=nap(0.1))[0], 0.05)
    except TimeoutError:
        pass


@pytest.mark.parametrize(
    ("function", "name"), [(limited_in_time, "limited_in_time"), (limited_by_wait_for, "limited")]
)
def test_a_timeout_wakes_a_sleeper_early(function, name):
    found = steps(function)
    (woken,) = [frame for frame in found if "before its timer" in frame.said]
    assert woken.said == f"The sleep of {name} is cancelled before its timer is due. {name} {END_OF_QUEUE}"
    assert round(woken.time, 6) == 0.05
    before = found[found.index(woken) - 1]
    assert dict(before.timers)[name] == pytest.approx(0.1, abs=1e-6)


def test_a_timeout_that_strikes_after_the_timer_was_due():
    async def main():
        async def busy():
            time.sleep(0.1)

        tasks(busy=busy())
        try:
            async with asyncio.timeout(0.05):
                await asyncio.sleep(0.06)
        except TimeoutError:
            pass

    said = say(steps(main))
    assert said[-3] == "What main awaits is cancelled. main goes to the end of the ready queue."
    assert not any("timer of main" in sentence for sentence in said)


def test_a_program_that_ends_while_others_sleep():
    async def main():
        tasks(left=nap(9))
        await asyncio.sleep(0.01)

    assert line(steps(main)[-1]) == "timers: left 9000; done: main"


# Names


def test_equal_names_get_numbers():
    async def main():
        await asyncio.gather(*map(nap, (0.02, 0.01)), *tasks(one=nap(0)))

    assert [name for name, _ in steps(main)[-1].done] == ["one", "nap 2", "nap 1", "main"]


def test_a_number_that_is_taken_is_not_given():
    async def main():
        first = tasks(**{"nap 1": nap(0)})
        await asyncio.gather(*first, nap(0), nap(0))

    assert sorted(dict(steps(main)[-1].done)) == ["main", "nap 1", "nap 2", "nap 3"]


# Threads


async def one_worker():
    started, go = threading.Event(), threading.Event()

    def work():
        started.set()
        assert go.wait(PATIENCE)
        time.sleep(0.001)

    async def let_go():
        go.set()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(work)
        assert started.wait(PATIENCE)
        second = pool.submit(abs, -1)
        tasks(setter=let_go())
        await asyncio.wrap_future(second)


def test_work_items_are_queued_running_blocked_and_done():
    found = steps(one_worker)
    said = [said for said in say(found) if named_in("work", said) or named_in("abs", said)]
    assert said == [
        "one_worker hands work to a thread pool, where it waits for a worker.",
        "A worker thread takes work.",
        "one_worker hands abs to a thread pool, where it waits for a worker.",
        "work blocks its worker thread in time.sleep, and no other thread.",
        "work runs on in its worker thread.",
        "work is done.",
        "A worker thread takes abs.",
        "abs is done.",
    ]
    threads = [found[say(found).index(sentence)].threads for sentence in said]
    assert threads == [
        (("work", "queued"),),
        (("work", "in a thread"),),
        (("work", "in a thread"), ("abs", "queued")),
        (("abs", "queued"), ("work", "blocked")),
        (("abs", "queued"), ("work", "in a thread")),
        (("abs", "queued"),),
        (("abs", "in a thread"),),
        (),
    ]


def test_to_thread_does_not_block_the_loop():
    async def main():
        await asyncio.to_thread(time.sleep, 0.001)

    found = steps(main)
    assert "main awaits asyncio.to_thread and suspends." in say(found)
    assert "sleep blocks its worker thread in time.sleep, and no other thread." in say(found)
    assert not any(frame.blocked for frame in found)
    assert [name for name, _ in found[-1].done] == ["sleep", "main"]


def test_a_worker_thread_does_not_keep_the_loop_busy():
    go = threading.Event()

    async def main():
        with ThreadPoolExecutor(1) as pool:
            pool.submit(go.wait, PATIENCE)
            await asyncio.sleep(1)
            go.set()

    (woken,) = [frame for frame in steps(main) if "The timer of main is due" in frame.said]
    assert woken.said.startswith("The loop has nothing to run and waits for the earliest timer. ")
    assert [name for name, _ in woken.threads] == ["Event.wait"]


def test_a_work_item_that_is_cancelled_in_the_queue():
    go = threading.Event()
    with record(places=True) as recording, ThreadPoolExecutor(1) as pool:
        pool.submit(go.wait, PATIENCE)
        pool.submit(abs, -1).cancel()
        go.set()
    found = checked(frames(recording))
    assert "abs is cancelled." in say(found)
    assert dict(found[-1].done) == {"Event.wait": "ok", "abs": "cancelled"}
    assert say(found)[0] == "A call hands Event.wait to a thread pool, where it waits for a worker."


@pytest.mark.parametrize("library", LIBRARIES)
def test_invoke_has_work_items_only(library):
    parallel, branch = LIBRARIES[library]
    with record(places=True) as recording, Gate("keywords", "summary"):
        parallel({"summary": branch(summary), "keywords": branch(keywords)}).invoke(REVIEW)
    found = checked(frames(recording))
    assert dict(found[-1].done) == {"keywords": "ok", "summary": "ok"}
    assert {box for frame in found for box, _ in where(frame).values()} == {"threads", "done"}
    assert {state for frame in found for _, state in frame.threads} == {"queued", "in a thread", "blocked"}


@pytest.mark.parametrize("library", LIBRARIES)
def test_ainvoke_shows_the_branches_and_what_they_stem_from(library):
    parallel, branch = LIBRARIES[library]
    calls = {"summary": asummary, "sentiment": asentiment, "keywords": akeywords}

    async def main():
        with Gate("sentiment", "keywords", "summary"):
            await parallel({name: branch(call) for name, call in calls.items()}).ainvoke(REVIEW)

    with record(places=True) as recording:
        asyncio.run(main())
    found = checked(frames(recording))
    assert [name for name, _ in found[-1].done] == ["sentiment", "keywords", "summary", "main"]
    assert any({name for name, _ in frame.timers} == calls.keys() for frame in found)
    assert not any(frame.threads or frame.permits for frame in found)


def test_two_loops_at_once():
    meeting = threading.Barrier(2)

    async def meet():
        meeting.wait(PATIENCE)
        time.sleep(0.005)
        meeting.wait(PATIENCE)

    with record(places=True) as recording:
        threads = [threading.Thread(target=asyncio.run, args=(meet(),)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    found = checked(frames(recording), loops=2)
    assert any(len(frame.running) == 2 for frame in found)
    assert dict(found[-1].done) == {"meet 1": "ok", "meet 2": "ok"}


# Plain calls


def test_plain_calls_block_a_thread_that_need_not_have_a_loop():
    with record(places=True) as recording:
        for name in ("summary", "keywords"):
            with working_on(name):
                time.sleep(0.001)
    assert say(checked(frames(recording))) == [
        "summary runs.",
        "summary blocks the thread that it runs on in time.sleep.",
        "summary runs on.",
        "summary is done.",
        "keywords runs.",
        "keywords blocks the thread that it runs on in time.sleep.",
        "keywords runs on.",
        "keywords is done.",
    ]


def test_only_the_thread_that_blocks_is_shown_as_blocked(one_of_two_threads_blocks):
    (frame,) = [frame for frame in frames(one_of_two_threads_blocks) if frame.said.endswith("in time.sleep.")]
    assert set(frame.running) == {"blocks", "runs"}
    assert ("blocks", "time.sleep") in frame.blocked


def test_whether_a_thread_is_on_the_cpu_makes_no_step_of_its_own():
    states = [State.IN_THREAD, State.RUNNING, State.IN_THREAD, State.BLOCKED, State.IN_THREAD]
    spans = [Span(1, state, number, number + 1) for number, state in enumerate(states)]
    recording = Recording(units={1: Unit(1, "task", "summary", created=0.0)}, spans=spans)
    found = checked(frames(recording))
    assert say(found) == [
        "summary runs.",
        "summary blocks the loop's thread in a call. No other task can run.",
        "summary runs on.",
    ]
    assert [frame.running for frame in found] == [("summary",)] * 3


# What cannot be stepped through


def test_an_empty_recording():
    with record(places=True) as recording:
        pass
    with pytest.raises(ValueError, match="the recording is empty"):
        frames(recording)
    with pytest.raises(ValueError, match="the recording is empty"):
        frames(Recording())


def test_anything_but_a_recording():
    with pytest.raises(TypeError, match="not a list"):
        frames([])


def test_a_recording_under_way():
    with record(places=True) as recording, working_on("summary"):
        with pytest.raises(RuntimeError, match="when its `with record\\(\\)` block ends"):
            frames(recording)


def test_too_many_steps(monkeypatch):
    def turns(count):
        async def main():
            for _ in range(count):
                await asyncio.sleep(0)

        return record_task(main)

    monkeypatch.setattr(frames_module, "MOST", 9)
    assert len(frames_of(turns(3))) == 9  # created, taken, two steps a turn, done
    with pytest.raises(ValueError, match="^the recording has 11 steps, and at most 9 can be stepped through"):
        frames_of(turns(4))


def test_units_that_are_not_asked_for_are_left_out():
    recording = record_task(three)
    asked = [unit for unit in recording.units.values() if unit.name in ("keywords", "summary")]
    found = checked(frames(recording, asked))
    assert {name for frame in found for name in where(frame)} == {"keywords", "summary"}
    assert found[0].said == "The task summary is created and goes to the end of the ready queue."
    assert frames(recording, []) == []


# Toy loops


@pytest.fixture
def toy_time(monkeypatch):
    """The toy loop does not wait."""
    clock = SimpleNamespace(sleep=lambda seconds: None, monotonic=lambda: 0.0)
    monkeypatch.setattr(event_loop, "time", clock)


def on_toy_loop(main):
    recording, failure = _run_on_toy(event_loop.EventLoop, main, "main")
    assert failure is None or isinstance(failure, LookupError)
    return checked(frames(recording))


def test_the_timers_of_a_toy_loop_are_in_the_order_in_which_they_are_due(toy_time):
    async def wait(seconds):
        await event_loop.sleep(seconds)

    async def main(loop):
        latencies = {"summary": 12, "sentiment": 6, "keywords": 9}
        for task in [loop.create_task(wait(seconds), name) for name, seconds in latencies.items()]:
            await task

    found = on_toy_loop(main)
    assert {frame.time for frame in found} == {None}
    timers = [tuple(name for name, _ in frame.timers) for frame in found]
    assert {due for frame in found for _, due in frame.timers} == {None}
    assert [names for names in Counter(timers)] == [
        (),
        ("summary",),
        ("sentiment", "summary"),
        ("sentiment", "keywords", "summary"),
        ("keywords", "summary"),
    ]


def test_a_toy_task_that_fails(toy_time):
    async def main(loop):
        await loop.create_task(fail(), "bad")

    found = on_toy_loop(main)
    assert found[-1].done == (("bad", "failed"), ("main", "failed"))


def test_a_toy_name_that_is_used_again(toy_time):
    async def main(loop):
        for _ in range(2):
            await loop.create_task(event_loop_nap(1), "again")

    async def event_loop_nap(seconds):
        await event_loop.sleep(seconds)

    assert [name for name, _ in on_toy_loop(main)[-1].done] == ["again 1", "again 2", "main"]


# Random programs. A program is a list of actions: ("sleep", milliseconds), ("busy", milliseconds),
# ("hold", actions), ("spawn", program), ("join", None), ("cancel", None).

naps = st.tuples(st.just("sleep"), st.sampled_from([0, 10, 20, 30, 50]))
work = st.tuples(st.just("busy"), st.sampled_from([5, 15, 25, 40]))
holds = st.tuples(st.just("hold"), st.lists(st.one_of(naps, work), max_size=2))
joins = st.just(("join", None))
cancels = st.just(("cancel", None))


def programs(*kinds):
    actions = st.one_of(*kinds)
    return st.recursive(
        st.lists(actions, max_size=3),
        lambda inner: st.lists(st.one_of(actions, st.tuples(st.just("spawn"), inner), joins), max_size=5),
        max_leaves=10,
    )


class Program:
    """Runs a program on the virtual clock, records it, and keeps its own account of who is where.

    log: at moments at which a task runs: the moment, who is where, who was given a permit.
    """

    def __init__(self, program, permits):
        self.program, self.permits = program, permits
        self.places, self.holders, self.log = {"root": ("ready", None)}, 0, []

    def run(self):
        async def main():
            self.semaphore = asyncio.Semaphore(self.permits)
            recorder = record(places=True)
            with recorder as recording:
                root = asyncio.create_task(self.task("root", self.program), name="root")
                await asyncio.wait([root])
            return recording, recorder._start

        (recording, start), _ = run_on_virtual_clock(main())
        log = [((at - start) / 1e9, *rest) for at, *rest in self.log]
        self.log = [entry for entry in log if entry[0] < recording.duration]
        self.frames = frames_of(recording)
        return self

    def note(self, me):
        self.places[me] = ("running", None)
        loop = asyncio.get_running_loop()
        self.log.append((loop.nanoseconds(), loop.time(), dict(self.places), self.holders))

    async def task(self, me, program):
        children = []
        try:
            self.note(me)
            for action in program:
                await self.act(me, children, *action)
                self.note(me)
        finally:
            self.places[me] = ("done", None)

    async def act(self, me, children, action, detail):
        if action == "sleep":
            due = asyncio.get_running_loop().time() + detail / 1000
            self.places[me] = ("timers", due) if detail else ("ready", None)
            await asyncio.sleep(detail / 1000)
        elif action == "busy":
            time.sleep(detail / 1000)
        elif action == "hold":
            self.places[me] = ("permits", None)
            async with self.semaphore:
                self.holders += 1
                try:
                    for inner in detail:
                        self.note(me)
                        await self.act(me, children, *inner)
                    self.note(me)
                finally:
                    self.holders -= 1
        elif action == "spawn":
            name = f"task {len(self.places)}"
            self.places[name] = ("ready", None)
            children.append((name, asyncio.create_task(self.task(name, detail), name=name)))
        elif action == "join":
            for name, child in children:
                self.places[me] = ("suspended", name)
                await asyncio.wait([child])
                self.note(me)
        else:
            for _, child in children[-1:]:
                child.cancel()

    def at(self, moment):
        return [frame for frame in self.frames if frame.time <= moment][-1]


@tried
@given(programs(naps, work, holds), st.integers(1, 2))
def test_a_random_program_is_where_it_says_that_it_is(program, permits):
    ran = Program(program, permits).run()
    for moment, now, places, _ in ran.log:
        frame = ran.at(moment)
        seen = {name: box for name, (box, _) in where(frame).items()}
        assert seen.keys() == places.keys()
        for name, (place, detail) in places.items():
            if place == "timers" and detail > now + 1e-9:
                assert dict(frame.timers)[name] == pytest.approx(detail, abs=1e-6)
                assert name not in frame.overdue
            elif place == "timers":  # the loop may not have had the time to look
                assert seen[name] in ("timers", "ready")
            elif place == "permits":
                assert seen[name] in ("permits", "ready")
            elif place == "suspended":
                assert seen[name] == "suspended" or places[detail][0] == "done"
            else:
                assert seen[name] == place


@tried
@given(programs(naps, work, holds), st.integers(1, 2))
def test_who_queues_for_a_permit_does_so_because_all_are_taken(program, permits):
    ran = Program(program, permits).run()
    given_to, granted = set(), []
    for frame in ran.frames:
        name = frame.said.removeprefix("A permit is there for ").split(".")[0]
        given_to = {*given_to, name} if name != frame.said.split(".")[0] else given_to - set(frame.running)
        granted.append(len(given_to))
    for moment, _, _, holders in ran.log:
        frame = ran.at(moment)
        taken = holders + granted[ran.frames.index(frame)]
        assert holders <= taken <= permits
        assert taken == permits or not frame.permits


@tried
@given(programs(naps, work, holds, cancels), st.integers(1, 2))
def test_a_random_program_with_cancellations(program, permits):
    ran = Program(program, permits).run()  # checks what holds between each two frames
    ended = [name for name, outcome in ran.frames[-1].done if outcome == "ok"]
    assert all(ran.places[name][0] == "done" for name in ended)
    assert ran.frames == Program(program, permits).run().frames


@tried
@given(programs(st.just(("sleep", None))))
def test_the_toy_loop_and_asyncio_give_the_same_frames(program):
    # No two sleeps end together: the loops may order timers that are due together as they like.
    unique = random.Random(7).random

    def build(program):
        program = [*program, ("join", None)]
        return [(action, build(detail) if action == "spawn" else unique()) for action, detail in program]

    async def task(name, program, create, sleep):
        children = []
        for number, (action, detail) in enumerate(program):
            if action == "sleep":
                await sleep(detail)
            elif action == "spawn":
                child = f"{name}.{number}"
                children.append(create(task(child, detail, create, sleep), child))
            else:
                for child in children:
                    await child

    built = build(program)

    async def main():
        def create(coroutine, name):
            return asyncio.create_task(coroutine, name=name)

        await task("main", built, create, asyncio.sleep)

    with pytest.MonkeyPatch.context() as patch:
        clock = SimpleNamespace(sleep=lambda seconds: None, monotonic=lambda: 0.0)
        patch.setattr(event_loop, "time", clock)
        toy = on_toy_loop(lambda loop: task("main", built, loop.create_task, event_loop.sleep))

    def bare(frame):
        timers = tuple((name, None) for name, _ in frame.timers)
        return replace(frame, time=None, timers=timers, places={})

    assert list(map(bare, toy)) == list(map(bare, steps(main)))


def test_frames_need_no_times_to_be_equal_on_a_real_loop():
    async def main():
        async def hold():
            async with permit:
                await asyncio.sleep(0)

        permit = asyncio.Semaphore(1)
        await asyncio.gather(*tasks(a=hold(), b=hold(), c=nap(0)))

    real, virtual = steps(main, asyncio.run), steps(main)
    assert [replace(frame, time=0) for frame in real] == [replace(frame, time=0) for frame in virtual]
