"""Documents found by their words: the ranking, and the piece of each that was found."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from html import escape
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import (
    REAL,
    Text,
    bindparam,
    cast,
    column,
    distinct,
    func,
    literal,
    literal_column,
    select,
)
from sqlalchemy.dialects.postgresql import TSQUERY, array

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
_QUERY: Final = bindparam("searched_for", type_=Text())
_LANGUAGE: Final = bindparam("searched_in", type_=Text())


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
) -> tuple[Select[Any], dict[str, str | None]]:
    """Return the query for hits, the best first, and its parameters.

    Keys and ranks come from the one function that may use the index; all that is told of a
    document is read under the policy of its table. No more of them are read than are asked for.
    """
    statement = _ranked(of_one_language=language is not None)
    return (
        statement.where(*where).limit(limit).offset(offset),
        {_QUERY.key: query, **({} if language is None else {_LANGUAGE.key: language})},
    )


@cache
def _ranked(*, of_one_language: bool) -> Select[Any]:
    """Return the query for all hits; made once, for that takes longer than to run it."""
    function = (
        func.axai_find_documents(_in_language(_LANGUAGE) if of_one_language else _in_any())
        .table_valued(column("id", Document.id.type), column("rank", REAL()))
        .render_derived(name="found")
    )
    # In this order PostgreSQL reads documents, and stops when it has enough.
    ranked = (
        select(function.c.id, function.c.rank)
        .order_by(function.c.rank.desc(), function.c.id)
        .subquery("ranked")
    )
    own = _in_language(Document.language)
    read = func.concat_ws(" — ", Document.description, func.left(Document.content, _READ))
    snippet = func.ts_headline(
        func.axai_text_search(Document.language), func.translate(read, _SIGNS, ""), own, _OPTIONS
    )
    # What one language makes of a word may be another word of another language.
    is_meant = (
        Document.language == _LANGUAGE
        if of_one_language
        else literal_column("documents.search_vector").bool_op("@@")(own)
    )
    return (
        select(Document.id, Document.title, Document.language, Document.status, Document.owner_id)
        .add_columns(ranked.c.rank, snippet.label("snippet"))
        .join(ranked, Document.id == ranked.c.id)
        .where(is_meant)
        .order_by(ranked.c.rank.desc(), ranked.c.id)
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


def _in_any() -> ColumnElement[Any]:
    """Return what is looked for in the index, in any language."""
    # A code that axai_text_search() does not know stands for the languages it does not know.
    codes = array([literal(each) for each in (*LANGUAGES, "")])
    code = func.unnest(codes).column_valued("code")
    said = cast(_in_language(code), Text)
    every = func.string_agg(distinct(func.concat("(", said, ")")), literal_column("' | '"))
    return select(cast(every, TSQUERY)).where(said != "").scalar_subquery()


def _in_language(language: Any) -> ColumnElement[Any]:
    return func.websearch_to_tsquery(func.axai_text_search(language), _QUERY)
