"""Organisations, and the users of each."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, ClassVar

from sqlalchemy import CheckConstraint, Index, String, UniqueConstraint, Uuid, false, text, true
from sqlalchemy.orm import Mapped, mapped_column, relationship

from andamios_orm.models import TimestampMixin, UTCDateTime, uuid7
from axai_pg.data.models.base import NEW_KEY, Base, TenantMixin, tenant_key, within

if TYPE_CHECKING:
    from axai_pg.data.models.security import UserRole

__all__ = ["Organization", "User"]


class Organization(TimestampMixin, Base):
    """Whose rows are whose: nothing of one organisation is seen by another."""

    __tablename__ = "organizations"
    __tenant__: ClassVar[str | None] = "id"
    __table_args__ = (
        CheckConstraint("id <> '00000000-0000-0000-0000-000000000000'", name="id_not_nil"),
        CheckConstraint("btrim(name) <> ''", name="name_not_empty"),
    )

    id: Mapped[uuid.UUID] = mapped_column(
        Uuid, primary_key=True, default=uuid7, server_default=NEW_KEY
    )
    name: Mapped[str] = mapped_column(String(255))

    users: Mapped[list[User]] = relationship(
        back_populates="organization", cascade="all, delete-orphan", passive_deletes=True
    )


class User(TenantMixin, TimestampMixin, Base):
    """A person, in exactly one organisation; names and addresses are unique within it."""

    __tablename__ = "users"
    __table_args__ = (
        tenant_key(),
        UniqueConstraint("org_id", "username"),
        Index("uq_users_org_id_email", "org_id", text("lower(email)"), unique=True),
        CheckConstraint("btrim(username) <> ''", name="username_not_empty"),
        CheckConstraint("strpos(username, '@') = 0", name="username_is_no_address"),
        CheckConstraint("email ~ '^[^@[:space:]]+@[^@[:space:]]+$'", name="email_valid"),
        CheckConstraint(
            "erased_at IS NULL OR username ~ '^erased-[0-9a-f]{32}$'"
            " AND email = username || '@erased.invalid' AND hashed_password IS NULL"
            " AND NOT is_active AND NOT is_admin AND NOT is_email_verified",
            name="erased_is_nobody",
        ),
    )

    username: Mapped[str] = mapped_column(String(255))
    email: Mapped[str] = mapped_column(String(320))
    hashed_password: Mapped[str | None] = mapped_column(
        String(255),
        info={"secret": True},  # nosec B105 - what the feed leaves out
    )
    is_active: Mapped[bool] = mapped_column(default=True, server_default=true())
    is_admin: Mapped[bool] = mapped_column(default=False, server_default=false())
    is_email_verified: Mapped[bool] = mapped_column(default=False, server_default=false())
    erased_at: Mapped[dt.datetime | None] = mapped_column(UTCDateTime)
    """When what tells who this was has been removed."""

    organization: Mapped[Organization] = relationship(back_populates="users")
    user_roles: Mapped[list[UserRole]] = relationship(
        primaryjoin=within("User", "UserRole.user_id"),
        back_populates="user",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )
