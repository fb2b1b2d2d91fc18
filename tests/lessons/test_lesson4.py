"""Lesson 4: tasks that leave nothing behind, the config, the runnables; langchain-core beside them."""

import asyncio
import gc
import inspect
import pickle
import signal
import subprocess
import sys
import threading
from concurrent.futures import CancelledError as CancelledFuture
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from weakref import WeakSet

import pytest
from langchain_core.runnables import RunnableLambda as LangChainLambda
from langchain_core.runnables import RunnableParallel as LangChainParallel
from leftovers import PATIENCE, Stop, cancelled_while, fail, for_ever, give, gives_up, run, stops
from ways import ASYNC, SYNC, call_async

from helpers import asummary, record
from lessons import Runnable, RunnableLambda, RunnableParallel, coerce_to_runnable
from lessons.lesson4_execution_model import exercises
from lessons.lesson4_execution_model.config import DEFAULTS, check_config, config_for_call, merge, smallest
from lessons.lesson4_execution_model.in_thread import run_in_thread
from lessons.lesson4_execution_model.tasks import run_as_tasks, run_as_tasks_with_limit
from lessons.lesson5_synchronization.racing import first_of, within

ROOT = Path(__file__).parents[2]


pytestmark = pytest.mark.usefixtures("nothing_is_left")


def both_forms(calls):
    """run_as_tasks, and the limited form with a limit that does not bind."""
    return [run_as_tasks(calls), run_as_tasks_with_limit(calls, len(calls) or 1)]


# --- run_as_tasks, and its limited form

LIMITS = [None, 1, 2, 3, 100]


@pytest.mark.parametrize("limit", LIMITS)
def test_results_come_in_the_order_of_the_calls(limit):
    async def main():
        return await run_as_tasks_with_limit({n: partial(give, n) for n in range(7)}, limit)

    assert run(main()) == list(range(7))


@pytest.mark.parametrize("limit", [None, 3])
def test_no_calls(limit):
    assert run(run_as_tasks_with_limit({}, limit)) == []


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_the_limit_is_the_peak(limit):
    now, peaks = [], []

    async def call():
        now.append(1)
        peaks.append(len(now))
        await asyncio.sleep(0)
        now.pop()

    run(run_as_tasks_with_limit({n: call for n in range(12)}, limit))
    assert max(peaks) == limit


@pytest.mark.parametrize("limit", [None, 2])
def test_siblings_are_cancelled_and_awaited(limit):
    seen = []

    async def cleans_up():
        try:
            await for_ever()
        finally:
            await asyncio.sleep(0)
            seen.append("clean")

    with pytest.raises(LookupError) as caught:
        run(run_as_tasks_with_limit({"a": cleans_up, "b": fail}, limit))
    assert seen == ["clean"]
    assert type(caught.value) is LookupError


@pytest.mark.parametrize("limit", [1, 2])
def test_no_queued_call_starts_after_a_failure(limit):
    started = []

    async def note(number):
        started.append(number)

    calls = {"fails": fail} if limit == 1 else {"waits": for_ever, "fails": fail}
    with pytest.raises(LookupError):
        run(run_as_tasks_with_limit({**calls, **{n: partial(note, n) for n in range(5)}}, limit))
    assert started == []


def test_the_first_failure_in_time_is_raised_and_later_ones_are_noted():
    async def fails_when_cancelled():
        try:
            await for_ever()
        except asyncio.CancelledError:
            raise KeyError("cleaning up") from None

    async def main(form):
        await form({"a": fails_when_cancelled, "b": fail})

    for form in (run_as_tasks, partial(run_as_tasks_with_limit, limit=2)):
        with pytest.raises(LookupError, match="no such review") as caught:
            run(main(form))
        assert caught.value.__notes__ == ["another failure: KeyError('cleaning up')"]


@pytest.mark.parametrize("limit", [None, 3])
def test_a_cleanup_is_not_cancelled_by_a_second_failure(limit):
    cleaned = []

    async def fails_when_cancelled():
        try:
            await for_ever()
        finally:
            raise KeyError("cleaning up")

    async def cleans_up_slowly():
        try:
            await for_ever()
        finally:
            for _ in range(5):
                await asyncio.sleep(0)
            cleaned.append("all of it")

    calls = {"a": cleans_up_slowly, "b": fails_when_cancelled, "c": fail}
    with pytest.raises(LookupError):
        run(run_as_tasks_with_limit(calls, limit))
    assert cleaned == ["all of it"]


