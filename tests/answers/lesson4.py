"""Right and wrong answers to the exercises of lesson 4."""

import asyncio
from contextlib import closing, suppress

from answers import Right, Wrong, prediction, row

# --- ask, and close


async def close_on_every_way(connection):
    try:
        reply = await connection.answer()
    except BaseException:
        connection.close()
        raise
    connection.close()
    return reply


async def with_closing(connection):
    with closing(connection):
        return await connection.answer()


async def with_a_task(connection):
    try:
        return await asyncio.create_task(connection.answer())
    finally:
        connection.close()


async def caught_and_raised_again(connection):
    try:
        return await connection.answer()
    except asyncio.CancelledError:
        raise
    finally:
        connection.close()


async def closed_first(connection):
    connection.close()
    return await connection.answer()


async def closed_twice(connection):
    try:
        reply = await connection.answer()
        connection.close()
        return reply
    finally:
        connection.close()


async def closed_if_all_goes_well(connection):
    reply = await connection.answer()
    connection.close()
    return reply


async def closed_on_an_exception(connection):
    try:
        reply = await connection.answer()
    except Exception:
        connection.close()
        raise
    connection.close()
    return reply


async def asked_again(connection):
    try:
        await connection.answer()
        return await connection.answer()
    finally:
        connection.close()


async def asked_again_if_empty(connection):
    try:
        return await connection.answer() or await connection.answer()
    finally:
        connection.close()


async def none_if_empty(connection):
    try:
        return await connection.answer() or None
    finally:
        connection.close()


async def error_swallowed(connection):
    try:
        return await connection.answer()
    except Exception:
        return None
    finally:
        connection.close()


async def a_new_error(connection):
    try:
        return await connection.answer()
    except Exception as error:
        raise ValueError(str(error)) from error
    finally:
        connection.close()


async def return_in_finally(connection):
    reply = None
    try:
        reply = await connection.answer()
    finally:
        connection.close()
        return reply  # noqa: B012


async def cancellation_swallowed(connection):
    try:
        return await connection.answer()
    except asyncio.CancelledError:
        return None
    finally:
        connection.close()


async def cancellation_made_an_error(connection):
    try:
        return await connection.answer()
    except asyncio.CancelledError:
        raise RuntimeError("cancelled") from None
    finally:
        connection.close()


async def shielded(connection):
    try:
        return await asyncio.shield(connection.answer())
    finally:
        connection.close()


async def only_waited_for(connection):
    """asyncio.wait passes no cancellation on."""
    answering = asyncio.ensure_future(connection.answer())
    try:
        await asyncio.wait([answering])
        return answering.result()
    finally:
        connection.close()


async def cancelled_and_not_waited_for(connection):
    answering = asyncio.ensure_future(connection.answer())
    try:
        await asyncio.wait([answering])
        return answering.result()
    finally:
        answering.cancel()
        connection.close()


# --- collect, and sort


async def with_a_group(calls):
    results, errors = {}, {}

    async def run(name, call):
        try:
            results[name] = await call()
        except Exception as error:
            errors[name] = error

    async with asyncio.TaskGroup() as group:
        for name, call in calls.items():
            group.create_task(run(name, call))
    return results, errors


async def with_wait(calls):
    tasks = {name: asyncio.create_task(call()) for name, call in calls.items()}
    try:
        if tasks:
            await asyncio.wait(tasks.values())
    except asyncio.CancelledError:
        for task in tasks.values():
            task.cancel()
        await asyncio.wait(tasks.values())
        raise
    errors = {name: task.exception() for name, task in tasks.items() if task.exception()}
    return {name: task.result() for name, task in tasks.items() if name not in errors}, errors


async def with_as_completed(calls):
    async def run(name, call):
        try:
            return name, await call(), None
        except Exception as error:
            return name, None, error

    tasks = [asyncio.create_task(run(*item)) for item in calls.items()]
    results, errors = {}, {}
    try:
        for next_one in asyncio.as_completed(tasks):
            name, result, error = await next_one
            if error is None:
                results[name] = result
            else:
                errors[name] = error
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return results, errors


async def awaited_in_order(calls):
    tasks = {name: asyncio.create_task(call()) for name, call in calls.items()}
    results, errors = {}, {}
    try:
        for name, task in tasks.items():
            try:
                results[name] = await task
            except Exception as error:
                errors[name] = error
    finally:
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
    return results, errors


def changed(change):
    """with_a_group, and then something done to the two dicts."""

    async def collect(calls):
        return change(*await with_a_group(calls))

    return collect


async def names_as_they_come(calls):
    results = []

    async def run(call):
        results.append(await call())

    await asyncio.gather(*map(run, calls.values()), return_exceptions=True)
    return dict(zip(calls, results)), {}


async def stops_at_a_failure(calls):
    return dict(zip(calls, await asyncio.gather(*(call() for call in calls.values())))), {}


async def failures_among_results(calls):
    outcomes = await asyncio.gather(*(call() for call in calls.values()), return_exceptions=True)
    return dict(zip(calls, outcomes)), {}


async def another_error(calls):
    results, errors = await with_a_group(calls)
    return results, {name: RuntimeError(str(error)) for name, error in errors.items()}


async def in_turn(calls):
    results, errors = {}, {}
    for name, call in calls.items():
        try:
            results[name] = await call()
        except Exception as error:
            errors[name] = error
    return results, errors


