"""Right and wrong answers to the exercises of lesson 6."""

import asyncio
from contextlib import suppress

import anyio

from answers import Right, Wrong, prediction, row

# --- Fan-outs that are right


async def with_wait(calls, limit, seconds):
    permits, results = asyncio.Semaphore(limit), {}

    async def run(name, call):
        async with permits:
            with suppress(Exception):
                results[name] = await call()

    tasks = [asyncio.create_task(run(*item)) for item in calls.items()]
    try:
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return results


async def with_gather(calls, limit, seconds):
    permits, results = asyncio.Semaphore(limit), {}

    async def run(name, call):
        async with permits:
            try:
                results[name] = await call()
            except Exception:
                return

    runs = asyncio.gather(*(run(*item) for item in calls.items()), return_exceptions=True)
    try:
        await asyncio.wait_for(runs, seconds)
    except TimeoutError:
        pass
    return results


async def with_workers(calls, limit, seconds):
    waiting, results = iter(calls.items()), {}

    async def work():
        for name, call in waiting:
            with suppress(Exception):
                results[name] = await call()

    with suppress(TimeoutError):
        async with asyncio.timeout(seconds), asyncio.TaskGroup() as group:
            for _ in range(limit):
                group.create_task(work())
    return results


async def with_a_queue(calls, limit, seconds):
    queue, results = asyncio.Queue(), {}
    for item in calls.items():
        queue.put_nowait(item)

    async def work():
        while True:
            name, call = await queue.get()
            try:
                results[name] = await call()
            except Exception as error:
                print(name, error)
            finally:
                queue.task_done()

    workers = [asyncio.create_task(work()) for _ in range(limit)]
    try:
        async with asyncio.timeout(seconds):
            await queue.join()
    except TimeoutError:
        pass
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.wait(workers)
    return results


async def with_a_window(calls, limit, seconds):
    """No semaphore: at most `limit` tasks, and a new one for each that has ended."""
    loop = asyncio.get_running_loop()
    end, waiting, names, results = loop.time() + seconds, list(calls.items()), {}, {}
    try:
        while waiting or names:
            while waiting and len(names) < limit:
                name, call = waiting.pop(0)
                names[asyncio.create_task(call())] = name
            done, _ = await asyncio.wait(names, timeout=end - loop.time(), return_when="FIRST_COMPLETED")
            for task in done:
                name = names.pop(task)
                if task.exception() is None:
                    results[name] = task.result()
            if not done:
                break
    finally:
        for task in names:
            task.cancel()
        await asyncio.gather(*names, return_exceptions=True)
    return results


async def as_completed(calls, limit, seconds):
    permits, results = asyncio.Semaphore(limit), {}

    async def run(name, call):
        async with permits:
            try:
                return {name: await call()}
            except Exception:
                return {}

    tasks = [asyncio.create_task(run(*item)) for item in calls.items()]
    try:
        for done in asyncio.as_completed(tasks, timeout=seconds):
            results |= await done
    except TimeoutError:
        pass
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return results


async def with_anyio(calls, limit, seconds):
    permits, results = anyio.CapacityLimiter(limit), {}

    async def run(name, call):
        async with permits:
            with suppress(Exception):
                results[name] = await call()

    with anyio.move_on_after(seconds):
        async with anyio.create_task_group() as group:
            for name, call in calls.items():
                group.start_soon(run, name, call)
    return results


# --- Fan-outs that are wrong


def with_limit(change):
    async def fan_out(calls, limit, seconds):
        return await with_wait(calls, change(limit), seconds)

    return fan_out


def keeping(wanted):
    """Only the results that are `wanted`."""

    async def fan_out(calls, limit, seconds):
        results = await with_wait(calls, limit, seconds)
        return {name: result for name, result in results.items() if wanted(result)}

    return fan_out


async def names_as_they_come(calls, limit, seconds):
    """The first result to the first name."""
    permits, results = asyncio.Semaphore(limit), []

    async def run(call):
        async with permits:
            results.append(await call())

    async with asyncio.timeout(seconds), asyncio.TaskGroup() as group:
        for call in calls.values():
            group.create_task(run(call))
    return dict(zip(calls, results))


async def first_failure_ends_it(calls, limit, seconds):
    permits = asyncio.Semaphore(limit)

    async def run(call):
        async with permits:
            return await call()

    async with asyncio.timeout(seconds):
        return dict(zip(calls, await asyncio.gather(*map(run, calls.values()))))


