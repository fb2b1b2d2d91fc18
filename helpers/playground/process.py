"""What a run does in its process: build the chain of a plan, call it, record it, and tell how it went.

The messages are tuples: ("ready",) once all is imported; ("progress", started, ended) whenever a branch is
called and whenever a call has ended; at last ("end", dict of what a `helpers.playground.runs.Outcome`
holds), or ("broken", type and message) if not even the chain could be built.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from helpers.calls.children import end_with_starter
from helpers.calls.workloads import spend_cpu
from helpers.playground.plans import FAILURE, Group, Plan
from helpers.recording.recorder import record, working_on

Tell = Callable[[tuple], None]


def main() -> None:
    """Do the job that comes through the standard input; the messages leave through the standard output."""
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what else is printed must not come between the messages

    def tell(message: tuple) -> None:
        sink.write(pickle.dumps(message))
        sink.flush()
        if message[0] in ("end", "broken"):
            os._exit(0)  # without waiting for what a failed chain has left running

    try:
        plan, library = pickle.load(sys.stdin.buffer)
        end_with_starter()
        tell(("ready",))
        perform(plan, library, tell)
    except Exception as error:
        tell(("broken", f"{type(error).__name__}: {error}"))


def perform(plan: Plan, library: tuple, tell: Tell) -> None:
    """Run a plan with a library, (RunnableParallel, RunnableLambda), and hand each message to `tell`.

    What the chain raises is part of the last message. Raises what building the chain raises.
    """
    chain = _chain(plan, library, _Progress(tell))
    value = plan.values if plan.is_batch else plan.values[0]
    config = None if plan.max_concurrency is None else {"max_concurrency": plan.max_concurrency}
    report: dict[str, Any] = {"result": None, "error": None, "parts_at": []}
    library[0](warm=library[1](str)).invoke("")  # a first call imports and sets up: not what is looked at

    @contextmanager
    def watched() -> Iterator[Callable[[object], None]]:
        """Record the block and note how it ended; yields a function that takes parts of a stream."""
        parts: list[object] = []
        with record(places=True) as recording:
            began = time.perf_counter()

            def take(part: object) -> None:
                parts.append(_plain(part))
                report["parts_at"].append(time.perf_counter() - began)

            try:
                yield take
            except Exception as error:
                notes = list(getattr(error, "__notes__", []))
                report["error"] = (type(error).__name__, str(error), notes)
            report["seconds"] = time.perf_counter() - began
        if plan.way in ("stream", "astream"):
            report["result"] = parts
        for call in recording.calls:  # tasks may have names of the library's own, the same for each input
            recording.units[call.unit].name = call.name
        tell(("end", {**report, "recording": recording if recording.calls else None}))

    async def main() -> None:
        with watched() as take:
            if plan.way == "astream":
                async for part in chain.astream(value, config):
                    take(part)
            else:
                report["result"] = _plain(await getattr(chain, plan.way)(value, config))

    if plan.is_async:
        asyncio.run(main())
        return
    with watched() as take:
        if plan.way == "stream":
            for part in chain.stream(value, config):
                take(part)
        else:
            report["result"] = _plain(getattr(chain, plan.way)(value, config))


class _Progress:
    """Counts the calls that have started and those that have ended, on any thread."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._lock = threading.Lock()
        self._started = self._ended = 0

    @contextmanager
    def call(self, name: str) -> Iterator[None]:
        self._count(1, 0)
        try:
            with working_on(name):
                yield
        finally:
            self._count(0, 1)

    def _count(self, started: int, ended: int) -> None:
        with self._lock:
            self._started += started
            self._ended += ended
            self._tell(("progress", self._started, self._ended))


def _chain(plan: Plan, library: tuple, progress: _Progress) -> Any:
    parallel, function = library
    many = len(plan.values) > 1
    branches = {}
    for name, group in plan.branches.items():
        labels = {value: f"{name} #{n}" if many else name for n, value in enumerate(plan.values, 1)}
        sync, async_ = _functions(name[0], group, labels, progress)
        sides = {"sync": (sync,), "async": (async_,), "both": (sync, async_)}
        branches[name] = function(*sides[group.side])
    return parallel(branches)


def _functions(letter: str, group: Group, labels: dict[str, str], progress: _Progress) -> tuple:
    """A branch as a plain function and as a coroutine function; `labels` says how a call is recorded."""

    def answer(value: str) -> str:
        if group.fails:
            raise ValueError(FAILURE)
        return f"{letter} answers {value}"

    def sync(value: str) -> str:
        with progress.call(labels[value]):
            if group.work == "CPU":
                spend_cpu(group.latency)
            else:
                time.sleep(group.latency)
            return answer(value)

    async def async_(value: str) -> str:
        with progress.call(labels[value]):
            if group.work == "CPU":
                spend_cpu(group.latency)
            else:
                await asyncio.sleep(group.latency)
            return answer(value)

    # Errors name the function: as it is called in the script of `helpers.playground.plans.python`.
    sync.__name__ = letter
    async_.__name__ = f"async_{letter}" if group.side == "both" else letter
    return sync, async_


def _plain(result: object) -> object:
    """A result without a library's own kinds of dict, so that any process can read it."""
    if isinstance(result, dict):
        return {name: _plain(value) for name, value in result.items()}
    return [_plain(each) for each in result] if isinstance(result, list) else result
