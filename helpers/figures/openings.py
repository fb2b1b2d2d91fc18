"""The pictures with which lessons open: small runs, simulated, so that they are the same on every machine."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from helpers.figures.timeline import show_paths, show_timeline
from helpers.recording.data import Reason, Recording, Span, State, Unit
from helpers.recording.recorder import record, working_on
from helpers.recording.virtual_clock import run_on_virtual_clock

LATENCIES = {"summary": 0.12, "sentiment": 0.06, "keywords": 0.09}  # seconds
Scene = Callable[[], Awaitable[None]]


def show_opening(scene: str) -> None:
    """Show the picture of a lesson's question. Raises ValueError for a scene that there is not."""
    if scene not in SCENES:
        raise ValueError(f"scene must be one of {', '.join(SCENES)}, not {scene!r}")
    opening = SCENES[scene]
    recording = opening.run if isinstance(opening.run, Recording) else _recorded(opening.run)
    if opening.threads is not None:
        show_paths(invoke=opening.threads, ainvoke=recording, caption=opening.question)
    else:
        show_timeline(recording, opening.title, opening.question, limit=opening.limit)


def _recorded(scene: Scene) -> Recording:
    """The recording of a scene, on a clock that jumps from timer to timer."""

    async def run() -> Recording:
        with record() as recording:
            await scene()
        return recording

    return run_on_virtual_clock(run())[0]


def _started(calls: Mapping[str, Awaitable]) -> list[asyncio.Task]:
    async def make(name: str, call: Awaitable) -> None:
        with working_on(name):
            await call

    return [asyncio.create_task(make(name, call), name=name) for name, call in calls.items()]


async def _three_calls() -> None:
    await asyncio.wait(_started({name: asyncio.sleep(seconds) for name, seconds in LATENCIES.items()}))


async def _two_steps() -> None:
    await _three_calls()
    await asyncio.wait(_started({"the next step": asyncio.sleep(0.05)}))


async def _a_tree() -> None:
    names = {"summary": "summary", "sentiment": "facts: sentiment", "keywords": "facts: keywords"}
    calls = {names[name]: asyncio.sleep(seconds) for name, seconds in LATENCIES.items()}
    await asyncio.wait(_started(calls))


async def _one_fails() -> None:
    async def fail() -> None:
        await asyncio.sleep(0.04)
        raise ConnectionError

    calls = {"summary": asyncio.sleep(0.12), "sentiment": fail(), "keywords": asyncio.sleep(0.09)}
    done, _ = await asyncio.wait(_started(calls), return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.exception()  # looked at, so that nobody warns


async def _a_queue() -> None:
    permits = asyncio.Semaphore(3)

    async def call(number: int) -> None:
        async with permits:
            await asyncio.sleep(0.05 + 0.01 * (number % 3))

    await asyncio.wait(_started({f"call {number}": call(number) for number in range(1, 13)}))


async def _a_rate() -> None:
    tasks = []
    for number in range(1, 11):
        tasks += _started({f"call {number}": asyncio.sleep(0.25)})
        await asyncio.sleep(0.1)
    await asyncio.wait(tasks)


def _three_threads() -> Recording:
    """Made by hand: real threads take other times in each run."""
    recording = Recording(duration=max(LATENCIES.values()))
    for number, (name, seconds) in enumerate(LATENCIES.items(), 1):
        recording.units[number] = Unit(number, "thread", name, 0.0, done=seconds, outcome="ok", named=True)
        recording.spans.append(Span(number, State.BLOCKED, 0.0, seconds, number, Reason.SLEEP))
        recording.threads[number] = f"worker {number}"
    return recording


@dataclass(frozen=True)
class Opening:
    """A picture with which a lesson opens. run: what it shows. threads: what it shows above that."""

    run: Scene | Recording
    title: str  # one with threads has titles of its own
    question: str
    limit: int | None = None
    threads: Recording | None = None


SCENES = {
    "both ways": Opening(
        _three_calls,
        "",
        "The same three calls, with the same answers at the same time. What is different?",
        threads=_three_threads(),
    ),
    "one thread": Opening(
        _three_calls,
        "Three calls on one thread",
        "All three wait at the same time, and no two run at the same time. Who decides whose turn it is?",
    ),
    "branches": Opening(
        _two_steps,
        "A dict of branches, and what comes after it",
        "Three branches start together. What starts them, and what waits for the slowest?",
    ),
    "threads": Opening(
        _three_threads(),
        "Three calls, each on a thread of its own",
        "Each thread is blocked until its answer is there. Who makes them, and where do the answers go?",
    ),
    "queue": Opening(
        _a_queue,
        "Twelve calls, three at a time",
        "The hatched calls wait. Where do they wait, and who lets the next one in?",
        limit=3,
    ),
    "rate": Opening(
        _a_rate,
        "Ten calls, ten a second",
        "No more than three are in flight, and still none may start earlier. What holds them back?",
    ),
    "tree": Opening(
        _a_tree,
        "A dict within a dict",
        "Two branches stand in a dict of their own. How does a config reach them?",
    ),
    "failure": Opening(
        _one_fails,
        "After 40 milliseconds one branch has failed",
        "Two branches are still under way. What becomes of them, and what does the caller get?",
    ),
    "join": Opening(
        _two_steps,
        "The next step waits for the last of three",
        "Two branches are done early. Who waits for whom, and what does it cost?",
    ),
}
