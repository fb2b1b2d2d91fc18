"""Lesson 5: streams, sequences, steps that carry a dict, races, the barrier and the latch, stragglers."""

import asyncio
import gc
import inspect
import subprocess
import sys
import threading
from contextlib import aclosing, closing, suppress
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from random import Random

import pytest
from langchain_core import runnables
from leftovers import PATIENCE, Stop, cancelled_while, fail, for_ever, give, gives_up, run, stops
from ways import collect

import lessons
from helpers import run_on_virtual_clock
from lessons import (
    Runnable,
    RunnableAssign,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    RunnablePick,
    RunnableSequence,
)
from lessons.lesson2_thread_pools import pool
from lessons.lesson3_concurrency_limits.crowd import Crowd
from lessons.lesson5_synchronization import exercises, thread_streams
from lessons.lesson5_synchronization.barrier import Barrier, Latch
from lessons.lesson5_synchronization.racing import first_of, hedged, within
from lessons.lesson5_synchronization.stragglers import chance_of_a_straggler, simulate
from lessons.lesson5_synchronization.streaming import AddableDict, add_up, stream_as_tasks
from lessons.lesson5_synchronization.thread_streams import stream_on_threads

pytestmark = pytest.mark.usefixtures("nothing_is_left")

USER = ContextVar("user", default="nobody")
LIMITS = pytest.mark.parametrize("limit", [None, 1, 2, 3])


async def settle(steps=20):
    """Let every task go as far as it can."""
    for _ in range(steps):
        await asyncio.sleep(0)


# --- parts that add up


def test_parts_of_a_dict_add_up_by_key():
    first, second = AddableDict(a=1, b="x"), {"b": "y", "c": [3]}
    assert first + second == {"a": 1, "b": "xy", "c": [3]}
    assert (first, second) == ({"a": 1, "b": "x"}, {"b": "y", "c": [3]})
    assert isinstance(first + second, AddableDict)
    assert AddableDict(a=AddableDict(b=1)) + {"a": {"c": 2}} == {"a": {"b": 1, "c": 2}}


@pytest.mark.parametrize(
    ("parts", "total"), [([], None), (["a"], "a"), ("abc", "abc"), ([[1], [2]], [1, 2]), ([None], None)]
)
def test_the_sum_of_some_parts(parts, total):
    assert add_up(iter(parts)) == total


def test_parts_that_do_not_add_up():
    with pytest.raises(TypeError, match="unsupported operand"):
        add_up([{"a": 1}, {"b": 2}])


# --- streams on threads


def numbers(count, made=None, first=0):
    """A stream of numbers; `made` notes each one that it gives."""
    for number in range(first, first + count):
        if made is not None:
            made.append(number)
        yield number


@pytest.mark.parametrize("limit", [None, 1, 2, 3])
def test_every_part_of_every_stream_comes_once_and_in_its_order(limit):
    streams = {name: partial(numbers, 5, first=10 * name) for name in range(4)}
    pairs = list(stream_on_threads(streams, limit))
    assert len(pairs) == 20
    for name in streams:
        assert [part for each, part in pairs if each == name] == list(numbers(5, first=10 * name))


def test_no_streams_give_no_parts():
    assert list(stream_on_threads({})) == []
    assert run(collect(stream_as_tasks({}))) == []


def test_parts_come_in_the_order_in_which_they_are_made():
    gates = {name: threading.Event() for name in "abc"}

    def stream(gate):
        assert gate.wait(PATIENCE)
        yield 1

    pairs, came = stream_on_threads({name: partial(stream, gate) for name, gate in gates.items()}), []
    for name in "cab":
        gates[name].set()
        came.append(next(pairs))
    assert came == [("c", 1), ("a", 1), ("b", 1)]
    assert list(pairs) == []


class Steps:
    """Counts what a stream has made, and lets a test wait until it has made so many."""

    def __init__(self):
        self.made, self.changed = 0, threading.Condition()

    def stream(self, count=100):
        for number in range(count):
            with self.changed:
                self.made += 1
                self.changed.notify_all()
            yield number

    def has_made(self, count):
        with self.changed:
            return self.changed.wait_for(lambda: self.made >= count, PATIENCE)


def test_a_stream_on_a_thread_runs_one_part_ahead_and_no_further():
    steps = Steps()
    with closing(stream_on_threads({"a": steps.stream})) as pairs:
        for taken in range(1, 20):
            next(pairs)
            assert steps.has_made(taken + 1)  # one ahead, without being asked
            assert steps.made == taken + 1


def test_many_streams_together_run_one_part_ahead_each():
    steps, taken = Steps(), 0
    with closing(stream_on_threads({name: steps.stream for name in range(5)}, 5)) as pairs:
        for _ in pairs:
            taken += 1
            assert steps.made <= taken + 5
            if taken == 50:
                break
    assert steps.made <= taken + 5


def test_nothing_starts_before_the_first_part_is_asked_for():
    made = []
    pairs = stream_on_threads({"a": partial(numbers, 3, made)})
    assert made == []
    pairs.close()
    assert made == []


@pytest.mark.parametrize("limit", [1, 2])
def test_a_stream_that_is_closed_early_starts_no_queued_stream(limit):
    made = []
    with closing(
        stream_on_threads({name: partial(numbers, 3, made, 10 * name) for name in range(6)}, limit)
    ) as pairs:
        next(pairs)
    assert not [number for number in made if number >= 10 * limit]


def test_a_stream_that_is_closed_early_closes_its_sources():
    closed, both_run = [], threading.Barrier(2)

    def stream(name):
        try:
            both_run.wait(PATIENCE)
            yield from numbers(100)
        finally:
            closed.append(name)

    pairs = stream_on_threads({name: partial(stream, name) for name in "ab"})
    next(pairs)
    pairs.close()
    assert sorted(closed) == ["a", "b"]


def test_a_source_that_somebody_else_holds_is_closed_too():
    source = numbers(100)
    pairs = stream_on_threads({"a": lambda: source})
    next(pairs)
    pairs.close()
    assert inspect.getgeneratorstate(source) == inspect.GEN_CLOSED


def test_a_stream_that_is_dropped_leaves_nothing():
    pairs = stream_on_threads({name: partial(numbers, 100) for name in "abc"})
    next(pairs)
    del pairs
    gc.collect()


def test_an_error_on_a_thread_comes_after_the_parts():
    """The siblings that run end first, in the order of whoever iterates; what is queued never starts."""
    made = []

    def fails():
        yield "one"
        raise LookupError("no such review")

    pairs = stream_on_threads({"a": fails, "b": partial(numbers, 3, made)}, 1)
    assert next(pairs) == ("a", "one")
    with pytest.raises(LookupError, match="no such review"):
        next(pairs)
    assert made == []
    assert list(pairs) == []


