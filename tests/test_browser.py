"""What learners see in a browser: JupyterLab in Chromium, over the notebooks as they come; the playground.

All notebooks are opened in one page, one after another. Tests of one notebook share what is open, and no test
may depend on what another one did there. A test that needs more opens a notebook itself. See also
test_browser_runs.py.
"""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from browser import Missing, find_chromium, usual_places
from leftovers import wait_for as wait_until

from builder import build as builder

ROOT = Path(__file__).parents[1]
LESSONS = builder.find_lessons(ROOT)

every_notebook = pytest.mark.parametrize("name", [lesson.name for lesson in LESSONS], scope="module")


@pytest.fixture(scope="module")
def fresh(desk, name):
    """The complete notebook as it comes: not trusted, not run."""
    with desk.open(name) as notebook:
        yield notebook


def write_notebook(desk, name, sources):
    """A notebook of code cells, where the server finds it."""
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=metadata)
    nbformat.write(notebook, desk.notebooks / f"{name}.ipynb")


# --- As it comes


@every_notebook
def test_a_notebook_opens_without_errors(fresh):
    assert fresh.cells()
    assert fresh.errors == []


@every_notebook
def test_outputs_are_readable_before_anything_is_trusted_or_run(fresh):
    trusted = "jupyterapp.shell.currentWidget.content.widgets.some(cell => cell.model.trusted)"
    assert not fresh.page.evaluate(trusted)
    assert fresh.unreadable_outputs() == []
    assert fresh.widget_errors() == []
    assert fresh.pictures_without_alt() == []


def test_the_file_browser_has_room_for_the_names_of_the_lessons(desk):
    desk.page.evaluate("jupyterapp.shell.activateById('filebrowser')")
    names = desk.page.locator(".jp-DirListing-itemText")
    names.first.wait_for()
    cut = "names => names.filter(name => name.scrollWidth > name.clientWidth).map(name => name.innerText)"
    assert names.count() > len(LESSONS)
    assert names.evaluate_all(cut) == []


def test_the_table_of_contents_brings_each_heading_into_view(desk):
    with desk.open("learner/5_synchronization") as notebook:
        missed = notebook.headings_that_are_missed()
        assert missed.pop("clicked") > 20
        assert missed == {}


# --- The playground, whose widgets need the kernel


class Controls:
    """The widgets of a playground, by keyboard."""

    def __init__(self, notebook):
        self.notebook = notebook

    def press(self, name):
        widgets = self.notebook.outputs(".course-playground")
        widgets.get_by_role("button", name=name, exact=True).press("Enter")

    def choose(self, name, option):
        select = self.notebook.outputs(".course-playground").get_by_label(name, exact=True).first
        select.press(option)  # its first letter

    def wait_for(self, text, timeout=30):
        self.notebook.wait_until("outputs.some(output => output.innerText.includes(arg))", text, timeout)


@pytest.fixture(scope="module")
def ready_playground(desk):
    with desk.open("learner/playground") as notebook:
        notebook.run_all()
        controls = Controls(notebook)
        controls.wait_for("Ready.")
        yield controls


@pytest.fixture
def playground(ready_playground):
    """The playground as the test before has left it. A test puts back what it changes, but for the theme."""
    yield ready_playground
    assert ready_playground.notebook.errors == []


def test_a_run_in_the_playground_shows_facts_timeline_steps_and_python(playground):
    playground.press("Run")
    playground.wait_for("Done, after")
    for text in ("4 tasks: a1, a2, a3, b1.", "Step 1 of", "chain.ainvoke("):
        playground.wait_for(text)
    assert playground.notebook.pictures_without_alt() == []
    playground.press("Forward")
    playground.wait_for("Step 2 of")
    playground.notebook.set_theme("JupyterLab Dark")
    assert playground.notebook.faint_texts() == []


