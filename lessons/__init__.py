"""The library that the course builds. `from lessons import RunnableParallel` gives its newest version."""

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