def test_a_failing_stream_stops_its_siblings_at_their_next_part():
    closed, both_run = [], threading.Barrier(2)

    def fails():
        both_run.wait(PATIENCE)
        raise LookupError("no such review")
        yield

    def endless():
        both_run.wait(PATIENCE)
        try:
            while True:
                yield 1
        finally:
            closed.append("b")

    with pytest.raises(LookupError, match="no such review"):
        for name, part in stream_on_threads({"a": fails, "b": endless}):
            assert (name, part) == ("b", 1)
    assert closed == ["b"]


def test_between_two_parts_a_stream_occupies_no_thread():
    """A pool has fewer workers than these are, and none of them ends."""
    names = {f"{number}" for number in range(50)}
    came = set()
    with closing(RunnableParallel(dict.fromkeys(names, endless([]))).stream(1)) as parts:
        while came != names:
            came.update(next(parts))
    assert came == names


HALF_READ = """
import sys
from lessons import RunnableParallel

def letters(value):
    try:
        yield from "abc"
    finally:
        print("cleaned up")

parts = RunnableParallel(a=letters, b={"c": letters}).stream(1)
"""


@pytest.mark.parametrize(
    ("rest", "error"),
    [("next(parts)", ""), ("for part in parts:\n    raise LookupError", "LookupError")],
)
def test_a_script_ends_that_has_read_half_of_a_stream(rest, error):
    """What it has begun is cleaned up all the same. Only one branch need have begun."""
    done = subprocess.run(
        [sys.executable, "-c", HALF_READ + rest],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=6 * PATIENCE,
    )
    assert set(done.stdout.split("\n")) == {"cleaned up", ""}
    assert done.stderr.strip().split("\n")[-1] == error


class Holder:
    """Holds things, and itself: only the garbage collector finds it."""

    def __init__(self):
        self.itself = self


def test_a_stream_that_the_garbage_collector_finds_on_its_own_thread_ends():
    before, dropped, collected, closed = set(threading.enumerate()), threading.Event(), [], []

    def collects(value):
        try:
            yield 1
            assert dropped.wait(PATIENCE)
            gc.collect()
            collected.append(threading.current_thread())
            yield 2
        finally:
            closed.append("collects")

    def endless(value):
        try:
            while True:
                yield 1
        finally:
            closed.append("endless")

    def begin():
        holder = Holder()
        holder.parts = RunnableParallel(a=collects, b={"c": endless}).stream(1)
        while next(holder.parts) != {"a": 1}:
            pass
        next(holder.parts)

    gc.disable()
    try:
        begin()
        dropped.set()
        for thread in set(threading.enumerate()) - before:
            thread.join(PATIENCE)
            assert not thread.is_alive()
    finally:
        gc.enable()
    assert len(collected) == 1
    assert sorted(closed) == ["collects", "endless"]


@pytest.mark.parametrize("leave", ["close", "drop"])
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_a_stream_that_its_own_branch_leaves_ends(leave, depth):
    before, held, go_on, closed = set(threading.enumerate()), [], threading.Event(), []

    def leaves(value):
        try:
            yield 1
            assert go_on.wait(PATIENCE)
            stream = held.pop()
            stream.close() if leave == "close" else None
            del stream
            yield 2
        finally:
            closed.append("leaves")

    def waits(value):
        yield 1
        while not closed:
            threading.Event().wait(0.001)
        yield 2

    branch = leaves
    for _ in range(depth):
        branch = RunnableParallel(inner=branch)
    held.append(RunnableParallel(a=branch, b=waits).stream(1))
    next(held[0])
    next(held[0])
    go_on.set()
    for thread in set(threading.enumerate()) - before:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    assert closed == ["leaves"]


def test_after_a_failure_no_stream_begins_that_is_queued(monkeypatch):
    """Nobody iterates meanwhile: the worker itself sees to it."""
    monkeypatch.setattr(thread_streams, "Pool", lambda max_workers: pool.Pool(1))
    begun = []

    def fails():
        raise LookupError("no such review")
        yield

    streams = {"one": partial(numbers, 1), "fails": fails}
    streams |= {name: partial(numbers, 1, begun, name) for name in range(100)}
    pairs = stream_on_threads(streams)
    assert next(pairs) == ("one", 0)
    with pytest.raises(LookupError, match="no such review"):
        next(pairs)
    assert begun == []


def test_an_interrupt_at_the_very_start_of_a_stream_leaves_nothing(monkeypatch):
    """As when Ctrl-C comes while a pool starts a thread: the call is submitted, but `submit` raises."""

    class Pool(pool.Pool):
        def submit(self, *args):
            super().submit(*args)
            raise KeyboardInterrupt

    closed = []

    def parts(value):
        try:
            yield 1
            yield 2
        finally:
            closed.append(value)

    monkeypatch.setattr(thread_streams, "Pool", Pool)
    with pytest.raises(KeyboardInterrupt):
        list(RunnableParallel(a=parts, b=parts).stream(1))
    assert closed in ([], [1])  # `a` may have begun


def test_an_interrupt_on_a_thread_arrives():
    def presses():
        yield 1
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(stream_on_threads({"a": presses, "b": partial(numbers, 3)}))


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_the_limit_is_the_peak_of_a_stream_on_threads(limit):
    crowd = Crowd(limit)
    chain = RunnableParallel({f"{number}": crowd.call for number in range(20)})
    parts = list(chain.stream(7, {"max_concurrency": limit}))
    assert add_up(parts) == {f"{number}": 7 for number in range(20)}
    assert crowd.peak == limit


# --- streams as tasks


async def anumbers(count, made=None, first=0):
    """The async twin of `numbers`."""
    for number in numbers(count, made, first):
        yield number


@LIMITS
def test_every_part_of_every_async_stream_comes_once_and_in_its_order(limit):
    streams = {name: partial(anumbers, 5, first=10 * name) for name in range(4)}
    pairs = run(collect(stream_as_tasks(streams, limit)))
    assert len(pairs) == 20
    for name in streams:
        assert [part for each, part in pairs if each == name] == list(numbers(5, first=10 * name))


def test_async_parts_come_in_the_order_in_which_they_are_made():
    async def main():
        gates = {name: asyncio.Event() for name in "abc"}

        async def stream(gate):
            await gate.wait()
            yield 1

        pairs, came = stream_as_tasks({name: partial(stream, gate) for name, gate in gates.items()}), []
        for name in "cab":
            gates[name].set()
            came.append(await anext(pairs))
        return came, await collect(pairs)

    assert run(main()) == ([("c", 1), ("a", 1), ("b", 1)], [])


@pytest.mark.parametrize("count", [1, 3])
def test_async_streams_run_one_part_ahead_each_and_no_further(count):
    async def main():
        made = {name: [] for name in range(count)}
        taken = dict.fromkeys(made, 0)
        pairs = stream_as_tasks({name: partial(anumbers, 10, made[name]) for name in made})
        async with aclosing(pairs):
            for _ in range(5 * count):
                name, _ = await anext(pairs)
                taken[name] += 1
                await settle()
                assert {name: len(parts) - taken[name] for name, parts in made.items()} == dict.fromkeys(
                    made, 1
                )

    run(main())


