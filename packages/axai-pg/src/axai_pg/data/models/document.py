"""Documents, and what they were before each change."""

from __future__ import annotations

import datetime as dt
import enum
import hashlib
import uuid
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    Column,
    FetchedValue,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, declared_attr, mapped_column, relationship

from andamios_orm.models import (
    EnumByValue,
    SoftDeleteMixin,
    TimestampMixin,
    UTCDateTime,
    VersionMixin,
    derived,
)
from andamios_orm.models.clock import now
from andamios_orm.models.paths import FileName, RelativePath
from andamios_orm.models.staying import STAYS
from axai_pg.data.models.base import Base, TenantMixin, refers_to, tenant_key, within

if TYPE_CHECKING:
    from axai_pg.data.models.collection import Collection
    from axai_pg.data.models.organization import User
    from axai_pg.data.models.security import DocumentPermission
    from axai_pg.data.models.summary import Summary
    from axai_pg.data.models.topic import DocumentTopic

__all__ = ["STATUSES", "Document", "DocumentStatus", "DocumentVersion", "ProcessingStatus"]

STATUSES: Final = "status::text IN ('draft', 'published', 'archived')"


class DocumentStatus(enum.StrEnum):
    """How far a document is."""

    DRAFT = "draft"
    PUBLISHED = "published"
    ARCHIVED = "archived"


