"""The check of an exercise: run the learner's answer through the cases and say at once what came.

An exercise is plain data, so that lessons need not import anything from here:

    {
        "title": "Write gather",
        "cases": [
            {
                "case": "no coroutines at all",         # what is tried, in words
                "run": lambda gather: ...,              # answer -> value; default: the answer itself
                "expect": [],                           # what the value must be equal to
                "hint": "Nothing to wait for: ...",     # shown when it is not
            },
        ],
        "wrong": [{"answer": ..., "hint": "..."}],      # optional: hints for typical wrong answers
        "reads": "letters",                             # optional: how a written answer is read
        "course": gather,                               # of a building step: see `steps`
    }

"reads" is "letters" ("ACB"), "words" (["invoke", "batch"]) or "numbers" ([4, 10]). The learner may then
write one text or a list, with commas, blanks, line breaks and capitals as she likes.
"""

from __future__ import annotations

import asyncio
import contextvars
import html
import inspect
import linecache
import re
import reprlib
import threading
import traceback
from dataclasses import dataclass, field

from helpers.cards.card import NOT_YET, RIGHT, card, prose, show

# What is missing in a dict, or not allowed there, is an error in the exercise, not in the answer.
_KEYS = {
    "exercise": ({"title", "cases"}, {"wrong", "reads", "course"}),
    "case": ({"case", "expect", "hint"}, {"run"}),
    "wrong answer": ({"answer", "hint"}, set()),
}
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_READ = {
    "letters": lambda text: "".join(filter(str.isalpha, text)).upper(),
    "words": lambda text: re.findall(r"\w+", text.lower()),
    "numbers": lambda text: [
        float(each) for each in _NUMBER.findall(re.sub(r"(?<=\d),(?=\d{3}\b)", "", text))
    ],
}
_DATA = (str, bytes, int, float, complex, list, tuple, dict, set, frozenset)


@dataclass(frozen=True)
class Report:
    """What came of a check; true if every case was right.

    right: the cases that were right, in order, up to the first that was not.
    failed: the case that was not right, or None. written: False for an untouched stub.
    facts: what to know about the failed case, such as {"expected": "3", "came": "4"}.
    """

    title: str
    total: int
    right: list[str]
    failed: str | None = None
    facts: dict[str, str] = field(default_factory=dict)
    hint: str = ""
    written: bool = True

    def __bool__(self) -> bool:
        return self.failed is None

    @property
    def verdict(self) -> str:
        if not self.written:
            return "Not written yet. Fill in the stub above, then run this cell again."
        if self.total == 1:
            return "Right." if self else "Not yet."
        if self:
            return f"Right: all {self.total} cases."
        return f"Not yet: case {len(self.right) + 1} of {self.total}."

    def text(self) -> str:
        """The report as text, the same in every run with the same answer."""
        lines = [self.title, *(f"right: {case}" for case in self.right)]
        if self.failed and self.written:
            lines.append(f"not yet: {self.failed}")
            lines += [f"  {label}: {fact}" for label, fact in self.facts.items()]
        return "\n".join([*lines, *self._end(self.verdict, f"  hint: {self.hint}")])

    def html(self) -> str:
        """The report as an HTML card that says what `text` says."""
        lines = [f"<b>{prose(self.title)}</b>", *(f"✓ right: {prose(case)}" for case in self.right)]
        if self.failed and self.written:
            lines.append(f"✗ not yet: {prose(self.failed)}")
            lines += [_row(label, fact) for label, fact in self.facts.items()]
        lines += self._end(f"<b>{self.verdict}</b>", _row("hint", self.hint))
        return card("".join(f"<div>{line}</div>" for line in lines), RIGHT if self else NOT_YET)

    def _end(self, verdict: str, hint: str) -> list[str]:
        return [verdict] if self or not self.written else [hint, verdict]


def _row(label: str, value: str) -> str:
    value = prose(value) if label in ("hint", "note") else f"<code>{html.escape(value)}</code>"
    return (
        '<div style="display:flex;margin-left:20px">'
        f'<span style="flex:0 0 80px">{label}: </span><span>{value}</span></div>'
    )


