"""A run ends in a result or a clear message, is cancelled at once, and leaves nothing behind."""

import os
import re
import signal
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import psutil
import pytest
from leftovers import PATIENCE, gone, no_process_left
from libraries import LIBRARIES

from helpers.playground import plans, runs
from helpers.playground.plans import Group, Plan
from helpers.playground.runs import Outcome, describe_run, describe_times
from helpers.recording.data import Recording

ROOT = Path(__file__).parents[2]
HOUR = 3600.0
posix = pytest.mark.skipif(os.name != "posix", reason="needs processes and signals as on Linux and macOS")

# On a crowded machine a process takes long to start; where a deadline is meant, the test names it.
Run = partial(runs.Run, deadline=HOUR)
run_plan = partial(runs.run_plan, deadline=HOUR)

with pytest.MonkeyPatch.context() as patch:
    patch.setattr(plans, "MAX_LATENCY", HOUR)
    patch.setattr(plans, "MAX_TOTAL", 1000 * HOUR)
    # Plans that do not end by themselves while a test runs.
    LONG = {
        "coroutines": Plan([Group(3, HOUR)]),
        "a coroutine on the CPU": Plan([Group(1, HOUR, "CPU")]),
        "threads asleep": Plan([Group(3, HOUR, side="sync")], "invoke"),
        "threads on the CPU": Plan([Group(2, HOUR, "CPU", "sync")], "invoke"),
        "many queued": Plan([Group(150, HOUR, side="sync")], "invoke", 1),
        "threads under ainvoke": Plan([Group(100, HOUR, side="sync")], library="langchain-core"),
        "many queued, langchain-core": Plan([Group(150, HOUR, side="sync")], "invoke", 1, "langchain-core"),
        "a stream": Plan([Group(1, 0.0, side="sync"), Group(1, HOUR, side="sync")], "stream"),
    }
    FAILING = {
        library: Plan([Group(1, HOUR), Group(1, 0.01, fails=True)], "ainvoke", library=library)
        for library in LIBRARIES
    }


@pytest.fixture(autouse=True)
def nothing_is_left():
    with no_process_left():
        yield


def process_of(run):
    return psutil.Process(run._process.pid)


def started(plan, **options):
    """A run of which at least one branch has started, followed in a thread: (run, outcomes, thread)."""
    run, outcomes, begun = Run(plan, LIBRARIES, **options), [], threading.Event()

    def follow():
        outcomes.append(run.follow(lambda started, ended: begun.set() if started else None))

    thread = threading.Thread(target=follow)
    thread.start()
    assert begun.wait(PATIENCE)
    return run, outcomes, thread


# --- Results


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_run_gives_its_result_and_its_recording(library):
    plan = Plan([Group(2, 0.01), Group(1, 0.03, side="both")], "ainvoke", library=library)
    outcome = run_plan(plan, LIBRARIES)
    answers = {"a1": "a answers review", "a2": "a answers review", "b1": "b answers review"}
    assert (outcome.end, outcome.result, outcome.error) == ("done", answers, None)
    assert isinstance(outcome.recording, Recording) and outcome.recording.observer is None
    assert outcome.recording.peak() == outcome.started == outcome.ended == 3
    assert outcome.seconds > 0
    assert [unit.name for unit in outcome.recording.lanes()] == ["a1", "a2", "b1"]


def test_progress_counts_calls_that_started_and_that_ended():
    seen = []
    run = Run(Plan([Group(2, 0.01)], "abatch", 1), LIBRARIES)
    run.follow(lambda *counts: seen.append(counts))
    assert seen == [(0, 0), (1, 0), (1, 1), (2, 1), (2, 2), (3, 2), (3, 3), (4, 3), (4, 4)]


@pytest.mark.parametrize("library", LIBRARIES)
def test_calls_of_a_batch_are_told_apart(library):
    outcome = run_plan(Plan([Group(2, 0.01)], "abatch", library=library), LIBRARIES)
    assert sorted(unit.name for unit in outcome.recording.lanes()) == ["a1 #1", "a1 #2", "a2 #1", "a2 #2"]


