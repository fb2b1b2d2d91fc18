"""State diagrams and trees: what they say, that it does not vary, and that nothing overlaps."""

import asyncio
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations

import pytest
from budgets import of
from matplotlib.colors import to_hex
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle

from helpers import Node, show_states, show_tree
from helpers.calls import workloads
from helpers.calls.workloads import (
    REVIEW,
    akeywords,
    asentiment,
    asummary,
    keywords,
    sentiment,
    spend_cpu,
    summary,
)
from helpers.figures.diagrams import draw_states, draw_tree
from helpers.figures.state_changes import (
    CANCELLED,
    CAUSES,
    CREATED,
    DONE,
    FAILED,
    changes_in_words,
    transitions,
)
from helpers.figures.theme import HATCH, MEANING, THEMES
from helpers.figures.trees import as_node
from helpers.recording.data import Recording, Span, State, Timer, Unit
from helpers.recording.recorder import record, working_on
from lessons.lesson1_async_execution.event_loop import EventLoop
from lessons.lesson1_async_execution.event_loop import sleep as toy_sleep

RUNNING, READY, WAITING = State.RUNNING, State.READY, State.WAITING
BLOCKED, IN_THREAD, QUEUED = State.BLOCKED, State.IN_THREAD, State.QUEUED
FONTS = (8, 11, 16, 24)

ASYNC = (asummary, asentiment, akeywords)
SYNC = (summary, sentiment, keywords)
TASK = [(CREATED, READY), (READY, RUNNING), (RUNNING, WAITING), (WAITING, READY), (RUNNING, DONE)]
LIMITED = [*TASK[:2], (RUNNING, QUEUED), (QUEUED, READY), *TASK[2:]]
CALL = [(CREATED, RUNNING), (RUNNING, BLOCKED), (BLOCKED, RUNNING), (RUNNING, DONE)]
ITEM = [(CREATED, QUEUED), (QUEUED, RUNNING), *CALL[1:]]
CPU_ITEM = [(CREATED, QUEUED), (QUEUED, IN_THREAD), (IN_THREAD, DONE)]


# --- Experiments: each gives a recording -------------------------------------------------------------


def in_cell(function):
    """Record `await function()` as a cell with top-level await does: inside a task."""

    async def cell():
        with record() as recording:
            await function()
        return recording

    return asyncio.run(cell())


def tasks():
    async def main():
        await asyncio.gather(*(call(REVIEW) for call in ASYNC))

    return in_cell(main)


def tasks_of_a_script():
    async def main():
        await asyncio.gather(*(asyncio.sleep(0.002) for _ in range(3)))

    with record() as recording:
        asyncio.run(main())
    return recording


def tasks_under_a_limit():
    async def main():
        permits = asyncio.Semaphore(2)

        async def limited(call):
            async with permits:
                await call(REVIEW)

        await asyncio.gather(*(limited(call) for call in ASYNC))

    return in_cell(main)


def awaited_calls():
    async def main():
        for call in ASYNC:
            await call(REVIEW)

    return in_cell(main)


def calls():
    with record() as recording:
        for call in SYNC:
            call(REVIEW)
    return recording


def items_that_sleep(workers=3):
    with record() as recording, ThreadPoolExecutor(workers) as pool:
        list(pool.map(lambda call: call(REVIEW), SYNC))
    return recording


def items_that_queue():
    return items_that_sleep(workers=1)


def items_that_compute():
    def work(name):
        with working_on(name):
            spend_cpu(0.003)

    with record() as recording, ThreadPoolExecutor(2) as pool:
        list(pool.map(work, "abcd"))
    return recording


def threads_of_tasks():
    async def main():
        await asyncio.gather(*(asyncio.to_thread(call, REVIEW) for call in SYNC))

    return in_cell(main)


def a_task_that_blocks():
    async def polite():
        await asyncio.sleep(0)
        await asummary(REVIEW)

    async def rude():
        summary(REVIEW)

    async def main():
        await asyncio.gather(polite(), rude())

    return in_cell(main)


