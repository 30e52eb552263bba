"""``QueryBuilder(Project, session)``, and the bulk operations that have a name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from andamios_orm.bulk import bulk_create, bulk_update
from andamios_orm.queries.builder import QueryBuilder
from project_architect_db.models import rollups
from project_architect_db.models.project import Project, ProjectStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy.ext.asyncio import AsyncSession

__all__ = ["BulkOperations", "QueryBuilder"]


class BulkOperations:
    """Changes of many projects, in a few statements each. Nothing is committed."""

    @staticmethod
    async def bulk_insert_projects(session: AsyncSession, rows: Any) -> Sequence[Project]:
        """Return the new projects: keys at once, instances when they are read.

        ``rows`` are dicts, schemas, new instances, or columns of Arrow, Polars or pandas.

        Raises:
            BulkRefused: some rows are wrong; nothing was written, every one is named.
        """
        return await bulk_create(session, Project, rows)

    @staticmethod
    async def bulk_update_status(
        session: AsyncSession, ids: Iterable[int], status: ProjectStatus | str
    ) -> int:
        """Return how many projects have a new status; those that become completed get the time.

        Raises:
            BulkRefused: there is no such status, or a key is named twice.
            NotFound: the error has the keys that no project has; nothing was written.
        """
        return await bulk_update(session, Project, [{"id": key, "status": status} for key in ids])

    @staticmethod
    async def bulk_analytics_refresh(session: AsyncSession) -> None:
        """Merge what writers have left for the sums by day, which are exact before and after."""
        await rollups.compact(session)
