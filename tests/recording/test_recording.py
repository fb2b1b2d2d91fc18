"""The derivations of a recording, on recordings made by hand."""

import json

import pytest

from helpers.recording.data import Call, End, Recording, Span, State, Unit


def recording_of(units, **fields):
    """units: id -> list of (state, start, end); each unit is a task of the same name."""
    recording = Recording(**fields)
    for unit, states in units.items():
        recording.units[unit] = Unit(
            unit, "task", f"unit {unit}", created=states[0][1], done=states[-1][2], outcome="ok"
        )
        recording.spans += [Span(unit, *state) for state in states]
    recording.spans.sort(key=lambda span: span.start)
    recording.duration = max((span.end for span in recording.spans), default=0.0)
    return recording


def test_span_duration():
    assert Span(1, State.RUNNING, 1.5, 4.0).duration == 2.5


def test_in_flight_from_first_step_to_end():
    recording = recording_of({1: [(State.READY, 0, 1), (State.RUNNING, 1, 2), (State.WAITING, 2, 5)]})
    assert recording.in_flight() == {1: (1, 5)}


def test_in_flight_begins_when_the_worker_takes_it():
    recording = recording_of({1: [(State.QUEUED, 0, 3), (State.BLOCKED, 3, 5)]})
    assert recording.in_flight() == {1: (3, 5)}


def test_never_started_is_not_in_flight():
    recording = recording_of({1: [(State.QUEUED, 0, 3)], 2: [(State.READY, 0, 3)]})
    assert recording.in_flight() == {}
    assert recording.peak() == 0


def test_a_queue_before_any_other_wait_is_not_in_flight():
    run, queue, wait = State.RUNNING, State.QUEUED, State.WAITING
    recording = recording_of(
        {
            1: [(run, 0, 1), (queue, 1, 4), (State.READY, 4, 5), (run, 5, 6), (wait, 6, 9)],
            2: [(run, 0, 1), (wait, 1, 4), (run, 4, 5), (queue, 5, 8)],
        }
    )
    assert recording.in_flight() == {1: (5, 9), 2: (0, 8)}


def test_permits_decide_where_known():
    states = [(State.RUNNING, 0, 1), (State.WAITING, 1, 9)]
    recording = recording_of({1: states, 2: states}, permits={1: (2, 5), 2: None})
    assert recording.in_flight() == {1: (2, 5)}


def test_the_task_that_all_others_stem_from_is_not_counted():
    running = [(State.RUNNING, 0, 9)]
    recording = recording_of({1: running, 2: running, 3: running})
    assert recording.peak() == 3
    recording.units[2].parent = recording.units[3].parent = 1
    assert set(recording.in_flight()) == {2, 3}
    assert recording.peak() == 2


def test_peak_counts_an_end_before_a_start_at_the_same_instant():
    run = State.RUNNING
    assert recording_of({1: [(run, 0, 2)], 2: [(run, 2, 4)]}).peak() == 1
    assert recording_of({1: [(run, 0, 2.1)], 2: [(run, 2, 4)]}).peak() == 2


def test_peak_of_one_kind():
    run = State.RUNNING
    recording = recording_of({1: [(run, 0, 2)], 2: [(run, 0, 4)], 3: [(run, 0, 4)]})
    recording.units[3].kind = "thread"
    assert (recording.peak(), recording.peak("task"), recording.peak("thread")) == (3, 2, 1)
    with pytest.raises(ValueError, match="task, thread, toy, call or None, not 'tasks'"):
        recording.peak("tasks")


def test_lanes_are_the_units_that_made_calls_or_else_all():
    run = State.RUNNING
    recording = recording_of({1: [(run, 1, 2)], 2: [(run, 0, 2)], 3: [(run, 1, 2)]})
    assert [unit.id for unit in recording.lanes()] == [2, 1, 3]
    recording.calls = [Call(3, "summary", 1, 2), Call(1, "keywords", 1, 2), Call(3, "summary", 1, 2)]
    assert [unit.id for unit in recording.lanes()] == [1, 3]
    assert recording.peak() == 2


