"""How long a join waits when each branch is slow once in a while: a formula and a simulation."""


def chance_of_a_straggler(branches, probability):
    """Return the probability that at least one of `branches` is slow, if each is with `probability`.

    branches: their number. They are slow independently of each other.
    """
    all_are_quick = (1 - probability) ** branches
    return 1 - all_are_quick


def simulate(branches, probability, calls, random):
    """Return the share of `calls` in which at least one of `branches` was slow.

    random: a random.Random; the same seed gives the same share.
    """
    slow = [any(random.random() < probability for _ in range(branches)) for _ in range(calls)]
    return sum(slow) / calls
