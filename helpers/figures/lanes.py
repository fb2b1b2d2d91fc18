"""The lanes of a timeline: one a unit of work, or one an operating-system thread."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import count

from helpers.recording.data import End, Recording, Span, State, Unit, unique_names

WORKER = "worker thread"


@dataclass(frozen=True)
class Note:
    """A text inside a lane, shown if it fits between two times."""

    text: str
    start: float
    end: float


@dataclass(frozen=True)
class Mark:
    """How and when a unit in a lane ended, if not with a result."""

    end: End
    time: float


@dataclass
class Lane:
    """One row of a timeline.

    unit: the id of the unit that it shows, if it is one unit's. thin: drawn lower than the others.
    ends: whether it has to be waited for.
    """

    label: str
    spans: list[Span]
    unit: int | None = None
    thin: bool = False
    ends: bool = True
    notes: list[Note] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)

    @property
    def end(self) -> float:
        return max((span.end for span in self.spans), default=0.0)


def chosen_units(recording: Recording, lanes: str | None) -> list[Unit]:
    """The units that get a lane: those worth one (None), or "all". Raises ValueError for another value."""
    if lanes not in (None, "all"):
        raise ValueError(f"lanes must be None (the units that make the calls) or 'all', not {lanes!r}")
    if lanes is None:
        return recording.lanes()
    return sorted(recording.units.values(), key=lambda unit: (unit.created, unit.id))


def unit_lanes(recording: Recording, units: list[Unit]) -> list[Lane]:
    """One lane a unit, in the given order."""
    spans = defaultdict(list)
    for span in recording.spans:
        spans[span.unit].append(span)
    names = unique_names(units)
    return [
        Lane(
            names[unit.id],
            spans[unit.id],
            unit.id,
            notes=_cpu_notes(unit, spans[unit.id]),
            marks=_marks(recording, [unit]),
        )
        for unit in units
    ]


def thread_lanes(recording: Recording) -> list[Lane]:
    """One lane a thread that ran a unit, in the order in which their first units were created.

    A lane's label names the one unit that ran there; of several, each is named in its bar.
    Raises ValueError if no unit ran.
    """
    ran = defaultdict(lambda: defaultdict(list))  # thread -> unit -> spans
    for span in recording.spans:
        if span.thread is not None:
            ran[span.thread][span.unit].append(span)
    if not ran:
        raise ValueError("the recording has no lanes by thread: none of its units ran before it ended")
    loops = {step.thread for step in recording.steps}
    numbers = count()
    named = {unit.id: unit for unit in recording.lanes()}
    named |= {unit: recording.units[unit] for units in ran.values() for unit in units}
    names = unique_names(named.values())
    lanes = []
    for thread in sorted(ran, key=lambda thread: min(recording.units[unit].created for unit in ran[thread])):
        units = [recording.units[unit] for unit in ran[thread]]
        if thread in loops:
            lanes.append(_loop_lane(recording, thread))
            continue
        name = recording.threads[thread]
        if any(unit.kind == "thread" for unit in units):
            name = f"{WORKER} {next(numbers)}"
        elif name == "MainThread":
            name = "main thread"
        lane = Lane(name, [span for spans in ran[thread].values() for span in spans])
        lane.marks = _marks(recording, units)
        if len(units) == 1:
            lane.label = f"{name}: {names[units[0].id]}"
            lane.notes = _cpu_notes(units[0], lane.spans)
        else:
            lane.notes = [
                Note(names[unit.id], spans[0].start, spans[-1].end)
                for unit, spans in zip(units, ran[thread].values())
            ]
        lanes.append(lane)
    return lanes


def loop_lanes(recording: Recording) -> list[Lane]:
    """One lane a thread with an event loop, with all that it ran."""
    return [
        _loop_lane(recording, thread) for thread in dict.fromkeys(step.thread for step in recording.steps)
    ]


def branch_lanes(recording: Recording) -> list[Lane]:
    """One lane a unit, to stand below `loop_lanes`: thin where the unit holds no thread of its own."""
    units = recording.lanes()
    lanes = unit_lanes(recording, units)
    for unit, lane in zip(units, lanes):
        lane.thin = unit.kind == "task"
        lane.label = f"↳ task {lane.label}" if lane.thin else f"{WORKER}: {lane.label}"
    return lanes


def _marks(recording: Recording, units: list[Unit]) -> list[Mark]:
    return [
        Mark(end, recording.duration if unit.done is None else unit.done)
        for unit in units
        if (end := recording.end_of(unit))
    ]


def _loop_lane(recording: Recording, thread: int | None) -> Lane:
    steps = [step for step in recording.steps if step.thread == thread]
    return Lane("event-loop thread", steps, ends=False)


def _cpu_notes(unit: Unit, spans: list[Span]) -> list[Note]:
    """How much of its time in a thread a unit was on the CPU, where its spans leave that open."""
    unknown = [span for span in spans if span.state is State.IN_THREAD]
    if not unknown:
        return []
    running = sum(span.duration for span in spans if span.state is State.RUNNING)
    share = (unit.cpu - running) / sum(span.duration for span in unknown)
    longest = max(unknown, key=lambda span: span.duration)
    return [Note(f"{min(max(share, 0), 1):.0%} of it on the CPU", longest.start, longest.end)]
