"""Recordings in words: order, overlaps, peak and outcomes, and nothing that varies when these do not."""

from __future__ import annotations

from collections.abc import Iterable

from helpers.recording.data import End, Recording, Unit, stems, unique_names

NAMED_UP_TO = 8  # more units than these are counted, not named
_NOUNS = {"task": "task", "thread": "work item", "toy": "toy task", "call": "call"}


def describe(recording: Recording, limit: int | None = None, end_order: bool = True) -> str:
    """What a recording shows, in a few sentences without times, thread names or other things that vary.

    Says what the units are (in the order in which they were created; calls on threads started by
    hand by name, for nothing orders those), how they overlap (with `limit`, also how the peak
    compares), the order in which they ended, and which failed, were cancelled or did not finish.
    More than 8 units are only counted.
    end_order: False leaves out the order of the ends, for threads that nothing forces into one.

    Raises TypeError for anything but a Recording, ValueError for an empty one or a limit below 1.
    """
    require_limit(limit)
    units = _workers(recording)
    if recording.peak() > 1 and all(unit.kind == "call" for unit in units):
        units.sort(key=lambda unit: unit.name)
    names = unique_names(recording.lanes())
    sentences = [_units(units, stems(recording.lanes()), names)]
    sentences += _overlaps(len(units), recording.peak(), limit)
    if end_order and len(units) <= NAMED_UP_TO:
        ended = _ended(recording, units)
        if len(ended) > 1:
            sentences.append(f"They end in this order: {_listed(ended, names)}.")
    for end in End:
        such = [unit for unit in units if recording.end_of(unit) is end]
        if such:
            count = f"{len(such):,} {end.value}"
            few = len(units) <= NAMED_UP_TO
            sentences.append(f"{count}: {_listed(such, names, errors=True)}." if few else f"{count}.")
    return " ".join(sentences)


def describe_join(recording: Recording) -> str:
    """What the line at the end of a recording says, beside that something waits until there."""
    return " The call raised an exception." if recording.raised else ""


def describe_invoke(recording: Recording, end_order: bool = True) -> str:
    """`describe`, and how many threads the work items took, where that is certain."""
    units = _workers(recording)
    text = describe(recording, end_order=end_order)
    if len(units) > 1 and recording.peak() == len(units) and all(unit.kind == "thread" for unit in units):
        text += f" Each has a worker thread of its own: {len(units):,} threads."
    return text


def describe_ainvoke(recording: Recording, end_order: bool = True) -> str:
    """`describe`, and whether the tasks shared one thread."""
    units = _workers(recording)
    text = describe(recording, end_order=end_order)
    tasks = [unit for unit in units if unit.kind == "task"]
    items = [unit for unit in units if unit.kind == "thread"]
    names = unique_names(recording.lanes())
    threads = {step.thread for step in recording.steps}
    if len(tasks) > 1 and len(threads) == 1:
        text += " They share one thread." if len(tasks) == len(units) else " The tasks share one thread."
    if items:
        few = len(units) <= NAMED_UP_TO
        text += f" On worker threads: {_listed(items, names) if few else f'{len(items):,}'}."
    return text


def require_recording(recording: object) -> None:
    """Raises TypeError for anything but a Recording, ValueError for one that holds nothing."""
    if not isinstance(recording, Recording):
        given = type(recording).__name__
        raise TypeError(f"a recording is what `with record() as recording:` gives, not a {given}")
    if not recording.lanes():
        raise ValueError(
            "the recording is empty: its `with record()` block started no task and no work item, "
            "and made no simulated call"
        )


def require_limit(limit: object) -> None:
    """Raises ValueError unless `limit` is None or an int of at least 1."""
    if limit is not None and (type(limit) is not int or limit < 1):
        raise ValueError(f"limit must be an int of at least 1 or None, not {limit!r}")


def _workers(recording: Recording) -> list[Unit]:
    """The units that do not only wait for others."""
    require_recording(recording)
    lanes = recording.lanes()
    waiting = stems(lanes)
    return [unit for unit in lanes if unit not in waiting]


def _units(units: list[Unit], waiting: list[Unit], names: dict[int, str]) -> str:
    kinds = {unit.kind for unit in units}
    noun = _NOUNS[kinds.pop()] if len(kinds) == 1 else "unit"
    head = f"{len(units):,} {noun}{'s' if len(units) > 1 else ''}"
    if waiting:
        head += f" under {_listed(waiting, names)}"
    return f"{head}: {_listed(units, names)}." if len(units) <= NAMED_UP_TO else f"{head}."


def _overlaps(count: int, peak: int, limit: int | None) -> Iterable[str]:
    if count > 1 and peak:
        if peak == 1:
            yield "No two overlap."
        elif peak == count:
            yield "Both are in flight at once." if count == 2 else f"All {count:,} are in flight at once."
        else:
            yield f"At most {peak:,} are in flight at once."
    if limit is not None:
        yield f"The limit is {limit:,}." if peak <= limit else f"That is above the limit of {limit:,}."


def _ended(recording: Recording, units: list[Unit]) -> list[Unit]:
    """The units that ended, first to end first."""
    listed = {unit.id: unit for unit in units}
    # The order of the calls' ends is certain: a gate can force it. That of the units' ends is not.
    if recording.calls:
        last_calls = {call.unit: call.end for call in recording.calls}
        order = sorted(last_calls, key=last_calls.__getitem__)
        return [listed[unit] for unit in order if unit in listed and last_calls[unit] < recording.duration]
    ended = [(unit.done, unit) for unit in units if unit.done is not None]
    return [unit for _, unit in sorted(ended, key=lambda pair: pair[0])]


def _listed(units: Iterable[Unit], names: dict[int, str], errors: bool = False) -> str:
    """The names of units; with `errors`, each with the type of the exception that it raised."""
    return ", ".join(
        f"{names[unit.id]} ({unit.error})" if errors and unit.error else names[unit.id] for unit in units
    )
