"""Right and wrong answers to the exercises of lesson 3."""

import asyncio
import time
from collections import deque
from functools import partial
from itertools import chain, islice
from random import Random

from answers import Right, Wrong, prediction, row
from lessons.lesson1_async_execution.tasks import run_as_tasks
from lessons.lesson3_concurrency_limits.limits import check_limit, run_as_tasks_with_limit
from lessons.lesson3_concurrency_limits.rates import backoff, seconds_asked
from lessons.lesson3_concurrency_limits.runnable_parallel import calls_for_each

SHORT = 0.5  # seconds that a case waits for an answer that never ends


# --- REPAIR_THE_DEADLOCK


async def with_task_groups(books, ask, semaphore):
    async def read_page(page):
        async with semaphore:
            return await ask(page)

    async with asyncio.TaskGroup() as group:
        pages = [[group.create_task(read_page(page)) for page in book] for book in books]
    return ["".join(page.result() for page in book) for book in pages]


async def with_acquire_and_release(books, ask, semaphore):
    async def read_page(page):
        await semaphore.acquire()
        try:
            return await ask(page)
        finally:
            semaphore.release()

    return [
        "".join(texts) for texts in await asyncio.gather(*(asyncio.gather(*map(read_page, b)) for b in books))
    ]


async def with_tasks_awaited_in_order(books, ask, semaphore):
    async def read_page(page):
        async with semaphore:
            text = await ask(page)
        return text

    tasks = [[asyncio.create_task(read_page(page)) for page in book] for book in books]
    try:
        return ["".join([await task for task in book]) for book in tasks]
    finally:
        for task in chain(*tasks):
            task.cancel()


def each_book(read):
    """An answer that reads all books at a time, with `read(book, ask, semaphore)`."""

    async def read_all(books, ask, semaphore):
        return await asyncio.gather(*(read(book, ask, semaphore) for book in books))

    return read_all


def each_page(read_page):
    """An answer that reads all pages at a time, with `read_page(page, ask, semaphore)`."""

    async def read(book, ask, semaphore):
        return "".join(await asyncio.gather(*(read_page(page, ask, semaphore) for page in book)))

    return each_book(read)


async def page_with_permit(page, ask, semaphore):
    async with semaphore:
        return await ask(page)


@each_book
async def holding_a_permit(book, ask, semaphore):
    async with semaphore:
        return "".join(await asyncio.gather(*(page_with_permit(page, ask, semaphore) for page in book)))


async def one_book_at_a_time_holding_a_permit(books, ask, semaphore):
    texts = []
    for book in books:
        async with semaphore:
            pages = (page_with_permit(page, ask, semaphore) for page in book)
            texts.append("".join(await asyncio.gather(*pages)))
    return texts


@each_page
async def no_permits(page, ask, semaphore):
    return await ask(page)


async def one_page_at_a_time(books, ask, semaphore):
    return ["".join([await page_with_permit(page, ask, semaphore) for page in book]) for book in books]


async def groups_of_two(books, ask, semaphore):
    """Never more than two at a time, and no permits at all."""
    pages = list(chain(*books))
    texts = []
    for start in range(0, len(pages), 2):
        texts += await asyncio.gather(*map(ask, pages[start : start + 2]))
    left = iter(texts)
    return ["".join(islice(left, len(book))) for book in books]


async def groups_with_permits(books, ask, semaphore):
    """As many as there are permits start together, and the next when all of them have ended."""
    pages, texts = list(chain(*books)), []
    while len(texts) < len(pages):
        room = max(1, semaphore._value)
        group = pages[len(texts) : len(texts) + room]
        texts += await asyncio.gather(*(page_with_permit(page, ask, semaphore) for page in group))
    left = iter(texts)
    return ["".join(islice(left, len(book))) for book in books]


@each_book
async def book_with_permit(book, ask, semaphore):
    async with semaphore:
        return "".join([await ask(page) for page in book])


def with_permits_of_its_own(permits):
    async def read_all(books, ask, semaphore):
        own = asyncio.Semaphore(permits or semaphore._value)

        async def read(book):
            return "".join(await asyncio.gather(*(page_with_permit(page, ask, own) for page in book)))

        return await asyncio.gather(*map(read, books))

    return read_all


async def as_many_permits_as_there_were(books, ask, semaphore):
    return await with_permits_of_its_own(max(1, semaphore._value))(books, ask, semaphore)


async def pages_as_they_end(books, ask, semaphore):
    async def read(book):
        pages = [page_with_permit(page, ask, semaphore) for page in book]
        return "".join([await page for page in asyncio.as_completed(pages)])

    return await asyncio.gather(*map(read, books))


async def books_as_they_end(books, ask, semaphore):
    async def read(book):
        return "".join(await asyncio.gather(*(page_with_permit(page, ask, semaphore) for page in book)))

    return [await text for text in asyncio.as_completed(map(read, books))]


@each_page
async def no_finally(page, ask, semaphore):
    await semaphore.acquire()
    text = await ask(page)
    semaphore.release()
    return text


@each_page
async def given_back_after_an_exception_only(page, ask, semaphore):
    await semaphore.acquire()
    try:
        text = await ask(page)
    except Exception:
        semaphore.release()
        raise
    semaphore.release()
    return text


@each_page
async def given_back_without_having_it(page, ask, semaphore):
    try:
        await semaphore.acquire()
        return await ask(page)
    finally:
        semaphore.release()


@each_page
async def swallows_the_error(page, ask, semaphore):
    async with semaphore:
        try:
            return await ask(page)
        except Exception:
            return ""


@each_page
async def cannot_be_cancelled(page, ask, semaphore):
    async with semaphore:
        return await asyncio.shield(asyncio.ensure_future(ask(page)))


async def swallows_the_cancellation(books, ask, semaphore):
    try:
        return await each_page(page_with_permit)(books, ask, semaphore)
    except asyncio.CancelledError:
        return []


@each_page
async def asks_twice(page, ask, semaphore):
    await page_with_permit(page, ask, semaphore)
    return await page_with_permit(page, ask, semaphore)