def tasks_that_end_badly():
    async def fail():
        with working_on("fail"):
            await asyncio.sleep(0.001)
            raise LookupError

    async def hang():
        with working_on("hang"):
            await asyncio.sleep(60)

    async def main():
        both = [asyncio.create_task(fail()), asyncio.create_task(hang())]
        await asyncio.wait(both[:1])
        both[1].cancel()
        await asyncio.gather(*both, asyncio.to_thread(summary, REVIEW), return_exceptions=True)

    return in_cell(main)


def toys():
    async def main():
        await toy_sleep(0.001)

    with record() as recording:
        EventLoop(recording.observe).run(main())
    return recording


EXPERIMENTS = {
    tasks: TASK,
    tasks_of_a_script: TASK,
    tasks_under_a_limit: LIMITED,
    awaited_calls: [(CREATED, RUNNING), *TASK[1:]],
    calls: CALL,
    items_that_sleep: ITEM,
    items_that_queue: ITEM,
    items_that_compute: CPU_ITEM,
    threads_of_tasks: ITEM,
    a_task_that_blocks: [*TASK[:2], (RUNNING, READY), *TASK[2:4], *CALL[1:]],
    tasks_that_end_badly: [
        *(ITEM[0], TASK[0], ITEM[1], *TASK[1:4], *CALL[1:3]),
        *((RUNNING, DONE), (RUNNING, FAILED), (RUNNING, CANCELLED)),
    ],
    toys: TASK,
}
by_experiment = pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda function: function.__name__)


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(workloads, "LATENCY", dict.fromkeys(workloads.LATENCY, 0.002))
    monkeypatch.setattr(workloads, "PARSING", 0.001)


@pytest.fixture
def busy_machine():
    """Four processes that want all of the CPU."""
    loads = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(4)]
    yield
    for load in loads:
        load.kill()
        load.wait()


@pytest.fixture
def outputs(monkeypatch):
    """What is displayed: a list of the outputs' plain texts."""
    shown = []
    monkeypatch.setattr("helpers.cards.card.display", lambda data, raw: shown.append(data["text/plain"]))
    return shown


def life(*spans, kind="task", outcome="ok", timers=()):
    """A recording of one unit. spans: (state, duration in ms) or (state, duration, reason)."""
    recording, time = Recording(), 0.0
    for state, duration, *reason in spans:
        recording.spans.append(Span(1, state, time, time + duration / 1000, None, *reason))
        time += duration / 1000
    recording.units[1] = Unit(1, kind, "unit", 0.0, done=time if outcome else None, outcome=outcome)
    recording.timers = [Timer(1, created / 1000, due / 1000) for created, due in timers]
    recording.duration = time
    return recording


# --- The states --------------------------------------------------------------------------------------


@by_experiment
def test_what_a_recording_tells_of_the_lives_in_it(experiment, quick):
    assert transitions(experiment()) == EXPERIMENTS[experiment]


@by_experiment
def test_the_words_are_the_same_on_a_busy_machine(experiment, quick, busy_machine):
    assert {changes_in_words(transitions(experiment())) for _ in range(of(8, 30))} == {
        changes_in_words(EXPERIMENTS[experiment])
    }


def test_states_that_are_estimates_do_not_count_beside_a_sleep():
    estimates = (IN_THREAD, 5), (BLOCKED, 2), (RUNNING, 1)
    item = life((QUEUED, 1), *estimates, (BLOCKED, 9, "time.sleep"), *estimates, kind="thread")
    assert transitions(item) == ITEM


@pytest.mark.parametrize("state", [RUNNING, BLOCKED, IN_THREAD])
def test_a_work_item_without_a_sleep_is_in_a_thread_whatever_was_estimated(state):
    assert transitions(life((QUEUED, 1), (state, 9), kind="thread")) == CPU_ITEM


