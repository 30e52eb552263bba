"""A search: what was typed first, then words that differ in a letter or two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from pydantic import TypeAdapter

from project_architect_db.schemas.search import SearchHit, SearchKind, SearchResults, Suggestion
from project_architect_db.search.asking import Asked, parse
from project_architect_db.search.snippets import Finder

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Sequence

    from sqlalchemy import ColumnElement

    from project_architect_db.search.snippets import Snippet

__all__ = ["FEW", "Backend", "Filters", "Found", "Page", "find", "hits_of", "suggestion_of"]

FEW: Final = 3
"""With fewer hits than this, words that differ in a letter or two are looked for as well."""

_HITS: Final = TypeAdapter(list[SearchHit])


@dataclass(frozen=True, slots=True)
class Filters:
    """Which rows are looked at; None is no restriction."""

    kinds: frozenset[SearchKind] | None = None
    project_id: int | None = None
    doc_type: str | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    visible: ColumnElement[bool] | None = None
    """The condition that a viewer may see a project."""


class Found(NamedTuple):
    """A row that was found; of a message, the conversation and its title."""

    kind: str
    id: int
    project_id: int
    title: str
    text: str
    created_at: dt.datetime
    changed_at: dt.datetime
    doc_type: str | None
    message_id: int | None
    score: float


class Page(NamedTuple):
    """Some of what was found, as it is shown, and how much that is in all."""

    total: int
    hits: Sequence[SearchHit] = ()


class Backend(Protocol):
    """One database, as far as a search goes."""

    async def page(
        self, asked: Asked, limit: int, offset: int = 0, *, first: Asked | None = None
    ) -> Page:
        """Return some of what ``asked`` finds, that which ``first`` finds before the rest."""

    async def similar(self, word: str, most: int) -> list[str]:
        """Return other words that rows have, the most similar first."""

    async def titles(self, asked: Asked, limit: int) -> Sequence[Found]:
        """Return rows whose title alone has what is asked for."""


async def find(backend: Backend, text: str, limit: int, offset: int) -> SearchResults:
    """Return the hits for a text, and what may have been meant if there are few."""
    asked = parse(text)
    if not asked.wanted:
        return SearchResults(hits=[], total=0)
    page = await backend.page(asked, limit, offset)
    if page.total >= FEW:
        return _results(page)
    uncertain = [term for term in asked.wanted if term.tolerance]
    similar = {
        term.words[0]: await backend.similar(term.words[0], term.tolerance) for term in uncertain
    }
    meant = await _did_you_mean(backend, asked, similar)
    if not any(similar.values()):
        return _results(page, did_you_mean=meant)
    tolerant = asked.tolerant(similar)
    page = await backend.page(tolerant, limit, offset, first=asked)
    return _results(page, did_you_mean=meant, is_tolerant=True)


async def suggest(backend: Backend, prefix: str, limit: int) -> list[Suggestion]:
    """Return titles with the words of ``prefix``, of which the last may go on."""
    asked = parse(f"{prefix.replace('-', ' ')}*")
    if not asked.wanted:
        return []
    found = await backend.titles(asked, limit)
    if not found:
        whole = parse(prefix)
        similar = {
            term.words[0]: await backend.similar(term.words[0], term.tolerance)
            for term in whole.wanted
            if term.tolerance
        }
        if any(similar.values()):
            found = await backend.titles(whole.tolerant(similar), limit)
    return [suggestion_of(each) for each in found]


async def _did_you_mean(
    backend: Backend, asked: Asked, similar: dict[str, list[str]]
) -> str | None:
    """Return what was typed with other words for those that no row has."""
    better = {
        word: others[0]
        for word, others in similar.items()
        if others and not (await backend.page(parse(word), 1)).total
    }
    if not better:
        return None
    corrected = asked.corrected(better)
    return corrected if (await backend.page(parse(corrected), 1)).total else None


def _results(
    page: Page, *, did_you_mean: str | None = None, is_tolerant: bool = False
) -> SearchResults:
    return SearchResults(
        hits=list(page.hits),
        total=page.total,
        did_you_mean=did_you_mean,
        is_tolerant=is_tolerant,
    )


def hits_of(asked: Asked, rows: Iterable[Found]) -> list[SearchHit]:
    """Return what is shown of rows that were found; of long texts that is for a thread."""
    finder = Finder(asked.wanted)
    return _HITS.validate_python([_shown(found, finder.snippet(found.text)) for found in rows])


def _shown(found: Found, snippet: Snippet) -> dict[str, Any]:
    return {
        "kind": found.kind,
        "id": found.id,
        "project_id": found.project_id,
        "title": found.title,
        "snippet": snippet.html(),
        "plain": snippet.text,
        "places": snippet.places,
        "score": found.score,
        "created_at": found.created_at,
        "changed_at": found.changed_at,
        "doc_type": found.doc_type,
        "message_id": found.message_id,
    }


def suggestion_of(found: Found) -> Suggestion:
    """Return the title of a row that was found."""
    return Suggestion(
        kind=SearchKind(found.kind), id=found.id, project_id=found.project_id, title=found.title
    )
