"""langchain-core and lessons side by side: what they share, and where they differ on purpose.

A test that takes `library` states what both do. A test under `differs` states what each of them does.
"""

import asyncio
import gc
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from contextvars import ContextVar
from functools import reduce
from itertools import product
from operator import add, itemgetter
from pathlib import Path
from types import SimpleNamespace

import pytest
from langchain_core import runnables
from langchain_core.runnables import base
from leftovers import PATIENCE
from ways import ASYNC, BATCHES, ONE, STREAMS, SYNC, WHOLE, call_async, collect

import lessons
from lessons.lesson3_concurrency_limits.crowd import Crowd

ROOT = Path(__file__).parents[2]
LANGCHAIN = SimpleNamespace(
    **{name: getattr(runnables, name, None) or getattr(base, name) for name in dir(lessons)}
)
LIBRARIES = {"langchain-core": LANGCHAIN, "lessons": lessons}
FIVE = {"max_concurrency": 5}
POOL = min(32, (getattr(os, "process_cpu_count", os.cpu_count)() or 1) + 4)  # threads of a default pool
USER = ContextVar("user", default="nobody")


@pytest.fixture(params=LIBRARIES)
def library(request):
    return LIBRARIES[request.param]


def differs(**seen):
    """Run a test with each library and with what is `seen` there."""
    cases = [("langchain-core", seen["langchain"]), ("lessons", seen["lessons"])]
    return pytest.mark.parametrize(("library", "seen"), cases, indirect=["library"], ids=LIBRARIES)


def ways(names):
    return pytest.mark.parametrize("way", names)


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 2 * PATIENCE))


def call(chain, way, value, config=None):
    return run(call_async(chain, way, value, config))


def identity(value):
    return value


async def give(value):
    return value


def fitting(way, function, afunction):
    """Of two twins the one for threads or the one for tasks."""
    return afunction if way in ASYNC else function


# --- What they share: results


class Relay:
    """Three branches, each of which ends only when the one declared after it has ended."""

    def __init__(self, way):
        self.turns = [(asyncio.Event if way in ASYNC else threading.Event)() for _ in range(4)]
        self.turns[3].set()
        self.ended = []
        kind = fitting(way, self.branch, self.abranch)
        self.branches = {name: kind(number) for number, name in enumerate("cab")}

    def branch(self, number):
        def wait_for_the_next(value):
            assert self.turns[number + 1].wait(PATIENCE)
            return self.end(number)

        return wait_for_the_next

    def abranch(self, number):
        async def wait_for_the_next(value):
            await self.turns[number + 1].wait()
            return self.end(number)

        return wait_for_the_next

    def end(self, number):
        self.ended.append(number)
        self.turns[number].set()
        return number


@ways(WHOLE)
def test_keys_come_in_declared_order_whatever_ends_first(library, way):
    relay = Relay(way)
    came = call(library.RunnableParallel(relay.branches), way, "x")
    assert list(dict.fromkeys(relay.ended)) == [2, 1, 0]
    for result in came if way in BATCHES else [came]:
        assert list(result.items()) == [("c", 0), ("a", 1), ("b", 2)]


@ways(WHOLE)
def test_an_empty_dict_gives_an_empty_dict(library, way):
    for chain in (library.RunnableParallel({}), library.RunnableParallel()):
        assert call(chain, way, "x") == ([{}, {}] if way in BATCHES else {})


@ways(STREAMS)
def test_an_empty_dict_has_no_parts(library, way):
    assert call(library.RunnableParallel({}), way, "x") == []


@ways(SYNC + ASYNC)
def test_all_branches_are_given_the_one_input(library, way):
    value, seen = object(), []
    call(library.RunnableParallel(a=seen.append, b={"c": seen.append, "d": seen.append}), way, value)
    assert len(seen) == (6 if way in BATCHES else 3)
    assert all(each is value for each in seen)


@ways(BATCHES)
def test_results_of_a_batch_come_in_the_order_of_the_inputs(library, way):
    """The second input ends before the first."""
    event = (asyncio.Event if way in ASYNC else threading.Event)()

    def function(value):
        if value == 2:
            event.set()
        return event.wait(PATIENCE) and value

    async def afunction(value):
        if value == 2:
            event.set()
        await event.wait()
        return value

    chain = library.RunnableLambda(fitting(way, function, afunction))
    assert run(amany(chain, way, [1, 2])) == [1, 2]


async def amany(chain, way, inputs, config=None, **more):
    """Call `chain` with many inputs, by `batch` or `abatch`."""
    came = getattr(chain, way)(inputs, config, **more)
    return await came if way == "abatch" else came


@ways(BATCHES)
def test_no_inputs_give_no_results(library, way):
    assert run(amany(library.RunnableParallel(a=str), way, [])) == []


@ways(WHOLE)
def test_a_chain_can_be_used_again(library, way):
    chain = library.RunnableParallel(a=str) | itemgetter("a")
    assert call(chain, way, 1) == call(chain, way, 1)
    assert call(chain, way, 2) != call(chain, way, 1)


# --- What they share: making runnables


@pytest.mark.parametrize("thing", ["text", 3, None, [len], {1, 2}])
def test_what_cannot_run_is_a_type_error(library, thing):
    for make in (
        library.coerce_to_runnable,
        lambda thing: library.RunnableParallel(a=thing),
        lambda thing: library.RunnableParallel({"a": {"b": thing}}),
        lambda thing: library.RunnableLambda(len) | thing,
    ):
        with pytest.raises(TypeError):
            make(thing)


def test_functions_dicts_and_runnables_are_coerced(library):
    runnable = library.RunnablePassthrough()
    assert library.coerce_to_runnable(runnable) is runnable
    assert isinstance(library.coerce_to_runnable(len), library.RunnableLambda)
    assert isinstance(library.coerce_to_runnable({"a": len}), library.RunnableParallel)


