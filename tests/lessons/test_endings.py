"""Random trees of branches that end badly, on every way: whatever happens, the call ends and leaves nothing.

A tree is as in test_properties.py, with leaves of more kinds: they swallow a cancellation, fail while they
clean up, end with a CancelledError or a BaseException of their own. What happens to a call is drawn as well.
"""

import asyncio
import faulthandler
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, closing, contextmanager
from queue import SimpleQueue
from unittest import mock

import pytest
from budgets import examples
from hypothesis import given
from hypothesis import strategies as st
from leftovers import PATIENCE, Stop, nothing_left
from test_properties import SYNC_KINDS, config, few, interrupting, limits, trees
from ways import ASYNC, SYNC, call_async, call_sync

from lessons import RunnableLambda, RunnableParallel, RunnablePassthrough, RunnableSequence
from lessons.lesson2_thread_pools import pool, threads
from lessons.lesson5_synchronization import thread_streams

tried = examples(60, 300)
EAGER = pytest.mark.parametrize(
    "eager",
    [
        False,
        pytest.param(
            True, marks=pytest.mark.skipif(sys.version_info < (3, 12), reason="tasks are eager from 3.12 on")
        ),
    ],
)


ERRORS = [LookupError, asyncio.CancelledError, Stop]
SYNC_ENDINGS = [*SYNC_KINDS, "slow function", "careless generator"]
ENDINGS = [*SYNC_ENDINGS, "async function", "async generator", "stubborn", "stubborn generator", "careless"]


