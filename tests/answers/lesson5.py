"""Right and wrong answers to the exercises of lesson 5."""

import asyncio
from contextlib import AsyncExitStack, aclosing, suppress
from functools import partial
from math import prod
from operator import itemgetter

from answers import Right, Wrong, prediction, row
from lessons import RunnableLambda, RunnableParallel, RunnablePick, RunnableSequence
from lessons.lesson4_execution_model.runnable_parallel import RunnableParallel as Lesson4Parallel
from lessons.lesson5_synchronization.racing import first_of
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

# --- REPORT_EARLY


def with_assign(sentiment, keywords, summary, report):
    """`assign` would wait for the dict; here the report's branch has a dict of its own."""
    both = RunnableParallel({"keywords": keywords, "sentiment": sentiment})
    return RunnableParallel({"report": RunnableSequence(both, report), "summary": summary})


def one_function_for_the_report(sentiment, keywords, summary, report):
    both = RunnableParallel(sentiment=sentiment, keywords=keywords)

    async def branch(value):
        return await report(await both.ainvoke(value))

    return RunnableParallel(report=branch, summary=summary)


def report_in_a_group(sentiment, keywords, summary, report):
    async def branch(value):
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(each(value)) for each in (sentiment, keywords)]
        except* LookupError as errors:
            raise errors.exceptions[0] from None
        return await report({"sentiment": tasks[0].result(), "keywords": tasks[1].result()})

    return RunnableParallel(report=branch, summary=summary)


def joined_before_the_report(sentiment, keywords, summary, report):
    all_three = RunnableParallel(sentiment=sentiment, keywords=keywords, summary=summary)

    def needed(answers):
        return {name: answers[name] for name in ("sentiment", "keywords")}

    return all_three | {"report": RunnableLambda(needed) | report, "summary": RunnablePick("summary")}


def report_one_by_one(sentiment, keywords, summary, report):
    async def branch(value):
        return await report({"sentiment": await sentiment(value), "keywords": await keywords(value)})

    return RunnableParallel(report=branch, summary=summary)


def report_of_the_first(sentiment, keywords, summary, report):
    """Gives the report its keywords before they are there."""

    async def branch(value):
        both = {"sentiment": asyncio.ensure_future(sentiment(value))}
        both["keywords"] = asyncio.ensure_future(keywords(value))
        await asyncio.wait(both.values(), return_when=asyncio.FIRST_COMPLETED)
        return await report({name: task.result() if task.done() else None for name, task in both.items()})

    return RunnableParallel(report=branch, summary=summary)


def when_sentiment_is_there(sentiment, keywords, summary, report):
    async def branch(value):
        late = asyncio.ensure_future(keywords(value))
        both = {"sentiment": await sentiment(value)}
        for _ in range(5):
            await asyncio.sleep(0)
        both["keywords"] = late.result() if late.done() else None
        await late
        return await report(both)

    return RunnableParallel(report=branch, summary=summary)


def all_of_it_for_the_report(sentiment, keywords, summary, report):
    """The report is given the summary, too, which is not asked for again."""

    async def branch(value):
        answers = await RunnableParallel(sentiment=sentiment, keywords=keywords).ainvoke(value)
        return await report({**answers, "summary": "..."})

    return RunnableParallel(report=branch, summary=summary)


def summary_twice(sentiment, keywords, summary, report):
    both = RunnableParallel(sentiment=sentiment, keywords=keywords, summary=summary)

    async def branch(value):
        answers = await both.ainvoke(value)
        return await report({name: answers[name] for name in ("sentiment", "keywords")})

    return RunnableParallel(report=branch, summary=summary)


def asks_again(sentiment, keywords, summary, report):
    async def twice(value):
        await sentiment(value)
        return await sentiment(value)

    return with_assign(twice, keywords, summary, report)


def reports_what_is_true(sentiment, keywords, summary, report):
    async def branch(value):
        answers = await RunnableParallel(sentiment=sentiment, keywords=keywords).ainvoke(value)
        return await report({name: answer for name, answer in answers.items() if answer})

    return RunnableParallel(report=branch, summary=summary)


