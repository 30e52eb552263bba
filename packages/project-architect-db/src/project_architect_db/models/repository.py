"""Repositories of code: where they are, who works on them, what was built and deployed."""

from __future__ import annotations

import datetime as dt
import enum
from typing import TYPE_CHECKING, Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from andamios_orm.models import EnumByValue
from andamios_orm.models.clock import now
from andamios_orm.models.staying import STAYS
from project_architect_db.models import rollups
from project_architect_db.models.base import Base
from project_architect_db.models.mixins import EntityMixin, IntegerKeyMixin
from project_architect_db.models.searching import search_index

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from andamios_orm.models import WrittenRow
    from project_architect_db.models.project import Project

__all__ = [
    "Build",
    "Contributor",
    "Deployment",
    "Repository",
    "RepositoryActivity",
    "RepositoryType",
    "RunStatus",
]


class RepositoryType(enum.StrEnum):
    """What a repository holds."""

    BACKEND = "backend"
    FRONTEND = "frontend"
    DOCS = "docs"
    INFRASTRUCTURE = "infrastructure"


class RunStatus(enum.StrEnum):
    """How a build or a deployment goes."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


_RUN_STATUS = "status IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')"


class Repository(EntityMixin, Base):
    """A repository of code that belongs to a project."""

    __tablename__ = "repositories"
    __table_args__ = (
        CheckConstraint("length(name) BETWEEN 1 AND 255", name="name"),
        CheckConstraint("length(description) <= 5000", name="description"),
        Index("idx_repository_project", "project_id"),
        Index("idx_repository_type", "repo_type", duckdb_index=False),
        search_index("idx_repository_search", "repositories"),
    )

    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"))
    name: Mapped[str] = mapped_column(String(255))
    description: Mapped[str | None] = mapped_column(String(5_000))
    repo_type: Mapped[RepositoryType] = mapped_column(
        EnumByValue(RepositoryType),
        default=RepositoryType.BACKEND,
        server_default="backend",
    )
    github_url: Mapped[str | None] = mapped_column(String(1_000))
    remotes: Mapped[dict[str, str]] = mapped_column(default=dict, server_default="{}")
    """Where else it is, by the name of the remote."""
    default_branch: Mapped[str | None] = mapped_column(String(255))
    language: Mapped[str | None] = mapped_column(String(100))
    languages: Mapped[dict[str, int]] = mapped_column(default=dict, server_default="{}")
    """Bytes, or lines, of each language."""
    stars: Mapped[int | None]
    forks: Mapped[int | None]
    open_issues: Mapped[int | None]
    pushed_at: Mapped[dt.datetime | None]
    synced_at: Mapped[dt.datetime | None]
    """When its metadata was taken over."""
    repo_metadata: Mapped[dict[str, Any]] = mapped_column(
        "metadata", default=dict, server_default="{}"
    )
    """What else is known; ``metadata`` in schemas, a name that SQLAlchemy has taken."""

    project: Mapped[Project] = relationship(back_populates="repositories")
    builds: Mapped[list[Build]] = relationship(
        cascade="all, delete-orphan", info=STAYS, order_by="Build.id"
    )
    deployments: Mapped[list[Deployment]] = relationship(
        cascade="all, delete-orphan", info=STAYS, order_by="Deployment.id"
    )
    contributors: Mapped[list[Contributor]] = relationship(
        cascade="all, delete-orphan", info=STAYS, order_by="Contributor.id"
    )
    activity: Mapped[list[RepositoryActivity]] = relationship(
        cascade="all, delete-orphan", info=STAYS, order_by="RepositoryActivity.day"
    )


class _RunMixin(IntegerKeyMixin):
    """What builds and deployments have in common."""

    status: Mapped[RunStatus] = mapped_column(EnumByValue(RunStatus))
    started_at: Mapped[dt.datetime] = mapped_column(default=now)
    finished_at: Mapped[dt.datetime | None]
    commit: Mapped[str | None] = mapped_column(String(64))
    url: Mapped[str | None] = mapped_column(String(1_000))

    @property
    def seconds(self) -> float | None:
        """How long it took; None while it runs."""
        if self.finished_at is None:
            return None
        return (self.finished_at - self.started_at).total_seconds()


class Build(_RunMixin, Base):
    """One run of what builds and tests a repository."""

    __tablename__ = "builds"
    __table_args__ = (
        CheckConstraint(_RUN_STATUS, name="status"),
        CheckConstraint("finished_at >= started_at", name="finished_at"),
        Index("idx_build_repository", "repository_id"),
    )

    repository_id: Mapped[int] = mapped_column(ForeignKey("repositories.id"))
    branch: Mapped[str | None] = mapped_column(String(255))

    @classmethod
    def __wrote__(cls, connection: Connection, rows: Sequence[WrittenRow]) -> None:
        """Keep the sum of builds."""
        rollups.keep(connection, rows, rollups.of_build)


class Deployment(_RunMixin, Base):
    """A release that went to an environment."""

    __tablename__ = "deployments"
    __table_args__ = (
        CheckConstraint(_RUN_STATUS, name="status"),
        CheckConstraint("finished_at >= started_at", name="finished_at"),
        Index("idx_deployment_repository", "repository_id"),
    )

    repository_id: Mapped[int] = mapped_column(ForeignKey("repositories.id"))
    environment: Mapped[str] = mapped_column(
        String(100), default="production", server_default="production"
    )
    release: Mapped[str | None] = mapped_column(String(255))
    """The name of what was deployed, such as a tag."""

    @classmethod
    def __wrote__(cls, connection: Connection, rows: Sequence[WrittenRow]) -> None:
        """Keep the sum of deployments."""
        rollups.keep(connection, rows, rollups.of_deployment)


class Contributor(IntegerKeyMixin, Base):
    """Somebody who has worked on a repository, by their address."""

    __tablename__ = "contributors"
    __table_args__ = (UniqueConstraint("repository_id", "email"),)

    repository_id: Mapped[int] = mapped_column(ForeignKey("repositories.id"))
    email: Mapped[str] = mapped_column(String(255))
    name: Mapped[str] = mapped_column(String(255))
    commits: Mapped[int] = mapped_column(default=0, server_default="0")
    added: Mapped[int] = mapped_column(default=0, server_default="0")
    removed: Mapped[int] = mapped_column(default=0, server_default="0")
    first_at: Mapped[dt.datetime | None]
    last_at: Mapped[dt.datetime | None]


class RepositoryActivity(IntegerKeyMixin, Base):
    """What happened in a repository on one day: commits, lines, how many authors."""

    __tablename__ = "repository_activity"
    __table_args__ = (UniqueConstraint("repository_id", "day"),)

    repository_id: Mapped[int] = mapped_column(ForeignKey("repositories.id"))
    day: Mapped[dt.date]
    commits: Mapped[int] = mapped_column(default=0, server_default="0")
    added: Mapped[int] = mapped_column(default=0, server_default="0")
    removed: Mapped[int] = mapped_column(default=0, server_default="0")
    authors: Mapped[int] = mapped_column(default=0, server_default="0")