@pytest.fixture(autouse=True)
def no_hang():
    """A call that hangs ends the whole test run, with the stack of every thread."""
    faulthandler.dump_traceback_later(60 * PATIENCE, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


class Leaves:
    """Makes the functions of leaves; those with the number `bad` raise `error`. Counts open generators."""

    def __init__(self, bad=None, error=None):
        self.bad, self.error = bad, error
        self.opened = self.closed = 0
        self.lock = threading.Lock()

    def check(self, number):
        if number == self.bad:
            raise self.error("no such review")

    @contextmanager
    def open(self):
        with self.lock:
            self.opened += 1
        try:
            yield
        finally:
            with self.lock:
                self.closed += 1

    def make(self, kind, number):
        def function(value):
            self.check(number)
            return [number]

        def slow(value):
            threading.Event().wait(0.0005)
            return function(value)

        def generator(value):
            with self.open():
                yield [number]
                self.check(number)
                yield [number]

        def careless_generator(value):
            with self.open():
                try:
                    yield [number]
                    self.check(number)
                    yield [number]
                finally:
                    raise KeyError("while cleaning up")

        async def afunction(value):
            for _ in range(number % 4):
                await asyncio.sleep(0)
            return function(value)

        async def agenerator(value):
            with self.open():
                yield [number]
                await asyncio.sleep(0)
                self.check(number)
                yield [number]

        async def stubborn(value):
            try:
                for _ in range(number):
                    await asyncio.sleep(0)
            except asyncio.CancelledError:
                await asyncio.sleep(0)
            return function(value)

        async def stubborn_generator(value):
            with self.open():
                for _ in range(4):
                    try:
                        await asyncio.sleep(0)
                    except asyncio.CancelledError:
                        asyncio.current_task().uncancel()
                    yield [number]

        async def careless(value):
            try:
                await asyncio.sleep(0)
                return function(value)
            except asyncio.CancelledError:
                raise KeyError("while cleaning up") from None

        return {
            "function": function,
            "slow function": slow,
            "generator": generator,
            "careless generator": careless_generator,
            "async function": afunction,
            "async generator": agenerator,
            "stubborn": stubborn,
            "stubborn generator": stubborn_generator,
            "careless": careless,
        }[kind]

    def build(self, tree):
        kind, content, *limit = tree
        if kind == "parallel":
            chain = RunnableParallel({name: self.build(branch) for name, branch in content.items()})
            return chain.with_config(max_concurrency=limit[0])
        if kind == "sequence":
            return RunnableSequence(*map(self.build, content))
        return RunnablePassthrough() if kind == "passthrough" else RunnableLambda(self.make(kind, content))


@contextmanager
def an_end(leaves):
    """Inside the block a call ends in any way at all, and leaves no thread and no open generator."""
    with nothing_left():
        try:
            yield
        except (*ERRORS, KeyError, KeyboardInterrupt, TypeError):  # a TypeError: parts that do not add up
            pass
    assert leaves.opened == leaves.closed


def run_to_its_end(main, eager=False):
    """Run `main`, an async function, on a loop of its own; no task is left when it ends."""
    left, ended = [], []

    async def watched():
        if eager:
            asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        try:
            async with asyncio.timeout(3 * PATIENCE):
                return await main()
        except TimeoutError:
            ended.append("hangs")
        finally:
            left.extend(asyncio.all_tasks() - {asyncio.current_task()})

    try:
        return asyncio.run(watched())
    finally:
        assert (left, ended) == ([], [])


def interrupted_submit(turn):
    """A pool's submit; call number `turn` of the main thread is interrupted when it has started a worker."""
    interrupt = interrupting(lambda: None, turn)

    def submit(executor, /, *args, **kwargs):
        future = ThreadPoolExecutor.submit(executor, *args, **kwargs)
        interrupt()
        return future

    return submit


broken = st.tuples(few, st.sampled_from(ERRORS))
PLACES, NEVER = ["submit", "get"], 1_000_000


@pytest.mark.parametrize("way", SYNC)
@tried
@given(tree=trees(SYNC_ENDINGS), limit=limits, broken=broken, at=st.sampled_from(PLACES), turn=few, taken=few)
def test_a_call_on_threads_ends_whatever_happens(way, tree, limit, broken, at, turn, taken):
    """A leaf fails, the main thread is interrupted while it submits or waits, or a stream is left early."""

    class Pool(pool.Pool):
        submit = interrupted_submit(turn if at == "submit" else NEVER)

    class Queue(SimpleQueue):
        get = interrupting(SimpleQueue.get, turn if at == "get" else NEVER)

    leaves = Leaves(*broken)
    with (
        an_end(leaves),
        mock.patch.object(threads, "SimpleQueue", Queue),
        mock.patch.object(threads, "Pool", Pool),
        mock.patch.object(thread_streams, "Pool", Pool),
        mock.patch.object(thread_streams, "SimpleQueue", Queue),
    ):
        if way == "stream":
            with closing(leaves.build(tree).stream(7, config(limit))) as parts:
                for _ in zip(range(taken), parts, strict=False):
                    pass
        else:
            call_sync(leaves.build(tree), way, 7, config(limit))


@EAGER
@pytest.mark.parametrize("way", ASYNC)
@tried
@given(tree=trees(ENDINGS), limit=limits, broken=broken)
def test_a_call_of_tasks_ends_when_a_branch_ends_badly(way, eager, tree, limit, broken):
    leaves = Leaves(*broken)

    with an_end(leaves):
        run_to_its_end(lambda: call_async(leaves.build(tree), way, 7, config(limit)), eager)


@EAGER
@pytest.mark.parametrize("way", ASYNC)
@tried
@given(tree=trees(ENDINGS), limit=limits, broken=broken, steps=st.integers(0, 40), times=st.integers(1, 3))
def test_a_call_of_tasks_ends_when_it_is_cancelled(way, eager, tree, limit, broken, steps, times):
    leaves = Leaves(*broken)

    async def main():
        task = asyncio.create_task(call_async(leaves.build(tree), way, 7, config(limit)))
        for _ in range(steps):
            await asyncio.sleep(0)
        for _ in range(times):
            task.cancel()
            await asyncio.sleep(0)
        await task

    with an_end(leaves):
        run_to_its_end(main, eager)


@EAGER
@tried
@given(tree=trees(ENDINGS), limit=limits, broken=broken, taken=few)
def test_a_stream_of_tasks_ends_when_it_is_left(eager, tree, limit, broken, taken):
    leaves = Leaves(*broken)

    async def main():
        async with aclosing(leaves.build(tree).astream(7, config(limit))) as parts:
            for _ in range(taken):
                await anext(parts, None)

    with an_end(leaves):
        run_to_its_end(main, eager)
