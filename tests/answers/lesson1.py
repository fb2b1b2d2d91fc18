"""Right and wrong answers to the exercises of lesson 1."""

import asyncio
import runpy
from contextlib import suppress
from pathlib import Path

from answers import Right, Wrong, prediction, row
from lessons.lesson1_async_execution import event_loop
from lessons.lesson1_async_execution.event_loop import EventLoop, sleep

# --- gather for the toy loop


async def tasks_then_each(loop, coroutines):
    tasks = []
    for coroutine in coroutines:
        tasks.append(loop.create_task(coroutine, "one of many"))
    results = []
    for task in tasks:
        results.append(await task)
    return results


async def await_all_then_ask(loop, coroutines):
    tasks = [loop.create_task(each, str(number)) for number, each in enumerate(coroutines)]
    for task in reversed(tasks):
        await task
    return [task.result() for task in tasks]


# An answer in a notebook finds the loop and the task that the notebook has defined.
NOTEBOOK = runpy.run_path(str(Path(event_loop.__file__)))
exec(
    """
async def tasks_of_its_own(loop, coroutines):
    tasks = [Task(coroutine, "own") for coroutine in coroutines]
    for task in tasks:
        loop.make_ready(task)
    return [await task for task in tasks]
""",
    NOTEBOOK,
)


async def with_workers(loop, coroutines):
    results = [None] * len(coroutines)

    async def work(number, coroutine):
        results[number] = await coroutine

    for task in [loop.create_task(work(*pair), "work") for pair in enumerate(coroutines)]:
        await task
    return results


async def tasks_in_place_of_results(loop, coroutines):
    return [loop.create_task(each, "one") for each in coroutines]


async def one_after_another(loop, coroutines):
    return [await each for each in coroutines]


async def one_task_after_another(loop, coroutines):
    return [await loop.create_task(each, "one") for each in coroutines]


async def two_at_a_time(loop, coroutines):
    results = []
    for start in range(0, len(coroutines), 2):
        results += await tasks_then_each(loop, coroutines[start : start + 2])
    return results


async def as_they_end(loop, coroutines):
    results = []

    async def note(coroutine):
        results.append(await coroutine)

    await tasks_then_each(loop, [note(each) for each in coroutines])
    return results


async def on_a_loop_of_its_own(loop, coroutines):
    async def main():
        return await tasks_then_each(own, coroutines)

    own = EventLoop()
    return own.run(main())


async def failures_as_results(loop, coroutines):
    async def caught(coroutine):
        try:
            return await coroutine
        except Exception as error:
            return error

    return await tasks_then_each(loop, [caught(each) for each in coroutines])


async def failures_left_out(loop, coroutines):
    results = []
    for task in [loop.create_task(each, "one") for each in coroutines]:
        with suppress(Exception):
            results.append(await task)
    return results


async def only_the_first_failure_counts(loop, coroutines):
    """What fails first is raised, but the value of the others is read without asking for an error."""
    tasks = [loop.create_task(each, "one") for each in coroutines]
    for task in tasks[:1]:
        await task
    while not all(task.done for task in tasks):
        await sleep(0.01)
    return [task.value for task in tasks]


async def another_exception(loop, coroutines):
    try:
        return await tasks_then_each(loop, coroutines)
    except Exception as error:
        raise LookupError("a coroutine has failed") from error


async def fails_on_nothing(loop, coroutines):
    first, *others = [loop.create_task(each, "one") for each in coroutines]
    return [await first, *[await each for each in others]]


async def falsy_left_out(loop, coroutines):
    return [result for result in await tasks_then_each(loop, coroutines) if result]


async def none_for_falsy(loop, coroutines):
    return [result or None for result in await tasks_then_each(loop, coroutines)]


# --- an ainvoke that is concurrent


async def with_gather(branches, value):
    return dict(zip(branches, await asyncio.gather(*(branch(value) for branch in branches.values()))))


async def with_a_group(branches, value):
    async with asyncio.TaskGroup() as group:
        tasks = {name: group.create_task(branch(value)) for name, branch in branches.items()}
    return {name: task.result() for name, task in tasks.items()}


