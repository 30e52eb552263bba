"""Documents found by their words: the ranking, and the piece of each that was found."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Text, cast, column, distinct, func, literal, literal_column, select
from sqlalchemy.dialects.postgresql import TSQUERY, array
from sqlalchemy.orm import aliased

from axai_pg.data.models import Document

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Select

    from axai_pg.data.models import DocumentStatus

__all__ = ["LANGUAGES", "LONGEST", "SearchHit", "found", "hit_of"]

# fmt: off
LANGUAGES: Final = (
    "ar", "da", "de", "en", "es", "fi", "fr", "hu", "it", "nl", "no", "pt", "ro", "ru", "sv", "tr",
)
# fmt: on
"""The codes that ``axai_text_search()`` knows; others are searched word for word."""
LONGEST: Final = 1_000
"""Characters that may be searched for at once."""
_READ: Final = 20_000
"""Characters of a content in which a snippet is looked for."""
# Signs of nobody: what is between them was found. Contents may have them, so they are taken out.
_START, _STOP = "\ue000", "\ue001"
_SIGNS: Final = f"{_START}{_STOP}"
_OPTIONS: Final = f"StartSel={_START}, StopSel={_STOP}, MaxWords=35, MinWords=15"
_FOUND: Final = re.compile(f"{_START}([^{_SIGNS}]*){_STOP}")
_BLANKS: Final = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class SearchHit:
    """A document that was found; the higher the rank, the better it fits.

    ``snippet`` is text of the document, without tags; ``places`` are where in it the words are.
    """

    id: uuid.UUID
    title: str
    language: str
    status: DocumentStatus
    owner_id: uuid.UUID
    rank: float
    snippet: str
    places: tuple[tuple[int, int], ...]

    @property
    def html(self) -> str:
        """The snippet for a page: ``<mark>`` is the only tag in it."""
        parts, last = [], 0
        for start, end in self.places:
            parts += [escape(self.snippet[last:start]), "<mark>"]
            parts += [escape(self.snippet[start:end]), "</mark>"]
            last = end
        return "".join([*parts, escape(self.snippet[last:])])


def found(
    query: str,
    where: Sequence[ColumnElement[bool]],
    *,
    language: str | None,
    limit: int,
    offset: int,
) -> Select[Any]:
    """Return the query for hits, the best first.

    Keys and ranks come from the one function that may use the index; all that is told of a
    document is read under the policy of its table. Snippets are made of these few alone.
    """
    wanted = _wanted(query, language)
    matches = (
        func.axai_find_documents(wanted)
        .table_valued(column("id", Document.id.type), "rank")
        .render_derived(name="match")
    )
    inner = (
        select(Document.id, matches.c.rank)
        .join(matches, Document.id == matches.c.id)
        .where(*where)
        .order_by(matches.c.rank.desc(), Document.id)
        .limit(limit)
        .offset(offset)
    )
    if language is None:
        # What one language makes of a word may be another word of another language.
        own = _in_language(query, Document.language)
        inner = inner.where(literal_column("documents.search_vector").bool_op("@@")(own))
    else:
        inner = inner.where(Document.language == language)
    hits = inner.subquery("hits")
    # Long contents are read again, of these few alone: sorted, they would be read of all.
    hit = aliased(Document)
    read = func.concat_ws(" — ", hit.description, func.left(hit.content, _READ))
    snippet = func.ts_headline(
        func.axai_text_search(hit.language),
        func.translate(read, _SIGNS, ""),
        _in_language(query, hit.language),
        _OPTIONS,
    )
    return (
        select(hit.id, hit.title, hit.language, hit.status, hit.owner_id)
        .add_columns(hits.c.rank, snippet.label("snippet"))
        .join(hits, hit.id == hits.c.id)
        .order_by(hits.c.rank.desc(), hit.id)
    )


def hit_of(row: Any) -> SearchHit:
    """Return the hit in a row of ``found()``."""
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name
    marked = _BLANKS.sub(" ", values.pop("snippet"))
    places: list[tuple[int, int]] = []
    for number, match in enumerate(_FOUND.finditer(marked)):
        start = match.start() - 2 * number
        places.append((start, start + len(match[1])))
    plain = marked.translate({ord(_START): None, ord(_STOP): None})
    return SearchHit(**values, snippet=plain, places=tuple(places))


def _wanted(query: str, language: str | None) -> ColumnElement[Any]:
    """Return what is looked for in the index: in one language, or in any."""
    if language is not None:
        return _in_language(query, literal(language))
    # A code that axai_text_search() does not know stands for the languages it does not know.
    codes = array([literal(each) for each in (*LANGUAGES, "")])
    code = func.unnest(codes).column_valued("code")
    said = cast(_in_language(query, code), Text)
    every = func.string_agg(distinct(func.concat("(", said, ")")), literal_column("' | '"))
    return select(cast(every, TSQUERY)).where(said != "").scalar_subquery()


def _in_language(query: str, language: Any) -> ColumnElement[Any]:
    return func.websearch_to_tsquery(func.axai_text_search(language), query)