async def two_at_a_time(calls):
    names, results, errors = list(calls), {}, {}
    while names:
        more, failed = await with_a_group({name: calls[name] for name in names[:2]})
        results, errors, names = results | more, errors | failed, names[2:]
    return results, errors


async def made_twice(calls):
    await with_a_group(calls)
    return await with_a_group(calls)


async def waits_for_nothing(calls):
    tasks = {name: asyncio.create_task(call()) for name, call in calls.items()}
    await asyncio.wait(tasks.values())
    return sort(tasks)


def sort(tasks):
    errors = {name: task.exception() for name, task in tasks.items() if task.exception()}
    return {name: task.result() for name, task in tasks.items() if name not in errors}, errors


async def left_running_when_cancelled(calls):
    tasks = {name: asyncio.create_task(call()) for name, call in calls.items()}
    if tasks:
        await asyncio.wait(tasks.values())
    return sort(tasks)


async def cancellations_as_errors(calls):
    tasks = {name: asyncio.create_task(call()) for name, call in calls.items()}
    results, errors = {}, {}
    for name, task in tasks.items():
        try:
            results[name] = await task
        except BaseException as error:
            errors[name] = error
    return results, errors


async def only_the_first_is_cancelled(calls):
    tasks = {name: asyncio.create_task(call()) for name, call in calls.items()}
    results, errors = {}, {}
    for name, task in tasks.items():
        try:
            results[name] = await task
        except Exception as error:
            errors[name] = error
    return results, errors


async def cancelled_and_left(calls):
    tasks = {name: asyncio.create_task(call()) for name, call in calls.items()}
    try:
        if tasks:
            await asyncio.wait(tasks.values())
    finally:
        for task in tasks.values():
            task.cancel()
    return sort(tasks)


async def only_the_first_is_waited_for(calls):
    """gather without return_exceptions: cancelled, it ends with its first child."""

    async def run(call):
        try:
            return await call(), None
        except Exception as error:
            return None, error

    pairs = dict(zip(calls, await asyncio.gather(*map(run, calls.values()))))
    errors = {name: error for name, (_, error) in pairs.items() if error}
    return {name: result for name, (result, error) in pairs.items() if not error}, errors


async def waited_for_and_swallowed(calls):
    with suppress(asyncio.CancelledError):
        return await with_a_group(calls)
    return {}, {}


ANSWERS = {
    "WORK_AND_SPAN": prediction((4, 10, 5), "4, 10, 5", "span 4\nwork 10\nleast 5", [4.0, 10.0, 5.0]),
    "WHICH_ERROR": prediction("ac", "a, c", "A\nC", ["a", "c"], ("A", "C")),
    "LET_IT_THROUGH": row(
        {
            "other right shapes": [
                Right(close_on_every_way),
                Right(with_closing),
                Right(with_a_task),
                Right(caught_and_raised_again),
            ],
            "order": [Wrong(closed_first, "a reply")],
            "failure": [
                Wrong(error_swallowed, "an error"),
                Wrong(a_new_error, "an error"),
                Wrong(return_in_finally, "an error"),
            ],
            "cancellation from outside": [
                Wrong(cancellation_swallowed, "a cancellation"),
                Wrong(cancellation_made_an_error, "a cancellation"),
                Wrong(shielded, "a cancellation"),
                Wrong(only_waited_for, "a cancellation"),
            ],
            "falsy results": [
                Wrong(asked_again_if_empty, "an empty reply"),
                Wrong(none_if_empty, "an empty reply"),
            ],
            "the resource really used": [Wrong(asked_again, "a reply")],
            "clean-up": [
                Wrong(closed_if_all_goes_well, "an error"),
                Wrong(closed_on_an_exception, "a cancellation"),
                Wrong(closed_twice, "a reply"),
                Wrong(cancelled_and_not_waited_for, "a cancellation"),
            ],
        },
        empty_input="its input is one connection",
        one_straggler="it makes one call",
        the_limit_at_three_values="it has no limit",
    ),
    "COLLECT": row(
        {
            "other right shapes": [
                Right(with_a_group),
                Right(with_wait),
                Right(with_as_completed),
                Right(awaited_in_order),
            ],
            "order": [Wrong(names_as_they_come, "the last comes first")],
            "failure": [
                Wrong(stops_at_a_failure, "a failure"),
                Wrong(failures_among_results, "a failure"),
                Wrong(another_error, "a failure"),
                Wrong(changed(lambda results, errors: (results, {})), "a failure"),
            ],
            "cancellation from outside": [
                Wrong(left_running_when_cancelled, "a cancellation"),
                Wrong(cancellations_as_errors, "a cancellation"),
                Wrong(only_the_first_is_cancelled, "a cancellation"),
                Wrong(waited_for_and_swallowed, "a cancellation"),
            ],
            "empty input": [Wrong(waits_for_nothing, "no calls")],
            "falsy results": [
                Wrong(
                    changed(
                        lambda results, errors: ({n: each for n, each in results.items() if each}, errors)
                    ),
                    "count as false",
                )
            ],
            "one straggler": [
                Wrong(in_turn, "the last comes first", patience=0.1),
                Wrong(two_at_a_time, "the last comes first", patience=0.1),
            ],
            "the resource really used": [Wrong(made_twice, "the last comes first")],
            "clean-up": [
                Wrong(cancelled_and_left, "a cancellation"),
                Wrong(only_the_first_is_waited_for, "a cancellation"),
            ],
        },
        the_limit_at_three_values="it has no limit",
    ),
}
