"""Figures and words, on recordings made by hand and on real ones."""

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_hex

from helpers.calls.workloads import (
    REVIEW,
    Gate,
    akeywords,
    asentiment,
    asummary,
    keywords,
    sentiment,
    summary,
)
from helpers.figures import bars
from helpers.figures.lanes import Lane, unit_lanes
from helpers.figures.theme import (
    END_MARKER,
    END_MEANING,
    END_SYMBOL,
    HATCH,
    MEANING,
    ORDER,
    THEMES,
    text_width,
)
from helpers.figures.timeline import (
    describe,
    draw_paths,
    draw_timeline,
    draw_timelines,
    show_paths,
    show_timeline,
    show_timelines,
)
from helpers.recording.data import Call, End, Recording, Span, State, Unit
from helpers.recording.recorder import record

NAMES = ("summary", "sentiment", "keywords")


def recording_of(units, kind="thread", calls=True):
    """units: (name, start, end) or (name, start, end, outcome); each first waits in a queue from time 0."""
    recording = Recording()
    for number, (name, start, end, *outcome) in enumerate(units):
        on_thread = kind != "task"
        thread = number + 1 if on_thread else None
        unit = Unit(number, kind, name, created=number / 1e6, done=end, outcome=(outcome or ["ok"])[0])
        recording.units[number] = unit
        if start > unit.created:
            recording.spans.append(Span(number, State.QUEUED, unit.created, start))
        state = State.BLOCKED if on_thread else State.WAITING
        recording.spans.append(Span(number, state, start, end, thread))
        step = Span(number, State.RUNNING, end, end + 0.001, thread or 1)
        recording.spans.append(step)
        recording.threads[step.thread] = f"pool_{step.thread}"
        if not on_thread:
            recording.steps.append(step)
        if calls:
            recording.calls.append(Call(number, name, start, end))
        unit.done = end + 0.001
    recording.calls.sort(key=lambda call: call.end)
    recording.spans.sort(key=lambda span: span.start)
    recording.duration = max(span.end for span in recording.spans) + 0.001
    return recording


def parallel(kind="thread", scale=1.0):
    ends = (0.12, 0.06, 0.09)
    return recording_of([(name, 0.01, end * scale + 0.01) for name, end in zip(NAMES, ends)], kind)


def sequential(kind="call"):
    return recording_of([("summary", 0.0, 0.1), ("sentiment", 0.11, 0.2), ("keywords", 0.21, 0.3)], kind)