async def cancels_itself():
    asyncio.current_task().cancel("of its own accord")
    await asyncio.sleep(0)


ENDINGS = pytest.mark.parametrize(
    ("ending", "error", "message"),
    [
        (fail, LookupError, "no such review"),
        (stops, Stop, "stop"),
        (gives_up, asyncio.CancelledError, "gone"),
        (cancels_itself, asyncio.CancelledError, "of its own accord"),
    ],
)


@ENDINGS
@pytest.mark.parametrize("limit", [None, 2, 3])
def test_whatever_ends_a_branch_without_a_result_ends_the_call(ending, error, message, limit):
    """Its siblings never end by themselves; what is queued never starts; the error arrives as it was."""
    started = []

    async def note(number):
        started.append(number)

    queued = {n: partial(note, n) for n in range(5)} if limit else {}
    calls = {"waits": for_ever, "ends": ending, **({"too": for_ever} if limit == 3 else {}), **queued}
    with pytest.raises(error) as caught:
        run(run_as_tasks_with_limit(calls, limit))
    assert str(caught.value) == message
    assert started == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_the_loop_itself_carries_out_leaves_nothing(error):
    """The loop stops and hands it to asyncio.run, which cancels what is left and waits for it."""
    seen = []

    async def cleans_up(value):
        try:
            await for_ever()
        finally:
            await asyncio.sleep(0)
            seen.append("clean")

    async def leaves(value):
        await asyncio.sleep(0)
        raise error

    with pytest.raises(error):
        asyncio.run(RunnableParallel(a=cleans_up, b={"c": leaves, "d": cleans_up}).ainvoke(1))
    assert seen == ["clean", "clean"]


@ENDINGS
def test_a_branch_that_ends_without_a_result_is_named(ending, error, message):
    with pytest.raises(error) as caught:
        run(RunnableParallel(a=for_ever, b={"c": lambda value: ending()}).ainvoke(1))
    assert caught.value.__notes__ == ["in branch 'c'", "in branch 'b'"]


@pytest.mark.parametrize("error", [LookupError, Stop, asyncio.CancelledError])
def test_whatever_ends_a_branch_on_a_thread_starts_none_that_is_queued(error):
    started = []

    def ends(value):
        raise error("stop")

    chain = RunnableParallel({"ends": ends, **{f"{n}": started.append for n in range(5)}})
    with pytest.raises(error, match="stop") as caught:
        chain.invoke(1, {"max_concurrency": 1})
    assert started == []
    assert caught.value.__notes__ == ["in branch 'ends'"]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="tasks are eager from 3.12 on")
@pytest.mark.parametrize("limit", [None, 2, 3])
def test_after_an_eager_failure_no_branch_starts(limit):
    started = []

    async def fails_at_once():
        raise LookupError("no such review")

    async def note(number):
        started.append(number)

    async def main():
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        calls = {"waits": for_ever, "fails": fails_at_once, **{n: partial(note, n) for n in range(5)}}
        await run_as_tasks_with_limit(calls, limit)

    with pytest.raises(LookupError, match="no such review"):
        run(main())
    assert started == []


class Empty(LookupError):
    """An exception that is false."""

    def __len__(self):
        return 0


@pytest.mark.parametrize("way", [*SYNC, *ASYNC])
def test_an_exception_that_is_false_ends_the_call(way):
    def fails(value):
        raise Empty

    chain = RunnableParallel(a=fails, b=fails)
    with pytest.raises(Empty) as caught:
        run(call_async(chain, way, 1))
    assert caught.value.__notes__[0] in ("in branch 'a'", "in branch 'b'")


@pytest.mark.skipif(sys.version_info < (3, 12), reason="tasks are eager from 3.12 on")
@pytest.mark.parametrize("order", [["ends", "fails"], ["fails", "ends"]])
def test_an_eager_task_does_not_start_a_queued_call_when_another_fails_in_the_same_turn(order):
    started = []

    async def main():
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        now = asyncio.Event()

        async def ends():
            await now.wait()

        async def fails():
            await now.wait()
            raise LookupError("no such review")

        async def queued():
            started.append("queued")

        asyncio.get_running_loop().call_soon(now.set)
        calls = {"ends": ends, "fails": fails}
        await run_as_tasks_with_limit({**{name: calls[name] for name in order}, "queued": queued}, 2)

    with pytest.raises(LookupError):
        run(main())
    assert started == []


