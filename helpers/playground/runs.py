"""Run a plan in a process of its own, which can be ended at any moment, whatever its branches do.

Its job goes in through one pipe, its messages come out through another. `helpers.playground.process` is
what the process executes.
"""

from __future__ import annotations

import pickle
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from helpers.calls.children import end_child, start_child
from helpers.playground.plans import Plan
from helpers.recording.data import Recording
from helpers.recording.words import describe

DEADLINE = 30.0  # seconds that a run may take, its start included
NAMED_UP_TO = 8  # more results than these are counted, not named


@dataclass
class Outcome:
    """How a run ended, and what is known of it.

    end: "done", "failed" (the chain raised an error), "cancelled", "deadline" (it took too long), "lost"
    (its process ended by itself) or "broken" (the chain could not be built).
    started, ended: how many calls of branches had started and ended.
    recording: None unless the chain returned or raised, and called a branch.
    result: a dict, a list of dicts (batch) or the list of parts (stream).
    error: what the chain raised, as its type, its message and the list of its notes.
    seconds: from the call to its end. parts_at: the same for each part of a stream.
    reason: the deadline, or what is known of a process that was lost or a chain that is broken.
    """

    plan: Plan
    end: str
    started: int = 0
    ended: int = 0
    recording: Recording | None = None
    result: Any = None
    error: tuple[str, str, list[str]] | None = None
    seconds: float | None = None
    parts_at: list[float] = field(default_factory=list)
    reason: str = ""


class Run:
    """A plan under way in a process of its own. `follow` waits for its end.

    `Run(plan, libraries)` starts the process and returns at once. libraries: name -> (RunnableParallel,
    RunnableLambda), two classes that can be imported. deadline: seconds after which the run is ended, also
    when nobody follows it.
    Raises ValueError if the plan's library is not among them, or lives in a notebook; OSError if the
    system starts no process.
    """

    def __init__(self, plan: Plan, libraries: Mapping[str, tuple], deadline: float = DEADLINE) -> None:
        self.plan = plan
        self.deadline = deadline
        self._stopped = ""  # why it was ended, if it was
        job = _job(plan, libraries)
        code = "from helpers.playground.process import main; main()"
        self._process = start_child(code, stderr=subprocess.DEVNULL)
        self._timer = threading.Timer(deadline, self._stop, ["deadline"])
        self._timer.daemon = True  # a run that nobody follows does not keep Python from ending
        self._timer.start()
        _send(self._process, job)

    def cancel(self) -> None:
        """End the process now. Does nothing if the run has ended."""
        self._stop("cancelled")

    def follow(self, on_progress: Callable[[int, int], None] | None = None) -> Outcome:
        """Wait for the end of the run and say how it went; call it once, on any thread.

        on_progress: called with how many calls have started and how many have ended, each time that
        changes, first with (0, 0) when the process is ready. Whatever happens, an interrupt included,
        the process is gone when this returns or raises.
        """
        outcome = Outcome(self.plan, "lost")
        try:
            for kind, *details in self._messages():
                if kind == "progress":
                    outcome.started, outcome.ended = details
                elif kind == "broken":
                    outcome.end, outcome.reason = "broken", details[0]
                elif kind == "end":
                    vars(outcome).update(details[0], end="failed" if details[0]["error"] else "done")
                if kind in ("ready", "progress") and on_progress:
                    on_progress(outcome.started, outcome.ended)
        finally:
            self._timer.cancel()
            end_child(self._process)
            self._timer.join()
        if outcome.end == "lost" and self._stopped:
            outcome.end = self._stopped
            outcome.reason = f"{self.deadline:g} s" if self._stopped == "deadline" else ""
        elif outcome.end == "lost":
            outcome.reason = f"exit code {self._process.returncode}"
        return outcome

    def _messages(self) -> Iterator[tuple]:
        while True:
            try:
                yield pickle.load(self._process.stdout)  # type: ignore[arg-type]  # it is a pipe
            except (EOFError, pickle.UnpicklingError):  # the process has ended, maybe within a message
                return

    def _stop(self, why: str) -> None:
        self._stopped = self._stopped or why
        self._process.kill()  # it holds nothing that would have to be put in order
        self._process.wait()


def run_plan(plan: Plan, libraries: Mapping[str, tuple], deadline: float = DEADLINE) -> Outcome:
    """Run a plan and wait for its end; see `Run`, which also says what is raised."""
    return Run(plan, libraries, deadline).follow()


