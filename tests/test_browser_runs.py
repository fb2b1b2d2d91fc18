"""What learners do in a browser: each notebook of the learner's edition after Run All, in JupyterLab.

All are opened in one page, one after another. Tests of one notebook share what is open, and no test may
depend on what another one did there.
"""

from pathlib import Path

import nbformat
import pytest

from builder import build as builder

ROOT = Path(__file__).parents[1]
LESSONS = builder.find_lessons(ROOT)
BUILT = [lesson for lesson in LESSONS if lesson.notebook.exists()]
CORES = [lesson for lesson in LESSONS if lesson.number and builder.is_core(lesson)]
PLAYERS = [lesson for lesson in BUILT if "data-part=" in lesson.notebook.read_text(encoding="utf-8")]

every_notebook = pytest.mark.parametrize("name", [lesson.name for lesson in LESSONS], scope="module")
every_player = pytest.mark.parametrize("name", [lesson.name for lesson in PLAYERS], scope="module")


@pytest.fixture(scope="module")
def ran(desk, name):
    """The learner's notebook after Run All. stretches: `stretches_of_text` as they were before."""
    with desk.open(f"learner/{name}") as notebook:
        notebook.stretches = notebook.stretches_of_text()
        notebook.run_all()
        yield notebook


# --- Before


@pytest.mark.parametrize("name", [lesson.name for lesson in CORES], scope="module")
def test_there_is_something_to_look_at_every_three_screens(ran):
    assert [stretch for stretch in ran.stretches if stretch[0] > 3] == []


# --- After Run All


@every_notebook
def test_run_all_runs_every_cell_and_errors_are_those_that_are_meant(ran):
    assert ran.cell_errors() == []


@every_notebook
def test_an_opening_is_the_same_on_every_machine(ran, name):
    stored = nbformat.read(ROOT / "notebooks" / "learner" / f"{name}.ipynb", as_version=4).cells
    for cell, now in zip(stored, ran.cells()):
        if cell.cell_type == "code" and cell.outputs:
            assert [output.data for output in cell.outputs] == [output["data"] for output in now["outputs"]]


@every_notebook
def test_outputs_are_readable_after_run_all(ran):
    assert ran.unreadable_outputs() == []
    assert ran.widget_errors() == []
    assert ran.pictures_without_alt() == []


@every_notebook
def test_run_all_brings_no_errors_in_the_page(ran):
    assert ran.errors == []


@every_notebook
@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_texts_in_outputs_stand_out_from_their_background(ran, theme):
    ran.set_theme(theme)
    assert ran.faint_texts() == []


# --- By keyboard


@every_notebook
def test_all_that_is_folded_keeps_the_keys_for_itself(ran):
    assert ran.summaries_that_lose_keys() == []


@every_notebook
@pytest.mark.parametrize("place", [".jp-OutputArea-output", ".jp-MarkdownOutput"])
def test_what_is_folded_opens_and_closes(ran, place):
    """The options of quizzes, figures in words; solutions, which are text."""
    for summary in ran.folded(place):
        text = summary.locator("xpath=following-sibling::*[1]")
        summary.focus()
        cell = ran.active_cell()
        assert not text.is_visible()
        summary.press("Enter")
        text.wait_for(state="visible")
        summary.press("Space")
        text.wait_for(state="hidden")
        if place == ".jp-OutputArea-output":
            # Another cell would take the focus away, and the next key would go somewhere else.
            summary.press("ArrowDown")
        assert ran.active_cell() == cell, summary.inner_text()


SHOWN = "figure => ['view', 'said'].map(part => figure.querySelector(`[data-part=${part}]`).innerHTML).join()"


def figures(notebook):
    """The figures with controls, each as a locator; there is at least one."""
    found = notebook.outputs("figure:has([data-part=controls])").all()
    assert found
    return found


def changes(notebook, control, key):
    """Press a key on a control, and wait until its figure shows something else."""
    figure = control.locator("xpath=ancestor::figure").element_handle()
    before = figure.evaluate(SHOWN)
    control.press(key)
    notebook.page.wait_for_function(
        f"([figure, before]) => ({SHOWN})(figure) !== before", arg=[figure, before], timeout=5000
    )


@every_player
def test_sliders_work_by_keyboard_without_a_kernel(ran):
    ran.shutdown_kernel()
    for figure in figures(ran):
        for slider in figure.get_by_role("slider").all():
            slider.press("Home")
            cell = ran.active_cell()
            for key in ("ArrowRight", "ArrowLeft", "End", "Home"):
                changes(ran, slider, key)
            assert ran.active_cell() == cell
    assert ran.errors == []


@every_player
def test_buttons_work_by_keyboard_without_a_kernel(ran):
    ran.shutdown_kernel()
    for figure in figures(ran):
        for name in figure.get_by_role("button").all_inner_texts():
            slider = figure.get_by_role("slider")
            slider.press("Home")
            slider.press("ArrowRight")  # from the second step, each button leads to another one
            cell = ran.active_cell()
            changes(ran, figure.get_by_role("button", name=name), "Enter")
            assert ran.active_cell() == cell
    assert ran.errors == []
