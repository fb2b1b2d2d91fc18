"""What a recording holds: units of work, the states they passed through, and for how long.

Plain data, filled by `helpers.recording.recorder`, drawn by `helpers.figures.timeline` and stepped through
by `helpers.explorables.stepper`. All times are seconds since the recording began: of real time, or of the
virtual clock if it began on one.
"""

from __future__ import annotations

import enum
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any


class State(enum.StrEnum):
    """The state of a unit of work at one moment."""

    RUNNING = "running"  # executes Python
    READY = "ready"  # on the loop's ready queue, or its timer was due while the loop was busy
    WAITING = "waiting"  # suspended at an await; occupies no thread
    BLOCKED = "blocked"  # inside a thread, off the CPU: I/O, sleep, lock
    IN_THREAD = "in a thread"  # inside a thread; whether on the CPU is not known
    QUEUED = "queued"  # waits for a worker or for a permit


class End(enum.StrEnum):
    """How a unit of work ended, if not with a result."""

    FAILED = "failed"  # it raised an exception
    CANCELLED = "cancelled"  # stopped before its end, or before its start
    UNFINISHED = "unfinished"  # still under way when the recording ended


KINDS = ("task", "thread", "toy", "call")


@dataclass
class Unit:
    """One piece of work: an asyncio task, an executor's work item, a toy task or a plain call."""

    id: int
    kind: str  # "task", "thread" (an executor's work item), "toy", "call" (neither of these)
    name: str
    created: float
    parent: int | None = None  # id of the unit that created it
    done: float | None = None  # None: not finished when the recording ended
    outcome: str = ""  # "ok", "failed", "cancelled"; "" while unfinished
    error: str = ""  # the type of the exception that it raised, if that is known
    named: bool = False  # after a branch or a call; else after the function that it runs
    cpu: float = 0.0  # CPU seconds spent in it, as far as known
    file: str = ""  # where its coroutine is defined, if it is one
    line: int = 0


