"""The playground from the side of Python: buttons are clicked, and the status says what came of it."""

import itertools
import re
import threading
import time

import psutil
import pytest
from budgets import of
from leftovers import PATIENCE, no_child_left
from libraries import LIBRARIES

from helpers.playground import plans, runs
from helpers.playground import widgets as module
from helpers.playground.plans import SIDES, WORK, Group, python
from helpers.playground.six_ways import WAYS
from helpers.playground.widgets import MAX_KEPT, MAX_ROWS, Playground, show_playground

HOUR = 3600.0


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """On a crowded machine a process is slow to start."""
    monkeypatch.setattr(runs.Run.__init__, "__defaults__", (HOUR,))


@pytest.fixture(autouse=True)
def nothing_is_left():
    """test_runs.py also counts pipes; here matplotlib keeps files of fonts open, for each thread anew."""
    with no_child_left():
        yield


@pytest.fixture
def playground():
    return small(Playground(LIBRARIES))


def small(playground):
    """Make what it runs at first short."""
    for row in playground.rows:
        row.latency.value = 0.01
    return playground


def said(playground):
    return re.sub("<[^>]*>", "", playground.status.value)


def wait(playground):
    """Wait for the end of what is under way, and of its thread; return the status."""
    for thread in threading.enumerate():
        if thread.name == "playground":
            thread.join(PATIENCE)
    assert not playground._busy
    return said(playground)


def finish(playground):
    playground.run.click()
    return wait(playground)


def wait_for_start(playground):
    end = time.monotonic() + PATIENCE
    while "under way" not in said(playground) and time.monotonic() < end:
        time.sleep(0.005)