def check(exercise: dict, answer: object, timeout: float = 5.0) -> None:
    """Run the cases of an exercise on an answer, up to the first that fails, and show what came.

    exercise: a dict as described at the top of this module. answer: the learner's function, class or
    value; None, `...` and a function that raises NotImplementedError count as not written yet.
    timeout: seconds each case may take.

    Each case runs in a thread of its own, so `asyncio.run` works inside and an endless wait does not
    stop the notebook. A thread cannot be killed: one that did not finish runs on until the kernel is
    restarted. What the answer prints appears above the card. Nothing that the answer raises gets
    out, except KeyboardInterrupt.

    Raises ValueError if the exercise itself is malformed.
    """
    report = run_cases(exercise, answer, timeout)
    count(report)
    show(report.html(), report.text())


# Title -> whether the last answer was right, of all exercises and steps that were checked in this kernel.
_checked: dict[str, bool] = {}


def count(report: Report) -> None:
    """Let `show_results` know of a report."""
    _checked[report.title] = bool(report)


def show_results() -> None:
    """Show which exercises and steps are right, of those that were checked since the kernel has started."""
    right = sum(_checked.values())
    verdict = f"{right} of {len(_checked)} right."
    marks = {True: "✓ right", False: "✗ not yet"}
    lines = [f"{marks[is_right]}: {title}" for title, is_right in _checked.items()]
    body = [f"<b>{verdict}</b>", *map(prose, lines)]
    accent = RIGHT if _checked and right == len(_checked) else NOT_YET
    show(card("".join(f"<div>{line}</div>" for line in body), accent), "\n".join([verdict, *lines]))


def run_cases(exercise: dict, answer: object, timeout: float = 5.0) -> Report:
    """Do what `check` does, but return the Report and show nothing."""
    _validate(exercise)
    title, cases = exercise["title"], exercise["cases"]
    if answer is None or answer is ...:
        return Report(title, len(cases), [], cases[0]["case"], written=False)
    right, reads = [], exercise.get("reads")
    for case in cases:
        outcome = _try(case, answer, timeout, reads)
        if not outcome.right:
            hint = _hint_for(answer, exercise) or case["hint"]
            return Report(title, len(cases), right, case["case"], outcome.facts, hint, outcome.written)
        right.append(case["case"])
    return Report(title, len(cases), right)


@dataclass
class _Outcome:
    """What one case came to, in words; written by the case's thread."""

    right: bool = False
    facts: dict[str, str] = field(default_factory=dict)
    written: bool = True
    interrupt: KeyboardInterrupt | None = None


def _try(case: dict, answer: object, timeout: float, reads: str | None) -> _Outcome:
    """Run one case in a thread of its own."""
    outcome = _Outcome()
    thread = threading.Thread(
        target=contextvars.copy_context().run,
        args=(_run, case, answer, outcome, reads),
        name="check",
        daemon=True,
    )
    thread.start()
    thread.join(timeout)
    if thread.is_alive():
        late = f"did not finish within {timeout:g} s; it runs on until you restart the kernel"
        return _Outcome(facts={"note": late})
    if outcome.interrupt:
        raise outcome.interrupt
    return outcome


def _run(case: dict, answer: object, outcome: _Outcome, reads: str | None) -> None:
    # All that calls the learner's code happens here: also its __eq__ and __repr__ may fail or hang.
    try:
        given = _read(answer, reads)
        came = case["run"](given) if "run" in case else given
        if inspect.iscoroutine(came):
            came = asyncio.run(came)
        outcome.right = _equal(case["expect"], came)
        if not outcome.right and reads:
            outcome.facts = {"came": shorten(answer)}
        elif not outcome.right:
            outcome.facts = _compare(case["expect"], came, is_code=not isinstance(answer, _DATA))
    except NotImplementedError:
        outcome.written = False
    except KeyboardInterrupt as interrupt:
        outcome.interrupt = interrupt
    except BaseException as error:
        outcome.facts = _describe(error, getattr(answer, "__module__", None))


def _read(answer: object, reads: str | None) -> object:
    """A written answer, as the exercise reads it; without `reads`, as it is."""
    if reads is None:
        return answer
    return _READ[reads](" ".join(map(str, answer)) if isinstance(answer, list | tuple) else str(answer))


def _equal(expect: object, came: object) -> bool:
    """Equal, and not 1 for True: a count and a yes are different answers."""
    return isinstance(expect, bool) == isinstance(came, bool) and bool(expect == came)


