"""Fixtures that several tests share. Importing helpers switches LangSmith tracing off, for kernels too."""

import gc
import os
import threading
import time

import pytest
from browser import Desk, Missing, find_chromium, running_browser, running_lab, running_playwright
from leftovers import PATIENCE, nothing_left

from helpers.calls.llm_service import llm_server
from helpers.recording.recorder import record, working_on


def pytest_addoption(parser):
    parser.addoption("--all", action="store_true", help="also run what takes long, and try more examples")


def pytest_configure(config):
    config.addinivalue_line("markers", "weekly: takes long; runs with --all only")
    if config.getoption("--all"):
        os.environ["COURSE_TESTS"] = "all"  # read by tests/budgets.py, in the workers too


def pytest_collection_modifyitems(config, items):
    """Leave out what only --all runs; begin with the files that take longest, so that no worker ends late."""
    if not config.getoption("--all"):
        left_out = [item for item in items if item.get_closest_marker("weekly")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
    items.sort(key=lambda item: LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST))


# Files of tests, longest first. (test_notebooks takes long where there is no browser.)
LONGEST = [
    "test_browser_runs",
    "test_browser",
    "test_notebooks",
    "6_at_scale",
    "3_concurrency_limits",
    "test_recipes",
]


def pytest_collection_finish():
    """What the imports have made stays: the tests' many calls of gc.collect may pass it over."""
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def small_heap():
    """What tests before this module have left is passed over, too: some collect garbage a thousand times."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module")
def shared_server():
    with llm_server(latency=0) as server:
        yield server


@pytest.fixture
def server(shared_server):
    shared_server.reset()
    return shared_server


@pytest.fixture
def nothing_is_left():
    """No thread and no un-awaited coroutine; `leftovers.run` looks for tasks."""
    with nothing_left():
        yield


@pytest.fixture
def one_of_two_threads_blocks():
    """A recording of two calls on threads, "blocks" and "runs"; only the first one is in time.sleep."""
    meeting = threading.Barrier(2)

    def call(name):
        with working_on(name):
            meeting.wait(PATIENCE)
            if name == "blocks":
                time.sleep(0.001)
            meeting.wait(PATIENCE)

    with record(places=True) as recording:
        threads = [threading.Thread(target=call, args=(name,)) for name in ("blocks", "runs")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return recording


# --- A real browser: see browser.py

NO_BROWSER = "The tests in a browser did not run: "


def pytest_terminal_summary(terminalreporter):
    """Say once, at the end, what the tests in a browser need and do not have."""
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = {report.longrepr[2] for report in skipped if isinstance(report.longrepr, tuple)}
    for reason in sorted(reasons):
        if NO_BROWSER in reason:
            terminalreporter.write_line(reason.removeprefix("Skipped: "), yellow=True)


@pytest.fixture(scope="session")
def found_browser():
    """The path of a Chromium, or the `browser.Missing` that says what to install."""
    try:
        with running_playwright() as playwright:
            return find_chromium(playwright)
    except Missing as missing:
        return missing


@pytest.fixture(scope="session")
def chromium(found_browser):
    """The path of a Chromium. Where it or playwright is missing, the test is skipped or fails."""
    if not isinstance(found_browser, Missing):
        return found_browser
    if os.environ.get("BROWSER_TESTS") == "required":
        pytest.fail(f"{NO_BROWSER}{found_browser}", pytrace=False)
    pytest.skip(f"{NO_BROWSER}{found_browser}")


@pytest.fixture(scope="module")
def desk(chromium, tmp_path_factory):
    """JupyterLab over a copy of the notebooks, in a headless Chromium: a `browser.Desk`.

    Not for all modules: others look for processes left, and need this thread without an event loop.
    """
    with running_lab(tmp_path_factory.mktemp("lab")) as lab, running_browser(chromium) as browser:
        desk = Desk(lab, browser)
        yield desk
        desk.close()
