"""The playground: build a chain with widgets, run it in a process of its own, look at what happened."""

from __future__ import annotations

import html
import threading
from collections.abc import Callable, Iterable, Mapping
from string import ascii_lowercase

import ipywidgets as widgets
from IPython.display import display

from helpers.explorables.stepper import steps_card
from helpers.figures.output import figure_card
from helpers.figures.timeline import draw_timeline, draw_timelines
from helpers.playground.plans import (
    LIBRARIES,
    MAX_CALLS,
    MAX_INPUTS,
    MAX_LATENCY,
    SIDES,
    WORK,
    Group,
    Plan,
    python,
)
from helpers.playground.runs import Outcome, Run, describe_run, describe_times
from helpers.playground.six_ways import WAYS
from helpers.recording.data import Recording

MAX_ROWS = 4
MAX_KEPT = 6
MAX_STEPPED = 24  # calls; step by step, more are a long way
MAX_COMPARED = 150  # lanes, in all runs that are compared

TEXT = "The playground: widgets to build a chain, run it, and look at what happened."
STATIC = (
    "<div><b>The playground.</b> Its controls are widgets and need a running kernel: <b>run this cell to get "
    "them</b> (click into it, then press Shift+Enter).<br>Then you choose up to four groups of branches (how "
    "many, how long, I/O or CPU, async or sync, failing or not), the way to call the chain, a limit, and "
    "the library. Run draws the timeline, says in words what happened, shows each step, and gives the "
    "Python that does the same. Below, some runs are made without widgets.</div>"
)

_WIDE = {"description_width": "initial"}
_MESSAGE = '<div role="{}" style="line-height:1.5;min-height:1.5em">{}</div>'
_PRE = (
    '<pre tabindex="0" aria-label="{}" style="margin:6px 0;padding:8px 12px;border:1px solid #8a8a8a;'
    "border-radius:4px;background:rgba(128,128,128,0.12);line-height:1.4;overflow-x:auto;"
    'font-family:var(--jp-code-font-family,monospace);font-size:var(--jp-code-font-size,13px)">{}</pre>'
)
# execCommand needs no secure origin, unlike navigator.clipboard, and leaves the text selected.
_COPY = (
    '<button class="jupyter-widgets jupyter-button widget-button" title="copy the Python to the clipboard" '
    "onclick=\"const code = this.parentElement.querySelector('pre');"
    "getSelection().selectAllChildren(code);"
    "this.textContent = document.execCommand('copy') ? 'Copied' : 'Press Ctrl+C'\">Copy</button>"
)
# JupyterLab's own keys (arrows, Enter, letters) would act on the cell while a control has the focus.
_KEEP_KEYS = """<script>
document.addEventListener("focusin", (event) => {
  const control = event.target;
  if (control.closest(".course-playground")) control.setAttribute("data-lm-suppress-shortcuts", "true");
});
</script>
<style>
/* The arrow of the widgets' own dropdown is dark on dark. */
[data-jp-theme-light="false"] .course-playground select {
  appearance: auto; background-image: none; color-scheme: dark;
}
</style>"""


def show_playground(libraries: Mapping[str, tuple]) -> None:
    """Show the playground as one output, with a text for where widgets are not shown.

    libraries: name -> (RunnableParallel, RunnableLambda); the names are those of
    `helpers.playground.plans.LIBRARIES`.
    Raises ValueError for another name or for none.
    """
    playground = Playground(libraries)
    # Not display(widget): that would give a text with the id of the widget in it.
    view = {"model_id": playground.view.model_id, "version_major": 2, "version_minor": 0}
    data = {"application/vnd.jupyter.widget-view+json": view, "text/html": STATIC, "text/plain": TEXT}
    display(data, raw=True)


