"""What a search finds."""

from __future__ import annotations

import datetime as dt
import enum
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["SearchHit", "SearchKind", "SearchResults", "SearchStatus", "Suggestion", "marked"]


def marked(
    text: str,
    places: Iterable[tuple[int, int]],
    start: str,
    end: str,
    quoted: Callable[[str], str] = str,
) -> str:
    """Return ``text`` with ``start`` and ``end`` around its places, each part of it quoted.

    >>> marked("a plan", [(2, 6)], "[", "]")
    'a [plan]'
    """
    parts: list[str] = []
    last = 0
    for first, behind in places:
        parts += (quoted(text[last:first]), start, quoted(text[first:behind]), end)
        last = behind
    return "".join([*parts, quoted(text[last:])])


class SearchKind(enum.StrEnum):
    """What can be found; messages are found as the conversation that they are in."""

    PROJECT = "project"
    CONVERSATION = "conversation"
    DOCUMENT = "document"
    REPOSITORY = "repository"


class _Found(BaseModel):
    model_config = ConfigDict(frozen=True, use_enum_values=True)


class Suggestion(_Found):
    """A title that may be meant."""

    kind: SearchKind
    id: int
    project_id: int
    title: str


class SearchHit(Suggestion):
    """A row that was found: which one, how well it fits, and a piece of its text.

    The title of a conversation may be empty. ``score`` orders the hits of one search;
    those of two searches, or of two databases, cannot be compared.
    """

    snippet: str
    """A piece of the text as HTML: ``<mark>`` is the only tag, all else is escaped."""
    plain: str
    """The same as text on one line, without any sign that a terminal would obey."""
    places: tuple[tuple[int, int], ...]
    """Where in ``plain`` is what was found."""
    score: float
    created_at: dt.datetime
    changed_at: dt.datetime
    """When it was last changed: of a document its content, of a message its time."""
    doc_type: str | None = None
    message_id: int | None = None
    """The message of the conversation that was found; None if its title was."""

    def marked(self, start: str, end: str) -> str:
        """Return ``plain`` with ``start`` and ``end`` around what was found."""
        return marked(self.plain, self.places, start, end)


class SearchResults(_Found):
    """The hits of a page, the best first, and how many there are in all."""

    hits: list[SearchHit]
    total: int
    did_you_mean: str | None = None
    """What was typed with words that do occur, if little was found."""
    is_tolerant: bool = False
    """Whether words that differ in a letter or two were looked for as well."""


class SearchStatus(_Found):
    """What the search works on, and whether it is up to date."""

    system: str
    tolerates_typos: bool
    entries: int | None
    """Rows and messages in the index; None on PostgreSQL, where the tables have it."""
    position: int
    """How far in the change feed it has come; on PostgreSQL its words."""
    behind: int
    """Changes that it has not seen; the next search does."""
    folder: str | None = None
    """Where the index is; None in memory and on PostgreSQL."""
    note: str | None = None
    """What to do, if something is missing."""