async def failures_are_results(calls, limit, seconds):
    return await first_failure_ends_it({name: catching(call) for name, call in calls.items()}, limit, seconds)


def catching(call):
    async def caught():
        try:
            return await call()
        except Exception as error:
            return error

    return caught


async def left_alone_when_cancelled(calls, limit, seconds):
    """Right but for a cancellation from outside: asyncio.wait leaves the tasks to themselves."""
    permits, results = asyncio.Semaphore(limit), {}

    async def run(name, call):
        async with permits:
            with suppress(Exception):
                results[name] = await call()

    tasks = [asyncio.create_task(run(*item)) for item in calls.items()]
    if tasks:
        _, late = await asyncio.wait(tasks, timeout=seconds)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
    return results


async def cancellation_swallowed(calls, limit, seconds):
    try:
        return await with_wait(calls, limit, seconds)
    except asyncio.CancelledError:
        return {}


async def cancellation_not_waited_for(calls, limit, seconds):
    permits, results = asyncio.Semaphore(limit), {}

    async def run(name, call):
        async with permits:
            with suppress(Exception):
                results[name] = await call()

    tasks = [asyncio.create_task(run(*item)) for item in calls.items()]
    try:
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)
    except asyncio.CancelledError:
        for task in tasks:
            task.cancel()
        raise
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return results


async def fails_on_nothing(calls, limit, seconds):
    if not calls:
        await asyncio.wait([])
    return await with_wait(calls, limit, seconds)


async def in_groups(calls, limit, seconds):
    """Groups of `limit`, each waited for as a whole."""
    loop, items, results = asyncio.get_running_loop(), list(calls.items()), {}
    end = loop.time() + seconds
    while items:
        group, items = dict(items[:limit]), items[limit:]
        results |= await with_wait(group, limit, max(0, end - loop.time()))
    return results


def with_permits(failed):
    """A fan-out in which `failed(permits)` is done after a failure, and nothing else with the permit."""

    async def fan_out(calls, limit, seconds):
        permits, results = asyncio.Semaphore(limit), {}

        async def run(name, call):
            await permits.acquire()
            try:
                results[name] = await call()
            except Exception:
                failed(permits)
                return
            permits.release()

        with suppress(TimeoutError):
            async with asyncio.timeout(seconds), asyncio.TaskGroup() as group:
                for name, call in calls.items():
                    group.create_task(run(name, call))
        return results

    return fan_out


def two_released(permits):
    permits.release()
    permits.release()


async def workers_that_a_failure_ends(calls, limit, seconds):
    waiting, results = iter(calls.items()), {}

    async def work():
        with suppress(Exception):
            for name, call in waiting:
                results[name] = await call()

    with suppress(TimeoutError):
        async with asyncio.timeout(seconds), asyncio.TaskGroup() as group:
            for _ in range(limit):
                group.create_task(work())
    return results


async def only_some_failures(calls, limit, seconds):
    permits, results = asyncio.Semaphore(limit), {}

    async def run(name, call):
        async with permits:
            with suppress(ValueError):
                results[name] = await call()

    with suppress(TimeoutError):
        async with asyncio.timeout(seconds), asyncio.TaskGroup() as group:
            for name, call in calls.items():
                group.create_task(run(name, call))
    return results


async def in_turn(calls, limit, seconds):
    results = {}
    for name, call in calls.items():
        with suppress(Exception):
            results[name] = await asyncio.wait_for(call(), seconds)
    return results


async def permits_beside_the_calls(calls, limit, seconds):
    """A semaphore that each call takes and gives back before it begins."""
    permits = asyncio.Semaphore(limit)
    for _ in calls:
        async with permits:
            pass
    return await with_wait(calls, max(1, len(calls)), seconds)


async def left_running(calls, limit, seconds):
    permits, results = asyncio.Semaphore(limit), {}

    async def run(name, call):
        async with permits:
            with suppress(Exception):
                results[name] = await call()

    tasks = [asyncio.create_task(run(*item)) for item in calls.items()]
    if tasks:
        await asyncio.wait(tasks, timeout=seconds)
    return dict(results)


async def cancelled_and_left(calls, limit, seconds):
    permits, results = asyncio.Semaphore(limit), {}

    async def run(name, call):
        async with permits:
            with suppress(Exception):
                results[name] = await call()

    tasks = [asyncio.create_task(run(*item)) for item in calls.items()]
    if tasks:
        _, late = await asyncio.wait(tasks, timeout=seconds)
        for task in late:
            task.cancel()
    return results


