"""The experiments behind the ledger of lesson 6, on libraries whose answers are known."""

import asyncio
import sys
import threading

import pytest
from langchain_core.runnables import RunnableLambda as LangChainLambda
from langchain_core.runnables import RunnableParallel as LangChainParallel

from helpers.playground import claims
from helpers.playground.six_ways import WAYS
from lessons import RunnableLambda, RunnableParallel

OURS, LANGCHAIN = (RunnableParallel, RunnableLambda), (LangChainParallel, LangChainLambda)
EACH_LIBRARY = pytest.mark.parametrize("library", [OURS, LANGCHAIN], ids=["ours", "langchain"])
MECHANISMS = {way: "tasks" if way.startswith("a") else "threads" for way in WAYS}


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 60))


@EACH_LIBRARY
def test_the_method_decides_and_not_the_place(library):
    assert run(claims.in_a_cell(library)) == MECHANISMS
    assert claims.in_a_script(library) == MECHANISMS


class InPlace(RunnableParallel):
    """A parallel whose `invoke` uses no thread, and whose `ainvoke` uses one."""

    def invoke(self, value, config=None):
        return {name: branch.invoke(value) for name, branch in self.branches.items()}

    async def ainvoke(self, value, config=None):
        return await asyncio.to_thread(self.invoke, value)


def test_another_mechanism_is_seen():
    seen = run(claims.in_a_cell((InPlace, RunnableLambda)))
    assert (seen["invoke"], seen["ainvoke"]) == ("the caller's thread", "threads")


def test_every_thread_is_counted_that_a_call_starts():
    async def three_threads():
        asyncio.get_running_loop().call_soon(threading.Thread(target=int).start)
        await asyncio.to_thread(lambda: threading.Thread(target=int).start())

    assert run(claims.threads_made(three_threads)) == 3
    assert run(claims.threads_made(lambda: asyncio.sleep(0))) == 0


def test_threads_that_others_start_are_not_counted():
    async def call():
        others.set()
        await asyncio.to_thread(started.wait, 60)

    def another():
        others.wait(60)
        threading.Thread(target=int).start()
        started.set()

    others, started = threading.Event(), threading.Event()
    threading.Thread(target=another).start()
    assert run(claims.threads_made(call)) == 1


def test_a_look_up_makes_a_thread():
    async def look_up():
        await asyncio.get_running_loop().getaddrinfo("localhost", 80)

    assert run(claims.threads_made(look_up)) == 1


def test_what_a_counted_call_raises_is_raised_and_threads_start_as_before():
    async def fails():
        raise KeyError("no")

    start = threading.Thread.start
    with pytest.raises(KeyError):
        run(claims.threads_made(fails))
    assert threading.Thread.start is start


@EACH_LIBRARY
def test_which_ways_make_threads(library):
    assert {way: run(claims.threads_of(way, library)) > 0 for way in WAYS} == {
        way: not way.startswith("a") for way in WAYS
    }
    assert run(claims.threads_of("ainvoke", library, plain=True)) > 0


def test_what_an_error_tells():
    shared = {
        "the traceback shows the line that failed": True,
        "the traceback shows the call of the chain": True,
        "the stack in a branch shows the call of the chain": False,
    }
    assert claims.debugging(LANGCHAIN) == shared | {"the error names its branch": False}
    assert claims.debugging(OURS) == shared | {"the error names its branch": True}
    in_place = claims.debugging((InPlace, RunnableLambda))
    assert in_place["the stack in a branch shows the call of the chain"]


def test_who_lets_others_run():
    assert list(claims.gil().values()) == [True, True, False]
    met = threading.Event()
    assert claims.lets_others_run(lambda: met.wait(60), met.set)
    assert not claims.lets_others_run(lambda: sum(range(1000)))


def test_the_switch_interval_is_put_back():
    before = sys.getswitchinterval()
    with pytest.raises(ZeroDivisionError):
        claims.lets_others_run(lambda: 1 / 0)
    assert sys.getswitchinterval() == before
