"""An event loop to read: one thread, a queue of ready tasks and a heap of timers.

It leaves out what asyncio has beyond that: sockets, threads that call in, cancellation.
"""

import heapq
import time
import types
from collections import deque
from itertools import count


@types.coroutine
def sleep(seconds):
    """Suspend the task that awaits this for `seconds`."""
    yield seconds  # the loop reads a number as: wake me in so many seconds


class Task:
    """A coroutine that a loop drives, and what came of it. Await it to get its result."""

    def __init__(self, coroutine, name):
        self.coroutine = coroutine
        self.name = name
        self.done = False
        self.value = None
        self.error = None
        self.waiters = []  # tasks that wait for this one

    def __await__(self):
        if not self.done:
            yield self  # the loop reads a task as: wake me when this one is done
        return self.result()

    def result(self):
        """Return what the coroutine returned, or raise what it raised."""
        if self.error:
            raise self.error
        return self.value


class EventLoop:
    """Runs tasks on the calling thread, one step of one task at a time.

    observe(event, name) is called with what happens to the task of that name: "ready", "run",
    "sleep", "wait", "done" or "failed".
    """

    def __init__(self, observe=lambda event, name: None):
        self.ready = deque()  # tasks that can take a step: first in, first out
        self.timers = []  # heap of (due, number, task): earliest first
        self.number = count()  # tie-breaker: the timer set earlier comes first
        self.now = 0.0  # the loop's clock in seconds; moves on only when a timer is due
        self.observe = observe

    def create_task(self, coroutine, name):
        """Put a coroutine on the ready queue; return its Task. Nothing of it runs yet."""
        task = Task(coroutine, name)
        self.make_ready(task)
        return task

    def run(self, coroutine, name="main"):
        """Run the loop until `coroutine` is done; return its result or raise its exception."""
        self.start = time.monotonic() - self.now  # when the loop's clock stood at zero
        main = self.create_task(coroutine, name)
        while not main.done:
            if not self.ready:
                self.wake_next_sleeper()
            self.step(self.ready.popleft())
        return main.result()

    def make_ready(self, task):
        self.observe("ready", task.name)
        self.ready.append(task)

    def wake_next_sleeper(self):
        if not self.timers:
            raise RuntimeError("deadlock: every task waits for another, and no timer is set")
        self.now, _, task = heapq.heappop(self.timers)
        time.sleep(max(0, self.start + self.now - time.monotonic()))  # nothing else could run
        self.make_ready(task)

    def step(self, task):
        self.observe("run", task.name)
        try:
            request = task.coroutine.send(None)  # runs until the next yield
        except StopIteration as stop:
            task.value = stop.value
            self.finish(task, "done")
        except Exception as error:
            task.error = error
            self.finish(task, "failed")
        else:
            self.suspend(task, request)

    def suspend(self, task, request):
        """File what a task that has paused asks for, and tell `observe`.

        A number goes to the timers: the task is due in so many seconds by the loop's clock ("sleep").
        A Task gets it as one of its waiters ("wait").
        """
        if isinstance(request, Task):
            self.observe("wait", task.name)
            request.waiters.append(task)
        else:
            self.observe("sleep", task.name)
            heapq.heappush(self.timers, (self.now + request, next(self.number), task))

    def finish(self, task, outcome):
        self.observe(outcome, task.name)
        task.done = True
        for waiter in task.waiters:
            self.make_ready(waiter)
