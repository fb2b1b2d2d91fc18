"""Runnable after lesson 5: what all parts have in common, now with `|` and with streams."""

import inspect
from contextlib import aclosing
from contextvars import copy_context
from functools import partial

from lessons.lesson4_execution_model import runnable
from lessons.lesson4_execution_model.config import check_config, config_for_call, inherited, is_limited
from lessons.lesson4_execution_model.in_thread import run_in_thread
from lessons.lesson4_execution_model.notes import anoted, noted, noting
from lessons.lesson4_execution_model.runnable_lambda import Function
from lessons.lesson5_synchronization.streaming import END, add_up, stream_as_tasks


class Runnable(runnable.Runnable):
    """Something that can be called with one value or with many, chained with `|`, and streamed.

    A subclass may say in `_stream` and `_astream` how its result comes in parts.
    """

    def __or__(self, other):
        """Return a sequence: this runnable, then `other`, a runnable, function or dict."""
        return self.pipe(other)

    def __ror__(self, other):
        """Return a sequence: `other`, a function or dict, then this runnable."""
        # Sequences build on this module, so it cannot import them before it is complete. So also below.
        from lessons.lesson5_synchronization.sequence import RunnableSequence

        return RunnableSequence(other, self)

    def pipe(self, *others):
        """Return a sequence: this runnable, then each of `others`."""
        from lessons.lesson5_synchronization.sequence import RunnableSequence

        return RunnableSequence(self, *others)

    def pick(self, keys):
        """Return a sequence that ends with the value of a key, or with a dict of a list of keys."""
        from lessons.lesson5_synchronization.passthrough import RunnablePick

        return self.pipe(RunnablePick(keys))

    def assign(self, **branches):
        """Return a sequence that adds to a dict what each of `branches` makes of that dict."""
        from lessons.lesson5_synchronization.passthrough import RunnableAssign

        return self.pipe(RunnableAssign(branches))

    def stream(self, value, config=None):
        """Return an iterator of the parts of the result, as they come; they add up to the whole."""
        context = copy_context()
        parts = context.run(self._run_stream, value, config)

        def in_context():
            try:
                while (part := context.run(next, parts, END)) is not END:
                    yield part
            finally:
                context.run(parts.close)

        return in_context()

    def astream(self, value, config=None):
        """Return an async iterator of the parts of the result; close it if you leave it early."""
        check_config(config)

        async def in_a_task():
            # One stream, as if of many: it gets a task, and with it a context of its own.
            streams = {"stream": partial(self._run_astream, value, config)}
            async with aclosing(stream_as_tasks(streams)) as pairs:
                async for _, part in pairs:
                    yield part

        return in_a_task()

    def _run_stream(self, value, config=None, where=None):
        """Return a generator of parts, in the context of the caller, who has made one for this call."""
        config = config_for_call(self.config, config)
        inherited.set(config)
        return noted(noting(where), self._stream(value, config))

    def _run_astream(self, value, config=None, where=None):
        config = config_for_call(self.config, config)
        inherited.set(config)
        return anoted(noting(where), self._astream(value, config))

    def _stream(self, value, config):
        """Yield the parts of the result; here there is one, the whole."""
        yield self._invoke(value, config)

    async def _astream(self, value, config):
        yield await self._ainvoke(value, config)


class RunnableLambda(Runnable):
    """A function as a runnable, as in lesson 4. What a generator function yields are parts."""

    def __init__(self, func, afunc=None):
        """func, afunc: as in `Function`."""
        self.function = Function(func, afunc)

    def __repr__(self):
        return f"RunnableLambda({self.function})"

    def _invoke(self, value, config):
        return add_up(self._stream(value, config))

    async def _ainvoke(self, value, config):
        result = await self.function.acall(value, config)
        if inspect.isgenerator(result) or inspect.isasyncgen(result):
            return add_up([part async for part in self._parts(result, config)])
        return result

    def _stream(self, value, config):
        result = self.function.call(value, config)
        if inspect.isasyncgen(result):
            raise TypeError(
                f"{self.function} is an async generator: invoke cannot run it, use ainvoke or astream"
            )
        if inspect.isgenerator(result):
            yield from result
        else:
            yield result

    async def _astream(self, value, config):
        result = await self.function.acall(value, config)
        async with aclosing(self._parts(result, config)) as parts:
            async for part in parts:
                yield part

    async def _parts(self, result, config):
        """Yield the parts of what the function has returned; a plain generator runs on threads."""
        if inspect.isasyncgen(result):
            async with aclosing(result):
                async for part in result:
                    yield part
        elif inspect.isgenerator(result):
            context, own_thread = copy_context(), is_limited(config)
            try:
                next_part = partial(context.run, next, result, END)
                while (part := await run_in_thread(next_part, own_thread)) is not END:
                    yield part
            finally:
                await run_in_thread(partial(context.run, result.close), own_thread, always=True)
        else:
            yield result
