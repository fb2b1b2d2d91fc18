"""What a claim is worth, from the cases in which its words say that it holds."""


def verdict(cases):
    """Return "holds", "holds, with a footnote" or "does not hold": of all cases, of some, of none.

    cases: what the words of a claim cover, a dict of each case to whether it was seen to hold.
    Raises ValueError if there are none: nothing was observed.
    """
    if not cases:
        raise ValueError("a claim without a case: nothing was observed")
    if all(cases.values()):
        return "holds"
    return "holds, with a footnote" if any(cases.values()) else "does not hold"


def what_was_found(cases):
    """Return in how many cases a claim was seen to hold, and name those in which it was not, in order.

    For {"a": True, "b": False, "c": False} that is "1 of 3; not: b, c". If it holds in all, nothing
    follows the numbers: "3 of 3".
    """
    failed = [case for case, holds in cases.items() if not holds]
    found = f"{len(cases) - len(failed)} of {len(cases)}"
    return f"{found}; not: {', '.join(failed)}" if failed else found
