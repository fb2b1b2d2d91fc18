"""The library that the course builds. `from lessons import RunnableParallel` gives its newest version."""

import importlib

_HOME = {
    "RunnableParallel": "lesson3_concurrency_limits.runnable_parallel",
}


def __getattr__(name):
    if name not in _HOME:
        raise AttributeError(f"module 'lessons' has no attribute {name!r}; it has {', '.join(_HOME)}")
    return getattr(importlib.import_module(f"lessons.{_HOME[name]}"), name)


def __dir__():
    return sorted(_HOME)