def reports_on_a_review_only(sentiment, keywords, summary, report):
    chain = with_assign(sentiment, keywords, summary, report)

    async def run(value):
        return await chain.ainvoke(value) if value else {}

    return RunnableLambda(run)


def gathered_report(gather):
    def build(sentiment, keywords, summary, report):
        async def reported(value):
            answers = await gather(sentiment(value), keywords(value))
            return await report(dict(zip(["sentiment", "keywords"], answers)))

        async def both(value):
            return dict(zip(["report", "summary"], await gather(reported(value), summary(value))))

        return RunnableLambda(both)

    return build


async def shielded_gather(*coroutines):
    return await asyncio.shield(asyncio.gather(*coroutines))


async def stopped_by_a_failure(*coroutines):
    tasks = [asyncio.ensure_future(each) for each in coroutines]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    for task in tasks:
        if task.done() and task.exception():
            for each in tasks:
                each.cancel()
            await asyncio.wait(tasks)
            raise task.exception()
    return [task.result() for task in tasks]


REPORTS = {
    "other right shapes": [
        Right(with_assign),
        Right(one_function_for_the_report),
        Right(report_in_a_group),
    ],
    "order": [
        Wrong(report_one_by_one, "until the report has begun", SHORT),
        Wrong(report_of_the_first, "when sentiment ends last"),
        Wrong(when_sentiment_is_there, "when keywords ends last"),
    ],
    "failure": [
        Wrong(gathered_report(asyncio.gather), "keywords fail"),
        Wrong(gathered_report(partial(asyncio.gather, return_exceptions=True)), "keywords fail", SHORT),
    ],
    "cancellation from outside": [Wrong(gathered_report(stopped_by_a_failure), "cancelled from outside")],
    "empty input": [Wrong(reports_on_a_review_only, "an empty review")],
    "falsy results": [Wrong(reports_what_is_true, "None and 0")],
    "one straggler": [
        Wrong(joined_before_the_report, "until the report has begun", SHORT),
        Wrong(summary_twice, "until the report has begun", SHORT),
    ],
    "the resource really used": [
        Wrong(all_of_it_for_the_report, "until the report has begun"),
        Wrong(asks_again, "the steps that are called"),
        Wrong(lambda *steps: {}, "until the report has begun"),
    ],
    "clean-up": [
        Wrong(gathered_report(asyncio.gather), "keywords fail"),
        Wrong(gathered_report(shielded_gather), "keywords fail"),
    ],
}

# --- the building step count_down


def in_place(self):
    self.count = self.count - 1
    if not self.count > 0:
        self.opened.set()


def at_the_end(self):
    if self.count == 1:
        self.opened.set()
    self.count -= 1


def opens_at_once(self):
    self.count -= 1
    self.opened.set()


def opens_at_one(self):
    self.count -= 1
    if self.count <= 1:
        self.opened.set()


def opens_after_two(self):
    self.done = getattr(self, "done", 0) + 1
    if self.done == 2:
        self.opened.set()


def only_counts(self):
    self.count -= 1


def opens_too_late(self):
    if self.count == 0:
        self.opened.set()
    self.count -= 1


def another_event(self):
    self.count -= 1
    if self.count == 0:
        self.opened = asyncio.Event()
        self.opened.set()


def closes_again(self):
    self.count -= 1
    if self.count == 0:
        self.opened.set()
    else:
        self.opened.clear()


def tells_the_count(self):
    in_place(self)
    return self.count


async def counts_down_and_waits(self):
    in_place(self)
    await self.opened.wait()


COUNTERS = {
    "other right shapes": [Right(in_place), Right(at_the_end)],
    "order": [
        Wrong(opens_at_once, "counted down once: how many"),
        Wrong(opens_at_one, "counted down once: how many"),
        Wrong(opens_too_late, "counted down twice"),
    ],
    "one straggler": [Wrong(opens_after_two, "one, three and five")],
    "the limit at three values": [Wrong(opens_after_two, "one, three and five")],
    "the resource really used": [
        Wrong(only_counts, "counted down twice"),
        Wrong(another_event, "counted down twice"),
        Wrong(closes_again, "once more than needed"),
        Wrong(tells_the_count, "what counting down returns"),
        Wrong(counts_down_and_waits, "counted down twice"),
    ],
}

