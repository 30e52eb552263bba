"""Collections of documents, one inside another."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from sqlalchemy import select

from andamios_orm.repositories import operation
from axai_pg.data.models import Collection, DocumentCollection
from axai_pg.data.repositories.sharing import SharedDocuments
from axai_pg.data.repositories.tree import TreeRepository
from axai_pg.data.repositories.viewing import PartRepository

if TYPE_CHECKING:
    import uuid

__all__ = ["CollectionRepository"]


class CollectionRepository(TreeRepository[Collection]):
    """Collections, and the documents that were put in each.

    With ``viewer=user_id``, documents are those that the user may read.
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