def test_parts_come_when_they_are_ready():
    outcome = run_plan(Plan([Group(1, 0.3), Group(1, 0.01)], "astream"), LIBRARIES)
    assert [list(part) for part in outcome.result] == [["b1"], ["a1"]]
    assert 0 < outcome.parts_at[0] < outcome.parts_at[1] <= outcome.seconds
    assert "It gave 2 parts, as they came: b1, a1." in describe_run(outcome)
    assert "It gave 2 parts, as they came." in describe_run(outcome, end_order=False)
    assert "The first part came after" in describe_times(outcome)


@pytest.mark.parametrize("library", LIBRARIES)
def test_an_error_is_told_with_its_note(library):
    outcome = run_plan(FAILING[library], LIBRARIES)
    kind, message, notes = outcome.error
    assert (outcome.end, outcome.result, kind, message) == (
        "failed",
        None,
        "ValueError",
        "no answer from the model",
    )
    sibling = outcome.recording.lanes()[0]
    assert sibling.name == "a1"
    if library == "ours":
        assert (notes, sibling.outcome) == (["in branch 'b1'"], "cancelled")
        assert "It raised ValueError: no answer from the model. Its note: in branch 'b1'." in describe_run(
            outcome
        )
    else:
        assert (notes, sibling.outcome) == ([], "")
        assert "1 unfinished: a1. Nobody had cancelled what is unfinished" in describe_run(outcome)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("way", ["invoke", "batch", "stream"])
def test_an_async_branch_under_a_sync_way_is_told_what_to_change(way, library):
    plan = Plan([Group(1, 0.01, side="both"), Group(2, 0.01), Group(1, 0.01)], way, library=library)
    outcome = run_plan(plan, LIBRARIES)
    assert (outcome.end, outcome.error[0]) == ("failed", "TypeError")
    assert describe_run(outcome).endswith(
        f"{way} awaits nothing, and the branches of b, c are async only. "
        f"Choose the side sync or both for them, or a{way} instead of {way}."
    )


def test_a_run_without_any_call_has_no_recording():
    outcome = run_plan(Plan([Group(2, 0.01)], "invoke"), LIBRARIES)
    assert (outcome.end, outcome.started, outcome.recording) == ("failed", 0, None)
    assert describe_run(outcome).startswith("It raised TypeError: ")


# --- The other ends


@pytest.mark.parametrize("plan", LONG.values(), ids=LONG)
def test_cancel_works_whatever_runs(plan):
    run, outcomes, thread = started(plan)
    process = process_of(run)
    run.cancel()
    thread.join(PATIENCE)
    assert not process.is_running()
    (outcome,) = outcomes
    assert outcome.end == "cancelled"
    assert describe_run(outcome).startswith(f"Cancelled: {outcome.ended} of {plan.calls} calls had ended.")
    run.cancel()  # once more does nothing


def test_a_run_can_be_cancelled_before_it_has_begun():
    run = Run(LONG["coroutines"], LIBRARIES)
    run.cancel()
    assert run.follow().end == "cancelled"


def test_a_run_that_has_ended_cannot_be_cancelled():
    run = Run(Plan([Group(1, 0.0)]), LIBRARIES)
    outcome = run.follow()
    run.cancel()
    assert outcome.end == "done"


def test_a_deadline_ends_a_run():
    outcome = run_plan(LONG["a coroutine on the CPU"], LIBRARIES, deadline=1)
    assert outcome.end == "deadline"
    assert describe_run(outcome) == (
        "Ended after 1 s, the longest that a run may take: 0 of 1 calls had ended. "
        "Choose fewer branches or a shorter latency."
    )


def test_a_deadline_ends_a_run_that_nobody_follows():
    run = Run(LONG["a coroutine on the CPU"], LIBRARIES, deadline=0.1)
    run._timer.join(PATIENCE)
    assert run._process.returncode  # the process is gone, and none of its own accord
    outcome = run.follow()
    assert (outcome.end, outcome.reason) == ("deadline", "0.1 s")