# --- the building step Barrier.wait


async def last_come_first(self):
    if len(self.queue) == self.parties - 1:
        self.let_go()
    else:
        turn = asyncio.Future()
        self.queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn in self.queue:
                self.queue.remove(turn)
            raise


async def without_let_go(self):
    if len(self.queue) + 1 >= self.parties:
        waiting, self.queue = self.queue, []
        for turn in waiting:
            if not turn.done():
                turn.set_result(None)
        return
    turn = asyncio.get_running_loop().create_future()
    self.queue = [*self.queue, turn]
    try:
        await turn
    finally:
        self.queue = [each for each in self.queue if each is not turn]


async def holds_nobody(self):
    self.let_go()


async def lets_nobody_go(self):
    turn = asyncio.get_running_loop().create_future()
    self.queue.append(turn)
    await turn


async def waits_for_one_more(self):
    if len(self.queue) == self.parties:
        self.let_go()
        return
    await lets_nobody_go(self)


async def through_the_queue(self):
    """Awaiting a future that is done does not suspend."""
    turn = asyncio.get_running_loop().create_future()
    self.queue.append(turn)
    if len(self.queue) == self.parties:
        self.let_go()
    try:
        await turn
    finally:
        if turn in self.queue:
            self.queue.remove(turn)


async def yields_at_the_end(self):
    await last_come_first(self)
    await asyncio.sleep(0)


async def always_three(self):
    if len(self.queue) == 2:
        self.let_go()
        return
    await lets_nobody_go(self)


async def only_with_others(self):
    if self.queue and len(self.queue) + 1 == self.parties:
        self.let_go()
        return
    await lets_nobody_go(self)


async def wakes_one(self):
    if len(self.queue) + 1 == self.parties:
        if self.queue:
            self.queue.pop(0).set_result(None)
        return
    await lets_nobody_go(self)


async def leaves_its_future(self):
    if len(self.queue) + 1 == self.parties:
        self.let_go()
        return
    await lets_nobody_go(self)


async def only_when_let_go(self):
    if len(self.queue) + 1 == self.parties:
        self.let_go()
        return
    turn = asyncio.get_running_loop().create_future()
    self.queue.append(turn)
    await turn
    if turn in self.queue:
        self.queue.remove(turn)


async def swallows_its_cancellation(self):
    with suppress(asyncio.CancelledError):
        await last_come_first(self)


async def opens_once(self):
    """A latch: those who come later go through."""
    if getattr(self, "open", False):
        return
    if len(self.queue) + 1 == self.parties:
        self.open = True
        self.let_go()
        return
    await lets_nobody_go(self)


async def removes_it_unasked(self):
    turn = asyncio.get_running_loop().create_future()
    self.queue.append(turn)
    if len(self.queue) == self.parties:
        self.let_go()
        return
    try:
        await turn
    except asyncio.CancelledError:
        self.queue.remove(turn)
        raise


BARRIERS = {
    "other right shapes": [Right(last_come_first), Right(without_let_go), Right(through_the_queue)],
    "order": [
        Wrong(yields_at_the_end, "the party that comes last"),
        Wrong(holds_nobody, "a barrier of 3"),
    ],
    "cancellation from outside": [Wrong(swallows_its_cancellation, "what it ends with")],
    "one straggler": [
        Wrong(waits_for_one_more, "a barrier of 3"),
        Wrong(lets_nobody_go, "a barrier of 3"),
    ],
    "the limit at three values": [
        Wrong(always_three, "a barrier of 2"),
        Wrong(only_with_others, "a barrier of 1"),
    ],
    "the resource really used": [
        Wrong(wakes_one, "a barrier of 3"),
        Wrong(opens_once, "seven come"),
    ],
    "clean-up": [
        Wrong(leaves_its_future, "how many go on, and still wait"),
        Wrong(only_when_let_go, "how many go on, and still wait"),
        Wrong(removes_it_unasked, "just as it is let go"),
    ],
}

