"""The simulated calls, the counter and the gate."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from helpers.calls import workloads
from helpers.calls.workloads import (
    REVIEW,
    Gate,
    akeywords,
    asentiment,
    asummary,
    count_calls,
    keywords,
    sentiment,
    spend_cpu,
    summary,
)

SYNC = {"summary": summary, "sentiment": sentiment, "keywords": keywords}
ASYNC = {"summary": asummary, "sentiment": asentiment, "keywords": akeywords}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(workloads, "LATENCY", dict.fromkeys(workloads.LATENCY, 0.002))
    monkeypatch.setattr(workloads, "PARSING", 0.0)


def run_on_threads(calls=SYNC, workers=3):
    with ThreadPoolExecutor(workers) as pool:
        futures = {name: pool.submit(call, REVIEW) for name, call in calls.items()}
        return {name: future.result() for name, future in futures.items()}


async def run_as_coroutines():
    return dict(zip(ASYNC, await asyncio.gather(*(call(REVIEW) for call in ASYNC.values())), strict=True))


def test_the_twins_agree_and_answer_from_the_text():
    async def one_by_one():
        return {name: await call(REVIEW) for name, call in ASYNC.items()}

    answers = {name: call(REVIEW) for name, call in SYNC.items()}
    assert answers == asyncio.run(one_by_one())
    assert answers == {
        "summary": "Great battery, poor strap",
        "sentiment": "mixed",
        "keywords": ["battery", "strap"],
    }


@pytest.mark.parametrize(
    ("review", "mood"), [("I love it.", "good"), ("Poor case.", "bad"), ("It is a case.", "good")]
)
def test_sentiment(review, mood):
    assert sentiment(review) == mood


def test_one_after_another_has_a_peak_of_one():
    with count_calls() as calls:
        for call in SYNC.values():
            call(REVIEW)
    assert (calls.peak, calls.started, calls.ended) == (1, list(SYNC), list(SYNC))


@pytest.mark.parametrize(
    "order", [("summary", "keywords", "sentiment"), ("keywords", "sentiment", "summary")]
)
@pytest.mark.parametrize("run", [run_on_threads, lambda: asyncio.run(run_as_coroutines())])
def test_a_gate_forces_the_order_and_the_peak(run, order):
    for _ in range(10):
        with Gate(*order), count_calls() as calls:
            run()
        assert calls.ended == list(order)
        assert calls.peak == 3


def test_a_gate_holds_blocking_and_async_calls_together():
    async def mixed():
        await asyncio.gather(asentiment(REVIEW), asyncio.to_thread(summary, REVIEW))

    with Gate("summary", "sentiment"), count_calls() as calls:
        asyncio.run(mixed())
    assert calls.ended == ["summary", "sentiment"]


def test_a_gate_lets_other_calls_pass():
    with Gate("summary", "sentiment"), count_calls() as calls:
        keywords(REVIEW)
    assert calls.ended == ["keywords"]


@pytest.mark.parametrize(
    "call", [lambda: summary(REVIEW), lambda: asyncio.run(asummary(REVIEW))], ids=["sync", "async"]
)
def test_a_gate_gives_up_and_names_who_is_missing(call, monkeypatch):
    monkeypatch.setattr(workloads, "PATIENCE", 0.05)
    missing = pytest.raises(TimeoutError, match="'summary' waited .*sentiment did not start")
    with Gate("sentiment", "summary"), missing:
        call()
    assert workloads._watchers == []


@pytest.mark.parametrize("names", [(), ("summary",), ("summary", "summary")])
def test_a_gate_needs_two_names(names):
    with pytest.raises(ValueError, match="two or more different names"):
        Gate(*names)


def test_spend_cpu_spends_cpu_time():
    before = time.thread_time()
    spend_cpu(0.01)
    assert time.thread_time() - before >= 0.01