def test_a_second_run_is_refused_and_cancel_ends_the_first(playground):
    seconds = playground.notebook.outputs(".course-playground").get_by_label("seconds").first
    before = seconds.input_value()
    seconds.fill("5")
    seconds.press("Enter")
    playground.press("Run")
    playground.wait_for("Running: 0 of 4")
    playground.press("Run")
    playground.wait_for("One run at a time: one is under way. Cancel ends it.")
    playground.press("Cancel")
    playground.wait_for("Cancelled: ", timeout=5)
    seconds.fill(before)
    seconds.press("Enter")


def test_kept_runs_are_compared(playground):
    for number in (1, 2):
        playground.press("Run")
        playground.wait_for("Done, after")
        playground.press("Keep")
        playground.wait_for(f"Kept as {number}")
        playground.choose("library", "l")
    playground.press("Compare")
    playground.wait_for("Compared: 2 kept runs.")
    picture = playground.notebook.outputs('img[alt*="2: ainvoke, 4 branches, langchain-core"]')
    picture.wait_for(timeout=5000)


# --- The checks themselves


PIXEL = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="
GONE = "get_ipython().display_pub.publish({'application/vnd.jupyter.widget-view+json': {'model_id': 'gone'}})"
FINE = [
    f'<img src="{PIXEL}" alt="words"> <svg><title>words</title></svg> <svg aria-hidden="true"></svg>',
    '<p style="color:#767676;background:#ffffff">4.54</p>',
    '<p style="color:#949494;background:#ffffff;font-size:24px">3.03</p>',
    '<p style="color:#999999"><button disabled>Back</button></p>',
    "<script>console.log('a message')</script>.",
]
FLAWED = [
    f'<img src="{PIXEL}" class="flaw-img">',
    '<svg width="9" height="9" class="flaw-svg"></svg>.',
    '<img src="flaw.png" alt="words">',
    "<p class='flaw-empty'></p>",
    '<p style="color:#808080;background:#666666">flaw-grey</p>',
    '<p style="opacity:0.3">flaw-opacity</p>',
    '<details><summary>+</summary><p style="color:rgb(0 0 0/9%)">flaw-folded</p></details>',
    "<script>throw new Error('flaw-thrown')</script>.",
    "<script>Promise.reject(new Error('flaw-rejected'))</script>.",
    "<script>console.error('flaw-reported')</script>.",
]


@pytest.fixture(scope="module")
def flawed(desk):
    """A notebook with outputs that are fine, and with flawed ones, after Run All."""
    sources = [f"from IPython.display import HTML\nHTML({text!r})" for text in FINE + FLAWED]
    write_notebook(desk, "flawed", [*sources, GONE])
    with desk.open("flawed") as notebook:
        notebook.run_all()
        yield notebook


@pytest.mark.parametrize(
    ("check", "flaws"),
    [
        ("pictures_without_alt", ["flaw-img", "flaw-svg"]),
        ("unreadable_outputs", ["flaw.png", "flaw-empty"]),
        ("faint_texts", ["flaw-grey", "flaw-opacity", "flaw-folded"]),
        ("widget_errors", ["Error displaying widget"]),
        ("errors", ["flaw.png", "flaw-thrown", "flaw-rejected", "flaw-reported", "model not found"]),
    ],
)
def test_flaws_are_found(flawed, check, flaws):
    found = flawed.errors if check == "errors" else getattr(flawed, check)()
    assert len(found) == len(flaws), found
    assert all(flaw in "\n".join(found) for flaw in flaws), found


def test_an_error_and_what_it_stopped_are_named(desk):
    write_notebook(desk, "fails", ["1 / 0", "2"])
    with desk.open("fails") as notebook:
        notebook.run_all()
        first, second = notebook.cell_errors()
    assert first.startswith("ZeroDivisionError: division by zero, in:\n1 / 0")
    assert second == "not run:\n2"


def test_a_cell_that_does_not_end_is_named(desk):
    write_notebook(desk, "endless", ["1", "while True: pass"])
    with desk.open("endless") as notebook:
        with pytest.raises(AssertionError, match=r"endless: Run All has not ended.*\nwhile True: pass"):
            notebook.run_all(timeout=2)


