"""Lesson 1: the toy loop, run_as_tasks, RunnableParallel; what is said of asyncio and langchain-core."""

import ast
import asyncio
import inspect
import textwrap
from functools import partial

import pytest
from langchain_core.runnables import RunnableParallel as LangChainParallel

from helpers import record
from lessons.lesson1_async_execution import exercises
from lessons.lesson1_async_execution.event_loop import EventLoop, Task, sleep
from lessons.lesson1_async_execution.runnable_parallel import RunnableParallel
from lessons.lesson1_async_execution.tasks import run_as_tasks

# --- the toy loop


async def nap(name, seconds):
    await sleep(seconds)
    return name


def test_sleeps_overlap_and_end_by_their_due_time():
    events = []
    loop = EventLoop(observe=lambda event, name: events.append((event, name)))

    async def main():
        naps = {"long": 0.03, "short": 0.01, "middle": 0.02}
        tasks = [loop.create_task(nap(name, seconds), name) for name, seconds in naps.items()]
        return [await task for task in tasks]

    assert loop.run(main()) == ["long", "short", "middle"]
    assert loop.now == 0.03
    assert [name for event, name in events if event == "done"] == ["short", "middle", "long", "main"]
    assert [name for event, name in events if event == "sleep"] == ["long", "short", "middle"]


def test_of_two_timers_due_at_once_the_first_set_wins():
    loop = EventLoop()
    ended = []

    async def note(name):
        await sleep(0.001)
        ended.append(name)

    async def main():
        for task in [loop.create_task(note(name), name) for name in "abc"]:
            await task

    loop.run(main())
    assert ended == ["a", "b", "c"]


def test_create_task_runs_nothing():
    loop = EventLoop()
    task = loop.create_task(nap("later", 0), "later")
    assert not task.done
    assert list(loop.ready) == [task]
    loop.run(nap("main", 0.001))
    assert task.done


def test_a_failure_reaches_whoever_awaits_the_task():
    loop = EventLoop()

    async def fail():
        raise ValueError("no answer")

    async def main():
        task = loop.create_task(fail(), "fail")
        with pytest.raises(ValueError, match="no answer"):
            await task
        with pytest.raises(ValueError, match="no answer"):
            await task  # done already: raises again, at once
        return "caught"

    assert loop.run(main()) == "caught"
    with pytest.raises(ValueError, match="no answer"):
        EventLoop().run(fail())


def test_a_loop_that_can_never_go_on_says_so():
    async def never():
        pass

    async def main():
        await Task(never, "never driven")

    with pytest.raises(RuntimeError, match="deadlock: every task waits"):
        EventLoop().run(main())


def test_a_second_run_goes_on_where_the_clock_stood():
    loop = EventLoop()
    loop.run(nap("first", 0.01))
    loop.run(nap("second", 0.01))
    assert loop.now == pytest.approx(0.02)


# --- run_as_tasks and RunnableParallel


async def first_waits_for_second(branches_class):
    """Two branches of which the first ends only when the second has run."""
    event = asyncio.Event()

    async def first(value):
        await event.wait()
        return "first", value

    async def second(value):
        event.set()
        return "second", value

    return await asyncio.wait_for(branches_class({"first": first, "second": second}).ainvoke(7), timeout=60)


def test_branches_overlap_and_keys_keep_their_order():
    result = asyncio.run(first_waits_for_second(RunnableParallel))
    assert list(result.items()) == [("first", ("first", 7)), ("second", ("second", 7))]


def test_no_branches_give_an_empty_dict():
    assert asyncio.run(RunnableParallel({}).ainvoke(1)) == {}


def test_one_task_a_branch_named_after_it():
    async def own_name(value):
        return asyncio.current_task().get_name()

    assert asyncio.run(RunnableParallel({"a": own_name, "b": own_name}).ainvoke(0)) == {"a": "a", "b": "b"}


def test_a_failing_branch_raises_its_own_exception():
    async def fail(value):
        raise LookupError("no such review")

    async def fine(value):
        return value

    with pytest.raises(LookupError, match="no such review"):
        asyncio.run(RunnableParallel({"fine": fine, "fail": fail}).ainvoke(1))


def test_a_later_change_of_the_callers_dict_changes_nothing():
    async def same(value):
        return value

    branches = {"a": same}
    chain = RunnableParallel(branches)
    branches["b"] = "nonsense"
    assert asyncio.run(chain.ainvoke(1)) == {"a": 1}