def test_no_async_stream_starts_before_the_first_part_is_asked_for():
    async def main():
        made = []
        pairs = stream_as_tasks({"a": partial(anumbers, 3, made)})
        await settle()
        await pairs.aclose()
        return made

    assert run(main()) == []


@LIMITS
def test_an_async_stream_that_is_closed_early_cancels_and_awaits_its_sources(limit):
    async def main():
        begun, cleaned = [], []

        async def stream(name):
            begun.append(name)
            try:
                yield name
                await for_ever()
            finally:
                await asyncio.sleep(0)
                cleaned.append(name)

        async with aclosing(
            stream_as_tasks({name: partial(stream, name) for name in range(6)}, limit)
        ) as pairs:
            assert await anext(pairs) == (0, 0)
            await settle()
        return begun, sorted(cleaned)

    begun, cleaned = run(main())
    assert begun == cleaned == list(range(limit or 6))


@LIMITS
@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_cancelled_consumer_leaves_nothing(limit, times):
    cleaned = []

    async def stream(started):
        try:
            yield 1
            started.set()
            await for_ever()
        finally:
            await asyncio.sleep(0)
            cleaned.append(1)

    async def work(started):
        streams = {name: partial(stream, started) for name in range(4)}
        async with aclosing(stream_as_tasks(streams, limit)) as pairs:
            async for _ in pairs:
                pass

    async def main():
        return (await cancelled_while(work, times)).cancelled()

    assert run(main())
    assert len(cleaned) == (limit or 4) or times > 1  # a second cancellation interrupts what cleans up


@LIMITS
def test_an_async_error_comes_after_the_parts_that_were_there(limit):
    """Both parts are made before the first is taken, and the third stream has failed by then."""

    async def fails():
        raise LookupError("no such review")
        yield

    async def main():
        came = []
        streams = {"a": partial(anumbers, 1), "b": partial(anumbers, 1), "c": fails}
        with pytest.raises(LookupError):
            async for pair in stream_as_tasks(streams, limit):
                came.append(pair)
                await settle()
        return came

    assert run(main()) == [("a", 0), ("b", 0)]


def test_an_async_error_cancels_the_other_streams():
    async def main():
        seen = []

        async def waits():
            try:
                yield 1
                await for_ever()
            except asyncio.CancelledError:
                seen.append("cancelled")
                raise

        async def fails():
            await settle()
            raise LookupError("no such review")
            yield

        with pytest.raises(LookupError):
            await collect(stream_as_tasks({"a": waits, "b": fails}))
        return seen

    assert run(main()) == ["cancelled"]


@pytest.mark.parametrize("limit", [1, 2, 5, None])
def test_the_limit_is_the_peak_of_a_stream_as_tasks(limit):
    async def main():
        crowd = Crowd(limit or 20)
        chain = RunnableParallel({f"{number}": crowd.acall for number in range(20)})
        parts = await collect(chain.astream(7, {"max_concurrency": limit}))
        assert add_up(parts) == {f"{number}": 7 for number in range(20)}
        return crowd.peak

    assert run(main()) == (limit or 20)


def test_many_branches():
    """A thousand of two parts each, forty at a time."""

    async def two_parts(value):
        yield [value]
        yield [value + 1]

    whole = {f"{number}": [5, 6] for number in range(1000)}
    chain = RunnableParallel(dict.fromkeys(whole, two_parts))
    parts = run(collect(chain.astream(5, {"max_concurrency": 40})))
    assert len(parts) == 2000
    assert add_up(parts) == whole


# --- stream and astream


def letters(value):
    yield from value


async def aletters(value):
    for letter in value:
        yield letter


def test_generators_stream_from_inside_a_tree():
    chain = RunnableParallel(a=letters, b={"c": letters, "d": len})
    parts = list(chain.stream("xyz"))
    assert len(parts) == 7
    assert add_up(parts) == chain.invoke("xyz") == {"a": "xyz", "b": {"c": "xyz", "d": 3}}


@pytest.mark.parametrize("limit", [None, 1, 2])
def test_both_kinds_of_generators_stream_from_inside_an_async_tree(limit):
    chain = RunnableParallel(a=letters, b={"c": aletters, "d": len})
    parts = run(collect(chain.astream("xyz", {"max_concurrency": limit})))
    assert len(parts) == 7
    assert add_up(parts) == run(chain.ainvoke("xyz")) == {"a": "xyz", "b": {"c": "xyz", "d": 3}}


def test_each_part_of_a_generator_is_made_off_the_loops_thread():
    threads = set()

    def parts(value):
        for number in range(3):
            threads.add(threading.current_thread())
            yield number

    async def main():
        await collect(RunnableLambda(parts).astream(1))
        return threading.current_thread()

    assert run(main()) not in threads


def test_an_async_generator_is_refused_without_a_loop():
    with pytest.raises(TypeError, match="^aletters is an async generator: .* use ainvoke or astream"):
        RunnableLambda(aletters).invoke("abc")
    with pytest.raises(TypeError, match="async generator"):
        list(RunnableLambda(aletters).stream("abc"))


def test_a_runnable_of_ones_own_streams_its_whole():
    class Add(Runnable):
        def _invoke(self, value, config):
            return value + 1

    assert list(Add().stream(1)) == run(collect(Add().astream(1))) == [2]
    assert list(RunnableParallel(a=Add()).stream(1)) == [{"a": 2}]


def test_a_runnable_of_ones_own_may_have_parts():
    class Countdown(Runnable):
        def _invoke(self, value, config):
            return add_up(self._stream(value, config))

        def _stream(self, value, config):
            for number in range(value, 0, -1):
                yield [number]

    chain = RunnableParallel(a=Countdown())
    assert list(chain.stream(2)) == [{"a": [2]}, {"a": [1]}]
    assert chain.invoke(2) == run(chain.ainvoke(2)) == {"a": [2, 1]}


def test_a_generator_keeps_its_context_and_its_config():
    def parts(value, config):
        USER.set("generator")
        for _ in range(2):
            yield [(USER.get(), config["tags"])]

    chain = RunnableParallel(a=RunnableLambda(parts).with_config(tags=["own"]))
    for part in chain.stream(1, {"tags": ["call"]}):
        assert part == {"a": [("generator", ["call", "own"])]}
        assert USER.get() == "nobody"


def test_a_generator_that_is_closed_early_cleans_up_in_its_context():
    seen = []

    def parts(value):
        USER.set("generator")
        try:
            yield 1
        finally:
            seen.append(USER.get())

    with closing(RunnableLambda(parts).stream(1)) as taken:
        next(taken)
    assert seen == ["generator"]


