"""What the repositories of this package have in common: a viewer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from sqlalchemy import func, or_, select

from andamios_orm.exceptions import NotFound, QueryRefused
from andamios_orm.repositories import BaseRepository as CoreRepository
from andamios_orm.repositories import operation
from project_architect_db.models.project import Project, ProjectMember

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncSession

    from andamios_orm.bulk import Created, LoadReport
    from andamios_orm.core import RowVersion, SessionManager
    from andamios_orm.repositories.keys import Key
    from andamios_orm.repositories.reading import Condition

__all__ = ["BaseRepository", "visible_projects"]

ModelT = TypeVar("ModelT")


def visible_projects(viewer: str) -> ColumnElement[bool]:
    """Return the condition that ``viewer`` owns a project, or is one of its members."""
    memberships = select(ProjectMember.project_id).where(ProjectMember.member == viewer)
    return or_(Project.owner == viewer, Project.id.in_(memberships))


class BaseRepository(CoreRepository[ModelT]):
    """Rows that belong to projects, as a viewer may see them; without one, all of them.

    For a viewer the rows of other projects do not exist: they are not found, counted,
    changed or added to. ``ProjectRepository(session, viewer="ana")``.
    """

    project_field: ClassVar[str | None] = "project_id"
    """The attribute that says which project a row belongs to; None for projects themselves."""

    def __init__(
        self,
        source: AsyncSession | SessionManager,
        model: type[ModelT] | None = None,
        *,
        viewer: str | None = None,
    ) -> None:
        """Work on a session or a database, for everybody or for ``viewer``.

        Raises:
            ConfigurationError: there is no model, or ``source`` is neither of the two.
        """
        super().__init__(source, model)
        self.viewer = viewer

    def scope(self) -> Sequence[Condition]:
        """Return the condition that the viewer may see a row; none without a viewer."""
        if self.viewer is None:
            return ()
        return (self._visible(self.viewer),)

    def _visible(self, viewer: str) -> ColumnElement[bool]:
        condition = visible_projects(viewer)
        if self.project_field is None:
            return condition
        column: Any = getattr(self.model, self.project_field)
        found: ColumnElement[bool] = column.in_(select(Project.id).where(condition))
        return found

    # ---- nothing is written into a project that the viewer does not see -------------

    async def _insert(self, *instances: ModelT) -> None:
        if self.project_field is not None:
            await self._require_projects([getattr(each, self.project_field) for each in instances])
        await super()._insert(*instances)

    async def _change(self, changes: Sequence[tuple[ModelT, dict[str, Any], Any]]) -> None:
        name = self.project_field
        await self._require_projects([values[name] for _, values, _ in changes if name in values])
        await super()._change(changes)

    async def _create_alone(self, values: Any) -> ModelT:
        if self.viewer is None:
            return await super()._create_alone(values)
        return await self.run_alone(lambda inner: inner._create(values), writes=True)  # noqa: SLF001 - its own class

    @operation(writes=True)
    async def bulk_create(self, rows: Any, *, schema: type[Any] | None = None) -> Created[ModelT]:
        """Return many new rows, given as dicts, models or columns, as a lazy sequence.

        Raises:
            BulkRefused: some rows are wrong; nothing was written, every one is named.
            NotFound: a row belongs to a project that the viewer does not see.
        """
        created = await super().bulk_create(rows, schema=schema)
        if self.viewer is not None and len(created):
            column: Any = self.mapper.primary_key[0]
            statement = select(func.count()).where(
                column.in_(list(created.ids)), self._visible(self.viewer)
            )
            if await self.session.scalar(statement) != len(created):
                raise NotFound(Project.__name__, f"of these {self.model.__name__} rows")
        return created

    async def load(self, source: Any, **options: Any) -> LoadReport:
        """Return what was created out of rows, columns or a file, read a batch at a time.

        Raises:
            BulkRefused: some rows are wrong; the error names them.
            QueryRefused: there is a viewer, whose rows cannot be told in a stream.
        """
        if self.viewer is not None:
            raise QueryRefused("load() is not for a viewer: use bulk_create(), a batch at a time")
        return await super().load(source, **options)

    # ---- the past ---------------------------------------------------------------------

    @operation(commits_itself=True)
    async def history(self, key: Key, *, since: dt.datetime | None = None) -> list[RowVersion]:
        """Return the committed versions of a row, the oldest first, each with before and after.

        Raises:
            NotFound: there is a viewer, who does not see the row.
            HistoryExpired: older ones were removed; ``since=`` asks for what is kept.
            ConfigurationError: the model keeps no history.
        """
        await self._require_visible(key)
        return await super().history(key, since=since)

    @operation(commits_itself=True)
    async def as_of(self, key: Key, time: dt.datetime) -> dict[str, Any] | None:
        """Return a row as it was at ``time``, by attribute, or None if it did not exist.

        Raises:
            NotFound: there is a viewer, who does not see the row.
            HistoryExpired: that is longer ago than history is kept, or it was erased.
            ConfigurationError: the model keeps no history.
        """
        await self._require_visible(key)
        return await super().as_of(key, time)

    async def _require_visible(self, key: Key) -> None:
        if self.viewer is not None:
            await self.get(key, load=(), with_deleted=True)

    async def _require_projects(self, keys: Sequence[Any]) -> None:
        """Raise if one of these projects is none that the viewer sees.

        Raises:
            NotFound: so it is; the error names the project.
        """
        if self.viewer is None or not keys:
            return
        statement = select(Project.id).where(
            Project.id.in_({*keys}), Project.deleted_at.is_(None), visible_projects(self.viewer)
        )
        seen = set(await self.session.scalars(statement))
        for key in keys:
            if key not in seen:
                raise NotFound(Project.__name__, key)
