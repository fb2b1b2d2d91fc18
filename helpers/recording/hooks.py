"""What a recorder replaces in asyncio, concurrent.futures and time while it records.

Each function below makes one replacement out of the recorder and the original.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import inspect
import os
import sys
import threading
import time
from asyncio.base_events import BaseEventLoop
from asyncio.events import Handle
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from contextvars import Context, ContextVar, copy_context
from itertools import islice
from types import CoroutineType, FrameType, GeneratorType
from typing import TYPE_CHECKING, Any

from helpers.recording.data import Reason, State
from helpers.recording.log import short_name

if TYPE_CHECKING:
    from helpers.recording.recorder import Recorder

QUEUES = {"Semaphore.acquire", "BoundedSemaphore.acquire", "Lock.acquire", "Queue.put", "Condition.wait"}
"""A task whose innermost coroutine is one of these is held back by a limit."""

selected: ContextVar[Recorder | None] = ContextVar("selected", default=None)
"""The recorder that records what runs in this context."""

_hooks: list[tuple[Any, str, Callable]] = []
_MACHINERY = (os.path.dirname(asyncio.__file__), os.path.dirname(concurrent.futures.__file__), __file__)
_OWN_REFERENCES = 3  # of the frame, of the variable, of the call that counts them
_NEAR = 3  # so many frames around a call may know its name
_RECORDER = os.path.join(os.path.dirname(__file__), "recorder.py")
_STEP = Handle._run.__code__  # below it there is the loop
_STEP_NAMES = {"TaskStepMethWrapper", "task_wakeup", "__step", "__wakeup"}


def install(recorder: Recorder) -> Callable[[], None]:
    """Put all replacements in place and return the function that takes them out again.

    Raises RuntimeError, with nothing replaced, if this Python lacks one of the places.
    """
    missing = [f"{owner.__name__}.{name}" for owner, name, _ in _hooks if not hasattr(owner, name)]
    if missing:
        names = ", ".join(missing)
        raise RuntimeError(f"record() needs {names}, which this Python lacks; use CPython 3.11 to 3.14")
    with ExitStack() as stack:
        for owner, name, make in _hooks:
            original = getattr(owner, name)
            setattr(owner, name, functools.wraps(original)(make(recorder, original)))
            stack.callback(setattr, owner, name, original)
        return stack.pop_all().close


def require_known_loop(loop: asyncio.AbstractEventLoop | None) -> None:
    """Raise RuntimeError if `loop` is not one that the hooks see into."""
    if loop is not None and not isinstance(loop, BaseEventLoop):
        kind = f"{type(loop).__module__}.{type(loop).__qualname__}"
        raise RuntimeError(f"record() sees nothing of a {kind}: use asyncio's own event loop")


def _replaces(owner: Any, name: str) -> Callable:
    def register(make: Callable) -> Callable:
        _hooks.append((owner, name, make))
        return make

    return register


def _task_stepped_by(callback: Callable) -> asyncio.Task | None:
    """The task whose next step `callback` is, if it is one (a bound `cancel`, say, is none)."""
    task = getattr(callback, "__self__", None)
    if not isinstance(task, asyncio.Task):
        return None
    named = type(callback).__name__ in _STEP_NAMES or getattr(callback, "__name__", "") in _STEP_NAMES
    return task if named else None


@_replaces(BaseEventLoop, "_call_soon")
def _becomes_ready(recorder: Recorder, original: Callable) -> Callable:
    def call_soon(loop, callback, args, context):
        if context is not None and context.get(selected) is recorder:
            task = _task_stepped_by(callback)
            if task is not None:
                is_cancelled = bool(args) and asyncio.isfuture(args[0]) and args[0].cancelled()
                recorder.task_ready(task, is_cancelled)
        return original(loop, callback, args, context)

    return call_soon


@_replaces(Handle, "_run")
def _runs(recorder: Recorder, original: Callable) -> Callable:
    def run(handle):
        if recorder.first_step is not None:
            recorder.end_first_step()
        if handle._context.get(selected) is not recorder:
            return original(handle)
        task = _task_stepped_by(handle._callback)
        if task is not None:
            return recorder.run_step(task, original, handle)
        when = getattr(handle, "_when", None)
        late = None if when is None else handle._loop.time() - when
        return recorder.run_callback(handle._callback, late, original, handle)

    return run


@_replaces(BaseEventLoop, "_run_once")
def _turns(recorder: Recorder, original: Callable) -> Callable:
    def run_once(loop):
        recorder.loop_turns()
        return original(loop)

    return run_once


@_replaces(BaseEventLoop, "create_task")
def _starts_eagerly(recorder: Recorder, original: Callable) -> Callable:
    """An eager task (Python 3.12) takes its first step inside create_task, not from a handle."""

    def create_task(loop, coro, **options):
        context = options.get("context") or copy_context()
        if loop.get_task_factory() is None or context.get(selected) is not recorder:
            return original(loop, coro, **options)
        return recorder.run_eager_start(coro, lambda: original(loop, coro, **options))

    return create_task


@_replaces(BaseEventLoop, "call_at")
def _sets_timer(recorder: Recorder, original: Callable) -> Callable:
    def call_at(loop, when, callback, *args, context=None):
        track = recorder.here.track
        if track is not None:
            now = recorder.log.clock()
            recorder.log.timers.append((track, now, now + int((when - loop.time()) * 1e9)))
        return original(loop, when, callback, *args, context=context)

    return call_at


@_replaces(asyncio.Semaphore, "acquire")
def _acquires(recorder: Recorder, original: Callable) -> Callable:
    async def acquire(semaphore):
        track = recorder.here.track
        if track is None:
            return await original(semaphore)
        track.wants_permit = True
        await original(semaphore)
        track.permits += 1
        track.acquired = track.acquired or recorder.log.clock()
        return True

    return acquire


@_replaces(asyncio.Semaphore, "release")
def _releases(recorder: Recorder, original: Callable) -> Callable:
    def release(semaphore):
        track = recorder.here.track
        if track is not None and track.permits:
            track.permits -= 1
            track.released = recorder.log.clock()
        return original(semaphore)

    return release


@_replaces(asyncio.Runner, "run")
def _runs_loop(recorder: Recorder, original: Callable) -> Callable:
    def run(runner, coro, **options):
        try:
            require_known_loop(runner.get_loop())
        except RuntimeError:
            coro.close()  # else Python warns that it was never awaited
            raise
        return original(runner, coro, **options)

    return run


@_replaces(time, "sleep")
def _sleeps(recorder: Recorder, original: Callable) -> Callable:
    def sleep(seconds):
        here = recorder.here
        track = here.track
        if track is None:
            return original(seconds)
        recorder.note_place(running_frame())
        track.note(State.BLOCKED, here.number, Reason.SLEEP)
        # A loop on a virtual clock lets the time pass without waiting.
        pause = getattr(asyncio._get_running_loop(), "pass_time", original)
        try:
            return pause(seconds)
        finally:
            track.note(State.RUNNING, here.number)

    return sleep


@_replaces(threading.Thread, "start")
def _starts_thread(recorder: Recorder, original: Callable) -> Callable:
    def start(thread):
        if recorder.covers_this_code():
            thread.run = functools.partial(recorder.run_thread, thread.run)
        return original(thread)

    return start


@_replaces(ThreadPoolExecutor, "submit")
def _submits(recorder: Recorder, original: Callable) -> Callable:
    def submit(pool, fn, /, *args, **kwargs):
        if not recorder.covers_this_code():
            return original(pool, fn, *args, **kwargs)
        item = recorder.new_item(fn, *args)
        future = original(pool, recorder.run_item, item, fn, *args, **kwargs)
        recorder.log.tracks.append(item)
        future.add_done_callback(lambda future: item.finish("cancelled") if future.cancelled() else None)
        return future

    return submit


def _tells_errors(recorder: Recorder, original: Callable) -> Callable:
    """What asyncio raises for a failure or a time limit is no unit's own exception."""

    async def tell(*args, **options):
        try:
            return await original(*args, **options)
        except Exception as error:
            if recorder.covers_this_code():
                recorder.log.errors.append(error)
            raise

    return tell


