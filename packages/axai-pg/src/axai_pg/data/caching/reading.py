"""What the database is asked: as of when a session reads, and whether an answer is still true."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import Double, cast, extract, func, inspect, select

from andamios_orm.core.dependence import Dependence, depends_on
from andamios_orm.core.freshness import Answer, parameters, question
from andamios_orm.exceptions import QueryRefused
from andamios_orm.models.feed import feed_tables
from axai_pg.data.models import Base, DocumentPermission

if TYPE_CHECKING:
    from sqlalchemy import Dialect, Select
    from sqlalchemy.ext.asyncio import AsyncSession

__all__ = ["ask", "entities_of", "until_expiry"]


async def ask(session: AsyncSession, entities: frozenset[str], snapshot: str | None) -> Answer:
    """Ask in the transaction of ``session``, which sees the changes of its organisation only.

    ``changed`` is whether it sees a change of ``entities`` that ``snapshot`` does not show.
    """
    asked = _question(entities, session.get_bind().dialect)
    connection = await session.connection()
    row = (await connection.execute(asked, parameters(snapshot))).one()
    return Answer(*row)


async def until_expiry(session: AsyncSession) -> float:
    """Return for how many seconds no permission of the organisation for a document expires.

    Below 0, one has since the transaction began, in which it holds to the end.
    """
    until = DocumentPermission.expires_at
    left = cast(extract("epoch", func.min(until) - func.clock_timestamp()), Double)
    found = await session.scalar(select(left).where(until > func.now()))
    return math.inf if found is None else found


def entities_of(models: frozenset[type[Any]], dialect: Dialect) -> frozenset[str]:
    """Return what the feed calls the models whose changes change the rows of ``models``.

    A row that goes with its parent is among them.

    Raises:
        QueryRefused: changes of one of them are not recorded, or none is named.
    """
    if not models:
        raise QueryRefused("say which models the answer is read from: reads=(Document,)")
    return _entities(models, dialect)


@cache
def _entities(models: frozenset[type[Any]], dialect: Dialect) -> frozenset[str]:
    names: frozenset[str] = frozenset()
    for model in models:
        mapper = inspect(model, raiseerr=False)
        if mapper is None or not hasattr(mapper, "local_table"):
            raise QueryRefused(f"reads={model!r:.60} is no model")
        dependence = depends_on(select(*mapper.primary_key), dialect)
        if dependence.unrecorded is not None:
            raise QueryRefused(
                f"{dependence.unrecorded}, so nobody would know when an answer is untrue"
            )
        names |= dependence.entities
    return names


@cache
def _question(entities: frozenset[str], dialect: Dialect) -> Select[Any]:
    feeds = ((feed_tables(Base.metadata), entities),)
    return question(Dependence((), entities, feeds), dialect)
