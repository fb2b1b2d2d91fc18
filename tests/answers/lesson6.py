"""Right and wrong answers to the exercises of lesson 6."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import anyio

from answers import Right, Wrong, prediction, row

# --- Handlers on threads


def submitted(function, limit):
    pool = ThreadPoolExecutor(limit)

    async def handle(request):
        return await asyncio.wrap_future(pool.submit(function, request))

    return handle


def permits_on_the_thread(function, limit):
    permits = threading.Semaphore(limit)

    def limited(request):
        with permits:
            return function(request)

    async def handle(request):
        return await asyncio.to_thread(limited, request)

    return handle


def shielded(function, limit):
    permits = asyncio.Semaphore(limit)

    async def run(request):
        async with permits:
            return await asyncio.to_thread(function, request)

    async def handle(request):
        return await asyncio.shield(asyncio.create_task(run(request)))

    return handle


def without_a_return(function, limit):
    handle = submitted(function, limit)

    async def forgets(request):
        await handle(request)

    return forgets


def on_the_loop(function, limit):
    async def handle(request):
        return function(request)

    return handle


def called_first(function, limit):
    """Calls the function, and hands over what it returned."""

    async def handle(request):
        answer = function(request)
        return await asyncio.to_thread(lambda: answer)

    return handle


def waited_for_by_blocking(function, limit):
    pool = ThreadPoolExecutor(limit)

    async def handle(request):
        return pool.submit(function, request).result()

    return handle


def a_pool_of(change):
    return lambda function, limit: submitted(function, change(limit))


def a_pool_each(function, limit):
    async def handle(request):
        return await asyncio.wrap_future(ThreadPoolExecutor(limit).submit(function, request))

    return handle


def permits_of_asyncio(function, limit):
    permits = asyncio.Semaphore(limit)

    async def handle(request):
        async with permits:
            return await asyncio.to_thread(function, request)

    return handle


def changing(change):
    """What comes, changed."""

    def make(function, limit):
        handle = submitted(function, limit)

        async def handle_and_change(request):
            return change(await handle(request))

        return handle_and_change

    return make


def failures_as_answers(function, limit):
    handle = submitted(function, limit)

    async def catches(request):
        try:
            return await handle(request)
        except Exception:
            return None

    return catches


def permit_kept_after_a_failure(function, limit):
    """Its second permit never comes back, so the third request is refused."""
    handle, failed = submitted(function, limit), []

    async def refuses(request):
        if failed:
            raise RuntimeError("no thread left")
        try:
            return await handle(request)
        except Exception:
            failed.append(request)
            raise

    return refuses


# --- Measurements of what gets through


async def most_with_wait(ask, calls, in_flight, expected):
    tasks = {asyncio.create_task(ask()) for _ in range(calls)}
    try:
        number = await in_flight()
        while number < expected:
            await asyncio.sleep(0.01)
            number = await in_flight()
    finally:
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
    return number


async def most_in_a_group(ask, calls, in_flight, expected):
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(ask()) for _ in range(calls)]
        while (number := await in_flight()) < expected:
            await asyncio.sleep(0.01)
        for task in tasks:
            task.cancel()
    return number


async def most_left_running(ask, calls, in_flight, expected):
    tasks = [asyncio.create_task(ask()) for _ in range(calls)]
    while (number := await in_flight()) < expected:
        await asyncio.sleep(0.01)
    return number if tasks else 0


async def most_not_waited_for(ask, calls, in_flight, expected):
    tasks = [asyncio.create_task(ask()) for _ in range(calls)]
    try:
        while (number := await in_flight()) < expected:
            await asyncio.sleep(0.01)
        return number
    finally:
        for task in tasks:
            task.cancel()


async def most_first_waited_for(ask, calls, in_flight, expected):
    """A cancelled gather without return_exceptions ends with its first child."""
    tasks = [asyncio.create_task(ask()) for _ in range(calls)]
    try:
        while (number := await in_flight()) < expected:
            await asyncio.sleep(0.01)
        return number
    finally:
        for number_of_task, task in enumerate(tasks):
            if number_of_task:
                task.cancel()
        for task in tasks[1:]:
            with suppress(asyncio.CancelledError):
                await task


async def most_tidy_if_all_is_well(ask, calls, in_flight, expected):
    tasks = [asyncio.create_task(ask()) for _ in range(calls)]
    while (number := await in_flight()) < expected:
        await asyncio.sleep(0.01)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return number


async def most_tidy_after_errors(ask, calls, in_flight, expected):
    """Right but for a cancellation from outside."""
    tasks = [asyncio.create_task(ask()) for _ in range(calls)]
    try:
        while (number := await in_flight()) < expected:
            await asyncio.sleep(0.01)
    except asyncio.CancelledError:
        raise
    except Exception:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return number


async def most_cancellation_swallowed(ask, calls, in_flight, expected):
    try:
        return await most_with_wait(ask, calls, in_flight, expected)
    except asyncio.CancelledError:
        return 0


async def most_errors_swallowed(ask, calls, in_flight, expected):
    try:
        return await most_with_wait(ask, calls, in_flight, expected)
    except LookupError:
        return 0


async def most_expected(ask, calls, in_flight, expected):
    await most_with_wait(ask, calls, in_flight, expected)
    return expected


async def most_that_takes_0_for_the_end(ask, calls, in_flight, expected):
    tasks = [asyncio.create_task(ask()) for _ in range(calls)]
    await asyncio.sleep(0.01)
    try:
        while (number := await in_flight()) and number < expected:
            await asyncio.sleep(0.01)
        return number
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def most_of_two(ask, calls, in_flight, expected):
    return await most_with_wait(ask, calls, in_flight, min(2, expected)) and min(2, expected)


async def most_that_counts_calls(ask, calls, in_flight, expected):
    await most_with_wait(ask, calls, in_flight, expected)
    return calls


async def most_waits_for_nothing(ask, calls, in_flight, expected):
    if not calls:
        await asyncio.wait([])
    return await most_with_wait(ask, calls, in_flight, expected)


async def most_one_by_one(ask, calls, in_flight, expected):
    for _ in range(calls):
        with suppress(TimeoutError):
            await asyncio.wait_for(ask(), 0.01)
    return await in_flight()


async def most_started_on_demand(ask, calls, in_flight, expected):
    """Starts no more calls than it needs."""
    return await most_with_wait(ask, min(calls, expected), in_flight, expected)


# --- Verdicts


def verdict_in_a_loop(cases):
    if not cases:
        raise ValueError("no cases")
    holding = 0
    for holds in cases.values():
        if holds:
            holding += 1
    if holding == len(cases):
        return "holds"
    return "holds, with a footnote" if holding else "does not hold"


def verdict_of_a_set(cases):
    found = set(cases.values())
    return {
        (True,): "holds",
        (False,): "does not hold",
        (False, True): "holds, with a footnote",
    }.get(tuple(sorted(found))) or refuse()


def refuse():
    raise ValueError("nothing was observed")


def verdict_of_a_match(cases):
    match sum(cases.values()), len(cases):
        case 0, 0:
            raise ValueError("no cases")
        case 0, _:
            return "does not hold"
        case some, number if some == number:
            return "holds"
    return "holds, with a footnote"


def verdict_without_refusal(cases):
    if all(cases.values()):
        return "holds"
    return "holds, with a footnote" if any(cases.values()) else "does not hold"


def verdict_of_the(which):
    """Of the first case, or of the last, alone."""

    def verdict(cases):
        if not cases:
            raise ValueError("no cases")
        return "holds" if list(cases.values())[which] else "does not hold"

    return verdict


def verdict_of_most(cases):
    if not cases:
        raise ValueError("no cases")
    share = sum(cases.values()) / len(cases)
    return "holds" if share == 1 else "holds, with a footnote" if share >= 0.5 else "does not hold"


def verdict_of_keys(cases):
    """Looks at the names of the cases, which all count as true."""
    if not cases:
        raise ValueError("no cases")
    return "holds" if all(cases) else "does not hold"


def verdict_always_with_a_footnote(cases):
    if not cases:
        raise ValueError("no cases")
    if len(cases) == 1:
        return "holds, with a footnote"
    return verdict_without_refusal(cases)


def found_in_a_loop(cases):
    holding, names = 0, []
    for case, holds in cases.items():
        if holds:
            holding += 1
        else:
            names.append(case)
    text = str(holding) + " of " + str(len(cases))
    if names:
        text += "; not: " + ", ".join(names)
    return text


def found_with_filter(cases):
    numbers = f"{sum(cases.values())} of {len(cases)}"
    failed = ", ".join(filter(lambda case: not cases[case], cases))
    return "; not: ".join([numbers, failed]) if failed else numbers


def found_sorted(cases):
    failed = sorted(case for case in cases if not cases[case])
    return found_in_a_loop({case: True for case in cases if cases[case]} | dict.fromkeys(failed, False))


def found_with_a_tail(cases):
    failed = [case for case in cases if not cases[case]]
    return f"{len(cases) - len(failed)} of {len(cases)}; not: {', '.join(failed)}"


def found_the_failures(cases):
    failed = [case for case in cases if not cases[case]]
    return f"{len(failed)} of {len(cases)}; not: {', '.join(failed)}"


def found_without_zero(cases):
    holding = sum(cases.values())
    return found_in_a_loop(cases) if holding else "none"


# --- Observations


async def observed_in_a_comprehension(experiment, cases):
    async def holds(argument):
        try:
            return bool(await experiment(argument))
        except Exception:
            return False

    return {name: await holds(argument) for name, argument in cases.items()}


async def observed_with_suppress(experiment, cases):
    seen = dict.fromkeys(cases, False)
    for name, argument in cases.items():
        with suppress(Exception):
            seen[name] = bool(await experiment(argument))
    return seen


async def observed_side_by_side(experiment, cases):
    came = await asyncio.gather(*map(experiment, cases.values()), return_exceptions=True)
    return {name: bool(each) and not isinstance(each, Exception) for name, each in zip(cases, came)}


async def observed_in_reverse(experiment, cases):
    return await observed_with_suppress(experiment, dict(reversed(cases.items())))


async def observed_raw(experiment, cases):
    seen = {}
    for name, argument in cases.items():
        try:
            seen[name] = await experiment(argument)
        except Exception:
            seen[name] = False
    return seen


async def observed_until_a_failure(experiment, cases):
    seen = dict.fromkeys(cases, False)
    with suppress(Exception):
        for name, argument in cases.items():
            seen[name] = bool(await experiment(argument))
    return seen


async def observed_without_a_net(experiment, cases):
    return {name: bool(await experiment(argument)) for name, argument in cases.items()}


async def observed_by_any_end(experiment, cases):
    seen = {}
    for name, argument in cases.items():
        try:
            seen[name] = bool(await experiment(argument))
        except BaseException:
            seen[name] = False
    return seen


async def observed_names(experiment, cases):
    return await observed_with_suppress(experiment, {name: name for name in cases})


async def observed_left_behind(experiment, cases):
    seen = {}
    for name, argument in cases.items():
        task = asyncio.ensure_future(experiment(argument))
        try:
            seen[name] = bool(await asyncio.shield(task))
        except Exception:
            seen[name] = False
    return seen


async def observed_nothing_refused(experiment, cases):
    if not cases:
        raise ValueError("no cases")
    return await observed_with_suppress(experiment, cases)


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
    "HANDLER_ON_THREADS": row(
        {
            "other right shapes": [Right(submitted), Right(permits_on_the_thread), Right(shielded)],
            "failure": [
                Wrong(failures_as_answers, "second of three"),
                Wrong(permit_kept_after_a_failure, "second of three"),
            ],
            "cancellation from outside": [Wrong(permits_of_asyncio, "cancelled request")],
            "falsy results": [
                Wrong(changing(lambda answer: answer or "nothing"), "count as false"),
                Wrong(changing(lambda answer: "nothing" if answer is None else answer), "count as false"),
            ],
            "the limit at three values": [
                Wrong(a_pool_of(lambda limit: 1), "limits of 1, 2 and 3", patience=0.2),
                Wrong(a_pool_of(lambda limit: 2), "limits of 1, 2 and 3", patience=0.2),
                Wrong(a_pool_of(lambda limit: limit + 1), "limits of 1, 2 and 3"),
                Wrong(a_pool_each, "limits of 1, 2 and 3"),
            ],
            "the resource really used": [
                Wrong(without_a_return, "answers to two requests"),
                Wrong(on_the_loop, "the loop goes on", patience=0.2),
                Wrong(called_first, "the loop goes on", patience=0.2),
                Wrong(waited_for_by_blocking, "the loop goes on", patience=0.2),
            ],
        },
        order="each request is answered for itself",
        empty_input="a handler has a request, or is not called",
        one_straggler="a request waits for a thread, and for no other request",
        **{"clean-up": "the pool lives as long as its handler, and its threads end with it"},
    ),
    "MOST_IN_FLIGHT": row(
        {
            "other right shapes": [Right(most_with_wait), Right(most_in_a_group)],
            "failure": [
                Wrong(most_tidy_if_all_is_well, "cannot be asked"),
                Wrong(most_errors_swallowed, "cannot be asked"),
            ],
            "cancellation from outside": [
                Wrong(most_tidy_after_errors, "cancelled from outside"),
                Wrong(most_cancellation_swallowed, "cancelled from outside"),
            ],
            "empty input": [Wrong(most_waits_for_nothing, "no calls")],
            "falsy results": [Wrong(most_that_takes_0_for_the_end, "says 0, then 1, then 4")],
            "one straggler": [Wrong(most_first_waited_for, "five calls")],
            "the limit at three values": [
                Wrong(most_that_counts_calls, "five calls"),
                Wrong(most_of_two, "places for 1, 3 and 9"),
                Wrong(most_expected, "says 0, then 1, then 4"),
            ],
            "the resource really used": [
                Wrong(most_one_by_one, "five calls"),
                Wrong(most_started_on_demand, "five calls"),
            ],
            "clean-up": [Wrong(most_left_running, "five calls"), Wrong(most_not_waited_for, "five calls")],
        },
        order="the calls are counted, and their answers not used",
    ),
    "LAST_OF_A_HUNDRED": prediction(3, "3", "3 s", "after 3 seconds", [3], 3.0),
    "THE_WHOLE": prediction(4, "4", "4 s", "about 4 seconds", [4], 4.0),
    "WITHOUT_A_LIMIT": prediction(12, "12", "12 branches", [12], 12.0),
    "PEAKS": prediction([5, 10, 20, 40], "5, 10, 20, 40", "5 10 20 40", "5\n10\n20\n40", (5, 10, 20, 40)),
    "ONLY_5": prediction(4, "4", "4 cases", "in 4", [4], 4.0),
    "VERDICT": row(
        {
            "other right shapes": [
                Right(verdict_in_a_loop),
                Right(verdict_of_a_set),
                Right(verdict_of_a_match),
            ],
            "order": [
                Wrong(verdict_of_the(0), "the first of two"),
                Wrong(verdict_of_the(-1), "the first of two"),
            ],
            "empty input": [Wrong(verdict_without_refusal, "no case at all")],
            "falsy results": [Wrong(verdict_of_keys, "in neither of two")],
            "one straggler": [Wrong(verdict_of_most, "one of twenty")],
            "the limit at three values": [
                Wrong(verdict_always_with_a_footnote, "one case only"),
                Wrong(lambda cases: "does not hold", "both of two"),
            ],
        },
        failure="it calls nothing that could fail",
        cancellation_from_outside="it waits for nothing",
        the_resource_really_used="it uses none",
        **{"clean-up": "it begins nothing that has to end"},
    ),
    "WHAT_WAS_FOUND": row(
        {
            "other right shapes": [Right(found_in_a_loop), Right(found_with_filter)],
            "order": [Wrong(found_sorted, "in the order of the cases")],
            "falsy results": [Wrong(found_without_zero, "none of two")],
            "the limit at three values": [
                Wrong(found_the_failures, "one of three"),
                Wrong(found_with_a_tail, "three of three"),
            ],
        },
        failure="it calls nothing that could fail",
        cancellation_from_outside="it waits for nothing",
        empty_input="a claim has a case: the verdict refuses one that has none",
        one_straggler="it waits for nothing",
        the_resource_really_used="it uses none",
        **{"clean-up": "it begins nothing that has to end"},
    ),
    "FOUR_VERDICTS": prediction("CBAB", "C B A B", "c, b, a, b", ["C", "B", "A", "B"], "cbab"),
    "REQUESTS": prediction([4, 1, 20], "4, 1, 20", "4 1 20", (4, 1, 20), [4.0, 1.0, 20.0]),
    "OBSERVE": row(
        {
            "other right shapes": [Right(observed_in_a_comprehension), Right(observed_with_suppress)],
            "order": [Wrong(observed_in_reverse, "three experiments")],
            "failure": [
                Wrong(observed_until_a_failure, "first of two fails"),
                Wrong(observed_without_a_net, "first of two fails"),
            ],
            "cancellation from outside": [Wrong(observed_by_any_end, "cancelled during")],
            "empty input": [Wrong(observed_nothing_refused, "no cases")],
            "falsy results": [Wrong(observed_raw, "return 5, 0, None")],
            "the resource really used": [
                Wrong(observed_side_by_side, "three experiments"),
                Wrong(observed_names, "three experiments"),
            ],
            "clean-up": [Wrong(observed_left_behind, "cancelled during")],
        },
        one_straggler="one experiment at a time: each waits for the one before",
        the_limit_at_three_values="it runs one at a time, whatever it is given",
    ),
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
