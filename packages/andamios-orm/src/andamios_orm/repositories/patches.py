"""What two texts differ in, as a patch."""

from __future__ import annotations

import difflib

__all__ = ["patch"]


def patch(before: str, after: str, old: str, new: str) -> str:
    r"""Return the difference of two texts with names, as ``diff -u`` writes it.

    Lines end with a line feed and with nothing else, as they do for the tools that read it.

    >>> print(patch("a\nb\n", "a\nc", "old", "new"), end="")
    --- old
    +++ new
    @@ -1,2 +1,2 @@
     a
    -b
    +c
    \ No newline at end of file
    """
    lines = difflib.unified_diff(_lines(before), _lines(after), old, new)
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
    )


def _lines(text: str) -> list[str]:
    """Return the lines of a text, each with its end."""
    *lines, last = text.split("\n")
    return [f"{line}\n" for line in lines] + ([last] if last else [])
