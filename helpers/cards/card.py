"""Cards: small HTML outputs with an equal text form, readable in a light and in a dark theme.

Only inline styles and plain tags: they survive where a notebook is not trusted. Every state is also
said in words, so nothing depends on a colour.
"""

import html
import re

from IPython.display import display

RIGHT, NOT_YET, PLAIN = "#2e9d4f", "#d98200", "#8a8a8a"


def card(body: str, accent: str = PLAIN) -> str:
    """Put HTML into a frame with an edge in the colour `accent`."""
    return f'<div style="border-left:4px solid {accent};padding:2px 0 2px 14px;margin:6px 0">{body}</div>'


def prose(text: str) -> str:
    """Escape a text for HTML; what stands in `backticks` becomes code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))


def summary(body: str) -> str:
    """The line of a <details> that is always seen. With the focus on it, JupyterLab's keys do nothing."""
    return f'<summary data-lm-suppress-shortcuts="true" style="cursor:pointer">{body}</summary>'


def show(body: str, text: str) -> None:
    """Display HTML and its text form as one output."""
    display({"text/html": body, "text/plain": text}, raw=True)
