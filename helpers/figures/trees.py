"""Trees of runnables as plain data, and in words."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from numbers import Real

FUNCTION, SEQUENCE, PARALLEL = "function", "sequence", "parallel"
KINDS = {FUNCTION: "", SEQUENCE: "step", PARALLEL: "branch"}  # kind -> what its children are


@dataclass(frozen=True)
class Node:
    """A runnable: `Node("summary", "function", 0.12)`, `Node("review", "parallel", children=[...])`.

    kind: "parallel" (its children are branches, which start together and are waited for), "sequence"
    (its children run one after another) or "function" (it has no children).
    seconds: how long it takes, if that is to be shown.

    Raises ValueError for an empty name, another kind, negative seconds, a parallel or a sequence without
    children and a function with children; TypeError for children that are no nodes.
    """

    name: str
    kind: str
    seconds: float | None = None
    children: tuple[Node, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip():
            raise ValueError(f"a node's name must be a text that is not empty, not {self.name!r}")
        if self.kind not in KINDS:
            raise ValueError(f"the kind of {self.name!r} must be {_either(KINDS)}, not {self.kind!r}")
        if self.seconds is not None and not _is_duration(self.seconds):
            raise ValueError(f"the seconds of {self.name!r} must be 0 or more, or None, not {self.seconds!r}")
        object.__setattr__(self, "children", tuple(self.children))
        for child in self.children:
            require_node(child, f"a child of {self.name!r}")
        if bool(self.children) is (self.kind == FUNCTION):
            wrong = "cannot have children" if self.children else "must have children"
            raise ValueError(f"{self.name!r} is a {self.kind}: it {wrong}")

    @property
    def duration(self) -> str:
        """Its seconds as they are shown, or nothing."""
        return "" if self.seconds is None else f"{self.seconds:g} s"

    @property
    def heading(self) -> str:
        """Its name, and its seconds if it has any."""
        return f"{self.name}, {self.duration}" if self.duration else self.name

    def functions(self) -> Iterator[Node]:
        """The functions in it, from left to right and from top to bottom."""
        if self.kind == FUNCTION:
            yield self
        for child in self.children:
            yield from child.functions()

    def has(self, names: frozenset[str]) -> bool:
        """Whether one of the names is that of a function in it."""
        return any(function.name in names for function in self.functions())

    def outline(self, path: frozenset[str], depth: int = 0) -> Iterator[str]:
        """A line for each node, indented; `path` has the names of the functions on the critical path."""
        line = f"{self.name}: {self.kind}"
        if self.children:
            kind = KINDS[self.kind]
            plural = {"branch": "branches"}.get(kind, f"{kind}s")
            line += f" of {len(self.children)} {kind if len(self.children) == 1 else plural}"
        line += f", {self.duration}" if self.duration else ""
        line += ", on the critical path" if self.kind == FUNCTION and self.name in path else ""
        yield "\N{NO-BREAK SPACE}" * 4 * depth + line  # HTML would swallow ordinary spaces
        for child in self.children:
            yield from child.outline(path, depth + 1)


def as_node(tree: object, name: str = "all") -> Node:
    """A Node from plain data: a dict is a parallel, a list a sequence, a number the seconds of a function.

    A dict with one key is what stands under that key. name: for the outermost node. A Node is given back.
    Raises ValueError and TypeError as `Node` does, and TypeError for other data.
    """
    match tree:
        case Node():
            return tree
        case dict() if len(tree) == 1:
            [(name, only)] = tree.items()
            return as_node(only, name)
        case dict():
            return Node(name, PARALLEL, children=tuple(as_node(branch, key) for key, branch in tree.items()))
        case list():
            return Node(
                name, SEQUENCE, children=tuple(as_node(step, f"step {n}") for n, step in enumerate(tree, 1))
            )
        case Real():
            return Node(name, FUNCTION, float(tree))
    kind = type(tree).__name__
    raise TypeError(f"{name!r} must be a Node, a dict, a list or a number of seconds, not a {kind}")


def require_node(value: object, what: str) -> None:
    """Raises TypeError for anything but a Node."""
    if not isinstance(value, Node):
        raise TypeError(f"{what} must be a Node, not a {type(value).__name__}")


def require_path(path: Iterable[str], tree: Node) -> frozenset[str]:
    """The names on a critical path, as a set.

    Raises TypeError for anything but a collection of names and anything but a Node, ValueError for a name
    that is not that of exactly one function of the tree.
    """
    require_node(tree, "tree")
    if isinstance(path, str):
        raise TypeError(f"path must be a list of names, not the text {path!r}")
    path = list(path)
    counts = Counter(node.name for node in tree.functions())
    for name in path:
        if not counts[name]:
            raise ValueError(f"path has {name!r}, but the functions of the tree are {', '.join(counts)}")
        if counts[name] > 1:
            raise ValueError(f"path has {name!r}, which is the name of {counts[name]} functions of the tree")
    return frozenset(path)


def tree_in_words(tree: Node, path: frozenset[str]) -> str:
    """The tree as an indented outline, and the critical path."""
    lines = list(tree.outline(path))
    on_path = [node for node in tree.functions() if node.name in path]
    if on_path:
        total = ""
        seconds = [node.seconds for node in on_path if node.seconds is not None]
        if len(seconds) == len(on_path):
            total = f", {round(sum(seconds), 9):g} s in all"
        lines.append(f"Critical path: {' → '.join(node.name for node in on_path)}{total}")
    return "\n".join(lines)


def _is_duration(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and 0 <= float(value) < math.inf


def _either(names: Iterable[str]) -> str:
    *first, last = map(repr, names)
    return f"{', '.join(first)} or {last}"
