"""A recording as a row of frames: after each thing that happened, who is where.

Plain data, to be tested, said in words, and drawn by `helpers.explorables.stepper`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from helpers.recording.data import Passage, Reason, Recording, Span, State, Suspension, Unit, unique_names
from helpers.recording.words import require_recording

MOST = 400  # frames; nobody steps through more

_AWAITED = {
    Reason.GATHER: "asyncio.gather",
    "to_thread": "asyncio.to_thread",
    "_wait": "asyncio.wait",
    "wait_for": "asyncio.wait_for",
    "_cancel_and_wait": "the end of what it has cancelled",
    Reason.TASK: "another task",
    Reason.FUTURE: "a future",
    "TaskGroup.__aexit__": "the tasks of its TaskGroup",
    "TaskGroup._aexit": "the tasks of its TaskGroup",  # since Python 3.14
    "": "another task",  # a toy loop does not say more
}
_ENDS = {"ok": "is done", "failed": "fails", "cancelled": "is cancelled"}


@dataclass(frozen=True)
class Frame:
    """Who is where, after something happened.

    said: what happened, in a sentence or two. time: when, in seconds since the recording began; None in
    a recording of toy tasks, whose loop has a clock of its own. running: what the loop runs, at most one
    name unless several loops run. blocked: (name, in what) of those of them that block their loop's thread.
    ready: the ready queue, first in, first out. timers: (name, when due in seconds, or None if that is
    not known), earliest first. overdue: those of them that are due, but the loop is busy.
    suspended: (name, what it awaits). permits: those queued for a permit, first come, first served.
    threads: (name, "queued", "blocked" or "in a thread") of work items.
    done: (name, "ok", "failed" or "cancelled"), in the order of their ends.
    places: name -> (file, line): where it is suspended, or will go on, or begins.
    """

    said: str
    time: float | None = None
    running: tuple[str, ...] = ()
    blocked: tuple[tuple[str, str], ...] = ()
    ready: tuple[str, ...] = ()
    timers: tuple[tuple[str, float | None], ...] = ()
    overdue: tuple[str, ...] = ()
    suspended: tuple[tuple[str, str], ...] = ()
    permits: tuple[str, ...] = ()
    threads: tuple[tuple[str, str], ...] = ()
    done: tuple[tuple[str, str], ...] = ()
    places: dict[str, tuple[str, int]] = field(default_factory=dict)


def frames(recording: Recording, units: Iterable[Unit] | None = None) -> list[Frame]:
    """The frames of a recording, in the order in which things happened.

    units: what to show; by default `recording.lanes()` and the units that all others stem from.

    Raises TypeError for anything but a Recording, ValueError for an empty one and for one of more than
    `MOST` frames, RuntimeError inside the block that is recorded.
    """
    require_recording(recording)
    shown = default_units(recording) if units is None else list(units)
    events = _events(recording, shown)
    if len(events) > MOST:
        raise ValueError(
            f"the recording has {len(events):,} steps, and at most {MOST} can be stepped through: "
            "record fewer tasks, or fewer turns of each"
        )
    scene = _Scene(recording, shown)
    return [scene.after(event) for event in events]


@dataclass(frozen=True)
class _Event:
    """A unit enters a state, or ends (state None)."""

    time: float
    unit: int
    state: State | None
    reason: str = ""


def default_units(recording: Recording) -> list[Unit]:
    """What `frames` shows of a recording: its lanes, and the units that all others stem from."""
    lanes = recording.lanes()
    if not any(unit.kind == "task" for unit in lanes):
        return lanes
    roots = [unit for unit in recording.units.values() if unit.parent is None and unit not in lanes]
    return sorted([*lanes, *roots], key=lambda unit: (unit.created, unit.id))


def _events(recording: Recording, units: list[Unit]) -> list[_Event]:
    shown = {unit.id for unit in units}
    events = [
        _Event(span.start, span.unit, span.state, span.reason)
        for span in _steps(recording.spans)
        if span.unit in shown
    ]
    events += [_Event(unit.done, unit.id, None) for unit in units if unit.done is not None]
    return _ends_before_wakes(sorted(events, key=lambda event: event.time))


def _ends_before_wakes(events: list[_Event]) -> list[_Event]:
    """The events, with the end of a task before the waking of the one that awaits it.

    The recorder sees the end when the last step is over, and the waking, its consequence, within it.
    """
    ordered: list[_Event] = []
    latest: dict[int, _Event] = {}
    woken = set()
    for event in events:
        before = latest.get(event.unit)
        if (
            event.state is State.READY
            and before
            and (before.state, before.reason) == (State.WAITING, Reason.TASK)
        ):
            woken.add(event)
        latest[event.unit] = event
        place = len(ordered)
        while event.state is None and place and ordered[place - 1] in woken:
            place -= 1
        ordered[place:] = [event, *(replace(wake, time=event.time) for wake in ordered[place:])]
    return ordered


def _steps(spans: list[Span]) -> Iterable[Span]:
    """The spans, without those that only continue what the unit did before.

    Nor those in which a unit that does not sleep is overdue: the timer was another's, or a time limit.
    """
    latest: dict[int | None, Span] = {}
    for span in spans:
        before = latest.get(span.unit)
        latest[span.unit] = span
        if before and {before.state, span.state} <= {State.RUNNING, State.IN_THREAD}:
            continue
        if span.reason == Reason.OVERDUE and (before.state, before.reason) != (State.WAITING, Reason.TIMER):
            continue
        yield span


class _Scene:
    """Follows the events and says, after each, who is where."""

    def __init__(self, recording: Recording, units: list[Unit]) -> None:
        self.units = {unit.id: unit for unit in units}
        self.names = unique_names(units)
        self.clocked = not any(unit.kind == "toy" for unit in units)
        self.timers = {}
        for timer in recording.timers:
            self.timers.setdefault(timer.unit, []).append(timer)
        self.suspensions = {}
        for suspension in recording.suspensions:
            self.suspensions.setdefault(suspension.unit, []).append(suspension)
        self.places = {}
        places: list[Suspension | Passage] = [*recording.suspensions, *recording.passages]
        for place in sorted(places, key=lambda place: place.time):
            self.places.setdefault(place.unit, []).append(place)
        self.woken = {}  # unit -> when it became ready; the order of a toy loop's timers
        for span in recording.spans:
            if span.state is State.READY:
                self.woken.setdefault(span.unit, []).append(span.start)
        self.now: dict[int, _Event] = {}  # unit -> the event it is in, those in it longest first
        self.ended: list[int] = []

    def after(self, event: _Event) -> Frame:
        said = self._say(event)
        self.now.pop(event.unit, None)
        if event.state is None:
            self.ended.append(event.unit)
        else:
            self.now[event.unit] = event
        return self._frame(said, event.time)

    # What happened

    def _say(self, event: _Event) -> str:
        name, before = self.names[event.unit], self.now.get(event.unit)
        if event.state is None:
            return f"{name} {_ENDS[self.units[event.unit].outcome]}."
        if self._on_worker(event.unit):
            return self._say_of_item(event, name, before)
        say = {
            State.READY: self._say_ready,
            State.RUNNING: self._say_running,
            State.IN_THREAD: self._say_running,
            State.BLOCKED: self._say_blocked,
            State.WAITING: self._say_waiting,
            State.QUEUED: self._say_queued,
        }
        return say[event.state](event, name, before)

    def _parent(self, event: _Event) -> str | None:
        """The name of what has made a unit."""
        parent = self.units[event.unit].parent
        return None if parent is None else self.names.get(parent)

    def _say_of_item(self, event: _Event, name: str, before: _Event | None) -> str:
        if event.state is State.QUEUED:
            parent = self._parent(event) or "A call"
            return f"{parent} hands {name} to a thread pool, where it waits for a worker."
        if event.state is State.BLOCKED:
            return f"{name} blocks its worker thread in {event.reason or 'a call'}, and no other thread."
        if _goes_on(before):
            return f"{name} runs on in its worker thread."
        return f"A worker thread takes {name}."

    def _say_ready(self, event: _Event, name: str, before: _Event | None) -> str:
        end_of_queue = "goes to the end of the ready queue."
        if before is None:
            parent = self._parent(event)
            made = f"{parent} creates the task {name}. It" if parent else f"The task {name} is created and"
            return f"{made} {end_of_queue}"
        if event.reason == Reason.OVERDUE:
            return f"The timer of {name} is due, but the loop is busy: {name} has to wait."
        if before.reason == Reason.OVERDUE:
            return f"The loop is back and finds the timer of {name} due: {name} {end_of_queue}"
        if event.reason == Reason.TIME_LIMIT:
            return f"{self._idle()}A timer is due that ends the wait of {name}: {name} {end_of_queue}"
        if event.reason == Reason.CANCELLED:
            due = self._due(event.unit, event.time) if before.reason == Reason.TIMER else None
            if due is not None and event.time < due:
                return f"The sleep of {name} is cancelled before its timer is due. {name} {end_of_queue}"
            return f"What {name} awaits is cancelled. {name} {end_of_queue}"
        if _goes_on(before):
            return f"{name} gives up the thread for one turn and {end_of_queue}"
        if before.state is State.QUEUED:
            return f"{_admitted(before.reason, name)} It {end_of_queue}"
        if before.reason == Reason.TIMER:
            return f"{self._idle()}The timer of {name} is due: {name} {end_of_queue}"
        awaited = self._awaited_task(event.unit, event.time)
        if before.reason in (Reason.TASK, "") and awaited:
            return f"{name} awaits {awaited}, which has ended: {name} {end_of_queue}"
        return f"What {name} awaits has happened. {name} {end_of_queue}"

    def _idle(self) -> str:
        if any(self._is_busy(unit) for unit in self.now):
            return ""
        return "The loop has nothing to run and waits for the earliest timer. "

    def _say_running(self, event: _Event, name: str, before: _Event | None) -> str:
        if _goes_on(before):
            return f"{name} runs on."
        if before is None:
            return f"{name} runs."
        return f"The loop takes {name} from the head of the ready queue and runs it."

    def _say_blocked(self, event: _Event, name: str, before: _Event | None) -> str:
        call = event.reason or "a call"
        if self.units[event.unit].kind == "call":  # there need not be a loop
            return f"{name} blocks the thread that it runs on in {call}."
        return f"{name} blocks the loop's thread in {call}. No other task can run."

    def _say_waiting(self, event: _Event, name: str, before: _Event | None) -> str:
        if event.reason == Reason.TIMER:
            return f"{name} awaits a sleep. Its timer is set, and {name} suspends."
        return f"{name} awaits {self._awaits(event, event.time)} and suspends."

    def _say_queued(self, event: _Event, name: str, before: _Event | None) -> str:
        what = "a permit" if "Semaphore" in event.reason else event.reason
        return f"{name} waits for {what}: it joins the queue and suspends."

    # Who is where

    def _frame(self, said: str, time: float) -> Frame:
        overdue = [unit for unit, event in self.now.items() if self._is_overdue(event)]
        sleepers = [unit for unit in self._in(State.WAITING) if self.now[unit].reason == Reason.TIMER]
        timers = [(self._due(unit, time), self._next_turn(unit, time), unit) for unit in sleepers + overdue]
        timers.sort(key=lambda timer: (float("inf") if timer[0] is None else timer[0], timer[1]))
        on_loop = self._in(State.RUNNING) + self._in(State.IN_THREAD) + self._in(State.BLOCKED)
        return Frame(
            said=said,
            time=time if self.clocked else None,
            running=self._named(on_loop),
            blocked=tuple(
                (self.names[unit], self.now[unit].reason or "a call") for unit in self._in(State.BLOCKED)
            ),
            ready=self._named(unit for unit in self._in(State.READY) if unit not in overdue),
            timers=tuple((self.names[unit], due) for due, _, unit in timers),
            overdue=self._named(overdue),
            suspended=tuple(
                (self.names[unit], self._awaits(self.now[unit], time))
                for unit in self._in(State.WAITING)
                if unit not in sleepers
            ),
            permits=self._named(self._in(State.QUEUED)),
            threads=tuple(
                (self.names[unit], _known(event.state).value)
                for unit, event in self.now.items()
                if event.state and self._on_worker(unit)
            ),
            done=tuple((self.names[unit], self.units[unit].outcome) for unit in self.ended),
            places={self.names[unit]: place for unit in self.now if (place := self._place(unit, time))},
        )

    def _in(self, state: State) -> list[int]:
        """The units on the loop in a state, those in it longest first."""
        on_loop = (unit for unit in self.now if not self._on_worker(unit))
        return [unit for unit in on_loop if self.now[unit].state is state]

    def _named(self, units: Iterable[int]) -> tuple[str, ...]:
        return tuple(self.names[unit] for unit in units)

    def _on_worker(self, unit: int) -> bool:
        return self.units[unit].kind == "thread"

    def _is_busy(self, unit: int) -> bool:
        on = (State.RUNNING, State.IN_THREAD, State.BLOCKED, State.READY)
        return self.now[unit].state in on and not self._on_worker(unit)

    def _is_overdue(self, event: _Event) -> bool:
        return event.state is State.READY and event.reason == Reason.OVERDUE

    def _due(self, unit: int, time: float) -> float | None:
        """When the timer that a unit has set last is due."""
        so_far = [timer.due for timer in self.timers.get(unit, ()) if timer.created <= time]
        return so_far[-1] if so_far else None

    def _next_turn(self, unit: int, time: float) -> float:
        return next((woken for woken in self.woken.get(unit, ()) if woken > time), float("inf"))

    def _awaits(self, event: _Event, time: float) -> str:
        """What a unit that waits awaits, in words."""
        named = self._awaited_task(event.unit, time) if event.reason in (Reason.TASK, "") else None
        return named or _AWAITED.get(event.reason, event.reason)

    def _awaited_task(self, unit: int, time: float) -> str | None:
        so_far = [each.awaits for each in self.suspensions.get(unit, ()) if each.time <= time]
        return self.names.get(so_far[-1]) if so_far else None

    def _place(self, unit: int, time: float) -> tuple[str, int] | None:
        so_far = [each for each in self.places.get(unit, ()) if each.time <= time]
        if so_far:
            return so_far[-1].file, so_far[-1].line
        return (self.units[unit].file, self.units[unit].line) if self.units[unit].file else None


def _known(state: State) -> State:
    """A state on a worker thread: whether it is on the CPU is an estimate, which differs between runs."""
    return State.IN_THREAD if state is State.RUNNING else state


def _goes_on(before: _Event | None) -> bool:
    """Whether a unit held its thread until now."""
    return before is not None and before.state in (State.BLOCKED, State.IN_THREAD, State.RUNNING)


def _admitted(reason: str, name: str) -> str:
    if "Semaphore" in reason:
        return f"A permit is there for {name}."
    return f"{name} need not wait for {reason} any longer."