def test_run_as_tasks_takes_any_calls():
    async def add(left, right):
        await asyncio.sleep(0)
        return left + right

    calls = {str(number): partial(add, number, 1) for number in range(5)}
    assert asyncio.run(run_as_tasks(calls)) == [1, 2, 3, 4, 5]
    assert asyncio.run(run_as_tasks({})) == []


async def good(value):
    return value


@pytest.mark.parametrize(
    ("branches", "message"),
    [
        ([good], "branches is a list; it must be a dict"),
        (None, "branches is a NoneType; it must be a dict"),
        ({"a": good, 3: good}, "branch name 3 is a int; it must be a str"),
        ({"a": good, "b": "text"}, "branch 'b' is a str; it must be an async function"),
        ({"b": len}, "branch 'b' is a builtin_function_or_method; it must be an async function"),
        ({"b": None}, "branch 'b' is a NoneType; it must be an async function"),
    ],
)
def test_bad_branches_are_told_by_name(branches, message):
    with pytest.raises(TypeError, match=message):
        RunnableParallel(branches)


# --- awaiting and pausing


def send_until_done(*coroutines):
    """As take_turns of the lesson: one step each, in turn."""
    ready = list(coroutines)
    while ready:
        current = ready.pop(0)
        try:
            current.send(None)
        except StopIteration:
            continue
        ready.append(current)


@pytest.mark.parametrize(("pauses", "order"), [(False, "A1 A2 B1 B2"), (True, "A1 B1 A2 B2")])
def test_a_coroutine_runs_to_its_first_pause_and_not_to_its_first_await(pauses, order):
    async def awaited():
        if pauses:
            await sleep(0)

    async def count_to_two(name):
        seen.append(f"{name}1")
        await awaited()
        seen.append(f"{name}2")

    seen = []
    send_until_done(count_to_two("A"), count_to_two("B"))
    assert seen == order.split()

    async def on_asyncio():
        await asyncio.gather(on_asyncio_count("A"), on_asyncio_count("B"))

    async def on_asyncio_count(name):
        seen.append(f"{name}1")
        await (asyncio.sleep(0) if pauses else awaited())
        seen.append(f"{name}2")

    seen = []
    asyncio.run(on_asyncio())
    assert seen == order.split()


def test_asyncio_has_one_kind_of_request():
    async def requests():
        found = []
        for coroutine in asyncio.sleep(1), asyncio.sleep(0), asyncio.wait_for(asyncio.Event().wait(), 1):
            found.append(coroutine.send(None))
            coroutine.close()
        return found

    timer, turn, event = asyncio.run(requests())
    assert isinstance(timer, asyncio.Future) and isinstance(event, asyncio.Future) and turn is None


def test_neither_loop_understands_the_requests_of_the_other():
    async def on_the_toy_loop():
        with pytest.raises(TypeError, match="'float' and '_asyncio.Future'"):
            EventLoop().run(asyncio.sleep(1))

    asyncio.run(on_the_toy_loop())
    with pytest.raises(RuntimeError, match="Task got bad yield: 1"):
        asyncio.run(nap("summary", 1))


# --- the real thing


def test_langchain_core_gathers_as_the_lesson_shows():
    source = textwrap.dedent(inspect.getsource(LangChainParallel.ainvoke))
    (block,) = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Try)]
    calls = [ast.unparse(node.func) for node in ast.walk(block) if isinstance(node, ast.Call)]
    assert "asyncio.gather" in calls


@pytest.mark.parametrize("branches", [1, 3])
def test_langchain_core_makes_four_tasks_a_branch_and_one_for_the_whole(branches):
    async def branch(value):
        return value

    async def main():
        chain = LangChainParallel({f"b{number}": branch for number in range(branches)})
        await chain.ainvoke(1)  # modules are loaded
        with record() as recording:
            await chain.ainvoke(1)
        return [unit for unit in recording.units.values() if unit.kind == "task" and unit.parent is not None]

    assert len(asyncio.run(main())) == 4 * branches + 1


# --- the exercises


def test_the_predicted_order_is_what_the_code_prints():
    printed = []

    async def one():
        printed.append("A")
        await sleep(0)
        printed.append("B")

    async def two():
        printed.append("C")

    async def three():
        printed.append("D")
        await sleep(0)
        await sleep(0)
        printed.append("E")

    send_until_done(one(), two(), three())
    assert exercises.PREDICT_AN_ORDER["cases"][0]["expect"] == "".join(printed)
