"""Lesson 1: the toy loop, run_as_tasks, RunnableParallel, and the exercises' own solutions."""

import asyncio
from functools import partial

import pytest

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


# --- the exercises


async def gather(loop, coroutines):
    tasks = [loop.create_task(each, str(number)) for number, each in enumerate(coroutines)]
    return [await task for task in tasks]


async def gather_one_after_another(loop, coroutines):
    return [await each for each in coroutines]


async def ainvoke(branches, value):
    tasks = {name: asyncio.create_task(branch(value)) for name, branch in branches.items()}
    return {name: await task for name, task in tasks.items()}


async def ainvoke_one_after_another(branches, value):
    return {name: await asyncio.create_task(branch(value)) for name, branch in branches.items()}


def passes(case, answer):
    try:
        return case.get("run", lambda value: value)(answer) == case["expect"]
    except TimeoutError:  # a case that waits for branches to overlap
        return False


def outcomes(exercise, answer):
    return [passes(case, answer) for case in exercise["cases"]]


def test_the_right_answers_pass_every_case():
    assert all(outcomes(exercises.WRITE_GATHER, gather))
    assert all(outcomes(exercises.MAKE_IT_CONCURRENT, ainvoke))


def test_the_typical_mistake_fails_the_case_that_is_about_it():
    assert outcomes(exercises.WRITE_GATHER, gather_one_after_another) == [True, True, False, True]
    assert outcomes(exercises.MAKE_IT_CONCURRENT, ainvoke_one_after_another) == [False, False, True]


@pytest.mark.parametrize("answer", ["ACDBE", "a c d b e", list("ACDBE")])
def test_a_predicted_order_may_be_written_in_several_ways(answer):
    assert outcomes(exercises.PREDICT_AN_ORDER, answer) == [True]


def test_results_by_time_of_ending_are_not_accepted():
    async def in_order_of_ending(branches, value):
        tasks = {asyncio.create_task(branch(value)): name for name, branch in branches.items()}
        ended = []
        for task, name in tasks.items():
            task.add_done_callback(lambda task, name=name: ended.append((name, task.result())))
        await asyncio.gather(*tasks)
        return dict(ended)

    assert not all(outcomes(exercises.MAKE_IT_CONCURRENT, in_order_of_ending))


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

    ready = [one(), two(), three()]
    while ready:
        current = ready.pop(0)
        try:
            current.send(None)
        except StopIteration:
            continue
        ready.append(current)
    assert exercises.PREDICT_AN_ORDER["cases"][0]["expect"] == "".join(printed)
