"""Projects, and who may see them."""

from __future__ import annotations

import datetime as dt
import enum
from typing import TYPE_CHECKING, Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from andamios_orm.models import EnumByValue, UTCDateTime, current_actor, derived
from andamios_orm.models.clock import now
from andamios_orm.models.derived import UNCHANGED
from andamios_orm.models.staying import STAYS
from project_architect_db.models import rollups
from project_architect_db.models.base import Base
from project_architect_db.models.complexity import complexity_score, framework_of
from project_architect_db.models.mixins import EntityMixin, HistoryMixin, IntegerKeyMixin
from project_architect_db.models.searching import search_index

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from andamios_orm.models import WrittenRow
    from project_architect_db.models.conversation import Conversation
    from project_architect_db.models.document import Document
    from project_architect_db.models.repository import Repository

__all__ = ["Project", "ProjectMember", "ProjectStatus"]


class ProjectStatus(enum.StrEnum):
    """Where a project is in its life."""

    DRAFT = "draft"
    ACTIVE = "active"
    COMPLETED = "completed"
    ARCHIVED = "archived"


def _completion(status: object) -> object:
    """Return when a project was completed whose status has just become ``status``."""
    if status == ProjectStatus.ARCHIVED:
        return UNCHANGED
    return now() if status == ProjectStatus.COMPLETED else None


class Project(EntityMixin, HistoryMixin, Base):
    """What a team plans and builds."""

    __tablename__ = "projects"
    __remembered__ = (
        *("id", "name", "status", "framework", "complexity_score"),
        *("created_at", "updated_at", "completed_at", "deleted_at"),
    )
    __table_args__ = (
        CheckConstraint("length(name) BETWEEN 1 AND 255", name="name"),
        CheckConstraint("length(description) <= 5000", name="description"),
        CheckConstraint("length(project_idea) BETWEEN 10 AND 10000", name="project_idea"),
        CheckConstraint("status IN ('draft', 'active', 'completed', 'archived')", name="status"),
        CheckConstraint("complexity_score BETWEEN 0 AND 100", name="complexity_score"),
        # DuckDB reads columns faster than it would use this one.
        Index("idx_project_status_created", "status", "created_at", duckdb_index=False),
        Index("idx_project_name_search", "name"),
        search_index("idx_project_search", "projects"),
    )

    name: Mapped[str] = mapped_column(String(255), info={"shortest": 1})
    description: Mapped[str | None] = mapped_column(String(5_000))
    project_idea: Mapped[str] = mapped_column(String(10_000), info={"shortest": 10})
    architecture: Mapped[dict[str, Any] | None] = mapped_column(info={"object": True})
    status: Mapped[ProjectStatus] = mapped_column(
        EnumByValue(ProjectStatus), default=ProjectStatus.DRAFT, server_default="draft"
    )
    owner: Mapped[str | None] = mapped_column(String(255), default=current_actor)
    source: Mapped[str | None] = mapped_column(String(1_000))
    """Where it was imported from."""
    is_sample: Mapped[bool] = mapped_column(default=False, server_default="false")
    """Whether it was made up."""
    framework: Mapped[str | None] = derived("architecture", framework_of, String(100))
    complexity_score: Mapped[int | None] = derived("architecture", complexity_score)
    completed_at: Mapped[dt.datetime | None] = derived(
        "status", _completion, UTCDateTime, given=True
    )

    members: Mapped[list[ProjectMember]] = relationship(
        cascade="all, delete-orphan", info=STAYS, order_by="ProjectMember.id"
    )
    conversations: Mapped[list[Conversation]] = relationship(
        back_populates="project", cascade="all, delete-orphan", order_by="Conversation.id"
    )
    documents: Mapped[list[Document]] = relationship(
        back_populates="project", cascade="all, delete-orphan", order_by="Document.id"
    )
    repositories: Mapped[list[Repository]] = relationship(
        back_populates="project", cascade="all, delete-orphan", order_by="Repository.id"
    )

    @classmethod
    def __wrote__(cls, connection: Connection, rows: Sequence[WrittenRow]) -> None:
        """Keep the sums over projects."""
        rollups.keep(connection, rows, rollups.of_project)


class ProjectMember(IntegerKeyMixin, Base):
    """Somebody who may see a project beside its owner."""

    __tablename__ = "project_members"
    __table_args__ = (
        UniqueConstraint("project_id", "member"),
        CheckConstraint("length(member) BETWEEN 1 AND 255", name="member"),
        Index("idx_project_member_member", "member"),
    )

    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"))
    member: Mapped[str] = mapped_column(String(255), info={"shortest": 1})
    role: Mapped[str] = mapped_column(String(50), default="member", server_default="member")
    added_at: Mapped[dt.datetime] = mapped_column(default=now)
