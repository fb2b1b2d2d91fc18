"""RunnableSequence: one step after another."""

from contextlib import aclosing

from lessons.lesson5_synchronization.runnable import Runnable
from lessons.lesson5_synchronization.runnable_parallel import coerce_to_runnable


class RunnableSequence(Runnable):
    """Runs steps one after another: each is given what the one before it has returned."""

    def __init__(self, *steps):
        """steps: two or more runnables, or what `coerce_to_runnable` makes one from.

        Raises ValueError for fewer, TypeError for anything else.
        """
        if len(steps) < 2:
            raise ValueError(f"a sequence of {len(steps)} steps; it needs two or more")
        self.steps = []
        for step in map(coerce_to_runnable, steps):
            joins_in = isinstance(step, RunnableSequence) and not step.config  # a | b | c is one sequence
            self.steps += step.steps if joins_in else [step]

    def __repr__(self):
        return f"RunnableSequence({', '.join(map(repr, self.steps))})"

    def _invoke(self, value, config):
        for step in self.steps:
            value = step.invoke(value)
        return value

    async def _ainvoke(self, value, config):
        """Return what the last step returns. The first is given `value`, each other what the one before gave.

        A step begins when the one before has ended. What a step raises is raised, and no further step begins.
        """
        for step in self.steps:
            value = await step.ainvoke(value)
        return value

    def _stream(self, value, config):
        *before, last = self.steps
        for step in before:
            value = step.invoke(value)
        yield from last.stream(value)

    async def _astream(self, value, config):
        """Yield the parts of the last step as they come; each step before it is awaited first, in turn.

        However this ends, the stream of the last step is closed.
        """
        *before, last = self.steps
        for step in before:
            value = await step.ainvoke(value)
        async with aclosing(last.astream(value)) as parts:
            async for part in parts:
                yield part
