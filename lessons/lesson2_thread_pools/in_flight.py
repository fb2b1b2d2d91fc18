"""A counter that stays right when several threads use it at once."""

from threading import Lock


class InFlight:
    """Counts who is inside its `with` block: `now`, and the most there ever were, `peak`."""

    def __init__(self):
        self.lock = Lock()
        self.now = self.peak = 0

    def add(self, change):
        """Add `change` to `now`, and raise `peak` to the new `now` if that is higher.

        `lock` is held from the first read to the last write, so no update gets lost.
        """
        with self.lock:
            self.now += change
            self.peak = max(self.peak, self.now)

    def __enter__(self):
        self.add(1)

    def __exit__(self, *exc_info):
        self.add(-1)
