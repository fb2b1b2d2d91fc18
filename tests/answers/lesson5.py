"""Right and wrong answers to the exercises of lesson 5."""

import asyncio
from contextlib import AsyncExitStack, aclosing
from operator import itemgetter

from answers import Right, Wrong, prediction, row
from lessons import RunnableLambda, RunnableParallel, RunnablePick, RunnableSequence
from lessons.lesson4_execution_model.runnable_parallel import RunnableParallel as Lesson4Parallel
from lessons.lesson5_synchronization.streaming import AddableDict, add_up

SHORT = 0.5  # seconds that a case waits for an answer that never ends

# --- TAKE_OUT_THE_JOIN


def with_sequences(load, parse, ask, check):
    return RunnableParallel({"page": RunnableSequence(load, parse), "model": RunnableSequence(ask, check)})


def with_pipe(load, parse, ask, check):
    return RunnableParallel(model=RunnableLambda(ask).pipe(check), page=RunnableLambda(load).pipe(parse))


def on_lesson_4(load, parse, ask, check):
    """The notebook has this class, too."""
    return Lesson4Parallel(page=RunnableSequence(load, parse), model=RunnableSequence(ask, check))


def one_function_a_branch(load, parse, ask, check):
    async def page(value):
        return await parse(await load(value))

    async def model(value):
        return await check(await ask(value))

    return RunnableParallel(page=page, model=model)


def by_hand(two_steps):
    """A build that runs two coroutines with `two_steps` in one function, without RunnableParallel."""

    def build(load, parse, ask, check):
        async def page(value):
            return await parse(await load(value))

        async def model(value):
            return await check(await ask(value))

        async def both(value):
            loaded, asked = await two_steps(page(value), model(value))
            return {"page": loaded, "model": asked}

        return RunnableLambda(both)

    return build


@by_hand
async def a_task_group(*coroutines):
    async def run(coroutine, place):
        results[place] = await coroutine

    results = [None, None]
    try:
        async with asyncio.TaskGroup() as group:
            for place, coroutine in enumerate(coroutines):
                group.create_task(run(coroutine, place))
    except* LookupError as errors:
        raise errors.exceptions[0] from None
    return results


@by_hand
async def gathered_by_hand(*coroutines):
    return await asyncio.gather(*coroutines)


@by_hand
async def waited_for_by_hand(*coroutines):
    tasks = [asyncio.ensure_future(each) for each in coroutines]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    for task in tasks:
        if task.done() and task.exception():
            tasks[1 - tasks.index(task)].cancel()
            await asyncio.wait(tasks)
            raise task.exception()
    return [task.result() for task in tasks]


@by_hand
async def shielded(*coroutines):
    tasks = [asyncio.ensure_future(each) for each in coroutines]
    await asyncio.shield(asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION))
    return [task.result() for task in tasks]


@by_hand
async def errors_as_results(*coroutines):
    return await asyncio.gather(*coroutines, return_exceptions=True)


def one_after_the_other(load, parse, ask, check):
    async def both(value):
        return {"page": await parse(await load(value)), "model": await check(await ask(value))}

    return RunnableLambda(both)


def still_joined(load, parse, ask, check):
    first = RunnableParallel(page=load, model=ask)
    return first | {"page": RunnablePick("page") | parse, "model": RunnablePick("model") | check}


def half_repaired(load, parse, ask, check):
    first = RunnableParallel(page=load, model=RunnableLambda(ask) | check)
    return first | RunnableParallel(
        page=itemgetter("page") | RunnableLambda(parse), model=itemgetter("model")
    )


def the_other_half_repaired(load, parse, ask, check):
    first = RunnableParallel(page=RunnableLambda(load) | parse, model=ask)
    return first | RunnableParallel(
        page=itemgetter("page"), model=itemgetter("model") | RunnableLambda(check)
    )


def second_step_first(load, parse, ask, check):
    return RunnableParallel(page=RunnableLambda(parse) | load, model=RunnableLambda(check) | ask)


def the_answer_alone(load, parse, ask, check):
    return RunnableLambda(lambda value: {"page": f"{value} loaded parsed", "model": f"{value} asked checked"})


def only_what_is_true(load, parse, ask, check):
    async def page(value):
        loaded = await load(value)
        return await parse(loaded) if loaded else loaded

    return RunnableParallel(page=page, model=RunnableLambda(ask) | check)


def only_pages_with_text(load, parse, ask, check):
    chain = with_sequences(load, parse, ask, check)

    async def run(value):
        return await chain.ainvoke(value) if value else {}

    return RunnableLambda(run)


def warmed_up(load, parse, ask, check):
    """Loads the page once more, in vain."""

    async def page(value):
        await load(value)
        return await parse(await load(value))

    return RunnableParallel(page=page, model=RunnableLambda(ask) | check)


CHAINS = {
    "other right shapes": [
        Right(with_sequences),
        Right(with_pipe),
        Right(on_lesson_4),
        Right(one_function_a_branch),
        Right(a_task_group),
    ],
    "order": [
        Wrong(second_step_first, "while load goes on", SHORT),
        Wrong(one_after_the_other, "while load goes on", SHORT),
    ],
    "failure": [Wrong(gathered_by_hand, "load fails"), Wrong(errors_as_results, "load fails", SHORT)],
    "cancellation from outside": [
        Wrong(waited_for_by_hand, "cancelled from outside"),
    ],
    "empty input": [Wrong(only_pages_with_text, "an empty page")],
    "falsy results": [Wrong(only_what_is_true, "None and 0")],
    "one straggler": [
        Wrong(still_joined, "while load goes on", SHORT),
        Wrong(the_other_half_repaired, "while load goes on", SHORT),
        Wrong(half_repaired, "while ask goes on", SHORT),
    ],
    "the resource really used": [
        Wrong(the_answer_alone, "the steps that are called"),
        Wrong(warmed_up, "the steps that are called"),
        Wrong(lambda *steps: {}, "while load goes on"),
    ],
    "clean-up": [Wrong(gathered_by_hand, "load fails"), Wrong(shielded, "load fails")],
}


# --- STOP_WHEN_ENOUGH


async def returns_inside(chain, value, enough):
    parts = []
    async with aclosing(chain.astream(value)) as stream:
        async for part in stream:
            parts.append(part)
            if enough(add_up(parts)):
                return add_up(parts)
    return add_up(parts)


async def with_finally(chain, value, enough):
    stream, nothing = chain.astream(value), object()
    total = nothing
    try:
        while (part := await anext(stream, nothing)) is not nothing:
            total = part if total is nothing else total + part
            if enough(total):
                break
    finally:
        await stream.aclose()
    return None if total is nothing else total


async def with_an_exit_stack(chain, value, enough):
    stream, total = chain.astream(value), None
    async with AsyncExitStack() as stack:
        stack.push_async_callback(stream.aclose)
        try:
            total = await anext(stream)
            while not enough(total):
                total += await anext(stream)
        except StopAsyncIteration:
            pass
    return total


async def in_a_task(chain, value, enough):
    return await asyncio.create_task(returns_inside(chain, value, enough))


async def waits_for_its_task(chain, value, enough):
    task = asyncio.ensure_future(returns_inside(chain, value, enough))
    await asyncio.wait([task])
    return task.result()


async def closes_only_on_success(chain, value, enough):
    stream, total = chain.astream(value), None
    async for part in stream:
        total = part if total is None else total + part
        if enough(total):
            break
    await stream.aclose()
    return total


async def closes_when_it_is_enough(chain, value, enough):
    stream, total = chain.astream(value), None
    async for part in stream:
        total = part if total is None else total + part
        if enough(total):
            await stream.aclose()
            return total
    return total


async def left_open(chain, value, enough):
    total = None
    async for part in chain.astream(value):
        total = part if total is None else total + part
        if enough(total):
            break
    return total


async def closes_without_waiting(chain, value, enough):
    stream, total = chain.astream(value), None
    try:
        async for part in stream:
            total = part if total is None else total + part
            if enough(total):
                break
    finally:
        closing = asyncio.ensure_future(stream.aclose())
        closing.add_done_callback(lambda closing: closing.cancelled() or closing.exception())
    return total


async def waits_for_all(chain, value, enough):
    return await chain.ainvoke(value)


async def gathers_the_stream_first(chain, value, enough):
    parts = [part async for part in chain.astream(value)]
    for count in range(1, len(parts)):
        if enough(add_up(parts[:count])):
            return add_up(parts[:count])
    return add_up(parts)


async def asks_before_the_next(chain, value, enough):
    """Asks when the next part is there: one part too late."""
    total = None
    async with aclosing(chain.astream(value)) as parts:
        async for part in parts:
            if total is not None and enough(total):
                break
            total = part if total is None else total + part
    return total


async def asks_about_the_part(chain, value, enough):
    total = None
    async with aclosing(chain.astream(value)) as parts:
        async for part in parts:
            total = part if total is None else total + part
            if enough(part):
                break
    return total


def at_a_number_of_keys(count):
    async def until(chain, value, enough):
        total = None
        async with aclosing(chain.astream(value)) as parts:
            async for part in parts:
                total = part if total is None else total + part
                if enough(total) or len(total) == count:
                    break
        return total

    return until


async def overwrites(chain, value, enough):
    total = {}
    async with aclosing(chain.astream(value)) as parts:
        async for part in parts:
            total.update(part)
            if enough(total):
                break
    return total


async def adds_in_front(chain, value, enough):
    total = None
    async with aclosing(chain.astream(value)) as parts:
        async for part in parts:
            total = part if total is None else part + total
            if enough(total):
                break
    return total


async def starts_with_a_dict(chain, value, enough):
    total = AddableDict()
    async with aclosing(chain.astream(value)) as parts:
        async for part in parts:
            total = total + part
            if enough(total):
                break
    return total


async def starts_with_the_first(chain, value, enough):
    async with aclosing(chain.astream(value)) as parts:
        total = await anext(parts)
        if not enough(total):
            async for part in parts:
                total += part
                if enough(total):
                    break
    return total


async def an_empty_dict_for_nothing(chain, value, enough):
    total = await returns_inside(chain, value, enough)
    return {} if total is None else total


async def only_what_is_true_of_the_sum(chain, value, enough):
    return await returns_inside(chain, value, enough) or None


async def asks_twice(chain, value, enough):
    async with aclosing(chain.astream(value)) as parts:
        async for _ in parts:
            break
    return await returns_inside(chain, value, enough)


async def swallows_errors(chain, value, enough):
    total = None
    try:
        async with aclosing(chain.astream(value)) as parts:
            async for part in parts:
                total = part if total is None else total + part
                if enough(total):
                    break
    except Exception:
        pass
    return total


async def swallows_the_cancellation(chain, value, enough):
    try:
        return await returns_inside(chain, value, enough)
    except asyncio.CancelledError:
        return None


async def shielded_from_cancellation(chain, value, enough):
    return await asyncio.shield(asyncio.ensure_future(returns_inside(chain, value, enough)))


READERS = {
    "other right shapes": [
        Right(returns_inside),
        Right(with_finally),
        Right(with_an_exit_stack),
        Right(in_a_task),
    ],
    "order": [Wrong(adds_in_front, "never enough")],
    "failure": [
        Wrong(swallows_errors, "the second branch fails"),
        Wrong(closes_only_on_success, "`enough` raises"),
        Wrong(closes_when_it_is_enough, "`enough` raises"),
    ],
    "cancellation from outside": [
        Wrong(swallows_the_cancellation, "cancelled from outside"),
        Wrong(shielded_from_cancellation, "cancelled from outside"),
        Wrong(waits_for_its_task, "cancelled from outside"),
    ],
    "empty input": [
        Wrong(starts_with_the_first, "without branches"),
        Wrong(an_empty_dict_for_nothing, "without branches"),
    ],
    "falsy results": [Wrong(only_what_is_true_of_the_sum, "one part is 0")],
    "one straggler": [
        Wrong(waits_for_all, "one key is enough", SHORT),
        Wrong(gathers_the_stream_first, "one key is enough", SHORT),
        Wrong(asks_before_the_next, "one key is enough", SHORT),
    ],
    "the limit at three values": [
        Wrong(at_a_number_of_keys(1), "two keys are enough"),
        Wrong(asks_about_the_part, "two keys are enough", SHORT),
        Wrong(at_a_number_of_keys(2), "three keys are enough"),
    ],
    "the resource really used": [
        Wrong(asks_twice, "the branches that are called"),
        Wrong(overwrites, "never enough"),
        Wrong(starts_with_a_dict, "parts are texts"),
    ],
    "clean-up": [
        Wrong(left_open, "one key is enough"),
        Wrong(closes_without_waiting, "one key is enough"),
        Wrong(closes_only_on_success, "`enough` raises"),
    ],
}

ANSWERS = {
    "SLACK": prediction(
        [3, 0, 5, 1], (3.0, 0.0, 5.0, 1.0), "3, 0, 5, 1", "3\n0\n5\n1", ["3", "0", "5", "1 s"]
    ),
    "WHICH_ONE": prediction(
        ["Semaphore", "latch ", "event", "barrier"],
        "semaphore, latch, event, barrier",
        "1. semaphore\n2. latch\n3. event\n4. barrier",
        {1: "semaphore", 2: "latch", 3: "event", 4: "barrier"},
    ),
    "TAKE_OUT_THE_JOIN": row(
        CHAINS,
        the_limit_at_three_values="no limit is asked for: that is the config's, and the library keeps to it",
    ),
    "STOP_WHEN_ENOUGH": row(READERS),
}
