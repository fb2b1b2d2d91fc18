"""How long a tree of calls takes, computed: work, span, and what a limit leaves possible.

A tree is the seconds of a call, a list of trees that run one after another, or a dict of name to tree
for those that run at the same time.
"""


def work(tree):
    """Return the seconds of all calls together: the time of one after another."""
    if isinstance(tree, dict):
        return sum(work(branch) for branch in tree.values())
    if isinstance(tree, list):
        return sum(work(step) for step in tree)
    return tree


def span(tree):
    """Return the seconds of the critical path: the longest way from the start to the end."""
    if isinstance(tree, dict):
        return max((span(branch) for branch in tree.values()), default=0)
    if isinstance(tree, list):
        return sum(span(step) for step in tree)
    return tree


def critical_path(tree):
    """Return the names of the calls on the critical path, from the start to the end."""
    if isinstance(tree, dict) and tree:
        longest = max(tree, key=lambda name: span(tree[name]))
        return critical_path(tree[longest]) or [longest]
    if isinstance(tree, list):
        return [name for step in tree for name in critical_path(step)]
    return []


def bounds(branches, limit):
    """Return the least and the most seconds that a dict of branches can take, `limit` at a time.

    Nobody beats the longest branch, nor the work shared out evenly. And as long as no worker is idle
    while a branch waits, it takes no longer than Graham's bound (Graham, "Bounds on multiprocessing
    timing anomalies", 1969).
    """
    longest, share = span(branches), work(branches) / limit
    return max(longest, share), share + (1 - 1 / limit) * longest
