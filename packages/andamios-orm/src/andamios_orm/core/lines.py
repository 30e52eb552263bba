"""Texts of others, without any sign that a terminal or a page would obey."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["in_place", "one_line", "printable"]

# Blanks but the plain one; C0 and C1; changes of direction; what is not seen; halves of a pair,
# which cannot be printed and stand in the names of files that are no UTF-8.
_UNSEEN: Final = (
    r"[^\S ]|[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    r"\ud800-\udfff\ufeff]"
)
_EACH: Final = re.compile(_UNSEEN)
_RUNS: Final = re.compile(rf"(?: |{_UNSEEN})+")
_BUT_COLOURS: Final = re.compile(rf"(\n|\x1b\[[0-9;]*m)|{_UNSEEN}")


def in_place(text: str) -> str:
    r"""Return a text with one blank for each sign that is none to be read; blanks stay.

    >>> in_place("a\tb   c\x07")
    'a b   c '
    """
    return _EACH.sub(" ", text)


def one_line(text: str) -> str:
    r"""Return a text with a blank in the place of whatever is no sign to be read.

    >>> one_line("a\x1b[31m red\n name")
    'a [31m red name'
    """
    return _RUNS.sub(" ", text)


def printable(text: str) -> str:
    r"""Return a text of which a terminal obeys nothing but colours and the ends of lines.

    >>> printable("\x1b[1mbold\x1b[0m\nname\x1b]0;title\x07")
    '\x1b[1mbold\x1b[0m\nname ]0;title '
    """
    return _BUT_COLOURS.sub(lambda found: found[1] or " ", text)
