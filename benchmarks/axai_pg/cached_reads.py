"""The same question of an organisation again: from the database, and from the cache.

Each is asked in a scope of its own, as each request to a service is.
"""

from __future__ import annotations

import datetime as dt  # noqa: TC003 - the cache reads the annotations
import uuid  # noqa: TC003
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import func, select

from axai_pg import Document
from axai_pg.data.caching import CacheManager, cache_query
from benchmarks.axai_pg.contenders import Place, measured_on_server, opened
from benchmarks.measure import Bound, Figure, Places, Scale, Values, measured

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from sqlalchemy.ext.asyncio import AsyncSession

    from axai_pg import DatabaseManager

__all__ = ["FIGURES", "whole_run"]


class Listed(NamedTuple):
    """A document in a list."""

    id: uuid.UUID
    title: str
    status: str
    created_at: dt.datetime


NEWEST: Final = (
    select(Document.id, Document.title, Document.status, Document.created_at)
    .where(Document.deleted_at.is_(None))
    .order_by(Document.created_at.desc(), Document.id)
    .limit(50)
)
BY_STATUS: Final = (
    select(Document.status, func.count())
    .where(Document.deleted_at.is_(None))
    .group_by(Document.status)
)


async def newest(session: AsyncSession) -> list[Listed]:
    """Read the 50 newest documents."""
    return [Listed(*row) for row in await session.execute(NEWEST)]


async def by_status(session: AsyncSession) -> dict[str, int]:
    """Count the documents of each status."""
    return {str(status): count for status, count in await session.execute(BY_STATUS)}


async def asked(
    manager: DatabaseManager, question: Callable[[AsyncSession], Awaitable[Any]], place: Place
) -> Any:
    """Ask in a scope of its own."""
    async with manager.async_session_scope(place.org_id) as session:
        return await question(session)


_BOTH: Final = {"query": asked, "ours": asked}
_SESSION: Final = "a session is made and closed for each of them"
_ASKED: Final = (
    "a second later, or after a commit of anybody, the database is asked once whether the answer "
    "is still true"
)
QUESTIONS: Final = {
    "document_page_cached": newest,
    "document_counts_cached": by_status,
    "document_page_cached_in_turn": newest,
}
FIGURES = (
    Figure(
        "document_page_cached",
        "a page of 50, asked again, from the cache",
        _BOTH,
        (Bound(0.1, "query", reason=_SESSION),),
    ),
    Figure(
        "document_counts_cached",
        "counts by status, asked again, from the cache",
        _BOTH,
        (Bound(0.1, "query", reason=_SESSION),),
    ),
    Figure(
        "document_page_cached_in_turn",
        "a page of 50 of each organisation in turn, from the cache",
        _BOTH,
        (Bound(0.1, "query", reason=_ASKED),),
    ),
)


def whole_run(scale: Scale) -> dict[str, Places]:
    """Return the values of one run."""
    return measured_on_server(_measure, scale)


async def _measure(scale: Scale) -> dict[str, dict[str, Values]]:
    async with opened(scale.documents) as contenders, CacheManager(contenders.manager) as cache:
        found = {}
        for name, question in QUESTIONS.items():
            org_id = None if name.endswith("_in_turn") else contenders.largest
            kept = cache_query(ttl=3_600, reads=(Document,))(question)
            for place in {place.org_id: place for place in contenders.places}.values():
                await asked(contenders.manager, kept, place)
            before = cache.statistics()
            places = contenders.asked("query", "ours", org_id=org_id)
            found[name] = await _times(contenders.manager, question, kept, places, scale)
            assert cache.statistics().misses == before.misses
            assert cache.statistics().hits > before.hits
        return found


async def _times(
    manager: DatabaseManager,
    question: Any,
    kept: Any,
    places: dict[str, Iterator[Place]],
    scale: Scale,
) -> dict[str, Values]:
    return await measured(
        {
            "query": lambda: asked(manager, question, next(places["query"])),
            "ours": lambda: asked(manager, kept, next(places["ours"])),
        },
        scale,
    )