class ProcessingStatus(enum.StrEnum):
    """How far the extraction of summaries, topics and the graph is."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETE = "complete"
    ERROR = "error"


def _bytes(content: object) -> int | None:
    return len(content.encode()) if isinstance(content, str) else None


def _words(content: object) -> int | None:
    return len(content.split()) if isinstance(content, str) else None


def _digest(content: object) -> str | None:
    return hashlib.sha256(content.encode()).hexdigest() if isinstance(content, str) else None


def _nothing() -> None:
    """Return None: known to be, it is not fetched after an INSERT."""


class Document(TenantMixin, TimestampMixin, VersionMixin, SoftDeleteMixin, Base):
    """A document of an organisation.

    Each change raises ``version``; a change of what it says (title, content, status,
    metadata and the like) also leaves a ``DocumentVersion`` of what it said before. The
    database does that, whoever writes, and takes ``changed_by_id`` from the context. Its
    table has a column ``search_vector``, made by the database, that no instance loads.
    """

    __tablename__ = "documents"
    __table_args__ = (
        Column("search_vector", TSVECTOR),
        tenant_key(),
        refers_to("users", "owner_id"),
        refers_to("users", "changed_by_id", ondelete="SET NULL"),
        CheckConstraint("btrim(title) <> ''", name="title_not_empty"),
        CheckConstraint(STATUSES, name="valid_status"),
        CheckConstraint(
            "processing_status::text IN ('pending', 'processing', 'complete', 'error')",
            name="valid_processing_status",
        ),
        CheckConstraint("version > 0", name="valid_version"),
        CheckConstraint("jsonb_typeof(metadata) = 'object'", name="metadata_object"),
        Index(
            "ix_documents_listed",
            "org_id",
            text("created_at DESC"),
            "id",
            postgresql_where=text("deleted_at IS NULL"),
        ),
        Index(
            "ix_documents_status",
            "org_id",
            "status",
            text("created_at DESC"),
            "id",
            postgresql_where=text("deleted_at IS NULL"),
        ),
        Index("ix_documents_org_id_owner_id", "org_id", "owner_id", text("created_at DESC"), "id"),
        Index("ix_documents_search", "org_id", "search_vector", postgresql_using="gin"),
        Index(
            "ix_documents_metadata",
            "org_id",
            "metadata",
            postgresql_using="gin",
            postgresql_ops={"metadata": "jsonb_path_ops"},
        ),
    )

    @declared_attr.directive
    @classmethod
    def __mapper_args__(cls) -> dict[str, Any]:
        """Return that rows are known by ``id``, and do not carry what is searched."""
        return {"primary_key": [cls.id], "exclude_properties": ["search_vector"]}

    owner_id: Mapped[uuid.UUID] = mapped_column(Uuid)
    title: Mapped[str] = mapped_column(String(500))
    description: Mapped[str | None] = mapped_column(String(5_000))
    content: Mapped[str | None] = mapped_column(Text)
    language: Mapped[str] = mapped_column(String(10), default="en", server_default="en")
    """The language in which it is searched, as a code of two letters."""
    filename: Mapped[str | None] = mapped_column(FileName)
    file_path: Mapped[str | None] = mapped_column(RelativePath)
    file_format: Mapped[str | None] = mapped_column(String(50))
    content_type: Mapped[str] = mapped_column(
        String(255), default="text/plain", server_default="text/plain"
    )
    document_type: Mapped[str] = mapped_column(
        String(50), default="document", server_default="document"
    )
    status: Mapped[DocumentStatus] = mapped_column(
        EnumByValue(DocumentStatus), default=DocumentStatus.DRAFT, server_default="draft"
    )
    processing_status: Mapped[ProcessingStatus] = mapped_column(
        EnumByValue(ProcessingStatus), default=ProcessingStatus.PENDING, server_default="pending"
    )
    source: Mapped[str | None] = mapped_column(String(100))
    external_ref_id: Mapped[str | None] = mapped_column(String(100))
    document_metadata: Mapped[dict[str, Any]] = mapped_column(
        "metadata", default=dict, server_default="{}"
    )
    size: Mapped[int | None] = derived("content", _bytes, given=True)
    """Bytes of its content; of a file that is elsewhere, as it was told."""
    word_count: Mapped[int | None] = derived("content", _words, Integer, given=True)
    content_hash: Mapped[str | None] = derived("content", _digest, String(64), given=True)
    """The SHA-256 of its content."""
    changed_by_id: Mapped[uuid.UUID | None] = mapped_column(
        Uuid,
        server_default=FetchedValue(),
        server_onupdate=FetchedValue(),
        info={"kept": "the database takes it from the context"},
    )
    change_description: Mapped[str | None] = mapped_column(
        String(1_000), default=_nothing, server_onupdate=FetchedValue()
    )
    """What was said of the last change."""

    owner: Mapped[User] = relationship(primaryjoin=within("User", "Document.owner_id"))
    versions: Mapped[list[DocumentVersion]] = relationship(
        primaryjoin=within("Document", "DocumentVersion.document_id"),
        back_populates="document",
        order_by="DocumentVersion.version",
        cascade="all, delete-orphan",
        passive_deletes=True,
        info=STAYS,
    )
    summaries: Mapped[list[Summary]] = relationship(
        primaryjoin=within("Document", "Summary.document_id"),
        back_populates="document",
        cascade="all, delete-orphan",
        passive_deletes=True,
        info=STAYS,
    )
    document_topics: Mapped[list[DocumentTopic]] = relationship(
        primaryjoin=within("Document", "DocumentTopic.document_id"),
        back_populates="document",
        cascade="all, delete-orphan",
        passive_deletes=True,
        info=STAYS,
    )
    permissions: Mapped[list[DocumentPermission]] = relationship(
        primaryjoin=within("Document", "DocumentPermission.document_id"),
        back_populates="document",
        cascade="all, delete-orphan",
        passive_deletes=True,
        info=STAYS,
    )
    collections: Mapped[list[Collection]] = relationship(
        secondary="document_collections",
        primaryjoin=within("Document", "DocumentCollection.document_id"),
        secondaryjoin=within("Collection", "DocumentCollection.collection_id"),
        back_populates="documents",
        passive_deletes=True,
    )


class DocumentVersion(TenantMixin, Base):
    """What a document was at ``version``, before it changed.

    ``changed_columns`` names what the change to the next version touched; who had made
    this one, when, and what was said of it, is in the other columns. Numbers may be missing:
    changes that are about processing or deletion only leave nothing here.
    """

    __tablename__ = "document_versions"
    __table_args__ = (
        refers_to("documents", "document_id", ondelete="CASCADE"),
        refers_to("users", "created_by_id", ondelete="SET NULL"),
        UniqueConstraint("org_id", "document_id", "version"),
        CheckConstraint("version > 0", name="valid_version"),
        CheckConstraint(STATUSES, name="valid_status"),
        CheckConstraint("jsonb_typeof(metadata) = 'object'", name="metadata_object"),
    )

    document_id: Mapped[uuid.UUID] = mapped_column(Uuid)
    version: Mapped[int] = mapped_column(Integer)
    title: Mapped[str] = mapped_column(String(500))
    description: Mapped[str | None] = mapped_column(String(5_000))
    content: Mapped[str | None] = mapped_column(Text)
    language: Mapped[str] = mapped_column(String(10), default="en", server_default="en")
    filename: Mapped[str | None] = mapped_column(FileName)
    file_path: Mapped[str | None] = mapped_column(RelativePath)
    content_type: Mapped[str] = mapped_column(
        String(255), default="text/plain", server_default="text/plain"
    )
    document_type: Mapped[str] = mapped_column(
        String(50), default="document", server_default="document"
    )
    status: Mapped[DocumentStatus] = mapped_column(
        EnumByValue(DocumentStatus), default=DocumentStatus.DRAFT, server_default="draft"
    )
    document_metadata: Mapped[dict[str, Any]] = mapped_column(
        "metadata", default=dict, server_default="{}"
    )
    changed_columns: Mapped[list[str]] = mapped_column(
        ARRAY(Text), default=list, server_default="{}"
    )
    created_by_id: Mapped[uuid.UUID | None] = mapped_column(Uuid)
    change_description: Mapped[str | None] = mapped_column(String(1_000))
    created_at: Mapped[dt.datetime] = mapped_column(
        UTCDateTime, default=now, server_default=func.now()
    )

    document: Mapped[Document] = relationship(
        primaryjoin=within("Document", "DocumentVersion.document_id"),
        back_populates="versions",
    )
