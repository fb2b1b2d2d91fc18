"""Random trees, random limits, random moments: what holds for every chain of the finished library.

A tree is plain data: ("parallel", branches, limit), ("sequence", steps), or a leaf of a kind and a number.
`answer` gives what it makes of a value by plain calls, one after the other.
"""

import asyncio
import threading
from contextlib import aclosing, closing
from pathlib import Path
from queue import SimpleQueue
from tempfile import gettempdir
from unittest import mock

import pytest
from budgets import examples
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.configuration import set_hypothesis_home_dir
from leftovers import nothing_left, run
from ways import ASYNC, BATCHES, STREAMS, SYNC, call_async, call_sync

from lessons import RunnableLambda, RunnableParallel, RunnablePassthrough, RunnableSequence
from lessons.lesson2_thread_pools import threads
from lessons.lesson3_concurrency_limits.crowd import Crowd
from lessons.lesson5_synchronization import thread_streams
from lessons.lesson5_synchronization.streaming import AddableDict, add_up

set_hypothesis_home_dir(Path(gettempdir()) / "hypothesis")  # it writes, and not into the repository

SYNC_KINDS = ["function", "generator", "passthrough"]
KINDS = [*SYNC_KINDS, "async function", "async generator"]
tried = examples(20, 60)
limits = st.one_of(st.none(), st.integers(1, 4))
few = st.integers(0, 9)


def trees(kinds):
    leaves = st.tuples(st.sampled_from(kinds), few)
    names = st.sampled_from("abcdef")
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.tuples(st.just("parallel"), st.dictionaries(names, inner, min_size=1, max_size=4), limits),
            st.tuples(st.just("sequence"), st.lists(inner, min_size=2, max_size=3)),
        ),
        max_leaves=12,
    )


def answer(tree, value):
    kind, content, *_ = tree
    if kind == "parallel":
        return {name: answer(branch, value) for name, branch in content.items()}
    if kind == "sequence":
        for step in content:
            value = answer(step, value)
        return value
    return value if kind == "passthrough" else [content, value]


def numbers(tree):
    """The numbers of the leaves that call a function."""
    kind, content, *_ = tree
    if kind == "parallel":
        return set().union(*map(numbers, content.values()))
    if kind == "sequence":
        return set().union(*map(numbers, content))
    return set() if kind == "passthrough" else {content}


def build(tree, hook=lambda number: None):
    """The chain of a tree. Each of its functions calls `hook` with the number of its leaf."""
    kind, content, *limit = tree
    if kind == "parallel":
        chain = RunnableParallel({name: build(branch, hook) for name, branch in content.items()})
        return chain.with_config(max_concurrency=limit[0])
    if kind == "sequence":
        return RunnableSequence(*[build(step, hook) for step in content])
    return RunnablePassthrough() if kind == "passthrough" else RunnableLambda(leaf(kind, content, hook))


def leaf(kind, number, hook):
    """Two parts, or their sum at once; the async kinds take up to three more steps of the loop."""

    def function(value):
        hook(number)
        return [number, value]

    def generator(value):
        yield [number]
        hook(number)
        yield [value]

    async def afunction(value):
        for _ in range(number % 4):
            await asyncio.sleep(0)
        return function(value)

    async def agenerator(value):
        for part in generator(value):
            yield part
            await asyncio.sleep(0)

    kinds = {"function": function, "generator": generator, "async function": afunction}
    return kinds.get(kind, agenerator)


def outcome(way, came):
    """The one result that `came` by a way: a batch gives it twice, a stream in parts."""
    if way in BATCHES:
        assert came[0] == came[1]
        return came[0]
    return add_up(came) if way in STREAMS else came


def config(limit):
    return {} if limit is None else {"max_concurrency": limit}


# --- the answer


@pytest.mark.parametrize("way", SYNC)
@tried
@given(tree=trees(SYNC_KINDS), limit=limits)
def test_any_tree_gives_the_plain_answer_on_threads(way, tree, limit):
    with nothing_left():
        assert outcome(way, call_sync(build(tree), way, 7, config(limit))) == answer(tree, 7)


@pytest.mark.parametrize("way", ASYNC)
@tried
@given(tree=trees(KINDS), limit=limits)
def test_any_tree_gives_the_plain_answer_as_tasks(way, tree, limit):
    with nothing_left():
        assert outcome(way, run(call_async(build(tree), way, 7, config(limit)))) == answer(tree, 7)


@tried
@given(st.lists(st.dictionaries(st.sampled_from("abc"), st.lists(few, max_size=2)), min_size=1, max_size=5))
def test_parts_of_a_dict_add_up_to_what_all_of_them_hold(parts):
    whole = {}
    for part in parts:
        for key, held in part.items():
            whole[key] = whole.get(key, []) + held
    assert add_up(map(AddableDict, parts)) == whole


# --- the limit

waits = st.lists(st.integers(1, 4), max_size=12)