async def drops_what_is_empty(books, ask, semaphore):
    texts = await each_page(page_with_permit)(books, ask, semaphore)
    return [text for text in texts if text]


async def waits_for_a_set(books, ask, semaphore):
    tasks = [[asyncio.create_task(page_with_permit(page, ask, semaphore)) for page in book] for book in books]
    await asyncio.wait(chain(*tasks))
    return ["".join(task.result() for task in book) for book in tasks]


REPAIRS = {
    "other right shapes": [
        Right(with_task_groups),
        Right(with_acquire_and_release),
        Right(with_tasks_awaited_in_order),
        Right(each_page(page_with_permit)),
    ],
    "order": [
        Wrong(pages_as_they_end, "first pages take longest"),
        Wrong(books_as_they_end, "first pages take longest"),
    ],
    "failure": [
        Wrong(no_finally, "a page that fails"),
        Wrong(swallows_the_error, "a page that fails"),
    ],
    "cancellation from outside": [
        Wrong(given_back_after_an_exception_only, "cancelled from outside"),
        Wrong(given_back_without_having_it, "cancelled from outside"),
        Wrong(swallows_the_cancellation, "cancelled from outside"),
        Wrong(cannot_be_cancelled, "cancelled from outside", SHORT),
    ],
    "empty input": [Wrong(waits_for_a_set, "no books at all")],
    "falsy results": [Wrong(drops_what_is_empty, "a blank page")],
    "one straggler": [Wrong(groups_with_permits, "answered when all others have been", SHORT)],
    "the limit at three values": [
        Wrong(no_permits, "1, 2 and 5 permits"),
        Wrong(groups_of_two, "1, 2 and 5 permits"),
        Wrong(one_page_at_a_time, "1, 2 and 5 permits"),
        Wrong(with_permits_of_its_own(2), "1, 2 and 5 permits"),
        Wrong(book_with_permit, "1, 2 and 5 permits"),
    ],
    "the resource really used": [
        Wrong(holding_a_permit, "with three permits", SHORT),
        Wrong(one_book_at_a_time_holding_a_permit, "with one permit", SHORT),
        Wrong(with_permits_of_its_own(None), "somebody else holds both", SHORT),
        Wrong(as_many_permits_as_there_were, "somebody else holds both"),
        Wrong(asks_twice, "the number of calls"),
    ],
    "clean-up": [Wrong(no_finally, "a page that fails"), Wrong(given_back_without_having_it, "cancelled")],
}


# --- EACH_AS_IT_ENDS


def has_failed(task):
    return task.cancelled() or task.exception() is not None


async def stop(tasks):
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def with_next(calls, limit):
    tasks, names = set(), {}
    more = True
    try:
        while more or tasks:
            while more and len(tasks) < limit:
                pair = next(calls, None)
                if pair is None:
                    more = False
                else:
                    task = asyncio.create_task(pair[1]())
                    names[task] = pair[0]
                    tasks.add(task)
            if not tasks:
                return
            done, tasks = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            failure = None
            for task in done:
                try:
                    result = task.result()
                except Exception as error:
                    failure = error
                else:
                    yield names.pop(task), result
            if failure:
                raise failure
    finally:
        await stop(tasks)


async def with_a_queue(calls, limit):
    running, ended = {}, asyncio.Queue()

    def start():
        for name, call in islice(calls, limit - len(running)):
            task = asyncio.create_task(call())
            task.add_done_callback(ended.put_nowait)
            running[task] = name

    try:
        start()
        while running:
            tasks = [await ended.get()]
            while not ended.empty():
                tasks.append(ended.get_nowait())
            for task in sorted(tasks, key=has_failed):
                yield running.pop(task), task.result()
            start()
    finally:
        await stop(running)


async def one_at_a_time_of_those_that_are_done(calls, limit):
    """Asks for the next after each result, and fails only when no result is there."""
    running = {}
    try:
        while True:
            for name, call in islice(calls, limit - len(running)):
                running[asyncio.create_task(call())] = name
            if not running:
                break
            done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            task = min(done, key=has_failed)
            result = task.result()
            yield running.pop(task), result
    finally:
        await stop(running)


def tidy(generator):
    """The same generator over tasks that are stopped when it ends; it takes `running`, a dict, too."""

    async def each(calls, limit):
        running = {}
        results = generator(calls, limit, running)
        try:
            async for pair in results:
                yield pair
        finally:
            await results.aclose()
            await stop(running)

    return each


async def first_ended(running):
    done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    return sorted(done, key=has_failed)


def start(calls, room, running):
    for name, call in islice(calls, room):
        running[asyncio.create_task(call())] = name


@tidy
async def all_at_once(calls, limit, running):
    start(calls, None, running)
    while running:
        for task in await first_ended(running):
            yield running.pop(task), task.result()


@tidy
async def behind_a_semaphore(calls, limit, running):
    semaphore = asyncio.Semaphore(limit)

    async def limited(call):
        async with semaphore:
            return await call()

    for name, call in calls:
        running[asyncio.create_task(limited(call))] = name
    while running:
        for task in await first_ended(running):
            yield running.pop(task), task.result()


@tidy
async def from_a_list(calls, limit, running):
    calls = iter(list(calls))
    while True:
        start(calls, limit - len(running), running)
        if not running:
            return
        for task in await first_ended(running):
            yield running.pop(task), task.result()


@tidy
async def always_three(calls, limit, running):
    while True:
        start(calls, 3 - len(running), running)
        if not running:
            return
        for task in await first_ended(running):
            yield running.pop(task), task.result()


@tidy
async def in_groups(calls, limit, running):
    """Hands over each as it ends, and starts the next `limit` when all of a group have ended."""
    while True:
        start(calls, limit, running)
        if not running:
            return
        while running:
            for task in await first_ended(running):
                yield running.pop(task), task.result()


@tidy
async def gathered_in_groups(calls, limit, running):
    while group := list(islice(calls, limit)):
        results = await asyncio.gather(*(call() for _, call in group))
        for (name, _), result in zip(group, results):
            yield name, result


@tidy
async def in_the_order_of_the_calls(calls, limit, running):
    while True:
        start(calls, limit - len(running), running)
        if not running:
            return
        task = next(iter(running))
        await task
        yield running.pop(task), task.result()