def set_long(playground, work="I/O", side="async"):
    """Choose branches that do not end by themselves, and run them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plans, "MAX_LATENCY", HOUR)
        patch.setattr(plans, "MAX_TOTAL", 1000 * HOUR)
        for row in playground.rows:
            row.latency.max = HOUR
            row.latency.value, row.work.value, row.side.value = HOUR, work, side
            row.count.value = 1
        playground.run.click()
    wait_for_start(playground)


# --- A run


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_run_shows_its_timeline_its_facts_its_steps_and_its_python(playground, library):
    playground.library.value = library
    assert finish(playground).startswith("Done, after ")
    title = f"ainvoke, 4 branches, {library}"
    assert title in said(playground)
    facts = playground.facts.value
    assert "4 tasks: a1, a2, a3, b1. All 4 are in flight at once." in facts
    assert "It took " in facts and "0.04 s for all calls together" in facts
    assert "Result: {&#x27;a1&#x27;: &#x27;a answers review&#x27;" in facts
    assert '<img alt="' in playground.timeline.value and title in playground.timeline.value
    (steps,) = playground.steps.outputs
    assert "<script" in steps["data"]["text/html"] and "a1" in steps["data"]["text/plain"]
    assert "await chain.ainvoke" in playground.code.value
    assert playground.progress.value == playground.progress.max == 4


def test_a_click_returns_before_the_run_has_ended(playground):
    set_long(playground)
    assert playground._busy
    playground.cancel.click()
    wait(playground)


def test_an_error_is_shown_with_the_timeline(playground):
    playground.rows[1].fails.value = True
    assert finish(playground).startswith("It raised an error, after ")
    assert "It raised ValueError: no answer from the model." in playground.facts.value
    assert "<img" in playground.timeline.value


def test_what_cannot_be_called_says_what_to_change(playground):
    finish(playground)
    playground.way.value = "invoke"
    assert "Choose the side sync or both for them, or ainvoke" in finish(playground)
    assert "It raised TypeError" in playground.facts.value
    assert (playground.timeline.value, playground.steps.outputs) == ("", ()), "those of the run before"


def test_large_runs_are_drawn_and_not_stepped_through(playground):
    playground.rows[0].count.value = 199
    assert finish(playground).startswith("Done")
    assert "<img" in playground.timeline.value
    assert "Not for this run: it has 200 calls, and 24 are the most." in playground.steps_title.value
    assert playground.steps.outputs == ()


def test_an_unexpected_error_becomes_a_message(playground, monkeypatch):
    def fail(*args, **options):
        raise LookupError("no ink")

    monkeypatch.setattr(module, "draw_timeline", fail)
    assert finish(playground) == "This went wrong: LookupError: no ink"
    monkeypatch.undo()
    assert finish(playground).startswith("Done")


# --- One at a time, and Cancel


def test_running_twice_is_refused_politely(playground):
    set_long(playground)
    runs = psutil.Process().children()
    playground.run.click()
    assert said(playground) == "One run at a time: one is under way. Cancel ends it."
    assert psutil.Process().children() == runs
    playground.cancel.click()
    assert wait(playground).startswith("Cancelled")


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("work", WORK)
def test_cancel_works_whatever_runs(playground, work, side):
    playground.way.value = "ainvoke" if side == "async" else "invoke"
    set_long(playground, work, side)
    playground.cancel.click()
    assert wait(playground).startswith("Cancelled: 0 of 2 calls had ended.")
    assert "Cancelled" in playground.facts.value and playground.timeline.value == ""
    small(playground)
    assert finish(playground).startswith(("Done", "It raised"))


def test_cancel_without_a_run_says_so(playground):
    playground.cancel.click()
    assert said(playground) == "Nothing is running."


def test_a_run_that_is_too_long_is_refused_before_it_starts(playground):
    playground.rows[0].count.value, playground.rows[0].latency.value = 100, 5.0
    playground.limited.value = True
    assert "There is none: this run would take at least 250 s" in playground.code.value
    playground.run.click()
    assert said(playground).startswith("Not started: this run would take at least 250 s; at most 20 s")
    assert not playground._busy


# --- Settings


def test_any_small_setting_ends_in_a_result_or_a_message(playground, monkeypatch):
    """Some of each, through the buttons; test_plans.py runs all of them."""
    monkeypatch.setattr(module, "figure_card", lambda fig, caption, text: "<img>")
    monkeypatch.setattr(module, "draw_timeline", lambda *args, **options: None)
    settings = list(itertools.product(WAYS, SIDES, WORK, (False, True), (False, True), LIBRARIES))
    for way, side, work, fails, limited, library in settings[:: of(37, 13)]:
        playground.way.value, playground.library.value, playground.limited.value = way, library, limited
        row = playground.rows[0]
        row.side.value, row.work.value, row.fails.value = side, work, fails
        assert finish(playground).startswith(("Done", "It raised")), (
            way,
            side,
            work,
            fails,
            limited,
            library,
        )


def test_rows_come_and_go_and_are_lettered_anew(playground):
    assert [row.letter for row in playground.rows] == ["a", "b"]
    for _ in range(MAX_ROWS):
        playground.add.click()
    assert len(playground.rows) == MAX_ROWS
    assert said(playground) == "There are 4 rows, the most that fit here."
    playground.rows[1].latency.value = 0.7
    playground.rows[0].remove.click()
    assert [row.letter for row in playground.rows] == ["a", "b", "c"]
    assert playground.rows[0].latency.value == 0.7
    assert [row.view for row in playground.rows] == list(playground.row_box.children)
    assert playground.rows[2].count.description == "c: branches"
    for _ in range(3):
        playground.rows[0].remove.click()
    assert len(playground.rows) == 1
    assert said(playground) == "A chain needs at least one row of branches."


def test_the_python_is_that_of_the_settings(playground):
    row = playground.rows[0]
    row.count.value, row.latency.value, row.work.value, row.side.value = 5, 0.2, "CPU", "both"
    playground.way.value, playground.limited.value, playground.limit.value = "abatch", True, 3
    playground.inputs.value = 4
    plan = playground.plan
    assert plan.groups == (Group(5, 0.2, "CPU", "both"), Group(1, 0.01))
    assert (plan.way, plan.max_concurrency, plan.inputs) == ("abatch", 3, 4)
    (shown,) = re.findall("<pre.*?>(.*)</pre>", playground.code.value, flags=re.DOTALL)
    assert module.html.unescape(shown) == python(plan)


def test_only_what_counts_is_shown(playground):
    assert (playground.inputs.layout.display, playground.limit.layout.display) == ("none", "none")
    playground.way.value, playground.limited.value = "batch", True
    assert (playground.inputs.layout.display, playground.limit.layout.display) == ("", "")


def test_every_control_has_a_name_and_a_tooltip(playground):
    def controls(widget):
        for child in getattr(widget, "children", ()):
            yield from controls(child)
        if hasattr(widget, "description") and not isinstance(widget, module.widgets.HTML):
            yield widget

    found = list(controls(playground.view))
    assert len(found) == 24
    assert all(each.description and each.tooltip for each in found)


# --- Kept runs


def test_kept_runs_are_compared_on_one_axis(playground):
    playground.keep.click()
    assert said(playground) == "There is no run to keep yet: Run one first."
    playground.compare.click()
    assert said(playground) == "There is nothing to compare yet: Keep a run first, then another."
    for way in ("ainvoke", "astream"):
        playground.way.value = way
        finish(playground)
        playground.keep.click()
    assert list(playground.kept) == ["1: ainvoke, 4 branches, ours", "2: astream, 4 branches, ours"]
    playground.keep.click()
    assert said(playground) == "The last run is kept already: change something and Run again."
    playground.compare.click()
    assert wait(playground) == "Compared: 2 kept runs."
    for title in playground.kept:
        assert title in playground.comparison.value
    playground.clear.click()
    assert (said(playground), playground.kept) == ("Forgotten: 2 kept runs.", {})
    assert playground.comparison.value == ""


def test_a_few_runs_can_be_kept(playground, monkeypatch):
    finish(playground)
    _, recording, facts = playground.last
    playground.kept = {f"{n}": (recording, facts) for n in range(MAX_KEPT)}
    finish(playground)
    playground.keep.click()
    assert said(playground) == "6 runs are kept, the most that can be compared: Clear kept first."
    monkeypatch.setattr(module, "MAX_COMPARED", 23)
    playground.compare.click()
    assert said(playground).startswith("The kept runs have 24 calls in all; at most 23 can be drawn")


def test_no_other_drawing_begins_while_one_is_made(playground):
    finish(playground)
    playground.keep.click()
    set_long(playground)
    playground.compare.click()
    assert said(playground) == "One run at a time: one is under way."
    playground.cancel.click()
    assert wait(playground).startswith("Cancelled")


# --- The output


def test_it_is_one_output_with_a_text_for_where_there_are_no_widgets(monkeypatch):
    shown = []
    monkeypatch.setattr(module, "display", lambda data, raw: shown.append((data, raw)))
    show_playground(LIBRARIES)
    show_playground(LIBRARIES)
    (first, raw), (second, _) = shown
    assert raw
    view = "application/vnd.jupyter.widget-view+json"
    assert set(first) == {view, "text/html", "text/plain"}
    assert first[view] != second[view]
    assert all(first[form] == second[form] for form in ("text/html", "text/plain"))
    assert "run this cell to get them" in first["text/html"]
    assert not re.search("<(script|style|button|input)", first["text/html"]), "nothing dead"


@pytest.mark.parametrize("libraries", [{}, {"theirs": LIBRARIES["ours"]}])
def test_libraries_have_known_names(libraries):
    with pytest.raises(ValueError, match="libraries must be named ours or langchain-core, not"):
        show_playground(libraries)