_replaces(asyncio.TaskGroup, "__aexit__")(_tells_errors)
_replaces(asyncio.Timeout, "__aexit__")(_tells_errors)
_replaces(asyncio, "wait_for")(_tells_errors)


def layers(function: Any, *args: Any) -> Iterator[Any]:
    """What a call runs, from the outside to the inside: partials and Context.run are looked through.

    The arguments that a layer adds come with it.
    """
    while True:
        yield function
        if isinstance(function, functools.partial):
            yield from function.args
            function, args = function.func, (*function.args, *args)
        elif args and isinstance(getattr(function, "__self__", None), Context):
            function, args = args[0], args[1:]
        else:
            return


def function_name(function: Callable, *args: Any) -> str:
    """The name of what a call runs in the end."""
    *_, innermost = layers(function, *args)
    return getattr(innermost, "__qualname__", type(innermost).__name__)


class Names:
    """The names by which the code that starts calls knows them: the keys of its dicts."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[dict, int, dict[int, str | int]]] = {}

    def held(self, name: str, *things: Any) -> str:
        """The key that one of `things` has in a dict of the code around, if it has one there, else "".

        Only functions and runnables count, and only dicts that begin with one. name: what a number
        follows, if the key is one.
        """
        wanted = [thing for thing in things if _is_callable(thing)]
        if not wanted:
            return ""
        for frame in islice(_own_frames(), _NEAR):
            for variable, value in variables(frame).items():
                if isinstance(value, dict) and not variable.startswith("_"):
                    keys = self._keys(value)
                    for thing in wanted:
                        key = keys.get(id(thing))
                        if key is not None and value.get(key) is thing:
                            return key if isinstance(key, str) else f"{name} {key}"
        return ""

    def _keys(self, branches: dict) -> dict[int, str | int]:
        """The id of a value -> its key; without values that have several."""
        seen = self._seen.get(id(branches))
        if seen is None or seen[1] != len(branches):
            items = []
            if any(_is_callable(first) for first in list(islice(branches.values(), 1))):
                items = list(branches.items())
            count = Counter(id(value) for _, value in items)
            keys = {
                id(value): key for key, value in items if type(key) in (str, int) and count[id(value)] == 1
            }
            seen = self._seen[id(branches)] = branches, len(branches), keys
        return seen[2]


def variables(frame: FrameType) -> dict[str, Any]:
    """The variables of a frame. Before Python 3.13 a function's frame keeps what it tells: not here."""
    told = frame.f_locals
    found = dict(told)
    is_copy = frame.f_code.co_flags & inspect.CO_OPTIMIZED and isinstance(told, dict)
    if is_copy and sys.getrefcount(told) <= _OWN_REFERENCES:  # else the code itself has asked for locals()
        told.clear()
    return found


