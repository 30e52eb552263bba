"""Topics, one below another, and what each document is about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from andamios_orm.models.clock import now
from andamios_orm.repositories import operation
from axai_pg.data.models import DocumentTopic, Topic
from axai_pg.data.repositories.sharing import SharedDocuments
from axai_pg.data.repositories.tree import TreeRepository
from axai_pg.data.repositories.viewing import PartRepository

if TYPE_CHECKING:
    import decimal
    import uuid

__all__ = ["TopicRepository"]


class TopicRepository(TreeRepository[Topic]):
    """Topics of the organisation; each says what has found it, and so does each use of it.

    With ``viewer=user_id``, uses are those by documents that the user may read.
    """

    model = Topic
    parent: ClassVar[str] = "parent_topic_id"

    @operation()
    async def find_by_name(self, name: str) -> Topic | None:
        """Return the topic with a name, or None."""
        return await self.get_one_or_none(name=name)

    @operation()
    async def find_by_tool(
        self, created_by_tool: str, limit: int | None = 100, offset: int = 0
    ) -> list[Topic]:
        """Return topics that a tool has found, by name."""
        return await self.list(limit, offset, order_by="name", created_by_tool=created_by_tool)

    @operation()
    async def find_by_document(
        self, document_id: uuid.UUID, limit: int | None = 100, offset: int = 0
    ) -> list[DocumentTopic]:
        """Return what a document is about, the most relevant first, with each topic loaded."""
        return await PartRepository(self.session, DocumentTopic, viewer=self.viewer).list(
            limit,
            offset,
            document_id=document_id,
            order_by=["-relevance_score", "extracted_at"],
            load=["topic"],
        )

    @operation(writes=True)
    async def assign(
        self,
        key: uuid.UUID,
        document_id: uuid.UUID,
        extracted_by_tool: str,
        *,
        relevance_score: float | decimal.Decimal = 1,
        context: dict[str, Any] | None = None,
    ) -> DocumentTopic:
        """Return that a document is about a topic, as a tool has found out now.

        What was found out before about the two is replaced.

        Raises:
            NotFound: there is no such topic, or no such document.
            NotPermitted: the viewer may not change the document.
            ValueRefused: the relevance is no number from 0 to 1.
        """
        await self.get(key)
        await SharedDocuments(self.session, viewer=self.viewer).get(document_id)
        found = {
            "extracted_by_tool": extracted_by_tool,
            "extracted_at": now(),
            "relevance_score": relevance_score,
            "context": context,
        }
        uses = PartRepository(self.session, DocumentTopic, viewer=self.viewer)
        return await uses.upsert(
            {"document_id": document_id, "topic_id": key, **found},
            match_fields=["document_id", "topic_id"],
        )

    @operation(writes=True)
    async def unassign(self, key: uuid.UUID, document_id: uuid.UUID) -> bool:
        """Return whether a document was about a topic, and is no longer.

        Raises:
            NotFound: there is no such topic.
            NotPermitted: the viewer may not change the document.
        """
        await self.get(key)
        uses = PartRepository(self.session, DocumentTopic, viewer=self.viewer)
        return bool(await uses.delete_where(topic_id=key, document_id=document_id))