def _compare(expect: object, came: object, is_code: bool) -> dict[str, str]:
    facts = {"expected": shorten(expect), "came": shorten(came)}
    if not is_code:
        del facts["expected"]  # Here it would be the solution.
    alike = isinstance(expect, list | tuple) and isinstance(came, list | tuple) and [*expect] == [*came]
    if expect == came or alike:
        wanted, got = type(expect).__name__, type(came).__name__
        facts["note"] = f"equal, but its type is {got}, not {wanted}"
    return facts


def _hint_for(answer: object, exercise: dict) -> str | None:
    """The hint for a typical wrong answer, if this is one."""
    if not isinstance(answer, _DATA):
        return None
    reads = exercise.get("reads")
    given = _read(answer, reads)
    typical = exercise.get("wrong", [])
    return next((each["hint"] for each in typical if _equal(_read(each["answer"], reads), given)), None)


# --- Values and errors in words ----------------------------------------------------------------------

# What differs between runs and machines: addresses, places in files, numbered task names.
_VARYING = re.compile(r" at 0x[0-9a-fA-F]+|(?<=running|defined) at [^<>]*:\d+| name='Task-\d+'")


class _Shortener(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = 120
        self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = self.maxdict = 12

    def repr_dict(self, mapping: dict, level: int) -> str:
        # As in reprlib, but in the order of the dict: reprlib sorts the keys.
        if mapping and level <= 0:
            return "{...}"
        items = [
            f"{self.repr1(key, level - 1)}: {self.repr1(value, level - 1)}" for key, value in mapping.items()
        ]
        return "{" + ", ".join(items[: self.maxdict] + ["..."] * (len(items) > self.maxdict)) + "}"

    def repr_instance(self, value: object, level: int) -> str:
        text = _VARYING.sub("", repr(value))
        return text if len(text) <= self.maxother else text[: self.maxother - 3] + "..."


def shorten(value: object) -> str:
    """The repr of a value, shortened, and without what varies between runs, such as addresses."""
    return _Shortener().repr(value)


def _describe(error: BaseException, module: str | None) -> dict[str, str]:
    """An exception as type and message, with the last line of the learner's module that it came through."""
    facts = {"raised": _say(error)}
    name = ""
    for frame, number in traceback.walk_tb(error.__traceback__):
        if frame.f_globals.get("__name__") == module:
            if not frame.f_code.co_name.startswith("<"):  # a comprehension, say
                name = frame.f_code.co_name
            line = linecache.getline(frame.f_code.co_filename, number).strip()
            facts["in"] = f"{name}: {line}"
    return facts


def _say(error: BaseException) -> str:
    message = _VARYING.sub("", str(error))
    name = type(error).__name__
    if isinstance(error, BaseExceptionGroup):
        return f"{name} of " + ", ".join(_say(each) for each in error.exceptions)
    return f"{name}: {message}" if message else name


# --- The exercise itself -----------------------------------------------------------------------------


def _validate(exercise: dict) -> None:
    where = f"exercise {exercise.get('title', '')!r}" if isinstance(exercise, dict) else "exercise"
    _validate_keys(exercise, "exercise", where)
    _validate_list(exercise["cases"], "case", "cases", where)
    _validate_list(exercise.get("wrong", []), "wrong answer", "wrong", where)
    if not exercise["cases"]:
        raise ValueError(f"{where}: 'cases' is empty")
    if exercise.get("reads", "letters") not in _READ:
        raise ValueError(f"{where}: 'reads' must be one of {', '.join(_READ)}, not {exercise['reads']!r}")


def _validate_list(items: list, kind: str, key: str, where: str) -> None:
    if not isinstance(items, list):
        raise ValueError(f"{where}: {key!r} must be a list of dicts, not {type(items).__name__}")
    for number, item in enumerate(items, 1):
        _validate_keys(item, kind, f"{where}, {kind} {number}")


def _validate_keys(item: dict, kind: str, where: str) -> None:
    required, optional = _KEYS[kind]
    if not isinstance(item, dict):
        raise ValueError(f"{where}: must be a dict, not {type(item).__name__}")
    if missing := sorted(required - item.keys()):
        raise ValueError(f"{where}: has no {missing[0]!r}")
    if unknown := sorted(item.keys() - required - optional):
        raise ValueError(f"{where}: has an unknown key {unknown[0]!r}")
    for key in sorted({"title", "case", "hint"} & item.keys()):
        if not isinstance(item[key], str):
            raise ValueError(f"{where}: {key!r} must be a str, not {item[key]!r}")
    if not callable(item.get("run", callable)):
        raise ValueError(f"{where}: 'run' must be a function, not {item['run']!r}")