@pytest.mark.parametrize("own_thread", [False, True])
@pytest.mark.parametrize("kind", [TimeoutError, CancelledFuture, asyncio.CancelledError, LookupError])
def test_what_a_thread_has_raised_is_handed_on_as_it_is(kind, own_thread):
    raised = kind("on a thread")
    raised.__cause__ = KeyError("why")

    def fails():
        raise raised

    with pytest.raises(kind) as caught:
        run(run_in_thread(fails, own_thread))
    assert caught.value is raised
    assert repr(raised.__cause__) == "KeyError('why')"
    assert "fails" in [entry.name for entry in caught.traceback]


# --- notes


def test_one_exception_that_many_raise_is_noted_once():
    """They share a client, and each reports what has happened to it."""
    lost = ConnectionError("connection lost")

    async def ask(number):
        try:
            await (for_ever() if number else asyncio.sleep(0))
            raise lost
        except asyncio.CancelledError:
            raise lost from None

    for _ in range(2):  # the second call does not add to what the first has noted
        with pytest.raises(ConnectionError) as caught:
            run(RunnableLambda(ask).abatch(list(range(18))))
        assert caught.value is lost
        assert len(lost.__notes__) == 1
        assert lost.__notes__[0].startswith("in inputs[")


def raises(error):
    def function(value):
        raise error

    return function


@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
def test_an_exception_raised_again_carries_the_notes_of_this_call_only(way):
    cached = LookupError("no such review")
    cached.add_note("a hint of its own")

    def call(chain):
        with pytest.raises(LookupError):
            chain.invoke(1) if way == "invoke" else run(chain.ainvoke(1))
        return cached.__notes__

    weather = RunnableParallel(weather={"today": raises(cached)})
    for _ in range(3):
        assert call(weather) == ["a hint of its own", "in branch 'today'", "in branch 'weather'"]
    assert call(RunnableParallel(news=raises(cached))) == ["a hint of its own", "in branch 'news'"]
    assert call(RunnableLambda(raises(cached))) == ["a hint of its own"]


def test_a_call_inside_a_function_is_a_call_of_its_own():
    cached = LookupError("no such review")

    def tries(value):
        for name in ["weather", "news"]:
            with suppress(LookupError):
                RunnableParallel({name: raises(cached)}).invoke(value)
        return RunnableParallel(sport=raises(cached)).invoke(value)

    with pytest.raises(LookupError):
        RunnableParallel(all=tries).invoke(1)
    assert cached.__notes__ == ["in branch 'sport'", "in branch 'all'"]


def test_the_second_of_two_failures_is_noted_from_any_depth():
    async def fails_later(value):
        for _ in range(20):
            await asyncio.sleep(0)
        await fail()

    async def fails_when_cancelled(value):
        try:
            await for_ever()
        finally:
            raise KeyError("cleaning up")

    with pytest.raises(LookupError, match="no such review") as caught:
        run(RunnableParallel(a=fails_later, b={"c": {"d": fails_when_cancelled}}).ainvoke(1))
    assert "another failure: KeyError('cleaning up') in branch 'd'" in " ".join(caught.value.__notes__)


def test_a_failure_that_was_handled_in_one_branch_is_noted_where_it_ends_the_call():
    cached = LookupError("no such review")
    handled = asyncio.Event()

    async def fails(value):
        raise cached

    async def handles(value):
        with suppress(LookupError):
            await RunnableParallel(n=fails).ainvoke(value)
        handled.set()

    async def waits_and_fails(value):
        await handled.wait()
        raise cached

    with pytest.raises(LookupError):
        run(RunnableParallel(a=handles, b=waits_and_fails).ainvoke(1))
    assert cached.__notes__ == ["in branch 'b'"]


def test_a_task_that_outlives_the_call_that_started_it_does_not_name_it():
    async def main():
        ended = asyncio.get_running_loop().create_future()

        async def turn(number):
            if number == 50:
                raise LookupError("no such review")
            task = asyncio.create_task(RunnableParallel(a=turn).ainvoke(number + 1))
            task.add_done_callback(lambda task: task.exception() and ended.set_result(task.exception()))
            await asyncio.sleep(0)

        await RunnableParallel(a=turn).ainvoke(0)
        return await ended

    assert len(run(main()).__notes__) < 5


