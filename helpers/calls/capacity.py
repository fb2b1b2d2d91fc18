"""How many calls this machine lets one process have under way, and a bar that shows how many there are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

try:
    import resource
except ImportError:  # Windows has no limit of this kind
    resource = None  # type: ignore[assignment]

RESERVED = 200  # files that the process has open besides: its own modules, sockets, pipes
_PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")  # Linux
_USUAL_PORTS = 16384  # those of macOS and Windows, 49152 to 65535


def files_allowed() -> tuple[int | None, int | None]:
    """How many files, sockets among them, this process may have open: now, and at the most.

    The first is the soft limit, which a process may raise up to the second, the hard limit. None: no limit.
    """
    if resource is None:
        return None, None
    soft, hard = (
        None if limit == resource.RLIM_INFINITY else limit
        for limit in resource.getrlimit(resource.RLIMIT_NOFILE)
    )
    return soft, hard


def ports_allowed() -> int:
    """How many connections this machine can have to one address and port at a time."""
    try:
        first, last = map(int, _PORTS.read_text().split())
    except OSError:
        return _USUAL_PORTS
    return last - first + 1


def most_calls() -> int:
    """How many connections this process may have under way, once `require_room` has made room; at least 1."""
    _, hard = files_allowed()
    most = ports_allowed() if hard is None else min(ports_allowed(), hard)
    return max(1, most - RESERVED)


def require_room(calls: int) -> None:
    """Raise this process's limit of open files so that `calls` connections fit; its children inherit it.

    Raises RuntimeError that names the limit in the way, and the largest number of calls that fits.
    """
    soft, hard = files_allowed()
    needed, fits = calls + RESERVED, f"{most_calls():,} calls is the most that fits"
    if calls <= 1:
        return
    if needed > ports_allowed():
        raise RuntimeError(f"{calls:,} calls need as many local ports; {fits}")
    if soft is None or needed <= soft:
        return
    if hard is not None and needed > hard:
        raise RuntimeError(
            f"{calls:,} calls need {needed:,} open files, and the hard limit is {hard:,}; {fits}"
        )
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, resource.RLIM_INFINITY if hard is None else hard))
    except (ValueError, OSError) as error:  # macOS has one more limit, which it does not tell
        raise RuntimeError(f"{calls:,} calls need {needed:,} open files: {error}") from error


@asynccontextmanager
async def progress(total: int, count: Callable[[], int], label: str) -> AsyncIterator[None]:
    """Show a bar while the block runs: how many of `total`. It asks `count` four times a second."""
    from IPython.display import display
    from ipywidgets import FloatProgress

    # A share of 1: a saved notebook has the text form of the bar, which is then the same for every total.
    bar = FloatProgress(value=0, max=1, description=label, style={"description_width": "initial"})
    display(bar)

    async def watch() -> None:
        while True:
            bar.value = count() / total
            await asyncio.sleep(0.25)

    watcher = asyncio.create_task(watch(), name="progress")
    try:
        yield
        bar.value = 1
    finally:
        watcher.cancel()
        await asyncio.gather(watcher, return_exceptions=True)
