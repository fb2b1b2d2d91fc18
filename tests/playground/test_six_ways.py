"""The experiments of the quick reference, on libraries whose answers are known."""

import asyncio
import threading

import pytest
from langchain_core.runnables import RunnableLambda as LangChainLambda
from langchain_core.runnables import RunnableParallel as LangChainParallel

from helpers.playground import six_ways
from helpers.playground.six_ways import WAYS, call, hands_over_early, sibling_of_an_error, watch
from lessons import RunnableLambda, RunnableParallel

OURS, LANGCHAIN = (RunnableParallel, RunnableLambda), (LangChainParallel, LangChainLambda)
EACH_WAY = pytest.mark.parametrize("way", WAYS)


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 60))


@EACH_WAY
def test_a_call_gives_what_the_way_gives(way):
    assert (
        run(call(RunnableParallel(same=str), way))
        == {
            "invoke": {"same": "input 0"},
            "batch": [{"same": "input 0"}, {"same": "input 1"}],
            "stream": [{"same": "input 0"}],
        }[way.removeprefix("a")]
    )


def test_another_way_is_told():
    with pytest.raises(ValueError, match="way must be one of invoke, batch, .*, not 'map'"):
        run(call(RunnableParallel(length=len), "map"))


@EACH_WAY
def test_what_is_watched_in_ours(way):
    seen = run(watch(way, OURS, 6, {"max_concurrency": 2}))
    inputs = 2 if way.endswith("batch") else 1
    assert seen.peak == 2 * inputs
    assert seen.mechanism == ("tasks" if way.startswith("a") else "threads")
    assert (seen.threads > 0) == (seen.mechanism == "threads")
    assert (seen.tasks > 0) == (seen.mechanism == "tasks")


def test_a_limit_that_is_ignored_is_seen():
    assert run(watch("ainvoke", LANGCHAIN, 6, {"max_concurrency": 2})).peak == 6


@pytest.mark.parametrize("library", [OURS, LANGCHAIN], ids=["ours", "langchain"])
@pytest.mark.parametrize("way", ["batch", "abatch"])
def test_a_limit_on_the_inputs_is_seen(way, library):
    assert run(watch(way, library, 1, {"max_concurrency": 2}, inputs=6)).peak == 2


@EACH_WAY
@pytest.mark.parametrize("library", [OURS, LANGCHAIN], ids=["ours", "langchain"])
def test_each_branch_has_a_task_or_a_thread_of_its_own(way, library):
    seen, branches = run(watch(way, library, 3)), 6 if way.endswith("batch") else 3
    assert (seen.own_tasks, seen.threads) == ((branches, 0) if way.startswith("a") else (0, branches))


@EACH_WAY
@pytest.mark.parametrize("library", [OURS, LANGCHAIN], ids=["ours", "langchain"])
def test_who_hands_over_early(way, library):
    assert run(hands_over_early(way, library)) == way.endswith("stream")


@EACH_WAY
def test_the_sibling_of_an_error(way, monkeypatch):
    monkeypatch.setattr(six_ways, "LINGER", 0.3)
    ours, theirs = (run(sibling_of_an_error(way, library)) for library in (OURS, LANGCHAIN))
    if way.startswith("a"):
        assert (ours, theirs) == ("is cancelled, and waited for", "runs on in the background")
    else:
        assert ours == theirs == "runs to its end, and is waited for"


# --- Nothing is left of an experiment that is stopped, or whose chain fails


def workers(loop):
    """The threads of the loop's own pool. An idle one may wait for ever."""
    pool = loop._default_executor
    return pool._threads if pool else set()


EXPERIMENTS = {
    "watch": lambda way, library: watch(way, library, 20, {"max_concurrency": 5}),
    "early": hands_over_early,
    "error": sibling_of_an_error,
}


@EACH_WAY
@pytest.mark.parametrize("library", [OURS, LANGCHAIN], ids=["ours", "langchain"])
@pytest.mark.parametrize("experiment", EXPERIMENTS.values(), ids=EXPERIMENTS)
def test_nothing_is_left_of_a_cancelled_experiment(experiment, library, way):
    """PATIENCE and LINGER stay as they are: what waits for them would be seen."""

    async def main():
        threads, tasks, started = set(threading.enumerate()), asyncio.all_tasks(), asyncio.Event()
        loop = asyncio.get_running_loop()
        parallel, function = library

        def observed(func, afunc):
            def first(value):
                loop.call_soon_threadsafe(started.set)
                return func(value)

            async def afirst(value):
                started.set()
                return await afunc(value)

            return function(first, afunc=afirst)

        task = asyncio.create_task(experiment(way, (parallel, observed)))
        await started.wait()
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        assert asyncio.all_tasks() == tasks
        assert set(threading.enumerate()) - threads <= workers(loop)
        assert await asyncio.gather(*[asyncio.to_thread(int) for _ in range(40)])  # no worker is held

    run(main())


@EACH_WAY
def test_an_experiment_whose_chain_fails_hands_the_error_on(way):
    with pytest.raises(ValueError, match="max_concurrency"):
        run(watch(way, OURS, 3, {"max_concurrency": 0}))