# --- the building step RunnableSequence._ainvoke


async def by_number(self, value, config):
    for number in range(len(self.steps)):
        value = await self.steps[number].ainvoke(value)
    return value


async def config_handed_on(self, value, config):
    for step in self.steps:
        value = await step.ainvoke(value, config)
    return value


async def each_in_a_task(self, value, config):
    for step in self.steps:
        value = await asyncio.create_task(step.ainvoke(value))
    return value


async def from_the_end(self, value, config):
    for step in reversed(self.steps):
        value = await step.ainvoke(value)
    return value


async def all_with_the_same(self, value, config):
    return (await asyncio.gather(*(step.ainvoke(value) for step in self.steps)))[-1]


async def never_awaited(self, value, config):
    for step in self.steps:
        coroutine = step.ainvoke(value)
        coroutine.close()
        value = coroutine
    return value


async def with_invoke(self, value, config):
    for step in self.steps:
        value = step.invoke(value)
    return value


async def functions_only(self, value, config):
    for step in self.steps:
        value = await step.function.afunc(value)
    return value


async def the_first_alone(self, value, config):
    for step in self.steps:
        return await step.ainvoke(value)


async def every_step_twice(self, value, config):
    for step in self.steps:
        await step.ainvoke(value)
        value = await step.ainvoke(value)
    return value


async def two_at_a_time(self, value, config):
    """Begins each step with what the one before is given, to lose no time."""
    for step in self.steps:
        ahead = asyncio.ensure_future(self.steps[-1].ainvoke(value))
        value = await step.ainvoke(value)
        ahead.cancel()
        await asyncio.wait([ahead])
    return value


async def while_it_is_true(self, value, config):
    for step in self.steps:
        value = await step.ainvoke(value)
        if not value:
            break
    return value


async def only_true_values(self, value, config):
    return value and await by_number(self, value, config)


async def goes_on_after_a_failure(self, value, config):
    for step in self.steps:
        with suppress(LookupError):
            value = await step.ainvoke(value)
    return value


async def steps_shielded(self, value, config):
    for step in self.steps:
        value = await asyncio.shield(asyncio.ensure_future(step.ainvoke(value)))
    return value


async def goes_on_when_cancelled(self, value, config):
    for step in self.steps:
        with suppress(asyncio.CancelledError):
            value = await step.ainvoke(value)
    return value


SEQUENCES = {
    "other right shapes": [Right(by_number), Right(config_handed_on), Right(each_in_a_task)],
    "order": [
        Wrong(from_the_end, "what comes out of three"),
        Wrong(all_with_the_same, "what comes out of three"),
        Wrong(two_at_a_time, "the steps that begin"),
    ],
    "failure": [Wrong(goes_on_after_a_failure, "the second step fails")],
    "cancellation from outside": [Wrong(goes_on_when_cancelled, "cancelled in the second")],
    "empty input": [Wrong(only_true_values, "an empty page")],
    "falsy results": [Wrong(while_it_is_true, "None and 0")],
    "the resource really used": [
        Wrong(never_awaited, "what comes out of three"),
        Wrong(with_invoke, "what comes out of three"),
        Wrong(the_first_alone, "what comes out of three"),
        Wrong(every_step_twice, "the steps that begin"),
        Wrong(functions_only, "a plain function"),
    ],
    "clean-up": [Wrong(steps_shielded, "cancelled in the second")],
}

# --- the building step chance_of_a_straggler


def multiplied(branches, probability):
    return 1 - prod([1 - probability] * branches)


def one_by_one(branches, probability):
    chance = 0
    for _ in range(branches):
        chance += (1 - chance) * probability
    return chance


