"""Sample data removed again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import func, select

from andamios_orm.bulk import bulk_delete
from andamios_orm.maintenance.progress import say_nothing
from project_architect_db.models import Project
from project_architect_db.seeding.opening import opened

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlalchemy.ext.asyncio import AsyncSession

    from andamios_orm.core import Database

__all__ = ["unseed"]

_AT_ONCE: Final = 500
_IS_SAMPLE: Final = Project.is_sample.is_(True)


async def unseed(
    source: Database | str | Path, *, progress: Callable[[int, int], None] | None = None
) -> int:
    """Return how many sample projects were removed, with all that belongs to them.

    Each 500 are one transaction, so that it can be stopped and go on. Of a database that
    holds nothing else it is quicker to make a new one. ``progress(done, total)`` is called
    with projects.
    """
    tell = progress or say_nothing
    done = 0
    async with opened(source) as database:
        async with database.session() as session:
            total = await session.scalar(select(func.count(Project.id)).where(_IS_SAMPLE)) or 0
        # There are none left before the end if somebody else removes them as well.
        while done < total and (removed := await database.run_in_transaction(_some, write=True)):
            done += removed
            tell(done, total)
    return done


async def _some(session: AsyncSession) -> int:
    """Return how many were removed; the transaction is repeated if another one was faster."""
    chosen = select(Project.id).where(_IS_SAMPLE).order_by(Project.id).limit(_AT_ONCE)
    keys = (await session.scalars(chosen)).all()
    await bulk_delete(session, Project, keys, purge=True)
    return len(keys)