def limited(count=20, limit=5, kind="task"):
    slots = [(slot // limit * 0.02 + 0.001, slot // limit * 0.02 + 0.018) for slot in range(count)]
    return recording_of([(f"job-{number}", *slot) for number, slot in enumerate(slots)], kind, calls=False)


def all_states(count):
    """`count` units that pass through all states, each a little later than the one before it."""
    recording = Recording(threads={1: "pool_1"}, duration=1.0)
    states = (State.QUEUED, State.READY, State.WAITING, State.IN_THREAD, State.BLOCKED, State.RUNNING)
    for number in range(count):
        begin = 0.4 * number / count
        recording.units[number] = Unit(number, "thread", f"u{number}", begin, done=begin + 0.6, outcome="ok")
        for place, state in enumerate(states):
            start = begin + place / 10
            thread = 1 if state in (State.IN_THREAD, State.BLOCKED, State.RUNNING) else None
            recording.spans.append(Span(number, state, start, start + 0.1, thread))
    return recording


def under_main(recording):
    """The same recording with a main task that the others stem from."""
    main = -1
    for unit in recording.units.values():
        unit.parent = main
    recording.units[main] = Unit(main, "task", "main", 0.0, done=recording.duration, outcome="ok")
    recording.spans.insert(0, Span(main, State.WAITING, 0.0, recording.duration))
    return recording


def labels(ax):
    return [label.get_text() for label in ax.get_yticklabels()]


def legend(fig):
    return [text.get_text().split(":")[0] for text in fig.legends[0].get_texts()]


def colour_of(collection):
    colours = collection.get_facecolor()
    return to_hex(colours[0]) if len(colours) else None


def join_labels(fig):
    return [text for ax in fig.axes for text in ax.texts if text.get_text() == "join"]


@pytest.fixture
def outputs(monkeypatch):
    """What is displayed: a list of the outputs' data."""
    shown = []
    monkeypatch.setattr("helpers.cards.card.display", lambda data, raw: shown.append(data))
    return shown


# In words


def test_one_after_another_in_words():
    assert describe(sequential()) == (
        "3 calls: summary, sentiment, keywords. No two overlap. "
        "They end in this order: summary, sentiment, keywords."
    )


def test_in_parallel_in_words():
    assert describe(parallel("task")) == (
        "3 tasks: summary, sentiment, keywords. All 3 are in flight at once. "
        "They end in this order: sentiment, keywords, summary."
    )


def test_two_are_both():
    pair = recording_of([("a", 0.0, 0.2), ("b", 0.0, 0.1)])
    assert "2 work items: a, b. Both are in flight at once." in describe(pair)


def test_a_single_one_has_nothing_to_overlap():
    assert describe(recording_of([("a", 0.0, 0.2)], kind="toy")) == "1 toy task: a."


def test_a_limit_in_words():
    assert describe(limited(), limit=5) == "20 tasks. At most 5 are in flight at once. The limit is 5."
    assert describe(limited(), limit=4).endswith(
        "At most 5 are in flight at once. That is above the limit of 4."
    )
    assert describe(limited(), limit=8).endswith("The limit is 8.")


def test_more_than_eight_are_counted():
    assert "job-7" in describe(limited(8, 2))
    assert describe(limited(9, 3)) == "9 tasks. At most 3 are in flight at once."
    assert describe(limited(10_000, 500)) == "10,000 tasks. At most 500 are in flight at once."


def test_outcomes_in_words():
    units = [("a", 0.0, 0.1, "failed"), ("b", 0.0, 0.2, "cancelled"), ("c", 0.0, 0.3, ""), ("d", 0.0, 0.4)]
    assert describe(recording_of(units), end_order=False) == (
        "4 work items: a, b, c, d. All 4 are in flight at once. 1 failed: a. 1 cancelled: b. 1 unfinished: c."
    )
    many = [(f"u{number}", 0.0, 0.1, "failed" if number < 2 else "ok") for number in range(9)]
    assert describe(recording_of(many)) == "9 work items. All 9 are in flight at once. 2 failed."


def test_the_order_of_the_ends_can_be_left_out():
    assert "order" not in describe(parallel(), end_order=False)


def test_the_order_of_the_ends_is_that_of_the_calls():
    recording = parallel()
    for unit in recording.units.values():
        unit.done = -unit.done  # what the threads noted afterwards does not count
    assert describe(recording).endswith("order: sentiment, keywords, summary.")


def test_a_call_under_way_has_not_ended():
    recording = parallel()
    recording.duration = recording.calls[-1].end
    assert describe(recording).endswith("order: sentiment, keywords.")


def test_units_without_calls_end_when_they_are_done():
    recording = parallel()
    recording.calls.clear()
    assert describe(recording).endswith("order: sentiment, keywords, summary.")
    recording.units[0].done = None
    assert describe(recording).endswith("order: sentiment, keywords.")


def test_the_task_that_waits_for_all_is_told_apart():
    recording = under_main(limited(3, 3))
    assert describe(recording, end_order=False) == (
        "3 tasks under main: job-0, job-1, job-2. All 3 are in flight at once."
    )


def test_different_kinds_are_units():
    recording = parallel()
    recording.units[0].kind = "task"
    assert describe(recording).startswith("3 units: summary,")


def test_calls_on_threads_started_by_hand_are_named_in_an_order_that_is_certain():
    words = describe(parallel(kind="call"))
    assert words.startswith("3 calls: keywords, sentiment, summary. All 3 are in flight at once.")
    assert words.endswith("in this order: sentiment, keywords, summary.")
    assert describe(sequential()).startswith("3 calls: summary, sentiment, keywords.")


def test_words_do_not_depend_on_times():
    assert describe(parallel(scale=1.0)) == describe(parallel(scale=7.3))
    assert not re.search(r"\d\.\d|pool", describe(parallel()))


# Errors


def test_an_empty_recording_is_refused():
    empty = Recording(duration=1.0)
    for use in (
        describe,
        lambda recording: draw_timeline(recording, "title"),
        lambda recording: draw_timelines({"full": parallel(), "empty": recording}),
        lambda recording: draw_paths(invoke=recording, ainvoke=parallel("task")),
        lambda recording: draw_paths(invoke=parallel(), ainvoke=recording),
    ):
        with pytest.raises(ValueError, match="the recording is empty"):
            use(empty)


def test_other_things_than_recordings_are_refused():
    with pytest.raises(TypeError, match="with record.* not a Recorder"):
        describe(record())
    with pytest.raises(TypeError, match="not a list"):
        draw_timeline([parallel()], "title")
    with pytest.raises(TypeError, match="must be a dict {title: recording}, not list"):
        draw_timelines([parallel()])
    with pytest.raises(ValueError, match="recordings is empty"):
        draw_timelines({})


def test_a_recording_is_complete_only_after_its_block():
    with record() as recording:
        with pytest.raises(RuntimeError, match="when its `with record.*block ends"):
            describe(recording)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("theme", "neon", "theme must be 'light' or 'dark', not 'neon'"),
        ("font", 3, "font must be a size in points from 6 to 32, not 3"),
        ("font", "large", "from 6 to 32, not 'large'"),
        ("font", True, "from 6 to 32, not True"),
        ("by", "task", "by must be 'unit' or 'thread', not 'task'"),
        ("lanes", "some", "lanes must be None .* or 'all', not 'some'"),
        ("limit", 0, "limit must be an int of at least 1 or None, not 0"),
        ("limit", 2.5, "limit must be .* not 2.5"),
        ("xlim", (2, 1), r"xlim must be \(start, end\) in seconds, start before end, not \(2, 1\)"),
        ("xlim", 5, "xlim must be .* not 5"),
    ],
)
def test_errors_name_the_value_and_what_is_allowed(option, value, message):
    with pytest.raises(ValueError, match=message):
        draw_timeline(parallel(), "title", **{option: value})