class Reason:
    """Those values of `Span.reason` that a module writes and another one looks for.

    The others name what is awaited, or called: "Semaphore.acquire", "wait_for".
    """

    TIMER = "sleep"  # a task waits for its timer: it awaits asyncio.sleep, or the toy's sleep
    TASK = "task"  # it awaits another task
    GATHER = "gather"
    FUTURE = "future"  # it awaits a future that is neither
    OVERDUE = "overdue"  # a task is ready: its timer is due, but the loop is busy
    TIME_LIMIT = "time limit"  # it is ready: a timer that is not its own sleep has ended its wait
    CANCELLED = "cancelled"  # it is ready: what it awaited was cancelled
    WORKER = "worker"  # a work item is queued: it waits for a worker
    SLEEP = "time.sleep"  # a thread is blocked, and that is recorded, not estimated
    GIL = "GIL"  # a thread is blocked: it waits for the GIL, or for a core


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time a unit spent in one state."""

    unit: int | None  # None only among the steps of a recording: a callback that belongs to no unit
    state: State
    start: float
    end: float
    thread: int | None = None  # a key of Recording.threads, where the state occupies a thread
    reason: str = ""
    """What it awaits, is blocked in, or is ready for: a value of Reason, or a name as "Semaphore.acquire"."""

    @property
    def duration(self) -> float:
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Call:
    """One simulated LLM call inside a unit; one that is still under way ends with the recording."""

    unit: int
    name: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Timer:
    """A timer that a task set on its event loop."""

    unit: int
    created: float
    due: float


@dataclass(frozen=True, slots=True)
class Suspension:
    """Where a task gave up the loop: its innermost line outside asyncio.

    awaits: the unit that it awaits, if that is a task.
    """

    unit: int
    time: float
    function: str
    file: str
    line: int
    awaits: int | None = None


@dataclass(frozen=True, slots=True)
class Passage:
    """Where a task was when it did something that shows: made another unit ready, or blocked its thread."""

    unit: int
    time: float
    file: str
    line: int


@dataclass
class Recording:
    """Everything seen between the start and the end of a `with record()` block.

    It is filled when the block ends. Inside the block the fields are empty, and the methods raise
    RuntimeError, except `observe`, which works only there.
    """

    units: dict[int, Unit] = field(default_factory=dict)
    spans: list[Span] = field(default_factory=list)  # sorted by start
    calls: list[Call] = field(default_factory=list)  # in the order in which they ended
    steps: list[Span] = field(default_factory=list)  # all that the threads with an event loop ran
    threads: dict[int, str] = field(default_factory=dict)  # threads that ran a unit: number -> name
    duration: float = 0.0
    block: int | None = None
    """The unit that the block is part of, if it is part of one; it cannot end before the recording."""
    raised: bool = False
    """Whether an exception reached the code of the block, or of the task that all others stem from."""
    permits: dict[int, tuple[float, float] | None] = field(default_factory=dict)
    """Unit -> from its first asyncio.Semaphore permit to its last release; None: asked, never got one."""
    timers: list[Timer] = field(default_factory=list)  # in the order in which they were set
    suspensions: list[Suspension] = field(default_factory=list)  # in the order in which they happened
    passages: list[Passage] = field(default_factory=list)  # in the order in which they happened
    has_places: bool = False
    """Whether `suspensions` and `passages` are complete; else only toy tasks and `time.sleep` are there."""
    observer: Callable[[str, str, Any], None] | None = field(default=None, repr=False, compare=False)
    """Set by the recorder for as long as the block runs."""

    def observe(self, event: str, name: str, coroutine: Coroutine | None = None) -> None:
        """Note an event of a toy task; the hook to hand to a toy loop inside the `with` block.

        event: "ready", "run", "sleep", "wait", "done" or "failed"; name: the toy task's name;
        coroutine: the toy task's coroutine, if it shall be known at which line it is suspended.
        Raises ValueError for another event, RuntimeError after the block.
        """
        if self.observer is None:
            raise RuntimeError("observe() works only inside the `with record()` block of this recording")
        self.observer(event, name, coroutine)

    def lanes(self) -> list[Unit]:
        """The units worth a lane, in the order they were created.

        Where simulated calls were made, the units that made them (so the wrapper tasks of a
        library stay out), and the branches that came to an end before they made one: they failed,
        were cancelled or are unfinished. Otherwise every unit.
        """
        self._require_complete()
        calling = {call.unit for call in self.calls} & self.units.keys()
        chosen = {unit: unit for unit in (calling or self.units)}
        if calling:
            chosen |= self._ended_before_a_call(calling)
        created = {unit: self.units[started].created for unit, started in chosen.items()}
        return sorted((self.units[unit] for unit in chosen), key=lambda unit: (created[unit.id], unit.id))

    def end_of(self, unit: Unit) -> End | None:
        """How a unit ended, if not with a result; nothing of the unit that the block is part of."""
        if not unit.outcome:
            return None if unit.id == self.block else End.UNFINISHED
        return None if unit.outcome == "ok" else End(unit.outcome)

    def in_flight(self) -> dict[int, tuple[float, float]]:
        """From when to when each unit was in flight: it held a worker or a permit, or had started.

        A task that took several permits counts from the first acquire to the last release. Units
        that never started are left out, and so is the task that all others stem from (the cell, or
        the main coroutine of asyncio.run): it waits for them.
        """
        self._require_complete()
        parents = {unit.parent for unit in self.units.values()}
        by_unit = defaultdict(list)
        for span in self.spans:
            by_unit[span.unit].append(span)
        flights = {}
        for unit in self.units.values():
            if unit.kind == "task" and unit.parent is None and unit.id in parents:
                continue
            flight = self.permits[unit.id] if unit.id in self.permits else _flight(by_unit[unit.id])
            if flight is not None:
                flights[unit.id] = flight
        return flights

    def peak(self, kind: str | None = None) -> int:
        """The largest number of units in flight at one moment, of all lanes or of those of one kind.

        Raises ValueError if `kind` is not one of `KINDS`.
        """
        if kind is not None and kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)} or None, not {kind!r}")
        flights = self.in_flight()
        lanes = [unit.id for unit in self.lanes() if kind in (None, unit.kind)]
        counted = [flights[unit] for unit in lanes if unit in flights]
        changes = [(since, 1) for since, _ in counted] + [(until, -1) for _, until in counted]
        peak = now = 0
        for _, change in sorted(changes):  # at the same instant, ends come before starts
            now += change
            peak = max(peak, now)
        return peak

    def _ended_before_a_call(self, calling: set[int]) -> dict[int, int]:
        """Of the units that ended without a result and without a call, one for each branch.

        Neither what leads to a call counts nor what a calling unit started. Where such a unit runs in
        wrappers that end as it does, it is the innermost that has a name, else the innermost. Given as
        the unit -> the innermost, which started when the other branches made their calls.
        """
        ended = {unit.id for unit in self.units.values() if unit.id not in calling and self.end_of(unit)}
        above = {unit: list(self._ancestors(unit)) for unit in ended}
        if ended:
            ended.difference_update(*map(self._ancestors, calling))
        ended = {unit for unit in ended if calling.isdisjoint(above[unit])}
        named = {unit for unit in ended if self.units[unit].named}
        return {
            next((each for each in (unit, *above[unit]) if each in named), unit): unit
            for unit in sorted(ended.difference(*(above[unit] for unit in ended)), reverse=True)
        }

    def _ancestors(self, unit: int) -> Iterator[int]:
        """The units that a unit stems from, its parent first."""
        while (parent := self.units[unit].parent) in self.units:
            yield parent
            unit = parent

    def to_chrome_trace(self) -> dict:
        """The recording in Chrome's trace format, which Perfetto opens.

        Process 1 has a track a thread (what it ran), process 2 a track a unit (its states, and how it
        ended if not with a result).
        """
        self._require_complete()
        on_threads = [span for span in self.spans if span.thread is not None]
        on_threads += [step for step in self.steps if step.unit is None]
        names = {unit.id: unit.name for unit in self.units.values()}
        events = [
            _trace_name("process_name", 1, 0, "threads"),
            _trace_name("process_name", 2, 0, "units"),
            *(_trace_name("thread_name", 1, number, name) for number, name in self.threads.items()),
            *(_trace_name("thread_name", 2, unit, name) for unit, name in names.items()),
            *(
                _trace_span(span, 1, span.thread, names.get(span.unit or 0, span.reason))
                for span in on_threads
            ),
            *(_trace_span(span, 2, span.unit, span.state.value) for span in self.spans),
            *(
                _trace_end(unit, end, self.duration)
                for unit in self.units.values()
                if (end := self.end_of(unit))
            ),
        ]
        return {"traceEvents": events, "displayTimeUnit": "ms"}

    def save_chrome_trace(self, path: str | Path) -> None:
        """Write `to_chrome_trace()` as a JSON file, to be opened at ui.perfetto.dev."""
        Path(path).write_text(json.dumps(self.to_chrome_trace()), encoding="utf-8")

    def _require_complete(self) -> None:
        if self.observer is not None:
            raise RuntimeError("a recording is filled when its `with record()` block ends: use it after that")


def _flight(spans: Iterable[Span]) -> tuple[float, float] | None:
    """From the first step to the end, not counting a queue that the unit joined before any other wait."""
    since, until = None, 0.0
    waited = False
    for span in spans:
        if span.state is State.QUEUED and not waited:
            since = None
        elif since is None and span.state is not State.READY:
            since = span.start
        waited = waited or span.state is State.WAITING
        until = span.end
    return None if since is None else (since, until)


def _trace_name(what: str, process: int, track: int, name: str) -> dict:
    return {"ph": "M", "name": what, "pid": process, "tid": track, "args": {"name": name}}


def _trace_end(unit: Unit, end: End, duration: float) -> dict:
    time = duration if unit.done is None else unit.done
    return {
        "ph": "i",
        "s": "t",
        "name": f"{end}: {unit.error}" if unit.error else end.value,
        "pid": 2,
        "tid": unit.id,
        "ts": time * 1e6,
    }


def _trace_span(span: Span, process: int, track: int | None, name: str) -> dict:
    return {
        "ph": "X",
        "name": name,
        "cat": span.state.value,
        "pid": process,
        "tid": track,
        "ts": span.start * 1e6,  # microseconds
        "dur": span.duration * 1e6,
        "args": {"state": span.state.value, "reason": span.reason},
    }


def stems(units: list[Unit]) -> list[Unit]:
    """The tasks that the others stem from and that wait for them: the cell, or asyncio.run's main."""
    parents = {unit.parent for unit in units}
    return [unit for unit in units if unit.kind == "task" and unit.parent is None and unit.id in parents]


def unique_names(units: Iterable[Unit]) -> dict[int, str]:
    """Unit -> its name, with a number where several have the same."""
    units = sorted(units, key=lambda unit: (unit.created, unit.id))
    total = Counter(unit.name for unit in units)
    numbers, names = {name: count(1) for name in total}, {}
    for unit in units:
        if total[unit.name] == 1:
            names[unit.id] = unit.name
        else:
            numbered = (f"{unit.name} {number}" for number in numbers[unit.name])
            names[unit.id] = next(name for name in numbered if name not in total)
    return names