class Stiff(Exception):
    """An exception that takes no attributes."""

    def __setattr__(self, name, value):
        raise TypeError("immutable")


class Unfriendly(Exception):
    def __getattr__(self, name):
        raise KeyError(name)

    def __repr__(self):
        raise ValueError("no repr")


def with_notes(notes):
    error = LookupError("no such review")
    error.__notes__ = notes
    return error


@pytest.mark.parametrize("way", [*SYNC, *ASYNC])
@pytest.mark.parametrize(
    "error", [Stiff(), Unfriendly(), with_notes(None), with_notes("one"), with_notes([1])], ids=range(5)
)
def test_an_odd_exception_arrives_as_it_is(way, error):
    async def fails_when_cancelled(value):
        try:
            await for_ever()
        finally:
            raise error

    with pytest.raises(type(error)) as caught:
        run(call_async(RunnableParallel(a=raises(error)), way, 1))
    assert caught.value is error
    with pytest.raises(ZeroDivisionError):
        run(run_as_tasks({"a": partial(fails_when_cancelled, 1), "b": divide}))


async def divide():
    return 1 / 0


def test_notes_of_many_failures_stay_short():
    async def fails_when_cancelled(number):
        try:
            await for_ever()
        finally:
            raise ValueError("x" * 100_000 + str(number))

    async def fails_with_a_long_note():
        try:
            await for_ever()
        finally:
            raise with_notes(["x" * 1_000_000])

    many = {f"{n}": partial(fails_when_cancelled, n) for n in range(999)}
    calls = {"long": fails_with_a_long_note, **many, "fails": fail}
    with pytest.raises(LookupError) as caught:
        run(run_as_tasks(calls))
    *told, rest = caught.value.__notes__
    assert rest == "and 997 more failures"
    assert all(note.startswith("another failure: ") and len(note) <= 300 for note in told)


def test_an_exception_that_takes_no_notes_arrives_whole():
    @dataclass(frozen=True)
    class Frozen(Exception):
        code: int

    with pytest.raises(Frozen) as caught:
        RunnableParallel(a=raises(Frozen(7))).invoke(1)
    assert caught.value.code == 7


def test_an_exception_with_notes_can_be_sent_to_another_process():
    with pytest.raises(LookupError) as caught:
        RunnableParallel(a=raises(LookupError("no such review"))).invoke(1)
    assert pickle.loads(pickle.dumps(caught.value)).__notes__ == ["in branch 'a'"]


# --- no reference cycle


class Large:
    """What a failing branch holds."""


def test_a_failed_call_leaves_no_reference_cycle():
    """So all that it held goes with the exception, also while the garbage collector is off."""
    alive, shared, failed = WeakSet(), [], []

    class Failure:
        """A block that is left by an exception, which goes no further."""

        def __enter__(self):
            pass

        def __exit__(self, kind, error, traceback):
            if kind is not None:
                failed.append(kind)
            return kind is not None

    failure = Failure()

    def hold():
        large = Large()
        alive.add(large)
        return large

    def fails(value):
        large = hold()
        raise LookupError(id(large))

    def fails_in_parts(value):
        yield 1
        fails(value)

    def fails_alike(value):
        raise shared[0]

    async def afails(value):
        fails(value)

    async def gone(value):
        large = hold()
        await gives_up()
        return large

    def caught_inside(coroutine):  # asyncio.run itself makes a cycle with an exception that leaves it
        async def main():
            with failure:
                await coroutine

        asyncio.run(main())

    async def parts_of(chain):
        return [part async for part in chain.astream(1)]

    async def cancelled(chain):
        task = asyncio.create_task(chain.ainvoke(1))
        for _ in range(5):
            await asyncio.sleep(0)
        task.cancel()
        await task

    async def waits(value):
        large = hold()
        await for_ever()
        return large

    calls = {
        "invoke": lambda: RunnableParallel(a=fails, b={"c": fails}).invoke(1),
        "batch": lambda: RunnableLambda(fails).batch([1, 2, 3]),
        "stream": lambda: list(RunnableParallel(a=fails_in_parts, b={"c": fails}).stream(1)),
        "ainvoke": lambda: caught_inside(RunnableParallel(a=afails, b={"c": afails}, d=fails).ainvoke(1)),
        "abatch": lambda: caught_inside(RunnableLambda(afails).abatch([1, 2, 3], {"max_concurrency": 2})),
        "astream": lambda: caught_inside(parts_of(RunnableParallel(a=fails_in_parts, b={"c": afails}))),
        "gives up": lambda: caught_inside(RunnableParallel(a=gone, b=waits).ainvoke(1)),
        "cancelled": lambda: caught_inside(cancelled(RunnableParallel(a=waits, b={"c": waits}))),
        "shared": lambda: RunnableParallel(a=fails_alike, b=fails_alike).invoke(1),
        "shared parts": lambda: list(RunnableParallel(a=fails_alike, b=fails_alike).stream(1)),
        "shared tasks": lambda: caught_inside(RunnableParallel(a=fails_alike, b=fails_alike).ainvoke(1)),
        "within": lambda: caught_inside(within(PATIENCE, {"a": partial(afails, 1), "b": partial(waits, 1)})),
        "first_of": lambda: caught_inside(first_of({"a": partial(afails, 1), "b": partial(gone, 1)})),
    }
    for name, call in calls.items():
        gc.collect()
        gc.disable()
        try:
            shared[:] = [LookupError("shared")]
            shared[0].large = hold()
            with failure:
                call()
            shared.clear()
            assert len(failed) == 1, name
            assert not alive, name
            failed.clear()
        finally:
            gc.enable()


