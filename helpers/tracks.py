"""The raw log of a recording, and how it becomes units and spans.

While recording, tuples are appended and nothing else; what computes runs once, at the end. All
times here are nanoseconds of the log's clock.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count, pairwise
from time import perf_counter_ns, thread_time_ns
from types import CodeType
from typing import NamedTuple

try:
    from resource import RUSAGE_THREAD, getrusage
except ImportError:  # only Linux counts how often a thread gave up the CPU
    RUSAGE_THREAD = None

from helpers.recording import KINDS, Call, Passage, Recording, Span, State, Suspension, Timer, Unit

_JUDGED_FROM = 1_000_000  # ns; a shorter stretch in a thread counts as running
_CPU_CLOCK_TICK = 16_000_000 if sys.platform == "win32" else 0  # ns
_ON_CPU, _OFF_CPU = 0.9, 0.1  # two threads that share the GIL get about 0.5 each
_DEFAULT_TASK_NAME = re.compile(r"Task-\d+|None")  # "None": of a task factory, on Python 3.13.0


def _thread_clock() -> tuple[int, int | None]:
    """The CPU time that the current thread has used, and how often it gave up the CPU to wait.

    Being preempted by another process does not count as waiting. None: not known.
    """
    return thread_time_ns(), getrusage(RUSAGE_THREAD).ru_nvcsw if RUSAGE_THREAD is not None else None


class Event(NamedTuple):
    """A unit enters a state."""

    time: int
    state: State | None  # None: the unit is done
    thread: int | None
    reason: str
    clock: tuple[int, int | None] | None  # see _thread_clock; None where nobody will ask


class Stretch(NamedTuple):
    """A unit's time between two events."""

    state: State
    start: int
    end: int
    thread: int | None
    reason: str
    cpu: int  # CPU time spent in it; 0 if not known

    def continues(self, other: Stretch) -> bool:
        return (self.state, self.thread, self.reason) == (other.state, other.thread, other.reason)


@dataclass(slots=True, eq=False)
class Track:
    """What is known about one unit of work.

    kind: a kind of unit, or one of two that become none: "stage" (the code of the block itself, on
    a thread that runs no unit) and "internal" (tasks of asyncio's own).
    """

    id: int
    kind: str
    name: str
    clock: Callable[[], int]
    parent: Track | None = None
    task: asyncio.Task | None = None
    is_stage: bool = False  # calls made on it are units of their own
    within: Track | None = None  # the stage that this call was made on
    code: CodeType | None = None  # of the coroutine, if it is one
    created: int = 0  # 0: now
    done: int | None = None
    outcome: str = ""
    events: list[tuple] = field(default_factory=list)  # the fields of Event
    wants_permit: bool = False
    permits: int = 0  # held now
    acquired: int | None = None  # when it got its first permit
    released: int | None = None  # when it gave one back, the last time

    def __post_init__(self) -> None:
        self.created = self.created or self.clock()

    def note(
        self, state: State | None, thread: int | None = None, reason: str = "", since: int | None = None
    ) -> int:
        """Append an event of this moment, or of the past (`since`), and return this moment."""
        now = self.clock()
        events = self.events
        starts = state is State.RUNNING
        ends = events and events[-1][1] is State.RUNNING and now - events[-1][0] >= _JUDGED_FROM
        events.append((since or now, state, thread, reason, _thread_clock() if starts or ends else None))
        return now

    def finish(self, outcome: str) -> None:
        """Note the end of the unit."""
        self.outcome = outcome
        self.done = self.note(None)

    @property
    def reason(self) -> str:
        """The reason of the last event."""
        return self.events[-1][3] if self.events else ""

    def is_in(self, state: State) -> bool:
        """Whether the last event put the unit into `state`."""
        return bool(self.events) and self.events[-1][1] is state