def test_lanes_by_thread_need_a_thread():
    recording = recording_of([("a", 0.1, 0.2)], calls=False)
    recording.spans = recording.spans[:1]
    with pytest.raises(ValueError, match="no lanes by thread"):
        draw_timeline(recording, "title", by="thread")
    assert labels(draw_timeline(recording, "title").axes[0]) == ["a"]


def test_an_ainvoke_without_event_loop_is_refused():
    with pytest.raises(ValueError, match="ainvoke must be a recording of tasks"):
        draw_paths(invoke=parallel(), ainvoke=parallel("thread"))


# Figures


def test_a_lane_a_unit_in_the_order_of_creation():
    top, below = draw_timeline(parallel(), "Three calls").axes
    assert labels(top) == list(NAMES)
    assert top.get_title(loc="left") == "Three calls"
    assert below.get_title(loc="left") == "in flight (line): peak 3"


def test_bars_are_where_the_spans_are():
    recording = parallel()
    top = draw_timeline(recording, "title").axes[0]
    drawn = {
        (round(box.y0 + box.height / 2), round(box.x0, 6), round(box.x1, 6))
        for collection in top.collections
        if isinstance(collection, PolyCollection)
        for box in (path.get_extents() for path in collection.get_paths())
    }
    assert drawn == {(span.unit, round(span.start, 6), round(span.end, 6)) for span in recording.spans}


@pytest.mark.parametrize("duration", [1e-7, 1e-4])
def test_short_steps_stay_visible(duration):
    recording = recording_of([("a", 0.0, 0.5)])
    recording.spans.append(Span(0, State.RUNNING, 0.2, 0.2 + duration, 1))
    top = draw_timeline(recording, "title").axes[0]
    (steps,) = (bars for bars in top.collections if colour_of(bars) == "#0b4f8a")
    assert len(steps.get_paths()) == 2
    assert steps.get_linewidth()[0] / 72 * 110 >= 1  # pixels
    assert to_hex(steps.get_edgecolor()[0]) == "#0b4f8a"


def test_peak_and_limit_stand_in_the_title():
    below = draw_timeline(limited(), "title", limit=5).axes[1]
    assert below.get_title(loc="left") == "in flight (line): peak 5; limit (dashed): 5"
    (dashed,) = (line for line in below.lines if line.get_linestyle() == "--")
    assert set(dashed.get_ydata()) == {5}


def test_the_line_in_flight_shows_the_peak_however_short():
    recording = recording_of([("a", 0.1, 0.5), ("b", 0.1, 0.10000001), ("c", 0.6, 5.0)])
    below = draw_timeline(recording, "title").axes[1]
    heights = below.lines[0].get_ydata()
    assert max(heights) == 2 == recording.peak()
    assert below.get_title(loc="left").endswith("peak 2")