@pytest.mark.parametrize("limit", [None, 1, 2])
@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_cancelled_caller_leaves_nothing(limit, times):
    seen = []

    async def call(number, started):
        started.set()
        try:
            await for_ever()
        finally:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0)
            await asyncio.sleep(0)
            seen.append(number)

    def work(started):
        return run_as_tasks_with_limit({n: partial(call, n, started) for n in range(3)}, limit)

    async def main():
        return (await cancelled_while(work, times)).cancelled()

    assert run(main())
    assert len(seen) <= (limit or 3)


@pytest.mark.parametrize("limit", [1, 2])
def test_a_branch_that_swallows_its_cancellation_does_not_let_the_queue_in(limit):
    begun = []

    async def stubborn(number, started):
        begun.append(number)
        started.set()
        with suppress(asyncio.CancelledError):
            await for_ever()

    def work(started):
        return run_as_tasks_with_limit({n: partial(stubborn, n, started) for n in range(6)}, limit)

    async def main():
        return (await cancelled_while(work)).cancelled()

    assert run(main())
    assert len(begun) <= limit


def test_a_timeout_takes_everything_with_it():
    async def main():
        async with asyncio.timeout(0.01):
            await RunnableParallel(a=for_ever, b={"c": for_ever}).ainvoke(1)

    with pytest.raises(TimeoutError):
        run(main())


def test_a_cancellation_after_a_failure_carries_the_failure_as_a_note():
    async def lingers(started):
        try:
            await for_ever()
        finally:
            started.set()
            with suppress(asyncio.CancelledError):
                await for_ever()

    async def main():
        task = await cancelled_while(
            lambda started: run_as_tasks({"a": partial(lingers, started), "b": fail})
        )
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        return caught.value

    error = run(main())
    notes = [note for each in (error, error.__context__) for note in getattr(each, "__notes__", [])]
    assert "another failure: LookupError('no such review')" in notes


@pytest.mark.parametrize("limit", [0, -1, 2.5, True, "5"])
def test_limits_that_are_none(limit):
    with pytest.raises(ValueError, match=f"max_concurrency is {limit!r}; it must be an int of 1 or more"):
        run(run_as_tasks_with_limit({"a": give}, limit))


# --- run_in_thread


@pytest.mark.parametrize("own_thread", [False, True])
def test_a_thread_gives_its_result_or_its_error(own_thread):
    assert run(run_in_thread(lambda: 7, own_thread)) == 7
    with pytest.raises(ValueError, match="invalid literal"):
        run(run_in_thread(partial(int, "x"), own_thread))
    with pytest.raises(RuntimeError, match="raised StopIteration"):
        run(run_in_thread(partial(next, iter([])), own_thread))


@pytest.mark.parametrize("own_thread", [False, True])
def test_a_cancelled_caller_waits_for_the_thread(own_thread):
    ended, go_on = [], threading.Event()

    async def main():
        loop, begun = asyncio.get_running_loop(), asyncio.Event()

        def blocks():
            loop.call_soon_threadsafe(begun.set)
            go_on.wait(PATIENCE)
            ended.append("thread")

        task = asyncio.create_task(run_in_thread(blocks, own_thread))
        await begun.wait()
        task.cancel()
        await asyncio.sleep(0)
        assert not task.done()
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        ended.append("caller")

    run(main())
    assert ended == ["thread", "caller"]


