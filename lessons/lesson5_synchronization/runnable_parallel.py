"""Checkpoint: RunnableParallel after lesson 5, the finished one. Its results can be streamed."""

from contextlib import aclosing, closing
from functools import partial

from lessons.lesson2_thread_pools.threads import run_on_threads
from lessons.lesson4_execution_model.notes import noting
from lessons.lesson4_execution_model.tasks import run_as_tasks_with_limit
from lessons.lesson5_synchronization.runnable import Runnable, RunnableLambda
from lessons.lesson5_synchronization.streaming import AddableDict, stream_as_tasks
from lessons.lesson5_synchronization.thread_streams import stream_on_threads


class RunnableParallel(Runnable):
    """Runs a dict of branches on one input at the same time and gathers a dict of their results."""

    def __init__(self, branches=None, /, **more):
        """branches, more: name to runnable, or to what `coerce_to_runnable` makes one from.

        Raises TypeError, with the name of the branch, for anything else.
        """
        branches = {} if branches is None else branches
        if not isinstance(branches, dict):
            raise TypeError(f"branches is a {type(branches).__name__}; it must be a dict")
        self.branches = {}
        for name, branch in {**branches, **more}.items():
            if not isinstance(name, str):
                raise TypeError(f"branch name {name!r} is a {type(name).__name__}; it must be a str")
            with noting(f"in branch {name!r}"):
                self.branches[name] = coerce_to_runnable(branch)

    def __repr__(self):
        return f"RunnableParallel({self.branches})"

    def _invoke(self, value, config):
        calls = self._calls("_run", value)
        return dict(zip(calls, run_on_threads(calls, config["max_concurrency"])))

    async def _ainvoke(self, value, config):
        calls = self._calls("_arun", value)
        return dict(zip(calls, await run_as_tasks_with_limit(calls, config["max_concurrency"])))

    def _stream(self, value, config):
        streams = self._calls("_run_stream", value)
        with closing(stream_on_threads(streams, config["max_concurrency"])) as parts:
            for name, part in parts:
                yield AddableDict({name: part})

    async def _astream(self, value, config):
        streams = self._calls("_run_astream", value)
        async with aclosing(stream_as_tasks(streams, config["max_concurrency"])) as parts:
            async for name, part in parts:
                yield AddableDict({name: part})

    def _calls(self, method, value):
        """Return a dict of name to call: the method of that name of each branch, with `value`."""
        return {
            name: partial(getattr(branch, method), value, where=f"in branch {name!r}")
            for name, branch in self.branches.items()
        }


RunnableMap = RunnableParallel


def coerce_to_runnable(thing):
    """Return a runnable: `thing` itself, a RunnableLambda of a function, a RunnableParallel of a dict.

    Raises TypeError for anything else.
    """
    if isinstance(thing, Runnable):
        return thing
    if isinstance(thing, dict):
        return RunnableParallel(thing)
    if callable(thing):
        return RunnableLambda(thing)
    kind = type(thing).__name__
    raise TypeError(f"an object of type {kind} cannot run; it must be a runnable, a function or a dict")