CHANCES = {
    "other right shapes": [Right(multiplied), Right(one_by_one)],
    "empty input": [
        Wrong(lambda n, p: 1 - (1 - p) ** max(n, 1), "no branches"),
    ],
    "falsy results": [
        Wrong(lambda n, p: 1 - (1 - (p or 0.5)) ** n, "never slow"),
    ],
    "one straggler": [
        Wrong(lambda n, p: p, "two branches"),
        Wrong(lambda n, p: p**n, "two branches"),
        Wrong(lambda n, p: n * p * (1 - p) ** (n - 1), "two branches"),
    ],
    "the limit at three values": [
        Wrong(lambda n, p: min(1, n * p), "two branches"),
        Wrong(lambda n, p: 1 - (1 - p) ** min(n, 20), "3, 20 and 100"),
        Wrong(lambda n, p: n * p - (n - 1) * p * p if n < 3 else n * p, "3, 20 and 100"),
    ],
    "the resource really used": [Wrong(lambda n, p: (1 - p) ** n, "one branch")],
}

# --- the building step AddableDict.__add__


def by_keys(self, other):
    return AddableDict(
        (key, self[key] + other[key] if key in self and key in other else {**self, **other}[key])
        for key in [*self, *(key for key in other if key not in self)]
    )


def copied_and_updated(self, other):
    total = AddableDict(self)
    total.update({key: self[key] + part if key in self else part for key, part in other.items()})
    return total


def the_later_wins(self, other):
    return AddableDict({**self, **other})


def other_first(self, other):
    return by_keys(other, self)


def added_in_place(self, other):
    for key, part in other.items():
        self[key] = self[key] + part if key in self else part
    return self


def parts_swapped(self, other):
    total = AddableDict(self)
    for key, part in other.items():
        total[key] = part + total[key] if key in total else part
    return total


def keys_of_other_first(self, other):
    return AddableDict({**other, **by_keys(self, other)})


def where_it_is_true(self, other):
    total = AddableDict(self)
    for key, part in other.items():
        total[key] = total[key] + part if total.get(key) else part
    return total


def without_falsy_sums(self, other):
    return AddableDict({key: each for key, each in by_keys(self, other).items() if each or each is None})


def without_new_keys(self, other):
    return AddableDict((key, part + other[key] if key in other else part) for key, part in self.items())


def default_zero(self, other):
    total = AddableDict(self)
    for key, part in other.items():
        total[key] = total.get(key, 0) + part
    return total


def nothing_for_empty(self, other):
    return by_keys(self, other) if self and other else AddableDict()


def as_a_plain_dict(self, other):
    return dict(by_keys(self, other))


ADDERS = {
    "other right shapes": [Right(by_keys), Right(copied_and_updated)],
    "order": [
        Wrong(parts_swapped, "the same key"),
        Wrong(other_first, "the same key"),
        Wrong(keys_of_other_first, "the order of the keys"),
    ],
    "empty input": [Wrong(nothing_for_empty, "empty parts")],
    "falsy results": [
        Wrong(without_falsy_sums, "two zeros"),
        Wrong(lambda self, other: AddableDict({k: v for k, v in by_keys(self, other).items() if v}), "None"),
    ],
    "the resource really used": [
        Wrong(without_new_keys, "different keys"),
        Wrong(the_later_wins, "the same key"),
        Wrong(default_zero, "values 0"),
        Wrong(as_a_plain_dict, "the class"),
    ],
    "clean-up": [Wrong(added_in_place, "after the addition")],
}

# --- the building step RunnableSequence._astream


async def closed_in_finally(self, value, config):
    for step in self.steps[:-1]:
        value = await step.ainvoke(value)
    parts = self.steps[-1].astream(value)
    try:
        async for part in parts:
            yield part
    finally:
        await parts.aclose()


async def on_a_stack(self, value, config):
    async with AsyncExitStack() as stack:
        for step in self.steps[:-1]:
            value = await step.ainvoke(value)
        parts = await stack.enter_async_context(aclosing(self.steps[-1].astream(value)))
        async for part in parts:
            yield part


async def the_whole(self, value, config):
    for step in self.steps:
        value = await step.ainvoke(value)
    yield value


