"""Runnable: what all parts of a chain have in common: config, context, one value or many."""

import asyncio
from abc import ABC, abstractmethod
from contextvars import copy_context
from copy import copy
from functools import partial

from lessons.lesson2_thread_pools.threads import run_on_threads
from lessons.lesson4_execution_model.config import (
    check_config,
    config_for_call,
    config_for_each,
    inherited,
    is_limited,
    smallest,
)
from lessons.lesson4_execution_model.in_thread import run_in_thread
from lessons.lesson4_execution_model.notes import noting
from lessons.lesson4_execution_model.tasks import run_as_tasks_with_limit


class Runnable(ABC):
    """Something that can be called with one value, or with many.

    A subclass says what is done with one value: on a thread in `_invoke`, as a task in `_ainvoke`.
    Both are given the config that holds for the call, which is not theirs to change, and run in a context
    of their own.

    Every method takes a config, a dict that may have the keys "max_concurrency", "tags", "metadata"
    and "recursion_limit"; TypeError or ValueError tells what is wrong with one.
    """

    config = {}  # what `with_config` has set

    @abstractmethod
    def _invoke(self, value, config):
        """Return the result for `value`, without an event loop."""

    async def _ainvoke(self, value, config):
        """Return the result for `value`; here by `_invoke`, on a thread, where it does not block the loop."""
        call = partial(self._invoke, value, config)
        return await run_in_thread(call, own_thread=is_limited(config))

    def with_config(self, config=None, /, **keys):
        """Return a copy of this runnable that uses `config` and `keys` where a call's own has none."""
        configured = copy(self)
        configured.config = {**self.config, **check_config(config), **check_config(keys)}
        return configured

    def invoke(self, value, config=None):
        """Return the result for `value`. Raises TypeError if it can only be had with `ainvoke`."""
        return copy_context().run(self._run, value, config)

    async def ainvoke(self, value, config=None):
        """Return the result for `value`, on the event loop; plain functions get worker threads."""
        name = asyncio.current_task().get_name()  # the same piece of work, in a context of its own
        return await asyncio.create_task(self._arun(value, config), name=name)

    def _run(self, value, config=None, where=None):
        """Do what `invoke` does, in the context of the caller, who has made one for this call.

        where: what a failure says of the place of this call, "in branch 'summary'" say.
        """
        config = config_for_call(self.config, config)
        inherited.set(config)
        with noting(where):
            return self._invoke(value, config)

    async def _arun(self, value, config=None, where=None):
        """Do what `ainvoke` does, in the task of the caller, who has made one for this call."""
        config = config_for_call(self.config, config)
        inherited.set(config)
        with noting(where):
            return await self._ainvoke(value, config)

    def batch(self, inputs, config=None, *, return_exceptions=False):
        """Call `invoke` with every input, on threads; return the list of results in the inputs' order.

        inputs: a list. A single one stays in the caller's thread. config: one for all, or a list with one
        for each input. return_exceptions: put an exception into the list instead of raising it.
        """
        configs = config_for_each(inputs, config)

        def call(number):
            try:
                return self._run(inputs[number], configs[number], f"in inputs[{number}]")
            except Exception as error:
                if return_exceptions:
                    return error
                raise

        calls = {number: partial(call, number) for number in range(len(inputs))}
        with noting():
            if len(calls) == 1:
                return [copy_context().run(call, 0)]
            return run_on_threads(calls, self._limit(configs))

    async def abatch(self, inputs, config=None, *, return_exceptions=False):
        """Call `ainvoke` with every input, as tasks; otherwise as `batch`."""
        configs = config_for_each(inputs, config)

        async def call(number):
            try:
                return await self._arun(inputs[number], configs[number], f"in inputs[{number}]")
            except Exception as error:
                if return_exceptions:
                    return error
                raise

        calls = {number: partial(call, number) for number in range(len(inputs))}
        return await run_as_tasks_with_limit(calls, self._limit(configs))

    def _limit(self, configs):
        """Return how many inputs may run at a time: the smallest limit that holds for one of them."""
        return smallest(config_for_call(self.config, config)["max_concurrency"] for config in configs)
