"""Python processes that do a part of the work. No interrupt reaches them, and they end with their starter."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import threading
from typing import Any

LOOK_AGAIN = 1.0  # seconds after which a child looks whether its starter is still there
starter = 0  # in a child: the process that has started it


def start_child(code: str, **options: Any) -> subprocess.Popen:
    """Start a Python process that executes `code` and imports from where this process does.

    Its standard input and output are pipes; options: more of what `subprocess.Popen` takes. Ctrl-C and
    Stop are for this process alone. Raises OSError if the system starts no process.
    """
    setting = (
        f"import sys; sys.path = {sys.path!r}; "
        f"from helpers.calls import children; children.starter = {os.getpid()}"
    )
    return subprocess.Popen(
        [sys.executable, "-c", f"{setting}; {code}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),  # the same for Windows
        **options,
    )


def end_child(child: subprocess.Popen) -> None:
    """End a child at once, and close its pipes."""
    child.kill()
    child.wait()
    child.stdin.close()
    child.stdout.close()


def end_with_starter() -> None:
    """Called in a child: it ends when its starter does. From now on nothing is read from its input."""
    threading.Thread(target=_wait_for_starter, daemon=True).start()


def _wait_for_starter() -> None:
    # The system closes the starter's end of the pipe even when the starter is killed. Its forked workers hold
    # copies of that end, though: then the number of the parent tells. (Windows has neither fork nor that.)
    if os.name == "posix":
        while os.getppid() == starter and not select.select([0], [], [], LOOK_AGAIN)[0]:
            pass
    else:
        os.read(0, 1)
    os._exit(0)