async def with_wait(branches, value):
    tasks = {name: asyncio.ensure_future(branch(value)) for name, branch in branches.items()}
    if tasks:
        await asyncio.wait(tasks.values())
    return {name: task.result() for name, task in tasks.items()}


async def with_as_completed(branches, value):
    results = dict.fromkeys(branches)

    async def run(name):
        results[name] = await branches[name](value)

    for next_one in asyncio.as_completed([run(name) for name in branches]):
        await next_one
    return results


async def each_awaited_at_once(branches, value):
    return {name: await asyncio.create_task(branch(value)) for name, branch in branches.items()}


async def pairs(branches, value):
    names, results = list(branches), {}
    while names:
        results |= await with_gather({name: branches[name] for name in names[:2]}, value)
        del names[:2]
    return results


async def in_order_of_ending(branches, value):
    results = {}

    async def run(name):
        results[name] = await branches[name](value)

    await asyncio.gather(*map(run, branches))
    return results


async def branch_failures_as_results(branches, value):
    results = await asyncio.gather(*(branch(value) for branch in branches.values()), return_exceptions=True)
    return dict(zip(branches, results))


async def branch_failures_left_out(branches, value):
    results = await branch_failures_as_results(branches, value)
    return {name: result for name, result in results.items() if not isinstance(result, Exception)}


async def wait_for_nothing(branches, value):
    tasks = {name: asyncio.create_task(branch(value)) for name, branch in branches.items()}
    await asyncio.wait(tasks.values())
    return {name: task.result() for name, task in tasks.items()}


async def branch_falsy_left_out(branches, value):
    return {name: result for name, result in (await with_gather(branches, value)).items() if result}


async def called_twice(branches, value):
    await with_gather(branches, value)
    return await with_gather(branches, value)


async def on_threads(branches, value):
    """One after the other: of two at the same time it is chance whether they meet."""
    return {name: await asyncio.to_thread(asyncio.run, branch(value)) for name, branch in branches.items()}


# --- the building step run_as_tasks


def named_tasks(calls):
    return [asyncio.create_task(call(), name=name) for name, call in calls.items()]


async def named_and_gathered(calls):
    return await asyncio.gather(*named_tasks(calls))


async def named_in_a_loop(calls):
    tasks, results = [], []
    for name in calls:
        task = asyncio.get_running_loop().create_task(calls[name]())
        task.set_name(name)
        tasks.append(task)
    for task in tasks:
        results += [await task]
    return results


async def named_and_waited_for(calls):
    tasks = named_tasks(calls)
    for task in reversed(tasks):
        await asyncio.wait([task])
    return [task.result() for task in tasks]


async def named_as_they_end(calls):
    return [await task for task in asyncio.as_completed(named_tasks(calls))]


async def named_with_failures_as_results(calls):
    return await asyncio.gather(*named_tasks(calls), return_exceptions=True)


async def named_in_a_group(calls):
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(call(), name=name) for name, call in calls.items()]
    return [task.result() for task in tasks]


async def named_and_waited_for_at_once(calls):
    tasks = named_tasks(calls)
    await asyncio.wait(tasks)
    return [task.result() for task in tasks]


async def named_without_falsy(calls):
    return [result for result in await named_and_gathered(calls) if result]


async def named_one_after_another(calls):
    return [await asyncio.create_task(call(), name=name) for name, call in calls.items()]


async def plain_awaits(calls):
    return [await call() for call in calls.values()]


async def named_twice(calls):
    await named_and_gathered(calls)
    return await named_and_gathered(calls)


async def without_names(calls):
    return await asyncio.gather(*(call() for call in calls.values()))


async def as_a_dict(calls):
    return dict(zip(calls, await named_and_gathered(calls)))


async def the_tasks_themselves(calls):
    return named_tasks(calls)


NO_CANCELLATION = "the toy loop cannot cancel"

