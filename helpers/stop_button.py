"""Let the stop button end a cell that awaits.

When a kernel is interrupted while a cell awaits, ipykernel's signal handler schedules the cancellation of
the cell. But the loop sleeps, and carries that out only when something else wakes it. So the signal itself
has to wake the loop.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys

RESTART = "Restart the kernel (menu Kernel)."  # what helps where stopping has not


def in_a_kernel() -> bool:
    """Whether this process is a kernel, with ipykernel's handlers of signals."""
    kernelapp = sys.modules.get("ipykernel.kernelapp")
    return kernelapp is not None and kernelapp.IPKernelApp.initialized()


def wake_on_signals() -> bool:
    """From now on, every signal that Python handles wakes the loop that is running. Returns whether it is so.

    Nothing changes, and it returns False, where no loop is running, outside the main thread, where signals
    wake something already (as uvloop has it), and where the loop cannot watch a socket (as the one that
    Windows has by default).
    """
    try:
        loop = asyncio.get_running_loop()
        before = signal.set_wakeup_fd(-1)
    except (RuntimeError, ValueError):
        return False
    if before != -1:
        signal.set_wakeup_fd(before)
        return False
    watched, signalled = socket.socketpair()
    for end in (watched, signalled):
        end.setblocking(False)
    try:
        loop.add_reader(watched, watched.recv, 4096)
    except NotImplementedError:
        watched.close()
        signalled.close()
        return False
    # Detached, it stays open to the very end of the process, for signals come until then.
    signal.set_wakeup_fd(signalled.detach(), warn_on_full_buffer=False)
    return True