@dataclass
class Log:
    """All that a recorder notes. clock: tells the time in nanoseconds."""

    clock: Callable[[], int] = perf_counter_ns
    tracks: list[Track] = field(default_factory=list)
    calls: list[list] = field(default_factory=list)  # [track, name, start, end or None]
    callbacks: list[tuple[int, int, int, str]] = field(default_factory=list)  # start, end, thread, name
    timers: list[tuple[Track, int, int]] = field(default_factory=list)  # track, created, due
    suspensions: list[tuple] = field(default_factory=list)  # track, time, code, line, awaited track or None
    passages: list[tuple[Track, int, str, int]] = field(default_factory=list)  # track, time, file, line
    threads: dict[int, str] = field(default_factory=dict)
    ids: Iterator[int] = field(default_factory=lambda: count(1))
    thread_numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def add_thread(self, name: str) -> int:
        """A number for a thread."""
        number = next(self.thread_numbers)
        self.threads[number] = name
        return number

    def new(self, kind: str, name: str, **details: object) -> Track:
        """A new track, not listed yet."""
        return Track(next(self.ids), kind, name, self.clock, **details)

    def add(self, kind: str, name: str, **details: object) -> Track:
        """A new track, listed."""
        track = self.new(kind, name, **details)
        self.tracks.append(track)
        return track

    def fill(self, recording: Recording, start: int, end: int) -> None:
        """Turn the log of a block that ran from `start` to `end` into the fields of `recording`."""

        def seconds(time: int) -> float:
            return (time - start) / 1e9

        def span(unit: int | None, stretch: Stretch) -> Span:
            state, since, until, thread, reason, _ = stretch
            return Span(unit, state, seconds(since), seconds(until), thread, reason)

        calls = [(*call[:3], min(call[3] or end, end)) for call in self.calls]
        calls.sort(key=lambda call: call[3])
        called = defaultdict(set)
        for track, name, _, _ in calls:
            called[track].add(name)
        stretches = {track: _stretches(track, end) for track in self.tracks}
        listed = [track for track in self.tracks if track.kind in KINDS]

        for track in sorted(listed, key=lambda track: track.id):
            own = _clip(stretches[track.within], track, end) if track.within else stretches[track]
            finished = track.done is not None and track.done <= end
            recording.units[track.id] = Unit(
                id=track.id,
                kind=track.kind,
                name=_name(track, called[track]),
                created=seconds(track.created),
                parent=track.parent.id if track.parent and track.parent.kind in KINDS else None,
                done=seconds(track.done) if finished else None,
                outcome=track.outcome if finished else "",
                cpu=sum(stretch.cpu for stretch in own) / 1e9,
                file=track.code.co_filename if track.code else "",
                line=track.code.co_firstlineno if track.code else 0,
            )
            recording.spans += [span(track.id, stretch) for stretch in _joined(own)]
            if track.wants_permit:
                recording.permits[track.id] = None
            if track.acquired is not None:
                until = end if track.permits or track.released is None else track.released
                recording.permits[track.id] = (seconds(track.acquired), seconds(until))

        recording.spans.sort(key=lambda span: (span.start, span.unit))
        recording.calls = [Call(track.id, name, seconds(a), seconds(b)) for track, name, a, b in calls]
        recording.timers = [
            Timer(track.id, seconds(created), seconds(due))
            for track, created, due in self.timers
            if track.kind in KINDS
        ]
        recording.suspensions = [
            Suspension(
                track.id,
                seconds(time),
                short_name(code.co_qualname),
                code.co_filename,
                line,
                awaited.id if awaited and awaited.kind in KINDS else None,
            )
            for track, time, code, line, awaited in self.suspensions
            if track.kind in KINDS
        ]
        recording.passages = [
            Passage(track.id, seconds(time), file, line)
            for track, time, file, line in self.passages
            if track.kind in KINDS
        ]
        recording.duration = seconds(end)

        tasks = {track.id for track in listed if track.kind == "task"}
        recording.steps = [span for span in recording.spans if span.unit in tasks and span.thread is not None]
        loops = {step.thread for step in recording.steps}
        others = [Stretch(State.RUNNING, a, b, thread, name, 0) for a, b, thread, name in self.callbacks]
        for track in self.tracks:
            if track.kind == "internal":
                others += [stretch._replace(reason=track.name) for stretch in stretches[track]]
        recording.steps += [span(None, stretch) for stretch in others if stretch.thread in loops]
        recording.steps.sort(key=lambda step: step.start)
        used = {span.thread for span in recording.spans}
        recording.threads = {number: name for number, name in self.threads.items() if number in used}


def short_name(qualified: str) -> str:
    """A qualified name without the functions around it."""
    return qualified.rpartition("<locals>.")[2]


def _name(track: Track, called: set[str]) -> str:
    """A name given to the task, else that of the simulated call in it, else the function's."""
    if track.task is not None and not track.is_stage:
        given = track.task.get_name()
        if not _DEFAULT_TASK_NAME.fullmatch(given):
            return given
    return next(iter(called)) if len(called) == 1 and track.kind != "toy" else track.name


def _stretches(track: Track, end: int) -> list[Stretch]:
    """What lies between each two events until `end`, the recording's last moment."""
    stretches = []
    events = [event for event in map(Event._make, track.events) if event.time <= end]
    latest = track.created
    for event, after in pairwise([*events, None]):
        start = max(event.time, latest)  # a timer may have been due before its task began to wait
        latest = max(after.time, start) if after else end
        if event.state is None or latest == start:
            continue
        state, cpu = event.state, 0
        if state is State.RUNNING:
            state, cpu = _judge(latest - start, event.clock, after.clock if after else None)
        stretches.append(Stretch(state, start, latest, event.thread, event.reason, cpu))
    return stretches


def _judge(wall: int, before: tuple, after: tuple | None) -> tuple[State, int]:
    """What a thread did for `wall` ns outside `time.sleep`, and the CPU time it used."""
    if wall < _JUDGED_FROM:
        return State.RUNNING, wall
    if after is None:
        return State.IN_THREAD, 0
    cpu = after[0] - before[0]
    if before[1] is not None and after[1] == before[1]:
        return State.RUNNING, cpu  # it never waited; other processes may have had the CPU
    if wall < 4 * _CPU_CLOCK_TICK:
        return State.IN_THREAD, cpu
    if cpu >= _ON_CPU * wall:
        return State.RUNNING, cpu
    return State.BLOCKED if cpu < _OFF_CPU * wall else State.IN_THREAD, cpu


def _clip(stretches: list[Stretch], call: Track, end: int) -> list[Stretch]:
    """What a stage went through during a call; the stage has an event at the call's start and end."""
    since, until = call.created, min(call.done or end, end)
    return [
        stretch._replace(start=max(stretch.start, since), end=min(stretch.end, until))
        for stretch in stretches
        if stretch.end > since and stretch.start < until
    ]


def _joined(stretches: list[Stretch]) -> list[Stretch]:
    joined: list[Stretch] = []
    for stretch in stretches:
        if joined and joined[-1].end == stretch.start and stretch.continues(joined[-1]):
            joined[-1] = joined[-1]._replace(end=stretch.end)
        else:
            joined.append(stretch)
    return joined