def test_the_main_task_is_not_stacked():
    recording = under_main(limited(3, 3))
    top, below = draw_timeline(recording, "title").axes
    assert labels(top)[0] == "main"
    tops = [path.get_extents().y1 for area in below.collections for path in area.get_paths()]
    assert max(tops) == pytest.approx(3)


def test_only_what_can_be_seen_is_explained():
    assert legend(draw_timeline(sequential(), "title")) == ["running", "blocked", "queued"]
    recording = parallel()
    recording.spans.append(Span(0, State.READY, 0.001, 0.00100001))
    assert "ready" not in legend(draw_timeline(recording, "title"))
    assert legend(draw_timeline(all_states(6), "title")) == [state.value for state in ORDER]


def test_nothing_is_explained_that_lies_outside_the_range():
    assert legend(draw_timeline(parallel(), "title", xlim=(0.02, 0.05))) == ["blocked"]
    assert not legend(draw_timeline(all_states(100), "title", xlim=(5, 6)))


def test_all_units_or_those_that_call():
    recording = parallel()
    recording.units[7] = Unit(7, "task", "wrapper", 0.0, outcome="ok")
    recording.spans.append(Span(7, State.WAITING, 0.0, 0.1))
    assert "wrapper" not in labels(draw_timeline(recording, "title").axes[0])
    assert "wrapper" in labels(draw_timeline(recording, "title", lanes="all").axes[0])


def test_a_lane_a_thread_names_what_ran_there():
    assert labels(draw_timeline(parallel(), "title", by="thread").axes[0]) == [
        "worker thread 0: summary",
        "worker thread 1: sentiment",
        "worker thread 2: keywords",
    ]


def test_several_units_of_a_thread_are_named_in_their_bars_if_they_fit():
    recording = recording_of([("first", 0.0, 0.1), ("second", 0.11, 0.3), ("x" * 60, 0.31, 0.4)])
    recording.spans = [
        Span(span.unit, span.state, span.start, span.end, span.thread and 1) for span in recording.spans
    ]
    top = draw_timeline(recording, "title", by="thread").axes[0]
    assert labels(top) == ["worker thread 0"]
    assert [text.get_text() for text in top.texts] == ["first", "second"]


def test_an_unknown_state_shows_its_share_of_the_cpu():
    recording = all_states(1)
    recording.units[0].cpu = 0.1 + 0.04  # the running stretch, and 0.04 s of 0.1 s in a thread
    (note,) = draw_timeline(recording, "title", xlim=(0.25, 0.45)).axes[0].texts
    assert note.get_text() == "40% of it on the CPU"


def test_join_and_slack():
    recording = parallel()
    fig = draw_timeline(recording, "title", join=True)
    slacks = [line for line in fig.axes[0].lines if line.get_zorder() < 1]
    assert [tuple(line.get_xdata()) for line in slacks] == [
        (unit.done, recording.duration) for unit in recording.units.values()
    ]
    assert len(join_labels(fig)) == 1
    assert not join_labels(draw_timeline(recording, "title"))


@pytest.mark.parametrize("font", [11, 16])
def test_the_word_join_covers_nothing(font):
    for fig in (
        draw_timeline(parallel(), "title", join=True, font=font),
        draw_paths(invoke=parallel(), ainvoke=parallel("task"), font=font),
    ):
        fig.draw_without_rendering()
        for text in join_labels(fig):
            end = text.axes.transData.transform((text.xy[0], 0))[0]
            assert text.get_window_extent().x0 > end
            assert text.get_window_extent().x1 <= fig.bbox.x1


@pytest.mark.parametrize("font", [11, 16, 32])
def test_nothing_is_cut_off(font):
    units = [("a_name_that_is_quite_long_" * 3, 0.0, 0.2), ("$x$", 0.0, 0.1)]
    title = "A title that says far more than a title should, so that it must be broken into several lines"
    fig = draw_timeline(recording_of(units), title, join=True, font=font)
    fig.draw_without_rendering()
    top = fig.axes[0]
    for text in (top.title, top._left_title, *top.get_yticklabels(), *fig.legends[0].get_texts()):
        box = text.get_window_extent()
        assert box.x0 >= 0 and box.x1 <= fig.bbox.x1 and box.y0 >= 0 and box.y1 <= fig.bbox.y1, text
    assert labels(top)[0].endswith("…") and labels(top)[1] == r"\$x\$"


