"""The six ways to call a runnable, by name."""

SYNC, ASYNC = ["invoke", "batch", "stream"], ["ainvoke", "abatch", "astream"]
ONE = ["invoke", "ainvoke"]
BATCHES = ["batch", "abatch"]
STREAMS = ["stream", "astream"]
WHOLE = ONE + BATCHES


async def collect(parts):
    """The parts of an astream."""
    return [part async for part in parts]


def call_sync(chain, way, value, config=None):
    """Call `chain` in one of the ways of SYNC: its result, its results for two inputs, or its parts."""
    came = getattr(chain, way)([value, value] if way == "batch" else value, config)
    return list(came) if way == "stream" else came


async def call_async(chain, way, value, config=None):
    """Call `chain` in any of the six ways, of which those of SYNC block the loop."""
    if way in SYNC:
        return call_sync(chain, way, value, config)
    came = getattr(chain, way)([value, value] if way == "abatch" else value, config)
    return await (collect(came) if way == "astream" else came)