async def in_turn(calls, limit):
    for name, call in calls:
        yield name, await call()


async def with_next_alone(calls, limit):
    running = {}
    while True:
        while len(running) < limit:
            name, call = next(calls)
            running[asyncio.create_task(call())] = name
        done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            yield running.pop(task), task.result()


@tidy
async def waits_for_an_empty_set(calls, limit, running):
    start(calls, limit, running)
    while True:
        for task in await first_ended(running):
            yield running.pop(task), task.result()
        start(calls, limit - len(running), running)
        if not running:
            return


@tidy
async def only_what_is_true(calls, limit, running):
    while True:
        start(calls, limit - len(running), running)
        if not running:
            return
        for task in await first_ended(running):
            name = running.pop(task)
            if task.result():
                yield name, task.result()


@tidy
async def drops_what_fails(calls, limit, running):
    while True:
        start(calls, limit - len(running), running)
        if not running:
            return
        for task in await first_ended(running):
            name = running.pop(task)
            if not has_failed(task):
                yield name, task.result()


@tidy
async def hands_over_what_fails(calls, limit, running):
    while True:
        start(calls, limit - len(running), running)
        if not running:
            return
        for task in await first_ended(running):
            yield running.pop(task), task.exception() or task.result()


@tidy
async def raises_before_it_hands_over(calls, limit, running):
    while True:
        start(calls, limit - len(running), running)
        if not running:
            return
        done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            yield running.pop(task), task.result()


async def leaves_all_running(calls, limit):
    running = {}
    while True:
        start(calls, limit - len(running), running)
        if not running:
            return
        for task in await first_ended(running):
            yield running.pop(task), task.result()


async def cancels_without_waiting(calls, limit):
    running = {}
    try:
        while True:
            start(calls, limit - len(running), running)
            if not running:
                return
            for task in await first_ended(running):
                yield running.pop(task), task.result()
    finally:
        for task in running:
            task.cancel()


async def cleans_up_after_exceptions_only(calls, limit):
    running = {}
    try:
        while True:
            start(calls, limit - len(running), running)
            if not running:
                return
            for task in await first_ended(running):
                yield running.pop(task), task.result()
    except Exception:
        await stop(running)
        raise


async def cleans_up_unless_cancelled(calls, limit):
    running = {}
    try:
        while True:
            start(calls, limit - len(running), running)
            if not running:
                return
            for task in await first_ended(running):
                yield running.pop(task), task.result()
    except (Exception, GeneratorExit):
        await stop(running)
        raise


async def keeps_the_cancellation(calls, limit):
    running = {}
    try:
        while True:
            start(calls, limit - len(running), running)
            if not running:
                return
            for task in await first_ended(running):
                yield running.pop(task), task.result()
    except asyncio.CancelledError:
        return
    finally:
        await stop(running)


GENERATORS = {
    "other right shapes": [
        Right(with_next),
        Right(with_a_queue),
        Right(one_at_a_time_of_those_that_are_done),
    ],
    "order": [
        Wrong(in_the_order_of_the_calls, "the order 2, 0, 1", SHORT),
        Wrong(in_turn, "the order 2, 0, 1", SHORT),
    ],
    "failure": [
        Wrong(drops_what_fails, "call 1 of 3 fails"),
        Wrong(hands_over_what_fails, "call 1 of 3 fails"),
        Wrong(raises_before_it_hands_over, "half fail"),
    ],
    "cancellation from outside": [
        Wrong(cleans_up_unless_cancelled, "cancelled from outside"),
        Wrong(keeps_the_cancellation, "cancelled from outside"),
    ],
    "empty input": [
        Wrong(waits_for_an_empty_set, "no calls at all"),
        Wrong(with_next_alone, "the results of four calls"),
    ],
    "falsy results": [Wrong(only_what_is_true, "0, None and an empty text")],
    "one straggler": [
        Wrong(in_groups, "call 0 ends last", SHORT),
        Wrong(gathered_in_groups, "the order 2, 0, 1", SHORT),
    ],
    "the limit at three values": [
        Wrong(all_at_once, "limits of 1, 3 and 5"),
        Wrong(always_three, "limits of 1, 3 and 5"),
    ],
    "the resource really used": [
        Wrong(behind_a_semaphore, "pulled from the iterator"),
        Wrong(from_a_list, "pulled from the iterator"),
    ],
    "clean-up": [
        Wrong(leaves_all_running, "call 0 fails while call 1 runs"),
        Wrong(cancels_without_waiting, "call 0 fails while call 1 runs"),
        Wrong(cleans_up_after_exceptions_only, "closed after the first result"),
    ],
}


# --- RELEASE


def release_with_for(self):
    while self.queue:
        turn = self.queue.popleft()
        if not turn.done():
            turn.set_result(None)
            break
    else:
        self.permits += 1


def release_filtering_first(self):
    while self.queue and self.queue[0].cancelled():
        self.queue.popleft()
    if not self.queue:
        self.permits += 1
    else:
        self.queue.popleft().set_result(None)


def counts_up_only(self):
    self.permits += 1


def hands_over_only(self):
    self.queue.popleft().set_result(None)


def counts_and_hands_over(self):
    self.permits += 1
    while self.queue:
        turn = self.queue.popleft()
        if not turn.cancelled():
            turn.set_result(None)
            return


def knows_one_permit_only(self):
    while self.queue:
        turn = self.queue.popleft()
        if not turn.cancelled():
            turn.set_result(None)
            return
    self.permits = 1


def wakes_all(self):
    if not self.queue:
        self.permits += 1
    while self.queue:
        turn = self.queue.popleft()
        if not turn.cancelled():
            turn.set_result(None)


def last_come_first_served(self):
    while self.queue:
        turn = self.queue.pop()
        if not turn.cancelled():
            turn.set_result(None)
            return
    self.permits += 1


def gives_it_later(self):
    """Counts it now, and looks into the queue two rounds later."""

    def hand_over():
        while self.queue and self.permits:
            turn = self.queue.popleft()
            if not turn.cancelled():
                self.permits -= 1
                turn.set_result(None)

    loop = asyncio.get_running_loop()
    self.permits += 1
    loop.call_soon(loop.call_soon, hand_over)


