"""What a user asks for: words, phrases, prefixes, and what is not wanted.

================ ============================================================
``one two``      rows with both words, in any order
``"one two"``    with these words next to each other
``proj*``        with a word that begins so
``-draft``       without the word; ``-"first draft"``, ``-dra*`` likewise
================ ============================================================

Whatever else is typed separates words; nothing is a mistake.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from project_architect_db.search.words import tolerance, words

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["MOST_TERMS", "MOST_TEXT", "Asked", "Term", "parse"]

MOST_TEXT: Final = 1_000
"""Characters of a question that are read."""
MOST_TERMS: Final = 32
"""Words and phrases of a question that are looked for."""

# A phrase that nobody has closed ends with the text.
_PART: Final = re.compile(r'(?P<sign>(?<!\S)-)?(?:"(?P<phrase>[^"]*)"?|(?P<plain>[^\s"]+))')


@dataclass(frozen=True, slots=True)
class Term:
    """One thing asked for: a word, or several in a row, that a row has, or has not.

    ``similar`` are words that do as well, where one letter or two are wrong.
    """

    words: tuple[str, ...]
    is_prefix: bool = False
    is_excluded: bool = False
    is_quoted: bool = False
    place: tuple[int, int] = (0, 0)
    """Where it is in what was typed, without its signs."""
    similar: tuple[str, ...] = ()

    @property
    def tolerance(self) -> int:
        """How many letters of it may be wrong."""
        if len(self.words) > 1 or self.is_prefix or self.is_excluded or self.is_quoted:
            return 0
        return tolerance(self.words[0])


@dataclass(frozen=True, slots=True)
class Asked:
    """All that is asked for, and the text it was read from."""

    text: str
    terms: tuple[Term, ...]

    @property
    def wanted(self) -> tuple[Term, ...]:
        """What a row must have."""
        return tuple(term for term in self.terms if not term.is_excluded)

    def tolerant(self, similar: Mapping[str, Sequence[str]]) -> Asked:
        """Return the same with words that do as well as the one that was typed."""
        return Asked(
            self.text,
            tuple(
                replace(term, similar=tuple(similar.get(term.words[0], ())))
                if term.tolerance
                else term
                for term in self.terms
            ),
        )

    def corrected(self, better: Mapping[str, str]) -> str:
        """Return what was typed, with some words replaced."""
        text = self.text
        for term in reversed(self.terms):
            if term.tolerance and term.words[0] in better:
                start, end = term.place
                text = f"{text[:start]}{better[term.words[0]]}{text[end:]}"
        return text


def parse(text: str) -> Asked:
    """Return what a text asks for; it may be nothing.

    >>> [(each.words, each.is_excluded) for each in parse('"first draft" -old api*').terms]
    [(('first', 'draft'), False), (('old',), True), (('api',), False)]
    """
    text = text[:MOST_TEXT]
    return Asked(text, tuple(_distinct(_terms(text)))[:MOST_TERMS])


def _terms(text: str) -> Iterable[Term]:
    for part in _PART.finditer(text):
        quoted = part["phrase"] is not None
        name = "phrase" if quoted else "plain"
        found = tuple(words(part[name]))
        if found:
            yield Term(
                found,
                is_prefix=not quoted and part[name].endswith("*"),
                is_excluded=part["sign"] is not None,
                is_quoted=quoted,
                place=part.span(name),
            )


def _distinct(terms: Iterable[Term]) -> Iterable[Term]:
    """Yield each term once: to ask twice for a word is no other question."""
    known: set[Term] = set()
    for term in terms:
        key = replace(term, place=(0, 0))
        if key not in known:
            known.add(key)
            yield term
