"""Right and wrong answers to the exercises of lesson 1."""

import asyncio
import heapq
import runpy
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path

from answers import Right, Wrong, prediction, row
from lessons.lesson1_async_execution import event_loop
from lessons.lesson1_async_execution.event_loop import EventLoop, Task, sleep

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


# --- the building step take_turns


def with_a_list(*coroutines):
    ready = list(coroutines)
    while ready:
        current = ready.pop(0)
        with suppress(StopIteration):
            current.send(None)
            ready.append(current)


def round_by_round(*coroutines):
    """The same order: each round drives those that have not ended, in their order."""
    alive = list(coroutines)
    while alive:
        still = []
        for each in alive:
            try:
                each.send(None)
            except StopIteration:
                continue
            still.append(each)
        alive = still


def one_to_its_end(*coroutines):
    for each in coroutines:
        with suppress(StopIteration):
            while True:
                each.send(None)


def back_to_the_front(*coroutines):
    ready = deque(coroutines)
    while ready:
        current = ready.popleft()
        with suppress(StopIteration):
            current.send(None)
            ready.appendleft(current)


def all_end_with_the_first(*coroutines):
    ready = deque(coroutines)
    while ready:
        current = ready.popleft()
        try:
            current.send(None)
        except StopIteration:
            return
        ready.append(current)


def two_rounds_only(*coroutines, rounds=2):
    for _ in range(rounds):
        for each in coroutines:
            with suppress(StopIteration, RuntimeError):  # RuntimeError: it has ended already
                each.send(None)


def three_rounds_only(*coroutines):
    two_rounds_only(*coroutines, rounds=3)


def failures_end_a_coroutine(*coroutines):
    ready = deque(coroutines)
    while ready:
        current = ready.popleft()
        with suppress(Exception):
            current.send(None)
            ready.append(current)


def takes_the_first_unasked(*coroutines):
    ready = deque(coroutines)
    while True:
        current = ready.popleft()
        with suppress(StopIteration):
            current.send(None)
            ready.append(current)
        if not ready:
            return


# --- the building step suspend


def push(loop, due, task):
    heapq.heappush(loop.timers, (due, next(loop.number), task))


def number_first(self, task, request):
    if not isinstance(request, Task):
        self.observe("sleep", task.name)
        push(self, self.now + request, task)
        return
    request.waiters.append(task)
    self.observe("wait", task.name)


def by_match(self, task, request):
    match request:
        case int() | float():
            push(self, self.now + request, task)
            self.observe("sleep", task.name)
        case _:
            request.waiters += [task]
            self.observe("wait", task.name)


def latest_first(self, task, request):
    if isinstance(request, Task):
        number_first(self, task, request)
    else:
        self.observe("sleep", task.name)
        push(self, -(self.now + request), task)


def by_number_alone(self, task, request):
    if isinstance(request, Task):
        number_first(self, task, request)
    else:
        self.observe("sleep", task.name)
        self.timers.append((self.now + request, next(self.number), task))


def from_the_beginning(self, task, request):
    if isinstance(request, Task):
        number_first(self, task, request)
    else:
        self.observe("sleep", task.name)
        push(self, request, task)


def without_a_number(self, task, request):
    if isinstance(request, Task):
        number_first(self, task, request)
    else:
        self.observe("sleep", task.name)
        heapq.heappush(self.timers, (self.now + request, task))


def with_one_number(self, task, request):
    if isinstance(request, Task):
        number_first(self, task, request)
    else:
        self.observe("sleep", task.name)
        heapq.heappush(self.timers, (self.now + request, 0, task))


def only_true_numbers(self, task, request):
    if isinstance(request, Task) or request:
        number_first(self, task, request)


def only_one_waiter(self, task, request):
    if isinstance(request, Task):
        self.observe("wait", task.name)
        request.waiters = [task]
    else:
        number_first(self, task, request)


def says_nothing(self, task, request):
    if isinstance(request, Task):
        request.waiters.append(task)
    else:
        push(self, self.now + request, task)


# --- the building step future_sleep


async def with_call_at(seconds):
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    timer = loop.call_at(loop.time() + seconds, lambda: future.set_result(None))
    try:
        await future
    finally:
        timer.cancel()


async def cancels_when_cancelled(seconds):
    future = asyncio.Future()
    timer = asyncio.get_running_loop().call_later(seconds, future.set_result, None)
    try:
        return await future
    except asyncio.CancelledError:
        timer.cancel()
        raise


async def with_asyncios_own(seconds):
    await asyncio.sleep(seconds)


async def leaves_its_timer(seconds):
    future = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(seconds, future.set_result, None)
    await future


async def blocks_the_thread(seconds):
    time.sleep(seconds)


async def wakes_at_once(seconds):
    future = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(future.set_result, None)
    await future


async def sleeps_on_a_thread(seconds):
    await asyncio.to_thread(time.sleep, seconds)


async def gives_the_seconds(seconds):
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    timer = loop.call_later(seconds, future.set_result, seconds)
    try:
        return await future
    finally:
        timer.cancel()


async def swallows_the_cancellation(seconds):
    with suppress(asyncio.CancelledError):
        await with_call_at(seconds)


# --- the building step off_the_loop


def by_an_executor(function):
    async def branch(value):
        return await asyncio.get_running_loop().run_in_executor(None, function, value)

    return branch


def with_a_partial(function):
    async def branch(value):
        return await asyncio.to_thread(partial(function, value))

    return branch


def on_the_loop(function):
    async def branch(value):
        return function(value)

    return branch


def one_worker_for_all(function):
    pool = ThreadPoolExecutor(1)

    async def branch(value):
        return await asyncio.get_running_loop().run_in_executor(pool, function, value)

    return branch


