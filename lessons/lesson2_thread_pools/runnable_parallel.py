"""Checkpoint: RunnableParallel after lesson 2. It has `invoke`, `ainvoke` and `batch`."""

import asyncio
import inspect
from functools import partial

from lessons.lesson1_async_execution.tasks import run_as_tasks
from lessons.lesson2_thread_pools.threads import run_on_threads


def check_branches(branches):
    """Return a copy of `branches`, a dict of name to function or async function.

    Raises TypeError, with the name and the type, where it is anything else.
    """
    if not isinstance(branches, dict):
        raise TypeError(f"branches is a {type(branches).__name__}; it must be a dict")
    for name, branch in branches.items():
        if not isinstance(name, str):
            raise TypeError(f"branch name {name!r} is a {type(name).__name__}; it must be a str")
        if not callable(branch):
            raise TypeError(f"branch {name!r} is a {type(branch).__name__}; it must be a function")
    return dict(branches)


class RunnableParallel:
    """Runs a dict of branches on one input at the same time and gathers a dict of their results."""

    def __init__(self, branches):
        self.branches = check_branches(branches)

    def invoke(self, value):
        """Call every branch with `value`, on threads; return a dict of name to result, in their order.

        Raises TypeError if a branch is an async function.
        """
        for name, branch in self.branches.items():
            if inspect.iscoroutinefunction(branch):
                raise TypeError(f"branch {name!r} is an async function: invoke cannot run it, use ainvoke")
        calls = {name: partial(branch, value) for name, branch in self.branches.items()}
        return dict(zip(calls, run_on_threads(calls)))

    async def ainvoke(self, value):
        """Call every branch with `value`, as tasks; return a dict of name to result, in their order.

        A plain function would block the loop: it goes to a thread of the loop's default executor.
        """
        calls = {}
        for name, branch in self.branches.items():
            is_async = inspect.iscoroutinefunction(branch)
            calls[name] = partial(branch, value) if is_async else partial(asyncio.to_thread, branch, value)
        return dict(zip(calls, await run_as_tasks(calls)))

    def batch(self, inputs):
        """Call `self.invoke` with every input, by `run_on_threads`; return the results in the inputs' order.

        A single input stays in the caller's thread. Raises TypeError, which names the type, if `inputs`
        is not a list.
        """
        if not isinstance(inputs, list):
            raise TypeError(f"inputs is a {type(inputs).__name__}; it must be a list")
        if len(inputs) == 1:
            return [self.invoke(inputs[0])]
        return run_on_threads({number: partial(self.invoke, value) for number, value in enumerate(inputs)})