def does_not_ask_who_was_cancelled(self):
    if self.queue:
        self.queue.popleft().set_result(None)
    else:
        self.permits += 1


def wastes_the_permit_on_the_cancelled(self):
    if self.queue:
        turn = self.queue.popleft()
        if not turn.cancelled():
            turn.set_result(None)
    else:
        self.permits += 1


def loses_it_when_all_are_cancelled(self):
    if not self.queue:
        self.permits += 1
        return
    while self.queue:
        turn = self.queue.popleft()
        if not turn.cancelled():
            turn.set_result(None)
            return


def leaves_the_future_in_the_queue(self):
    for turn in self.queue:
        if not turn.cancelled():
            turn.set_result(None)
            return
    self.permits += 1


def leaves_the_done_in_the_queue(self):
    """Right, but for the tidiness: those who have had their turn stay in the queue."""
    for turn in self.queue:
        if not turn.done():
            turn.set_result(None)
            return
    self.permits += 1


RELEASES = {
    "other right shapes": [Right(release_with_for), Right(release_filtering_first)],
    "order": [
        Wrong(last_come_first_served, "one permit is given back"),
        Wrong(gives_it_later, "another asks right after"),
        Wrong(counts_and_hands_over, "one task waits"),
    ],
    "cancellation from outside": [
        Wrong(does_not_ask_who_was_cancelled, "the first has been cancelled"),
        Wrong(wastes_the_permit_on_the_cancelled, "the first has been cancelled"),
        Wrong(loses_it_when_all_are_cancelled, "both have been cancelled"),
    ],
    "empty input": [Wrong(hands_over_only, "nobody waits")],
    "the limit at three values": [
        Wrong(wakes_all, "one permit is given back"),
        Wrong(knows_one_permit_only, "the most inside"),
    ],
    "the resource really used": [Wrong(counts_up_only, "one task waits")],
    "clean-up": [
        Wrong(leaves_the_future_in_the_queue, "one task waits"),
        Wrong(leaves_the_done_in_the_queue, "one task waits"),
    ],
}


# --- RUN_WITH_LIMIT


async def with_a_deque(calls, limit):
    if check_limit(limit) is None:
        return await run_as_tasks(calls)
    left, results = deque(calls.items()), {}

    async def work():
        while left:
            name, call = left.popleft()
            results[name] = await asyncio.create_task(call(), name=name)

    await asyncio.gather(*(work() for _ in range(limit)))
    return [results[name] for name in calls]


async def with_wait(calls, limit):
    if check_limit(limit) is None:
        return await run_as_tasks(calls)
    waiting, running, results = iter(calls.items()), {}, {}
    while True:
        for name, call in islice(waiting, limit - len(running)):
            running[asyncio.create_task(call(), name=name)] = name
        if not running:
            return [results[name] for name in calls]
        done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            results[running.pop(task)] = task.result()


def workers(start=None, keep=None, count=None, first=True):
    """An answer with workers of which one detail is another.

    start: makes what a worker awaits of (name, call). keep: what to do with (results, place, result).
    count: the number of workers, of (limit, calls). first: whether the limit is looked at.
    """

    def put(results, place, result):
        results[place] = result

    start = start or (lambda name, call: asyncio.create_task(call(), name=name))
    keep = keep or put
    count = count or (lambda limit, calls: min(limit, len(calls)))

    async def run(calls, limit):
        if (check_limit(limit) if first else limit) is None:
            return await run_as_tasks(calls)
        waiting, results = enumerate(calls.items()), [None] * len(calls)

        async def work():
            for place, (name, call) in waiting:
                keep(results, place, await start(name, call))

        await run_as_tasks({f"worker {number}": work for number in range(count(limit, calls))})
        return results

    return run


async def behind_a_semaphore_with_names(calls, limit):
    if check_limit(limit) is None:
        return await run_as_tasks(calls)
    semaphore = asyncio.Semaphore(limit)

    async def limited(call):
        async with semaphore:
            return await call()

    return await run_as_tasks({name: partial(limited, call) for name, call in calls.items()})


async def in_groups_of_the_limit(calls, limit):
    check_limit(limit)
    results, names = [], list(calls)
    for start in range(0, len(names), limit or 100):
        results += await run_as_tasks({name: calls[name] for name in names[start : start + (limit or 100)]})
    return results


async def as_they_end(calls, limit):
    if check_limit(limit) is None:
        return await run_as_tasks(calls)
    waiting, results = iter(calls.items()), []

    async def work():
        for name, call in waiting:
            results.append(await asyncio.create_task(call(), name=name))

    await asyncio.gather(*(work() for _ in range(limit)))
    return results


async def no_limit_at_all(calls, limit):
    check_limit(limit)
    return await run_as_tasks(calls)


async def none_fails(calls, limit):
    check_limit(limit)
    return await workers(count=lambda limit, calls: limit)(calls, limit or 1)


async def an_iterator_for_each_worker(calls, limit):
    if check_limit(limit) is None:
        return await run_as_tasks(calls)
    results = [None] * len(calls)

    async def work():
        for place, (name, call) in enumerate(calls.items()):
            results[place] = await asyncio.create_task(call(), name=name)

    await asyncio.gather(*(work() for _ in range(limit)))
    return results


async def fails_without_calls(calls, limit):
    return await workers()(calls, limit) if calls else None


async def failures_as_results(calls, limit):
    async def safely(call):
        try:
            return await call()
        except Exception as error:
            return error

    return await workers()({name: partial(safely, call) for name, call in calls.items()}, limit)


def only_what_counts(results, place, result):
    results[place] = result or results[place] or ""


