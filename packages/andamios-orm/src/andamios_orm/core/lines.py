"""Texts of others on one line, without any sign that a terminal or a page would obey."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["one_line"]

# Blanks; C0 and C1; changes of direction; what is not seen; halves of a pair, which cannot be
# printed and stand in the names of files that are no UTF-8.
_UNSEEN: Final = re.compile(
    r"[\s\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff]+"
)


def one_line(text: str) -> str:
    r"""Return a text with a blank in the place of whatever is no sign to be read.

    >>> one_line("a\x1b[31m red\n name")
    'a [31m red name'
    """
    return _UNSEEN.sub(" ", text)