@pytest.mark.parametrize("state", [BLOCKED, IN_THREAD])
def test_a_step_of_a_task_is_running_whatever_was_estimated(state):
    task = life((READY, 1), (RUNNING, 1), (state, 9), (WAITING, 1), (READY, 1), (state, 1))
    assert transitions(task) == TASK


def test_a_timer_that_was_due_before_its_step_ended_is_still_a_wait():
    spans = (READY, 1), (RUNNING, 9), (READY, 1), (RUNNING, 1)
    gave_way = [*TASK[:2], (RUNNING, READY), (RUNNING, DONE)]
    assert transitions(life(*spans)) == gave_way
    assert transitions(life(*spans, timers=[(2, 4)])) == TASK
    assert transitions(life(*spans, timers=[(2, 5000)])) == gave_way  # a time-out around it


def test_the_timers_of_a_call_are_those_of_the_task_that_makes_it():
    recording = life((RUNNING, 9), (READY, 1), (RUNNING, 1), kind="call", timers=[(2, 4)])
    recording.units[1].parent = 7
    recording.timers = [Timer(7, timer.created, timer.due) for timer in recording.timers]
    assert transitions(recording) == [(CREATED, RUNNING), *TASK[1:]]


def test_the_tasks_that_only_wait_do_not_count():
    async def child():
        pass

    async def main():
        await asyncio.gather(child(), child())

    with record() as recording:
        asyncio.run(main())
    assert transitions(recording) == [*TASK[:2], (RUNNING, DONE)]


def test_work_that_is_cancelled_in_the_queue_and_work_that_has_not_ended():
    assert transitions(life((QUEUED, 1), kind="thread", outcome="cancelled")) == [
        ITEM[0],
        (QUEUED, CANCELLED),
    ]
    assert transitions(life((QUEUED, 1), (RUNNING, 1), kind="thread", outcome="")) == CPU_ITEM[:2]


def test_a_change_that_only_a_strange_toy_loop_makes_is_told_without_a_cause(outputs):
    show_states(life((READY, 1), (WAITING, 1), kind="toy"), "title")
    assert outputs == ["title\ncreated → ready: scheduled\nready → waiting\nwaiting → done"]


def test_states_are_shown_with_caption_and_words(outputs, quick):
    show_states(tasks(), "A branch's life", "It waits without a thread.")
    assert outputs == [
        "It waits without a thread.\n"
        "created → ready: scheduled\n"
        "ready → running: its turn\n"
        "running → waiting: awaits\n"
        "waiting → ready: its wait is over\n"
        "running → done: returns"
    ]


@pytest.mark.parametrize("theme", THEMES)
def test_a_state_has_its_colour_hatch_and_meaning(theme):
    fig = draw_states(
        life((READY, 1), (RUNNING, 1), (WAITING, 1), (READY, 1), (RUNNING, 1)), "t", theme=theme
    )
    filled = [patch for patch in fig.axes[0].patches if type(patch) is Rectangle and patch.get_fill()]
    looks = {(to_hex(patch.get_facecolor()).upper(), patch.get_hatch()) for patch in filled}
    fills = THEMES[theme].fills
    assert looks == {(fills[state], HATCH.get(state)) for state in (READY, RUNNING, WAITING)}
    words = " ".join(text.get_text() for text in fig.axes[0].texts)
    for state in (READY, RUNNING, WAITING):
        assert MEANING[state].replace(":", "") in words


def test_there_is_an_arrow_for_each_change():
    fig = draw_states(life(*((state, 1) for state in (READY, RUNNING, WAITING, READY, RUNNING))), "title")
    arrows = [patch for patch in fig.axes[0].patches if isinstance(patch, FancyArrowPatch)]
    assert len(arrows) == len(TASK)
    labels = [text.get_text() for text in fig.axes[0].texts]
    assert {CAUSES[pair] for pair in TASK} < set(labels)