def test_figures_grow_with_their_lanes():
    heights = [draw_timeline(limited(count), "title").get_figheight() for count in (3, 20, 60, 61, 5000)]
    assert heights[0] < heights[1] < heights[2] > heights[3] == heights[4]
    assert draw_timeline(limited(3), "title").get_figwidth() == 10


def test_timelines_share_one_axis():
    fast, slow = parallel(), parallel(scale=3)
    fig = draw_timelines({"fast": fast, "slow": slow})
    assert [ax.get_title(loc="left") for ax in fig.axes] == ["fast", "slow"]
    limits = {ax.get_xlim() for ax in fig.axes}
    assert len(limits) == 1
    assert limits.pop()[1] >= slow.duration > fast.duration
    assert fig.axes[1].get_xlabel() and not fig.axes[0].get_xlabel()
    assert not join_labels(fig) and len(join_labels(draw_timelines({"a": fast, "b": slow}, join=True))) == 2


def test_a_given_range_is_kept():
    one, other = (draw_timeline(parallel(scale=scale), "title", xlim=(0, 2)) for scale in (1, 5))
    assert one.axes[0].get_xlim() == other.axes[0].get_xlim()


def test_paths_show_threads_above_and_one_thread_with_tasks_below():
    fig = draw_paths(invoke=parallel(), ainvoke=parallel("task"))
    threads, loop, tasks = fig.axes
    assert labels(threads) == [f"worker thread {number}: {name}" for number, name in enumerate(NAMES)]
    assert threads.get_title(loc="left") == "invoke: 3 worker threads"
    assert labels(loop) == ["event-loop thread"]
    assert loop.get_title(loc="left") == "ainvoke: 1 event-loop thread"
    assert labels(tasks) == [f"↳ task {name}" for name in NAMES]
    assert len({ax.get_xlim() for ax in fig.axes}) == 1
    assert len(join_labels(fig)) == 2


def test_work_items_under_ainvoke_are_no_tasks():
    recording = parallel("task")
    recording.units[1].kind = "thread"
    fig = draw_paths(invoke=parallel(), ainvoke=recording)
    assert labels(fig.axes[2]) == ["↳ task summary", "worker thread: sentiment", "↳ task keywords"]


@pytest.mark.parametrize("theme", THEMES)
def test_a_raster_shows_every_state_in_few_pieces(theme):
    fig = draw_timeline(all_states(10_000), "title", theme=theme)
    top, below = fig.axes
    (image,) = top.images
    colours = {to_hex(pixel) for pixel in np.unique(image.get_array().reshape(-1, 3), axis=0)}
    assert colours == {bars._fill(state, THEMES[theme], raster=True).lower() for state in ORDER} | {
        THEMES[theme].background.lower()
    }
    assert legend(fig) == [state.value for state in ORDER]
    assert len(top.collections) + len(below.collections) + len(top.texts) < 10
    assert top.get_ylabel() == "10,000 units, by creation"


def test_bars_up_to_sixty_lanes():
    assert not draw_timeline(limited(60), "title").axes[0].images
    assert draw_timeline(limited(61), "title").axes[0].images
    assert len(draw_timelines({"a": limited(61), "b": limited(3)}).axes[0].images) == 1


def test_the_coverage_of_a_raster_adds_up():
    recording = all_states(500)
    lanes = unit_lanes(recording, recording.lanes())
    look = bars.Look(THEMES["light"], 11, 0.0, 1.0)
    covered = bars._coverage(lanes, look).sum(axis=(1, 2)) * look.column
    assert covered == pytest.approx([50.0] * len(ORDER))  # 500 units, 0.1 s in each state


def test_a_column_counts_what_lies_in_it():
    look = bars.Look(THEMES["light"], 11, 0.0, 1.0)
    lanes = [Lane("", [Span(1, State.RUNNING, 0.0005, 0.0025)])]
    running = bars._coverage(lanes, look)[ORDER.index(State.RUNNING), 0]
    assert running[:4] == pytest.approx([0.5, 1.0, 0.5, 0.0])
    assert running[4:].max() == pytest.approx(0)


def test_steps_on_the_cpu_are_seen_among_thousands():
    recording = limited(3000, 3000)
    recording.spans.append(Span(0, State.RUNNING, 0.005, 0.007, 1))
    (image,) = draw_timeline(recording, "title").axes[0].images
    assert "#0b4f8a" in {to_hex(pixel) for pixel in np.unique(image.get_array()[0], axis=0)}


# How units ended

