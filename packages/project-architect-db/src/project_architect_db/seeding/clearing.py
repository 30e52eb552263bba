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

    from andamios_orm.core import Database

__all__ = ["unseed"]

_AT_ONCE: Final = 500


async def unseed(
    source: Database | str | Path, *, progress: Callable[[int, int], None] | None = None
) -> int:
    """Return how many sample projects were removed, with all that belongs to them.

    Each 500 are one transaction, so that it can be stopped and go on. Of a database that
    holds nothing else it is quicker to make a new one. ``progress(done, total)`` is called
    with projects.
    """
    tell = progress or say_nothing
    is_sample = Project.is_sample.is_(True)
    done = 0
    async with opened(source) as database:
        async with database.session() as session:
            total = await session.scalar(select(func.count(Project.id)).where(is_sample)) or 0
        while done < total:
            async with database.transaction(write=True) as session:
                chosen = select(Project.id).where(is_sample).order_by(Project.id).limit(_AT_ONCE)
                keys = (await session.scalars(chosen)).all()
                await bulk_delete(session, Project, keys, purge=True)
            done += len(keys)
            tell(done, total)
    return done