@pytest.mark.parametrize("font", FONTS)
@by_experiment
def test_no_text_of_the_states_overlaps_another_one(experiment, font, monkeypatch):
    monkeypatch.setattr("helpers.figures.diagrams.transitions", lambda recording: EXPERIMENTS[experiment])
    assert overlaps(draw_states(None, "A title that is long enough for two lines " * 3, font=font)) == []


def test_the_labels_of_lines_that_cross_do_not_overlap(monkeypatch):
    crossing = [*CPU_ITEM, (CREATED, READY), (READY, RUNNING), (RUNNING, CANCELLED), (IN_THREAD, FAILED)]
    monkeypatch.setattr("helpers.figures.diagrams.transitions", lambda recording: crossing)
    assert overlaps(draw_states(None, "title", font=16)) == []


@pytest.mark.parametrize(
    ("recording", "error", "words"),
    [
        (Recording(), ValueError, "the recording is empty"),
        ([], TypeError, "not a list"),
        (life(outcome=""), ValueError, "no unit of the recording changed its state"),
    ],
)
def test_a_recording_that_tells_nothing_is_refused(recording, error, words):
    with pytest.raises(error, match=words):
        draw_states(recording, "title")


# --- Trees -------------------------------------------------------------------------------------------


def function(name, seconds=None):
    return Node(name, "function", seconds)


def review():
    mood = Node("mood", "sequence", children=[function("clean", 0.02), function("sentiment", 0.06)])
    fan = Node("fan out", "parallel", 0.12, [function("summary", 0.12), mood, function("keywords")])
    return Node("review", "sequence", children=(function("load", 0.01), fan, function("merge", 0.03)))


def deep_and_wide():
    tree = Node(
        "inner", "parallel", children=[function(f"branch {number}", number / 7) for number in range(20)]
    )
    for level in range(3):
        row = Node(
            f"row {level}", "sequence", 1.5, [function("a", 1), tree, function(f"a long name {level}")]
        )
        tree = Node(f"a heading that is long {level}", "parallel", children=[function("x"), row, row])
    return tree


def names(tree):
    return {tree.name}.union(*map(names, tree.children))


def overlaps(fig):
    """The pairs of texts that overlap, the labels that touch a box, and the texts that leave the figure."""
    fig.draw_without_rendering()
    places = {text: text.get_window_extent() for text in fig.axes[0].texts if text.get_text()}
    boxes = [patch.get_window_extent() for patch in fig.axes[0].patches if isinstance(patch, FancyBboxPatch)]
    found = [
        (text.get_text(), other.get_text())
        for (text, place), (other, other_place) in combinations(places.items(), 2)
        if place.overlaps(other_place)
    ]
    for text, place in places.items():
        is_label = text.get_bbox_patch() is not None
        if is_label and any(place.overlaps(box) for box in boxes):
            found.append((text.get_text(), "a box"))
        if place.x0 < 0 or place.y0 < 0 or place.x1 > fig.bbox.x1 or place.y1 > fig.bbox.y1:
            found.append((text.get_text(), "the edge"))
    return found


def test_a_tree_is_shown_with_caption_and_outline(outputs):
    show_tree(review(), "The chain", "One branch decides.", path=["load", "summary", "merge"])
    indent = "\N{NO-BREAK SPACE}" * 4
    assert outputs == [
        "One branch decides.\n"
        "review: sequence of 3 steps\n"
        f"{indent}load: function, 0.01 s, on the critical path\n"
        f"{indent}fan out: parallel of 3 branches, 0.12 s\n"
        f"{2 * indent}summary: function, 0.12 s, on the critical path\n"
        f"{2 * indent}mood: sequence of 2 steps\n"
        f"{3 * indent}clean: function, 0.02 s\n"
        f"{3 * indent}sentiment: function, 0.06 s\n"
        f"{2 * indent}keywords: function\n"
        f"{indent}merge: function, 0.03 s, on the critical path\n"
        "Critical path: load → summary → merge, 0.16 s in all"
    ]