def test_branches_may_be_keywords(library):
    assert library.RunnableParallel(a=str, b=len).invoke("x") == {"a": "x", "b": 1}
    assert library.RunnableParallel({"a": str, "b": str}, b=len).invoke("x") == {"a": "x", "b": 1}


def test_map_is_another_name_for_parallel(library):
    assert library.RunnableMap is library.RunnableParallel


@pytest.mark.parametrize("branches", [[len], "text", 3])
def test_branches_that_are_no_dict(library, branches):
    with pytest.raises(TypeError):
        library.RunnableParallel(branches)


@ways(WHOLE)
def test_dicts_in_a_dict_run_too(library, way):
    came = call(library.RunnableParallel(a=str, b={"c": len, "d": {"e": str}}), way, "x")
    result = {"a": "x", "b": {"c": 1, "d": {"e": "x"}}}
    assert came == ([result, result] if way in BATCHES else result)


def test_a_later_change_of_the_dict_changes_nothing(library):
    branches = {"a": str}
    chain = library.RunnableParallel(branches)
    branches["b"] = len
    assert chain.invoke(1) == {"a": "1"}


@ways(SYNC + ASYNC)
def test_of_two_functions_the_fitting_one_is_called(library, way):
    async def afunc(value):
        return "afunc"

    chain = library.RunnableLambda(lambda value: "func", afunc)
    name = fitting(way, "func", "afunc")
    assert call(chain, way, 1) == (name if way in ONE else [name] * (2 if way in BATCHES else 1))


@pytest.mark.parametrize("functions", [("text",), (None,), (give, give)])
def test_functions_that_make_no_lambda(library, functions):
    with pytest.raises(TypeError):
        library.RunnableLambda(*functions)


@ways(SYNC)
def test_an_async_branch_is_refused_by_the_sync_ways(library, way):
    with pytest.raises(TypeError):
        call(library.RunnableParallel(a=give), way, 1)


@ways(ONE)
def test_a_function_may_choose_a_runnable(library, way):
    """The runnable that it returns is called with the same value."""
    text, length = library.RunnableLambda(str), library.RunnableParallel(n=len)
    chain = library.RunnableLambda(lambda value: length if isinstance(value, str) else text)
    assert call(chain, way, 3) == "3"
    assert call(chain, way, "abc") == {"n": 3}


def test_an_async_function_may_choose_a_runnable(library):
    async def choose(value):
        return library.RunnableLambda(str)

    assert call(library.RunnableLambda(choose), "ainvoke", 3) == "3"


@ways(ONE)
@pytest.mark.parametrize(
    ("config", "calls"), [({"recursion_limit": 0}, 1), ({"recursion_limit": 3}, 4), (None, 26)]
)
def test_the_recursion_limit_ends_an_endless_choice(library, way, config, calls):
    made = []

    def choose(value):
        made.append(value)
        return chain

    chain = library.RunnableLambda(choose)
    with pytest.raises(RecursionError):
        call(chain, way, 1, config)
    assert len(made) == calls


# --- What they share: sequences


def double(value):
    return 2 * value


@ways(WHOLE)
@pytest.mark.parametrize(
    "make",
    [
        lambda library: library.RunnableSequence(str, double, len),
        lambda library: library.RunnableLambda(str) | double | len,
        lambda library: str | (library.RunnableLambda(double) | len),
        lambda library: library.RunnableLambda(str).pipe(double, len),
        lambda library: {"a": str} | library.RunnableLambda(itemgetter("a")) | double | len,
        lambda library: library.RunnableLambda(str) | {"a": double} | itemgetter("a") | len,
    ],
    ids=["RunnableSequence", "or", "ror a function", "pipe", "ror a dict", "or a dict"],
)
def test_each_step_is_given_what_the_one_before_returned(library, way, make):
    assert call(make(library), way, 123) == ([6, 6] if way in BATCHES else 6)


def test_sequences_in_a_sequence_are_one(library):
    two = library.RunnableLambda(str) | len
    assert (
        len((two | two).steps)
        == len((str | two | str).steps)
        == 4
        == len(library.RunnableSequence(two, two).steps)
    )


def test_a_sequence_with_a_config_of_its_own_stays_one_step(library):
    two = library.RunnableLambda(str) | len
    assert len((two.with_config(tags=["own"]) | str).steps) == 2


@pytest.mark.parametrize("steps", [[], [len]])
def test_fewer_than_two_steps_are_no_sequence(library, steps):
    with pytest.raises(ValueError):
        library.RunnableSequence(*steps)


