"""Checkpoint: RunnableParallel after lesson 3. `max_concurrency` limits every way to call it."""

import asyncio
import inspect
from functools import partial

from lessons.lesson2_thread_pools.runnable_parallel import check_branches
from lessons.lesson2_thread_pools.threads import run_on_threads
from lessons.lesson3_concurrency_limits.limits import check_limit, run_as_tasks_with_limit


def check_config(config):
    """Return a copy of `config`, a dict that may hold "max_concurrency"; None gives an empty one.

    Raises TypeError for anything else, ValueError for another key or a wrong limit.
    """
    if config is None:
        return {}
    if not isinstance(config, dict):
        raise TypeError(f"config is a {type(config).__name__}; it must be a dict")
    for key in config:
        if key != "max_concurrency":
            raise ValueError(f"config has the key {key!r}; the only one known is 'max_concurrency'")
    check_limit(config.get("max_concurrency"))
    return dict(config)


def calls_for_each(function, inputs, config):
    """Return a dict of number to call: `function` with each of `inputs`, a list, and the config."""
    if not isinstance(inputs, list):
        raise TypeError(f"inputs is a {type(inputs).__name__}; it must be a list")
    return {number: partial(function, value, config) for number, value in enumerate(inputs)}


class RunnableParallel:
    """Runs a dict of branches on one input at the same time and gathers a dict of their results.

    Every method takes a config: {"max_concurrency": 5} lets at most five run at a time. For `invoke`
    and `ainvoke` these are branches; for `batch` and `abatch` inputs, and branches within each input.
    """

    def __init__(self, branches):
        self.branches = check_branches(branches)
        self.config = {}

    def with_config(self, config):
        """Return a RunnableParallel with these branches that uses `config` where a call has none."""
        configured = RunnableParallel(self.branches)
        configured.config = {**self.config, **check_config(config)}
        return configured

    def limit(self, config):
        """Return the max_concurrency of a call: that of its own config, else that of `with_config`."""
        return {**self.config, **check_config(config)}.get("max_concurrency")

    def invoke(self, value, config=None):
        """Call every branch with `value`, on threads; return a dict of name to result, in their order.

        Raises TypeError if a branch is an async function.
        """
        limit = self.limit(config)
        for name, branch in self.branches.items():
            if inspect.iscoroutinefunction(branch):
                raise TypeError(f"branch {name!r} is an async function: invoke cannot run it, use ainvoke")
        calls = {name: partial(branch, value) for name, branch in self.branches.items()}
        return dict(zip(calls, run_on_threads(calls, limit)))

    async def ainvoke(self, value, config=None):
        """Call every branch with `value`, as tasks; return a dict of name to result, in their order.

        A plain function would block the loop: it goes to a thread of the loop's default executor.
        """
        calls = {}
        for name, branch in self.branches.items():
            is_async = inspect.iscoroutinefunction(branch)
            calls[name] = partial(branch, value) if is_async else partial(asyncio.to_thread, branch, value)
        return dict(zip(calls, await run_as_tasks_with_limit(calls, self.limit(config))))

    def batch(self, inputs, config=None):
        """Call `invoke` with every input, on threads; return the list of results in the inputs' order.

        A single input stays in the caller's thread. Raises TypeError if `inputs` is not a list.
        """
        calls, limit = calls_for_each(self.invoke, inputs, config), self.limit(config)
        return [calls[0]()] if len(calls) == 1 else run_on_threads(calls, limit)

    async def abatch(self, inputs, config=None):
        """Call `ainvoke` with every input and the config, as tasks under the limit of this call.

        Returns the list of results in the inputs' order. Raises TypeError if `inputs` is not a list.
        """
        calls, limit = calls_for_each(self.ainvoke, inputs, config), self.limit(config)
        return await run_as_tasks_with_limit(calls, limit)
