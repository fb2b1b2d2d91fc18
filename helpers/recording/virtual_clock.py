"""Run coroutines on a simulated clock, which jumps to the next timer instead of waiting for it."""

from __future__ import annotations

import asyncio
import ctypes
import selectors
import sys
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from contextvars import copy_context
from itertools import count
from typing import Any

from helpers.recording.hooks import selected

_PATIENCE = 0.5  # seconds that an interrupted coroutine has for its clean-up
_DIGITS = 9  # of a second; the clock shows whole nanoseconds, else 0.1 s three times would not be 0.3 s


def run_on_virtual_clock(
    coroutine: Coroutine[Any, Any, Any], most_turns: int | None = None
) -> tuple[Any, float]:
    """Simulate: run a coroutine on a clock that jumps to the next timer as soon as every task waits.

    Returns (what the coroutine returned, how many seconds passed on that clock). These are exact, the
    same in every run, and take next to no real time: 100 sleeps of 1 s, five at a time, give 20.0.
    Raises what the coroutine raised, or RuntimeError if every task waits and nothing can wake one, or if
    the loop has turned `most_turns` times and the coroutine still runs.

    It works in a cell too: the event loop runs in a thread of its own, which has ended when this
    returns. Context variables flow in, not out. A recording around it sees nothing of it; one that the
    coroutine makes shows virtual times, and `time.sleep` in it blocks the loop for that long.

    Simulated is what asyncio's timers time: `asyncio.sleep`, `asyncio.timeout`, `loop.call_later`.
    Executing Python takes no virtual time, nor does `time.sleep` outside a recording. Neither does what a
    task awaits from another thread (`asyncio.to_thread`, `loop.run_in_executor`, `asyncio.wrap_future`):
    the clock stands still until that is there. So such a thread must not itself wait for a timer of this
    loop.
    The clock knows of no other threads. Network connections raise RuntimeError.
    """
    if not asyncio.iscoroutine(coroutine):
        kind = type(coroutine).__name__
        raise TypeError(
            f"run_on_virtual_clock takes a coroutine, such as main() of an async def, not a {kind}"
        )
    loop = _VirtualLoop(most_turns)
    outcome = Future()

    def run() -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: loop) as runner:
                result = runner.run(coroutine), loop.time()
        except BaseException as error:
            outcome.set_exception(error)
        else:
            outcome.set_result(result)

    def cancel() -> None:
        for task in asyncio.all_tasks(loop):
            task.cancel()

    context = copy_context()
    context.run(selected.set, None)  # a recording would show real times, which mean nothing here
    thread = threading.Thread(target=context.run, args=(run,), name="virtual clock", daemon=True)
    try:
        thread.start()
        return outcome.result()
    finally:
        if not outcome.done():  # Ctrl-C
            try:
                loop.call_soon_threadsafe(cancel)
            except RuntimeError:  # the loop has been closed in the meantime
                pass
            thread.join(_PATIENCE)
            if thread.is_alive():  # it computes and gives its loop no turn
                interrupt = ctypes.py_object(KeyboardInterrupt)
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), interrupt)
        thread.join()


class _VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop that tells the time by its clock, which only its selector moves."""

    def __init__(self, most_turns: int | None) -> None:
        self.clock = 0.0
        self.most_turns = most_turns
        self.turns = 0
        self.held = 0  # how many things are awaited that other threads work on
        self.reading = count()
        super().__init__(_JumpingSelector(self))
        self._clock_resolution = 10**-_DIGITS  # timers this close to each other are due together

    def time(self) -> float:
        return self.clock

    def nanoseconds(self) -> int:
        """The clock for a recording: no two readings are equal, so that order can be told from time."""
        return round(self.clock * 1e9) + next(self.reading)

    def pass_time(self, seconds: float) -> None:
        """What `time.sleep` does in a recording: the loop is blocked for so long on its clock."""
        if seconds < 0:
            raise ValueError("sleep length must be non-negative")
        self.clock = round(self.clock + seconds, _DIGITS)

    def create_future(self) -> asyncio.Future:
        """A future; while it is pending it holds the clock if it stands for work in another thread."""
        future = super().create_future()
        # All that asyncio awaits from threads comes through this one function.
        if sys._getframe(1).f_code is asyncio.wrap_future.__code__:
            self.held += 1
            future.add_done_callback(self._release)
        return future

    def _release(self, _: asyncio.Future) -> None:
        self.held -= 1

    async def shutdown_default_executor(self, *args: Any) -> None:
        self.held += 1  # for good: the loop is closed next
        await super().shutdown_default_executor(*args)


class _JumpingSelector(selectors.DefaultSelector):
    """Where an event loop waits for its next timer. This one moves the clock instead."""

    def __init__(self, loop: _VirtualLoop) -> None:
        super().__init__()
        self.loop = loop

    def register(self, *args: Any) -> selectors.SelectorKey:
        if self.get_map():  # there is the socket on which threads wake the loop, its first
            raise RuntimeError("a virtual clock cannot wait for a network connection, a pipe or a process")
        return super().register(*args)

    def select(self, timeout: float | None = None) -> list:
        loop = self.loop
        loop.turns += 1
        if loop.turns == loop.most_turns:
            raise RuntimeError(f"after {loop.turns:,} turns of its event loop it has not ended")
        events = super().select(0)  # threads may have woken the loop
        if events or timeout == 0:
            return events
        if loop.held:
            return super().select()
        if timeout is None:
            raise RuntimeError(
                f"deadlock after {loop.clock:g} s on the virtual clock: every task waits, "
                "and there is no timer and no thread that could wake one"
            )
        loop.clock = round(loop.clock + timeout, _DIGITS)
        return events