def test_stop_ends_a_cell_that_awaits_and_the_next_one_runs(desk):
    awaits = "import asyncio\nprint('awaits')\nawait asyncio.sleep(600)"
    write_notebook(desk, "stopped", ["from helpers import record", awaits, "print('next')"])
    with desk.open("stopped") as notebook:

        def run(cell):
            notebook.page.evaluate(
                "cell => { jupyterapp.shell.currentWidget.content.activeCellIndex = cell;"
                " jupyterapp.commands.execute('notebook:run-cell'); }",
                cell,
            )

        def wait_for(text):
            notebook.wait_until("outputs.some(output => output.innerText.includes(arg))", text, timeout=60)

        run(0)
        run(1)
        wait_for("awaits")
        notebook.tool("notebook:interrupt-kernel").click()
        wait_for("CancelledError")

        def next_has_run():
            run(2)
            notebook.page.wait_for_timeout(500)
            return any("next" in text for text in notebook.outputs().all_inner_texts())

        assert wait_until(next_has_run)  # what is asked for in the moment of an error is not run: ask again


# --- Where something is missing


def run_without(missing, tmp_path, **variables):
    """Run one test of this file in a pytest of its own, where Chromium or playwright cannot be found."""
    hide = "import sys; sys.path.append('tests'); import browser; browser.usual_places = lambda *where: []; "
    hide += "sys.modules['playwright'] = None; " if missing == "playwright" else ""
    test = "tests/test_browser.py::test_a_notebook_opens_without_errors"
    code = f"{hide}import pytest; pytest.main(['-q', '-p', 'no:cacheprovider', '{test}'])"
    nowhere = {"PATH": str(tmp_path), "PLAYWRIGHT_BROWSERS_PATH": str(tmp_path)}
    kept = {name: os.environ[name] for name in set(os.environ) - {"BROWSER_TESTS", "PYTEST_ADDOPTS"}}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=kept | nowhere | variables,
        capture_output=True,
        text=True,
        timeout=120,
    ).stdout


INSTALLED = {
    "darwin": "home/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "win32": "home/AppData/Local/Google/Chrome/Application/chrome.exe",
}


@pytest.mark.parametrize("platform", INSTALLED)
def test_a_browser_is_found_where_it_is_installed(platform, tmp_path, monkeypatch):
    path = tmp_path / INSTALLED[platform]
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    places = usual_places(platform, {"LOCALAPPDATA": str(tmp_path / "home/AppData/Local")})
    monkeypatch.setattr("browser.COMMANDS", ())
    monkeypatch.setattr(
        "browser.usual_places", lambda *where: [each for each in places if tmp_path in each.parents]
    )
    playwright = SimpleNamespace(chromium=SimpleNamespace(executable_path=str(tmp_path / "nowhere")))
    with pytest.raises(Missing, match="they need Chromium, Chrome or Edge"):
        find_chromium(playwright)
    path.parent.mkdir(parents=True)
    path.write_text("")
    assert find_chromium(playwright) == str(path)


ADVICE = {"Chromium": "-m playwright install chromium", "playwright": "-m pip install playwright"}


@pytest.mark.parametrize("missing", ADVICE)
def test_what_is_missing_is_said_once_at_the_end(missing, tmp_path):
    *_, advice, counts = run_without(missing, tmp_path).splitlines()
    assert counts.startswith(f"{len(LESSONS)} skipped")
    assert advice.startswith(f"The tests in a browser did not run: they need {missing}")
    assert ADVICE[missing] in advice


@pytest.mark.parametrize("missing", ADVICE)
def test_what_is_missing_is_an_error_where_the_tests_are_required(missing, tmp_path):
    said = run_without(missing, tmp_path, BROWSER_TESTS="required")
    assert said.splitlines()[-1].startswith(f"{len(LESSONS)} errors")
    assert f"The tests in a browser did not run: they need {missing}" in said
