"""Pieces of text around what was found, safe to show on a page and in a terminal."""

from __future__ import annotations

import re
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Final, NamedTuple

from andamios_orm.core.lines import one_line
from project_architect_db.schemas.search import marked
from project_architect_db.search.words import words_with_places

if TYPE_CHECKING:
    from collections.abc import Sequence

    from project_architect_db.search.asking import Term

__all__ = ["Finder", "Snippet"]

_LENGTH: Final = 200
_BEFORE: Final = 40
_MOST_WORDS: Final = 20_000

Place = tuple[int, int]


class Snippet(NamedTuple):
    """A piece of text on one line, and where in it is what was found."""

    text: str
    places: tuple[Place, ...] = ()

    def html(self) -> str:
        """Return the text for a page: ``<mark>`` is the only tag in it.

        >>> Snippet("a <b> plan", ((6, 10),)).html()
        'a &lt;b&gt; <mark>plan</mark>'
        """
        quoted = str if escape(self.text) == self.text else escape
        return marked(self.text, self.places, "<mark>", "</mark>", quoted)


class Finder:
    """Finds the words of some terms in texts."""

    def __init__(self, terms: Sequence[Term]) -> None:
        """Look for ``terms``."""
        self.words = frozenset(
            word
            for term in terms
            for word in (*(() if term.is_prefix else term.words), *term.similar)
        ) | {word for term in terms if term.is_prefix for word in term.words[:-1]}
        self.prefixes = tuple(term.words[-1] for term in terms if term.is_prefix)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        """What the words look like in a text of small letters in ASCII, or are part of."""
        parts = [re.escape(word) for word in sorted(self.words, reverse=True)]
        parts += [f"{re.escape(word)}[a-z0-9]*" for word in self.prefixes]
        return re.compile("|".join(parts))

    def snippet(self, text: str) -> Snippet:
        """Return the piece of ``text`` with most of the words; its beginning, if it has none."""
        places = self.places(text)
        start = _best(places)
        start = _at_a_word(text, start) if start else 0
        end = _at_a_word(text, start + _LENGTH) if start + _LENGTH < len(text) else len(text)
        inside = [(a - start, b - start) for a, b in places if a >= start and b <= end]
        return _on_one_line(text[start:end], inside, before=start > 0, behind=end < len(text))

    def places(self, text: str) -> list[Place]:
        """Return where the words are in ``text``."""
        if text.isascii():
            # Half as many steps as if the expression itself asked for whole words.
            return [
                (start, end)
                for start, end in map(re.Match.span, self._pattern.finditer(text.lower()))
                if not (text[start - 1 : start].isalnum() or text[end : end + 1].isalnum())
            ]
        return [
            (start, end)
            for _, (start, end, found) in zip(
                range(_MOST_WORDS), words_with_places(text), strict=False
            )
            if any(self._is_meant(word) for word in found)
        ]

    def _is_meant(self, word: str) -> bool:
        return word in self.words or word.startswith(self.prefixes or ("\0",))


def _best(places: Sequence[Place]) -> int:
    """Return where a piece begins that has as many of the places as any."""
    best, most, last = 0, 0, 0
    for first, (start, _) in enumerate(places):
        if len(places) - first <= most:
            break  # no later piece can have more of them
        last = max(last, first)
        while last < len(places) and places[last][1] <= start - _BEFORE + _LENGTH:
            last += 1
        if last - first > most:
            best, most = start, last - first
    return max(best - _BEFORE, 0)


def _at_a_word(text: str, place: int) -> int:
    """Return where a word ends or begins, shortly before ``place``."""
    blank = text.rfind(" ", max(place - _BEFORE // 2, 0), place)
    return blank + 1 if blank >= 0 else place


def _on_one_line(text: str, places: Sequence[Place], *, before: bool, behind: bool) -> Snippet:
    """Return a snippet with single blanks, and signs where something was left out."""
    parts: list[str] = ["…"] if before else []
    length = len(parts)
    if text.isprintable() and "  " not in text and not text.startswith(" "):  # as most are
        shown = f"{''.join(parts)}{text}".rstrip()
        in_place = tuple((start + length, end + length) for start, end in places)
        return Snippet(f"{shown}…" if behind else shown, in_place)
    moved: list[Place] = []
    last = 0
    for start, end in [*places, (len(text), len(text))]:
        for piece, found in ((text[last:start], False), (text[start:end], True)):
            shown = one_line(piece)
            if not length:
                shown = shown.lstrip()
            if found and shown:
                moved.append((length, length + len(shown)))
            parts.append(shown)
            length += len(shown)
        last = end
    joined = "".join(parts).rstrip()
    return Snippet(f"{joined}…" if behind else joined, tuple(moved))