@ways(WHOLE)
def test_after_an_error_no_later_step_runs(library, way):
    made = []
    chain = library.RunnableLambda(lambda value: 1 // value) | made.append
    with pytest.raises(ZeroDivisionError):
        call(chain, way, 0)
    assert made == []


@ways(ONE)
def test_passthrough_gives_the_very_input(library, way):
    value = object()
    assert call(library.RunnablePassthrough(), way, value) is value
    assert call(library.RunnableParallel(a=library.RunnablePassthrough()), way, value)["a"] is value


@ways(ONE)
def test_assign_adds_keys(library, way):
    chain = library.RunnablePassthrough.assign(n=lambda value: value["x"] + 1, x=lambda value: -value["x"])
    value = {"x": 1, "y": 5}
    assert call(chain, way, value) == {"x": -1, "y": 5, "n": 2}
    assert value == {"x": 1, "y": 5}
    assert call(library.RunnableParallel(x=identity).assign(n=len), way, 1) == {"x": 1, "n": 1}


@ways(ONE)
def test_pick_gives_a_value_or_a_smaller_dict(library, way):
    chain = library.RunnableParallel(a=identity, b=str, c=identity)
    assert call(chain.pick("b"), way, 1) == "1"
    assert list(call(chain.pick(["c", "a"]), way, 1).items()) == [("c", 1), ("a", 1)]
    assert call(library.RunnablePick("a"), way, {"a": 1}) == 1


# --- What they share: context


@pytest.mark.parametrize(
    ("way", "kind"),
    [*product(SYNC + ASYNC, ["function"]), *product(ASYNC, ["async function"])],
)
@pytest.mark.parametrize("shape", ["parallel", "sequence"])
def test_context_variables_flow_in_and_never_out(library, way, kind, shape):
    seen = []

    def function(value):
        seen.append(USER.get())
        USER.set("changed")
        return value

    async def afunction(value):
        return function(value)

    each = function if kind == "function" else afunction
    shapes = {
        "parallel": library.RunnableParallel(a=each, b={"c": each, "d": each}),
        "sequence": library.RunnableLambda(each) | each | {"a": each, "b": each} | each,
    }

    async def main():
        USER.set("caller")
        await call_async(shapes[shape], way, 1, {"max_concurrency": 1})
        return USER.get()

    assert run(main()) == "caller"
    assert set(seen) == {"caller"}


def test_a_generator_keeps_its_context_from_part_to_part(library):
    seen = []

    def parts(value):
        USER.set("generator")
        for number in range(3):
            seen.append(USER.get())
            yield number

    for _ in library.RunnableLambda(parts).stream(1):
        seen.append(USER.get())
    assert seen == ["generator", "nobody"] * 3


# --- What they share: threads and tasks


def this_thread(value=None):
    return threading.current_thread()


def test_the_default_pool_is_capped(library):
    crowd = Crowd(POOL)
    library.RunnableParallel({f"{n}": crowd.call for n in range(2 * POOL)}).invoke(1)
    assert crowd.peak == POOL


def test_a_pool_lives_for_one_call(library):
    chain = library.RunnableParallel(a=this_thread)
    first, second = chain.invoke(1)["a"], chain.invoke(1)["a"]
    assert first is not second
    assert not first.is_alive() and not second.is_alive()


def test_each_level_has_a_pool_of_its_own(library):
    """In one shared pool of one thread, the inner branches would wait for ever for the outer one to end."""
    chain = library.RunnableParallel(a={"b": {"c": this_thread}}, d=this_thread)
    result = chain.invoke(1, {"max_concurrency": 1})
    assert result["a"]["b"]["c"] is not result["d"]


def test_a_batch_of_one_stays_in_the_callers_thread(library):
    chain = library.RunnableLambda(this_thread)
    assert chain.batch([1]) == [this_thread()]
    assert this_thread() not in chain.batch([1, 2])


def test_invoke_keeps_the_branches_off_the_callers_thread(library):
    def has_a_loop(value):
        with suppress(RuntimeError):
            return asyncio.get_running_loop()

    async def main():
        return library.RunnableParallel(a=this_thread, b=has_a_loop).invoke(1)

    result = run(main())
    assert result["a"] is not this_thread()
    assert result["b"] is None


@ways(SYNC)
def test_a_sync_way_blocks_the_running_loop(library, way):
    async def main():
        ran = []
        asyncio.get_running_loop().call_soon(ran.append, "callback")
        chain = library.RunnableParallel(a=str)
        came = (
            list(chain.stream(1)) if way == "stream" else getattr(chain, way)([1, 1] if way in BATCHES else 1)
        )
        blocked = ran == []
        await asyncio.sleep(0)
        return blocked, ran, came

    result = {"a": "1"}
    assert run(main()) == (
        True,
        ["callback"],
        {"invoke": result, "batch": [result] * 2, "stream": [result]}[way],
    )


@ways(ASYNC)
def test_functions_leave_the_loops_thread_and_async_functions_stay(library, way):
    seen = {}

    def function(value):
        seen["function"] = this_thread()

    async def afunction(value):
        seen["async function"] = this_thread()

    async def main():
        await call_async(library.RunnableParallel(a=function, b=afunction), way, 1)
        return this_thread()

    loops_thread = run(main())
    assert seen["async function"] is loops_thread
    assert seen["function"] is not loops_thread


def test_functions_under_ainvoke_share_the_loops_pool(library):
    crowd = Crowd(POOL)
    chain = library.RunnableParallel({f"{n}": crowd.call for n in range(2 * POOL)})
    run(chain.ainvoke(1))
    assert crowd.peak == POOL


# --- What they share: limits


def peak(library, way, *, size, config=None, own=None, count=20):
    """How many of `count` run at once: inputs of a batch, else branches. It takes `size` to let them end."""

    async def main():
        crowd = Crowd(size)
        function = fitting(way, crowd.call, crowd.acall)
        branches = {f"{number}": function for number in range(count)}
        many = way in BATCHES
        chain = library.RunnableLambda(function) if many else library.RunnableParallel(branches)
        if own is not None:
            chain = chain.with_config(own)
        await (amany(chain, way, [1] * count, config) if many else call_async(chain, way, 1, config))
        return crowd.peak

    return run(main())


LIMITED = ways(["invoke", "batch", "abatch", "stream"])


@LIMITED
def test_the_limit_is_the_peak(library, way):
    assert peak(library, way, size=5, config=FIVE) == 5
    assert peak(library, way, size=5, own=FIVE) == 5
    assert peak(library, way, size=1, config={"max_concurrency": 1}, count=5) == 1


@LIMITED
def test_the_calls_own_limit_wins(library, way):
    assert peak(library, way, size=5, own={"max_concurrency": 2}, config=FIVE) == 5
    assert peak(library, way, size=2, own=FIVE, config={"max_concurrency": 2}) == 2


@LIMITED
def test_an_empty_config_changes_nothing(library, way):
    assert peak(library, way, size=5, own=FIVE, config={}) == 5


def test_limits_of_nested_levels_multiply(library):
    crowd = Crowd(27)

    branches = crowd.call
    for _ in range(3):
        branches = {f"{number}": branches for number in range(3)}
    library.RunnableParallel(branches).invoke(1, {"max_concurrency": 3})
    assert crowd.peak == 27


def test_a_batch_is_limited_on_each_of_its_two_levels(library):
    """Ten inputs of twenty branches with a limit of 5: five inputs of five branches at a time."""
    crowd = Crowd(25)
    chain = library.RunnableParallel({f"{n}": crowd.call for n in range(20)})
    chain.batch(list(range(10)), FIVE)
    assert crowd.peak == 25


@ways(["invoke", "stream"])
def test_a_limit_reaches_the_parallel_in_a_sequence(library, way):
    crowd = Crowd(2)
    chain = library.RunnableLambda(str) | {f"{n}": crowd.call for n in range(6)}
    call(chain, way, 1, {"max_concurrency": 2})
    assert crowd.peak == 2


def test_a_limit_reaches_a_call_inside_a_function(library):
    crowd = Crowd(2)
    inner = library.RunnableParallel({f"{n}": crowd.call for n in range(6)})
    library.RunnableLambda(lambda value: inner.invoke(value)).invoke(1, {"max_concurrency": 2})
    assert crowd.peak == 2


def test_with_config_leaves_the_original_as_it_is(library):
    crowd = Crowd(4)
    chain = library.RunnableParallel({f"{n}": crowd.call for n in range(4)})
    assert chain.with_config(max_concurrency=1) is not chain
    chain.invoke(1)
    assert crowd.peak == 4


# --- What they share: tags and metadata


def tags_and_metadata(value, config):
    return config["tags"], config["metadata"]


async def atags_and_metadata(value, config):
    return tags_and_metadata(value, config)


@ways(SYNC + ASYNC)
def test_tags_and_metadata_add_up_down_the_tree(library, way):
    leaf = library.RunnableLambda(fitting(way, tags_and_metadata, atags_and_metadata))
    leaf = leaf.with_config(tags=["z", "a"], metadata={"leaf": 1})
    chain = library.RunnableParallel(b=leaf).with_config(tags=["m", "a"], metadata={"tree": 2})
    seen = {"b": (["a", "c", "m", "z"], {"leaf": 1, "tree": 2, "call": 3})}
    came = call(chain, way, 1, {"tags": ["c"], "metadata": {"call": 3}})
    assert came == (seen if way in ONE else [seen] * (2 if way in BATCHES else 1))


def test_with_config_again_replaces_a_key(library):
    chain = library.RunnableLambda(tags_and_metadata).with_config(tags=["first"], metadata={"first": 1})
    assert chain.with_config(tags=["second"]).invoke(1) == (["second"], {"first": 1})
    assert chain.with_config({"metadata": {"second": 2}}).invoke(1) == (["first"], {"second": 2})


def test_only_a_function_with_a_parameter_config_gets_it(library):
    def without(value, other="nothing"):
        return other

    def with_default(value, config=None):
        return config["tags"]

    chain = library.RunnableParallel(a=without, b=with_default)
    assert chain.invoke(1, {"tags": ["t"]}) == {"a": "nothing", "b": ["t"]}


@ways(ONE)
def test_a_call_inside_a_function_inherits(library, way):
    leaf = library.RunnableLambda(tags_and_metadata)
    outer = library.RunnableLambda(lambda value: leaf.invoke(value))
    assert call(outer, way, 1, {"tags": ["outer"], "metadata": {"x": 1}}) == (["outer"], {"x": 1})


def test_nothing_is_inherited_after_the_call(library):
    library.RunnableParallel(a=str).invoke(1, {"tags": ["t"]})
    assert library.RunnableLambda(tags_and_metadata).invoke(1) == ([], {})


@ways(BATCHES)
def test_each_input_may_have_a_config(library, way):
    chain = library.RunnableLambda(tags_and_metadata)
    configs = [{"tags": ["first"]}, {"metadata": {"second": 2}}]
    assert run(amany(chain, way, [1, 2], configs)) == [(["first"], {}), ([], {"second": 2})]


@ways(BATCHES)
@pytest.mark.parametrize("count", [0, 1, 3])
def test_too_few_or_too_many_configs(library, way, count):
    made = []
    with pytest.raises(ValueError):
        run(amany(library.RunnableLambda(made.append), way, [1, 2], [{}] * count))
    assert made == []


# --- What they share: errors


def test_invoke_waits_for_siblings_and_raises_the_first_in_declared_order(library):
    all_run, b_failed, a_failed, ended = threading.Barrier(3), threading.Event(), threading.Event(), []
    error = ValueError("a")

    def a(value):
        all_run.wait(PATIENCE)
        assert b_failed.wait(PATIENCE)
        a_failed.set()
        raise error

    def b(value):
        all_run.wait(PATIENCE)
        b_failed.set()
        raise KeyError("b")

    def c(value):
        all_run.wait(PATIENCE)
        assert a_failed.wait(PATIENCE)
        ended.append("c")

    before = threading.active_count()
    with pytest.raises(ValueError) as caught:
        library.RunnableParallel(a=a, b=b, c=c).invoke(1)
    assert caught.value is error
    assert ended == ["c"]
    assert threading.active_count() == before


def test_ainvoke_raises_the_first_in_time(library):
    async def main():
        b_failed, error = asyncio.Event(), KeyError("b")

        async def a(value):
            await b_failed.wait()
            raise ValueError("a")

        async def b(value):
            b_failed.set()
            raise error

        with pytest.raises(KeyError) as caught:
            await library.RunnableParallel(a=a, b=b).ainvoke(1)
        assert caught.value is error

    run(main())


def test_batch_raises_the_first_in_the_order_of_the_inputs(library):
    second_failed = threading.Event()

    def fails(value):
        if value == "second":
            second_failed.set()
        assert second_failed.wait(PATIENCE)
        raise ValueError(value)

    with pytest.raises(ValueError, match="first"):
        library.RunnableLambda(fails).batch(["first", "second"])


def test_abatch_raises_the_first_in_time(library):
    async def main():
        second_failed = asyncio.Event()

        async def fails(value):
            if value == "second":
                second_failed.set()
            await second_failed.wait()
            raise ValueError(value)

        # the first has to wait one step longer, as it is not woken before the second has failed
        with pytest.raises(ValueError, match="second"):
            await library.RunnableLambda(fails).abatch(["first", "second"])

    run(main())


@ways(BATCHES)
@pytest.mark.parametrize("inputs", [[0], [1, 0, 2, 0], [0, 0]])
def test_a_batch_may_return_its_exceptions(library, way, inputs):
    chain = library.RunnableParallel(a=lambda value: 6 // value) | itemgetter("a")
    came = run(amany(chain, way, inputs, return_exceptions=True))
    assert [type(each) for each in came] == [int if each else ZeroDivisionError for each in inputs]


@ways(WHOLE)
def test_an_error_deep_in_the_tree_arrives_bare(library, way):
    chain = library.RunnableLambda(str) | {"a": str, "b": {"c": lambda value: value.missing}}
    with pytest.raises(AttributeError) as caught:
        call(chain, way, 1)
    assert type(caught.value) is AttributeError


def test_a_cancelled_ainvoke_cancels_its_branches(library):
    async def main():
        running, seen = asyncio.Event(), []

        async def waits(value):
            running.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                seen.append("cancelled")
                raise

        task = asyncio.create_task(library.RunnableParallel(a={"b": waits}).ainvoke(1))
        await running.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return seen

    assert run(main()) == ["cancelled"]


# --- What they share: streams


def test_stream_hands_over_each_branch_as_it_ends(library):
    gates = {name: threading.Event() for name in "abc"}
    branches = {name: lambda value, gate=gate: gate.wait(PATIENCE) for name, gate in gates.items()}
    parts, came = library.RunnableParallel(branches).stream(1), []
    for name in "cab":
        gates[name].set()
        came.append(next(parts))
    assert came == [{"c": True}, {"a": True}, {"b": True}]
    assert list(parts) == []


def test_astream_hands_over_each_branch_as_it_ends(library):
    async def main():
        gates = {name: asyncio.Event() for name in "abc"}

        def branch(gate):
            async def waits(value):
                return await gate.wait()

            return waits

        chain = library.RunnableParallel({name: branch(gate) for name, gate in gates.items()})
        parts, came = chain.astream(1), []
        for name in "cab":
            gates[name].set()
            came.append(await anext(parts))
        return came, await collect(parts)

    assert run(main()) == ([{"c": True}, {"a": True}, {"b": True}], [])


def letters(value):
    yield from value


async def aletters(value):
    for letter in value:
        yield letter


@ways(STREAMS)
def test_what_a_generator_function_yields_are_parts(library, way):
    assert call(library.RunnableLambda(fitting(way, letters, aletters)), way, "abc") == ["a", "b", "c"]


@ways(ONE)
def test_the_parts_of_a_generator_add_up_to_its_result(library, way):
    chain = library.RunnableLambda(fitting(way, letters, aletters))
    assert call(chain, way, "abc") == "abc"
    assert call(chain, way, [[1], [2]]) == [1, 2]
    assert call(chain, way, "") is None


def test_an_async_generator_is_refused_by_the_sync_ways(library):
    for way in SYNC:
        with pytest.raises(TypeError):
            call(library.RunnableLambda(aletters), way, "abc")


@ways(STREAMS)
def test_the_parts_add_up_to_the_whole(library, way):
    generator = library.RunnableLambda(fitting(way, letters, aletters))
    chain = library.RunnableLambda(str) | {
        "text": identity,
        "letters": generator,
        "deep": {"n": len, "letters": generator, "one": {"more": identity}},
    }
    parts = call(chain, way, 12345)
    assert len(parts) == 13
    assert reduce(add, parts) == call(chain, fitting(way, "invoke", "ainvoke"), 12345)


@ways(STREAMS)
def test_a_function_downstream_waits_for_the_whole_dict(library, way):
    seen = []
    chain = library.RunnableParallel(a=str, b=str, c={"d": str}) | seen.append
    assert call(chain, way, 1) == [None]
    assert seen == [{"a": "1", "b": "1", "c": {"d": "1"}}]


@ways(STREAMS)
def test_assign_streams_its_input_first(library, way):
    chain = library.RunnablePassthrough.assign(n=len, x=lambda value: value["x"] + 1)
    first, *others = call(chain, way, {"x": 1, "y": 2})
    assert first == {"y": 2}
    assert reduce(add, others) == {"n": 2, "x": 2}


@ways(STREAMS)
def test_nothing_runs_before_the_first_part_is_asked_for(library, way):
    made = []

    async def main():
        getattr(library.RunnableParallel(a=made.append), way)(1)

    run(main())
    assert made == []


@ways(STREAMS)
def test_parts_that_came_before_an_error_are_handed_over(library, way):
    async def main():
        event = (threading if way == "stream" else asyncio).Event()

        def fails(value):
            assert event.wait(PATIENCE)
            raise LookupError("no such review")

        async def afails(value):
            await event.wait()
            raise LookupError("no such review")

        parts = getattr(library.RunnableParallel(a=fitting(way, fails, afails), b=str), way)(1)
        came = await anext(parts) if way == "astream" else next(parts)
        event.set()
        with pytest.raises(LookupError):
            await anext(parts) if way == "astream" else next(parts)
        return came

    assert run(main()) == {"b": "1"}


# --- Where they differ: limits


def outcome(function, *args, **kwargs):
    """What a call returned, or the name of the exception that it raised."""
    try:
        return function(*args, **kwargs)
    except Exception as error:
        return type(error).__name__


@differs(langchain=100, lessons=5)
@ways(["ainvoke", "astream"])
def test_how_many_of_a_hundred_tasks_run_under_a_limit_of_five(library, seen, way):
    assert peak(library, way, size=seen, config=FIVE, count=100) == seen


@differs(langchain=20, lessons=4)
def test_how_many_of_ten_branches_an_input_run_in_an_abatch_with_a_limit_of_two(library, seen):
    crowd = Crowd(seen)
    chain = library.RunnableParallel({f"{number}": crowd.acall for number in range(10)})
    run(chain.abatch([1] * 4, {"max_concurrency": 2}))
    assert crowd.peak == seen


@pytest.mark.parametrize("limit", [2, POOL + 3])
@pytest.mark.parametrize("name", LIBRARIES)
def test_how_many_functions_run_under_a_limited_ainvoke(name, limit):
    """langchain-core: as many as the loop's default pool has threads. lessons: as many as the limit says."""
    seen = POOL if name == "langchain-core" else limit
    crowd = Crowd(seen)
    chain = LIBRARIES[name].RunnableParallel({f"{number}": crowd.call for number in range(2 * seen)})
    run(chain.ainvoke(1, {"max_concurrency": limit}))
    assert crowd.peak == seen


@differs(langchain=4, lessons=2)
def test_which_of_two_limits_holds_inside_a_tree(library, seen):
    """The tree is called with a limit of 4, a parallel in it has one of 2 by with_config."""
    crowd = Crowd(seen)
    inner = library.RunnableParallel({f"{number}": crowd.call for number in range(8)})
    library.RunnableParallel(a=inner.with_config(max_concurrency=2)).invoke(1, {"max_concurrency": 4})
    assert crowd.peak == seen


@differs(langchain=2, lessons=4)
def test_whether_none_in_a_call_lifts_the_limit_of_with_config(library, seen):
    own = {"max_concurrency": 2}
    assert peak(library, "invoke", size=seen, own=own, config={"max_concurrency": None}, count=4) == seen


BAD_LIMITS = [0, -1, 2.5, True, "5"]
BY_THE_POOL = ["ValueError", "ValueError", "runs", "runs", "TypeError"]
IGNORED = ["runs"] * 5
BAD_LIMITS_IN_LANGCHAIN = {  # what comes of each of them; in lessons it is always a ValueError
    "with_config": ["runs", "runs", "ValidationError", "runs", "runs"],
    "invoke": BY_THE_POOL,
    "batch": BY_THE_POOL,
    "stream": BY_THE_POOL,
    "ainvoke": IGNORED,
    "astream": IGNORED,
    "abatch": ["hangs", "ValueError", "runs", "runs", "TypeError"],
}


def try_limit(library, way, limit):
    """What comes of a call with `limit`: "runs", "hangs" or the name of an exception."""
    chain = library.RunnableParallel(a=fitting(way, identity, give), b=library.RunnablePassthrough())
    config = {"max_concurrency": limit}

    async def main():
        task = asyncio.create_task(call_async(chain, way, 1, config))
        for _ in range(1000):  # no more than a few dozen steps are needed
            await asyncio.sleep(0)
            if task.done():
                await task
                return "runs"
        task.cancel()
        return "hangs"

    if way == "with_config":
        return outcome(lambda: chain.with_config(config) and "runs")
    return outcome(lambda: run(main()))


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")  # what hangs in langchain-core's abatch
@pytest.mark.parametrize("limit", BAD_LIMITS)
@ways(BAD_LIMITS_IN_LANGCHAIN)
def test_what_langchain_makes_of_a_bad_limit(way, limit):
    seen = BAD_LIMITS_IN_LANGCHAIN[way][BAD_LIMITS.index(limit)]
    assert try_limit(LANGCHAIN, way, limit) == seen
    gc.collect()  # it is never awaited, and told when it is collected


@pytest.mark.parametrize("limit", BAD_LIMITS)
@ways(BAD_LIMITS_IN_LANGCHAIN)
def test_lessons_have_one_rule_for_a_bad_limit(way, limit):
    assert try_limit(lessons, way, limit) == "ValueError"


@ways(BAD_LIMITS_IN_LANGCHAIN)
def test_a_good_limit_runs_in_both(library, way):
    assert try_limit(library, way, 1) == "runs"


@differs(langchain="runs", lessons="ValueError")
@pytest.mark.parametrize("key", ["max_concurency", "timeout", "step_timeout"])
@ways(BAD_LIMITS_IN_LANGCHAIN)
def test_an_unknown_config_key(library, seen, way, key):
    """There is no timeout in either library; langchain-core takes the key and says nothing."""
    chain, config = library.RunnableParallel(a=str), {key: 1e-9}
    if way == "with_config":
        assert outcome(lambda: chain.with_config(config) and "runs") == seen
    else:
        assert outcome(lambda: call(chain, way, 1, config) and "runs") == seen


@differs(langchain="runs", lessons="TypeError")
@ways(SYNC + ASYNC)
def test_a_keyword_argument_that_no_branch_is_given(library, seen, way):
    async def main():
        chain = library.RunnableParallel(a=str)
        came = getattr(chain, way)([1, 2] if way in BATCHES else 1, limit=5)
        if way in STREAMS:
            assert (await collect(came) if way == "astream" else list(came)) == [{"a": "1"}]
        return await came if way in ("ainvoke", "abatch") else came

    assert outcome(lambda: run(main()) and "runs") == seen


# --- Where they differ: errors, cancellation, Ctrl-C


def no_review(value):
    raise LookupError("no such review")


@differs(langchain=["b", "c"], lessons=[])
def test_which_queued_branches_run_after_a_failure_under_invoke(library, seen):
    made = []
    chain = library.RunnableParallel(
        a=no_review, b=lambda value: made.append("b"), c=lambda value: made.append("c")
    )
    with pytest.raises(LookupError):
        chain.invoke(1, {"max_concurrency": 1})
    assert made == seen


class Sibling:
    """A branch that waits until it is released or cancelled, and logs which."""

    def __init__(self):
        self.running, self.released, self.ended = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.log = []

    async def branch(self, value):
        self.running.set()
        try:
            await self.released.wait()
            self.log.append("sibling runs on")
        except asyncio.CancelledError:
            self.log.append("sibling is cancelled")
            raise
        finally:
            self.ended.set()

    async def fail_beside(self, value):
        await self.running.wait()
        raise LookupError("no such review")

    async def release(self):
        """Release it after what is next in the log."""
        self.released.set()
        await self.ended.wait()
        return self.log


@differs(
    langchain=["the error arrives", "sibling runs on"],
    lessons=["sibling is cancelled", "the error arrives"],
)
@ways(["ainvoke", "astream"])
def test_what_becomes_of_a_sibling_after_a_failure(library, seen, way):
    async def main():
        sibling = Sibling()
        chain = library.RunnableParallel(a=sibling.branch, b=sibling.fail_beside)
        with pytest.raises(LookupError):
            await call_async(chain, way, 1)
        sibling.log.append("the error arrives")
        return await sibling.release()

    assert run(main()) == seen


@differs(
    langchain=["the error arrives", "sibling runs on"],
    lessons=["sibling is cancelled", "the error arrives"],
)
def test_what_becomes_of_the_other_inputs_after_a_failure(library, seen):
    async def main():
        sibling = Sibling()
        chain = library.RunnableLambda(
            lambda value: library.RunnableLambda(sibling.branch if value == "a" else sibling.fail_beside)
        )
        with pytest.raises(LookupError):
            await chain.abatch(["a", "b"])
        sibling.log.append("the error arrives")
        return await sibling.release()

    assert run(main()) == seen


@differs(
    langchain=["the stream is closed", "sibling runs on"],
    lessons=["sibling is cancelled", "the stream is closed"],
)
def test_what_becomes_of_a_branch_when_an_astream_is_left_early(library, seen):
    async def main():
        sibling = Sibling()
        parts = library.RunnableParallel(a=sibling.branch, b=give).astream(1)
        assert await anext(parts) == {"b": 1}
        await sibling.running.wait()
        await parts.aclose()
        sibling.log.append("the stream is closed")
        return await sibling.release()

    assert run(main()) == seen


@differs(langchain=True, lessons=False)
def test_whether_the_last_queued_branch_runs_when_a_stream_is_left_early(library, seen):
    made = []
    chain = library.RunnableParallel(a=str, b=str, c=made.append)
    parts = chain.stream(1, {"max_concurrency": 1})
    assert next(parts) == {"a": "1"}
    parts.close()
    assert bool(made) == seen


@differs(langchain=[], lessons=["another failure: KeyError('b') in branch 'b'"])
def test_where_a_second_failure_is_told(library, seen):
    async def main():
        b_runs, a_failed, b_failed = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def a(value):
            await b_runs.wait()
            a_failed.set()
            raise LookupError("a")

        async def b(value):
            b_runs.set()
            try:
                await a_failed.wait()
                await asyncio.sleep(0)  # lessons cancel it here or the line before
            finally:
                b_failed.set()
                raise KeyError("b")

        with pytest.raises(LookupError) as caught:
            await library.RunnableParallel(a=a, b=b).ainvoke(1)
        await b_failed.wait()
        return [note for note in getattr(caught.value, "__notes__", []) if "another" in note]

    assert run(main()) == seen


@differs(langchain=[], lessons=["in branch 'deep'", "in branch 'b'"])
@ways(SYNC + ASYNC)
def test_which_notes_say_where_an_error_comes_from(library, seen, way):
    chain = library.RunnableParallel(a=str, b=library.RunnableLambda(str) | {"deep": no_review})
    with pytest.raises(LookupError) as caught:
        call(chain, way, 1)
    notes = getattr(caught.value, "__notes__", [])
    # On threads, the other input of a batch may have failed, too, before it could be stopped.
    notes = [note for note in notes if not note.startswith("another failure")]
    assert notes[:2] == seen
    assert [note.startswith("in inputs[") for note in notes[2:]] == (
        [True] if seen and way in BATCHES else []
    )


INTERRUPTED = """
import importlib, signal, sys, threading
from concurrent.futures import ThreadPoolExecutor

RunnableParallel = importlib.import_module(sys.argv[1]).RunnableParallel
all_submitted, interrupted, shutting_down, ran = *(threading.Event() for _ in range(3)), []
submit, shutdown = ThreadPoolExecutor.submit, ThreadPoolExecutor.shutdown

def counting_submit(self, *args):
    future = submit(self, *args)
    self.count = getattr(self, "count", 0) + 1
    if self.count == 4:
        all_submitted.set()
    return future

def noting_shutdown(self, wait=True, *, cancel_futures=False):
    shutdown(self, wait=False, cancel_futures=cancel_futures)
    shutting_down.set()
    shutdown(self, wait=wait)

def raise_once(number, frame):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    interrupted.set()
    raise KeyboardInterrupt

def running(value):
    ran.append("running")
    all_submitted.wait(60)
    while not interrupted.wait(0.01):  # one that comes just before the main thread waits does not wake it
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
    shutting_down.wait(60)

ThreadPoolExecutor.submit, ThreadPoolExecutor.shutdown = counting_submit, noting_shutdown
signal.signal(signal.SIGINT, raise_once)
queued = {name: lambda value, name=name: ran.append(name) for name in "bcd"}
try:
    RunnableParallel({"a": running, **queued}).invoke(1, {"max_concurrency": 1})
except KeyboardInterrupt:
    print(*ran)
"""


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs a signal sent to one thread")
@pytest.mark.parametrize(
    ("module", "ran"),
    [("langchain_core.runnables", "running b c d\n"), ("lessons", "running\n")],
    ids=LIBRARIES,
)
def test_which_queued_branches_run_after_ctrl_c_under_invoke(module, ran):
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, module], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.stdout == ran, done.stderr


# --- Where they differ: tasks and steps


def tasks_per_branch(library, count=10):
    async def main():
        crowd, seen, before = Crowd(count), [], len(asyncio.all_tasks())

        async def branch(value):
            await crowd.acall(value)
            seen.append(len(asyncio.all_tasks()) - before)

        await library.RunnableParallel({f"{number}": branch for number in range(count)}).ainvoke(1)
        return seen[0] / count

    return run(main())


def test_langchain_needs_three_tasks_a_branch_or_more():
    assert tasks_per_branch(LANGCHAIN) >= 3


def test_lessons_need_one_task_a_branch_and_one_for_the_call():
    assert tasks_per_branch(lessons) == 1.1


@differs(langchain=False, lessons=True)
def test_whether_an_input_of_a_batch_gets_ahead_of_the_others(library, seen):
    """In langchain-core no input has its second step before all have had their first."""
    second_step = threading.Event()
    patience = PATIENCE if seen else 0.1  # where it does not happen, there is nothing to wait for

    def first(value):
        return second_step.wait(patience) if value == "slow" else value

    def second(value):
        second_step.set()
        return value

    chain = library.RunnableLambda(first) | second
    assert chain.batch(["quick", "slow"]) == ["quick", seen]


# --- Where they differ: tags and metadata


@differs(langchain=["inner"], lessons=["inner", "outer"])
def test_tags_of_a_call_inside_a_function(library, seen):
    inner = library.RunnableLambda(tags_and_metadata).with_config(tags=["inner"])
    outer = library.RunnableLambda(lambda value: inner.invoke(value))
    assert outer.invoke(1, {"tags": ["outer"]})[0] == seen


@differs(langchain={"who": "the call"}, lessons={"who": "the branch"})
def test_whose_metadata_win_inside_a_tree(library, seen):
    branch = library.RunnableLambda(tags_and_metadata).with_config(metadata={"who": "the branch"})
    result = library.RunnableParallel(a=branch).invoke(1, {"metadata": {"who": "the call"}})
    assert result["a"][1] == seen


# --- Where they differ: functions, generators, streams


async def seven(value):
    return 7


@differs(langchain="coroutine", lessons="int")
def test_what_ainvoke_makes_of_a_function_that_returns_a_coroutine(library, seen):
    result = call(library.RunnableLambda(lambda value: seven(value)), "ainvoke", 1)
    assert type(result).__name__ == seen
    if seen == "coroutine":
        result.close()


@differs(langchain="coroutine", lessons="TypeError")
def test_what_invoke_makes_of_a_function_that_returns_a_coroutine(library, seen):
    result = outcome(library.RunnableLambda(lambda value: seven(value)).invoke, 1)
    if seen == "coroutine":
        assert asyncio.iscoroutine(result)
        result.close()
    else:
        assert result == seen


@differs(langchain="TypeError", lessons=["a", "b", "c"])
def test_a_generator_function_under_astream(library, seen):
    assert outcome(call, library.RunnableLambda(letters), "astream", "abc") == seen


@differs(langchain=[{"x": 1}, {"y": 1}], lessons=["x", "y"])
def test_what_a_bare_generator_function_is_given(library, seen):
    """langchain-core makes a RunnableGenerator of it, which is given an iterator of the parts before it."""

    def each(value):
        yield from value

    chain = library.RunnableParallel(x=identity, y=identity) | {"each": each}
    came = [part["each"] for part in chain.stream(1)]
    assert sorted(came, key=str) == seen


@differs(langchain={"b": 2}, lessons="TypeError")
def test_parts_that_cannot_be_added(library, seen):
    def parts(value):
        yield {"a": 1}
        yield {"b": 2}

    assert outcome(library.RunnableLambda(parts).invoke, 1) == seen


@differs(langchain=2, lessons=1)
@pytest.mark.parametrize(
    "make",
    [
        lambda library, two: two | library.RunnablePassthrough(),
        lambda library, two: two.pick(["a", "b"]),
        lambda library, two: library.RunnableLambda(lambda value: two),
    ],
    ids=["passthrough", "pick", "a function that returns a runnable"],
)
@ways(STREAMS)
def test_how_many_parts_come_through(library, seen, make, way):
    chain = make(library, library.RunnableParallel(a=str, b=str))
    parts = call(chain, way, 1)
    assert len(parts) == seen
    assert reduce(add, parts) == {"a": "1", "b": "1"}


@differs(langchain=[None, {"a": 1}, None], lessons=["KeyError", "KeyError", "KeyError"])
def test_picking_a_key_that_is_not_there(library, seen):
    picks = ["z", ["a", "z"], ["z"]]
    assert [outcome(library.RunnablePick(keys).invoke, {"a": 1}) for keys in picks] == seen


@differs(langchain="ValueError", lessons="TypeError")
@ways(ONE)
def test_picking_from_or_adding_to_what_is_no_dict(library, seen, way):
    for chain in (library.RunnablePick("a"), library.RunnablePassthrough.assign(a=str)):
        assert outcome(call, chain, way, 1) == seen


@differs(langchain=["1", "2"], lessons="TypeError")
@ways(BATCHES)
def test_inputs_of_a_batch_in_a_tuple(library, seen, way):
    assert outcome(lambda: run(amany(library.RunnableLambda(str), way, (1, 2)))) == seen
