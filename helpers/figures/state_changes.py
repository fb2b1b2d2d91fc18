"""From which state to which the units of a recording went: what is certain, and does not vary between runs.

What a recording shows only because the machine was busy is left out: see `_life`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from helpers.recording.data import Reason, Recording, Span, State, Timer, Unit, stems
from helpers.recording.words import require_recording

CREATED, DONE, FAILED, CANCELLED = "created", "done", "failed", "cancelled"
RUNNING, READY, WAITING, BLOCKED, IN_THREAD, QUEUED = (
    State.RUNNING,
    State.READY,
    State.WAITING,
    State.BLOCKED,
    State.IN_THREAD,
    State.QUEUED,
)

CAUSES = {  # what makes a unit go from one state to another, in the order of a life
    (CREATED, QUEUED): "submitted",
    (CREATED, READY): "scheduled",
    (CREATED, RUNNING): "starts at once",
    (CREATED, IN_THREAD): "starts at once",
    (QUEUED, RUNNING): "a worker is free",
    (QUEUED, IN_THREAD): "a worker is free",
    (READY, RUNNING): "its turn",
    (RUNNING, READY): "gives way",
    (RUNNING, QUEUED): "no permit is free",
    (QUEUED, READY): "gets a permit",
    (RUNNING, WAITING): "awaits",
    (WAITING, READY): "its wait is over",
    (WAITING, RUNNING): "its wait is over",
    (RUNNING, BLOCKED): "sleeps",
    (BLOCKED, RUNNING): "wakes up",
    (RUNNING, DONE): "returns",
    (IN_THREAD, DONE): "returns",
    (RUNNING, FAILED): "raises",
    (IN_THREAD, FAILED): "raises",
    (QUEUED, CANCELLED): "cancelled",
    (RUNNING, CANCELLED): "cancelled",
}

_ENDS = {"ok": [DONE], "failed": [FAILED], "cancelled": [CANCELLED], "": []}


def transitions(recording: Recording) -> list[tuple[str, str]]:
    """The changes of state that occurred, as pairs of a state or "created" and a state or an end.

    An end is "done", "failed" or "cancelled". They come in the order of `CAUSES`. Tasks that only wait
    for the others do not count.

    Raises TypeError for anything but a Recording, ValueError for one without any change.
    """
    require_recording(recording)
    spans, timers = defaultdict(list), defaultdict(list)
    for span in recording.spans:
        spans[span.unit].append(span)
    for timer in recording.timers:
        timers[timer.unit].append(timer)
    units = recording.lanes()
    waiting = stems(units)
    found = set()
    for unit in units:
        if unit not in waiting:
            own = timers[
                unit.id if unit.kind != "call" or unit.parent is None else unit.parent
            ]  # a call is made within its parent
            found.update(pairwise(_life(unit, spans[unit.id], own)))
    if not found:
        raise ValueError("no unit of the recording changed its state")
    order = list(CAUSES)
    return sorted(found, key=lambda pair: (order.index(pair) if pair in CAUSES else len(order), pair))


def cause(pair: tuple[str, str]) -> str:
    """What makes a unit go from one state to another; nothing for a change that only a toy loop makes."""
    return CAUSES.get(pair, "")


def changes_in_words(pairs: list[tuple[str, str]]) -> str:
    """A line for each change of state."""
    return "\n".join(f"{' → '.join(pair)}: {cause(pair)}".removesuffix(": ") for pair in pairs)


def _life(unit: Unit, spans: list[Span], timers: list[Timer]) -> Iterator[str]:
    """The states that a unit certainly went through, from "created" to its end.

    Whether a thread was on the CPU between two sleeps is an estimate that other programs can upset, so
    that it does not count: a unit runs then. A work item without sleeps is only "in a thread": it may
    have waited for a network all the time.
    """
    holds_thread = unit.kind in ("thread", "call") and not any(
        span.reason == Reason.SLEEP or span.state in (WAITING, READY) for span in spans
    )
    latest = CREATED
    yield latest
    for before, span in zip([None, *spans], spans):
        state = span.state
        if state in (RUNNING, BLOCKED, IN_THREAD) and span.reason != Reason.SLEEP:
            state = IN_THREAD if holds_thread else RUNNING
        if (latest, state) == (RUNNING, READY) and before and _overslept(before, span, timers):
            yield WAITING
        if state != latest:
            yield state
        latest = state
    yield from _ENDS[unit.outcome]


def _overslept(step: Span, ready: Span, timers: list[Timer]) -> bool:
    """Whether a timer that the step set was due before the step ended: it awaited, for no time at all."""
    return any(step.start <= timer.created <= step.end and timer.due <= ready.end for timer in timers)