OUTCOMES = {End.FAILED: "failed", End.CANCELLED: "cancelled", End.UNFINISHED: ""}


def endings(raised=False):
    """A unit for each way to end, and one that ends well."""
    units = [(end.value, 0.0, 0.1, outcome) for end, outcome in OUTCOMES.items()]
    recording = recording_of([("fine", 0.0, 0.1), *units])
    recording.units[3].done = None
    recording.raised = raised
    return recording


def marks_of(ax):
    """The marks on axes: (marker, its colours) -> the places."""
    lines = [line for line in ax.lines if line.get_linestyle() == "None"]
    colours = [(line.get_markerfacecolor(), line.get_markeredgecolor()) for line in lines]
    return {(line.get_marker(), *each): list(zip(*line.get_data())) for line, each in zip(lines, colours)}


def mark(theme, end):
    style = THEMES[theme].mark(end, 11)
    return style["marker"], style["markerfacecolor"], style["markeredgecolor"]


@pytest.mark.parametrize("theme", THEMES)
def test_each_end_has_a_mark_where_the_lane_ends(theme):
    recording = endings()
    fig = draw_timeline(recording, "title", theme=theme)
    assert marks_of(fig.axes[0]) == {
        mark(theme, End.FAILED): [(0.101, 1)],
        mark(theme, End.CANCELLED): [(0.101, 2)],
        mark(theme, End.UNFINISHED): [(recording.duration, 3)],
    }
    assert legend(fig)[-3:] == ["failed", "cancelled", "unfinished"]
    assert legend(draw_timeline(parallel(), "title"))[-1] == "queued"


def test_marks_outside_the_range_are_neither_drawn_nor_explained():
    fig = draw_timeline(endings(), "title", xlim=(0.02, 0.05))
    assert (marks_of(fig.axes[0]), legend(fig)) == ({}, ["blocked"])


def test_ends_differ_without_colour():
    assert set(END_MARKER) == set(END_MEANING) == set(END_SYMBOL) == set(End)
    assert len(set(map(id, END_MARKER.values()))) == len(set(END_SYMBOL.values())) == len(End)
    assert all(END_MEANING[end].startswith(f"{end.value}: ") for end in End)
    for theme in THEMES.values():
        assert len({*theme.ends.values(), *theme.fills.values()}) == len(End) + len(State)


def test_marks_in_the_lanes_of_threads():
    recording = recording_of([("a", 0.0, 0.1, "failed"), ("b", 0.15, 0.2), ("never", 0.0, 0.2, "cancelled")])
    recording.spans = [replace(span, thread=span.thread and 1) for span in recording.spans if span.unit < 2]
    recording.spans.append(Span(2, State.QUEUED, 0.0, 0.201))
    fig = draw_timeline(recording, "title", by="thread")
    assert marks_of(fig.axes[0]) == {mark("light", End.FAILED): [(0.101, 0)]}
    assert "failed" in legend(fig) and "cancelled" not in legend(fig)  # it has no lane by thread


def test_marks_below_the_lane_of_the_loop():
    tasks = recording_of([("a", 0.0, 0.1, "failed"), ("b", 0.0, 0.1, "cancelled")], kind="task")
    _, loop, branches = draw_paths(invoke=parallel(), ainvoke=tasks).axes
    assert marks_of(loop) == {}
    assert list(marks_of(branches).values()) == [[(0.101, 1)], [(0.101, 0)]]


def test_marks_in_a_raster():
    units = [(f"u{number}", 0.0, 0.1, "failed" if number == 40 else "cancelled") for number in range(90)]
    fig = draw_timeline(recording_of(units), "title")
    found = marks_of(fig.axes[0])
    assert found[mark("light", End.FAILED)] == [(0.101, 40)]
    assert len(found[mark("light", End.CANCELLED)]) == 89
    sizes = {line.get_marker(): line.get_markersize() for line in fig.axes[0].lines}
    assert sizes["X"] > 2 * sizes[END_MARKER[End.CANCELLED]]  # the one is seen among the many
    assert {"failed", "cancelled"} <= set(legend(fig))
    assert "1 failed. 89 cancelled." in describe(recording_of(units))


