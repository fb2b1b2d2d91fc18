"""Record when each of some computing threads really runs: the gaps in what it notes of the time show it."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from helpers.recording.data import Reason, Recording, Span, State, Unit

_GAP = 0.001  # seconds without a note: something else had the GIL, or the core
_PATIENCE = 10.0  # seconds that the threads wait for each other


def record_turns(*names: str, cpu: float = 0.1) -> Recording:
    """Compute in pure Python on a thread for each name, `cpu` seconds of CPU time each, and record the turns.

    Where a thread notes nothing for a millisecond it is blocked: it waits for the GIL, or for a core.
    """
    meet = threading.Barrier(len(names))

    def compute() -> list[list[float]]:
        meet.wait(_PATIENCE)
        now = time.perf_counter()
        turns, end = [[now, now]], time.thread_time() + cpu
        while time.thread_time() < end:
            now = time.perf_counter()
            if now - turns[-1][1] > _GAP:
                turns.append([now, now])
            turns[-1][1] = now
        return turns

    with ThreadPoolExecutor(len(names)) as pool:
        found = [future.result() for future in [pool.submit(compute) for _ in names]]
    origin = min(turns[0][0] for turns in found)
    recording = Recording(threads=dict(enumerate(names)))
    for number, (name, turns) in enumerate(zip(names, found)):
        at = 0.0
        for start, end in [(start - origin, end - origin) for start, end in turns]:
            if start > at:
                recording.spans.append(Span(number, State.BLOCKED, at, start, number, Reason.GIL))
            recording.spans.append(Span(number, State.RUNNING, start, end, number))
            at = end
        recording.units[number] = Unit(
            number, "thread", name, 0.0, done=at, outcome="ok", named=True, cpu=cpu
        )
    recording.spans.sort(key=lambda span: span.start)
    recording.duration = max(unit.done or 0.0 for unit in recording.units.values())
    return recording
