"""Checkpoint: RunnableParallel after lesson 1. It has `ainvoke`; its branches are async functions."""

import inspect
from functools import partial

from lessons.lesson1_async_execution.tasks import run_as_tasks


def check_branches(branches):
    """Return a copy of `branches`, a dict of name to async function.

    Raises TypeError, with the name and the type, where it is anything else.
    """
    if not isinstance(branches, dict):
        raise TypeError(f"branches is a {type(branches).__name__}; it must be a dict")
    for name, branch in branches.items():
        if not isinstance(name, str):
            raise TypeError(f"branch name {name!r} is a {type(name).__name__}; it must be a str")
        if not inspect.iscoroutinefunction(branch):
            raise TypeError(f"branch {name!r} is a {type(branch).__name__}; it must be an async function")
    return dict(branches)


class RunnableParallel:
    """Runs a dict of branches on one input at the same time and gathers a dict of their results."""

    def __init__(self, branches):
        self.branches = check_branches(branches)

    async def ainvoke(self, value):
        """Call every branch with `value`; return a dict of name to result, in the branches' order."""
        calls = {name: partial(branch, value) for name, branch in self.branches.items()}
        return dict(zip(calls, await run_as_tasks(calls)))
