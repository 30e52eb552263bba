"""Words as the search knows them: the same on both databases, whatever the language.

A word is a run of letters and digits, in small letters and without accents. There are no
stems and no stop words: what is written is what is found.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "LONGEST",
    "MARKS",
    "TEXT",
    "distance",
    "folded",
    "tolerance",
    "words",
    "words_with_places",
]

LONGEST: Final = 200
"""Letters of a word that can be found; longer ones are left out."""
TEXT: Final = 200_000
"""Characters of a text that are looked at: more than this of it is not searched."""
MARKS: Final = ("\u0300", "\u036f")
"""The first and the last of the characters that put an accent on a letter."""

_ACCENTS: Final = dict.fromkeys(range(ord(MARKS[0]), ord(MARKS[1]) + 1))
_WORD: Final = re.compile(r"[^\W_]+")
# With its accents, which may follow the letters that they are on.
_PLACED: Final = re.compile(rf"[^\W_](?:[^\W_]|[{MARKS[0]}-{MARKS[1]}])*")
_SHORT: Final = 4
_LONG: Final = 8


def folded(text: str) -> str:
    """Return a text in small letters, without accents.

    >>> folded("Año Ünico ﬁn")
    'ano unico fin'
    """
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKD", text).translate(_ACCENTS).lower()


def words(text: str) -> list[str]:
    """Return the words of a text, in their order.

    >>> words("The API's first_draft: v2.0")
    ['the', 'api', 's', 'first', 'draft', 'v2', '0']
    """
    return [word for word in _WORD.findall(folded(text)) if len(word) <= LONGEST]


def words_with_places(text: str) -> Iterator[tuple[int, int, list[str]]]:
    """Yield where each word of a text begins and ends, and what it is; some are several.

    >>> list(words_with_places("Año 1"))
    [(0, 3, ['ano']), (4, 5, ['1'])]
    """
    for found in _PLACED.finditer(text):
        yield found.start(), found.end(), words(found[0])


def tolerance(word: str) -> int:
    """Return how many letters may be wrong in a word: none, one, or two.

    >>> [tolerance(word) for word in ("api", "plan", "database", "python3")]
    [0, 1, 2, 0]
    """
    if len(word) < _SHORT or not word.isalpha():
        return 0
    return 1 if len(word) < _LONG else 2


def distance(one: str, other: str, most: int) -> int:
    """Return how many letters are wrong, missing, too many or swapped; ``most + 1`` if more.

    >>> distance("serach", "search", 2), distance("plan", "plane", 2), distance("a", "xyz", 1)
    (1, 1, 2)
    """
    if abs(len(one) - len(other)) > most:
        return most + 1
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        earlier, before, row = before, row, [i]
        for j, against in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != against))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == against:
                cost = min(cost, earlier[j - 2] + 1)
            row.append(cost)
        if min(row) > most and min(before) > most:
            return most + 1
    return min(row[-1], most + 1)
