"""Right and wrong answers to the exercises of lesson 3."""

import asyncio
from itertools import chain, islice

from answers import Right, Wrong, prediction, row

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

ANSWERS = {
    "WHO_ENDS_WHEN": prediction("bcade", "B, C, A, D, E", "b\nc\na\nd\ne", list("bcade")),
    "FIND_THE_LIMIT": prediction("second", " Second ", ["second"]),
    "REPAIR_THE_DEADLOCK": row(REPAIRS),
    "EACH_AS_IT_ENDS": row(GENERATORS),
}
