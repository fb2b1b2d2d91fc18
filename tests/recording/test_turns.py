"""Who runs when, of threads that compute: what `record_turns` makes of their notes."""

from itertools import pairwise

import pytest

from helpers import record_turns
from helpers.recording.data import State


@pytest.mark.parametrize("names", [("a",), ("a", "b"), ("a", "b", "c")])
def test_each_thread_has_its_turns_and_is_blocked_between_them(names):
    recording = record_turns(*names, cpu=0.03)
    assert [unit.name for unit in recording.units.values()] == list(names)
    for number, unit in recording.units.items():
        spans = [span for span in recording.spans if span.unit == number]
        assert spans[0].start == 0 and spans[-1].end == unit.done <= recording.duration
        assert spans[-1].state is State.RUNNING
        assert all(before.end == after.start for before, after in pairwise(spans))
        assert all(span.end > span.start for span in spans if span.state is State.BLOCKED)
    assert recording.duration == max(unit.done for unit in recording.units.values())