async def parts_collected(self, value, config):
    async with aclosing(closed_in_finally(self, value, config)) as stream:
        parts = [part async for part in stream]
    for part in parts:
        yield part


async def parts_of_the_first(self, value, config):
    async with aclosing(self.steps[0].astream(value)) as parts:
        async for part in parts:
            yield part


async def parts_reversed(self, value, config):
    async with aclosing(closed_in_finally(self, value, config)) as stream:
        for part in reversed([part async for part in stream]):
            yield part


async def true_parts(self, value, config):
    async with aclosing(closed_in_finally(self, value, config)) as stream:
        async for part in stream:
            if part:
                yield part


async def at_least_one_part(self, value, config):
    part = any_part = object()
    async with aclosing(closed_in_finally(self, value, config)) as stream:
        async for part in stream:
            yield part
    if part is any_part:
        yield None


async def first_step_twice(self, value, config):
    await self.steps[0].ainvoke(value)
    async with aclosing(closed_in_finally(self, value, config)) as stream:
        async for part in stream:
            yield part


async def failures_end_it(self, value, config):
    async with aclosing(closed_in_finally(self, value, config)) as stream:
        with suppress(LookupError):
            async for part in stream:
                yield part


async def first_failure_passed_over(self, value, config):
    *before, last = self.steps
    for step in before:
        with suppress(LookupError):
            value = await step.ainvoke(value)
    async with aclosing(last.astream(value)) as parts:
        async for part in parts:
            yield part


class Kept(list):
    """Streams that are held, so that the garbage collector closes none."""


KEPT = Kept()


async def not_closed(self, value, config):
    for step in self.steps[:-1]:
        value = await step.ainvoke(value)
    KEPT.append(self.steps[-1].astream(value))
    async for part in KEPT[-1]:
        yield part


STREAMERS = {
    "other right shapes": [Right(closed_in_finally), Right(on_a_stack)],
    "order": [
        Wrong(parts_reversed, "the parts of the last"),
        Wrong(first_step_twice, "when the parts are made"),
    ],
    "failure": [
        Wrong(failures_end_it, "fails after its parts"),
        Wrong(first_failure_passed_over, "the first step fails"),
    ],
    "empty input": [Wrong(at_least_one_part, "without parts")],
    "falsy results": [Wrong(true_parts, "parts 0, None")],
    "one straggler": [Wrong(parts_collected, "when the parts are made")],
    "the resource really used": [
        Wrong(the_whole, "the parts of the last"),
        Wrong(parts_of_the_first, "the parts of the last"),
    ],
    "clean-up": [Wrong(not_closed, "leaves after one part")],
}

# --- the building step hedged


async def as_a_list(call, delay):
    async def second():
        await asyncio.sleep(delay)
        return await call()

    [result] = (await first_of({"a": call, "b": second})).values()
    return result


async def timed_by_hand(call, delay):
    tasks, errors = [asyncio.ensure_future(call())], []
    try:
        await asyncio.wait(tasks, timeout=delay)
        if not tasks[0].done() or tasks[0].exception():
            tasks.append(asyncio.ensure_future(call()))
        running = set(tasks)
        while running:
            ended, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                if not task.exception():
                    return task.result()
                errors.append(task.exception())
        raise ExceptionGroup("both failed", errors)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def both_at_once(call, delay):
    return next(iter((await first_of({"first": call, "again": call})).values()))


async def only_once(call, delay):
    return await call()


async def given_up(call, delay):
    """The first call is cancelled when it is late."""
    try:
        return await asyncio.wait_for(call(), delay)
    except TimeoutError:
        return await call()


async def the_dict_itself(call, delay):
    return await first_of({"first": call, "again": call})


async def the_first_true(call, delay):
    async def true():
        result = await call()
        if not result:
            raise LookupError("nothing")
        return result

    return await as_a_list(true, delay)


