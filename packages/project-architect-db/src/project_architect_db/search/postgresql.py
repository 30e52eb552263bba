"""Searches of a PostgreSQL database: its own text search, and pg_trgm for typos."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, case, func, literal, literal_column, select, union, union_all
from sqlalchemy.dialects.postgresql import TSQUERY, TSVECTOR
from sqlalchemy.ext.asyncio import AsyncEngine

from project_architect_db.models import (
    Conversation,
    ConversationMessage,
    Document,
    Project,
    Repository,
)
from project_architect_db.models.searching import VECTORS
from project_architect_db.schemas.search import SearchKind
from project_architect_db.search.asking import Asked, Term
from project_architect_db.search.entries import MODELS, Kind, entries, entry_of
from project_architect_db.search.finding import Found, Page, hits_of
from project_architect_db.search.words import distance

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from sqlalchemy import ColumnElement, Select
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

    from project_architect_db.search.entries import Entry
    from project_architect_db.search.finding import Filters
    from project_architect_db.search.vocabulary import Vocabulary

__all__ = ["RANKED", "PostgreSQLBackend"]

RANKED: Final = 1_000
"""Matches of a kind that are ranked: of more, those that were changed last."""

_SIMPLE: Final[ColumnElement[Any]] = literal_column("'simple'::regconfig")
_FIRST: Final = 1_000.0
_BY_LENGTH: Final = 1
_IN_TITLES: Final = "A"
_CHANGED: Final[dict[Kind, Any]] = {
    Kind.PROJECT: Project.updated_at,
    Kind.CONVERSATION: Conversation.updated_at,
    Kind.MESSAGE: ConversationMessage.time,
    Kind.DOCUMENT: Document.changed_at,
    Kind.REPOSITORY: Repository.updated_at,
}


class PostgreSQLBackend:
    """One search, of what is committed, or of what a session sees."""

    def __init__(
        self, source: AsyncSession | AsyncEngine, vocabulary: Vocabulary, filters: Filters
    ) -> None:
        """Search in the transaction of a session, or in one of an engine's."""
        self._source = source
        self._vocabulary = vocabulary
        self._filters = filters

    async def page(
        self, asked: Asked, limit: int, offset: int = 0, *, first: Asked | None = None
    ) -> Page:
        """Return some of what ``asked`` finds, that which ``first`` finds before the rest."""
        wanted = _query(asked)
        before = None if first is None else _query(first)
        async with self._connection() as connection:
            total = await self._total(connection, wanted)
            if offset >= total:
                return Page(total)
            found = await self._found(connection, wanted, before, limit, offset)
        return Page(total, await asyncio.to_thread(hits_of, asked, found))

    async def titles(self, asked: Asked, limit: int) -> Sequence[Found]:
        """Return rows whose title alone has what is asked for."""
        async with self._connection() as connection:
            return await self._found(connection, _query(asked, _IN_TITLES), None, limit, 0)

    async def similar(self, word: str, most: int) -> list[str]:
        """Return other words that rows have, the most similar first."""
        totals: dict[str, int] = {}
        near = await self._vocabulary.near(word, most)
        async with self._connection() as connection:
            for other in near:
                wanted = _query(Asked(other, (Term((other,)),)))
                totals[other] = await self._total(connection, wanted)
        there = [other for other, total in totals.items() if total]
        return sorted(there, key=lambda each: (distance(word, each, most), -totals[each], each))

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[AsyncConnection]:
        if isinstance(self._source, AsyncEngine):
            async with self._source.connect() as connection:
                yield connection
        else:
            yield await self._source.connection()

    # ---- statements ----------------------------------------------------------------

    async def _total(self, connection: AsyncConnection, wanted: ColumnElement[Any]) -> int:
        """Return how many rows there are; a conversation counts once."""
        owners = [
            self._matching(kind, wanted, literal(_shown(kind).value).label("kind"), _owner(kind))
            for kind in self._kinds()
        ]
        if not owners:
            return 0
        rows = union(*owners).subquery()
        return int(await connection.scalar(select(func.count()).select_from(rows)) or 0)

    async def _found(
        self,
        connection: AsyncConnection,
        wanted: ColumnElement[Any],
        first: ColumnElement[Any] | None,
        limit: int,
        offset: int,
    ) -> list[Found]:
        ranked = [self._ranked(kind, wanted, first) for kind in self._kinds()]
        every = union_all(*ranked).subquery().c
        place = func.row_number().over(
            partition_by=(every.owner_kind, every.owner), order_by=(every.score.desc(), every.id)
        )
        best = select(*every, place.label("place")).subquery()
        order = (best.c.score.desc(), best.c.changed.desc(), best.c.owner_kind, best.c.owner)
        page = select(best.c.kind, best.c.id, best.c.score).where(best.c.place == 1)
        rows = (await connection.execute(page.order_by(*order).limit(limit).offset(offset))).all()
        return await _read(connection, [(Kind(kind), key, score) for kind, key, score in rows])

    def _ranked(
        self, kind: Kind, wanted: ColumnElement[Any], first: ColumnElement[Any] | None
    ) -> Select[Any]:
        columns = (
            MODELS[kind].id.label("id"),
            _owner(kind).label("owner"),
            _CHANGED[kind].label("changed"),
            _vector(kind).label("words"),
        )
        matching = self._matching(kind, wanted, *columns)
        newest = matching.order_by(_CHANGED[kind].desc()).limit(RANKED).subquery().c
        score: ColumnElement[Any] = func.ts_rank(newest.words, wanted, _BY_LENGTH)
        if first is not None:
            score = score + case((newest.words.op("@@")(first), _FIRST), else_=0.0)
        return select(
            literal(kind.value).label("kind"),
            newest.id,
            literal(_shown(kind).value).label("owner_kind"),
            newest.owner,
            newest.changed,
            score.label("score"),
        )

    def _matching(self, kind: Kind, wanted: ColumnElement[Any], *columns: Any) -> Select[Any]:
        """Return the statement for rows of one table with the words, that may be seen.

        There is no join: the names in the expression are those of this table.
        """
        filters, changed = self._filters, _CHANGED[kind]
        conditions: list[Any] = [_vector(kind).op("@@")(wanted)]
        conditions.append(self._in_projects(kind))
        if filters.doc_type is not None:
            conditions.append(Document.doc_type == filters.doc_type)
        if filters.since is not None:
            conditions.append(changed >= filters.since)
        if filters.until is not None:
            conditions.append(changed < filters.until)
        return select(*columns).where(*conditions)

    def _in_projects(self, kind: Kind) -> ColumnElement[bool]:
        filters = self._filters
        chosen: list[ColumnElement[bool]] = [Project.deleted_at.is_(None)]
        if filters.project_id is not None:
            chosen.append(Project.id == filters.project_id)
        if filters.visible is not None:
            chosen.append(filters.visible)
        if kind is Kind.PROJECT:
            return and_(*chosen)
        model = Conversation if kind is Kind.MESSAGE else MODELS[kind]
        inside: ColumnElement[bool] = model.project_id.in_(select(Project.id).where(*chosen))
        if kind is not Kind.MESSAGE:
            return and_(inside, model.deleted_at.is_(None))
        talks = select(Conversation.id).where(Conversation.deleted_at.is_(None), inside)
        return ConversationMessage.conversation_id.in_(talks)

    def _kinds(self) -> list[Kind]:
        wanted = self._filters.kinds
        if self._filters.doc_type is not None:
            wanted = frozenset({SearchKind.DOCUMENT}) & (wanted or frozenset(SearchKind))
        return [kind for kind in MODELS if wanted is None or SearchKind(_shown(kind)) in wanted]


