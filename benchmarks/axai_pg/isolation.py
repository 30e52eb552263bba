"""What isolation costs: a statement in the scope of an organisation, and the same without it.

Both say themselves whose rows they want. ``without`` is SQLAlchemy's own session on a pool and
driver like ours, whose login no policy applies to; in a search it asks the index itself, as no
login can that a policy applies to.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from axai_pg.data.repositories import DocumentRepository
from benchmarks.axai_pg.contenders import Contenders, Place, measured_on_server, opened
from benchmarks.measure import Bound, Code, Figure, Places, Scale, Values, measured

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import TextClause
    from sqlalchemy.ext.asyncio import AsyncEngine

    from axai_pg import DatabaseManager

__all__ = ["FIGURES", "whole_run"]

GET: Final = text("""
SELECT id, title, description, content, status, metadata, created_at, updated_at, version
FROM documents WHERE org_id = :org_id AND id = :id
""")
PAGE: Final = text("""
SELECT id, title, status, owner_id, word_count, created_at FROM documents
WHERE org_id = :org_id AND deleted_at IS NULL ORDER BY created_at DESC, id LIMIT 50
""")
AGGREGATE: Final = text("""
SELECT status, count(*), sum(word_count), max(created_at) FROM documents
WHERE org_id = :org_id AND deleted_at IS NULL GROUP BY status ORDER BY status
""")
SEARCH: Final = text("""
WITH hits AS (
    SELECT id, ts_rank(search_vector, query) AS rank, query
    FROM documents, websearch_to_tsquery('english', :word) AS query
    WHERE org_id = :org_id AND search_vector @@ query AND language = 'en' AND deleted_at IS NULL
    ORDER BY rank DESC, id LIMIT 20
)
SELECT document.id, title, language, status, owner_id, rank, ts_headline(
    'english', concat_ws(' — ', description, left(content, 20000)), query,
    'MaxWords=35, MinWords=15'
)
FROM hits JOIN documents AS document ON document.org_id = :org_id AND document.id = hits.id
ORDER BY rank DESC, document.id
""")


async def without(engine: AsyncEngine, statement: TextClause, place: Place) -> Sequence[Any]:
    """Ask in a transaction of its own, where no policy applies."""
    async with AsyncSession(engine) as session:
        rows = (await session.execute(statement, place._asdict())).all()
        await session.commit()
    return rows


async def scoped(manager: DatabaseManager, statement: TextClause, place: Place) -> Sequence[Any]:
    """Ask in a scope of its own."""
    async with manager.async_session_scope(place.org_id) as session:
        return (await session.execute(statement, place._asdict())).all()


async def search(manager: DatabaseManager, place: Place) -> Sequence[Any]:
    """Search through the repository, in a scope of its own."""
    async with manager.async_session_scope(place.org_id) as session:
        return await DocumentRepository(session).search(place.word, language="en")


async def ask(session: AsyncSession, place: Place) -> Sequence[Any]:
    """Ask in a transaction that is open."""
    return (await session.execute(GET, place._asdict())).all()


_BOTH: Final[Mapping[str, Code]] = {"without": without, "ours": scoped}
_ENTERED: Final = "a scope begins with a statement of its own, which says whose rows it may see"
_LIMIT: Final = Bound(1.2, "without", reason=_ENTERED)

STATEMENTS: Final = {"tenant_get": GET, "tenant_page": PAGE, "tenant_aggregate": AGGREGATE}
FIGURES = (
    Figure("tenant_get", "one document by key, in a scope of its own", _BOTH, (_LIMIT,)),
    Figure("tenant_page", "a page of 50, the newest first", _BOTH, (_LIMIT,)),
    Figure("tenant_aggregate", "counts and sums by status", _BOTH, (_LIMIT,)),
    Figure(
        "tenant_search",
        "a search for one word, 20 hits with a piece of each",
        {"without": without, "ours": search},
        (_LIMIT,),
    ),
    Figure(
        "tenant_get_open",
        "one document by key, in a scope that is open",
        {"without": ask, "ours": ask},
        (Bound(1.2, "without"),),
    ),
)


def whole_run(scale: Scale) -> dict[str, Places]:
    """Return the values of one run."""
    return measured_on_server(_measure, scale)


async def _both(contenders: Contenders, scale: Scale, statement: TextClause) -> dict[str, Values]:
    engine, manager = contenders.without, contenders.manager
    places = contenders.asked("without", "ours")
    return await measured(
        {
            "without": lambda: without(engine, statement, next(places["without"])),
            "ours": lambda: scoped(manager, statement, next(places["ours"])),
        },
        scale,
    )


async def _measure(scale: Scale) -> dict[str, dict[str, Values]]:
    async with opened(scale.documents) as contenders:
        engine, manager = contenders.without, contenders.manager
        found = {
            name: await _both(contenders, scale, statement)
            for name, statement in STATEMENTS.items()
        }
        places = contenders.asked("without", "ours")
        found["tenant_search"] = await measured(
            {
                "without": lambda: without(engine, SEARCH, next(places["without"])),
                "ours": lambda: search(manager, next(places["ours"])),
            },
            scale,
        )
        found["tenant_get_open"] = await _open(contenders, scale)
        return found


async def _open(contenders: Contenders, scale: Scale) -> dict[str, Values]:
    """Return the times in the organisation that most of the places are of."""
    org_id = contenders.largest
    places = contenders.asked("without", "ours", org_id=org_id)
    async with AsyncExitStack() as stack:
        free = await stack.enter_async_context(AsyncSession(contenders.without))
        ours = await stack.enter_async_context(contenders.manager.async_session_scope(org_id))
        return await measured(
            {
                "without": lambda: ask(free, next(places["without"])),
                "ours": lambda: ask(ours, next(places["ours"])),
            },
            scale,
        )
