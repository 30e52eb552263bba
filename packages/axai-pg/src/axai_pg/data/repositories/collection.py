"""Collections of documents, one inside another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from sqlalchemy import not_, or_, select
from sqlalchemy.orm import aliased

from andamios_orm.repositories import operation
from axai_pg.data.models import Action, Collection, DocumentCollection
from axai_pg.data.repositories.sharing import SharedDocuments
from axai_pg.data.repositories.tree import TreeRepository
from axai_pg.data.repositories.viewing import PartRepository
from axai_pg.data.security.documents import administrator_in
from axai_pg.exceptions import NotPermitted

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Select

__all__ = ["CollectionRepository"]


class CollectionRepository(TreeRepository[Collection]):
    """Collections, and the documents that were put in each.

    With ``viewer=user_id``, documents are those that the user may read, and collections are
    changed and deleted by their owners and by administrators.
    """

    model = Collection
    parent: ClassVar[str] = "parent_id"

    @operation()
    async def find_by_owner(
        self, owner_id: uuid.UUID, limit: int | None = 100, offset: int = 0
    ) -> list[Collection]:
        """Return collections of a user, by name."""
        return await self.list(limit, offset, order_by="name", owner_id=owner_id)

    @operation(writes=True)
    async def add_document(self, key: uuid.UUID, document_id: uuid.UUID) -> DocumentCollection:
        """Return that a document is in a collection from now on, if not before.

        Raises:
            NotFound: there is no such collection, or no such document.
            NotPermitted: the viewer may not change the document.
        """
        await self.get(key)
        await SharedDocuments(self.session, viewer=self.viewer).get(document_id)
        members = PartRepository(self.session, DocumentCollection, viewer=self.viewer)
        member, _ = await members.get_or_create(collection_id=key, document_id=document_id)
        return member

    @operation(writes=True)
    async def remove_document(self, key: uuid.UUID, document_id: uuid.UUID) -> bool:
        """Return whether a document was in a collection, and is no longer; it stays itself.

        Raises:
            NotFound: there is no such collection.
            NotPermitted: the viewer may not change the document.
        """
        await self.get(key)
        members = PartRepository(self.session, DocumentCollection, viewer=self.viewer)
        return bool(await members.delete_where(collection_id=key, document_id=document_id))

    @operation()
    async def find_by_document(self, document_id: uuid.UUID) -> list[Collection]:
        """Return the collections that a document is in, by name."""
        members = PartRepository(self.session, DocumentCollection, viewer=self.viewer)
        around = select(DocumentCollection.collection_id).where(
            DocumentCollection.document_id == document_id, *members.scope()
        )
        return await self.list(Collection.id.in_(around), limit=None, order_by="name")

    # ---- what a viewer changes -----------------------------------------------------------

    async def _insert(self, *instances: Collection) -> None:
        self._claim(*instances)
        above = filter(None, map(_above, instances))
        await self._require_own(Action.UPDATE, Collection.id.in_(list(above)))
        await super()._insert(*instances)

    async def _change(self, changes: Sequence[tuple[Collection, dict[str, Any], Any]]) -> None:
        keys = [each.id for each, _, _ in changes]
        keys += [values["parent_id"] for _, values, _ in changes if values.get("parent_id")]
        await self._require_own(Action.UPDATE, Collection.id.in_(keys))
        await super()._change(changes)

    async def _delete(self, found: Sequence[Collection], *, softly: bool) -> None:
        going = _going([each.id for each in found], softly=softly)
        await self._require_own(Action.DELETE, Collection.id.in_(going))
        await super()._delete(found, softly=softly)

    @operation(writes=True)
    async def restore(self, key: Any) -> Collection:
        """Return the collection with a key, back in sight with all that its deletion took along.

        Raises:
            NotFound: there is no such collection.
            NotPermitted: the viewer is neither its owner nor an administrator.
        """
        found = await self._existing(key, with_deleted=True)
        await self._require_own(Action.DELETE, Collection.id == found.id)
        return await super().restore(key)

    async def _require_own(self, action: Action, condition: ColumnElement[bool]) -> None:
        """Raise if there is a viewer who may not change one of these collections.

        Raises:
            NotPermitted: so it is; the error names the collection.
        """
        if self.viewer is None:
            return
        own = or_(Collection.owner_id == self.viewer, administrator_in(Collection, self.viewer))
        with self.session.no_autoflush:  # of an instance that is yet to be added
            other = await self.session.scalar(
                select(Collection.id).where(condition, not_(own)).order_by(Collection.id).limit(1)
            )
        if other is not None:
            raise NotPermitted(self.viewer, action, other, "collection")


def _above(collection: Collection) -> uuid.UUID | None:
    """Return the key of the collection that a new one is to be in."""
    parent = vars(collection).get("parent")
    key: uuid.UUID | None = collection.parent_id if parent is None else parent.id
    return key


def _going(keys: Sequence[uuid.UUID], *, softly: bool) -> Select[uuid.UUID]:
    """Return the query for the keys of collections and of those inside that go with them."""
    inside = select(Collection.id).where(Collection.id.in_(keys)).cte("inside", recursive=True)
    child = aliased(Collection)
    step = select(child.id).join(inside, child.parent_id == inside.c.id)
    if softly:
        step = step.where(child.deleted_at.is_(None))
    return select(inside.union(step).c.id)
