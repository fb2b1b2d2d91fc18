"""Step through what an event loop did: one frame a step, with the source beside it.

Precomputed and shown by `helpers.explorables.player`, so it steps without a kernel, too.
"""

from __future__ import annotations

import ast
import asyncio
import functools
import html
import inspect
import textwrap
from collections import defaultdict
from collections.abc import Callable, Coroutine
from typing import Any

from helpers.cards.card import show
from helpers.explorables.frames import Frame, default_units, frames
from helpers.explorables.player import Control, player
from helpers.figures.theme import END_SYMBOL, THEMES, is_light
from helpers.recording.data import End, Recording, State
from helpers.recording.recorder import record
from helpers.recording.virtual_clock import run_on_virtual_clock

_FILLS: dict[Any, str] = {**THEMES["light"].fills, **THEMES["light"].ends}
_GREY = THEMES["light"].grid
_MOST_TURNS = 2000  # of the event loop: then more happened than can be shown
_CAPTION = "What happened, step by step."
_STYLE = "max-width:1200px;font:14px/1.45 var(--jp-content-font-family,system-ui,sans-serif)"
# What is inside the views has no var(): JupyterLab strips it where a notebook is not trusted.
_FRAME = "border:1px solid #8a8a8a;border-radius:5px;padding:5px 9px;"
_BOXES = (
    "flex:1 1 340px;display:grid;gap:8px;grid-template-columns:repeat(auto-fit,minmax(160px,1fr));"
    "align-content:start"
)
_CODE = "flex:1.3 1 430px;font-family:monospace;font-size:13px;line-height:1.5"
_LINE = "display:flex;flex-wrap:wrap;column-gap:12px;padding:0 6px"
_TEXT = "flex:0 1 auto;box-sizing:border-box;white-space:pre-wrap;overflow-wrap:anywhere"
_WHO = "flex:none;margin-left:auto"
_MARKED = ";background:rgba(128,128,128,0.25)"
_LOOP = {"running now", "ready queue", "timers", "suspended on"}  # shown where there is a loop
_CHIP = "display:inline-block;margin:2px 4px 2px 0;padding:1px 9px;border-radius:9px;border:1px solid #555;"


def step_through(
    coroutine_function: Callable[[], Coroutine[Any, Any, Any]],
    *functions: Callable,
    loop: Callable | None = None,
    caption: str | None = None,
) -> None:
    """Run a coroutine function on a clock of its own, and show each step that the event loop took.

    coroutine_function: takes no arguments; hand over `main`, not `main()`. functions: more functions
    whose source to show. caption: what to see in it.
    loop: the class of a toy event loop that runs it instead of asyncio. It is made as `loop(observe)`,
    has `create_task(coroutine, name)` and `run(coroutine, name)`, and is handed to the coroutine function.

    On asyncio the clock is virtual: it jumps to the next timer, so the times are exact and the same in
    every run; see `helpers.recording.virtual_clock`, also for what it cannot wait for (network connections:
    record those with `record(places=True)` and show them with `show_steps`). The coroutine's own exception
    is raised after its steps are shown.

    Raises TypeError for anything but a coroutine function and for a function without source in Python,
    ValueError for too many steps.
    """
    if not inspect.iscoroutinefunction(coroutine_function):
        given = getattr(coroutine_function, "__name__", repr(coroutine_function))
        if inspect.iscoroutine(coroutine_function):
            coroutine_function.close()
            raise TypeError(f"step_through takes a coroutine function: hand over {given}, not {given}()")
        if inspect.isasyncgenfunction(coroutine_function):
            raise TypeError(f"step_through takes a coroutine function; {given} is a generator, with a yield")
        raise TypeError(f"step_through takes a coroutine function (async def), not {given}")
    name = _plain(coroutine_function).__name__
    sources = [_Source(function) for function in (coroutine_function, *functions)]
    _require_no_arguments(coroutine_function, name, () if loop is None else (loop,))
    if loop is None:
        recording, failure = _run_on_asyncio(coroutine_function, name)
        units = [unit for unit in recording.units.values() if unit.parent is not None]  # all but the recorder
    else:
        recording, failure = _run_on_toy(loop, coroutine_function, name)
        units = list(recording.units.values())
    title = caption or f"{name}, step by step."
    if loop is None and any(unit.kind == "thread" for unit in units):
        title += " The clock stands still for what a worker thread does."
    try:
        if units:
            show(*_card(frames(recording, units), sources, title))
    finally:
        if failure is not None:
            raise failure


def show_steps(recording: Recording, *functions: Callable, caption: str | None = None) -> None:
    """Show a recording as steps: what the event loop ran, what was ready, and what waited for what.

    recording: of `record(places=True)`. functions: those whose source to show, with a mark where each
    coroutine is. caption: what to see.
    Raises TypeError for anything but a Recording and for a function without source in Python, ValueError
    for an empty recording, for one made without places and for too many steps.
    """
    show(*steps_card(recording, *functions, caption=caption or _CAPTION))


def steps_card(recording: Recording, *functions: Callable, caption: str = _CAPTION) -> tuple[str, str]:
    """What `show_steps` shows, as HTML and as plain text; it raises the same."""
    steps = frames(recording)
    if not recording.has_places:
        raise ValueError("show_steps needs to know where each task gave up its loop: use record(places=True)")
    if len(default_units(recording)) < len(recording.units):
        caption += " Tasks that only make others and wait for them are left out."
    return _card(steps, [_Source(function) for function in functions], caption)


def _card(steps: list[Frame], sources: list[_Source], caption: str) -> tuple[str, str]:
    boxes = [_boxes(step) for step in steps]
    ever = {title for each in boxes for title, chips in each.items() if chips}
    shown = [title for title in boxes[0] if title in ever or (title in _LOOP and ever & _LOOP)]
    views = [
        _view([_box(title, each[title]) for title in shown], sources, step)
        for step, each in zip(steps, boxes)
    ]
    words = "".join(f"<li>{html.escape(step.said)}</li>" for step in steps)
    text = "\n".join([caption, *(f"{number}. {step.said}" for number, step in enumerate(steps, 1))])
    control = Control("step", [str(number) for number in range(1, len(steps) + 1)])
    said = [_said(step, number, len(steps)) for number, step in enumerate(steps, 1)]
    words = f"<ol>{words}</ol>"
    still = max(range(len(steps)), key=lambda place: _crowd(steps[place]))
    return player(
        [control], views, said, caption=caption, words=words, steps=True, still=still, style=_STYLE
    ), text


def _crowd(step: Frame) -> int:
    """In how many places there is somebody: the picture that shows most."""
    places = (step.running, step.ready, step.timers, step.suspended, step.permits, step.threads, step.done)
    return sum(bool(place) for place in places)


# --- Running


def _require_no_arguments(function: Callable, name: str, given: tuple) -> None:
    try:
        inspect.signature(function).bind(*given)
    except TypeError as error:
        advice = "it is given the loop alone" if given else "functools.partial gives it what it needs"
        raise TypeError(f"{name} cannot be called: {error}; {advice}") from None


def _run_on_asyncio(coroutine_function: Callable, name: str) -> tuple[Recording, BaseException | None]:
    recording, failure = Recording(), None

    async def run() -> None:
        nonlocal recording
        with record(places=True) as recording:
            await asyncio.create_task(coroutine_function(), name=name)

    try:
        run_on_virtual_clock(run(), _MOST_TURNS)
    except BaseException as error:
        failure = error
    return recording, failure


def _run_on_toy(
    loop_class: Callable, coroutine_function: Callable, name: str
) -> tuple[Recording, BaseException | None]:
    coroutines, failure = {}, None

    with record(places=True) as recording:
        loop = loop_class(lambda event, name: recording.observe(event, name, coroutines.get(name)))
        create_task = loop.create_task

        def create_known_task(coroutine: Coroutine, name: str) -> object:
            coroutines[name] = coroutine
            return create_task(coroutine, name)

        loop.create_task = create_known_task
        try:
            loop.run(coroutine_function(loop), name)
        except BaseException as error:
            failure = error
    return recording, failure


# --- Drawing


def _plain(function: Callable) -> Callable:
    """The function that a partial or a decorated one stands for."""
    while isinstance(function, functools.partial):
        function = function.func
    return inspect.unwrap(function)