class Playground:
    """The widgets and what they do. `view` holds all of them.

    A run is followed by a thread of its own, which ends with it; so do the drawings.
    """

    def __init__(self, libraries: Mapping[str, tuple]) -> None:
        if not libraries or not set(libraries) <= set(LIBRARIES):
            raise ValueError(f"libraries must be named {' or '.join(LIBRARIES)}, not {list(libraries)}")
        self.libraries = dict(libraries)
        self.rows: list[_Row] = []
        self.kept: dict[str, tuple[Recording, str]] = {}  # title -> recording, its facts
        self.last: tuple[str, Recording, str] | None = None  # title, recording and facts of the last run
        self._keeps = 0
        self._run: Run | None = None
        self._busy = ""  # what is under way
        self._lock = threading.Lock()  # around `_busy`, and the message that goes with it
        self._make_controls()
        self._make_results()
        self.view = widgets.VBox(
            [
                _heading("Branches"),
                self.row_box,
                self.add,
                _heading("Call"),
                _line(self.way, self.library, self.inputs, self.limited, self.limit),
                _line(self.run, self.cancel, self.keep, self.compare, self.clear),
                _line(self.progress, self.status),
                self.comparison,
                self.facts,
                self.timeline,
                self.steps_title,
                self.steps,
                _heading("The same in Python, for the settings above"),
                self.code,
                _script(_KEEP_KEYS),
            ],
            layout={"max_width": "1180px"},
        )
        self.view.add_class("course-playground")
        for group in (Group(3, 0.3), Group(1, 0.8)):
            self._add_row(group)
        self._settings_changed()
        self._say("Ready. Run starts the chain; every run has a Python process of its own.")

    def _make_controls(self) -> None:
        self.row_box = widgets.VBox([])
        self.add = _button("Add a row", "add another group of branches", self._on_add)
        self.way = _choice("way", WAYS, "the method that is called", value="ainvoke")
        self.library = _choice("library", self.libraries, "whose RunnableParallel is used")
        self.inputs = _count("inputs", 2, MAX_INPUTS, "how many inputs batch and abatch get", "110px")
        self.limited = widgets.Checkbox(
            description="with a limit",
            indent=False,
            tooltip="whether a max_concurrency is set",
            layout={"width": "auto", "margin": "2px"},
        )
        self.limit = _count("max_concurrency", 2, MAX_CALLS, "how many may run at a time", "180px")
        for widget in (self.way, self.library, self.inputs, self.limited, self.limit):
            widget.observe(lambda change: self._settings_changed(), "value")
        self.run = _button("Run", "run the chain", self._on_run, "primary")
        self.cancel = _button("Cancel", "end the run that is under way", self._on_cancel)
        self.keep = _button("Keep", "keep the last run, to compare it with others", self._on_keep)
        self.compare = _button("Compare", "show all kept runs on one time axis", self._on_compare)
        self.clear = _button("Clear kept", "forget all kept runs", self._on_clear)

    def _make_results(self) -> None:
        self.progress = widgets.IntProgress(
            description="calls", max=1, tooltip="how many calls of branches have ended", style=_WIDE
        )
        self.status = widgets.HTML(layout={"flex": "1 1 400px"})
        self.facts, self.timeline, self.code = widgets.HTML(), widgets.HTML(), widgets.HTML()
        self.steps_title = widgets.HTML()
        self.steps = widgets.Output()
        self.comparison = widgets.HTML()

    # Settings

    @property
    def plan(self) -> Plan:
        """The plan that the controls show. Raises ValueError if it cannot be run."""
        return Plan(
            tuple(row.group for row in self.rows),
            self.way.value,
            self.limit.value if self.limited.value else None,
            self.library.value,
            self.inputs.value,
        )

    def _settings_changed(self) -> None:
        self.inputs.layout.display = "" if self.way.value.endswith("batch") else "none"
        self.limit.layout.display = "" if self.limited.value else "none"
        try:
            code = python(self.plan)
        except ValueError as error:
            self.code.value = f"<div>There is none: {html.escape(str(error))}.</div>"
        else:
            self.code.value = f"<div>{_COPY}{_PRE.format('Python', html.escape(code))}</div>"

    def _add_row(self, group: Group) -> None:
        self.rows.append(_Row(group, self._settings_changed, self._remove))
        self._rows_changed()

    def _remove(self, row: _Row) -> None:
        if len(self.rows) == 1:
            self._say("A chain needs at least one row of branches.")
            return
        self.rows.remove(row)
        self._rows_changed()
        self.add.focus()  # the button that had the focus is gone

    def _rows_changed(self) -> None:
        for letter, row in zip(ascii_lowercase, self.rows):
            row.letter = letter
        self.row_box.children = [row.view for row in self.rows]
        self._settings_changed()

    # What the buttons do

    def _on_add(self) -> None:
        if len(self.rows) == MAX_ROWS:
            self._say(f"There are {MAX_ROWS} rows, the most that fit here.")
        else:
            self._add_row(Group())

    def _on_run(self) -> None:
        with self._lock:
            if self._busy:
                self._say(f"{self._busy} Cancel ends it." if self._run else self._busy)
                return
            try:
                plan = self.plan
                run = self._run = Run(plan, self.libraries)
            except (ValueError, OSError) as error:
                self._say(f"Not started: {error}.")
                return
            self._busy = "One run at a time: one is under way."
            self.cancel.button_style = "warning"
            self.progress.value, self.progress.max = 0, plan.calls
            self._say("Starting a Python process ...")
        self._start(lambda: self._follow(run))

    def _on_cancel(self) -> None:
        run = self._run
        if run is None:
            self._say(self._busy or "Nothing is running.")
        else:
            run.cancel()

    def _on_keep(self) -> None:
        if self.last is None:
            self._say("There is no run to keep yet: Run one first.")
            return
        title, recording, facts = self.last
        if any(recording is kept for kept, _ in self.kept.values()):
            self._say("The last run is kept already: change something and Run again.")
        elif len(self.kept) == MAX_KEPT:
            self._say(f"{MAX_KEPT} runs are kept, the most that can be compared: Clear kept first.")
        else:
            self._keeps += 1
            self.kept[f"{self._keeps}: {title}"] = recording, facts
            self._say(f"Kept as {self._keeps}: {title}. Compare shows all kept runs, now {len(self.kept)}.")

    def _on_compare(self) -> None:
        with self._lock:
            lanes = sum(len(recording.lanes()) for recording, _ in self.kept.values())
            if self._busy:
                self._say(self._busy)
            elif not self.kept:
                self._say("There is nothing to compare yet: Keep a run first, then another.")
            elif lanes > MAX_COMPARED:
                self._say(
                    f"The kept runs have {lanes} calls in all; at most {MAX_COMPARED} can be drawn one below "
                    "the other: Clear kept, and keep smaller ones."
                )
            else:
                self._busy = "The comparison is being drawn; a moment, please."
                self._say("Drawing the comparison ...")
                self._start(self._draw_comparison)

    def _on_clear(self) -> None:
        self._say(f"Forgotten: {len(self.kept)} kept run{'' if len(self.kept) == 1 else 's'}.")
        self.kept.clear()
        self.comparison.value = ""

    # Runs and drawings, each in a thread of its own

    def _start(self, work: Callable[[], str]) -> None:
        """Do `work` in a thread; what it returns becomes the message when all is over."""

        def task() -> None:
            try:
                message = work()
            except Exception as error:  # a message, where nobody would see a traceback
                message = f"This went wrong: {type(error).__name__}: {error}"
            with self._lock:
                self._run, self._busy = None, ""
                self._say(message)

        threading.Thread(target=task, name="playground", daemon=True).start()

    def _follow(self, run: Run) -> str:
        few = max(1, run.plan.calls // 20)  # each change is a message to the browser: not for every call

        def on_progress(started: int, ended: int) -> None:
            if started % few == 0 or ended % few == 0:
                self.progress.value = ended
                under_way = started - ended
                message = f"Running: {ended} of {run.plan.calls} calls have ended, {under_way} under way."
                self._say(message, "status")

        outcome = run.follow(on_progress)
        self._run = None  # nothing to cancel any more
        self.cancel.button_style = ""
        self._busy = "The result is being drawn; a moment, please."
        self.progress.value = outcome.ended
        return self._show(outcome)

    def _show(self, outcome: Outcome) -> str:
        """Show what came of a run; return it in short."""
        if outcome.recording is None:
            self._show_nothing(outcome)
            return describe_run(outcome)
        title = outcome.plan.title
        words, times = describe_run(outcome), describe_times(outcome)
        self._say("Drawing ...", "status")
        fig = draw_timeline(outcome.recording, title, limit=outcome.plan.max_concurrency, join=True)
        picture = figure_card(fig, caption=times, text=f"{title}\n{words}")
        self.last = title, outcome.recording, f"{words} {times}"
        self.facts.value = _facts(title, [words, times, _came(outcome)])
        self.timeline.value = picture
        self._show_steps(outcome)
        ended = "Done" if outcome.end == "done" else "It raised an error"
        return f"{ended}, after {outcome.seconds:.2f} s: {title}."

    def _show_nothing(self, outcome: Outcome) -> None:
        self.last = None
        self.facts.value = _facts(outcome.plan.title, [describe_run(outcome), describe_times(outcome)])
        self.timeline.value = self.steps_title.value = ""
        self.steps.outputs = ()

    def _show_steps(self, outcome: Outcome) -> None:
        self.steps_title.value = _title("Step by step")
        try:
            if outcome.plan.calls > MAX_STEPPED:
                raise ValueError(f"it has {outcome.plan.calls} calls, and {MAX_STEPPED} are the most")
            if outcome.recording is None:
                raise ValueError("it has called no branch")
            body, text = steps_card(outcome.recording)
        except ValueError as error:
            self.steps_title.value += f"<div>Not for this run: {html.escape(str(error))}.</div>"
            self.steps.outputs = ()
        else:
            self.steps.outputs = (_output(body, text),)

    def _draw_comparison(self) -> str:
        kept = dict(self.kept)
        fig = draw_timelines({title: recording for title, (recording, _) in kept.items()}, join=True)
        text = "\n".join(f"{title}: {facts}" for title, (_, facts) in kept.items())
        card = figure_card(fig, caption="Kept runs on one time axis.", text=text)
        self.comparison.value = _title("Kept runs, compared") + card
        return f"Compared: {len(kept)} kept run{'' if len(kept) == 1 else 's'}."

    def _say(self, message: str, role: str = "alert") -> None:
        # A screen reader speaks what is new with the role alert, even if the element itself is new.
        self.status.value = _MESSAGE.format(role, html.escape(message))


class _Row:
    """The controls of a group. `letter` is the letter of its branches."""

    def __init__(self, group: Group, changed: Callable[[], None], remove: Callable[[_Row], None]) -> None:
        self.count = _count("", group.count, MAX_CALLS, "", "140px")
        self.latency = widgets.BoundedFloatText(
            description="seconds",
            value=group.latency,
            min=0,
            max=MAX_LATENCY,
            step=0.1,
            style=_WIDE,
            layout={"width": "130px"},
        )
        self.work = _choice("work", WORK, "", value=group.work)
        self.side = _choice("side", SIDES, "", value=group.side)
        self.fails = widgets.Checkbox(
            description="fails",
            value=group.fails,
            indent=False,
            layout={"width": "auto", "margin": "2px"},
        )
        self.remove = _button("Remove", "", lambda: remove(self))
        controls = (self.count, self.latency, self.work, self.side, self.fails)
        for widget in controls:
            widget.observe(lambda change: changed(), "value")
        self.view = _line(*controls, self.remove)

    @property
    def group(self) -> Group:
        return Group(self.count.value, self.latency.value, self.work.value, self.side.value, self.fails.value)

    @property
    def letter(self) -> str:
        return self.count.description[0]

    @letter.setter
    def letter(self, letter: str) -> None:
        self.count.description = f"{letter}: branches"
        self.count.tooltip = f"row {letter}: how many branches"
        self.latency.tooltip = f"row {letter}: seconds that each branch takes"
        self.work.tooltip = f"row {letter}: I/O waits, CPU computes"
        self.side.tooltip = f"row {letter}: async def, a plain function, or both"
        self.fails.tooltip = f"row {letter}: whether each branch raises an error at its end"
        self.remove.tooltip = f"remove row {letter}"


def _count(name: str, value: int, most: int, tooltip: str, width: str) -> widgets.BoundedIntText:
    return widgets.BoundedIntText(
        description=name,
        value=value,
        min=1,
        max=most,
        tooltip=tooltip,
        style=_WIDE,
        layout={"width": width},
    )


def _choice(name: str, options: Iterable, tooltip: str, **values: object) -> widgets.Dropdown:
    return widgets.Dropdown(
        description=name,
        options=list(options),
        tooltip=tooltip,
        style=_WIDE,
        layout={"width": "auto"},
        **values,
    )


def _button(name: str, tooltip: str, work: Callable[[], None], style: str = "") -> widgets.Button:
    button = widgets.Button(description=name, tooltip=tooltip, button_style=style, layout={"width": "110px"})
    button.on_click(lambda _: work())
    return button


def _line(*children: widgets.Widget) -> widgets.HBox:
    layout = {"flex_flow": "row wrap", "align_items": "center", "grid_gap": "2px 12px"}
    return widgets.HBox(children, layout=layout)


def _output(body: str, text: str) -> dict:
    """What goes into an Output widget, which runs scripts; an HTML widget does not."""
    data = {"text/html": body, "text/plain": text}
    return {"output_type": "display_data", "data": data, "metadata": {}}


def _script(script: str) -> widgets.Output:
    return widgets.Output(outputs=(_output(script, ""),), layout={"height": "0", "margin": "0"})


def _heading(text: str) -> widgets.HTML:
    return widgets.HTML(_title(text))


def _title(text: str) -> str:
    return f'<div role="heading" aria-level="3" style="font-weight:bold;margin-top:10px">{text}</div>'


def _facts(title: str, lines: list[str]) -> str:
    """What happened, in words: a heading and a paragraph for each line."""
    said = "".join(f"<div>{html.escape(line)}</div>" for line in lines if line)
    return f'{_title("What happened: " + html.escape(title))}<div style="line-height:1.5">{said}</div>'


def _came(outcome: Outcome) -> str:
    """The result itself, as far as it fits on a line or two."""
    text = repr(outcome.result)
    shown = text if len(text) <= 300 else text[:297] + "..."
    return "" if outcome.end != "done" else f"Result: {shown}"
