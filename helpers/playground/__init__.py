"""A chain put together with widgets, run in a process of its own; experiments on the six ways to call it."""