LIMITED = {
    "other right shapes": [
        Right(with_a_deque),
        Right(with_wait),
        Right(workers(count=lambda limit, _: limit)),
    ],
    "order": [Wrong(as_they_end, "in reverse order")],
    "failure": [Wrong(failures_as_results, "the second of three calls fails")],
    "empty input": [Wrong(fails_without_calls, "no calls at all")],
    "falsy results": [Wrong(workers(keep=only_what_counts), "count as false")],
    "one straggler": [Wrong(in_groups_of_the_limit, "waits for the third", SHORT)],
    "the limit at three values": [
        Wrong(no_limit_at_all, "limits of 1, 3, 5 and none"),
        Wrong(none_fails, "limits of 1, 3, 5 and none"),
        Wrong(workers(count=lambda limit, calls: 3), "limits of 1, 3, 5 and none"),
        Wrong(an_iterator_for_each_worker, "the names of the tasks"),
        Wrong(workers(first=False), "limits of 0 and True"),
    ],
    "the resource really used": [
        Wrong(behind_a_semaphore_with_names, "fifty calls"),
        Wrong(workers(start=lambda name, call: call()), "the names of the tasks"),
        Wrong(workers(start=lambda name, call: asyncio.create_task(call())), "the names of the tasks"),
        Wrong(workers(keep=lambda results, place, result: None), "the results of three calls"),
    ],
}


# --- ABATCH


async def abatch_with_a_semaphore(self, inputs, config=None):
    calls = calls_for_each(self.ainvoke, inputs, config)
    limit = self.limit(config)
    if limit is None:
        return await asyncio.gather(*(call() for call in calls.values()))
    semaphore = asyncio.Semaphore(limit)

    async def limited(call):
        async with semaphore:
            return await call()

    return await asyncio.gather(*map(limited, calls.values()))


async def abatch_by_hand(self, inputs, config=None):
    if not isinstance(inputs, list):
        raise TypeError("no list")
    calls = {n: partial(self.ainvoke, value, config) for n, value in enumerate(inputs)}
    return await run_as_tasks_with_limit(calls, self.limit(config))


def abatch(run=run_as_tasks_with_limit, limit=None, config_of=None, inputs_of=None, after=None):
    """An answer of which one detail is another."""

    async def answer(self, inputs, config=None):
        calls = calls_for_each(
            self.ainvoke,
            inputs_of(inputs) if inputs_of else inputs,
            config_of(config) if config_of else config,
        )
        results = await run(calls, limit(self, config) if limit else self.limit(config))
        return after(results) if after else results

    return answer


def of_the_call_only(self, config):
    return (config or {}).get("max_concurrency")


async def abatch_in_groups(self, inputs, config=None):
    calls = calls_for_each(self.ainvoke, inputs, config)
    return await in_groups_of_the_limit(calls, self.limit(config))


async def abatch_in_turn(self, inputs, config=None):
    calls = calls_for_each(self.ainvoke, inputs, config)
    return [await call() for call in calls.values()]


async def abatch_as_it_ends(self, inputs, config=None):
    calls = calls_for_each(self.ainvoke, inputs, config)
    return await as_they_end(calls, self.limit(config) or max(1, len(calls)))


BATCHES = {
    "other right shapes": [Right(abatch_with_a_semaphore), Right(abatch_by_hand), Right(abatch(with_wait))],
    "order": [Wrong(abatch_as_it_ends, "in reverse order")],
    "failure": [Wrong(abatch(failures_as_results), "the second of three inputs fails")],
    "empty input": [
        Wrong(abatch(fails_without_calls), "no inputs at all"),
    ],
    "falsy results": [
        Wrong(
            abatch(inputs_of=lambda inputs: [x for x in inputs if x] if type(inputs) is list else inputs),
            "count as false",
        ),
    ],
    "one straggler": [Wrong(abatch_in_groups, "waits for the third", SHORT)],
    "the limit at three values": [
        Wrong(abatch(no_limit_at_all), "limits of 1, 3 and 5"),
        Wrong(abatch_in_turn, "limits of 1, 3 and 5"),
        Wrong(
            abatch(limit=lambda self, config: (config or {}).get("max_concurrency")), "limits of 1, 3 and 5"
        ),
        Wrong(abatch(limit=lambda self, config: self.limit(None)), "the chain says 5"),
    ],
    "the resource really used": [
        Wrong(abatch(config_of=lambda config: None), "three branches each"),
        Wrong(abatch(inputs_of=list), "a tuple, and a text"),
        Wrong(abatch(after=dict.fromkeys), "three inputs for two branches"),
    ],
}


# --- RESERVE


def reserve_step_by_step(self, now):
    fallen = (now - self.time) * self.rate
    self.tokens += fallen
    if self.tokens > self.burst:
        self.tokens = self.burst
    self.tokens -= 1
    self.time = now
    if self.tokens >= 0:
        return 0.0
    return -self.tokens / self.rate


def reserve_asks_first(self, now):
    self.tokens = min(self.burst, self.tokens + (now - self.time) * self.rate)
    self.time = now
    wait = max(0, 1 - self.tokens) / self.rate
    self.tokens -= 1
    return wait


def no_more_than_none(self, now):
    self.tokens = min(self.burst, self.tokens + (now - self.time) * self.rate)
    self.time = now
    wait = max(0.0, (1 - self.tokens) / self.rate)
    self.tokens = max(0, self.tokens - 1)
    return wait


def takes_none(self, now):
    self.tokens = min(self.burst, self.tokens + (now - self.time) * self.rate)
    self.time = now
    return max(0.0, (1 - self.tokens) / self.rate)


def bottomless(self, now):
    fallen = 0 if self.time == float("-inf") else (now - self.time) * self.rate
    self.tokens += max(fallen, 2 - self.tokens if fallen == 0 and self.tokens == self.burst else fallen) - 1
    self.time = now
    return max(0.0, -self.tokens / self.rate)


def without_the_burst(self, now):
    self.tokens = min(1, self.tokens + (now - self.time) * self.rate) - 1
    self.time = now
    return max(0.0, -self.tokens / self.rate)


def two_at_once(self, now):
    self.tokens = min(2, self.tokens + (now - self.time) * self.rate) - 1
    self.time = now
    return max(0.0, -self.tokens / self.rate)


def forgets_the_time(self, now):
    if self.time == float("-inf"):
        self.time = now
    self.tokens = min(self.burst, self.tokens + (now - self.time) * self.rate) - 1
    return max(0.0, -self.tokens / self.rate)