def test_a_queued_function_never_starts_after_a_cancellation():
    made, go_on = [], threading.Event()

    async def main():
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        blocks = asyncio.create_task(run_in_thread(partial(go_on.wait, PATIENCE)))
        queued = asyncio.create_task(run_in_thread(partial(made.append, 1)))
        await asyncio.sleep(0)
        queued.cancel()
        await asyncio.wait([queued])  # while the only worker is still busy
        assert not blocks.done()
        go_on.set()
        await blocks
        return queued.cancelled()

    assert run(main())
    assert made == []


# --- the config


def test_merge_changes_none_of_its_configs():
    first, second = {"tags": ["b"], "metadata": {"x": 1}}, {"tags": ["a", "b"], "metadata": {"y": 2}}
    assert merge(first, second, {}) == {"tags": ["a", "b"], "metadata": {"x": 1, "y": 2}}
    assert (first, second) == (
        {"tags": ["b"], "metadata": {"x": 1}},
        {"tags": ["a", "b"], "metadata": {"y": 2}},
    )


def test_the_smallest_limit():
    assert [smallest([]), smallest([None]), smallest([3, None, 2])] == [None, None, 2]


@pytest.mark.parametrize(
    ("outer", "own", "call", "limit"),
    [
        (8, 2, {}, 2),
        (2, 8, {}, 2),
        (None, 2, {}, 2),
        (2, None, {}, 2),
        (None, None, {}, None),
        (8, 2, {"max_concurrency": 5}, 5),
        (2, 2, {"max_concurrency": None}, None),
        (2, 2, {"tags": ["a"]}, 2),
    ],
)
def test_which_limit_holds(outer, own, call, limit):
    seen = []

    def inside(value):
        seen.append(config_for_call({"max_concurrency": own}, call)["max_concurrency"])

    RunnableLambda(inside).invoke(1, {"max_concurrency": outer})
    assert seen == [limit]


def test_keywords_of_with_config():
    chain = RunnableLambda(lambda value, config: config).with_config({"tags": ["a"]}, max_concurrency=3)
    assert (chain.invoke(1)["tags"], chain.invoke(1)["max_concurrency"]) == (["a"], 3)
    with pytest.raises(ValueError, match="the key 'max_concurency'"):
        chain.with_config(max_concurency=3)


def test_a_function_gets_a_config_of_its_own():
    def spoil(value, config):
        config["tags"].append("spoilt")
        config["metadata"]["spoilt"] = True

    def report(value, config):
        return config

    for given in ({}, {"tags": ["t"]}):
        chain = RunnableParallel(a=spoil, b=report).with_config(given)
        for came in (chain.invoke(1, {}), run(chain.ainvoke(1, {}))):
            assert came["b"]["tags"] == given.get("tags", [])
            assert came["b"]["metadata"] == {}
        assert RunnableLambda(report).invoke(1) == {**DEFAULTS, "tags": [], "metadata": {}}
        assert chain.config == given
    assert check_config(None) == {}


# --- runnables


def test_coerce_to_runnable():
    parallel = RunnableParallel(a=len)
    assert coerce_to_runnable(parallel) is parallel
    assert isinstance(coerce_to_runnable(len), RunnableLambda)
    assert isinstance(coerce_to_runnable({"a": len}), RunnableParallel)
    with pytest.raises(TypeError, match="an object of type str cannot run; it must be a runnable"):
        coerce_to_runnable("text")


@pytest.mark.parametrize(
    ("branches", "message", "notes"),
    [
        ([len], "branches is a list; it must be a dict", []),
        ({3: len}, "branch name 3 is a int; it must be a str", []),
        ({"b": "text"}, "an object of type str cannot run", ["in branch 'b'"]),
        ({"b": {"c": None}}, "an object of type NoneType cannot run", ["in branch 'c'", "in branch 'b'"]),
    ],
)
def test_bad_branches(branches, message, notes):
    with pytest.raises(TypeError, match=message) as caught:
        RunnableParallel(branches)
    assert getattr(caught.value, "__notes__", []) == notes