def test_a_branch_that_ended_before_its_call_has_a_lane():
    run = State.RUNNING
    recording = recording_of({unit: [(run, unit / 10, 9)] for unit in range(9)})
    tree = {1: 0, 2: 1, 3: 0, 4: 3, 5: 4, 6: 2, 7: 0}  # a call in 2; 3 wraps 4, which wraps 5; 8 is alone
    for unit, parent in tree.items():
        recording.units[unit].parent = parent
    recording.calls = [Call(2, "summary", 1, 2)]
    for unit in (0, 1, 3, 4, 5, 6):  # 0 and 1 lead to the call, 6 was started by the one that made it
        recording.units[unit].outcome = "failed"
    assert [unit.id for unit in recording.lanes()] == [2, 5]
    recording.units[3].named = True  # the wrapper of a branch
    recording.units[7].outcome = "cancelled"
    recording.units[8].outcome = ""
    assert [unit.id for unit in recording.lanes()] == [2, 3, 7, 8]
    recording.block = 8
    assert [unit.id for unit in recording.lanes()] == [2, 3, 7]


@pytest.mark.parametrize(
    ("outcome", "end"),
    [("ok", None), ("failed", End.FAILED), ("cancelled", End.CANCELLED), ("", End.UNFINISHED)],
)
def test_how_a_unit_ended(outcome, end):
    unit = Unit(1, "task", "summary", 0.0, outcome=outcome)
    assert Recording(units={1: unit}).end_of(unit) is end
    assert Recording(units={1: unit}, block=1).end_of(unit) is (end if outcome else None)


def test_empty_recording():
    recording = Recording()
    assert (recording.lanes(), recording.in_flight(), recording.peak()) == ([], {}, 0)
    assert recording.to_chrome_trace()["traceEvents"]


def test_observe_needs_a_recording_under_way():
    with pytest.raises(RuntimeError, match="only inside"):
        Recording().observe("run", "a")


def test_chrome_trace(tmp_path):
    recording = Recording(
        units={1: Unit(1, "task", "summary", created=0.0, done=0.004, outcome="failed", error="ValueError")},
        spans=[
            Span(1, State.RUNNING, 0.001, 0.0015, thread=1),
            Span(1, State.WAITING, 0.0015, 0.004, reason="sleep"),
        ],
        steps=[
            Span(1, State.RUNNING, 0.001, 0.0015, thread=1),
            Span(None, State.RUNNING, 0.002, 0.0021, thread=1, reason="callback"),
        ],
        threads={1: "MainThread"},
    )
    file = tmp_path / "trace.json"
    recording.save_chrome_trace(file)
    trace = json.loads(file.read_text(encoding="utf-8"))
    assert trace == recording.to_chrome_trace()
    events = trace["traceEvents"]
    assert {event["ph"] for event in events} == {"M", "X", "i"}
    (end,) = [event for event in events if event["ph"] == "i"]
    assert (end["name"], end["pid"], end["tid"], end["ts"]) == ("failed: ValueError", 2, 1, 4000)
    threads = {
        (event["pid"], event["tid"]): event["args"]["name"]
        for event in events
        if event["name"] == "thread_name"
    }
    assert threads == {(1, 1): "MainThread", (2, 1): "summary"}
    spans = [event for event in events if event["ph"] == "X"]
    assert all(
        {"name", "cat", "ph", "pid", "tid", "ts", "dur"} <= event.keys() and event["dur"] > 0
        for event in spans
    )
    shown = [(event["pid"], event["name"], round(event["ts"]), round(event["dur"])) for event in spans]
    assert sorted(shown) == [
        (1, "callback", 2000, 100),
        (1, "summary", 1000, 500),
        (2, "running", 1000, 500),
        (2, "waiting", 1500, 2500),
    ]
