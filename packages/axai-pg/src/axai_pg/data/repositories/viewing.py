"""What a viewer sees of documents and of what belongs to them, and what they change there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy import and_, exists, or_, select
from sqlalchemy.orm import with_loader_criteria

from andamios_orm.exceptions import ValueRefused
from andamios_orm.repositories import operation
from axai_pg.data.models import (
    Action,
    Document,
    DocumentCollection,
    DocumentTopic,
    DocumentVersion,
    GraphNode,
    GraphRelationship,
    Summary,
)
from axai_pg.data.repositories.base import BaseRepository
from axai_pg.data.security.documents import active_in, is_active, permitted
from axai_pg.exceptions import NotPermitted, PermissionRequired

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Select
    from sqlalchemy.ext.asyncio import AsyncSession
    from sqlalchemy.orm.interfaces import ORMOption

    from andamios_orm.bulk import Created, LoadReport
    from andamios_orm.core import SessionManager

__all__ = ["PartRepository", "ViewedRepository", "seen"]

ModelT = TypeVar("ModelT")
_PARTS: Final[Sequence[Any]] = (
    *(Summary, DocumentTopic, DocumentCollection, DocumentVersion),
    *(GraphNode, GraphRelationship),
)
"""What belongs to a document, or was found in one."""


def seen(model: Any, viewer: uuid.UUID) -> ColumnElement[bool]:
    """Return the condition that a user may read a document, or what belongs to one.

    What belongs to no document is for everybody who is active in the organisation.
    """
    may = permitted(viewer, Action.READ)
    if model is Document:
        return may
    active = active_in(model, viewer)
    if model not in _PARTS:
        return active
    document = exists().where(
        Document.org_id == model.org_id, Document.id == model.document_id, may
    )
    visible = document.where(Document.deleted_at.is_(None)).correlate_except(Document)
    return or_(and_(model.document_id.is_(None), active), visible)


class ViewedRepository(BaseRepository[ModelT]):
    """Rows of the organisation; relations that they load lead to what a viewer may see."""

    def __init__(
        self,
        source: AsyncSession | SessionManager,
        model: type[ModelT] | None = None,
        *,
        viewer: uuid.UUID | None = None,
    ) -> None:
        """Work on a session, for everybody or for a user: ``viewer``.

        Raises:
            ConfigurationError: ``source`` is no session.
        """
        super().__init__(source, model)
        self.viewer = viewer

    def scope(self) -> Sequence[ColumnElement[bool]]:
        """Return the condition that the viewer may see a row; none without a viewer."""
        return () if self.viewer is None else (seen(self.model, self.viewer),)

    def _sight(self) -> list[ORMOption]:
        """Return the options by which a statement finds what the viewer may see, and no more."""
        if self.viewer is None:
            return []
        return [
            with_loader_criteria(model, seen(model, self.viewer), include_aliases=True)
            for model in (Document, *_PARTS)
        ]

    def _select(self, *arguments: Any, **options: Any) -> Select[ModelT]:
        return super()._select(*arguments, **options).options(*self._sight())

    async def _insert(self, *instances: ModelT) -> None:
        if self.viewer is not None:
            with self.session.no_autoflush:  # of an instance that is yet to be added
                active = await self.session.scalar(is_active(self.viewer))
            if not active:
                raise PermissionRequired(self.model.__tablename__, Action.CREATE, self.viewer)  # type: ignore[attr-defined]  # a model has one
        await super()._insert(*instances)

    def _claim(self, *instances: Any) -> None:
        """Let new rows be the viewer's, if there is one.

        Raises:
            ValueRefused: somebody else was named.
        """
        if self.viewer is None:
            return
        for instance in instances:
            given = vars(instance)
            owner = given.get("owner")
            named = owner.id if owner is not None else given.get("owner_id") or self.viewer
            if named != self.viewer:
                reason = f"a viewer makes {instance.__tablename__} of their own"
                raise ValueRefused(reason, named, "owner_id")
            instance.owner_id = named

    async def _require(self, action: Action, keys: Sequence[uuid.UUID]) -> None:
        """Raise if there is a viewer who may not do something with one of these documents.

        Raises:
            NotPermitted: so it is; the error names the document.
        """
        if self.viewer is None or not keys:
            return
        statement = select(Document.id).where(Document.id.in_(keys), permitted(self.viewer, action))
        with self.session.no_autoflush:  # of an instance that is yet to be added
            may = set(await self.session.scalars(statement))
        for key in keys:
            if key not in may:
                raise NotPermitted(self.viewer, action, key)

    @operation(writes=True)
    async def bulk_create(self, rows: Any, *, schema: type[Any] | None = None) -> Created[ModelT]:
        """Return many new rows, as a lazy sequence.

        Raises:
            BulkRefused: some rows are wrong; nothing was written, every one is named.
            QueryRefused: there is a viewer, who makes rows of documents one by one.
        """
        self._refuse_scope()
        return await super().bulk_create(rows, schema=schema)

    async def load(self, source: Any, **options: Any) -> LoadReport:
        """Return what was created out of rows, columns or a file, read a batch at a time.

        Raises:
            BulkRefused: some rows are wrong; the error names them.
            QueryRefused: there is a viewer, who makes rows of documents one by one.
        """
        self._refuse_scope()
        return await super().load(source, **options)


class PartRepository(ViewedRepository[ModelT]):
    """Rows that belong to documents: for a viewer, those of documents that they may see.

    Who may change a document makes, changes and deletes them.
    """

    async def _insert(self, *instances: ModelT) -> None:
        await self._require_change(*map(_document_of, instances))
        await super()._insert(*instances)

    async def _change(self, changes: Sequence[tuple[ModelT, dict[str, Any], Any]]) -> None:
        await self._require_change(*(_document_of(instance) for instance, _, _ in changes))
        await self._require_change(*(values.get("document_id") for _, values, _ in changes))
        await super()._change(changes)

    async def _delete(self, found: Sequence[ModelT], *, softly: bool) -> None:
        await self._require_change(*map(_document_of, found))
        await super()._delete(found, softly=softly)

    async def _require_change(self, *keys: uuid.UUID | None) -> None:
        await self._require(Action.UPDATE, [key for key in keys if key is not None])


def _document_of(part: Any) -> uuid.UUID | None:
    """Return the key of the document that a row belongs to, or will."""
    document = vars(part).get("document")
    key: uuid.UUID | None = part.document_id if document is None else document.id
    return key