def _shown(kind: Kind) -> Kind:
    """Return the kind of the hit that a row of this kind makes."""
    return Kind.CONVERSATION if kind is Kind.MESSAGE else kind


def _owner(kind: Kind) -> Any:
    """Return the column with the key of the hit."""
    return ConversationMessage.conversation_id if kind is Kind.MESSAGE else MODELS[kind].id


def _vector(kind: Kind) -> ColumnElement[Any]:
    """Return what is searched of a row, as the index of its table has it."""
    return literal_column(f"({VECTORS[MODELS[kind].__tablename__]})", TSVECTOR)


def _query(asked: Asked, weight: str = "") -> ColumnElement[Any]:
    """Return what is asked for as PostgreSQL writes it, or only where it has a weight."""
    words = " & ".join(_term(term, weight) for term in asked.terms)
    return func.to_tsquery(_SIMPLE, words, type_=TSQUERY)


def _term(term: Term, weight: str) -> str:
    """Return the part of a query for one term, out of letters and digits in quotes.

    >>> _term(Term(("first", "draft"), is_excluded=True), "")
    "!('first' <-> 'draft')"
    >>> _term(Term(("api", "v"), is_prefix=True), "A")
    "('api':A & 'v':*A)"
    """
    sign = f":{weight}" if weight else ""
    own = [f"'{word}'{sign}" for word in term.words]
    if term.is_prefix:
        last = f"'{term.words[-1]}':*{weight}"
        phrase = [f"({' <-> '.join(own[:-1])})"] if len(own) > 2 else own[:-1]  # noqa: PLR2004 - one word is no phrase
        found = f"({' & '.join([*phrase, last])})"
    else:
        others = [f"'{word}'{sign}" for word in term.similar]
        found = f"({' | '.join([' <-> '.join(own), *others])})"
    return f"!{found}" if term.is_excluded else found


async def _read(
    connection: AsyncConnection, ranked: Sequence[tuple[Kind, int, float]]
) -> list[Found]:
    """Return what is shown of some rows, in their order."""
    rows: dict[tuple[Kind, int], Found] = {}
    scores = {(kind, key): score for kind, key, score in ranked}
    for kind in {kind for kind, _, _ in ranked}:
        keys = [key for each, key, _ in ranked if each is kind]
        statement = entries(kind).where(MODELS[kind].id.in_(keys))
        for row in await connection.execute(statement):
            entry = entry_of(row)
            rows[kind, entry.id] = _shown_of(kind, entry, scores[kind, entry.id])
    return [rows[kind, key] for kind, key, _ in ranked if (kind, key) in rows]


def _shown_of(kind: Kind, entry: Entry, score: float) -> Found:
    message = entry.id if kind is Kind.MESSAGE else None
    return Found(
        _shown(kind).value,
        entry.id if message is None else entry.conversation_id or 0,
        entry.project_id,
        entry.title,
        entry.text,
        entry.created_at,
        entry.changed_at,
        entry.doc_type,
        message,
        score,
    )