def joins_a_thread(function):
    async def branch(value):
        results = []
        thread = threading.Thread(target=lambda: results.append(function(value)))
        thread.start()
        thread.join()
        return results[0]

    return branch


def falsy_as_none(function):
    async def branch(value):
        return await asyncio.to_thread(function, value) or None

    return branch


def failure_as_result(function):
    async def branch(value):
        try:
            return await asyncio.to_thread(function, value)
        except Exception as error:
            return error

    return branch


# --- the building step ainvoke


def as_method(function):
    async def ainvoke(self, value):
        return await function(self.branches, value)

    return ainvoke


async def in_two_lists(self, value):
    tasks = [asyncio.create_task(branch(value)) for branch in self.branches.values()]
    results = {}
    for name, task in zip(self.branches, tasks):
        results[name] = await task
    return results


NO_CANCELLATION = "the toy loop cannot cancel"

NO_LIMIT = "it has no limit"
NO_FUTURE = "it makes no branches"

ANSWERS = {
    "IS_IT_A_PAUSE": prediction("ABCD", "a b c d", list("ABCD")),
    "NEVER_AWAITED": prediction("third", " Third "),
    "HOW_MANY_AT_ONCE": prediction(2, "2", [2]),
    "TAKE_TURNS": row(
        {
            "other right shapes": [Right(with_a_list), Right(round_by_round)],
            "order": [Wrong(one_to_its_end, "pause once each"), Wrong(back_to_the_front, "pause once each")],
            "failure": [Wrong(failures_end_a_coroutine, "a coroutine fails")],
            "empty input": [Wrong(takes_the_first_unasked, "no coroutines")],
            "one straggler": [
                Wrong(two_rounds_only, "a pauses twice"),
                Wrong(three_rounds_only, "alone"),
                Wrong(all_end_with_the_first, "pause once each"),
            ],
        },
        cancellation_from_outside=NO_CANCELLATION,
        falsy_results="it returns nothing",
        the_limit_at_three_values=NO_LIMIT,
        the_resource_really_used="one thread, the caller's, is all there is",
        **{"clean-up": "what a failure leaves behind is not part of it"},
    ),
    "SUSPEND": row(
        {
            "other right shapes": [Right(number_first), Right(by_match)],
            "order": [
                Wrong(latest_first, "the loop's clock"),
                Wrong(by_number_alone, "who wakes when"),
                Wrong(without_a_number, "the loop's clock"),
                Wrong(with_one_number, "three naps"),
            ],
            "falsy results": [Wrong(only_true_numbers, "0 seconds")],
            "one straggler": [Wrong(from_the_beginning, "naps twice")],
            "the resource really used": [
                Wrong(only_one_waiter, "await the same one", patience=0.1),
                Wrong(says_nothing, "what the loop tells"),
            ],
        },
        failure="a request cannot fail",
        cancellation_from_outside=NO_CANCELLATION,
        empty_input="it gets one request at a time",
        the_limit_at_three_values=NO_LIMIT,
        **{"clean-up": "it leaves nothing but the request"},
    ),
    "FUTURE_SLEEP": row(
        {
            "other right shapes": [Right(with_call_at), Right(cancels_when_cancelled)],
            "order": [Wrong(blocks_the_thread, "who comes first"), Wrong(wakes_at_once, "takes that long")],
            "cancellation from outside": [Wrong(swallows_the_cancellation, "cancelled half-way")],
            "falsy results": [Wrong(gives_the_seconds, "the result")],
            "the resource really used": [
                Wrong(with_asyncios_own, "calls of asyncio.sleep"),
                Wrong(sleeps_on_a_thread, "the timers"),
            ],
            "clean-up": [Wrong(leaves_its_timer, "cancelled half-way")],
        },
        failure="nothing in it fails",
        empty_input=NO_FUTURE,
        one_straggler=NO_FUTURE,
        the_limit_at_three_values=NO_LIMIT,
    ),
    "OFF_THE_LOOP": row(
        {
            "other right shapes": [Right(by_an_executor), Right(with_a_partial)],
            "failure": [Wrong(failure_as_result, "the function fails")],
            "falsy results": [Wrong(falsy_as_none, "counts as false")],
            "the limit at three values": [Wrong(one_worker_for_all, "both are under way", patience=0.1)],
            "the resource really used": [Wrong(on_the_loop, "from another thread")],
            "one straggler": [Wrong(joins_a_thread, "both are under way", patience=0.1)],
        },
        order="there is one call",
        cancellation_from_outside="a thread cannot be cancelled; lesson 4 takes that up",
        empty_input="there is one call, with one value",
        **{"clean-up": "the loop's executor ends with the loop"},
    ),
    "AINVOKE": row(
        {
            "other right shapes": [
                Right(as_method(with_gather)),
                Right(as_method(with_a_group)),
                Right(in_two_lists),
            ],
            "order": [Wrong(as_method(in_order_of_ending), "in reverse order")],
            "failure": [Wrong(as_method(branch_failures_as_results), "the exception of one")],
            "empty input": [Wrong(as_method(wait_for_nothing), "no branches")],
            "falsy results": [Wrong(as_method(branch_falsy_left_out), "count as false")],
            "one straggler": [
                Wrong(as_method(each_awaited_at_once), "waits for the second", patience=0.1),
                Wrong(as_method(pairs), "in reverse order", patience=0.1),
            ],
            "the resource really used": [Wrong(as_method(called_twice), "the calls made")],
        },
        cancellation_from_outside="lesson 4 takes that up; this lesson's version leaves its tasks running",
        the_limit_at_three_values=NO_LIMIT,
        **{"clean-up": "with all results there all tasks have ended; what a failure leaves is lesson 4's"},
    ),
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
