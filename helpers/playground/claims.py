"""Experiments for the claims that are about more than one of the six ways.

Each returns the cases of a claim, or what one case is worth. A library is a pair of classes,
(RunnableParallel, RunnableLambda), as for `helpers.playground.six_ways`.
"""

from __future__ import annotations

import asyncio
import ctypes
import socket
import sys
import threading
import time
import traceback
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from functools import partial
from unittest import mock

from helpers.playground.six_ways import INPUT, WAYS, call_async, call_sync

PATIENCE = 30.0  # seconds


# --- Where branches run


def _chain(library: tuple, seen: set[str]) -> object:
    """A chain of one branch with two sides, which notes in `seen` the side that ran, and where."""
    parallel, function = library
    caller = threading.get_ident()

    def on_a_thread(value: object) -> None:
        seen.add("the caller's thread" if threading.get_ident() == caller else "threads")

    async def as_a_task(value: object) -> None:
        seen.add("tasks")

    return parallel(branch=function(on_a_thread, afunc=as_a_task))


async def in_a_cell(library: tuple) -> dict[str, str]:
    """For each way, called right here, on a running loop: what its branch runs on, "threads" or "tasks"."""
    found = {}
    for way in WAYS:
        seen: set[str] = set()
        chain = _chain(library, seen)
        await call_async(chain, way) if way.startswith("a") else call_sync(chain, way)
        found[way] = ", ".join(sorted(seen))
    return found


def in_a_script(library: tuple) -> dict[str, str]:
    """The same where no loop runs, as in a script: the async ways get one by `asyncio.run`."""
    found = {}
    for way in WAYS:
        seen: set[str] = set()
        chain = _chain(library, seen)
        asyncio.run(call_async(chain, way)) if way.startswith("a") else call_sync(chain, way)
        found[way] = ", ".join(sorted(seen))
    return found


# --- Threads made

_started: ContextVar[list | None] = ContextVar("started", default=None)
_start = threading.Thread.start


def _counted_start(thread: threading.Thread) -> None:
    if (started := _started.get()) is not None:
        started.append(thread)
    _start(thread)


async def threads_made(call: Callable[[], Awaitable[object]]) -> int:
    """How many threads are started while `call` is awaited on a new loop, whatever they are for.

    The new loop runs in a thread of its own, which is not counted. It has no worker yet that could be used
    again, as the caller's loop may have. Raises what `call` raises.
    """
    started: list[threading.Thread] = []

    async def count() -> None:
        _started.set(started)
        await call()

    with mock.patch.object(threading.Thread, "start", _counted_start):
        await asyncio.to_thread(asyncio.run, count())
    return len(started)


async def threads_of(way: str, library: tuple, plain: bool = False) -> int:
    """How many threads a call of a chain makes whose three branches do nothing.

    plain: whether the branches are plain functions, with no async side.
    """
    parallel, function = library

    async def do_nothing(value: object) -> None:
        pass

    branch = function(id) if plain else function(id, afunc=do_nothing)
    chain = parallel(a=branch, b=branch, c=branch)

    async def call() -> None:
        await call_async(chain, way) if way.startswith("a") else call_sync(chain, way)

    return await threads_made(call)


# --- Debugging


def debugging(library: tuple) -> dict[str, bool]:
    """What somebody is told who looks for the cause of an error in a branch under `invoke`."""
    parallel, function = library
    above: list[str] = []

    def broken_branch(value: object) -> None:
        above.extend(frame.name for frame in traceback.extract_stack())
        raise ValueError("no answer from the model")

    def calling_function() -> None:
        parallel(summary=function(broken_branch)).invoke(INPUT)

    try:
        calling_function()
    except ValueError as error:
        told = "".join(traceback.format_exception(error))
    return {
        "the traceback shows the line that failed": "in broken_branch" in told,
        "the traceback shows the call of the chain": "in calling_function" in told,
        "the stack in a branch shows the call of the chain": "calling_function" in above,
        "the error names its branch": "'summary'" in told,
    }


# --- The GIL


def lets_others_run(work: Callable[[], object], first: Callable[[], object] = int) -> bool:
    """Whether another thread executes Python between the start and the end of `work()`.

    Meanwhile no thread is made to hand over the GIL: it does so by itself, or not at all. The other thread
    calls `first`, and is then counted.
    """
    go, ran = threading.Event(), threading.Event()

    def other() -> None:
        go.wait(PATIENCE)
        ran.set()
        first()

    thread = threading.Thread(target=other, daemon=True)
    interval = sys.getswitchinterval()
    thread.start()
    try:
        sys.setswitchinterval(PATIENCE)
        time.sleep(0.05)  # a thread that has begun to ask for the GIL asks at the old interval
        go.set()
        work()
        return ran.is_set()
    finally:
        sys.setswitchinterval(interval)
        go.set()
        thread.join(PATIENCE)


class _PollFd(ctypes.Structure):
    _fields_ = (("fd", ctypes.c_int), ("events", ctypes.c_short), ("revents", ctypes.c_short))


def _wait_with_the_gil(quiet: socket.socket, milliseconds: int = 20) -> None:
    """Wait for a socket on which nothing comes, in a call of C that keeps the GIL (so PyDLL has it)."""
    if sys.platform == "win32":
        ctypes.PyDLL("kernel32").Sleep(milliseconds)
    else:
        ctypes.PyDLL(None).poll(ctypes.byref(_PollFd(quiet.fileno(), 1, 0)), 1, milliseconds)


def gil() -> dict[str, bool]:
    """Whether the GIL stands in the way of threads that compute, and of threads that wait."""
    here, there = socket.socketpair()
    with here, there:
        here.settimeout(PATIENCE)
        reads = lets_others_run(lambda: here.recv(1), lambda: there.send(b"."))
        polls = lets_others_run(partial(_wait_with_the_gil, here))
    computes = lets_others_run(lambda: sum(n * n for n in range(100_000)))
    return {
        "computing in Python has to take turns": not computes,
        "waiting for a socket lets others run": reads,
        "waiting for a socket in C code that keeps the GIL does": polls,
    }
