"""Steps that carry a dict along: pass it through, add to it, pick from it."""

from contextlib import aclosing

from lessons.lesson5_synchronization.runnable import Runnable
from lessons.lesson5_synchronization.runnable_parallel import RunnableParallel
from lessons.lesson5_synchronization.streaming import AddableDict


def require_dict(value, step):
    """Return `value`; raise TypeError if it is not a dict."""
    if not isinstance(value, dict):
        raise TypeError(f"{step} needs a dict and was given a {type(value).__name__}")
    return value


class RunnablePassthrough(Runnable):
    """Returns what it is given."""

    def _invoke(self, value, config):
        return value

    async def _ainvoke(self, value, config):
        return value

    @staticmethod
    def assign(**branches):
        """Return a runnable that adds to a dict what each of `branches` makes of that dict."""
        return RunnableAssign(branches)


class RunnableAssign(Runnable):
    """Returns the dict that it is given, with a key more for each branch."""

    def __init__(self, branches):
        """branches: a RunnableParallel, or a dict that makes one."""
        given = isinstance(branches, RunnableParallel)
        self.added = branches if given else RunnableParallel(branches)

    def _invoke(self, value, config):
        return {**require_dict(value, "assign"), **self.added.invoke(value)}

    async def _ainvoke(self, value, config):
        return {**require_dict(value, "assign"), **await self.added.ainvoke(value)}

    def _stream(self, value, config):
        yield self._kept(value)
        yield from self.added.stream(value)

    async def _astream(self, value, config):
        yield self._kept(value)
        async with aclosing(self.added.astream(value)) as parts:
            async for part in parts:
                yield part

    def _kept(self, value):
        """Return the part that is there at once: what no branch replaces."""
        kept = require_dict(value, "assign").items()
        return AddableDict((key, each) for key, each in kept if key not in self.added.branches)


class RunnablePick(Runnable):
    """Returns the value of one key of a dict, or a dict of the keys of a list."""

    def __init__(self, keys):
        """keys: a str or a list of them. Raises TypeError for anything else."""
        all_keys = [keys] if isinstance(keys, str) else keys
        if not isinstance(all_keys, list) or not all(isinstance(key, str) for key in all_keys):
            raise TypeError(f"keys is {keys!r}; it must be a str or a list of str")
        self.keys = keys

    def _invoke(self, value, config):
        """Raises KeyError, with the keys that are there, for one that is not."""
        require_dict(value, "pick")
        for key in [self.keys] if isinstance(self.keys, str) else self.keys:
            if key not in value:
                raise KeyError(f"no key {key!r} to pick; the keys are {', '.join(map(repr, value))}")
        return value[self.keys] if isinstance(self.keys, str) else {key: value[key] for key in self.keys}

    async def _ainvoke(self, value, config):
        return self._invoke(value, config)  # it never blocks: no thread needed