@pytest.mark.parametrize("way", ["ainvoke", "astream"])
@tried
@given(steps=waits, own=limits, limit=limits)
def test_as_many_tasks_run_as_the_limit_says(way, steps, own, limit):
    """Exactly so many: none ends before all that may run have begun."""
    crowd = Crowd(1)  # it only counts here

    def branch(count):
        async def takes_steps(value):
            with crowd.in_flight():
                for _ in range(count):
                    await asyncio.sleep(0)

        return takes_steps

    chain = RunnableParallel({f"{number}": branch(count) for number, count in enumerate(steps)})
    run(call_async(chain.with_config(max_concurrency=own), way, 1, config(limit)))
    assert crowd.peak == min(limit or own or len(steps), len(steps))


@pytest.mark.parametrize("way", [*SYNC, "ainvoke", "astream", "abatch"])
@tried
@given(count=st.integers(0, 8), limit=st.integers(1, 4))
def test_never_more_functions_run_than_the_limit_says(way, count, limit):
    """On one level: the branches of a parallel, or the two inputs of a batch."""
    crowd = Crowd(1)  # it only counts here

    def function(value):
        with crowd.in_flight():
            threading.Event().wait(0.0001)  # lets others in, if it can

    branches = {f"{number}": function for number in range(count)}
    chain = RunnableLambda(function) if way in BATCHES else RunnableParallel(branches)
    run(call_async(chain, way, 1, config(limit)))
    assert crowd.peak <= limit


# --- after a failure, a cancellation, an interrupt

ERRORS = pytest.mark.parametrize("error", [LookupError, KeyboardInterrupt])


def call_and_fail(call, way, tree, bad, error):
    """Make a call of a tree whose leaves with the number `bad` raise `error`, if it has any."""

    def hook(number):
        if number == bad:
            raise error("no such review")

    with nothing_left():
        if bad in numbers(tree):
            with pytest.raises(error, match="no such review"):
                call(build(tree, hook))
        else:
            assert outcome(way, call(build(tree, hook))) == answer(tree, 7)


@ERRORS
@pytest.mark.parametrize("way", SYNC)
@tried
@given(tree=trees(SYNC_KINDS), limit=limits, bad=few)
def test_an_error_on_a_thread_arrives_and_leaves_nothing(way, error, tree, limit, bad):
    call_and_fail(lambda chain: call_sync(chain, way, 7, config(limit)), way, tree, bad, error)


@ERRORS
@pytest.mark.parametrize("way", ASYNC)
@tried
@given(tree=trees(KINDS), limit=limits, bad=few)
def test_an_error_under_a_loop_arrives_and_leaves_nothing(way, error, tree, limit, bad):
    call_and_fail(lambda chain: run(call_async(chain, way, 7, config(limit))), way, tree, bad, error)


@pytest.mark.parametrize("way", ASYNC)
@tried
@given(tree=trees(KINDS), limit=limits, steps=st.integers(0, 30), times=st.integers(1, 3))
def test_a_cancellation_at_any_step_leaves_nothing(way, tree, limit, steps, times):
    async def main():
        task = asyncio.create_task(call_async(build(tree), way, 7, config(limit)))
        for _ in range(steps):
            await asyncio.sleep(0)
        for _ in range(times):
            task.cancel()
            await asyncio.sleep(0)
        await asyncio.wait([task])
        return None if task.cancelled() else task.result()

    with nothing_left():
        came = run(main())
        assert came is None or outcome(way, came) == answer(tree, 7)


@tried
@given(tree=trees(SYNC_KINDS), limit=limits, taken=few)
def test_a_stream_left_after_any_part_leaves_nothing(tree, limit, taken):
    with nothing_left():
        with closing(build(tree).stream(7, config(limit))) as parts:
            for _ in zip(range(taken), parts, strict=False):
                pass


@tried
@given(tree=trees(KINDS), limit=limits, taken=few)
def test_an_astream_left_after_any_part_leaves_nothing(tree, limit, taken):
    async def main():
        async with aclosing(build(tree).astream(7, config(limit))) as parts:
            for _ in range(taken):
                await anext(parts, None)

    with nothing_left():
        run(main())


def interrupting(function, turn):
    """`function`, but its call number `turn` by the main thread is interrupted, as by Ctrl-C."""
    left = [turn]

    def interrupted(*args, **kwargs):
        if threading.current_thread() is threading.main_thread():
            left[0] -= 1
            if left[0] == -1:
                raise KeyboardInterrupt
        return function(*args, **kwargs)

    return interrupted


@pytest.mark.parametrize("way", SYNC)
@tried
@given(tree=trees(SYNC_KINDS), limit=limits, turn=few)
def test_an_interrupt_while_the_main_thread_waits_leaves_nothing(way, tree, limit, turn):
    """Simulated where it waits: for calls in `invoke` and `batch`, for the next part in `stream`."""

    class Queue(SimpleQueue):
        get = interrupting(SimpleQueue.get, turn)

    with nothing_left():
        with mock.patch.object(threads, "SimpleQueue", Queue):
            with mock.patch.object(thread_streams, "SimpleQueue", Queue):
                try:
                    came = call_sync(build(tree), way, 7, config(limit))
                except KeyboardInterrupt:
                    came = None
        assert came is None or outcome(way, came) == answer(tree, 7)
