"""Lesson 3: the semaphore, the limit, the rates, RunnableParallel, and the exercises' own solutions."""

import asyncio
import itertools
import math
import threading
import time
from contextvars import ContextVar
from functools import partial
from random import Random
from types import SimpleNamespace

import pytest
from langchain_core.rate_limiters import InMemoryRateLimiter
from langchain_core.runnables import RunnableLambda

import lessons
from helpers.calls.llm_service import llm_server
from helpers.cards.checks import run_cases
from helpers.recording.virtual_clock import run_on_virtual_clock
from lessons.lesson3_concurrency_limits import exercises, rates
from lessons.lesson3_concurrency_limits.crowd import Crowd
from lessons.lesson3_concurrency_limits.limits import check_limit, run_as_tasks_with_limit
from lessons.lesson3_concurrency_limits.rates import (
    TokenBucket,
    backoff,
    permit_then_token,
    retry,
    seconds_asked,
)
from lessons.lesson3_concurrency_limits.runnable_parallel import RunnableParallel, check_config
from lessons.lesson3_concurrency_limits.semaphore import Semaphore
from lessons.lesson3_concurrency_limits.simulated import SimulatedService

pytestmark = pytest.mark.usefixtures("nothing_is_left")

PATIENCE = 60  # seconds before a test fails that waits for something
BAD_LIMITS = [0, -1, 2.5, True, "5", float("nan"), [5]]
FIVE = {"max_concurrency": 5}


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, PATIENCE))


# --- the semaphore, and asyncio's beside it


SEMAPHORES = pytest.mark.parametrize("semaphore_class", [Semaphore, asyncio.Semaphore])


@SEMAPHORES
def test_never_more_inside_than_permits_and_the_queue_is_first_in_first_out(semaphore_class):
    async def main():
        semaphore, entered, inside, peaks = semaphore_class(2), [], [], []

        async def enter(number):
            async with semaphore:
                entered.append(number)
                inside.append(number)
                peaks.append(len(inside))
                await asyncio.sleep(0)
                inside.remove(number)

        await asyncio.gather(*map(enter, range(10)))
        return entered, max(peaks)

    assert run(main()) == (list(range(10)), 2)


@SEMAPHORES
def test_nobody_overtakes_the_queue(semaphore_class):
    async def main():
        semaphore, order = semaphore_class(1), []

        async def enter(name):
            async with semaphore:
                order.append(name)

        await semaphore.acquire()
        queued = asyncio.create_task(enter("queued"))
        await asyncio.sleep(0)
        semaphore.release()
        await enter("comes later")  # asks before the queued task has had its turn
        await queued
        return order

    assert run(main()) == ["queued", "comes later"]


@SEMAPHORES
def test_a_permit_comes_back_after_an_error(semaphore_class):
    async def main():
        semaphore = semaphore_class(1)
        with pytest.raises(ValueError, match="no answer"):
            async with semaphore:
                raise ValueError("no answer")
        await semaphore.acquire()

    run(main())


