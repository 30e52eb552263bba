"""Summaries of documents, and the tool that made each."""

from __future__ import annotations

import decimal
import uuid
from typing import TYPE_CHECKING, Any

from sqlalchemy import CheckConstraint, Index, Integer, Numeric, String, Text, Uuid, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from andamios_orm.models import EnumByValue, TimestampMixin
from axai_pg.data.models.base import Base, TenantMixin, refers_to, within
from axai_pg.data.models.document import STATUSES, DocumentStatus

if TYPE_CHECKING:
    from axai_pg.data.models.document import Document

__all__ = ["Summary"]


class Summary(TenantMixin, TimestampMixin, Base):
    """A summary of a document; ``tool_agent`` says what made it, and how sure that was."""

    __tablename__ = "summaries"
    __table_args__ = (
        refers_to("documents", "document_id", ondelete="CASCADE"),
        CheckConstraint("btrim(content) <> ''", name="content_not_empty"),
        CheckConstraint("btrim(tool_agent) <> ''", name="tool_agent_not_empty"),
        CheckConstraint("confidence_score BETWEEN 0 AND 1", name="valid_confidence"),
        CheckConstraint(STATUSES, name="valid_status"),
        Index("ix_summaries_org_id_document_id", "org_id", "document_id", text("created_at DESC")),
    )

    document_id: Mapped[uuid.UUID] = mapped_column(Uuid)
    content: Mapped[str] = mapped_column(Text)
    summary_type: Mapped[str] = mapped_column(
        String(50), default="abstract", server_default="abstract"
    )
    target_audience: Mapped[str | None] = mapped_column(String(50))
    tool_agent: Mapped[str] = mapped_column(String(100))
    tool_version: Mapped[str | None] = mapped_column(String(50))
    config_parameters: Mapped[dict[str, Any] | None]
    confidence_score: Mapped[decimal.Decimal | None] = mapped_column(Numeric(5, 4))
    word_count: Mapped[int | None] = mapped_column(Integer)
    language_code: Mapped[str] = mapped_column(String(10), default="en", server_default="en")
    processing_time_ms: Mapped[int | None] = mapped_column(Integer)
    status: Mapped[DocumentStatus] = mapped_column(
        EnumByValue(DocumentStatus), default=DocumentStatus.DRAFT, server_default="draft"
    )

    document: Mapped[Document] = relationship(
        primaryjoin=within("Document", "Summary.document_id"),
        back_populates="summaries",
    )