class _Source:
    """The source of a function: its file, its lines and the number of the first. Docstrings are left out."""

    def __init__(self, function: Callable) -> None:
        function = _plain(function)
        try:
            lines, self.first = inspect.getsourcelines(function)
        except (OSError, TypeError):
            name = getattr(function, "__name__", repr(function))
            raise TypeError(f"{name!r} has no source that can be read") from None
        self.file = inspect.getsourcefile(function)
        # Text in a string may be indented less than the function.
        self.lines = [line[min(_indent(line), _indent(lines[0])) :].rstrip() for line in lines]
        self.left_out = _docstring(lines)

    def html(self, step: Frame) -> str:
        here = defaultdict(list)
        for name, (file, line) in step.places.items():
            if file == self.file:
                here[line].append(name)
        return "".join(
            _line(line, here[self.first + place], step)
            for place, line in enumerate(self.lines)
            if place not in self.left_out
        )


def _docstring(lines: list[str]) -> range:
    """The places of a function's lines that are its docstring."""
    try:
        function = ast.parse(textwrap.dedent("".join(lines))).body[0]
    except SyntaxError:  # a lambda, say, within other code
        return range(0)
    if (
        not isinstance(function, ast.AsyncFunctionDef | ast.FunctionDef)
        or ast.get_docstring(function) is None
    ):
        return range(0)
    return range(function.body[0].lineno - 1, function.body[0].end_lineno or 0)


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip())


def _line(text: str, names: list[str], step: Frame) -> str:
    if not names:
        return f'<div style="{_LINE}">{_code(" ", text)}</div>'
    mark = "▶" if any(name in step.running for name in names) else "•"
    here = ", ".join(f"▶ {name}" if name in step.running else name for name in names)
    who = f'<b style="{_WHO}">{html.escape(here)}</b>'
    return f'<div style="{_LINE}{_MARKED}">{_code(mark, text)}{who}</div>'


def _code(mark: str, text: str) -> str:
    hang = _indent(text) + 6  # what does not fit goes on below, further in
    indent = f"padding-left:{hang}ch;text-indent:-{hang}ch"
    return f'<span style="{_TEXT};{indent}">{mark} {html.escape(text)}</span>'


def _boxes(step: Frame) -> dict[str, list[str]]:
    """Title of a box -> what is in it."""
    return {
        "running now": [_running(name, dict(step.blocked).get(name)) for name in step.running],
        "ready queue": [_chip(name, State.READY) for name in step.ready],
        "timers": [_timer(name, due, step) for name, due in step.timers],
        "suspended on": [_chip(f"{name} ← {what}", State.WAITING) for name, what in step.suspended],
        "queued for a permit, lock or queue": [_chip(name, State.QUEUED) for name in step.permits],
        "worker threads": [_worker(name, state) for name, state in step.threads],
        "done": [_ended(name, outcome) for name, outcome in step.done],
    }


def _view(boxes: list[str], sources: list[_Source], step: Frame) -> str:
    left = f'<div style="{_BOXES}">{"".join(boxes)}</div>'
    code = '<div style="height:1em"></div>'.join(source.html(step) for source in sources)
    right = f'<div style="{_FRAME}{_CODE}">{code}</div>' if sources else ""
    return f'<div style="display:flex;flex-wrap:wrap;gap:8px">{left}{right}</div>'


def _said(step: Frame, number: int, count: int) -> str:
    time = "" if step.time is None else f", {step.time * 1e3:,.1f} ms"
    return f"Step {number} of {count}{time}: {step.said}"


def _box(title: str, chips: list[str]) -> str:
    content = "".join(chips) or '<span style="opacity:0.75">empty</span>'
    return f'<div style="{_FRAME}min-height:56px"><div style="font-weight:600">{title}</div>{content}</div>'


def _running(name: str, blocked: str | None) -> str:
    return _chip(f"{name}: blocks in {blocked}", State.BLOCKED) if blocked else _chip(name, State.RUNNING)


def _timer(name: str, due: float | None, step: Frame) -> str:
    text = name if due is None else f"{name} at {due * 1e3:,.0f} ms"
    return _chip(f"{text}, due", State.READY) if name in step.overdue else _chip(text, State.WAITING)


def _worker(name: str, state: str) -> str:
    return _chip(f"{name}: {state}", State(state))


def _ended(name: str, outcome: str) -> str:
    if outcome == "ok":
        return _chip(name)
    end = End(outcome)
    return _chip(f"{END_SYMBOL[end]} {name}: {outcome}", end)


def _chip(text: str, colour: State | End | None = None) -> str:
    fill = _FILLS.get(colour, _GREY)
    ink = "#111" if is_light(fill) else "#fff"
    return f'<span style="{_CHIP}background:{fill};color:{ink}">{html.escape(text)}</span>'
