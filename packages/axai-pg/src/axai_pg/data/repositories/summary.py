"""Summaries of documents, by the tool or agent that made each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from andamios_orm.repositories import operation
from axai_pg.data.models import Summary
from axai_pg.data.repositories.viewing import PartRepository

if TYPE_CHECKING:
    import uuid

    from andamios_orm.repositories.reading import Condition

__all__ = ["SummaryRepository"]


class SummaryRepository(PartRepository[Summary]):
    """Summaries; each says which tool or agent made it, and how sure that was.

    With ``viewer=user_id``, those of documents that the user may read.
    """

    model = Summary

    @operation()
    async def find_by_document(
        self,
        document_id: uuid.UUID,
        limit: int | None = 100,
        offset: int = 0,
        *,
        summary_type: str | None = None,
    ) -> list[Summary]:
        """Return summaries of a document, all or those of a type, the newest first."""
        narrowed: dict[str, Any] = {} if summary_type is None else {"summary_type": summary_type}
        return await self.list(
            limit, offset, order_by="-created_at", document_id=document_id, **narrowed
        )

    @operation()
    async def find_by_tool(
        self,
        tool_agent: str,
        limit: int | None = 100,
        offset: int = 0,
        *,
        tool_version: str | None = None,
        min_confidence: float | None = None,
    ) -> list[Summary]:
        """Return what a tool or agent has made, and was sure enough of, the newest first."""
        narrowed: list[Condition] = [Summary.tool_agent == tool_agent]
        if tool_version is not None:
            narrowed.append(Summary.tool_version == tool_version)
        if min_confidence is not None:
            narrowed.append(Summary.confidence_score >= min_confidence)
        return await self.list(*narrowed, limit=limit, offset=offset, order_by="-created_at")

    @operation()
    async def best(
        self, document_id: uuid.UUID, *, summary_type: str | None = None
    ) -> Summary | None:
        """Return the summary of a document that its tool was the surest of, or None.

        One without a confidence comes after those that have one; of equals, the newest.
        """
        narrowed: dict[str, Any] = {} if summary_type is None else {"summary_type": summary_type}
        order = [Summary.confidence_score.desc().nulls_last(), Summary.created_at.desc()]
        return await self.first(order_by=order, document_id=document_id, **narrowed)

    def prepare(self, document_id: uuid.UUID, values: Any) -> Summary:
        """Return a summary of a document that is yet to be stored, checked.

        Raises:
            UnknownField: a name is none of the model's; the error lists those.
            ValueRefused: a column is not the caller's to write, or a value does not fit.
        """
        made = self._new(values)
        made.document_id = document_id
        self._check(vars(made))
        return made