async def a_deadline_each(calls, limit, seconds):
    permits, results = asyncio.Semaphore(limit), {}

    async def run(name, call):
        async with permits:
            with suppress(Exception):
                results[name] = await asyncio.wait_for(call(), seconds)

    await asyncio.gather(*(run(*item) for item in calls.items()))
    return results


async def gather_that_is_cancelled(calls, limit, seconds):
    """Without return_exceptions, a cancelled gather ends with its first child: here one without a permit."""
    permits, results = asyncio.Semaphore(limit), {}

    async def run(name, call):
        async with permits:
            with suppress(Exception):
                results[name] = await call()

    with suppress(TimeoutError):
        await asyncio.wait_for(asyncio.gather(*(run(*item) for item in calls.items())), seconds)
    return results


def a_deadline_of_its_own(deadline):
    async def fan_out(calls, limit, seconds):
        return await with_wait(calls, limit, deadline)

    return fan_out


async def nothing_kept_at_the_deadline(calls, limit, seconds):
    try:
        async with asyncio.timeout(seconds):
            return await with_wait(calls, limit, seconds + 60)
    except TimeoutError:
        return {}


ANSWERS = {
    "IN_FLIGHT": prediction(100, "100", "100 requests", "at most 100.", [100], 100.0),
    "WHICH_WAY": prediction(
        ["invoke", "astream", "ainvoke", "abatch"],
        ["ainvoke", "astream", "ainvoke", "abatch"],
        "invoke, astream, ainvoke, abatch",
        "1. Invoke\n2. AStream\n3. AInvoke\n4. ABatch",
        "a) invoke b) astream c) ainvoke d) abatch",
        ["chain.invoke", "chain.astream", "chain.ainvoke", "chain.abatch"],
        ("`invoke`", "`astream`", "`ainvoke`", "`abatch`"),
    ),
    "FAN_OUT": row(
        {
            "other right shapes": [
                Right(with_wait),
                Right(with_gather),
                Right(with_workers),
                Right(with_a_queue),
                Right(with_a_window),
                Right(as_completed),
                Right(with_anyio),
            ],
            "order": [Wrong(names_as_they_come, "first takes longest")],
            "failure": [
                Wrong(first_failure_ends_it, "one of three fails"),
                Wrong(failures_are_results, "one of three fails"),
                Wrong(only_some_failures, "two of six fail"),
                Wrong(workers_that_a_failure_ends, "two of six fail"),
            ],
            "cancellation from outside": [
                Wrong(left_alone_when_cancelled, "cancelled from outside"),
                Wrong(cancellation_swallowed, "cancelled from outside"),
                Wrong(cancellation_not_waited_for, "cancelled from outside"),
            ],
            "empty input": [Wrong(fails_on_nothing, "nothing to call")],
            "falsy results": [
                Wrong(keeping(bool), "count as false"),
                Wrong(keeping(lambda result: result is not None), "count as false"),
            ],
            "one straggler": [Wrong(in_groups, "first takes longest")],
            "the limit at three values": [
                Wrong(with_limit(lambda limit: 3), "limits of 1, 2 and 5"),
                Wrong(with_limit(lambda limit: min(limit, 3)), "limits of 1, 2 and 5"),
                Wrong(with_limit(lambda limit: max(limit, 2)), "limits of 1, 2 and 5"),
                Wrong(with_limit(lambda limit: 100), "six calls"),
            ],
            "the resource really used": [
                Wrong(in_turn, "six calls"),
                Wrong(permits_beside_the_calls, "six calls"),
            ],
            "clean-up": [
                Wrong(left_running, "one of three never ends"),
                Wrong(cancelled_and_left, "one of three never ends"),
                Wrong(nothing_kept_at_the_deadline, "one of three never ends"),
                Wrong(with_permits(lambda permits: None), "two of six fail"),
                Wrong(with_permits(two_released), "two of six fail"),
                Wrong(a_deadline_of_its_own(0.15), "with 0.05 s"),
                Wrong(a_deadline_of_its_own(0.5), "with 0.05 s"),
                Wrong(a_deadline_each, "one at a time"),
                Wrong(gather_that_is_cancelled, "one at a time"),
            ],
        }
    ),
}