def whole_tokens_only(self, now):
    fallen = self.burst if self.time == float("-inf") else int((now - self.time) * self.rate)
    self.tokens = min(self.burst, self.tokens + fallen) - 1
    self.time = now
    return max(0.0, -self.tokens / self.rate)


def negative_waits(self, now):
    self.tokens = min(self.burst, self.tokens + (now - self.time) * self.rate) - 1
    self.time = now
    return -self.tokens / self.rate


def multiplied(self, now):
    self.tokens = min(self.burst, self.tokens + (now - self.time) * self.rate) - 1
    self.time = now
    return max(0.0, -self.tokens * self.rate)


def a_tenth_each(self, now):
    """Knows a rate of ten only."""
    self.tokens = min(self.burst, self.tokens + (now - self.time) * self.rate) - 1
    self.time = now
    return max(0.0, -self.tokens / max(1, self.rate))


def notes_the_moment_it_goes(self, now):
    self.tokens = min(self.burst, self.tokens + (now - self.time) * self.rate) - 1
    wait = max(0.0, -self.tokens / self.rate)
    self.time = now + wait
    self.tokens = max(0, self.tokens)
    return wait


RESERVES = {
    "other right shapes": [Right(reserve_step_by_step), Right(reserve_asks_first)],
    "the limit at three values": [
        Wrong(without_the_burst, "a burst of 2"),
        Wrong(two_at_once, "bursts of 1, 2 and 5"),
        Wrong(multiplied, "a burst of 2"),
        Wrong(a_tenth_each, "one every two seconds"),
    ],
    "the resource really used": [
        Wrong(takes_none, "a burst of 2"),
        Wrong(no_more_than_none, "a burst of 2"),
        Wrong(forgets_the_time, "callers at seconds 0, 0.25"),
        Wrong(whole_tokens_only, "callers at seconds 0, 0.25"),
        Wrong(notes_the_moment_it_goes, "the tokens and the time"),
    ],
    "falsy results": [Wrong(negative_waits, "a burst of 2")],
}


# --- PERMIT_THEN_TOKEN


async def with_acquire(permits, bucket, ask, value):
    await permits.acquire()
    try:
        await bucket.take()
        answer = await ask(value)
    finally:
        permits.release()
    return answer


async def with_a_function_inside(permits, bucket, ask, value):
    async def paid():
        await bucket.take()
        return await ask(value)

    async with permits:
        return await paid()


async def token_then_permit(permits, bucket, ask, value):
    await bucket.take()
    async with permits:
        return await ask(value)


async def permit_for_the_token_only(permits, bucket, ask, value):
    async with permits:
        await bucket.take()
    return await ask(value)


async def at_the_same_time(permits, bucket, ask, value):
    await asyncio.gather(permits.acquire(), bucket.take())
    try:
        return await ask(value)
    finally:
        permits.release()


async def no_token(permits, bucket, ask, value):
    async with permits:
        return await ask(value)


async def two_tokens(permits, bucket, ask, value):
    async with permits:
        await bucket.take()
        await bucket.take()
        return await ask(value)


async def asked_twice(permits, bucket, ask, value):
    async with permits:
        await bucket.take()
        return await ask(value) or await ask(value)


async def only_true_answers(permits, bucket, ask, value):
    async with permits:
        await bucket.take()
        return await ask(value) or "nothing"


async def answer_thrown_away(permits, bucket, ask, value):
    async with permits:
        await bucket.take()
        await ask(value)


async def release_without_finally(permits, bucket, ask, value):
    await permits.acquire()
    await bucket.take()
    answer = await ask(value)
    permits.release()
    return answer


async def release_after_exceptions_only(permits, bucket, ask, value):
    await permits.acquire()
    try:
        await bucket.take()
        answer = await ask(value)
    except Exception:
        permits.release()
        raise
    permits.release()
    return answer


async def error_becomes_none(permits, bucket, ask, value):
    async with permits:
        await bucket.take()
        try:
            return await ask(value)
        except LookupError:
            return None


async def finally_around_the_call_only(permits, bucket, ask, value):
    await permits.acquire()
    await bucket.take()
    try:
        return await ask(value)
    finally:
        permits.release()


ORDERS = {
    "other right shapes": [Right(with_acquire), Right(with_a_function_inside)],
    "order": [
        Wrong(token_then_permit, "when the token is taken"),
        Wrong(permit_for_the_token_only, "with 1, 2 and 5 permits"),
    ],
    "failure": [
        Wrong(error_becomes_none, "a call that fails"),
        Wrong(release_without_finally, "a call that fails"),
    ],
    "cancellation from outside": [
        Wrong(release_after_exceptions_only, "cancelled as it waits"),
        Wrong(finally_around_the_call_only, "cancelled as it waits"),
    ],
    "falsy results": [
        Wrong(only_true_answers, "count as false"),
        Wrong(asked_twice, "the tokens, and the calls"),
    ],
    "the limit at three values": [Wrong(permit_for_the_token_only, "with 1, 2 and 5 permits")],
    "the resource really used": [
        Wrong(no_token, "when the token is taken"),
        Wrong(two_tokens, "when the token is taken"),
        Wrong(answer_thrown_away, "what comes of a document"),
    ],
    "clean-up": [Wrong(release_without_finally, "a call that fails")],
}


# --- BACKOFF


def part_of_it(attempt, random, base=0.1, cap=10.0):
    most = base
    for _ in range(attempt):
        most = min(most * 2, cap)
    return random.random() * min(most, cap)


def uniform_with_an_if(attempt, random, base=0.1, cap=10.0):
    most = base * 2**attempt
    if most > cap:
        most = cap
    return random.uniform(0, most)


def no_jitter(attempt, random, base=0.1, cap=10.0):
    return min(cap, base * 2**attempt)


def half_jitter(attempt, random, base=0.1, cap=10.0):
    most = min(cap, base * 2**attempt)
    return random.uniform(most / 2, most)


def jitter_on_top(attempt, random, base=0.1, cap=10.0):
    return min(cap, base * 2**attempt) + random.uniform(0, base)