@pytest.mark.parametrize(("func", "afunc"), [(give, give), (len, len), ("text", None)])
def test_bad_functions(func, afunc):
    with pytest.raises(TypeError, match="must be"):
        RunnableLambda(func, afunc)


def test_invoke_names_the_async_function():
    with pytest.raises(TypeError, match="^give is an async function: .* use ainvoke"):
        RunnableParallel(a=give).invoke(1)


def test_a_function_that_returns_a_coroutine():
    chain = RunnableLambda(lambda value: give(value))
    assert run(chain.ainvoke(3)) == 3
    with pytest.raises(TypeError, match="returned a coroutine: invoke cannot await it, use ainvoke"):
        chain.invoke(3)


def asks(value):
    return give(value)


LANGCHAIN = {
    "by itself": LangChainLambda(asks),
    "in a sequence": LangChainLambda(asks) | (lambda given: given),
}


@pytest.mark.parametrize("chain", LANGCHAIN.values(), ids=LANGCHAIN)
def test_langchain_core_hands_out_the_coroutine_of_a_plain_function(chain):
    handed_out = run(chain.ainvoke(3)), chain.invoke(3), *run(chain.abatch([3, 4]))
    as_branches = LangChainParallel(a=chain)
    handed_out += run(as_branches.ainvoke(3))["a"], as_branches.invoke(3)["a"]
    assert [inspect.getcoroutinestate(each) for each in handed_out] == ["CORO_CREATED"] * 6
    for each in handed_out:
        each.close()


def test_in_langchain_core_an_inherited_limit_overrules_with_config_and_the_calls_own_wins():
    inner = LangChainLambda(lambda value, config: config.get("max_concurrency")).with_config(
        max_concurrency=2
    )
    assert inner.invoke(1) == 2
    assert inner.invoke(1, {"max_concurrency": 5}) == 5
    assert LangChainParallel(a=inner).invoke(1, {"max_concurrency": 4}) == {"a": 4}


def test_langchain_core_shares_the_input_too():
    given = {}
    assert LangChainParallel(a=lambda value: value, b=lambda value: value).invoke(given)["a"] is given


def test_an_object_with_an_async_call():
    class Model:
        async def __call__(self, value):
            return value

    assert run(RunnableParallel(a=Model()).ainvoke(3)) == {"a": 3}


def test_a_function_without_a_signature():
    assert RunnableLambda(dict).invoke([("a", 1)]) == {"a": 1}
    assert RunnableLambda(max).invoke([1, 3]) == 3


def test_a_runnable_of_ones_own_has_all_the_ways():
    class Add(Runnable):
        def _invoke(self, value, config):
            return value + 1

    chain = RunnableParallel(a=Add())
    assert chain.invoke(1) == run(chain.ainvoke(1)) == {"a": 2}
    assert chain.batch([1, 2]) == run(chain.abatch([1, 2])) == [{"a": 2}, {"a": 3}]
    with pytest.raises(TypeError, match="abstract"):
        Runnable()


def test_a_later_change_of_the_callers_dict_changes_nothing():
    branches = {"a": str}
    chain = RunnableParallel(branches)
    branches["b"] = len
    assert chain.invoke(1) == {"a": "1"}


def test_branches_may_have_any_name():
    assert RunnableParallel(branches=str, self=str, config=str).invoke(1) == dict.fromkeys(
        ["branches", "self", "config"], "1"
    )


