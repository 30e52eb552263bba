"""Who may do what inside an organisation: roles, and grants on single documents."""

from __future__ import annotations

import datetime as dt
import enum
import uuid
from typing import TYPE_CHECKING

from sqlalchemy import CheckConstraint, Index, String, UniqueConstraint, Uuid, func, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from andamios_orm.models import EnumByValue, TimestampMixin, UTCDateTime
from andamios_orm.models.clock import now
from axai_pg.data.models.base import Base, TenantMixin, refers_to, tenant_key, within

if TYPE_CHECKING:
    from axai_pg.data.models.document import Document
    from axai_pg.data.models.organization import User

__all__ = [
    "Action",
    "DocumentPermission",
    "Permission",
    "Role",
    "RolePermission",
    "UserRole",
]


class Action(enum.StrEnum):
    """What a role permits on a kind of row."""

    CREATE = "create"
    READ = "read"
    UPDATE = "update"
    DELETE = "delete"
    SHARE = "share"


class Permission(enum.StrEnum):
    """What a user or a role may do with one document."""

    READ = "read"
    WRITE = "write"
    SHARE = "share"


class _CreatedAt:
    created_at: Mapped[dt.datetime] = mapped_column(
        UTCDateTime, default=now, server_default=func.now(), sort_order=100
    )


class Role(TenantMixin, TimestampMixin, Base):
    """A role inside an organisation; it has nothing to do with roles of PostgreSQL."""

    __tablename__ = "roles"
    __table_args__ = (
        tenant_key(),
        UniqueConstraint("org_id", "name"),
        CheckConstraint("btrim(name) <> ''", name="name_not_empty"),
    )

    name: Mapped[str] = mapped_column(String(100))
    description: Mapped[str | None] = mapped_column(String(1_000))

    permissions: Mapped[list[RolePermission]] = relationship(
        primaryjoin=within("Role", "RolePermission.role_id"),
        back_populates="role",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )
    user_roles: Mapped[list[UserRole]] = relationship(
        primaryjoin=within("Role", "UserRole.role_id"),
        back_populates="role",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )


class RolePermission(TenantMixin, _CreatedAt, Base):
    """A role permits an action on a kind of row, such as ``documents``."""

    __tablename__ = "role_permissions"
    __table_args__ = (
        refers_to("roles", "role_id", ondelete="CASCADE"),
        UniqueConstraint("org_id", "role_id", "resource", "action"),
        CheckConstraint("btrim(resource) <> ''", name="resource_not_empty"),
        CheckConstraint(
            "action::text IN ('create', 'read', 'update', 'delete', 'share')", name="valid_action"
        ),
    )

    role_id: Mapped[uuid.UUID] = mapped_column(Uuid)
    resource: Mapped[str] = mapped_column(String(100))
    action: Mapped[Action] = mapped_column(EnumByValue(Action))

    role: Mapped[Role] = relationship(
        primaryjoin=within("Role", "RolePermission.role_id"),
        back_populates="permissions",
    )


class UserRole(TenantMixin, _CreatedAt, Base):
    """A user has a role."""

    __tablename__ = "user_roles"
    __table_args__ = (
        refers_to("users", "user_id", ondelete="CASCADE"),
        refers_to("roles", "role_id", ondelete="CASCADE"),
        UniqueConstraint("org_id", "user_id", "role_id"),
        Index("ix_user_roles_org_id_role_id", "org_id", "role_id"),
    )

    user_id: Mapped[uuid.UUID] = mapped_column(Uuid)
    role_id: Mapped[uuid.UUID] = mapped_column(Uuid)

    user: Mapped[User] = relationship(
        primaryjoin=within("User", "UserRole.user_id"),
        back_populates="user_roles",
    )
    role: Mapped[Role] = relationship(
        primaryjoin=within("Role", "UserRole.role_id"),
        back_populates="user_roles",
    )


class DocumentPermission(TenantMixin, _CreatedAt, Base):
    """A user, or everybody with a role, may read, write or share one document."""

    __tablename__ = "document_permissions"
    __table_args__ = (
        refers_to("documents", "document_id", ondelete="CASCADE"),
        refers_to("users", "user_id", ondelete="CASCADE"),
        refers_to("roles", "role_id", ondelete="CASCADE"),
        refers_to("users", "granted_by_id", ondelete="SET NULL"),
        CheckConstraint("num_nonnulls(user_id, role_id) = 1", name="one_grantee"),
        CheckConstraint("permission::text IN ('read', 'write', 'share')", name="valid_permission"),
        UniqueConstraint(
            "org_id",
            "document_id",
            "user_id",
            "role_id",
            "permission",
            name="uq_document_permissions_grant",
            postgresql_nulls_not_distinct=True,
        ),
        Index(
            "ix_document_permissions_org_id_user_id",
            "org_id",
            "user_id",
            postgresql_where=text("user_id IS NOT NULL"),
        ),
        Index(
            "ix_document_permissions_org_id_role_id",
            "org_id",
            "role_id",
            postgresql_where=text("role_id IS NOT NULL"),
        ),
        Index(
            "ix_document_permissions_org_id_expires_at",
            "org_id",
            "expires_at",
            postgresql_where=text("expires_at IS NOT NULL"),
        ),
    )

    document_id: Mapped[uuid.UUID] = mapped_column(Uuid)
    user_id: Mapped[uuid.UUID | None] = mapped_column(Uuid)
    role_id: Mapped[uuid.UUID | None] = mapped_column(Uuid)
    permission: Mapped[Permission] = mapped_column(EnumByValue(Permission))
    granted_by_id: Mapped[uuid.UUID | None] = mapped_column(Uuid)
    expires_at: Mapped[dt.datetime | None] = mapped_column(UTCDateTime)

    document: Mapped[Document] = relationship(
        primaryjoin=within("Document", "DocumentPermission.document_id"),
        back_populates="permissions",
    )
