"""Collections of documents, one inside another."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING

from sqlalchemy import CheckConstraint, Index, String, UniqueConstraint, Uuid, func
from sqlalchemy.orm import Mapped, mapped_column, relationship

from andamios_orm.models import SoftDeleteMixin, TimestampMixin, UTCDateTime
from andamios_orm.models.clock import now
from axai_pg.data.models.base import Base, TenantMixin, above, below, refers_to, tenant_key, within

if TYPE_CHECKING:
    from axai_pg.data.models.document import Document
    from axai_pg.data.models.organization import User

__all__ = ["Collection", "DocumentCollection"]


class Collection(TenantMixin, TimestampMixin, SoftDeleteMixin, Base):
    """Documents that somebody put together; the database refuses one inside itself."""

    __tablename__ = "collections"
    __table_args__ = (
        tenant_key(),
        refers_to("collections", "parent_id", ondelete="CASCADE"),
        refers_to("users", "owner_id"),
        CheckConstraint("btrim(name) <> ''", name="name_not_empty"),
        Index("ix_collections_org_id_parent_id", "org_id", "parent_id", "name"),
        Index("ix_collections_org_id_owner_id", "org_id", "owner_id"),
    )

    parent_id: Mapped[uuid.UUID | None] = mapped_column(Uuid)
    owner_id: Mapped[uuid.UUID] = mapped_column(Uuid)
    name: Mapped[str] = mapped_column(String(255))
    description: Mapped[str | None] = mapped_column(String(5_000))

    owner: Mapped[User] = relationship(primaryjoin=within("User", "Collection.owner_id"))
    parent: Mapped[Collection | None] = relationship(
        primaryjoin=above("Collection.parent_id"),
        back_populates="subcollections",
    )
    subcollections: Mapped[list[Collection]] = relationship(
        primaryjoin=below("Collection.parent_id"),
        back_populates="parent",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )
    documents: Mapped[list[Document]] = relationship(
        secondary="document_collections",
        primaryjoin=within("Collection", "DocumentCollection.collection_id"),
        secondaryjoin=within("Document", "DocumentCollection.document_id"),
        back_populates="collections",
        passive_deletes=True,
    )


class DocumentCollection(TenantMixin, Base):
    """A document is in a collection."""

    __tablename__ = "document_collections"
    __table_args__ = (
        refers_to("collections", "collection_id", ondelete="CASCADE"),
        refers_to("documents", "document_id", ondelete="CASCADE"),
        UniqueConstraint("org_id", "collection_id", "document_id"),
        Index("ix_document_collections_org_id_document_id", "org_id", "document_id"),
    )

    collection_id: Mapped[uuid.UUID] = mapped_column(Uuid)
    document_id: Mapped[uuid.UUID] = mapped_column(Uuid)
    added_at: Mapped[dt.datetime] = mapped_column(
        UTCDateTime, default=now, server_default=func.now()
    )