def test_batch_notes_the_input():
    for call in (
        lambda chain: chain.batch([1, 0, 2]),
        lambda chain: run(chain.abatch([1, 0, 2])),
    ):
        with pytest.raises(ZeroDivisionError) as caught:
            call(RunnableParallel(a=lambda value: 1 // value))
        assert caught.value.__notes__ == ["in branch 'a'", "in inputs[1]"]


def test_nested_limits_are_per_level():
    """Limits multiply: 3 at each of three levels are 27."""
    leaves = threading.Barrier(27)

    def tree(depth):
        if depth == 0:
            return RunnableLambda(lambda value: leaves.wait(PATIENCE) is not None)
        return RunnableParallel({f"{number}": tree(depth - 1) for number in range(3)})

    tree(3).invoke(1, {"max_concurrency": 3})


def test_tasks_per_branch():
    async def count(value):
        return len(asyncio.all_tasks())

    async def main():
        before = len(asyncio.all_tasks())
        return (await RunnableParallel(a=count).ainvoke(1))["a"] - before

    assert run(main()) == 2  # ainvoke itself, and the branch


CHAINS = {
    "success": RunnableParallel(a=give, b={"c": lambda value: value}),
    "failure": RunnableParallel(a=for_ever, b={"c": fail, "d": for_ever}, e=lambda value: value),
    "sync failure": RunnableParallel(a=for_ever, b={"c": lambda value: 1 // 0, "d": for_ever}),
}


@pytest.mark.parametrize("chain", CHAINS.values(), ids=CHAINS)
@pytest.mark.parametrize("limit", [None, 2, 3])
def test_nothing_is_left_after_it(chain, limit):
    with suppress(LookupError, ZeroDivisionError):
        run(chain.ainvoke(1, {"max_concurrency": limit}))
    with suppress(LookupError, ZeroDivisionError):
        run(chain.abatch([1, 2, 3], {"max_concurrency": limit}))


INTERRUPTED = """
import asyncio, signal, threading
from lessons import RunnableParallel

seen = []

async def cleans_up(value):
    try:
        await asyncio.get_running_loop().create_future()
    finally:
        seen.append("clean")

async def presses(value):
    signal.raise_signal(signal.SIGINT)
    await asyncio.get_running_loop().create_future()

try:
    asyncio.run(RunnableParallel(a=cleans_up, b={"c": cleans_up, "d": presses}).ainvoke(1))
except KeyboardInterrupt:
    print("interrupted", seen, threading.active_count())
"""


def test_a_real_ctrl_c_under_ainvoke():
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.stdout == "interrupted ['clean', 'clean'] 1\n", done.stderr
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


# --- the exercises


def test_work_and_span_are_what_the_tree_gives():
    tree = {"a": 3, "b": {"c": 2, "d": 4}, "e": 1}

    def measure(node):
        if not isinstance(node, dict):
            return node, node
        spans, works = zip(*map(measure, node.values()))
        return max(spans), sum(works)

    span, work = measure(tree)
    assert exercises.WORK_AND_SPAN["cases"][0]["expect"] == [span, work, max(span, work / 2)]


def test_the_error_that_arrives():
    """As in the exercise: c fails at once, b while it is cancelled, a later."""
    c_failed = threading.Event()

    def slow(value):
        c_failed.wait(PATIENCE)
        raise ValueError("a")

    def quick(value):
        c_failed.set()
        raise ValueError("c")

    async def slow_async(value):
        await for_ever()
        raise ValueError("a")

    async def when_cancelled(value):
        try:
            await for_ever()
        except asyncio.CancelledError:
            raise ValueError("b") from None

    async def quick_async(value):
        raise ValueError("c")

    with pytest.raises(ValueError) as on_threads:
        RunnableParallel(a=slow, b=len, c=quick).invoke("x")
    with pytest.raises(ValueError) as as_tasks:
        run(RunnableParallel(a=slow_async, b=when_cancelled, c=quick_async).ainvoke("x"))
    answer = f"{on_threads.value}{as_tasks.value}".upper()
    assert answer == exercises.WHICH_ERROR["cases"][0]["expect"]


def test_the_states_of_a_branch_are_what_a_recording_shows():
    async def with_permit(permits):
        async with permits:
            return await asummary("x")

    async def main():
        with record() as life:
            await asyncio.create_task(with_permit(asyncio.Semaphore(1)), name="summary")
        return life

    life = run(main())
    (unit,) = life.lanes()
    states = [
        str(span.state) for span in sorted(life.spans, key=lambda span: span.start) if span.unit == unit.id
    ]
    assert [*states, "done"] == exercises.LIFE["cases"][0]["expect"]


def test_the_limits_that_are_reported():
    inner = RunnableLambda(lambda value, config: config["max_concurrency"]).with_config(max_concurrency=4)
    asks = RunnableParallel(x=lambda value: inner.invoke(value, {"max_concurrency": 6}))
    limits = [
        inner.invoke("x"),
        *(RunnableParallel(x=inner).invoke("x", {"max_concurrency": limit})["x"] for limit in (3, 9)),
        asks.invoke("x", {"max_concurrency": 3})["x"],
    ]
    assert limits == exercises.WHICH_LIMIT["cases"][0]["expect"]


def test_every_function_of_the_library_says_what_it_does():
    for name in ("Runnable", "RunnableLambda", "RunnableParallel"):
        assert inspect.getdoc(globals()[name])
