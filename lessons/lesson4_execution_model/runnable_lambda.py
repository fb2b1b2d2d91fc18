"""RunnableLambda: a function as a runnable."""

import inspect
from functools import partial

from lessons.lesson4_execution_model.config import is_limited, merge
from lessons.lesson4_execution_model.in_thread import run_in_thread
from lessons.lesson4_execution_model.runnable import Runnable


def is_async(function):
    """Whether calling `function` gives a coroutine, as far as one can tell without calling it."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def takes_config(function):
    """Whether `function` has a parameter of the name config."""
    try:
        return "config" in inspect.signature(function).parameters
    except (TypeError, ValueError):  # None, and some functions written in C, which do not tell
        return False


def call_with(function, value, config):
    """Call `function` with `value`, and with a copy of the config if that is not None: it may change that."""
    return function(value) if config is None else function(value, config=merge(config))


class Function:
    """A plain function, an async one, or both. One that has a parameter `config` is given the config.

    A function that returns a runnable is a choice: that runnable is called with the same value.
    """

    def __init__(self, func, afunc=None):
        """func: a function of one value, or an async one. afunc: the async twin of a plain `func`.

        Raises TypeError where it is anything else.
        """
        if not callable(func):
            raise TypeError(f"func is a {type(func).__name__}; it must be a function")
        if afunc is not None and (is_async(func) or not is_async(afunc)):
            raise TypeError("with two functions, func must be a plain one and afunc an async one")
        self.func, self.afunc = (None, func) if is_async(func) else (func, afunc)
        self.func_takes_config, self.afunc_takes_config = takes_config(self.func), takes_config(self.afunc)

    def __repr__(self):
        function = self.func or self.afunc
        return getattr(function, "__name__", type(function).__name__)

    def call(self, value, config):
        """Return what the plain function gives; TypeError if there is none, or if it gives a coroutine."""
        if self.func is None:
            raise TypeError(f"{self} is an async function: invoke cannot run it, use ainvoke")
        result = call_with(self.func, value, config if self.func_takes_config else None)
        if inspect.iscoroutine(result):
            result.close()
            raise TypeError(f"{self} returned a coroutine: invoke cannot await it, use ainvoke")
        if isinstance(result, Runnable):
            return result.invoke(value, self._one_deeper(config))
        return result

    async def acall(self, value, config):
        """Return what the async function gives, or without one the plain one, called on a thread.

        A coroutine that the plain one returns is awaited. A runnable that either returns is called with
        the same value, by `ainvoke`, with `self._one_deeper(config)`.
        """
        if self.afunc is not None:
            result = await call_with(self.afunc, value, config if self.afunc_takes_config else None)
        else:
            call = partial(call_with, self.func, value, config if self.func_takes_config else None)
            result = await run_in_thread(call, own_thread=is_limited(config))
            if inspect.iscoroutine(result):
                result = await result
        if isinstance(result, Runnable):
            return await result.ainvoke(value, self._one_deeper(config))
        return result

    def _one_deeper(self, config):
        """Return the config for a runnable that the function returned; RecursionError at the limit."""
        depth = config["recursion_limit"]
        if depth == 0:
            raise RecursionError(f"{self} returned a runnable, but recursion_limit is reached")
        return {"recursion_limit": depth - 1}


class RunnableLambda(Runnable):
    """A function as a runnable."""

    def __init__(self, func, afunc=None):
        """func, afunc: as in `Function`."""
        self.function = Function(func, afunc)

    def __repr__(self):
        return f"RunnableLambda({self.function})"

    def _invoke(self, value, config):
        return self.function.call(value, config)

    async def _ainvoke(self, value, config):
        return await self.function.acall(value, config)
