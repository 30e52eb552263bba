"""Documents of a project: their content, every earlier one, and who has read them."""

from __future__ import annotations

import datetime as dt
import enum
from typing import TYPE_CHECKING

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from andamios_orm.models import EnumByValue, UTCDateTime, current_actor, derived
from andamios_orm.models.clock import now
from andamios_orm.models.paths import RelativePath
from andamios_orm.models.staying import STAYS
from project_architect_db.models import rollups, versions
from project_architect_db.models.base import Base
from project_architect_db.models.mixins import EntityMixin, IntegerKeyMixin
from project_architect_db.models.searching import search_index
from project_architect_db.models.texts import count_words, digest_of, size_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from andamios_orm.models import WrittenRow
    from project_architect_db.models.project import Project

__all__ = ["Document", "DocumentAccess", "DocumentType", "DocumentVersion"]


class DocumentType(enum.StrEnum):
    """What a document is about."""

    ARCHITECTURE = "architecture"
    API_SPEC = "api_spec"
    DEPLOYMENT = "deployment"
    REQUIREMENTS = "requirements"
    README = "readme"
    OTHER = "other"


class Document(EntityMixin, Base):
    """A text that belongs to a project.

    ``changed_at``, ``changed_by``, ``note`` and ``revision`` are about its content. When
    that changes, what it was before becomes a ``DocumentVersion``.
    """

    __tablename__ = "documents"
    __table_args__ = (
        CheckConstraint("length(name) BETWEEN 1 AND 255", name="name"),
        CheckConstraint("length(file_path) BETWEEN 1 AND 1000", name="file_path"),
        Index("idx_document_project", "project_id"),
        Index("idx_document_type", "doc_type", duckdb_index=False),
        search_index("idx_document_search", "documents"),
    )

    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"))
    name: Mapped[str] = mapped_column(String(255), info={"shortest": 1})
    doc_type: Mapped[DocumentType] = mapped_column(
        EnumByValue(DocumentType), default=DocumentType.OTHER, server_default="other"
    )
    content: Mapped[str] = mapped_column(Text, default="", server_default="")
    file_path: Mapped[str | None] = mapped_column(RelativePath)
    """Where its file is, below the root that a repository of documents is given."""
    word_count: Mapped[int] = derived("content", count_words)
    size: Mapped[int] = derived("content", size_of)
    """Bytes of its content."""
    digest: Mapped[str] = derived("content", digest_of, String(64))
    changed_at: Mapped[dt.datetime] = derived(
        "content", lambda _content: now(), UTCDateTime, given=True
    )
    changed_by: Mapped[str | None] = derived(
        "content", lambda _content: current_actor(), String(255), given=True
    )
    note: Mapped[str | None] = derived("content", lambda _content: None, String(1_000), given=True)
    """What its author said of the last change."""
    revision: Mapped[str | None] = derived("content", lambda _content: None, String(64), given=True)
    """The commit that its content is from."""

    project: Mapped[Project] = relationship(back_populates="documents")
    past_versions: Mapped[list[DocumentVersion]] = relationship(
        cascade="all, delete-orphan", info=STAYS, order_by="DocumentVersion.number"
    )
    accesses: Mapped[list[DocumentAccess]] = relationship(
        cascade="all, delete-orphan", info=STAYS, order_by="DocumentAccess.id"
    )

    @classmethod
    def __wrote__(cls, connection: Connection, rows: Sequence[WrittenRow]) -> None:
        """Keep earlier contents, and the sums over documents."""
        versions.keep(connection, rows, DocumentVersion)
        rollups.keep(connection, rows, rollups.of_document)


class DocumentVersion(IntegerKeyMixin, Base):
    """What the content of a document was before it changed; numbers begin at 1."""

    __tablename__ = "document_versions"
    __table_args__ = (UniqueConstraint("document_id", "number"),)

    document_id: Mapped[int] = mapped_column(ForeignKey("documents.id"))
    number: Mapped[int]
    content: Mapped[str] = mapped_column(Text)
    size: Mapped[int] = derived("content", size_of)
    digest: Mapped[str] = derived("content", digest_of, String(64))
    changed_at: Mapped[dt.datetime]
    changed_by: Mapped[str | None] = mapped_column(String(255))
    note: Mapped[str | None] = mapped_column(String(1_000))
    revision: Mapped[str | None] = mapped_column(String(64))


class DocumentAccess(IntegerKeyMixin, Base):
    """Somebody has read a document."""

    __tablename__ = "document_accesses"
    __table_args__ = (Index("idx_access_document", "document_id"),)

    document_id: Mapped[int] = mapped_column(ForeignKey("documents.id"))
    accessed_at: Mapped[dt.datetime] = mapped_column(default=now)
    accessed_by: Mapped[str | None] = mapped_column(String(255), default=current_actor)

    @classmethod
    def __wrote__(cls, connection: Connection, rows: Sequence[WrittenRow]) -> None:
        """Keep the sum of accesses."""
        rollups.keep(connection, rows, rollups.of_access)
