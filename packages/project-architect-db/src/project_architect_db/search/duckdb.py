"""Searches of a DuckDB database, in the index beside it."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import Counter
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy import select

from project_architect_db.models import Project
from project_architect_db.schemas.search import SearchKind
from project_architect_db.search.entries import Kind
from project_architect_db.search.finding import Found, Page, hits_of
from project_architect_db.search.index import is_fault
from project_architect_db.search.words import distance, words

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.ext.asyncio import AsyncEngine

    from project_architect_db.search.asking import Asked, Term
    from project_architect_db.search.finding import Filters
    from project_architect_db.search.following import Following
    from project_architect_db.search.index import Index

__all__ = ["DuckDBBackend"]

ResultT = TypeVar("ResultT")

_TITLE: Final = 3.0
_OTHER: Final = 0.5
_FIRST: Final = 1_000.0
_SAMPLE: Final = 50
_MOST_SIMILAR: Final = 20
_GROUPS: Final = 10_000
_FAR: Final = 2**62


class DuckDBBackend:
    """One search: up to date with all that was committed when it began."""

    def __init__(self, engine: AsyncEngine, following: Following, filters: Filters) -> None:
        """Search the index that ``following`` keeps for ``engine``."""
        self._engine = engine
        self._following = following
        self._filters = filters
        self._projects: list[int] | None = None

    async def begin(self) -> None:
        """Catch up, and see which projects the viewer may see.

        Raises:
            SearchUnavailable: the folder of the index cannot be written.
        """
        await self._following.catch_up(self._engine)
        if self._filters.visible is not None:
            statement = select(Project.id).where(
                self._filters.visible, Project.deleted_at.is_(None)
            )
            async with self._engine.connect() as connection:
                self._projects = list(await connection.scalars(statement))

    async def page(
        self, asked: Asked, limit: int, offset: int = 0, *, first: Asked | None = None
    ) -> Page:
        """Return some of what ``asked`` finds, that which ``first`` finds before the rest."""
        return await self._in_thread(lambda looking: looking.page(asked, limit, offset, first))

    async def similar(self, word: str, most: int) -> list[str]:
        """Return other words that rows have, the most similar first."""
        return await self._in_thread(lambda looking: looking.similar(word, most))

    async def titles(self, asked: Asked, limit: int) -> Sequence[Found]:
        """Return rows whose title alone has what is asked for."""
        return await self._in_thread(lambda looking: looking.titles(asked, limit))

    async def _in_thread(self, work: Callable[[_Looking], ResultT]) -> ResultT:
        """Return what ``work`` finds; an index that turns out to be damaged is made anew."""
        index = self._following.index
        searcher = index.searcher
        if searcher is not None and index.state is not None:  # else it is being made anew
            try:
                return await asyncio.to_thread(self._look, work, searcher)
            except BaseException as error:
                if not is_fault(error):
                    raise
            await self._following.damaged(searcher)
        await self._following.catch_up(self._engine)
        return await asyncio.to_thread(self._look, work, index.searcher)

    def _look(self, work: Callable[[_Looking], ResultT], searcher: Any) -> ResultT:
        index = self._following.index
        return work(_Looking(index, searcher, self._filters, self._projects))


class _Looking:
    """Questions to the index as it is at one moment. It blocks."""

    def __init__(
        self, index: Index, searcher: Any, filters: Filters, projects: list[int] | None
    ) -> None:
        self.index = index
        self.query = index.query
        self.searcher = searcher
        self.occur = index.tantivy.Occur
        self.restrictions = self._restrictions(filters, projects)

    def page(self, asked: Asked, limit: int, offset: int, first: Asked | None) -> Page:
        """Return some of what is found, and how much there is."""
        clauses = self._clauses(asked, ("title", "body"))
        if first is not None:
            before = self._all(self._clauses(first, ("title", "body")))
            clauses.append((self.occur.Should, self.query.const_score_query(before, _FIRST)))
        total, found = self._page(self._all(clauses + self.restrictions), limit, offset)
        return Page(total, hits_of(asked, found))

    def titles(self, asked: Asked, limit: int) -> list[Found]:
        """Return rows by their titles."""
        query = self._all(self._clauses(asked, ("title",)) + self.restrictions)
        hits = self.searcher.search(query, limit=limit, count=False).hits
        return [self._found(*hit) for hit in hits]

    def similar(self, word: str, most: int) -> list[str]:
        """Return words of rows that may be seen: their texts are read, not the dictionary."""
        found: Counter[str] = Counter()
        fuzzy = [
            (self.occur.Should, self.query.fuzzy_term_query(self.index.schema, field, word, most))
            for field in ("title", "body")
        ]
        wanted = [(self.occur.Must, self._all(fuzzy)), *self.restrictions]
        known = {word}
        while True:
            seen = [(self.occur.MustNot, self._word(each, ("title", "body"))) for each in known]
            query = self._all(wanted + (seen if len(known) > 1 else []))
            texts = self._texts(query)
            new = {each for each in set().union(*texts) if distance(word, each, most) <= most}
            found.update(each for text in texts for each in text & new)
            if new <= known or len(found) > _MOST_SIMILAR:
                break
            known |= new
        del found[word]
        ranked = sorted(found, key=lambda each: (distance(word, each, most), -found[each], each))
        return ranked[:_MOST_SIMILAR]

    # ---- queries -------------------------------------------------------------------

    def _all(self, clauses: Sequence[tuple[Any, Any]]) -> Any:
        if len(clauses) == 1 and clauses[0][0] == self.occur.Must:
            return clauses[0][1]  # which takes a quarter less time by itself
        return self.query.boolean_query(list(clauses))

    def _clauses(self, asked: Asked, fields: Sequence[str]) -> list[tuple[Any, Any]]:
        return [
            (
                self.occur.MustNot if term.is_excluded else self.occur.Must,
                self._term(term, fields),
            )
            for term in asked.terms
        ]

    def _term(self, term: Term, fields: Sequence[str]) -> Any:
        if term.is_prefix:
            parts = [self._prefix(term.words[-1], fields)]
            if len(term.words) > 1:
                parts.append(self._row(term.words[:-1], fields))
            return self._all([(self.occur.Must, part) for part in parts])
        own = self._row(term.words, fields)
        others = [self.query.boost_query(self._word(word, fields), _OTHER) for word in term.similar]
        return self.query.disjunction_max_query([own, *others]) if others else own

    def _row(self, found: tuple[str, ...], fields: Sequence[str]) -> Any:
        """Return the query for words next to each other."""
        if len(found) == 1:
            return self._word(found[0], fields)
        schema, words_ = self.index.schema, list(found)
        return self._in(fields, lambda field: self.query.phrase_query(schema, field, words_))

    def _word(self, word: str, fields: Sequence[str]) -> Any:
        return self._in(fields, lambda field: self.index.term(field, word))

    def _prefix(self, prefix: str, fields: Sequence[str]) -> Any:
        # Of letters and digits alone, so that no part of it is an expression.
        schema = self.index.schema
        return self._in(fields, lambda field: self.query.regex_query(schema, field, f"{prefix}.*"))

    def _in(self, fields: Sequence[str], make: Callable[[str], Any]) -> Any:
        parts = [
            self.query.boost_query(make(field), _TITLE) if field == "title" else make(field)
            for field in fields
        ]
        return self.query.disjunction_max_query(parts)

    def _restrictions(self, filters: Filters, projects: list[int] | None) -> list[tuple[Any, Any]]:
        must, index = self.occur.Must, self.index
        found: list[tuple[Any, Any]] = []
        if filters.kinds is not None:
            kinds: list[str] = [kind.value for kind in filters.kinds]
            if SearchKind.CONVERSATION in filters.kinds:
                kinds.append(Kind.MESSAGE.value)
            found.append((must, self._one_of("kind", kinds)))
        if filters.project_id is not None:
            found.append((must, index.term("project", str(filters.project_id))))
        if projects is not None:
            found.append((must, self._one_of("project", [str(key) for key in projects])))
        if filters.doc_type is not None:
            found.append((must, index.term("doc_type", filters.doc_type)))
        if filters.since is not None or filters.until is not None:
            found.append((must, self._changed(filters.since, filters.until)))
        return found

    def _one_of(self, field: str, values: Sequence[str]) -> Any:
        return self.query.const_score_query(
            self.query.term_set_query(self.index.schema, field, list(values)), 0.0
        )

    def _changed(self, since: dt.datetime | None, until: dt.datetime | None) -> Any:
        return self.query.range_query(
            self.index.schema,
            "changed",
            self.index.tantivy.FieldType.Integer,
            -_FAR if since is None else _microseconds(since),
            _FAR if until is None else _microseconds(until),
            include_upper=False,
        )

    # ---- hits ----------------------------------------------------------------------

    def _page(self, query: Any, limit: int, offset: int) -> tuple[int, list[Found]]:
        """Return how much there is, and a page on which a conversation is by its best message."""
        found: dict[tuple[str, int], Found] = {}
        seen, window = 0, offset + limit
        while True:
            result = self.searcher.search(query, limit=window - seen, offset=seen)
            for score, address in result.hits:
                each = self._found(score, address)
                found.setdefault((each.kind, each.id), each)
            seen = window
            if len(found) >= offset + limit or window >= result.count:
                break
            window *= 2
        total = len(found) if window >= result.count else result.count - self._repeated(query)
        return total, list(found.values())[offset : offset + limit]

    def _repeated(self, query: Any) -> int:
        """Return how many entries are of conversations that others are of as well."""
        if not self.index.has_talks:
            return 0
        talks = self._one_of("kind", [Kind.CONVERSATION.value, Kind.MESSAGE.value])
        query = self._all([(self.occur.Must, query), (self.occur.Must, talks)])
        groups = {"groups": {"terms": {"field": "talk", "size": _GROUPS}}}
        found = self.searcher.aggregate(query, groups)["groups"]
        count = found["sum_other_doc_count"] + sum(each["doc_count"] for each in found["buckets"])
        if not found["sum_other_doc_count"]:
            return int(count - len(found["buckets"]))
        many = {"distinct": {"cardinality": {"field": "talk"}}}
        distinct = self.searcher.aggregate(query, many)["distinct"]["value"]
        return max(int(count - distinct), 0)

    def _found(self, score: float, address: Any) -> Found:
        meta, text = self.index.stored(self.searcher, address)
        kind, key, message, title = meta["kind"], meta["id"], None, meta["title"]
        if kind == Kind.MESSAGE.value:
            kind, key, message = Kind.CONVERSATION.value, meta["conversation_id"], key
            # The one that it had when the message was indexed may be another.
            own = self.index.document(f"{kind}:{key}", self.searcher)
            title = own["title"] if own is not None else title
        return Found(
            kind, key, meta["project_id"], title, text,
            dt.datetime.fromisoformat(meta["created_at"]),
            dt.datetime.fromisoformat(meta["changed_at"]),
            meta["doc_type"], message, score or 0.0,
        )  # fmt: skip

    def _texts(self, query: Any) -> list[set[str]]:
        """Return the words of some entries."""
        hits = self.searcher.search(query, limit=_SAMPLE, count=False).hits
        stored = (self.index.stored(self.searcher, address) for _, address in hits)
        return [set(words(f"{meta['title']} {meta['path']} {text}")) for meta, text in stored]


def _microseconds(moment: dt.datetime) -> int:
    return round(moment.timestamp() * 1_000_000)