SHAPES = {
    "lambda": RunnableLambda,
    "parallel": lambda parts: RunnableParallel(a=parts),
    "tree": lambda parts: RunnableParallel(a={"b": parts}),
    "sequence": lambda parts: RunnableLambda(dict) | parts,
    "assign": lambda parts: RunnablePassthrough.assign(a=parts),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_an_async_generator_has_cleaned_up_when_its_stream_is_closed(shape):
    async def main():
        seen = []

        async def parts(value):
            USER.set("generator")
            try:
                for number in range(9):
                    yield number
            finally:
                await settle(3)
                seen.append(USER.get())

        async with aclosing(SHAPES[shape](parts).astream({})) as taken:
            await anext(taken)
            if shape == "assign":  # the first part is the input
                await anext(taken)
            await settle()  # now it waits for its next part to be taken
        return seen

    assert run(main()) == ["generator"]


def endless(closed):
    """A plain generator that notes in `closed` the thread that closes it, and its context there."""

    def parts(value):
        token = USER.set("generator")
        try:
            while True:
                yield [USER.get()]
        finally:
            closed.append((threading.current_thread(), USER.get()))
            USER.reset(token)  # fails in another context

    return parts


@pytest.mark.parametrize("limit", [None, 1])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_plain_generator_has_cleaned_up_when_its_astream_is_closed(shape, limit):
    closed = []

    async def main():
        chain = SHAPES[shape](endless(closed))
        async with aclosing(chain.astream({}, {"max_concurrency": limit})) as taken:
            await anext(taken)
            if shape == "assign":  # the first part is the input
                await anext(taken)
        return list(closed)

    [(thread, user)] = run(main())
    assert user == "generator"
    assert thread is not threading.main_thread()


@pytest.mark.parametrize("ending", [fail, for_ever])
def test_a_plain_generator_has_cleaned_up_when_its_ainvoke_fails_or_is_cancelled(ending):
    closed, begun = [], threading.Event()

    def parts(value):
        for part in endless(closed)(value):
            begun.set()
            yield part

    async def other(value):
        while not begun.is_set():
            await asyncio.sleep(0)
        await (asyncio.sleep(0) if ending is for_ever else ending())
        asyncio.current_task().cancel()
        await asyncio.sleep(0)

    async def main():
        try:
            await RunnableParallel(a=parts, b=other).ainvoke(1)
        except (LookupError, asyncio.CancelledError):
            return len(closed)

    assert run(main()) == 1


@pytest.mark.parametrize("uncancels", [False, True])
def test_an_astream_ends_that_is_left_while_a_branch_swallows_its_cancellation(uncancels):
    swallowed = []

    async def stubborn(value):
        yield [1]
        while True:
            try:
                await for_ever()
            except asyncio.CancelledError:
                swallowed.append(value)
                if uncancels:
                    asyncio.current_task().uncancel()
            yield [1]

    async def main():
        async with aclosing(RunnableParallel(a=stubborn, b=stubborn).astream(1)) as parts:
            await anext(parts)
            await anext(parts)
            await settle()  # now both wait for ever

    run(main())
    assert swallowed == [1, 1]


def test_an_astream_hands_on_a_failure_though_a_sibling_swallows_its_cancellation():
    made = []

    async def stubborn(value):
        while True:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0)
            made.append(value)
            yield [1]

    async def fails(value):
        await settle(5)
        raise LookupError("no such review")

    with pytest.raises(LookupError, match="no such review"):
        run(collect(RunnableParallel(a=stubborn, b=fails).astream(1)))
    assert len(made) < 50


@pytest.mark.parametrize("depth", [0, 1])
def test_an_astream_that_its_own_branch_closes_ends(depth):
    seen = []

    async def main():
        held, taken = [], asyncio.Event()

        async def closes(value):
            try:
                yield [1]
                await taken.wait()
                await held[0].aclose()
                seen.append("closed")
                await for_ever()
            finally:
                seen.append("ended")

        branch = closes if depth == 0 else {"inner": closes}
        held.append(RunnableParallel(a=branch).astream(1))
        assert await anext(held[0]) in ({"a": [1]}, {"a": {"inner": [1]}})
        taken.set()
        while "ended" not in seen:
            await asyncio.sleep(0)
        await settle()

    run(main())
    assert seen == ["closed", "ended"]


def test_a_timeout_inside_an_async_generator_spans_its_parts():
    """It must be entered and left in one task."""

    async def parts(value):
        async with asyncio.timeout(PATIENCE):
            for number in range(3):
                yield [number]

    chain = RunnableParallel(a=parts)
    assert add_up(run(collect(chain.astream(1)))) == {"a": [0, 1, 2]}


def test_a_stream_left_early_leaves_nothing():
    chain = RunnableParallel(a=letters, b={"c": letters, "d": letters}) | RunnablePassthrough.assign(
        e={"f": str}
    )
    for _ in chain.stream("abc"):
        break
    for part in RunnableParallel(a=letters, b={"c": letters}).stream("abc"):
        assert len(part) == 1
        break


def test_an_astream_left_early_leaves_nothing():
    async def main():
        chain = RunnableParallel(a=aletters, b={"c": letters, "d": lambda value: for_ever()})
        async with aclosing(chain.astream("abc")) as parts:
            await anext(parts)
        async with aclosing((chain | str).astream("abc")):
            pass
        with suppress(TimeoutError):
            async with asyncio.timeout(0.01):
                await collect(chain.astream("abc"))

    run(main())


@pytest.mark.parametrize("way", ["stream", "astream"])
def test_notes_say_which_branch_of_a_stream_failed(way):
    def fails(value):
        yield 1
        raise LookupError("no such review")

    chain = RunnableParallel(a={"b": fails})
    with pytest.raises(LookupError) as caught:
        list(chain.stream(1)) if way == "stream" else run(collect(chain.astream(1)))
    assert caught.value.__notes__ == ["in branch 'b'", "in branch 'a'"]


