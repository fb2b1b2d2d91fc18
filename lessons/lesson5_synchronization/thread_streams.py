"""Hand over parts of a result as they come, from threads: the mechanism behind `stream`."""

import atexit
import gc
from contextlib import ExitStack
from contextvars import copy_context
from functools import partial
from itertools import islice
from queue import SimpleQueue
from threading import Lock, local
from weakref import WeakSet

from lessons.lesson2_thread_pools.pool import Pool
from lessons.lesson5_synchronization.streaming import END

open_branches = WeakSet()  # for `close_open_branches`


class Branch:
    """A stream that threads run part by part: one thread at a time, in a context of its own.

    Calling a branch runs it as far as its next part, and returns that; or END after the last.
    """

    def __init__(self, name, stream):
        self.name, self.context = name, copy_context()
        self.parts = self.context.run(stream)
        self.inside, self.stopped = Lock(), False

    def __call__(self):
        try:
            with self.inside:
                return END if self.stopped else self.context.run(next, self.parts, END)
        finally:
            if self.stopped:
                self.close()

    def close(self):
        """Close the stream. It waits for nobody: a thread that is inside closes it on its way out."""
        self.stopped = True
        if self.inside.acquire(blocking=False):
            try:
                self.context.run(self.parts.close)
            finally:
                self.inside.release()


def stream_on_threads(streams, max_workers=None):
    """Run every stream on threads; yield pairs of a name and a part, as they come.

    streams: dict of name to function without arguments that returns a generator.
    max_workers: how many streams may have begun and not ended; None: all, on as many threads as
    `run_on_threads` has then. Each runs one part ahead of whoever iterates, no further; between two
    parts it occupies no thread.

    When a stream fails, or whoever iterates closes this generator early or is interrupted, no stream
    is run any further and none begins: the parts under way are waited for, every stream is closed, and
    the failure is raised. What fails after that is not raised.
    """
    executor, branches, ended = Pool(max_workers), {}, SimpleQueue()
    waiting, failed = iter(streams.items()), []

    def begin(count):
        for name, stream in islice(waiting, count):
            branches[name] = branch = Branch(name, stream)
            open_branches.add(branch)
            ask(branch)

    def ask(branch):
        executor.submit(branch).add_done_callback(partial(when_ended, branch))

    def when_ended(branch, step):  # this runs in the worker, before that takes another step
        if step.exception() is not None:
            failed.append(branch)
            for each in list(branches.values()):
                each.stopped = True
        ended.put((branch, step))

    try:
        begin(max_workers)  # None: all that wait
        while branches:
            branch, step = ended.get()
            if (error := step.exception()) is not None:
                raise error
            if (part := step.result()) is END:
                del branches[branch.name]
                begin(0 if failed else 1)
            else:
                ask(branch)
                yield branch.name, part
    finally:
        stop(executor, branches.values())
        step = error = None  # a failure holds this frame, so the frame must not hold a failure
        while not ended.empty():
            ended.get()


def stop(executor, branches):
    """Close every branch, on the executor's threads, and wait until these have ended.

    Not so where waiting could last for ever. A generator that nobody holds any more may be closed by
    the garbage collector, on any thread, at any line, with any lock held. And a branch may close the
    very stream that it is a part of. Then nothing is waited for, and nothing submitted.
    """
    for branch in branches:
        branch.stopped = True
    if collecting.now or executor.works_here():
        for branch in branches:
            branch.close()
        executor.shutdown(wait=False)
        return

    def close(branch):
        try:
            executor.submit(branch.close)
        except RuntimeError:  # Python is about to end: no thread takes anything any more
            branch.close()

    with executor, ExitStack() as closings:  # which closes the others, too, if Ctrl-C comes at one
        for branch in branches:
            closings.callback(close, branch)


class Collecting(local):
    """Whether the garbage collector is at work on this thread."""

    now = False

    def note(self, phase, info):
        self.now = phase == "start"


collecting = Collecting()
gc.callbacks.append(collecting.note)


@atexit.register
def close_open_branches():
    """Close the streams that are half read when Python ends; by now no other thread runs them."""
    with ExitStack() as stack:
        for branch in open_branches:
            stack.callback(branch.close)