@pytest.mark.parametrize("raised", [False, True])
def test_the_line_says_whether_the_call_raised(raised, outputs):
    recording = endings(raised)
    figures = [
        draw_timeline(recording, "title", join=True),
        draw_timelines({"title": recording}, join=True),
        draw_paths(invoke=recording, ainvoke=under_main(parallel("task"))),
    ]
    light = THEMES["light"]
    word, colour = ("raised", light.ends[End.FAILED]) if raised else ("join", light.accent)
    for fig in figures:
        (text,) = [text for text in fig.axes[0].texts if text.get_text() in ("join", "raised")]
        assert (text.get_text(), text.get_color()) == (word, colour)
        fig.draw_without_rendering()
        assert text.get_window_extent().x1 <= fig.bbox.width
    show_timeline(recording, "title", join=True)
    show_timelines({"title": recording}, join=True)
    show_paths(invoke=recording, ainvoke=under_main(parallel("task")))
    said = ["The call raised an exception." in output["text/plain"] for output in outputs]
    assert said == [raised] * 3
    show_timeline(recording, "title")
    assert "raised" not in outputs[-1]["text/plain"]  # no line is drawn


def test_what_is_too_short_to_be_seen_is_drawn_where_there_is_nothing_else():
    recording = recording_of([("long", 0.0, 1.0), ("short", 0.5, 0.5)])
    recording.spans = [span for span in recording.spans if span.unit == 0]
    recording.spans.append(Span(1, State.IN_THREAD, 0.5, 0.50001, 2))
    fig = draw_timeline(recording, "title")
    assert "in a thread" in legend(fig)
    recording.spans.append(Span(1, State.RUNNING, 0.50001, 0.50002, 2))
    assert "in a thread" not in legend(draw_timeline(recording, "title"))


def test_lanes_of_one_name_have_numbers():
    recording = recording_of([("call", 0.0, 0.1), ("call", 0.0, 0.2, "failed"), ("other", 0.0, 0.3)])
    recording.units[1].error = "ValueError"
    assert labels(draw_timeline(recording, "title").axes[0]) == ["call 1", "call 2", "other"]
    assert labels(draw_timeline(recording, "title", by="thread").axes[0])[1] == "worker thread 1: call 2"
    assert describe(recording) == (
        "3 work items: call 1, call 2, other. All 3 are in flight at once. "
        "They end in this order: call 1, call 2, other. 1 failed: call 2 (ValueError)."
    )


# Themes


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
def test_states_differ_without_colour(theme):
    def grey(colour):
        return sum(int(colour[i : i + 2], 16) * part for i, part in ((1, 0.299), (3, 0.587), (5, 0.114)))

    def nearest(greys):
        return min(abs(one - other) for one in greys for other in greys if one is not other)

    assert nearest([grey(bars._fill(state, theme, raster=True)) for state in ORDER]) > 8
    plain = [state for state in ORDER if state not in HATCH]
    assert nearest([grey(theme.fills[state]) for state in plain]) > 80
    assert len(set(HATCH.values())) == len(HATCH)


def test_every_state_has_a_look():
    assert set(ORDER) == set(MEANING) == set(State)
    assert all(set(theme.fills) == set(State) for theme in THEMES.values())
    assert all(MEANING[state].startswith(f"{state.value}: ") for state in State)


def test_a_dark_figure_is_dark():
    fig = draw_timeline(parallel(), "title", theme="dark")
    assert to_hex(fig.get_facecolor()) == to_hex(fig.axes[0].get_facecolor()) == "#1e1e1e"


def test_font_sizes_reach_every_text():
    fig = draw_timeline(parallel(), "title", font=16)
    fig.draw_without_rendering()
    assert {label.get_fontsize() for ax in fig.axes for label in ax.get_yticklabels()} == {16}
    assert {label.get_fontsize() for label in fig.axes[1].get_xticklabels()} == {16}
    assert {text.get_fontsize() for text in fig.legends[0].get_texts()} == {15}


def test_the_width_of_a_text_is_known():
    fig = draw_timeline(recording_of([("some_name", 0, 1)]), "title")
    fig.draw_without_rendering()
    (label,) = fig.axes[0].get_yticklabels()
    assert label.get_window_extent().width * 72 / fig.dpi == pytest.approx(text_width("some_name", 11), abs=2)


# Shown


def html_without_picture(output):
    return re.sub(r"base64,[A-Za-z0-9+/=]+", "base64,", output["text/html"])


def test_show_timeline(outputs):
    show_timeline(limited(), "Twenty jobs", "Five at a time.", limit=5, join=True)
    (output,) = outputs
    assert output["text/plain"] == (
        "Five at a time.\n20 tasks. At most 5 are in flight at once. The limit is 5."
    )
    assert output["text/html"].count("data:image/png;base64,") == 1


