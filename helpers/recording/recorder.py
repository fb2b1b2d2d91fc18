"""Record what tasks and threads do, as a `Recording`.

    with record() as recording:
        await asyncio.gather(...)

works around any code: a cell, top-level await, `asyncio.run`, thread pools, langchain-core. A
context variable selects what is recorded: the code of the block and what it starts, nothing else.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from time import perf_counter_ns
from traceback import walk_tb
from types import FrameType
from typing import Any

from helpers.recording import hooks
from helpers.recording.data import Reason, Recording, State
from helpers.recording.log import Log, Track, short_name, thread_clock

_active: Recorder | None = None

_TOY_STATES = {
    "ready": (State.READY, ""),
    "run": (State.RUNNING, ""),
    "sleep": (State.WAITING, Reason.TIMER),
    "wait": (State.WAITING, ""),
    "done": (None, "ok"),
    "failed": (None, "failed"),
}


def record(*, places: bool = False) -> Recorder:
    """A context manager that records its block and gives a `Recording`, complete after the block.

    places: whether to note at which line each task gives up its loop and which task it awaits, for
    `show_steps`. To look for them costs a third more; the line of a `time.sleep` is always noted.

    The block raises RuntimeError inside another recording and under a foreign event loop (uvloop).
    Garbage collection is off while recording.
    """
    return Recorder(places)


def working_on(name: str) -> AbstractContextManager[None]:
    """Mark the block as one simulated LLM call, in the recording that is under way, if any.

    The call belongs to the task or work item that makes it, and names it unless it has a name. A
    call made by the code of the `with record()` block itself, or in a plain thread, is a unit of
    its own.
    """
    return nullcontext() if _active is None else _active.call(name)


class Recorder:
    """Notes what happens between `__enter__` and `__exit__`; see `record`. The hooks call its methods."""

    def __init__(self, places: bool) -> None:
        self.places = places

    def __enter__(self) -> Recording:
        global _active
        if _active is not None:
            raise RuntimeError("a recording is already under way: recordings cannot be nested or overlap")
        loop = asyncio._get_running_loop()
        hooks.require_known_loop(loop)
        self.log = Log(getattr(loop, "nanoseconds", perf_counter_ns))  # a virtual clock's loop tells its own
        self.here = _Here(self.log)
        self._tasks: dict[asyncio.Task, Track] = {}
        self._toys: dict[str, Track] = {}
        self._toy_coroutines: dict[Track | None, Any] = {}
        self._below_toy: Track | None = None  # what ran when a toy loop began a step
        self.names = hooks.Names()
        self._stage: Track | None = None  # the task that entered the block
        self.first_step: Track | None = None  # the step of the block's task that was on when recording began
        self._uninstall = hooks.install(self)
        self._gc_was_on = gc.isenabled()
        gc.disable()
        self._block: FrameType | None = sys._getframe(1)
        self._recording = Recording(observer=self.observe, has_places=self.places)
        self._start = self.log.clock()
        _active = self
        hooks.selected.set(self)
        if loop is not None:
            self._enter_task(loop)
        return self._recording

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        global _active
        if self.here.track is not None:
            self._cut(self.here.track)
        end = self.log.clock()
        _active = None
        hooks.selected.set(None)
        self._uninstall()
        if self._gc_was_on:
            gc.enable()
        if self.first_step is not None:  # never suspended: a plain cell, its task is the kernel's own
            self.first_step.kind = "stage"
        self.log.fill(self._recording, self._start, end)
        self._recording.raised = error is not None or self._has_met_an_error()
        if self._stage is not None and self._stage.kind == "task":
            self._recording.block = self._stage.id
        self._recording.observer = None
        self._block, self.names = None, hooks.Names()
        self.log.forget_errors()  # with what their tracebacks hold

    def _enter_task(self, loop: asyncio.AbstractEventLoop) -> None:
        task = asyncio.current_task(loop)
        if task is None:
            return
        track = self._new_task(task)
        track.is_stage = True
        self._stage = track
        frame = getattr(task.get_coro(), "cr_frame", None)
        if frame is not None and frame.f_globals.get("__name__", "").startswith(("ipykernel.", "IPython.")):
            track.name = "cell"
        track.note(State.RUNNING, self.here.number)
        self.here.track = self.first_step = track

    def _has_met_an_error(self) -> bool:
        """Whether a failure, caught or not, came as far as the block or the task that others stem from."""
        parents = {track.parent for track in self.log.tracks}
        stems = {
            track.code
            for track in self.log.tracks
            if track.kind == "task" and track.parent is None and track in parents and track.code
        }
        return any(
            frame is self._block or frame.f_code in stems
            for error in self.log.all_errors()
            for frame, _ in walk_tb(error.__traceback__)
        )

    # What the hooks ask

    def covers_this_code(self) -> bool:
        """Whether the calling code is recorded, by its context or as part of a unit."""
        return hooks.selected.get() is self or self.here.track is not None

    # Tasks

    def task_ready(self, task: asyncio.Task, is_cancelled: bool) -> None:
        """The task was put on its loop's ready queue, perhaps because what it awaited was cancelled."""
        track = self._tasks.get(task) or self._new_task(task)
        here = self.here
        if self.places:
            self.note_place(hooks.running_frame())
        if here.is_timer and track.reason != Reason.TIMER:
            track.note(State.READY, reason=Reason.TIME_LIMIT)
            return
        if is_cancelled:
            track.note(State.READY, reason=Reason.CANCELLED)
            return
        if here.due is not None:
            track.note(State.READY, reason=Reason.OVERDUE, since=here.due)
        track.note(State.READY)

    def note_place(self, frame: FrameType | None) -> None:
        """Note where the unit is that runs here, if one does."""
        if frame is not None and self.here.track is not None:
            code = frame.f_code
            self.log.passages.append((self.here.track, self.log.clock(), code.co_filename, frame.f_lineno))

    def run_step(self, task: asyncio.Task, run: Callable, handle: asyncio.Handle) -> None:
        """Take one step of a task."""
        track = self._tasks.get(task) or self._new_task(task)
        here = self.here
        outer, here.track = here.track, track
        track.note(State.RUNNING, here.number)
        try:
            run(handle)
        finally:
            self._end_step(track)
            here.track = outer

    def run_callback(
        self, callback: Callable, late: float | None, run: Callable, handle: asyncio.Handle
    ) -> None:
        """Run a callback that is no step, `late` seconds after its timer was due; None: it has no timer."""
        here = self.here
        here.is_timer = late is not None
        before, start = thread_clock(), self.log.clock()
        due = start - int((late or 0) * 1e9)
        here.due = due if due < here.idle_from else None  # else the loop was not busy, only woken late
        try:
            run(handle)
        finally:
            here.due, here.is_timer = None, False
            name, end = hooks.function_name(callback), self.log.clock()
            self.log.callbacks.append((start, end, here.number, name, before, thread_clock()))

    def run_eager_start(self, coro: Any, create: Callable[[], asyncio.Task]) -> asyncio.Task:
        """Create a task that may take its first step at once."""
        here = self.here
        # Not listed until its task is known: an ordinary task is listed when it becomes ready.
        track = self._task_track(coro, here.track)
        track.note(State.RUNNING, here.number)
        outer, here.track = here.track, track
        try:
            task = create()
        finally:
            here.track = outer
        if task not in self._tasks:
            self._list_task(track, task)
        if self._tasks[task] is track:
            self._end_step(track)
        return task

    def loop_turns(self) -> None:
        """The current thread's event loop has run what was ready, and looks for more."""
        self.end_first_step()
        self.here.idle_from = self.log.clock()

    def end_first_step(self) -> None:
        """On the thread of the task that entered the block: the step that was then on is over.

        It began before the hooks were in place, so that only what follows it tells its end.
        """
        track = self.first_step
        if track is not None and self.here.track is track:
            self._end_step(track)
            self.first_step = self.here.track = None

    def _new_task(self, task: asyncio.Task) -> Track:
        parent = self.here.track
        if parent is not None and parent.kind == "task" and parent.task is None:  # see run_eager_start
            if asyncio.current_task() is task:
                return self._list_task(parent, task)
            parent = parent.parent
        return self._list_task(self._task_track(task.get_coro(), parent), task)

    def _task_track(self, coro: Any, parent: Track | None) -> Track:
        name = getattr(coro, "__qualname__", type(coro).__name__)
        # asyncio.run cleans up in tasks of its own
        kind = "internal" if name.startswith("BaseEventLoop.") else "task"
        code, frame = getattr(coro, "cr_code", None), getattr(coro, "cr_frame", None)
        name = short_name(name)
        held_as = "" if frame is None else self.names.held(name, *hooks.variables(frame).values())
        return self.log.new(kind, name, parent=parent, code=code, held_as=held_as)

    def _list_task(self, track: Track, task: asyncio.Task) -> Track:
        track.task = task
        self._tasks[task] = track
        self.log.tracks.append(track)
        return track

    def _end_step(self, track: Track) -> None:
        task = track.task
        if task.done():
            # task.exception() would count as having seen the error, and silence asyncio's warning
            error = task._exception
            track.finish("cancelled" if task.cancelled() else "failed" if error else "ok", error)
            return
        is_ready = track.is_in(State.READY)  # the step has put the task back on the ready queue
        if is_ready and not self.places:
            return
        reason, frame = hooks.suspended_at(task)
        if not is_ready:
            track.note(State.QUEUED if reason in hooks.QUEUES else State.WAITING, reason=reason)
        if self.places and frame is not None:
            awaited = self._tasks.get(task._fut_waiter)
            place = (track, track.events[-1][0], frame.f_code, frame.f_lineno, awaited)
            self.log.suspensions.append(place)

    # Threads and work items of executors

    def run_thread(self, run: Callable[[], None]) -> None:
        """Run a thread that recorded code started; before Python 3.14 its context is empty."""
        hooks.selected.set(self)
        run()

    def new_item(self, function: Callable, *args: Any) -> Track:
        """A work item, a call of `function`, that is about to be queued; not yet listed."""
        name = short_name(hooks.function_name(function, *args))
        held_as = self.names.held(name, *hooks.layers(function, *args), *args)
        item = self.log.new("thread", name, parent=self.here.track, held_as=held_as)
        item.note(State.QUEUED, reason=Reason.WORKER)
        return item

    def run_item(self, item: Track, fn: Callable, /, *args: Any, **kwargs: Any) -> Any:
        """Run a work item's function in a worker."""
        here = self.here
        outer, here.track = here.track, item
        token = hooks.selected.set(self)
        item.note(State.RUNNING, here.number)
        outcome, failure = "ok", None
        try:
            return fn(*args, **kwargs)
        except BaseException as error:
            outcome, failure = "failed", error
            raise
        finally:
            item.finish(outcome, failure)
            failure = None  # else its traceback would hold this frame, and this frame the error
            hooks.selected.reset(token)
            here.track = outer

    # Simulated calls and toy tasks

    @contextmanager
    def call(self, name: str) -> Iterator[None]:
        """See `working_on`."""
        if not self.covers_this_code():
            yield
            return
        hooks.require_known_loop(asyncio._get_running_loop())
        here = self.here
        if here.track is None:
            here.track = self.log.add("stage", "", is_stage=True)
            here.track.note(State.RUNNING, here.number)
        track = here.track
        start = self._cut(track)
        unit = track
        if track.is_stage:
            unit = self.log.add("call", name, parent=track, within=track, created=start)
        entry: list[Any] = [unit, name, start, None]
        self.log.calls.append(entry)
        outcome, failure = "ok", None
        try:
            yield
        except BaseException as error:
            outcome = "cancelled" if isinstance(error, asyncio.CancelledError) else "failed"
            failure = error
            raise
        finally:
            entry[3] = self._cut(track)
            if unit is not track:
                unit.outcome, unit.error, unit.done = outcome, failure, entry[3]
            failure = None  # else its traceback would hold this frame, and this frame the error

    def observe(self, event: str, name: str, coroutine: Any = None) -> None:
        """See `Recording.observe`."""
        if event not in _TOY_STATES:
            raise ValueError(f"a toy loop's event is one of {', '.join(_TOY_STATES)}, not {event!r}")
        state, detail = _TOY_STATES[event]
        here = self.here
        if state is State.READY and here.track in self._toy_coroutines:
            self.note_place(self._toy_coroutines[here.track].cr_frame)
        toy = self._toys.get(name)
        if toy is None or toy.done is not None:
            toy = self._toys[name] = self.log.add("toy", name, parent=here.track)
        if here.track is toy:
            here.track = self._below_toy
        if state is None:
            # A loop tells of a failure where it has caught it.
            toy.finish(detail, sys.exception() if detail == "failed" else None)
        elif state is State.RUNNING:
            self._below_toy, here.track = here.track, toy
            toy.note(state, here.number)
        else:
            toy.note(state, reason=detail)
        if coroutine is not None:
            toy.code = coroutine.cr_code
            self._toy_coroutines[toy] = coroutine
            frame = hooks.innermost_frame(coroutine)
            if state is State.WAITING and frame is not None:
                awaited = self._toys.get(hooks.awaited_name(coroutine) or "")
                place = (toy, toy.events[-1][0], frame.f_code, frame.f_lineno, awaited)
                self.log.suspensions.append(place)

    def _cut(self, track: Track) -> int:
        """Begin a new stretch of a running track, and return the time."""
        if self.here.track is track:
            return track.note(State.RUNNING, self.here.number)
        return self.log.clock()


class _Here(threading.local):
    """What a recorder knows about the current thread."""

    def __init__(self, log: Log) -> None:
        self.number = log.add_thread(threading.current_thread().name)
        self.track: Track | None = None  # what the thread executes
        self.idle_from = 0  # when its event loop last had nothing more to run
        self.is_timer = False  # whether a timer's callback runs
        self.due: int | None = None  # when the timer was due whose callback runs, if the loop was busy then