def test_failure_of_one_of_many_streams_leaves_nothing():
    chain = RunnableParallel(a=letters, b={"c": lambda value: 1 // 0, "d": letters}, e=len)
    with pytest.raises(ZeroDivisionError):
        list(chain.stream("abc"))
    chain = RunnableParallel(a=aletters, b={"c": fail, "d": lambda value: for_ever()}, e=len)
    with pytest.raises(LookupError):
        run(collect(chain.astream("abc")))


# --- sequences


def test_steps_may_be_joined_in_every_way():
    for chain in (
        RunnableLambda(str) | len | {"n": abs},
        str | RunnableLambda(len) | {"n": abs},
        RunnableLambda(str).pipe(len, {"n": abs}),
        RunnableSequence(str, len, {"n": abs}),
        RunnableSequence(RunnableSequence(str, len), {"n": abs}),
    ):
        assert len(chain.steps) == 3
        assert chain.invoke(123) == run(chain.ainvoke(123)) == {"n": 3}
        assert chain.batch([1, 22]) == run(chain.abatch([1, 22])) == [{"n": 1}, {"n": 2}]
    assert ({"a": str} | RunnablePick("a")).invoke(1) == "1"


def test_joining_changes_neither_side():
    first, second = RunnableLambda(str) | len, RunnableLambda(abs) | str
    chain = first | second
    assert [len(each.steps) for each in (first, second, chain)] == [2, 2, 4]


def test_the_config_of_an_inner_sequence_is_kept():
    inner = (RunnableLambda(str) | (lambda value, config: config["tags"])).with_config(tags=["inner"])
    assert (inner | tuple).invoke(1, {"tags": ["call"]}) == ("call", "inner")


@pytest.mark.parametrize(("steps", "count"), [([], 0), ([len], 1)])
def test_a_sequence_needs_two_steps(steps, count):
    with pytest.raises(ValueError, match=f"a sequence of {count} steps; it needs two or more"):
        RunnableSequence(*steps)


def test_a_step_that_cannot_run():
    with pytest.raises(TypeError, match="an object of type str cannot run"):
        RunnableLambda(len) | "text"
    with pytest.raises(TypeError, match="an object of type int cannot run"):
        3 | RunnableLambda(len)


def test_a_step_begins_when_the_one_before_has_ended():
    log = []

    async def step(name, value):
        log.append(f"{name} begins")
        await settle(3)
        log.append(f"{name} ends")

    run((RunnableLambda(partial(step, "a")) | partial(step, "b")).ainvoke(1))
    assert log == ["a begins", "a ends", "b begins", "b ends"]


def test_only_the_last_step_has_parts():
    chain = RunnableLambda(letters) | {"n": len, "letters": letters}
    parts = list(chain.stream("abc"))
    assert sorted(parts, key=repr) == [{"letters": "a"}, {"letters": "b"}, {"letters": "c"}, {"n": 3}]
    assert list((chain | len).stream("abc")) == [2]
    assert run(collect((chain | len).astream("abc"))) == [2]


def test_inputs_of_a_batch_do_not_wait_for_each_other():
    """The quick one has its second step while the slow one is still in its first."""
    second_step = threading.Event()

    def first(value):
        return second_step.wait(PATIENCE) if value == "slow" else value

    def second(value):
        second_step.set()
        return value

    assert (RunnableLambda(first) | second).batch(["slow", "quick"]) == [True, "quick"]


# --- steps that carry a dict


def test_passthrough_returns_its_very_input():
    value = object()
    chain = RunnablePassthrough()
    assert chain.invoke(value) is run(chain.ainvoke(value)) is next(chain.stream(value)) is value


def test_assign_adds_and_replaces():
    chain = RunnablePassthrough.assign(n=lambda value: value["x"] + 1, x=lambda value: -value["x"])
    value = {"x": 1, "y": 5}
    assert chain.invoke(value) == run(chain.ainvoke(value)) == {"x": -1, "y": 5, "n": 2}
    assert value == {"x": 1, "y": 5}


def test_assign_streams_what_stays_then_what_is_added():
    chain = RunnablePassthrough.assign(x=letters, n=len)
    for parts in (list(chain.stream({"x": 1, "y": 5})), run(collect(chain.astream({"x": 1, "y": 5})))):
        assert parts[0] == {"y": 5}
        assert add_up(parts) == {"y": 5, "x": "xy", "n": 2}
        assert len(parts) == 4


def test_a_method_for_each():
    chain = RunnableParallel(a=str, b=abs).assign(n=len)
    assert chain.invoke(-1) == {"a": "-1", "b": 1, "n": 2}
    assert chain.pick("b").invoke(-1) == 1
    assert list(chain.pick(["n", "a"]).invoke(-1).items()) == [("n", 2), ("a", "-1")]
    assert run(chain.pick("b").ainvoke(-1)) == 1


@pytest.mark.parametrize("keys", [3, None, ("a",), ["a", 3], {"a": 1}])
def test_keys_that_cannot_be_picked(keys):
    with pytest.raises(TypeError) as caught:
        RunnablePick(keys)
    assert str(caught.value) == f"keys is {keys!r}; it must be a str or a list of str"


@pytest.mark.parametrize("keys", ["z", ["a", "z"]])
def test_a_key_that_is_not_there_is_told_with_those_that_are(keys):
    for call in (RunnablePick(keys).invoke, lambda value: run(RunnablePick(keys).ainvoke(value))):
        with pytest.raises(KeyError, match="no key 'z' to pick; the keys are 'a', 'b'"):
            call({"a": 1, "b": 2})


@pytest.mark.parametrize(
    ("chain", "message"),
    [
        (RunnablePick("a"), "pick needs a dict and was given a str"),
        (RunnablePassthrough.assign(a=len), "assign needs a dict and was given a str"),
    ],
)
def test_what_is_no_dict(chain, message):
    for call in (
        chain.invoke,
        lambda value: run(chain.ainvoke(value)),
        lambda value: list(chain.stream(value)),
        lambda value: run(collect(chain.astream(value))),
    ):
        with pytest.raises(TypeError, match=message):
            call("text")


def test_assign_takes_a_parallel_with_its_own_config():
    seen = RunnableParallel(seen=lambda value, config: config["tags"]).with_config(tags=["own"])
    assert RunnableAssign(seen).invoke({"a": 1}) == {"a": 1, "seen": ["own"]}


def test_branches_of_assign_that_cannot_run():
    with pytest.raises(TypeError, match="branches is a list; it must be a dict"):
        RunnableAssign([len])
    with pytest.raises(TypeError, match="an object of type str cannot run") as caught:
        RunnablePassthrough.assign(a="text")
    assert caught.value.__notes__ == ["in branch 'a'"]


def test_branches_of_assign_run_at_the_same_time_and_keep_to_the_limit():
    both = threading.Barrier(2)
    chain = RunnablePassthrough.assign(
        a=lambda value: both.wait(PATIENCE) >= 0, b=lambda value: both.wait(PATIENCE) >= 0
    )
    assert chain.invoke({}) == {"a": True, "b": True}
    crowd = Crowd(2)
    RunnablePassthrough.assign(**{f"b{n}": crowd.call for n in range(6)}).invoke({}, {"max_concurrency": 2})
    assert crowd.peak == 2


# --- the latch and the barrier, asyncio's beside ours

BARRIERS = pytest.mark.parametrize("barrier_class", [Barrier, asyncio.Barrier])


async def arrive(barrier, log, name):
    log.append(f"{name} comes")
    await barrier.wait()
    log.append(f"{name} goes")


@BARRIERS
def test_nobody_passes_before_the_last_has_come(barrier_class):
    async def main():
        barrier, log = barrier_class(3), []
        tasks = [asyncio.create_task(arrive(barrier, log, name)) for name in "ab"]
        await settle()
        assert log == ["a comes", "b comes"]
        tasks.append(asyncio.create_task(arrive(barrier, log, "c")))
        await asyncio.wait(tasks)
        assert log[:3] == ["a comes", "b comes", "c comes"]
        assert sorted(log[3:]) == ["a goes", "b goes", "c goes"]

    run(main())


@BARRIERS
def test_a_barrier_of_one_holds_nobody_back(barrier_class):
    async def main():
        barrier = barrier_class(1)
        await barrier.wait()
        await barrier.wait()

    run(main())


@BARRIERS
def test_a_barrier_holds_again_in_the_next_round(barrier_class):
    async def main():
        barrier, rounds = barrier_class(4), []

        async def party():
            for number in range(5):
                rounds.append(number)
                await barrier.wait()

        async with asyncio.TaskGroup() as group:
            for _ in range(4):
                group.create_task(party())
        return rounds

    assert run(main()) == sorted(list(range(5)) * 4)


@BARRIERS
def test_a_cancelled_party_leaves_the_barrier(barrier_class):
    async def main():
        barrier, log = barrier_class(3), []
        first, *others = [asyncio.create_task(arrive(barrier, log, name)) for name in "ab"]
        await settle()
        first.cancel()
        await settle()
        others.append(asyncio.create_task(arrive(barrier, log, "c")))
        await settle()
        assert log == ["a comes", "b comes", "c comes"]  # two wait, the third is missing again
        others.append(asyncio.create_task(arrive(barrier, log, "d")))
        await asyncio.wait(others)
        return first.cancelled(), sorted(log[4:])

    assert run(main()) == (True, ["b goes", "c goes", "d goes"])


@BARRIERS
def test_a_party_cancelled_just_before_the_last_one_comes_counts(barrier_class):
    """In one step of the loop: it has not left yet, and the others go."""

    async def main():
        barrier, log = barrier_class(3), []
        first, second = [asyncio.create_task(arrive(barrier, log, name)) for name in "ab"]
        await settle()
        first.cancel()
        await barrier.wait()
        await second
        return first.cancelled(), log

    assert run(main()) == (True, ["a comes", "b comes", "b goes"])


@BARRIERS
def test_a_party_cancelled_just_after_the_last_one_came_goes_no_further(barrier_class):
    async def main():
        barrier, log = barrier_class(2), []
        first = asyncio.create_task(arrive(barrier, log, "a"))
        await settle()
        await barrier.wait()
        first.cancel()
        await asyncio.wait([first])
        second = asyncio.create_task(arrive(barrier, log, "b"))
        await settle()
        await barrier.wait()
        await second
        return log

    log = run(main())
    assert log[-2:] == ["b comes", "b goes"]


def test_only_abort_breaks_asyncios_barrier():
    async def main():
        barrier = asyncio.Barrier(3)
        waiters = [asyncio.create_task(barrier.wait()) for _ in range(2)]
        await settle()
        waiters[0].cancel()
        await settle()
        assert not barrier.broken and not waiters[1].done()
        await barrier.abort()
        with pytest.raises(asyncio.BrokenBarrierError):
            await waiters[1]
        with pytest.raises(asyncio.BrokenBarrierError):
            await barrier.wait()
        return barrier.broken

    assert run(main())


def test_the_timeout_of_one_breaks_a_barrier_of_threads_for_all():
    barrier, ended = threading.Barrier(3), []

    def party(timeout):
        try:
            barrier.wait(timeout)
        except threading.BrokenBarrierError:
            ended.append(timeout)

    patient = threading.Thread(target=party, args=(PATIENCE,))
    patient.start()
    while barrier.n_waiting < 1:
        threading.Event().wait(0.001)
    party(0.01)
    patient.join()
    party(PATIENCE + 1)
    assert sorted(ended) == [0.01, PATIENCE, PATIENCE + 1]
    assert barrier.broken


@pytest.mark.parametrize("parties", [0, -1, 2.5, True, "5", None])
def test_parties_are_one_or_more(parties):
    with pytest.raises(ValueError) as caught:
        Barrier(parties)
    assert str(caught.value) == f"parties is {parties!r}; it must be an int of 1 or more"


def test_a_latch_opens_when_it_is_counted_down_and_stays_open():
    async def main():
        latch, log = Latch(2), []
        tasks = [asyncio.create_task(arrive(latch, log, name)) for name in "ab"]
        latch.count_down()
        await settle()
        assert log == ["a comes", "b comes"]
        latch.count_down()  # and does not wait
        await asyncio.wait(tasks)
        await latch.wait()
        latch.count_down()
        await latch.wait()
        return log[2:]

    assert run(main()) == ["a goes", "b goes"]


def test_a_latch_of_none_is_open():
    run(Latch(0).wait())


def test_a_cancelled_waiter_does_not_count_for_a_latch():
    async def main():
        latch = Latch(1)
        waiter = asyncio.create_task(latch.wait())
        await settle()
        waiter.cancel()
        await settle()
        other = asyncio.create_task(latch.wait())
        await settle()
        assert waiter.cancelled() and not other.done()
        latch.count_down()
        await other

    run(main())


# --- races


class Race:
    """Calls that end in the order in which a test lets them; `cancelled` notes those that were stopped."""

    def __init__(self, names):
        self.gates = {name: asyncio.Event() for name in names}
        self.cancelled = []

    async def call(self, name):
        try:
            await self.gates[name].wait()
            if isinstance(name, str) and name.startswith("bad"):
                raise LookupError(name)
            return f"from {name}"
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            self.cancelled.append(name)
            raise

    @property
    def calls(self):
        return {name: partial(self.call, name) for name in self.gates}

    async def let_go(self, *names):
        """Let each end before the next."""
        for name in names:
            self.gates[name].set()
            await settle()


async def raced(function, names, order, **more):
    """Start a race with `function`, let the calls end in `order`: its result, and who was cancelled."""
    race = Race(names)
    task = asyncio.create_task(function(race.calls, **more))
    await settle()
    await race.let_go(*order)
    return await task, race.cancelled


@pytest.mark.parametrize(
    ("names", "order", "count", "winners", "losers"),
    [
        ("abc", "b", 1, ["b"], ["a", "c"]),
        ("abc", "ca", 2, ["c", "a"], ["b"]),
        ("abc", "bca", 3, ["b", "c", "a"], []),
        (["bad", "a", "b"], ["bad", "b"], 1, ["b"], ["a"]),
        (["bad1", "bad2", "a"], ["bad2", "bad1", "a"], 1, ["a"], []),
        ([1, 2], [2], 1, [2], [1]),
        ("a", "a", 1, ["a"], []),
    ],
)
def test_the_first_to_succeed_win_and_the_others_are_cancelled_and_awaited(
    names, order, count, winners, losers
):
    results, cancelled = run(raced(first_of, names, order, count=count))
    assert list(results.items()) == [(name, f"from {name}") for name in winners]
    assert sorted(cancelled) == losers


def test_of_those_that_end_together_the_first_declared_win():
    async def main():
        return await first_of({name: partial(give, name) for name in "abcd"}, 2)

    assert run(main()) == {"a": "a", "b": "b"}


def test_too_many_failures_are_all_told():
    async def main():
        race = Race(["bad1", "a", "bad2", "b"])
        task = asyncio.create_task(first_of(race.calls, 3))
        await settle()
        await race.let_go("bad2")
        assert not task.done()
        await race.let_go("bad1")
        with pytest.raises(ExceptionGroup, match="2 of 4 calls failed") as caught:
            await task
        return [str(error) for error in caught.value.exceptions], sorted(race.cancelled)

    assert run(main()) == (["bad2", "bad1"], ["a", "b"])


@pytest.mark.parametrize("count", [0, -1, 3, 1.5, True, "1", None])
def test_a_count_that_cannot_win(count):
    with pytest.raises(ValueError) as caught:
        run(first_of({"a": give, "b": give}, count))
    assert str(caught.value) == f"count is {count!r}; it must be an int from 1 to 2, the number of calls"


def test_nobody_wins_a_race_of_none():
    with pytest.raises(ValueError, match="it must be an int from 1 to 0"):
        run(first_of({}))


@pytest.mark.parametrize("times", [1, 2, 3])
@pytest.mark.parametrize("function", [first_of, partial(within, PATIENCE)])
def test_a_cancelled_race_leaves_nothing(function, times):
    cleaned = []

    async def call(started):
        started.set()
        try:
            await for_ever()
        finally:
            await asyncio.sleep(0)
            cleaned.append(1)

    def work(started):
        return function({number: partial(call, started) for number in range(3)})

    async def main():
        return (await cancelled_while(work, times)).cancelled()

    assert run(main())
    assert len(cleaned) == 3 or times > 1  # a second cancellation interrupts what cleans up


def test_a_loser_that_fails_while_it_is_cancelled_is_not_reported():
    """`run` looks for reports."""

    async def fails_when_cancelled():
        try:
            await for_ever()
        finally:
            raise KeyError("cleaning up")

    assert run(first_of({"a": give, "b": fails_when_cancelled})) == {"a": None}


@pytest.mark.parametrize("ending", [gives_up, stops])
def test_a_call_that_ends_without_a_result_has_lost_the_race(ending):
    async def wins():
        for _ in range(10):
            await asyncio.sleep(0)
        return "won"

    assert run(first_of({"a": ending, "b": wins})) == {"b": "won"}
    assert run(hedged(Tries("fails", "at once"), 0)) == "at once, try 2"
    with pytest.raises(BaseExceptionGroup, match="2 of 2 calls failed") as caught:
        run(first_of({"a": ending, "b": ending}))
    kind = asyncio.CancelledError if ending is gives_up else Stop
    assert [type(error) for error in caught.value.exceptions] == [kind, kind]


def test_an_exception_that_is_false_has_lost_the_race():
    class Empty(Exception):
        def __len__(self):
            return 0

    async def fails_falsely():
        raise Empty

    assert run(first_of({"a": fails_falsely, "b": give})) == {"b": None}


@pytest.mark.parametrize(("ending", "error"), [(gives_up, asyncio.CancelledError), (stops, Stop)])
def test_a_deadline_is_not_waited_for_when_a_call_ends_without_a_result(ending, error):
    with pytest.raises(error):
        run(within(3600, {"a": for_ever, "b": ending}))


def test_a_timeout_of_a_calls_own_is_its_failure():
    async def times_out():
        raise TimeoutError("of its own")

    with pytest.raises(TimeoutError, match="of its own"):
        run(within(3600, {"a": for_ever, "b": times_out}))


class Tries:
    """A call whose tries end as a test says; `made` is the number of tries."""

    def __init__(self, *answers):
        self.answers, self.made, self.cancelled = list(answers), 0, 0
        self.go_on = asyncio.Event()

    async def __call__(self):
        self.made += 1
        answer = self.answers[self.made - 1]
        try:
            if answer == "never":
                await for_ever()
            if answer == "later":
                await self.go_on.wait()
            if answer == "fails":
                raise LookupError("no such review")
            return f"{answer}, try {self.made}" if answer != "later" else answer
        except asyncio.CancelledError:
            self.cancelled += 1
            raise


@pytest.mark.parametrize(
    ("answers", "delay", "answer", "made", "cancelled"),
    [
        (["at once"], PATIENCE, "at once, try 1", 1, 0),
        (["never", "at once"], 0, "at once, try 2", 2, 1),
        (["fails", "at once"], 0, "at once, try 2", 2, 0),
    ],
)
def test_a_second_try_overtakes_a_slow_first(answers, delay, answer, made, cancelled):
    tries = Tries(*answers)
    assert run(hedged(tries, delay)) == answer
    assert (tries.made, tries.cancelled) == (made, cancelled)


def test_the_first_try_may_still_win_after_the_second_has_begun():
    async def main():
        tries = Tries("later", "never")
        task = asyncio.create_task(hedged(tries, 0))
        while tries.made < 2:
            await asyncio.sleep(0)
        tries.go_on.set()
        return await task, tries.cancelled

    assert run(main()) == ("later", 1)


def test_two_tries_that_fail():
    with pytest.raises(ExceptionGroup, match="2 of 2 calls failed") as caught:
        run(hedged(Tries("fails", "fails"), 0))
    assert [type(error) for error in caught.value.exceptions] == [LookupError] * 2


def test_those_who_are_late_are_cancelled_and_awaited():
    async def main():
        race = Race("abc")
        race.gates["a"].set()
        race.gates["c"].set()
        return await within(0.01, race.calls), race.cancelled

    assert run(main()) == ({"a": "from a", "c": "from c"}, ["b"])


def test_a_deadline_is_not_waited_for_when_all_have_ended():
    results, cancelled = run(raced(partial(within, 3600), "abc", "cab"))
    assert list(results.items()) == [(name, f"from {name}") for name in "abc"]
    assert cancelled == []


def test_no_calls_end_in_time():
    assert run(within(PATIENCE, {})) == {}


def test_a_failure_in_time_is_raised_at_once_and_cancels_the_others():
    async def main():
        race = Race(["a", "bad", "b"])
        task = asyncio.create_task(within(3600, race.calls))
        await settle()
        await race.let_go("b", "bad")
        with pytest.raises(LookupError, match="bad"):
            await task
        return race.cancelled

    assert run(main()) == ["a"]


# --- stragglers


@pytest.mark.parametrize(
    ("branches", "probability", "chance"), [(0, 0.1, 0), (1, 0.1, 0.1), (2, 0.5, 0.75), (5, 0, 0), (3, 1, 1)]
)
def test_the_chance_of_a_straggler(branches, probability, chance):
    assert chance_of_a_straggler(branches, probability) == pytest.approx(chance)


@pytest.mark.parametrize(("branches", "probability"), [(1, 0.01), (10, 0.01), (100, 0.01), (20, 0.05)])
def test_the_formula_and_the_simulation_agree(branches, probability):
    """The share among n calls has the standard deviation sqrt(p (1 - p) / n); four of them are ample."""
    calls, chance = 4000, chance_of_a_straggler(branches, probability)
    tolerance = 4 * (chance * (1 - chance) / calls) ** 0.5
    assert simulate(branches, probability, calls, Random(7)) == pytest.approx(chance, abs=tolerance)


def test_the_same_seed_gives_the_same_share():
    assert simulate(10, 0.1, 50, Random(3)) == simulate(10, 0.1, 50, Random(3))
    assert len({simulate(10, 0.1, 50, Random(seed)) for seed in range(20)}) > 1


def test_a_branch_that_is_always_or_never_slow():
    assert simulate(3, 1, 10, Random(1)) == 1
    assert simulate(3, 0, 10, Random(1)) == simulate(0, 1, 10, Random(1)) == 0


# --- what langchain-core does, as the lesson says it


async def at_once(value):
    return value


class NeverEnds:
    def __init__(self):
        self.began, self.ended = asyncio.Event(), False

    async def __call__(self, value):
        self.began.set()
        try:
            await for_ever()
        finally:
            self.ended = True


async def closes(parts):
    async with aclosing(parts):
        async for _ in parts:
            break


async def raises(parts):
    async with aclosing(parts):
        async for _ in parts:
            raise LookupError("the reader's own")


async def breaks_and_drops(parts):
    async for _ in parts:
        break
    del parts
    gc.collect()


async def is_cancelled(parts):
    async with aclosing(parts):
        async for _ in parts:
            asyncio.current_task().cancel()


@pytest.mark.parametrize("leave", [closes, raises, breaks_and_drops, is_cancelled])
@pytest.mark.parametrize(("library", "ends"), [(runnables, False), (lessons, True)])
def test_what_becomes_of_a_branch_however_the_reader_of_an_astream_leaves(library, ends, leave):
    async def main():
        before, never = asyncio.all_tasks(), NeverEnds()
        chain = library.RunnableParallel(
            quick=library.RunnableLambda(at_once), slow=library.RunnableLambda(never.__call__)
        )
        reader = asyncio.create_task(leave(chain.astream(1)))
        await asyncio.wait([reader])
        await settle(50)
        left, ended = asyncio.all_tasks() - before, never.ended
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        assert never.began.is_set()
        assert ended is ends
        assert bool(left) is not ends
        with suppress(LookupError, asyncio.CancelledError):
            reader.result()

    asyncio.run(main())


def test_closing_langchains_stream_waits_for_what_runs_and_what_is_queued():
    go_on, ended = threading.Event(), []

    def waits(value):
        assert go_on.wait(PATIENCE)
        ended.append(value)

    branches = {"quick": runnables.RunnableLambda(lambda value: value)}
    branches |= {f"{number}": runnables.RunnableLambda(waits) for number in range(4)}
    parts = runnables.RunnableParallel(branches).stream(1, {"max_concurrency": 2})
    assert next(parts) == {"quick": 1}
    assert ended == []
    go_on.set()
    parts.close()
    assert ended == [1] * 4


@pytest.mark.parametrize(
    ("library", "way", "has_come"),
    [
        (runnables, "invoke", False),
        (runnables, "ainvoke", True),
        (lessons, "invoke", False),
        (lessons, "ainvoke", False),
    ],
)
def test_whether_a_failure_comes_while_a_sibling_runs(library, way, has_come):
    error_has_come, seen, ended = threading.Event(), [], threading.Event()

    def sibling(value):
        seen.append(error_has_come.wait(PATIENCE if has_come else 0.05))
        ended.set()

    async def main():
        chain = library.RunnableParallel(a=sibling, b=lambda value: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            chain.invoke(1) if way == "invoke" else await chain.ainvoke(1)
        error_has_come.set()
        await asyncio.to_thread(ended.wait, PATIENCE)

    asyncio.run(main())  # langchain-core leaves tasks
    assert seen == [has_come]


# --- the exercises and the quiz


def sleeps(seconds):
    async def branch(value):
        await asyncio.sleep(seconds)
        return asyncio.get_running_loop().time()

    return branch


def test_the_expected_slack_is_that_of_four_branches():
    ended, join = run_on_virtual_clock(
        RunnableParallel({f"{seconds}": sleeps(seconds) for seconds in (4, 7, 2, 6)}).ainvoke(None)
    )
    start = join - max(ended.values())
    assert [join - start - each for each in ended.values()] == exercises.SLACK["cases"][0]["expect"]


def test_the_expected_seconds_are_those_of_the_two_forms():
    slow, quick = RunnableLambda(sleeps(3)), RunnableLambda(sleeps(1))
    side_by_side = RunnableParallel(a=slow | quick, b=quick | slow)
    two_dicts = RunnableParallel(a=slow, b=quick) | {"a": quick, "b": slow}
    took = [run_on_virtual_clock(chain.ainvoke(None))[1] for chain in (side_by_side, two_dicts)]
    assert took == exercises.TWO_FORMS["cases"][0]["expect"]


def seconds_of(*durations):
    return run_on_virtual_clock(RunnableParallel({f"{n}": sleeps(n) for n in durations}).ainvoke(None))[1]


def walk_to_a_barrier_of_three():
    async def main():
        barrier, suspended = Barrier(3), []
        for name in ("the first to come", "the second", "the last to come"):
            party = barrier.wait()
            try:
                party.send(None)
                suspended.append(party)
            except StopIteration:
                [each.close() for each in suspended]
                return name

    return run(main())


CHAIN = RunnableParallel(a=len, b=str.split) | str


def leave_a_stream_with_break():
    async def main():
        before, parts = (
            asyncio.all_tasks(),
            RunnableParallel(quick=at_once, slow=NeverEnds().__call__).astream(1),
        )
        async for _ in parts:
            break
        await settle()
        left = len(asyncio.all_tasks() - before)
        await parts.aclose()
        return "go on until the stream is closed" if left and asyncio.all_tasks() == before else ""

    return asyncio.run(main())


def read_a_fast_branch():
    async def main():
        made = []
        async with aclosing(stream_as_tasks({"fast": partial(anumbers, 100, made)})) as pairs:
            for read in range(1, 4):
                await anext(pairs)
                await settle()
                assert len(made) == read + 1
        return {1: "one"}[len(made) - read]

    return asyncio.run(main())


WHAT_HAPPENS = [
    lambda: "as long as before" if seconds_of(12, 6, 9) == seconds_of(12, 3, 9) else "less",
    None,  # a definition: tested with `test_what_stands_behind_the_dict`
    lambda: "one dict with two keys" if {"a": len} | {"b": str} == {"a": len, "b": str} else "",
    walk_to_a_barrier_of_three,
    lambda: f"in about {100 * chance_of_a_straggler(100, 0.01):.0f} %",
    lambda: {1: "one", 0: "none", 2: "one for each branch"}[len(list(CHAIN.stream("a b")))],
    leave_a_stream_with_break,
    read_a_fast_branch,
]
QUIZZES = [*exercises.QUIZ, *exercises.QUIZ_STREAMS]


@pytest.mark.parametrize(("item", "happens"), list(zip(QUIZZES, WHAT_HAPPENS, strict=True)))
def test_the_answer_of_the_quiz_is_what_happens(item, happens):
    if happens is not None:
        assert item["options"][item["answer"]] == happens()


def test_what_stands_behind_the_dict():
    """A join: a branch that has ended is gone while the caller still waits."""

    async def main():
        go_on, tasks = asyncio.Event(), []

        async def quick(value):
            tasks.append(asyncio.current_task())

        async def slow(value):
            await go_on.wait()

        caller = asyncio.create_task(RunnableParallel(quick=quick, slow=slow).ainvoke(1))
        await settle()
        assert tasks[0].done() and not caller.done()
        go_on.set()
        await caller

    run(main())
    assert exercises.QUIZ[1]["options"][exercises.QUIZ[1]["answer"]] == "a join"