def test_the_caption_is_the_title_unless_given(outputs):
    show_timeline(sequential(), "One after another")
    show_timelines({"first": sequential(), "then": parallel()})
    show_paths(invoke=parallel(), ainvoke=parallel("task"))
    captions = [output["text/plain"].splitlines()[0] for output in outputs]
    assert captions[:2] == ["One after another", "first; then"]
    assert captions[2].startswith("Above: invoke")


def test_show_timelines_says_a_line_a_panel(outputs):
    show_timelines({"one by one": sequential(), "threads": parallel()}, "Faster.", end_order=False)
    assert outputs[0]["text/plain"] == (
        "Faster.\n"
        "one by one: 3 calls: summary, sentiment, keywords. No two overlap.\n"
        "threads: 3 work items: summary, sentiment, keywords. All 3 are in flight at once."
    )


def test_show_paths_counts_the_threads_where_that_is_certain(outputs):
    show_paths(invoke=parallel(), ainvoke=parallel("task"), caption="Two ways.", end_order=False)
    assert outputs[0]["text/plain"] == (
        "Two ways.\n"
        "invoke: 3 work items: summary, sentiment, keywords. All 3 are in flight at once. "
        "Each has a worker thread of its own: 3 threads.\n"
        "ainvoke: 3 tasks: summary, sentiment, keywords. All 3 are in flight at once. They share one thread."
    )
    show_paths(invoke=limited(4, 2, kind="thread"), ainvoke=parallel("task"), end_order=False)
    assert "worker thread" not in outputs[1]["text/plain"]


def test_show_paths_says_what_ran_on_threads_under_ainvoke(outputs):
    recording = parallel("task")
    recording.units[1].kind = "thread"
    show_paths(invoke=parallel(), ainvoke=recording, end_order=False)
    assert outputs[0]["text/plain"].endswith("The tasks share one thread. On worker threads: sentiment.")


def test_the_same_facts_give_the_same_output(outputs):
    for scale in (1, 4.2):
        show_timeline(parallel(scale=scale), "title", "caption")
        show_paths(invoke=parallel(scale=scale), ainvoke=parallel("task", scale))
    one, paths, other, other_paths = outputs
    assert one["text/plain"] == other["text/plain"] and paths["text/plain"] == other_paths["text/plain"]
    assert html_without_picture(one) == html_without_picture(other)
    assert html_without_picture(paths) == html_without_picture(other_paths)
    assert one["text/html"] != other["text/html"]


# Real recordings


def test_real_threads_and_coroutines(outputs):
    with Gate("sentiment", "keywords", "summary"), record() as threads:
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(lambda call: call(REVIEW), (summary, sentiment, keywords)))

    async def main():
        with Gate("sentiment", "keywords", "summary"), record() as recording:
            await asyncio.gather(asummary(REVIEW), asentiment(REVIEW), akeywords(REVIEW))
        return recording

    coroutines = asyncio.run(main())
    show_paths(invoke=threads, ainvoke=coroutines, caption="Two ways.")
    same = (
        "summary, sentiment, keywords. All 3 are in flight at once. "
        "They end in this order: sentiment, keywords, summary."
    )
    assert outputs[0]["text/plain"] == (
        "Two ways.\n"
        f"invoke: 3 work items: {same} Each has a worker thread of its own: 3 threads.\n"
        f"ainvoke: 3 tasks: {same} They share one thread."
    )


def test_a_real_limit():
    async def job(permits):
        async with permits:
            await asyncio.sleep(0.002)

    async def main():
        permits = asyncio.Semaphore(5)
        await asyncio.gather(*(job(permits) for _ in range(20)))

    with record() as recording:
        asyncio.run(main())
    assert describe(recording, limit=5) == (
        "20 tasks under main. At most 5 are in flight at once. The limit is 5."
    )
    title = draw_timeline(recording, "title", limit=5).axes[1].get_title(loc="left")
    assert title == "in flight (line): peak 5; limit (dashed): 5"


def test_a_real_failure():
    async def fails():
        raise ValueError("no")

    async def main():
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(10), name="sleeper")
            group.create_task(fails(), name="culprit")

    with pytest.raises(ExceptionGroup):
        with record() as recording:
            asyncio.run(main())
    assert "1 failed: culprit (ValueError). 1 cancelled: sleeper." in describe(recording, end_order=False)