def test_without_a_path_there_are_no_words_about_one(outputs):
    show_tree(Node("all", "parallel", children=[function("a")]), "title")
    assert outputs == [
        "title\nall: parallel of 1 branch\n\N{NO-BREAK SPACE}\N{NO-BREAK SPACE}"
        "\N{NO-BREAK SPACE}\N{NO-BREAK SPACE}a: function"
    ]


def test_the_order_of_a_path_is_that_of_the_flow_and_a_sum_needs_all_durations(outputs):
    for _ in range(2):
        show_tree(review(), "title", path=iter(["merge", "load", "keywords"]))
    assert outputs[0] == outputs[1]
    assert outputs[0].endswith("Critical path: load → keywords → merge")


@pytest.mark.parametrize("theme", THEMES)
def test_the_critical_path_is_thick_bold_and_coloured(theme):
    fig = draw_tree(review(), "title", path={"load", "summary", "merge"}, theme=theme)
    bold = {text.get_text() for text in fig.axes[0].texts if text.get_fontweight() == "bold"}
    assert bold == {"title", "load", "summary", "merge"}
    boxes = [patch for patch in fig.axes[0].patches if isinstance(patch, FancyBboxPatch) and patch.get_fill()]
    colours = THEMES[theme]
    looks = [(to_hex(box.get_edgecolor()).upper(), box.get_linewidth() > 2) for box in boxes]
    assert looks.count((colours.accent, True)) == 3
    assert looks.count((colours.text, False)) == 3
    lines = [patch for patch in fig.axes[0].patches if isinstance(patch, FancyArrowPatch)]
    thick = [line for line in lines if line.get_linewidth() > 2]
    assert {to_hex(line.get_edgecolor()).upper() for line in thick} == {colours.accent}
    assert (
        len(thick) == 10
    )  # before and after load, summary and merge (5); into and out of both frames; the key
    assert len(lines) == 17  # within mood (3), before and after it and keywords


def test_without_a_path_nothing_is_thick():
    fig = draw_tree(review(), "title")
    assert {patch.get_linewidth() for patch in fig.axes[0].patches if isinstance(patch, FancyArrowPatch)} == {
        1
    }
    assert not any("critical" in text.get_text() for text in fig.axes[0].texts)


def test_branches_lie_one_below_the_other_and_steps_side_by_side():
    places = {text.get_text(): text.get_position() for text in draw_tree(review(), "title").axes[0].texts}
    assert places["load"][0] < places["clean"][0] < places["sentiment"][0] < places["merge"][0]
    assert places["summary"][1] < places["sentiment"][1] < places["keywords"][1]
    assert places["clean"][1] == places["sentiment"][1]
    assert places["summary"][0] == places["keywords"][0]


@pytest.mark.parametrize("font", FONTS)
@pytest.mark.parametrize(
    "tree", [review(), deep_and_wide(), function("one", 0.123456)], ids=["review", "deep", "one"]
)
def test_no_text_of_a_tree_overlaps_another_one(tree, font):
    fig = draw_tree(tree, "A title that is long enough for two lines " * 2, font=font)
    assert names(tree) <= {text.get_text().partition(", ")[0] for text in fig.axes[0].texts}
    assert overlaps(fig) == []


@pytest.mark.parametrize("name", ["i", "a name that is long and bold"])
def test_a_box_is_wide_enough_for_its_texts(name):
    fig = draw_tree(function(name, 0.123456), "title", path=[name])
    fig.draw_without_rendering()
    (box,) = (patch for patch in fig.axes[0].patches if isinstance(patch, FancyBboxPatch))
    inside = box.get_window_extent()
    for text in fig.axes[0].texts[1:3]:
        assert inside.x0 + 5 < text.get_window_extent().x0 and text.get_window_extent().x1 < inside.x1 - 5


def test_texts_that_overlap_would_be_found():
    fig = draw_tree(review(), "title")
    fig.axes[0].texts[-1].set_position(fig.axes[0].texts[-3].get_position())
    assert overlaps(fig) != []


