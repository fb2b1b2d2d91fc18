"""The smallest scheduler: coroutines that take turns on one thread."""

from collections import deque


def take_turns(*coroutines):
    """Drive coroutines in turns, one step each, in the order given, until all have ended.

    One that has paused goes to the back of the queue; one that has ended leaves it.
    Raises what a coroutine raises.
    """
    ready = deque(coroutines)
    while ready:
        current = ready.popleft()
        try:
            current.send(None)
        except StopIteration:
            continue
        ready.append(current)