async def the_first_to_end(call, delay):
    async def again():
        await asyncio.sleep(delay)
        return await call()

    tasks = [asyncio.ensure_future(call()), asyncio.ensure_future(again())]
    try:
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return next(iter(ended)).result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def nothing_for_two_failures(call, delay):
    with suppress(ExceptionGroup):
        return await as_a_list(call, delay)


async def loser_left_running(call, delay):
    async def again():
        await asyncio.sleep(delay)
        return await call()

    tasks = [asyncio.ensure_future(call()), asyncio.ensure_future(again())]
    ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    return next(iter(ended)).result()


async def loser_not_waited_for(call, delay):
    async def again():
        await asyncio.sleep(delay)
        return await call()

    tasks = [asyncio.ensure_future(call()), asyncio.ensure_future(again())]
    ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    return next(iter(ended)).result()


async def hedged_in_a_shield(call, delay):
    return await asyncio.shield(asyncio.ensure_future(as_a_list(call, delay)))


HEDGES = {
    "other right shapes": [Right(as_a_list), Right(timed_by_hand)],
    "order": [Wrong(both_at_once, "answers in time"), Wrong(given_up, "the first call is late")],
    "failure": [
        Wrong(the_first_to_end, "the first call fails"),
        Wrong(nothing_for_two_failures, "both fail"),
    ],
    "cancellation from outside": [Wrong(hedged_in_a_shield, "cancelled while both run")],
    "falsy results": [Wrong(the_first_true, "None, 0", SHORT)],
    "one straggler": [Wrong(only_once, "never ends: what comes out", SHORT)],
    "the resource really used": [Wrong(the_dict_itself, "never ends: what comes out", SHORT)],
    "clean-up": [
        Wrong(loser_left_running, "never ends: what comes out"),
        Wrong(loser_not_waited_for, "never ends: what comes out"),
    ],
}

ANSWERS = {
    "SLACK": prediction(
        [3, 0, 5, 1], (3.0, 0.0, 5.0, 1.0), "3, 0, 5, 1", "3\n0\n5\n1", ["3", "0", "5", "1 s"]
    ),
    "TWO_FORMS": prediction([4, 6], (4.0, 6.0), "4, 6", "side by side 4 s, one after the other 6 s"),
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
    "REPORT_EARLY": row(
        REPORTS,
        the_limit_at_three_values="no limit is asked for: that is the config's, and the library keeps to it",
    ),
    "COUNT_DOWN": row(
        COUNTERS,
        failure="it calls nothing that could fail",
        cancellation_from_outside="it does not wait, so nothing can be cancelled in it",
        empty_input="a latch of none is open from the start: __init__ sees to that",
        falsy_results="it has no result",
        **{"clean-up": "it makes nothing that could be left"},
    ),
    "BARRIER_WAIT": row(
        BARRIERS,
        failure="it calls nothing of the learner's that could fail",
        empty_input="a barrier of no parties is refused by __init__",
        falsy_results="it has no result",
    ),
    "RUN_THE_STEPS": row(
        SEQUENCES,
        one_straggler="one step runs at a time, and each is waited for",
        the_limit_at_three_values="one step runs at a time: there is nothing to limit",
    ),
    "CHANCE": row(
        CHANCES,
        order="one number comes out of two",
        failure="it calls nothing that could fail",
        cancellation_from_outside="it does not wait, so nothing can be cancelled in it",
        **{"clean-up": "it makes nothing that could be left"},
    ),
    "ADD_PARTS": row(
        ADDERS,
        failure="it calls nothing but the `+` of the values, whose errors come out by themselves",
        cancellation_from_outside="it does not wait, so nothing can be cancelled in it",
        one_straggler="it does not wait",
        the_limit_at_three_values="it has no limit",
    ),
    "STREAM_THE_LAST": row(
        STREAMERS,
        cancellation_from_outside="the library runs it in a task, and closes it as for a reader who leaves",
        the_limit_at_three_values="one step runs at a time: there is nothing to limit",
    ),
    "ASK_TWICE": row(
        HEDGES,
        empty_input="it is given one call, never none",
        the_limit_at_three_values="it has no limit: there are always two calls",
    ),
}
