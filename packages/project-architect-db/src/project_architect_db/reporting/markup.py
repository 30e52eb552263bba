"""HTML made of tags: whatever is not made here is text, and is escaped."""

from __future__ import annotations

from html import escape
from typing import Final

__all__ = ["Html", "joined", "tag"]

_EMPTY: Final = frozenset({"br", "meta", "rect", "line", "path", "col"})


class Html(str):
    """A piece of a page, which only ``tag`` and ``joined`` make."""

    __slots__ = ()


def tag(name: str, /, *children: str, **attributes: str | float | None) -> Html:
    """Return an element; attributes of None are left out, ``_`` stands for ``-`` in a name.

    >>> tag("td", "<b>", class_="name", data_row=1)
    '<td class="name" data-row="1">&lt;b&gt;</td>'
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _EMPTY and not children:
        return Html(f"<{name}{given}>" if name in {"br", "meta", "col"} else f"<{name}{given}/>")
    return Html(f"<{name}{given}>{joined(*children)}</{name}>")


def joined(*parts: str) -> Html:
    """Return pieces after each other; those that are text are escaped."""
    return Html("".join(part if isinstance(part, Html) else escape(part) for part in parts))