def test_dollars_are_no_mathematics():
    fig = draw_tree(function("$a$ and $b$", 1), "costs $1 or $2")
    fig.draw_without_rendering()
    title, name, _ = fig.axes[0].texts
    assert title.get_text() == r"costs \$1 or \$2" and title.get_parse_math()
    assert name.get_text() == "$a$ and $b$" and not name.get_parse_math()


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (("", "function"), ValueError, "name must be a text that is not empty, not ''"),
        ((" ", "parallel"), ValueError, "not ' '"),
        ((None, "function"), ValueError, "not None"),
        (("a", "loop"), ValueError, "kind of 'a' must be 'function', 'sequence' or 'parallel', not 'loop'"),
        (("a", "function", -1), ValueError, "seconds of 'a' must be 0 or more, or None, not -1"),
        (("a", "function", float("nan")), ValueError, "not nan"),
        (("a", "function", float("inf")), ValueError, "not inf"),
        (("a", "function", "1"), ValueError, "not '1'"),
        (("a", "function", True), ValueError, "not True"),
        (("a", "function", None, [Node("b", "function")]), ValueError, "'a' is a function: it cannot have"),
        (("a", "parallel"), ValueError, "'a' is a parallel: it must have children"),
        (("a", "sequence", 1, []), ValueError, "'a' is a sequence: it must have children"),
        (("a", "sequence", 1, ["b"]), TypeError, "a child of 'a' must be a Node, not a str"),
    ],
)
def test_a_wrong_node_is_refused(arguments, error, words):
    with pytest.raises(error, match=words):
        Node(*arguments)


@pytest.mark.parametrize(
    ("path", "error", "words"),
    [
        (
            ["load", "lod"],
            ValueError,
            "path has 'lod', but the functions of the tree are load, summary, clean",
        ),
        (["mood"], ValueError, "path has 'mood', but the functions"),
        ("load", TypeError, "path must be a list of names, not the text 'load'"),
    ],
)
@pytest.mark.parametrize("draw", [draw_tree, show_tree])
def test_a_wrong_path_is_refused(draw, path, error, words):
    with pytest.raises(error, match=words):
        draw(review(), "title", path=path)


def test_a_path_through_a_name_that_occurs_twice_is_refused():
    tree = Node("both", "parallel", children=[function("a"), function("a")])
    with pytest.raises(ValueError, match="path has 'a', which is the name of 2 functions of the tree"):
        draw_tree(tree, "title", path=["a"])


def test_anything_but_a_tree_is_refused():
    with pytest.raises(
        TypeError, match="'all' must be a Node, a dict, a list or a number of seconds, not a str"
    ):
        show_tree("summary", "title")
    with pytest.raises(TypeError, match="'b' must be a Node, .*, not a NoneType"):
        show_tree({"a": 1, "b": None}, "title")
    with pytest.raises(ValueError, match="'all' is a parallel: it must have children"):
        show_tree({}, "title")


def test_plain_data_is_a_tree():
    tree = as_node({"facts": [{"sentiment": 1, "keywords": 3}, {"check": 2}], "summary": 4})
    facts = [
        Node(
            "step 1", "parallel", children=[Node("sentiment", "function", 1), Node("keywords", "function", 3)]
        ),
        Node("check", "function", 2),
    ]
    assert tree == Node(
        "all",
        "parallel",
        children=[Node("facts", "sequence", children=facts), Node("summary", "function", 4)],
    )
    assert as_node(tree) is tree


@pytest.mark.parametrize("draw", [draw_tree, draw_states])
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"theme": "blue"}, "theme must be 'light' or 'dark', not 'blue'"),
        ({"font": 2}, "font must be .* not 2"),
    ],
)
def test_theme_and_font_are_checked(draw, options, words):
    subject = function("a") if draw is draw_tree else life((READY, 1))
    with pytest.raises(ValueError, match=words):
        draw(subject, "title", **options)