def no_cap(attempt, random, base=0.1, cap=10.0):
    return random.uniform(0, base * 2**attempt)


def linear(attempt, random, base=0.1, cap=10.0):
    return random.uniform(0, min(cap, base * (attempt + 1)))


def one_too_many(attempt, random, base=0.1, cap=10.0):
    return random.uniform(0, min(cap, base * 2 ** (attempt + 1)))


def cap_on_the_attempt(attempt, random, base=0.1, cap=10.0):
    return random.uniform(0, base * 2 ** min(attempt, cap))


def the_module_itself(attempt, random, base=0.1, cap=10.0):
    import random as module

    most = min(cap, base * 2**attempt)
    return type(random).random(random) * most if type(random) is not Random else module.uniform(0, most)


def cap_after_the_jitter(attempt, random, base=0.1, cap=10.0):
    return min(cap, random.uniform(0, base * 2**attempt))


BACKOFFS = {
    "other right shapes": [Right(part_of_it), Right(uniform_with_an_if)],
    "the limit at three values": [
        Wrong(linear, "after attempts 0, 1, 2 and 3"),
        Wrong(one_too_many, "after attempts 0, 1, 2 and 3"),
        Wrong(no_cap, "a cap of 3"),
        Wrong(cap_on_the_attempt, "a cap of 3"),
    ],
    "the resource really used": [
        Wrong(no_jitter, "the shortest wait"),
        Wrong(cap_after_the_jitter, "half-way"),
        Wrong(half_jitter, "the shortest wait"),
        Wrong(jitter_on_top, "after attempts 0, 1, 2 and 3"),
        Wrong(the_module_itself, "the same seed"),
    ],
}


# --- RETRY


async def retry_with_while(call, retry_on, random, attempts=6):
    attempt = 0
    while True:
        try:
            return await call()
        except retry_on as refusal:
            attempt += 1
            if attempt == attempts:
                raise
            wait = seconds_asked(refusal) + backoff(attempt - 1, random)
        await asyncio.sleep(wait)


async def retry_that_keeps_the_last(call, retry_on, random, attempts=6):
    for attempt in range(attempts):
        try:
            return await call()
        except retry_on as refusal:
            last = refusal
            if attempt < attempts - 1:
                await asyncio.sleep(seconds_asked(refusal) + backoff(attempt, random))
    raise last


async def retry_by_recursion(call, retry_on, random, attempts=6, attempt=0):
    try:
        return await call()
    except retry_on as refusal:
        if attempt + 1 == attempts:
            raise
        await asyncio.sleep(seconds_asked(refusal) + backoff(attempt, random))
    return await retry_by_recursion(call, retry_on, random, attempts, attempt + 1)


def asked_and_backoff(refusal, attempt, random):
    return seconds_asked(refusal) + backoff(attempt, random)


def retrying(
    wait=asked_and_backoff,
    tries=None,
    also=(),
    sleep=asyncio.sleep,
    last_waits=False,
    falsy=False,
    lost=False,
):
    """An answer of which one detail is another. also: what it takes for a refusal, too."""

    async def answer(call, retry_on, random, attempts=6):
        count = tries(attempts) if tries else attempts
        caught = (retry_on, also) if also else retry_on
        for attempt in range(count):
            try:
                result = await call()
                if result or not falsy:
                    return result
                continue
            except caught as refusal:
                failure = refusal
            if attempt < count - 1 or last_waits:
                sleeping = sleep(wait(failure, attempt, random))
                if sleeping:
                    await sleeping
        if lost:
            return None
        raise failure

    return answer


async def takes_a_cancellation_for_the_end_of_the_wait(call, retry_on, random, attempts=6):
    for attempt in range(attempts - 1):
        try:
            return await call()
        except retry_on as refusal:
            wait = asked_and_backoff(refusal, attempt, random)
        try:
            await asyncio.sleep(wait)
        except asyncio.CancelledError:
            pass
    return await call()


async def waits_first(call, retry_on, random, attempts=6):
    for attempt in range(attempts - 1):
        await asyncio.sleep(backoff(attempt, random))
        try:
            return await call()
        except retry_on as refusal:
            await asyncio.sleep(seconds_asked(refusal))
    return await call()


RETRIES = {
    "other right shapes": [
        Right(retry_with_while),
        Right(retry_that_keeps_the_last),
        Right(retry_by_recursion),
    ],
    "failure": [
        Wrong(retrying(also=LookupError), "for another reason"),
        Wrong(retrying(lost=True), "whenever it comes"),
    ],
    "cancellation from outside": [Wrong(takes_a_cancellation_for_the_end_of_the_wait, "cancelled after 5")],
    "falsy results": [Wrong(retrying(falsy=True), "count as false")],
    "the limit at three values": [
        Wrong(retrying(tries=lambda attempts: attempts + 1), "with 1, 2 and 3 attempts"),
        Wrong(retrying(tries=lambda attempts: 4), "with 1, 2 and 3 attempts"),
        Wrong(retrying(last_waits=True), "with 1, 2 and 3 attempts"),
    ],
    "the resource really used": [
        Wrong(waits_first, "answered at once"),
        Wrong(retrying(sleep=lambda seconds: time.sleep(0.01)), "asked to wait 2 s"),
        Wrong(retrying(wait=lambda refusal, attempt, random: seconds_asked(refusal)), "asked to wait 2 s"),
        Wrong(retrying(wait=lambda refusal, attempt, random: backoff(attempt, random)), "asked to wait 2 s"),
        Wrong(
            retrying(wait=lambda refusal, _, random: seconds_asked(refusal) + backoff(0, random)),
            "0.1, 0.2 and 0.4 s",
        ),
        Wrong(
            retrying(wait=lambda refusal, n, random: seconds_asked(refusal) + backoff(n + 1, random)),
            "asked to wait 2 s",
        ),
    ],
}


# --- RETRY_WITHOUT_PERMIT


async def attempt_with_acquire(call, permits, bucket, retry):
    async def attempt():
        await permits.acquire()
        try:
            await bucket.take()
            return await call()
        finally:
            permits.release()

    return await retry(attempt)


