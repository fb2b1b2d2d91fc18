"""The running example: three simulated LLM calls about one product review, and ways to steer them.

Each call exists twice, for threads (`summary`) and for coroutines (`asummary`). It waits as long as a
network would, spends a few milliseconds of CPU on the answer, and returns what a small rule finds
in the text. Nothing leaves the machine.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from helpers.recording.recorder import working_on

REVIEW = "Great battery, poor strap. It ran for two days and broke within a week."

LATENCY = {"summary": 0.12, "sentiment": 0.06, "keywords": 0.09}  # seconds of waiting
PARSING = 0.006  # seconds of CPU time, after the wait
PATIENCE = 10.0  # seconds a gate waits before it gives up

_GOOD, _BAD = {"great", "love", "lasts"}, {"poor", "broke", "hate"}
_PARTS = ("battery", "strap", "screen", "price", "camera", "case")


def summary(review: str) -> str:
    """Return the first sentence of `review`, after a simulated network call that blocks its thread."""
    return _call("summary", review)


def sentiment(review: str) -> str:
    """Return "good", "bad" or "mixed", after a simulated network call that blocks its thread."""
    return _call("sentiment", review)


def keywords(review: str) -> list[str]:
    """Return the product parts named in `review`, after a simulated call that blocks its thread."""
    return _call("keywords", review)


async def asummary(review: str) -> str:
    """The twin of `summary` that suspends its task instead of blocking its thread."""
    return await _acall("summary", review)


async def asentiment(review: str) -> str:
    """The twin of `sentiment` that suspends its task instead of blocking its thread."""
    return await _acall("sentiment", review)


async def akeywords(review: str) -> list[str]:
    """The twin of `keywords` that suspends its task instead of blocking its thread."""
    return await _acall("keywords", review)


def answer(name: str, review: str) -> str | list[str]:
    """Return what the call `name`, a key of `LATENCY`, finds in `review`: the rule without the wait."""
    if name == "summary":
        return review.split(".")[0]
    words = review.lower().replace(",", " ").replace(".", " ").split()
    if name == "keywords":
        return [part for part in _PARTS if part in words]
    good, bad = _GOOD.intersection(words), _BAD.intersection(words)
    return "mixed" if good and bad else "bad" if bad else "good"


def spend_cpu(seconds: float) -> None:
    """Keep this thread's CPU busy until it has spent `seconds` of CPU time (not of wall time)."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


class Calls:
    """What `count_calls` saw.

    started, ended: the names of the calls, in the order in which they started and ended.
    peak: the largest number of calls under way at one moment.
    """

    def __init__(self) -> None:
        self.started: list[str] = []
        self.ended: list[str] = []
        self.peak = 0

    def _start(self, name: str) -> None:
        self.started.append(name)
        self.peak = max(self.peak, len(self.started) - len(self.ended))

    def _end(self, name: str) -> None:
        self.ended.append(name)


class Gate:
    """Forces an order: no call ends before all of them have started, then they end as named.

    end_order: the names of the calls, first to end first. Use it around code that runs exactly these
    calls at the same time, once: `with Gate("sentiment", "keywords", "summary"): ...`.
    A call that waits longer than `PATIENCE` seconds for the others raises TimeoutError.
    """

    def __init__(self, *end_order: str) -> None:
        if len(set(end_order)) < max(2, len(end_order)):
            raise ValueError(f"a gate needs two or more different names of calls, not {end_order!r}")
        self.end_order = list(end_order)
        self._started: set[str] = set()
        self._ended: list[str] = []

    def __enter__(self) -> Gate:
        _watchers.append(self)
        return self

    def __exit__(self, *exc_info: object) -> None:
        _watchers.remove(self)

    def _start(self, name: str) -> None:
        self._started.add(name)

    def _end(self, name: str) -> None:
        self._ended.append(name)

    def _open_for(self, name: str) -> bool:
        if name not in self.end_order:
            return True
        earlier = self.end_order[: self.end_order.index(name)]
        return self._started.issuperset(self.end_order) and set(earlier).issubset(self._ended)

    def _give_up(self, name: str) -> TimeoutError:
        missing = [other for other in self.end_order if other not in self._started]
        reason = f"{', '.join(missing)} did not start" if missing else "an earlier call did not end"
        return TimeoutError(
            f"{name!r} waited {PATIENCE:g} s at the gate: {reason}. "
            "A gate needs calls that run at the same time."
        )


@contextmanager
def count_calls() -> Iterator[Calls]:
    """Count the simulated calls made inside the `with` block, on any thread: yields a `Calls`."""
    calls = Calls()
    with _changed:
        _watchers.append(calls)
    try:
        yield calls
    finally:
        with _changed:
            _watchers.remove(calls)


# The gates and counters in force. Global, not in a context variable: plain threads start with an
# empty context and must be counted all the same. The condition guards it and wakes blocked calls.
_watchers: list[Calls | Gate] = []
_changed = threading.Condition()


@contextmanager
def _under_way(name: str) -> Iterator[list[Gate]]:
    """Tell the watchers that a call starts and ends; yields the gates it has to pass."""
    with _changed:
        watchers = list(_watchers)
        for watcher in watchers:
            watcher._start(name)
        _changed.notify_all()
    try:
        with working_on(name):
            yield [watcher for watcher in watchers if isinstance(watcher, Gate)]
    finally:
        with _changed:
            for watcher in watchers:
                watcher._end(name)
            _changed.notify_all()


def _call(name: str, review: str) -> Any:
    with _under_way(name) as gates:
        time.sleep(LATENCY[name])
        for gate in gates:
            with _changed:
                if not _changed.wait_for(partial(gate._open_for, name), PATIENCE):
                    raise gate._give_up(name)
        return _answer(name, review)


async def _acall(name: str, review: str) -> Any:
    with _under_way(name) as gates:
        await asyncio.sleep(LATENCY[name])
        for gate in gates:
            patience = time.monotonic() + PATIENCE
            while not gate._open_for(name):  # rarely entered: the latencies already give the order
                if time.monotonic() > patience:
                    raise gate._give_up(name)
                await asyncio.sleep(0.001)
        return _answer(name, review)


def _answer(name: str, review: str) -> str | list[str]:
    spend_cpu(PARSING)
    return answer(name, review)
