"""The check of a building step: what the learner wrote goes on when it is right, else the course's version.

A step is an exercise (see `checks`) whose answer is a function, with the course's own under "course".
"""

from __future__ import annotations

import inspect
import linecache
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

from helpers.cards.card import NOT_YET, RIGHT, card, prose, show
from helpers.cards.checks import Report, count, run_cases
from helpers.cards.sources import folded

# `course.py lab` writes this beside the learner's copies, and there only are her steps kept.
RECORD, KEPT = Path(".course.json"), Path("steps")
COURSES = "the course's version"
MARK = "handed_on"  # an attribute of a function that `check_step` has made: where it comes from


def check_step(step: dict, answer: Callable, timeout: float = 5.0) -> Callable:
    """Check a building step, show what came, and return the function that the next cells use.

    step: an exercise with the key "course", a function or a method of a module. answer: the learner's
    function. timeout: seconds each case may take.

    It returns the answer when this is right. Else it returns one of hers that was right before, kept beside
    her copy of the notebook, or else the course's version. Both are run in the notebook's own namespace, so
    that they use what she has defined, and are marked: checked again, they do not count as hers.

    Raises ValueError if the step itself is malformed.
    """
    course = step.get("course")
    if not inspect.isfunction(course):
        raise ValueError(f"step {step.get('title', '')!r}: 'course' must be a function, not {course!r}")
    if made_from := getattr(answer, MARK, None):
        _say(None, f"This is {made_from}. To check your own, run its cell, and then this one.")
        return answer
    report = run_cases(step, answer, timeout)
    count(report)
    if report:
        _keep(course, answer)
        _say(report, "The next cells use your version.")
        return answer
    namespace = sys._getframe(1).f_globals  # the notebook's
    if kept := _kept(step, course, namespace, timeout):
        version, code = kept
        said = (
            "Until then the next cells use the version that you wrote earlier. To have it back, copy it up:"
        )
        _say(report, said, code)
        return version
    code = textwrap.dedent(inspect.getsource(course))
    # Who has tried may look at it: folded, and not in the text, which cannot be folded.
    _say(report, f"Until then the next cells use {COURSES}.", tried=code if report.written else "")
    return _version(code, course.__name__, namespace, COURSES)


def _say(report: Report | None, said: str, code: str = "", tried: str = "") -> None:
    """code: an earlier version of hers. tried: the course's, for one who has tried."""
    checked = (report.html(), report.text()) if report is not None else ("", "")
    hidden = folded("Your version", code) if code else ""
    hidden += folded("The course's version", tried) if tried else ""
    show(
        checked[0] + card(f"<div>{prose(said)}</div>{hidden}", RIGHT if report else NOT_YET),
        "\n".join(part for part in (checked[1], said, code) if part),
    )


def _version(code: str, name: str, namespace: dict, made_from: str) -> Callable:
    """Run code in a namespace; return the function `name` that it defines there, marked."""
    file = f"<{name}: {made_from}>"
    # Steppers and tracebacks look up lines here. An entry without a time is never taken for outdated.
    linecache.cache[file] = (len(code), None, code.splitlines(keepends=True), file)
    exec(compile(code, file, "exec"), namespace)
    version = namespace[name]
    setattr(version, MARK, made_from)
    return version


# --- Steps that were right, beside the learner's copies ------------------------------------------------


def _place(course: Callable) -> Path:
    """The file that keeps a step: steps/lesson1_run_as_tasks.py, say."""
    lesson = course.__module__.split(".")[1].partition("_")[0]
    return KEPT / f"{lesson}_{course.__qualname__}.py"


def _keep(course: Callable, answer: Callable) -> None:
    """Write down the cell that defines an answer, if the notebook is a learner's copy."""
    code = "".join(linecache.getlines(answer.__code__.co_filename)) if inspect.isfunction(answer) else ""
    if RECORD.exists() and code:
        KEPT.mkdir(exist_ok=True)
        _place(course).write_text(code, encoding="utf-8")


def _kept(step: dict, course: Callable, namespace: dict, timeout: float) -> tuple[Callable, str] | None:
    """A version that was right before, and its code, if there is one and it still is right."""
    if not RECORD.exists() or not _place(course).exists():
        return None
    before = dict(namespace)
    try:
        code = _place(course).read_text(encoding="utf-8")
        version = _version(code, course.__name__, namespace, "the version that you wrote earlier")
        if run_cases(step, version, timeout):
            return version, code
    except Exception:  # whatever stands in that file
        pass
    for name in namespace.keys() - before.keys():
        del namespace[name]
    namespace.update(before)
    return None
