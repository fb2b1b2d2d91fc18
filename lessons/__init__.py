"""The library that the course builds. `from lessons import RunnableParallel` gives its newest version.

To read the finished library, go from the mechanisms to the classes:

1. lesson2_thread_pools/pool.py, threads.py          run calls on threads
2. lesson4_execution_model/tasks.py, in_thread.py    run calls as tasks, and leave none behind
3. lesson4_execution_model/config.py, notes.py       what a call inherits; where a failure came from
4. lesson4_execution_model/runnable.py, runnable_lambda.py, then lesson5_synchronization/runnable.py,
   which adds `|` and streams                        what all parts of a chain have in common; functions
5. lesson5_synchronization/runnable_parallel.py      branches, at the same time
6. lesson5_synchronization/sequence.py               steps, one after another
7. lesson5_synchronization/passthrough.py            dicts that are carried along
8. lesson5_synchronization/streaming.py, thread_streams.py   results handed over as they come

lesson5_synchronization/racing.py is for those who do not wait for all. A module of a lesson that has the name
of one in an earlier lesson takes its place.
"""

import importlib

_HOME = {
    "Runnable": "lesson5_synchronization.runnable",
    "RunnableAssign": "lesson5_synchronization.passthrough",
    "RunnableLambda": "lesson5_synchronization.runnable",
    "RunnableMap": "lesson5_synchronization.runnable_parallel",
    "RunnableParallel": "lesson5_synchronization.runnable_parallel",
    "RunnablePassthrough": "lesson5_synchronization.passthrough",
    "RunnablePick": "lesson5_synchronization.passthrough",
    "RunnableSequence": "lesson5_synchronization.sequence",
    "coerce_to_runnable": "lesson5_synchronization.runnable_parallel",
}


def __getattr__(name):
    if name not in _HOME:
        raise AttributeError(f"module 'lessons' has no attribute {name!r}; it has {', '.join(_HOME)}")
    return getattr(importlib.import_module(f"lessons.{_HOME[name]}"), name)


def __dir__():
    return sorted(_HOME)
