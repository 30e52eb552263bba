"""Projects: found by status and name, alone or with all that belongs to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from andamios_orm.models import acting_as
from andamios_orm.repositories import operation
from project_architect_db.models.project import Project, ProjectMember, ProjectStatus
from project_architect_db.repositories.analytics import AnalyticsRepository
from project_architect_db.repositories.base import BaseRepository

if TYPE_CHECKING:
    from collections.abc import Sequence

    from andamios_orm.bulk import Created
    from project_architect_db.repositories.analytics import Range
    from project_architect_db.schemas.analytics import ProjectAnalytics

__all__ = ["ProjectRepository"]


class ProjectRepository(BaseRepository[Project]):
    """Projects, all of them or those that a viewer owns or is a member of.

    ``get`` and ``get_by_id`` load conversations, documents and repositories, without
    messages; lists and streams load nothing beside the project.
    """

    model = Project
    project_field = None
    loaded_by_key: ClassVar[Sequence[str]] = ("conversations", "documents", "repositories")

    @operation()
    async def list_by_status(
        self, status: ProjectStatus | str, limit: int | None = 100, offset: int = 0
    ) -> list[Project]:
        """Return the projects in a status, the newest first.

        Raises:
            ValueRefused: there is no such status; the error names those there are.
        """
        return await self.list(limit, offset, order_by="-created_at", status=status)

    @operation()
    async def get_by_status(
        self, status: ProjectStatus | str, limit: int | None = 100, offset: int = 0
    ) -> list[Project]:
        """Return the projects in a status, as ``list_by_status`` does.

        Raises:
            ValueRefused: there is no such status; the error names those there are.
        """
        return await self.list_by_status(status, limit, offset)

    @operation()
    async def get_with_conversations(self, key: int) -> Project | None:
        """Return a project with its conversations and all their messages, or None."""
        return await self.get_by_id(key, load=_CONVERSATIONS)

    @operation()
    async def get_with_all(self, key: int) -> Project | None:
        """Return a project with everything that a page about it shows, or None.

        That is members, conversations with messages and phases, documents, and
        repositories with builds, deployments and contributors.
        """
        return await self.get_by_id(key, load=_ALL)

    @operation()
    async def search_by_name(
        self, text: str, limit: int | None = 100, offset: int = 0
    ) -> list[Project]:
        """Return the projects whose name contains ``text``, in any case, by name."""
        return await self.list(limit, offset, order_by="name", name__icontains=text)

    @operation()
    async def analytics_summary(self, date_range: Range = None) -> ProjectAnalytics:
        """Return how many projects there are, in which status, how long they take, what is in them.

        ``date_range`` is as in ``AnalyticsRepository``; its dates are days in UTC.

        Raises:
            ValueRefused: there is no such range.
        """
        analytics = AnalyticsRepository(self.session, viewer=self.viewer)
        return await analytics.project_analytics(date_range)

    # ---- who may see a project --------------------------------------------------------

    @operation()
    async def members(self, key: int) -> list[ProjectMember]:
        """Return the members of a project, in the order in which they came.

        Raises:
            NotFound: there is no such project.
        """
        return (await self.get(key, load=["members"])).members

    @operation(writes=True)
    async def add_member(self, key: int, member: str, role: str = "member") -> ProjectMember:
        """Return who may see a project from now on; one who could gets the role.

        Raises:
            NotFound: there is no such project.
        """
        project = await self.get(key, load=["members"])
        found = next((each for each in project.members if each.member == member), None)
        if found is None:
            found = ProjectMember(member=member, role=role)
            project.members.append(found)
        found.role = role
        await self.session.flush()
        return found

    @operation(writes=True)
    async def remove_member(self, key: int, member: str) -> bool:
        """Return whether somebody was a member of a project, and is no longer.

        Raises:
            NotFound: there is no such project.
        """
        project = await self.get(key, load=["members"])
        found = next((each for each in project.members if each.member == member), None)
        if found is None:
            return False
        project.members.remove(found)
        await self.session.flush()
        return True

    # ---- whose a project is -----------------------------------------------------------

    @operation(writes=True)
    async def bulk_create(self, rows: Any, *, schema: type[Any] | None = None) -> Created[Project]:
        """Return many new projects, as a lazy sequence; a viewer owns theirs.

        Raises:
            BulkRefused: some rows are wrong; nothing was written, every one is named.
            NotFound: a row says another owner than the viewer.
        """
        if self.viewer is None:
            return await super().bulk_create(rows, schema=schema)
        with acting_as(self.viewer):
            return await super().bulk_create(rows, schema=schema)

    async def _insert(self, *instances: Project) -> None:
        for instance in instances:
            if self.viewer is not None and instance.owner is None:
                instance.owner = self.viewer
        await super()._insert(*instances)


_CONVERSATIONS = ("conversations.entries", "conversations.past_phases")
_ALL = (
    "members",
    *_CONVERSATIONS,
    "documents",
    "repositories.builds",
    "repositories.deployments",
    "repositories.contributors",
)
