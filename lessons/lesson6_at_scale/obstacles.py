"""What stands between a call and its service, counted where it is felt: at the other end."""

import asyncio
import socket


async def most_in_flight(ask, calls, in_flight, expected):
    """Start `calls` calls of ask() as tasks; return how many of them are in flight at the other end.

    in_flight: an async function that asks the other end for their number. Ask it again and again, a hundredth
    of a second apart, until the number is `expected` or more. Return that number. Whatever happens, cancel
    the calls at the end, and wait until all of them have ended.
    """
    tasks = [asyncio.create_task(ask()) for _ in range(calls)]
    try:
        while (number := await in_flight()) < expected:
            await asyncio.sleep(0.01)
        return number
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def knock(address):
    """Try to connect for half a second, and stay for another one; return whether that worked."""
    with socket.socket() as visitor:
        visitor.setblocking(False)
        try:
            await asyncio.wait_for(asyncio.get_running_loop().sock_connect(visitor, address), timeout=0.5)
        except (OSError, TimeoutError):
            return False
        await asyncio.sleep(0.5)  # stay connected while the others try
        return True
