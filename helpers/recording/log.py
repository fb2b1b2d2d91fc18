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
from typing import Any, NamedTuple

try:
    from resource import RUSAGE_THREAD, getrusage
except ImportError:  # only Linux counts how often a thread gave up the CPU
    RUSAGE_THREAD = None  # type: ignore[assignment, misc]

from helpers.recording.data import KINDS, Call, Passage, Recording, Span, State, Suspension, Timer, Unit

_SHORT = 1_000_000  # ns; of a shorter stretch, the share of CPU time says little
_CPU_CLOCK_TICK = 16_000_000 if sys.platform == "win32" else 0  # ns
_ON_CPU, _OFF_CPU = 0.9, 0.1  # two threads that share the GIL get about 0.5 each
_DEFAULT_TASK_NAME = re.compile(r"Task-\d+|None")  # "None": of a task factory, on Python 3.13.0


def thread_clock() -> tuple[int, int | None]:
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
    clock: tuple[int, int | None] | None  # see thread_clock: before what begins here; None if nobody will ask
    clock_after: tuple[int, int | None] | None  # the same, after what ends here


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
    error: BaseException | None = None
    held_as: str = ""  # the key of its function in a dict of the code that started it
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
        # Whatever the thread waits for between two of these readings counts as part of a stretch.
        before = thread_clock() if state is State.RUNNING else None
        now = self.clock()
        events = self.events
        after = thread_clock() if events and events[-1][1] is State.RUNNING else None
        events.append((since or now, state, thread, reason, before, after))
        return now

    def finish(self, outcome: str, error: BaseException | None = None) -> None:
        """Note the end of the unit. error: what it raised, if it failed and that is known."""
        self.outcome, self.error = outcome, error
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
    errors: list[BaseException] = field(default_factory=list)  # see all_errors
    callbacks: list[tuple] = field(default_factory=list)  # start, end, thread, name, clock before, after
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

    def new(self, kind: str, name: str, **details: Any) -> Track:
        """A new track, not listed yet."""
        return Track(next(self.ids), kind, name, self.clock, **details)

    def add(self, kind: str, name: str, **details: Any) -> Track:
        """A new track, listed."""
        track = self.new(kind, name, **details)
        self.tracks.append(track)
        return track

    def all_errors(self) -> list[BaseException]:
        """What units raised, and what asyncio made of how they ended: a group, a TimeoutError."""
        return [*self.errors, *(track.error for track in self.tracks if track.error is not None)]

    def forget_errors(self) -> None:
        """Let go of them, and of all that their tracebacks hold."""
        self.errors.clear()
        for track in self.tracks:
            track.error = None

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
        is_real = self.clock is perf_counter_ns  # on a virtual clock, CPU time says nothing
        stretches = {track: _stretches(track, end, is_real) for track in self.tracks}
        listed = [track for track in self.tracks if track.kind in KINDS]
        names = _names(listed, called)

        for track in sorted(listed, key=lambda track: track.id):
            own = _clip(stretches[track.within], track, end) if track.within else stretches[track]
            done = track.done if track.done is not None and track.done <= end else None
            finished = done is not None
            recording.units[track.id] = Unit(
                id=track.id,
                kind=track.kind,
                name=names[track][0],
                created=seconds(track.created),
                parent=track.parent.id if track.parent and track.parent.kind in KINDS else None,
                done=seconds(done) if done is not None else None,
                outcome=track.outcome if finished else "",
                error=type(track.error).__name__ if finished and track.error else "",
                named=names[track][1],
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
        others = []
        for since, until, thread, name, before, after in self.callbacks:
            state = _judge(until - since, before, after, "internal")[0] if is_real else State.RUNNING
            others.append(Stretch(state, since, until, thread, name, 0))
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


def _names(tracks: list[Track], called: dict[Track, set[str]]) -> dict[Track, tuple[str, bool]]:
    """The name of each track, and whether it is more than that of a function.

    Those that have the name of one function are told by the branches that they are part of.
    """
    own = {track: _own_name(track, called[track]) for track in tracks}
    branches = defaultdict(set)
    for track in tracks:
        if not own[track]:
            branches[track.name].add(_branch(track, own))
    names = {}
    for track in tracks:
        name = own[track] or track.name
        if not own[track] and len(branches[name]) > 1 and (branch := _branch(track, own)):
            name = f"{branch} ({name})"
        names[track] = name, bool(own[track])
    return names


def _own_name(track: Track, called: set[str]) -> str:
    """A name given to the task, else that of the branch, else that of the simulated call in it."""
    if track.task is not None and not track.is_stage:
        given = track.task.get_name()
        if not _DEFAULT_TASK_NAME.fullmatch(given):
            return given
    if track.kind in ("toy", "call"):
        return track.name
    return track.held_as or (next(iter(called)) if len(called) == 1 else "")


def _branch(track: Track, own: dict[Track, str]) -> str:
    """The name of the nearest unit above a track that has one of its own."""
    above = track.parent
    while above is not None:
        if own.get(above):
            return own[above]
        above = above.parent
    return ""


def _stretches(track: Track, end: int, is_real: bool) -> list[Stretch]:
    """What lies between each two events until `end`, the recording's last moment.

    is_real: whether the events' times are of the clock on the wall.
    """
    stretches = []
    events = [event for event in map(Event._make, track.events) if event.time <= end]
    latest = track.created
    for event, after in pairwise([*events, None]):
        start = max(event.time, latest)  # a timer may have been due before its task began to wait
        latest = max(after.time, start) if after else end
        if event.state is None or latest == start:
            continue
        state, cpu = event.state, 0
        if state is State.RUNNING and is_real:
            clock_after = after.clock_after if after else None
            state, cpu = _judge(latest - start, event.clock, clock_after, track.kind)
        stretches.append(Stretch(state, start, latest, event.thread, event.reason, cpu))
    return stretches


def _judge(wall: int, before: tuple | None, after: tuple | None, kind: str) -> tuple[State, int]:
    """What a thread did for `wall` ns outside `time.sleep`, and the CPU time it used.

    kind: that of the unit which it ran.
    """
    if before is None or after is None:
        return State.IN_THREAD, 0
    cpu = after[0] - before[0]
    if before[1] is not None and after[1] == before[1]:
        return State.RUNNING, cpu  # it never waited; other processes may have had the CPU
    if wall < _SHORT:
        # Where nobody counts the waits, the short step of a task is taken for what it should be.
        is_step = before[1] is None and kind in ("task", "internal", "toy")
        return State.RUNNING if is_step else State.IN_THREAD, cpu
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