@SEMAPHORES
def test_a_cancelled_wait_takes_no_permit(semaphore_class):
    async def main():
        semaphore = semaphore_class(1)
        await semaphore.acquire()
        first, second = (asyncio.create_task(semaphore.acquire()) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        assert first.cancelled()
        semaphore.release()
        await second

    run(main())


@SEMAPHORES
@pytest.mark.parametrize("release_first", [True, False])
def test_a_permit_that_meets_a_cancellation_is_passed_on(semaphore_class, release_first):
    async def main():
        semaphore = semaphore_class(1)
        await semaphore.acquire()
        first, second = (asyncio.create_task(semaphore.acquire()) for _ in range(2))
        await asyncio.sleep(0)
        if release_first:
            semaphore.release()
            first.cancel()
        else:
            first.cancel()
            semaphore.release()
        await second
        assert first.cancelled()
        semaphore.release()
        await semaphore.acquire()  # the permit is there: none was lost

    run(main())


def test_a_permit_that_nobody_wants_is_kept():
    async def main():
        semaphore = Semaphore(1)
        await semaphore.acquire()
        only = asyncio.create_task(semaphore.acquire())
        await asyncio.sleep(0)
        only.cancel()
        await asyncio.sleep(0)
        semaphore.release()
        assert semaphore.permits == 1 and not semaphore.queue

    run(main())


@pytest.mark.parametrize("permits", [*BAD_LIMITS, None])
def test_permits_are_one_or_more(permits):
    with pytest.raises(ValueError, match="permits is .*; it must be an int of 1 or more"):
        Semaphore(permits)


# --- run_as_tasks_with_limit


@pytest.mark.parametrize("limit", BAD_LIMITS)
def test_a_bad_limit_is_told(limit):
    with pytest.raises(ValueError) as caught:
        check_limit(limit)
    assert str(caught.value) == f"max_concurrency is {limit!r}; it must be an int of 1 or more, or None"
    with pytest.raises(ValueError, match="max_concurrency is"):
        run(run_as_tasks_with_limit({}, limit))


@pytest.mark.parametrize("limit", [1, 7, 10**9, None])
def test_a_good_limit_is_given_back(limit):
    assert check_limit(limit) == limit
    assert run(run_as_tasks_with_limit({}, limit)) == []


@pytest.mark.parametrize(("limit", "peak"), [(1, 1), (5, 5), (20, 20), (1000, 20), (None, 20)])
def test_the_peak_is_the_limit(limit, peak):
    async def main():
        crowd = Crowd(peak)
        calls = {number: partial(crowd.acall, number) for number in range(20)}
        assert await run_as_tasks_with_limit(calls, limit) == list(range(20))
        return crowd.peak

    assert run(main()) == peak


def test_calls_start_in_order_and_results_keep_it_whatever_ends_first():
    async def main():
        events, started, ended = [asyncio.Event() for _ in range(4)], [], []

        async def call(number):
            started.append(number)
            if number < 3:
                await events[number + 1].wait()
            events[number].set()
            ended.append(number)
            return number

        calls = {number: partial(call, number) for number in range(4)}
        return await run_as_tasks_with_limit(calls, 4), started, ended

    assert run(main()) == ([0, 1, 2, 3], [0, 1, 2, 3], [3, 2, 1, 0])


def test_a_free_worker_takes_the_next_call_at_once():
    """With groups of two, the third call would wait for the first to end, and the first waits for it."""

    async def main():
        third_has_run = asyncio.Event()

        async def nothing():
            pass

        async def third():
            third_has_run.set()

        await run_as_tasks_with_limit({"a": third_has_run.wait, "b": nothing, "c": third}, 2)

    run(main())


def test_calls_that_wait_are_no_tasks():
    async def main():
        before = len(asyncio.all_tasks())
        counts = []

        async def call():
            await asyncio.sleep(0)
            counts.append(len(asyncio.all_tasks()) - before)

        await run_as_tasks_with_limit(dict.fromkeys(range(50), call), 3)
        return max(counts)

    assert run(main()) == 6  # three workers, three calls


def test_each_call_is_a_task_of_its_own_with_its_name_and_context():
    variable = ContextVar("variable", default="nothing")

    async def call():
        seen = variable.get()
        variable.set("left behind")
        return asyncio.current_task().get_name(), seen

    result = run(run_as_tasks_with_limit(dict.fromkeys("abc", call), 1))
    assert result == [("a", "nothing"), ("b", "nothing"), ("c", "nothing")]


@pytest.mark.parametrize("limit", [1, 2, None])
def test_a_failing_call_raises_its_own_exception(limit):
    error = LookupError("no such review")

    async def fails():
        raise error

    async def fine():
        return 1

    with pytest.raises(LookupError) as caught:
        run(run_as_tasks_with_limit({"fine": fine, "fails": fails, "late": fine}, limit))
    assert caught.value is error


# --- RunnableParallel


def test_lessons_give_this_class_or_a_later_one():
    assert lessons.RunnableParallel({"a": str}).with_config(FIVE).invoke(4) == {"a": "4"}


async def call_it(method, chain, value, config=None):
    """Call `chain` through one of its four methods; the sync ones block the loop meanwhile."""
    function = getattr(chain, method)
    return await function(value, config) if method.startswith("a") else function(value, config)


METHODS = pytest.mark.parametrize("method", ["invoke", "ainvoke", "batch", "abatch"])
KINDS = {"invoke": "call", "batch": "call", "ainvoke": "acall", "abatch": "acall"}


def crowd_chain(crowd, method, branches):
    return RunnableParallel({f"b{n}": getattr(crowd, KINDS[method]) for n in range(branches)})


def measure(method, *, config=None, own=None, size, branches=100):
    """The peak of 100 branches, or of 100 inputs with one branch each."""

    async def main():
        crowd = Crowd(size)
        many_inputs = method.endswith("batch")
        chain = crowd_chain(crowd, method, 1 if many_inputs else branches)
        if own:
            chain = chain.with_config(own)
        result = await call_it(method, chain, list(range(branches)) if many_inputs else 7, config)
        if many_inputs:
            assert result == [{"b0": number} for number in range(branches)]
        else:
            assert list(result.items()) == [(f"b{n}", 7) for n in range(branches)]
        return crowd.peak

    return run(main())


@METHODS
def test_five_of_a_hundred_run(method):
    assert measure(method, own=FIVE, size=5) == 5


@METHODS
def test_the_calls_own_config_wins(method):
    assert measure(method, own=FIVE, config={"max_concurrency": 4}, size=4) == 4
    assert measure(method, own={"max_concurrency": 2}, config=FIVE, size=5) == 5
    assert measure(method, config=FIVE, size=5) == 5


@METHODS
def test_an_empty_config_changes_nothing(method):
    assert measure(method, own=FIVE, config={}, size=5) == 5


@pytest.mark.parametrize("method", ["ainvoke", "abatch"])
@pytest.mark.parametrize("own", [None, FIVE])
def test_none_lifts_the_limit(method, own):
    assert measure(method, own=own, config={"max_concurrency": None}, size=100) == 100


@pytest.mark.parametrize("method", ["batch", "abatch"])
def test_a_batch_is_limited_on_each_of_its_two_levels(method):
    async def main():
        crowd = Crowd(4)
        chain = crowd_chain(crowd, method, 4).with_config({"max_concurrency": 2})
        assert await call_it(method, chain, [1, 2, 3, 4]) == [
            {f"b{n}": i for n in range(4)} for i in range(1, 5)
        ]
        return crowd.peak

    assert run(main()) == 4


def test_functions_under_ainvoke_keep_to_the_limit_too():
    async def main():
        crowd = Crowd(4)
        chain = RunnableParallel({f"b{n}": crowd.call for n in range(20)}).with_config({"max_concurrency": 4})
        await chain.ainvoke(1)
        return crowd.peak

    assert run(main()) == 4


def test_with_config_leaves_the_original_alone_and_adds_up():
    plain = RunnableParallel({"a": str})
    limited = plain.with_config(FIVE)
    assert limited is not plain
    assert (plain.config, limited.config) == ({}, FIVE)
    assert limited.with_config({}).config == FIVE
    assert limited.with_config(None).config == FIVE
    assert limited.with_config({"max_concurrency": 2}).config == {"max_concurrency": 2}
    assert limited.config == FIVE


def test_a_later_change_of_the_callers_config_changes_nothing():
    config = dict(FIVE)
    chain = RunnableParallel({"a": str}).with_config(config)
    config["max_concurrency"] = 0
    assert chain.config == FIVE


def attempts(config):
    """Every way to hand over a config, each as a function without arguments."""
    chain = RunnableParallel({"a": str})
    yield lambda: chain.with_config(config)
    for method, inputs in itertools.product(KINDS, [[], [1], [1, 2]]):
        yield lambda method=method, inputs=inputs: run(call_it(method, chain, inputs, config))


@pytest.mark.parametrize("limit", BAD_LIMITS)
def test_every_entry_point_refuses_a_bad_limit(limit):
    for attempt in attempts({"max_concurrency": limit}):
        with pytest.raises(ValueError) as caught:
            attempt()
        assert str(caught.value) == f"max_concurrency is {limit!r}; it must be an int of 1 or more, or None"


@pytest.mark.parametrize("key", ["max_concurency", "maxConcurrency", "tags", 5])
def test_every_entry_point_refuses_an_unknown_key(key):
    for attempt in attempts({key: 5}):
        with pytest.raises(ValueError, match=f"config has the key {key!r}; the only one known is 'max_conc"):
            attempt()


@pytest.mark.parametrize("config", [5, "max_concurrency", [FIVE]])
def test_every_entry_point_refuses_a_config_that_is_no_dict(config):
    for attempt in attempts(config):
        with pytest.raises(TypeError, match=f"config is a {type(config).__name__}; it must be a dict"):
            attempt()


def test_check_config_gives_a_copy():
    assert check_config(None) == {}
    assert check_config(FIVE) == FIVE and check_config(FIVE) is not FIVE


def test_a_bad_config_is_told_before_any_branch_runs():
    made = []
    chain = RunnableParallel({"a": made.append})
    for method in KINDS:
        with pytest.raises(ValueError, match="max_concurrency is 0"):
            run(call_it(method, chain, [1, 2], {"max_concurrency": 0}))
    assert made == []


@pytest.mark.parametrize("method", ["batch", "abatch"])
@pytest.mark.parametrize("inputs", ["text", (1, 2), {"a": 1}, None, iter([1])])
def test_inputs_that_are_no_list_are_told_by_type(method, inputs):
    with pytest.raises(TypeError, match=f"inputs is a {type(inputs).__name__}; it must be a list"):
        run(call_it(method, RunnableParallel({"a": str}), inputs))


@METHODS
def test_what_held_in_lesson_2_still_holds(method):
    chain = RunnableParallel({"text": str, "double": lambda value: 2 * value})
    many = method.endswith("batch")
    result = run(call_it(method, chain, [3, 1] if many else 3))
    first = {"text": "3", "double": 6}
    assert result == ([first, {"text": "1", "double": 2}] if many else first)
    assert run(call_it(method, RunnableParallel({}), [1, 2] if many else 1)) == ([{}, {}] if many else {})


def test_an_async_branch_is_refused_by_invoke():
    async def waits(value):
        return value

    for method in ("invoke", "batch"):
        with pytest.raises(TypeError, match="branch 'waits' is an async function: .* use ainvoke"):
            run(call_it(method, RunnableParallel({"waits": waits}), [1, 2]))


def test_a_batch_of_one_stays_in_the_callers_thread():
    class Reports(RunnableParallel):
        def invoke(self, value, config=None):
            return threading.current_thread()

    assert Reports({}).batch([1]) == [threading.current_thread()]
    assert threading.current_thread() not in Reports({}).batch([1, 2])


NEVER = "a crowd of 3 was never complete: {} came, and gave up after {} s"


def test_a_crowd_that_cannot_be_complete_says_how_many_came(monkeypatch):
    monkeypatch.setattr("lessons.lesson3_concurrency_limits.crowd.PATIENCE", 0.05)
    with pytest.raises(TimeoutError, match=NEVER.format(1, 0.05)):
        Crowd(3).call(1)

    async def main():
        crowd = Crowd(3)
        two = await asyncio.gather(crowd.acall(1), crowd.acall(2), return_exceptions=True)
        monkeypatch.setattr("lessons.lesson3_concurrency_limits.crowd.PATIENCE", 600)
        with pytest.raises(TimeoutError) as late:
            await crowd.acall(3)
        return [(type(error), str(error)) for error in (*two, late.value)]

    assert run(main()) == 3 * [(TimeoutError, NEVER.format(2, 0.05))]


def test_each_thread_of_a_crowd_hears_the_same():
    """Also one that comes later, and waits no more."""
    crowd, heard = Crowd(3), []

    def branch():
        with pytest.raises(TimeoutError) as caught:
            crowd.call(1)
        heard.append(str(caught.value))

    threads = [threading.Thread(target=branch) for _ in range(2)]
    for thread in threads:
        thread.start()
    while crowd.threads.n_waiting < 2:
        time.sleep(0.001)
    crowd.threads.abort()  # as if the time was up
    for thread in threads:
        thread.join()
    branch()
    assert heard == 3 * [NEVER.format(2, 10)]


# --- rates


@pytest.mark.parametrize(("rate", "burst"), [(0, 1), (-1, 1), (1, 0)])
def test_a_bucket_that_could_never_give_a_token_is_refused(rate, burst):
    message = f"rate must be more than 0, not {rate}, and burst 1 or more, not {burst}"
    with pytest.raises(ValueError, match=message):
        TokenBucket(rate, burst)


def test_a_bucket_lets_a_burst_through_and_then_keeps_its_pace():
    bucket = TokenBucket(rate=2, burst=3)
    assert [bucket.reserve(10.0) for _ in range(5)] == [0.0, 0.0, 0.0, 0.5, 1.0]
    assert bucket.reserve(11.0) == 0.5  # the tokens at 10.5 and 11.0 are promised
    assert [bucket.reserve(100.0) for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]  # never more than the burst


def test_in_any_window_a_bucket_keeps_to_its_rate():
    random = Random(3)
    bucket, now, times = TokenBucket(rate=4, burst=2), 0.0, []
    for _ in range(300):
        now += random.choice([0, 0, 0.1, 0.5, 3])
        times.append(now + bucket.reserve(now))
    assert times == sorted(times)
    for first, last in itertools.combinations(range(len(times)), 2):
        assert last - first + 1 <= 2 + 4 * (times[last] - times[first]) + 1e-6


def let_through(rate, burst, callers):
    """When callers are let through: [(name, seconds)]. callers: name -> (when it comes, is cancelled)."""
    passed = []

    async def caller(bucket, name, comes):
        await asyncio.sleep(comes)
        await bucket.take()
        passed.append((name, asyncio.get_running_loop().time()))

    async def main():
        bucket = TokenBucket(rate, burst)
        tasks = [asyncio.create_task(caller(bucket, name, comes)) for name, (comes, _) in callers.items()]
        for task, (_, cancelled) in zip(tasks, callers.values()):
            if cancelled is not None:
                asyncio.get_running_loop().call_later(cancelled, task.cancel)
        await asyncio.wait(tasks)

    run_on_virtual_clock(main())
    return passed


def test_take_lets_through_at_the_rate_in_order():
    passed = let_through(2, 3, {name: (0, None) for name in "abcdef"})
    assert passed == [("a", 0), ("b", 0), ("c", 0), ("d", 0.5), ("e", 1), ("f", 1.5)]


@pytest.mark.parametrize("cancelled", "bcd")
def test_who_is_cancelled_takes_no_token(cancelled):
    """Whoever waits behind it moves up, so whoever comes later finds no more than is there."""
    callers = {name: (0, 0.5 if name == cancelled else None) for name in "abcd"} | {"e": (0.75, None)}
    left = [name for name in "abcde" if name != cancelled]
    assert let_through(1, 1, callers) == list(zip(left, [0, 1, 2, 3]))


def test_all_that_wait_may_be_cancelled_at_once():
    callers = {name: (0, 0.5) for name in "abc"} | {"d": (0, None), "e": (4, None), "f": (4.5, None)}
    assert let_through(1, 1, callers) == [("a", 0), ("d", 1), ("e", 4), ("f", 5)]


def test_whoever_is_cancelled_nothing_over_the_rate_is_let_through():
    random = Random(5)
    rate, burst = 4, 2
    for _ in range(50):
        comes = [random.randrange(12) / 8 for _ in range(12)]
        callers = {n: (at, at + random.choice([0, 0.125, 0.5, 1, 9])) for n, at in enumerate(comes)}
        times = [at for _, at in let_through(rate, burst, callers)]
        for first, last in itertools.combinations(range(len(times)), 2):
            assert last - first + 1 <= burst + rate * (times[last] - times[first]) + 1e-6


def most_within_a_second(moments):
    """Of a second that its last moment does not belong to; the clock may be off by a little."""
    return max(sum(start <= each < start + 1 - 1e-6 for each in moments) for start in moments)


@pytest.mark.parametrize(
    ("rate", "burst", "most"),
    [(1, 1, 1), (2, 3, 4), (45, 5, 49), (46, 5, 50), (47, 5, 51), (50, 1, 50), (0.5, 1, 1), (2.5, 2, 4)],
)
def test_a_full_bucket_lets_rate_plus_burst_less_one_through_in_a_second(rate, burst, most):
    passed = let_through(rate, burst, dict.fromkeys(range(most + 60), (0, None)))
    moments = [moment for _, moment in passed]
    assert most_within_a_second(moments) == most == math.ceil(rate) + burst - 1
    assert sum(moment <= moments[0] + 1 + 1e-6 for moment in moments) <= rate + burst  # that moment included


async def token_then_permit(permits, bucket, ask, value):
    await bucket.take()
    async with permits:
        return await ask(value)


def sent_by(order, first_ten, others):
    """When a hundred calls are sent, ten at a time, to a service whose first ten answers take longer."""
    sent = []

    async def ask(document):
        sent.append(asyncio.get_running_loop().time())
        await asyncio.sleep(first_ten if len(sent) <= 10 else others)

    async def main():
        permits, bucket = asyncio.Semaphore(10), TokenBucket(rate=45, burst=5)
        await asyncio.gather(*(order(permits, bucket, ask, number) for number in range(100)))

    run_on_virtual_clock(main())
    return sent


@pytest.mark.parametrize("first_ten", [0.01, 0.5, 2, 5])
@pytest.mark.parametrize("others", [0.01, 0.1, 0.5])
def test_the_permit_first_keeps_to_the_rate_whatever_the_latency(first_ten, others):
    assert most_within_a_second(sent_by(permit_then_token, first_ten, others)) <= 49


@pytest.mark.parametrize("first_ten", [2, 5])
def test_the_token_first_lets_a_queue_of_paid_tokens_loose(first_ten):
    assert most_within_a_second(sent_by(token_then_permit, first_ten, 0.01)) == 90


class TooMany(Exception):
    def __init__(self, text, retry_after):
        self.retry_after = retry_after


@pytest.mark.parametrize(
    ("comes", "refused"),
    [
        ([0] * 4, 0),
        ([0] * 8, 3),  # a burst of five
        ([n / 50 for n in range(20)], 10),  # ten in flight, for half a second
        ([n / 10 for n in range(40)], 0),
    ],
)
def test_the_simulated_service_refuses_what_is_too_many_or_too_fast(comes, refused):
    service, refusals = SimulatedService(TooMany), []

    async def ask(at):
        await asyncio.sleep(at)
        try:
            assert await service.ask(at) == at
        except TooMany as refusal:
            refusals.append(refusal.retry_after)

    async def main():
        await asyncio.gather(*map(ask, comes))

    run_on_virtual_clock(main())
    assert service.refused == len(refusals) == refused and all(seconds > 0 for seconds in refusals)
    assert service.came == pytest.approx(comes) and service.in_flight == 0


def test_full_jitter_lies_below_a_doubling_bound():
    class Highest:
        def uniform(self, low, high):
            assert low == 0
            return high

    bounds = [backoff(attempt, Highest(), base=0.5, cap=5) for attempt in range(6)]
    assert bounds == [0.5, 1.0, 2.0, 4.0, 5, 5]
    random = Random(1)
    assert len({backoff(2, random) for _ in range(50)}) == 50


def test_the_same_seed_gives_the_same_waits():
    assert [backoff(n, Random(7)) for n in range(4)] == [backoff(n, Random(7)) for n in range(4)]


class Refused(Exception):
    def __init__(self, retry_after):
        self.retry_after = retry_after


class Highest:
    def uniform(self, low, high):
        return high


def retrying(monkeypatch, errors, attempts=4):
    """Retry a call that raises `errors`, then answers; return what came, the number of calls, the waits."""
    slept, made = [], []
    left = iter(errors)

    async def sleep(seconds):
        slept.append(seconds)

    async def call():
        made.append(1)
        for error in left:
            raise error
        return "answer"

    monkeypatch.setattr(rates.asyncio, "sleep", sleep)
    try:
        came = asyncio.run(retry(call, Refused, Highest(), attempts))
    except Exception as error:
        came = error
    return came, len(made), slept


def test_retry_waits_as_asked_and_the_backoff_on_top(monkeypatch):
    assert retrying(monkeypatch, []) == ("answer", 1, [])
    came, made, slept = retrying(monkeypatch, [Refused(2.0), Refused(0.0)])
    assert (came, made) == ("answer", 3)
    assert slept == pytest.approx([2.1, 0.2])


class Response:
    def __init__(self, **headers):
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


@pytest.mark.parametrize(
    ("attributes", "seconds"),
    [
        ({}, 0),
        ({"retry_after": 2.5}, 2.5),
        ({"retry_after": None}, 0),
        ({"response": Response(retry_after="3")}, 3),
        ({"response": Response(retry_after="0.5"), "retry_after": None}, 0.5),
        ({"response": Response(retry_after="Wed, 21 Oct 2026 07:28:00 GMT")}, 0),
        ({"response": Response()}, 0),
        ({"response": None}, 0),
    ],
)
def test_the_wait_that_is_asked_for_stands_in_the_exception_or_its_response(attributes, seconds):
    error = Exception("too many requests")
    vars(error).update(attributes)
    assert seconds_asked(error) == seconds


@pytest.mark.parametrize("of", ["openai", "langchain-openai"])
def test_retry_waits_as_asked_with_a_real_client(of, monkeypatch):
    """Nobody waits here, though the service asks for a quarter of an hour: a reset lets the next one in."""
    openai = pytest.importorskip("openai", reason="needs the openai package")
    chat = pytest.importorskip("langchain_openai", reason="needs the langchain-openai package").ChatOpenAI
    slept = []

    with llm_server(latency=0, requests_per_second=0.001, burst=1) as server:
        options = {"base_url": server.url, "api_key": "none", "max_retries": 0}

        async def sleep(seconds):
            slept.append(seconds)
            server.reset()

        async def main():
            async with openai.DefaultAsyncHttpxClient() as connections:
                if of == "openai":
                    client = openai.AsyncOpenAI(**options, http_client=connections)
                    messages = [{"role": "user", "content": "hello"}]
                    call = partial(client.chat.completions.create, model="any", messages=messages)
                else:
                    call = partial(
                        chat(model="any", **options, http_async_client=connections).ainvoke, "hello"
                    )
                await call()
                await retry(call, openai.RateLimitError, Highest())

        monkeypatch.setattr(rates, "asyncio", SimpleNamespace(sleep=sleep))
        asyncio.run(main())
    [wait] = slept
    assert 900 < wait <= 1001


def test_retry_gives_up_with_the_last_exception(monkeypatch):
    errors = [Refused(n) for n in range(9)]
    assert retrying(monkeypatch, errors)[:2] == (errors[3], 4)
    assert retrying(monkeypatch, errors, attempts=1) == (errors[0], 1, [])


def test_retry_lets_other_exceptions_through(monkeypatch):
    error = LookupError("no such review")
    assert retrying(monkeypatch, [Refused(0), error])[:2] == (error, 2)


# --- what LangChain has ready-made: the lesson warns of this, and changes when it does


THREE_TIMES = {"stop_after_attempt": 3, "wait_exponential_jitter": False}


def answering_at_last():
    """A runnable: what is named late is answered at the third try, what is named hopeless never."""
    tries = []

    def answer(name):
        tries.append(name)
        if name.startswith("hopeless") or (name.startswith("late") and tries.count(name) < 3):
            raise LookupError(name)
        return name.upper()

    return RunnableLambda(answer)


def batched(chain, inputs, way, **options):
    if way == "abatch":
        return run(chain.abatch(inputs, **options))
    return chain.batch(inputs, **options)


BATCHES = pytest.mark.parametrize("way", ["batch", "abatch"])


@BATCHES
@pytest.mark.parametrize(
    ("inputs", "came"),
    [
        (["fine", "late", "hopeless"], ["FINE", "LATE", "LATE"]),  # wrong
        (["late", "hopeless"], ["LATE", "LATE"]),  # wrong
        (["hopeless 1", "late", "hopeless 2"], ["hopeless 1", "LATE", "LATE"]),  # wrong
        (["hopeless", "late"], ["hopeless", "LATE"]),
        (["fine", "hopeless"], ["FINE", "hopeless"]),
        (["fine", "late"], ["FINE", "LATE"]),
    ],
)
def test_a_batch_with_retry_gives_an_answer_for_a_failure(way, inputs, came):
    """langchain-core 1.8.3; when it is mended, the lesson's warning goes."""
    results = batched(answering_at_last().with_retry(**THREE_TIMES), inputs, way, return_exceptions=True)
    assert [str(result) for result in results] == came


@BATCHES
def test_it_does_so_without_return_exceptions_and_in_a_sequence_too(way):
    inputs = ["fine", "late", "hopeless"]
    assert batched(answering_at_last().with_retry(**THREE_TIMES), inputs, way) == ["FINE", "LATE", "LATE"]
    sequence = answering_at_last().with_retry(**THREE_TIMES) | RunnableLambda(str)
    assert batched(sequence, inputs, way, return_exceptions=True) == ["FINE", "LATE", "LATE"]


@BATCHES
def test_each_input_retried_by_itself_comes_out_right(way):
    patient = answering_at_last().with_retry(**THREE_TIMES)
    by_itself = RunnableLambda(patient.invoke, afunc=patient.ainvoke)
    results = batched(by_itself, ["fine", "late", "hopeless"], way, return_exceptions=True)
    assert [str(result) for result in results] == ["FINE", "LATE", "hopeless"]
    assert isinstance(results[-1], LookupError)


@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
def test_retries_multiply_with_a_real_client_and_the_limiter_sees_a_third(way):
    openai = pytest.importorskip("openai", reason="needs the openai package")
    chat = pytest.importorskip("langchain_openai", reason="needs the langchain-openai package").ChatOpenAI
    http = pytest.importorskip("httpx2", reason="needs what openai sends its requests with")
    requests, tokens = [], []

    def refuse(request):
        requests.append(request)
        return http.Response(429, headers={"retry-after-ms": "1"}, json={"error": {"message": "too many"}})

    class CountingLimiter(InMemoryRateLimiter):
        def acquire(self, *, blocking=True):
            tokens.append(1)
            return True

        async def aacquire(self, *, blocking=True):
            return self.acquire()

    async def main():
        transport = http.MockTransport(refuse)
        async with openai.DefaultAsyncHttpxClient(transport=transport) as client:
            with openai.DefaultHttpxClient(transport=transport) as sync_client:
                model = chat(
                    model="any",
                    api_key="none",
                    http_client=sync_client,
                    http_async_client=client,
                    rate_limiter=CountingLimiter(),
                )
                patient = model.with_retry(**THREE_TIMES).with_retry(**THREE_TIMES)
                with pytest.raises(openai.RateLimitError):
                    await patient.ainvoke("hello") if way == "ainvoke" else patient.invoke("hello")

    run(main())
    assert (len(requests), len(tokens)) == (27, 9)


# --- the exercises


def test_a_stop_iteration_that_leaves_the_generator_is_explained():
    async def each_with_next(calls, limit):
        while True:
            name, call = next(calls)
            yield name, await call()

    report = run_cases(exercises.EACH_AS_IT_ENDS, each_with_next)
    assert report.facts["raised"] == "RuntimeError: async generator raised StopIteration"
    assert report.failed == exercises.EACH_AS_IT_ENDS["cases"][0]["case"]
    assert "use a for loop, or `next(calls, None)`" in report.hint


def test_the_predicted_order_is_what_two_permits_give():
    """Simulated: whoever holds the permit that is free first gives it to the next in the queue."""
    seconds = {"a": 4, "b": 1, "c": 2, "d": 2, "e": 2}
    free_at, ends = [0, 0], {}
    for task, duration in seconds.items():
        permit = free_at.index(min(free_at))
        free_at[permit] += duration
        ends[task] = free_at[permit]
    assert len(set(ends.values())) == 5
    assert "".join(sorted(ends, key=ends.get)).upper() == exercises.WHO_ENDS_WHEN["cases"][0]["expect"]


def test_the_limit_that_limits_nothing():
    """The four functions of the exercise, with twenty calls."""

    async def first(calls):
        semaphore = asyncio.Semaphore(5)

        async def limited(call):
            async with semaphore:
                return await call()

        await asyncio.gather(*map(limited, calls))

    async def second(calls):
        async def limited(call):
            async with asyncio.Semaphore(5):
                return await call()

        await asyncio.gather(*map(limited, calls))

    async def third(calls):
        for start in range(0, len(calls), 5):
            await asyncio.gather(*(call() for call in calls[start : start + 5]))

    async def fourth(calls):
        waiting = iter(calls)

        async def work():
            for call in waiting:
                await call()

        await asyncio.gather(*(work() for _ in range(5)))

    async def peak(function, size):
        crowd = Crowd(size)
        await function([partial(crowd.acall, 1)] * 20)
        return crowd.peak

    assert [run(peak(function, 5)) for function in (first, third, fourth)] == [5, 5, 5]
    assert run(peak(second, 20)) == 20
    assert exercises.FIND_THE_LIMIT["cases"][0]["expect"] == [second.__name__]