ANSWERS = {
    "PREDICT_AN_ORDER": prediction("ACDBE", "A, C, D, B, E", "a\nc\nd\nb\ne", list("ACDBE")),
    "FIND_THE_BLOCKING_CALL": prediction("store", " Store ", ["store"]),
    "WRITE_GATHER": row(
        {
            "other right shapes": [
                Right(tasks_then_each),
                Right(await_all_then_ask),
                Right(NOTEBOOK["tasks_of_its_own"]),
                Right(with_workers),
            ],
            "order": [Wrong(as_they_end, "the last ends first")],
            "failure": [
                Wrong(failures_as_results, "the first of two fails"),
                Wrong(failures_left_out, "the first of two fails"),
                Wrong(another_exception, "the first of two fails"),
                Wrong(only_the_first_failure_counts, "the second of two fails"),
            ],
            "empty input": [Wrong(fails_on_nothing, "no coroutines")],
            "falsy results": [
                Wrong(falsy_left_out, "count as false"),
                Wrong(none_for_falsy, "count as false"),
            ],
            "one straggler": [
                Wrong(one_after_another, "the loop's clock"),
                Wrong(one_task_after_another, "the loop's clock"),
                Wrong(two_at_a_time, "the loop's clock"),
            ],
            "the resource really used": [
                Wrong(on_a_loop_of_its_own, "the loop's clock"),
                Wrong(tasks_in_place_of_results, "the results of two"),
            ],
        },
        cancellation_from_outside=NO_CANCELLATION,
        the_limit_at_three_values="it has no limit",
        **{"clean-up": f"{NO_CANCELLATION}, and what runs on after a failure is lesson 4's"},
    ),
    "RUN_AS_TASKS": row(
        {
            "other right shapes": [
                Right(named_and_gathered),
                Right(named_in_a_loop),
                Right(named_and_waited_for),
            ],
            "order": [Wrong(named_as_they_end, "in reverse order"), Wrong(as_a_dict, "as a list")],
            "failure": [
                Wrong(named_with_failures_as_results, "the exception of one"),
                Wrong(named_in_a_group, "the exception of one"),
            ],
            "empty input": [Wrong(named_and_waited_for_at_once, "no calls")],
            "falsy results": [Wrong(named_without_falsy, "count as false")],
            "one straggler": [
                Wrong(named_one_after_another, "waits for the second", patience=0.1),
                Wrong(plain_awaits, "waits for the second", patience=0.1),
            ],
            "the resource really used": [
                Wrong(named_twice, "the calls made"),
                Wrong(without_names, "the names of the tasks"),
                Wrong(the_tasks_themselves, "as a list"),
            ],
        },
        cancellation_from_outside="lesson 4 takes that up; this lesson's version leaves its tasks running",
        the_limit_at_three_values="it has no limit",
        **{"clean-up": "with all results there all tasks have ended; what a failure leaves is lesson 4's"},
    ),
    "MAKE_IT_CONCURRENT": row(
        {
            "other right shapes": [
                Right(with_gather),
                Right(with_a_group),
                Right(with_wait),
                Right(with_as_completed),
            ],
            "order": [Wrong(in_order_of_ending, "in reverse order")],
            "failure": [
                Wrong(branch_failures_as_results, "the exception of one"),
                Wrong(branch_failures_left_out, "the exception of one"),
            ],
            "empty input": [Wrong(wait_for_nothing, "no branches")],
            "falsy results": [Wrong(branch_falsy_left_out, "count as false")],
            "one straggler": [
                Wrong(each_awaited_at_once, "waits for the second", patience=0.1),
                Wrong(pairs, "in reverse order", patience=0.1),
            ],
            "the resource really used": [
                Wrong(called_twice, "the calls made"),
                Wrong(on_threads, "waits for the second", patience=0.1),
            ],
        },
        cancellation_from_outside="lesson 4 takes that up; this lesson's version leaves its tasks running",
        the_limit_at_three_values="it has no limit",
        **{"clean-up": "with all results there all tasks have ended; what a failure leaves is lesson 4's"},
    ),
}