def describe_run(outcome: Outcome, end_order: bool = True) -> str:
    """What came of a run, in a few sentences without times.

    end_order: False leaves out in which order branches ended, where nothing forces one.
    """
    return " ".join([*_recorded(outcome, end_order), _verdict(outcome, end_order), *_advice(outcome)])


def describe_times(outcome: Outcome) -> str:
    """How long a run took, beside its longest branch and the sum of all; "" for one without an end."""
    if outcome.seconds is None:
        return ""
    plan = outcome.plan
    text = (
        f"It took {_seconds(outcome.seconds)}. Planned are {_seconds(plan.longest)} for the longest branch, "
        f"and {_seconds(plan.total)} for all calls together."
    )
    if len(outcome.parts_at) > 1:
        first, last = outcome.parts_at[0], outcome.parts_at[-1]
        text += f" The first part came after {_seconds(first)}, the last after {_seconds(last)}."
    return text


def _recorded(outcome: Outcome, end_order: bool) -> Iterator[str]:
    recording = outcome.recording
    if recording is None:
        return
    yield describe(recording, outcome.plan.max_concurrency, end_order)
    if outcome.end == "failed" and any(unit.outcome == "" for unit in recording.lanes()):
        yield "Nobody had cancelled what is unfinished: it ran on when the error came."


def _verdict(outcome: Outcome, end_order: bool) -> str:
    done = f"{outcome.ended} of {outcome.plan.calls} calls had ended"
    match outcome.end:
        case "done":
            return _result(outcome, end_order)
        case "failed" if outcome.error:
            kind, message, notes = outcome.error
            noted = f" Its note: {'; '.join(notes)}." if notes else ""
            return f"It raised {kind}: {message.rstrip('.')}.{noted}{_before_the_error(outcome)}"
        case "cancelled":
            return f"Cancelled: {done}. The process is gone, with all that ran in it."
        case "deadline":
            return (
                f"Ended after {outcome.reason}, the longest that a run may take: {done}. "
                f"{outcome.plan.shorter.capitalize()}."
            )
        case "broken":
            return f"The chain could not be built: {outcome.reason}."
    return (
        f"The process of this run ended without a result ({outcome.reason}): {done}. Something outside has "
        "ended it; was there enough memory? Run it again."
    )


def _result(outcome: Outcome, end_order: bool) -> str:
    plan, result = outcome.plan, outcome.result
    if plan.is_batch:
        return f"It gave a list of {len(result)}: a dict for each input, in the order of the inputs."
    if plan.way in ("stream", "astream"):
        names = [name for part in result for name in part]
        came = f": {', '.join(names)}" if end_order and len(names) <= NAMED_UP_TO else ""
        return f"It gave {len(result)} part{'' if len(result) == 1 else 's'}, as they came{came}."
    listed = f": {', '.join(result)}" if len(result) <= NAMED_UP_TO else ""
    return f"It gave a dict of {len(result)}, in declared order{listed}."


def _before_the_error(outcome: Outcome) -> str:
    parts = len(outcome.parts_at)
    return f" Before that, {parts} part{' was' if parts == 1 else 's were'} handed over." if parts else ""


def _advice(outcome: Outcome) -> Iterator[str]:
    plan = outcome.plan
    if outcome.error and outcome.error[0] == "TypeError" and not plan.is_async:
        rows = sorted({name[0] for name, group in plan.branches.items() if group.side == "async"})
        if rows:
            yield (
                f"{plan.way} awaits nothing, and the branches of {', '.join(rows)} are async only. "
                f"Choose the side sync or both for them, or a{plan.way} instead of {plan.way}."
            )


def _seconds(seconds: float) -> str:
    return f"{seconds:.2f} s"


def _job(plan: Plan, libraries: Mapping[str, tuple]) -> bytes:
    if plan.library not in libraries:
        raise ValueError(f"library must be one of {', '.join(libraries)}, not {plan.library!r}")
    library = libraries[plan.library]
    for each in library:
        if each.__module__ == "__main__":
            raise ValueError(
                f"{each.__name__} is defined in a notebook, where another process cannot find it: "
                "take it from a module"
            )
    return pickle.dumps((plan, tuple(library)))


def _send(process: subprocess.Popen, job: bytes) -> None:
    try:
        process.stdin.write(job)
        process.stdin.flush()
    except OSError:
        pass  # the process has ended already: `follow` will see it
