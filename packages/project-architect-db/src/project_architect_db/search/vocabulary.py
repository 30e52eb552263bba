"""The words that the rows of a PostgreSQL database have, for whoever mistypes one.

They follow the change feed, and nothing is ever taken away but by ``rebuild()``: a word
that no row has any longer finds nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import column, delete, func, literal_column, select, table
from sqlalchemy.dialects.postgresql import insert

from andamios_orm.core import ChangeFeed
from andamios_orm.core.selection import Selection
from andamios_orm.exceptions import HistoryExpired
from project_architect_db.models import Base
from project_architect_db.models.searching import VECTORS, search_words
from project_architect_db.search.entries import ENTITIES, MODELS
from project_architect_db.search.pending import pending_of
from project_architect_db.search.words import LONGEST, distance

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from project_architect_db.search.entries import Kind
    from project_architect_db.search.pending import Pending

__all__ = ["FOLLOWER", "Vocabulary"]

FOLLOWER: Final = "project-architect-search"
"""The name under which the change feed keeps how far the words have come."""

_MOST: Final = 10
_CANDIDATES: Final = 200
_AT_ONCE: Final = 1_000
_EXTENSIONS: Final = table("pg_extension", column("extname"), schema="pg_catalog")


class Vocabulary:
    """The words of one database."""

    def __init__(self, engine: AsyncEngine) -> None:
        """Know the words of the database that ``engine`` leads to."""
        self._engine = engine
        self._feed = ChangeFeed(engine, Base)

    async def tolerates_typos(self) -> bool:
        """Return whether pg_trgm is there, without which no similar words are found."""
        statement = select(_EXTENSIONS.c.extname).where(_EXTENSIONS.c.extname == "pg_trgm")
        async with self._engine.connect() as connection:
            return await connection.scalar(statement) is not None

    async def position(self) -> int | None:
        """Return how far in the change feed the words have come; None before the first."""
        states = {state.name: state.position for state in await self._feed.followers()}
        return states.get(FOLLOWER)

    async def behind(self) -> int:
        """Return how many changes have words that are not known yet."""
        after = await self.position()
        changes = self._feed.tables.changes
        where: list[ColumnElement[bool]] = [changes.c.entity.in_(ENTITIES)]
        if after is not None:
            where.append(changes.c.position > after)
        async with self._engine.connect() as connection:
            found = await connection.scalar(select(func.sum(changes.c.count)).where(*where))
            return int(found or 0)

    async def near(self, word: str, most: int) -> list[str]:
        """Return words that differ from ``word`` in up to ``most`` letters, the nearest first."""
        if not await self.tolerates_typos():
            return []
        await self.catch_up()
        known = search_words.c.word
        length = func.length(known)
        statement = (
            select(known)
            .where(length.between(len(word) - most, len(word) + most), known != word)
            .order_by(func.similarity(known, word).desc(), known)
            .limit(_CANDIDATES)
        )
        async with self._engine.connect() as connection:
            found = [
                (distance(word, other, most), other)
                for other in await connection.scalars(statement)
            ]
        return [other for far, other in sorted(found) if far <= most][:_MOST]

    # ---- up to date ------------------------------------------------------------------

    async def catch_up(self) -> int:
        """Return how many words are new, now that all settled changes were read."""
        after = await self.position()
        if after is None:
            return await self.rebuild()
        selection = Selection(frozenset(ENTITIES))
        new = 0
        while True:
            try:
                changes, reached, _ = await self._feed.look(selection, after)
            except HistoryExpired:
                return await self.rebuild()
            pending = pending_of(changes)
            if pending.is_unknown:
                return await self.rebuild()
            if not changes:
                return new
            async with self._engine.begin() as connection:
                new += await self._add(connection, pending)
            after = await self._feed.move(FOLLOWER, reached)

    async def rebuild(self) -> int:
        """Return how many words there are, all of them read anew."""
        position = await self._feed.position()
        async with self._engine.begin() as connection:
            await connection.execute(delete(search_words))
            words = 0
            for kind in MODELS:
                words += await _insert(connection, kind, ())
        await self._feed.move(FOLLOWER, position)
        return words

    async def _add(self, connection: AsyncConnection, pending: Pending) -> int:
        new = 0
        for kind, model in MODELS.items():
            ordered = sorted(pending.keys.get(kind, ()))
            for start in range(0, len(ordered), _AT_ONCE):
                chosen = model.id.in_(ordered[start : start + _AT_ONCE])
                new += await _insert(connection, kind, [chosen])
            for first, last in pending.ranges.get(kind, ()):
                new += await _insert(connection, kind, [model.id.between(first, last)])
        return new


async def _insert(
    connection: AsyncConnection, kind: Kind, where: Sequence[ColumnElement[bool]]
) -> int:
    """Return how many words of some rows were new; those with digits are never mistyped."""
    vector: Any = literal_column(f"({VECTORS[MODELS[kind].__tablename__]})")
    every = func.unnest(func.tsvector_to_array(vector)).label("word")
    words = select(every).select_from(MODELS[kind].__table__).where(*where).subquery()
    word = words.c.word
    chosen = select(word).distinct().order_by(word)
    chosen = chosen.where(word.regexp_match("^[^0-9]+$"), func.length(word) <= LONGEST)
    statement = insert(search_words).from_select(["word"], chosen)
    statement = statement.on_conflict_do_nothing().execution_options(preserve_rowcount=True)
    return int((await connection.execute(statement)).rowcount)