async def attempt_by_partial(call, permits, bucket, retry):
    return await retry(partial(with_acquire, permits, bucket, lambda value: call(), None))


async def as_it_was(call, permits, bucket, retry):
    async with permits:
        await bucket.take()
        return await retry(call)


def trying(attempt):
    """An answer that retries `attempt(call, permits, bucket)`."""

    async def ask(call, permits, bucket, retry):
        return await retry(partial(attempt, call, permits, bucket))

    return ask


async def permit_around_all(call, permits, bucket, retry):
    async def attempt():
        await bucket.take()
        return await call()

    async with permits:
        return await retry(attempt)


async def one_token_for_all(call, permits, bucket, retry):
    async def attempt():
        async with permits:
            return await call()

    await bucket.take()
    return await retry(attempt)


@trying
async def attempt_with_the_token_first(call, permits, bucket):
    await bucket.take()
    async with permits:
        return await call()


@trying
async def attempt_with_the_call_outside(call, permits, bucket):
    async with permits:
        await bucket.take()
    return await call()


@trying
async def attempt_of_what_is_true(call, permits, bucket):
    async with permits:
        await bucket.take()
        return await call() or "nothing"


@trying
async def attempt_without_finally(call, permits, bucket):
    await permits.acquire()
    await bucket.take()
    answer = await call()
    permits.release()
    return answer


@trying
async def attempt_cleaning_after_exceptions(call, permits, bucket):
    await permits.acquire()
    try:
        await bucket.take()
        answer = await call()
    except Exception:
        permits.release()
        raise
    permits.release()
    return answer


@trying
async def attempt_that_swallows(call, permits, bucket):
    async with permits:
        await bucket.take()
        try:
            return await call()
        except LookupError:
            return None


async def no_retry(call, permits, bucket, retry):
    async with permits:
        await bucket.take()
        return await call()


async def forgets_to_return(call, permits, bucket, retry):
    async def attempt():
        async with permits:
            await bucket.take()
            return await call()

    await retry(attempt)


POLITE = {
    "other right shapes": [Right(attempt_with_acquire), Right(attempt_by_partial)],
    "order": [Wrong(attempt_with_the_token_first, "whenever a token is taken")],
    "failure": [
        Wrong(no_retry, "refused twice: what comes"),
        Wrong(attempt_that_swallows, "for another reason"),
    ],
    "cancellation from outside": [Wrong(attempt_cleaning_after_exceptions, "cancelled as it waits")],
    "falsy results": [Wrong(attempt_of_what_is_true, "count as false")],
    "the limit at three values": [Wrong(attempt_with_the_call_outside, "with 1, 2 and 5 permits")],
    "the resource really used": [
        Wrong(as_it_was, "refused twice: what comes"),
        Wrong(one_token_for_all, "refused twice: what comes"),
        Wrong(permit_around_all, "in each wait"),
        Wrong(forgets_to_return, "answered at once"),
    ],
    "clean-up": [Wrong(attempt_without_finally, "the tokens that were taken", SHORT)],
}

ONE_CALL = "it makes one call"
ARITHMETIC = "it is plain arithmetic, and waits for nothing"

ANSWERS = {
    "TOO_MANY_AT_ONCE": prediction("10, 90", [10, 90], "10 and 90"),
    "RELEASE": row(
        RELEASES,
        failure="`__aexit__` calls it after an error, too; it cannot fail itself",
        falsy_results="it gives no result",
        one_straggler="it knows who waits for a permit, and nothing of those who have one",
    ),
    "RUN_WITH_LIMIT": row(
        LIMITED,
        cancellation_from_outside="lesson 4 takes that up; this lesson's version leaves its tasks running",
        **{"clean-up": "with all results there all tasks have ended; what a failure leaves is lesson 4's"},
    ),
    "ABATCH": row(
        BATCHES,
        cancellation_from_outside="lesson 4 takes that up; this lesson's version leaves its tasks running",
        **{"clean-up": "with all results there all tasks have ended; what a failure leaves is lesson 4's"},
    ),
    "PLAN_THE_LIMIT": prediction("30, 5", [30, 5], "30 at a time, 5 seconds"),
    "TWO_LEVELS": prediction("16, 7", [16, 7]),
    "WHO_ENDS_WHEN": prediction("bcade", "B, C, A, D, E", "b\nc\na\nd\ne", list("bcade")),
    "FIND_THE_LIMIT": prediction("second", " Second ", ["second"]),
    "REPAIR_THE_DEADLOCK": row(REPAIRS),
    "EACH_AS_IT_ENDS": row(GENERATORS),
    "RATE_OF_A_LIMIT": prediction("3000, 600", "3,000 and 600", [3000, 600]),
    "RESERVE": row(
        RESERVES,
        order=f"{ARITHMETIC}: `take` keeps the order",
        failure=ARITHMETIC,
        cancellation_from_outside=f"{ARITHMETIC}: `take` gives back",
        empty_input="it always gets a time",
        one_straggler=ARITHMETIC,
        **{"clean-up": ARITHMETIC},
    ),
    "PERMIT_THEN_TOKEN": row(ORDERS, empty_input="it always gets a value", one_straggler=ONE_CALL),
    "BACKOFF": row(
        BACKOFFS,
        order=ARITHMETIC,
        failure=ARITHMETIC,
        cancellation_from_outside=ARITHMETIC,
        empty_input="it always gets an attempt",
        falsy_results="what it returns is a number",
        one_straggler=ARITHMETIC,
        **{"clean-up": ARITHMETIC},
    ),
    "RETRY": row(
        RETRIES,
        order=ONE_CALL,
        one_straggler=ONE_CALL,
        empty_input="it always gets a call",
        **{"clean-up": "between two attempts it holds nothing"},
    ),
    "WHEN_THEY_GO": prediction("0, 0, 0.25, 0.5, 0.75, 2", [0, 0, 0.25, 0.5, 0.75, 2]),
    "RETRIES_MULTIPLY": prediction("24, 8", [24, 8]),
    "RETRY_WITHOUT_PERMIT": row(POLITE, empty_input="it always gets a call", one_straggler=ONE_CALL),
}