def test_a_run_that_nobody_follows_does_not_keep_python_from_ending():
    script = """if True:
        from libraries import LIBRARIES
        from helpers.playground.plans import Group, Plan
        from helpers.playground.runs import Run
        run = Run(Plan([Group(1, 5.0, "CPU")]), LIBRARIES, deadline=3600)
        print(run._process.pid)
    """
    done = subprocess.run(
        [sys.executable, "-c", script], env=ENVIRONMENT, stdout=subprocess.PIPE, timeout=PATIENCE, check=True
    )
    assert gone(int(done.stdout))


def test_a_process_that_is_ended_from_outside_is_told():
    run, outcomes, thread = started(LONG["threads asleep"])
    process_of(run).kill()
    thread.join(PATIENCE)
    assert outcomes[0].end == "lost"
    assert re.match(
        r"The process of this run ended without a result \(exit code -?\d+\)", describe_run(outcomes[0])
    )


@posix
def test_an_interrupt_of_the_cell_ends_the_run():
    """Ctrl-C, while the main thread waits for the run."""
    begun, noticed = threading.Event(), threading.Event()

    def raise_once(number, frame):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        noticed.set()
        raise KeyboardInterrupt

    def interrupt():
        assert begun.wait(PATIENCE)
        while not noticed.wait(0.01):  # one that comes just before the main thread waits does not wake it
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    run = Run(LONG["a coroutine on the CPU"], LIBRARIES)
    before = signal.signal(signal.SIGINT, raise_once)
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            run.follow(lambda started, ended: begun.set() if started else None)
        thread.join()
    finally:
        signal.signal(signal.SIGINT, before)
    assert run._process.returncode


def test_an_error_of_whoever_looks_at_the_progress_ends_the_run():
    def fail(started, ended):
        raise LookupError("no such widget")

    run = Run(LONG["coroutines"], LIBRARIES)
    with pytest.raises(LookupError):
        run.follow(fail)
    assert run._process.returncode


ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
PARENT = """
import os, signal
from libraries import LIBRARIES
from helpers.playground import plans
from helpers.playground.plans import Group, Plan
from helpers.playground.runs import Run

plans.MAX_LATENCY = plans.MAX_TOTAL = 100_000
run = Run(Plan([Group(1, 3600.0, {work!r}, "sync")] * 3, "invoke"), LIBRARIES)
print(run._process.pid, flush=True)
if {forks!r} and os.fork() == 0:
    signal.pause()
run.follow(lambda started, ended: started == 3 and print("running", flush=True))
"""


@pytest.mark.parametrize("work", ["CPU", "I/O"])
@pytest.mark.parametrize("forks", [False, pytest.param(True, marks=posix)])
def test_a_run_ends_with_the_kernel_that_has_started_it(work, forks):
    """Also where a worker that the kernel has forked lives on: it has copies of all that was open."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT.format(work=work, forks=forks)],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with parent:
        child = int(parent.stdout.readline())
        assert parent.stdout.readline() == "running\n"
        parent.kill()
        parent.wait()
        assert gone(child)
        if forks:
            os.killpg(parent.pid, signal.SIGKILL)  # fails if the worker was not there


# --- What cannot be run


def test_a_library_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="library must be one of ours, not 'langchain-core'"):
        run_plan(Plan([Group()], library="langchain-core"), {"ours": LIBRARIES["ours"]})


def test_classes_of_a_notebook_are_refused():
    """Another process could not import them."""
    mine = type("RunnableParallel", (), {"__module__": "__main__"})
    with pytest.raises(ValueError, match="RunnableParallel is defined in a notebook"):
        run_plan(Plan([Group()]), {"ours": (mine, LIBRARIES["ours"][1])})


def test_a_chain_that_cannot_be_built_is_told():
    outcome = run_plan(Plan([Group()]), {"ours": (dict, int)})
    assert outcome.end == "broken"
    assert describe_run(outcome).startswith("The chain could not be built: TypeError: ")
    assert describe_times(outcome) == ""


def test_times_stand_beside_the_longest_branch_and_the_sum():
    outcome = Outcome(Plan([Group(3, 0.5), Group(1, 1.0)]), "done", seconds=1.0123)
    assert describe_times(outcome) == (
        "It took 1.01 s. Planned are 1.00 s for the longest branch, and 2.50 s for all calls together."
    )
