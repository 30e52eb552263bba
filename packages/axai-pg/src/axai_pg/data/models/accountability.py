"""What was done, by whom, and what persons ask about their data."""

from __future__ import annotations

import datetime as dt
import enum
import uuid
from typing import Any, ClassVar

from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from andamios_orm.models import EnumByValue, TimestampMixin, UTCDateTime
from axai_pg.data.models.base import Base, TenantMixin, refers_to

__all__ = [
    "AuditLog",
    "AuditSeal",
    "PersonalDataRequest",
    "RequestKind",
    "RequestStatus",
]


class AuditLog(TenantMixin, Base):
    """One change of one row, or one action; the database writes it, and it only grows.

    ``columns`` names what an update touched; values are not kept. Seals are over the digest of
    ``details``, with a salt, so that those can go and the digest stays. It is read as
    ``axai_audit_reader`` or ``axai_system``, not by services.
    """

    __tablename__ = "audit_log"
    __feed__: ClassVar[bool] = False
    __table_args__ = (
        Index("ix_audit_log_org_id_occurred_at", "org_id", text("occurred_at DESC"), "id"),
        Index("ix_audit_log_org_id_row_id", "org_id", "row_id"),
    )

    occurred_at: Mapped[dt.datetime] = mapped_column(
        UTCDateTime, server_default=text("clock_timestamp()")
    )
    transaction_id: Mapped[int] = mapped_column(
        server_default=text("(pg_current_xact_id()::text)::bigint")
    )
    actor_id: Mapped[uuid.UUID | None] = mapped_column(Uuid)
    """The user in context; it stays when the user has gone."""
    login: Mapped[str] = mapped_column(String(63), server_default=text("session_user"))
    action: Mapped[str] = mapped_column(String(50))
    table_name: Mapped[str | None] = mapped_column(String(63))
    row_id: Mapped[uuid.UUID | None] = mapped_column(Uuid)
    columns: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    details: Mapped[dict[str, Any] | None]
    """What was noted; nothing any more if it named a person who has been erased."""
    details_salt: Mapped[bytes | None]
    details_digest: Mapped[bytes | None]


class AuditSeal(TenantMixin, Base):
    """The digest of entries of the audit log, which goes on from the one before it.

    It stays when its entries are deleted for their age, at ``pruned_at``.
    """

    __tablename__ = "audit_seals"
    __feed__: ClassVar[bool] = False
    __table_args__ = (
        UniqueConstraint("org_id", "number"),
        CheckConstraint("number > 0", name="valid_number"),
        Index("ix_audit_seals_org_id_sealed_at", "org_id", "sealed_at", "number"),
    )

    number: Mapped[int] = mapped_column(Integer)
    sealed_at: Mapped[dt.datetime] = mapped_column(
        UTCDateTime, server_default=text("clock_timestamp()")
    )
    upto: Mapped[int]
    """The number of the first transaction that may not have been over."""
    entries: Mapped[int]
    digest: Mapped[str] = mapped_column(String(64))
    pruned_at: Mapped[dt.datetime | None] = mapped_column(UTCDateTime)


class RequestKind(enum.StrEnum):
    """What a person asks for."""

    EXPORT = "export"
    ERASURE = "erasure"


class RequestStatus(enum.StrEnum):
    """What has become of it."""

    RECEIVED = "received"
    COMPLETED = "completed"
    REFUSED = "refused"


class PersonalDataRequest(TenantMixin, TimestampMixin, Base):
    """A person asked for the data about them, or for its erasure."""

    __tablename__ = "personal_data_requests"
    __table_args__ = (
        refers_to("users", "user_id", ondelete="CASCADE"),
        CheckConstraint("kind::text IN ('export', 'erasure')", name="valid_kind"),
        CheckConstraint(
            "status::text IN ('received', 'completed', 'refused')", name="valid_status"
        ),
        Index("ix_personal_data_requests_org_id_user_id", "org_id", "user_id"),
    )

    user_id: Mapped[uuid.UUID] = mapped_column(Uuid)
    kind: Mapped[RequestKind] = mapped_column(EnumByValue(RequestKind))
    status: Mapped[RequestStatus] = mapped_column(
        EnumByValue(RequestStatus), default=RequestStatus.RECEIVED, server_default="received"
    )
    note: Mapped[str | None] = mapped_column(String(1_000))
    completed_at: Mapped[dt.datetime | None] = mapped_column(UTCDateTime)
