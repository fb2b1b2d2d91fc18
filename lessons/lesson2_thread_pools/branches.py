"""Functions for worker processes, which import what they run and cannot see those of a notebook."""

import os
from math import isqrt


def count_primes(limit):
    """Return how many primes there are below `limit`. Pure Python: this keeps a CPU busy."""
    return sum(all(number % divisor for divisor in range(2, isqrt(number) + 1)) for number in range(2, limit))


def process_id():
    """Return the id of the process that makes this call."""
    return os.getpid()
