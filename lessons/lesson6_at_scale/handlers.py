"""A web handler made of a plain function: what FastAPI does with a `def` handler."""

import asyncio
from concurrent.futures import ThreadPoolExecutor


def handler_on_threads(function, limit):
    """Make an async handler of a plain function that blocks.

    `await handle(request)` runs function(request) on a thread, while the loop goes on, and gives what that
    returns or raises. At most `limit` of them run at a time, over all requests; the others wait for a thread.
    That holds also after a request is cancelled: its function cannot be stopped, and keeps its thread.
    """
    pool = ThreadPoolExecutor(limit)

    async def handle(request):
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(pool, function, request)

    return handle
