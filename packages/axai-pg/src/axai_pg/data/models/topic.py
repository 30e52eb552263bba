"""Topics of an organisation, one below another, and what each document is about."""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    Index,
    Numeric,
    String,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
    true,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from andamios_orm.models import TimestampMixin, UTCDateTime
from andamios_orm.models.clock import now
from axai_pg.data.models.base import Base, TenantMixin, above, below, refers_to, tenant_key, within

if TYPE_CHECKING:
    from axai_pg.data.models.document import Document

__all__ = ["DocumentTopic", "Topic"]


class Topic(TenantMixin, TimestampMixin, Base):
    """What documents can be about; the database refuses a topic above itself."""

    __tablename__ = "topics"
    __table_args__ = (
        tenant_key(),
        refers_to("topics", "parent_topic_id", ondelete="SET NULL"),
        UniqueConstraint("org_id", "name"),
        CheckConstraint("btrim(name) <> ''", name="name_not_empty"),
        CheckConstraint("global_importance BETWEEN 0 AND 1", name="valid_importance"),
        Index("ix_topics_org_id_parent_topic_id", "org_id", "parent_topic_id"),
    )

    parent_topic_id: Mapped[uuid.UUID | None] = mapped_column(Uuid)
    name: Mapped[str] = mapped_column(String(100))
    description: Mapped[str | None] = mapped_column(String(5_000))
    keywords: Mapped[list[str]] = mapped_column(ARRAY(Text), default=list, server_default="{}")
    extraction_method: Mapped[str | None] = mapped_column(String(50))
    global_importance: Mapped[decimal.Decimal | None] = mapped_column(Numeric(5, 4))
    created_by_tool: Mapped[str | None] = mapped_column(String(100))
    is_active: Mapped[bool] = mapped_column(default=True, server_default=true())

    parent: Mapped[Topic | None] = relationship(
        primaryjoin=above("Topic.parent_topic_id"),
        back_populates="children",
    )
    children: Mapped[list[Topic]] = relationship(
        primaryjoin=below("Topic.parent_topic_id"),
        back_populates="parent",
        passive_deletes=True,
    )
    document_topics: Mapped[list[DocumentTopic]] = relationship(
        primaryjoin=within("Topic", "DocumentTopic.topic_id"),
        back_populates="topic",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )


class DocumentTopic(TenantMixin, TimestampMixin, Base):
    """A document is about a topic, as far as ``relevance_score`` says."""

    __tablename__ = "document_topics"
    __table_args__ = (
        refers_to("documents", "document_id", ondelete="CASCADE"),
        refers_to("topics", "topic_id", ondelete="CASCADE"),
        UniqueConstraint("org_id", "document_id", "topic_id"),
        CheckConstraint("relevance_score BETWEEN 0 AND 1", name="valid_relevance"),
        Index(
            "ix_document_topics_org_id_topic_id",
            "org_id",
            "topic_id",
            text("relevance_score DESC"),
        ),
    )

    document_id: Mapped[uuid.UUID] = mapped_column(Uuid)
    topic_id: Mapped[uuid.UUID] = mapped_column(Uuid)
    relevance_score: Mapped[decimal.Decimal] = mapped_column(
        Numeric(5, 4), default=decimal.Decimal(1), server_default=text("1")
    )
    context: Mapped[dict[str, Any] | None]
    extracted_by_tool: Mapped[str] = mapped_column(String(100))
    extracted_at: Mapped[dt.datetime] = mapped_column(
        UTCDateTime, default=now, server_default=func.now()
    )

    document: Mapped[Document] = relationship(
        primaryjoin=within("Document", "DocumentTopic.document_id"),
        back_populates="document_topics",
    )
    topic: Mapped[Topic] = relationship(
        primaryjoin=within("Topic", "DocumentTopic.topic_id"),
        back_populates="document_topics",
    )