def _is_callable(thing: Any) -> bool:
    return callable(thing) or hasattr(type(thing), "invoke")


def suspended_at(task: Any) -> tuple[str, FrameType | None]:
    """What a task awaits in the end, and its innermost frame outside asyncio."""
    own = task.get_coro()
    name, frame = "", None
    for awaitable, inner_frame in _awaited(own):
        is_machinery = inner_frame.f_code.co_filename.startswith(_MACHINERY)
        if not is_machinery:
            frame = inner_frame
        if is_machinery or awaitable is not own:
            name = awaitable.__qualname__
    waiter = task._fut_waiter  # type: ignore[attr-defined]  # private
    if isinstance(waiter, asyncio.Task):
        return Reason.TASK, frame
    if type(waiter).__name__ == "_GatheringFuture":
        return Reason.GATHER, frame
    return short_name(name) or Reason.FUTURE, frame


def innermost_frame(coroutine: Any) -> FrameType | None:
    """Where a coroutine is suspended: the frame of the innermost coroutine that it awaits."""
    frames = [frame for awaitable, frame in _awaited(coroutine) if isinstance(awaitable, CoroutineType)]
    return frames[-1] if frames else None


def awaited_name(coroutine: Any) -> str | None:
    """The name of the toy task that a suspended coroutine awaits: through a generator, its `__await__`."""
    *_, (awaitable, frame) = _awaited(coroutine)
    if not isinstance(awaitable, GeneratorType):
        return None
    return getattr(frame.f_locals.get("self"), "name", None)


def running_frame() -> FrameType | None:
    """Where the code is that led here: its innermost frame outside asyncio, within the step of its task."""
    return next(_own_frames(), None)


def _own_frames() -> Iterator[FrameType]:
    """The frames of the code that led here, the innermost first, as far as they are outside asyncio."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code is not _STEP:
        if not frame.f_code.co_filename.startswith((*_MACHINERY, _RECORDER)):
            yield frame
        frame = frame.f_back


def _awaited(awaitable: Any) -> Iterator[tuple[Any, Any]]:
    """A suspended coroutine and those that it awaits, from the outside to the inside, with their frames."""
    while True:
        if isinstance(awaitable, CoroutineType):
            frame, inner = awaitable.cr_frame, awaitable.cr_await
        elif isinstance(awaitable, GeneratorType):
            frame, inner = awaitable.gi_frame, awaitable.gi_yieldfrom
        else:
            return
        yield awaitable, frame
        awaitable = inner
