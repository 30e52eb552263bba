"""What callers say of repositories of code, and what they are told."""

from __future__ import annotations

import datetime as dt
from typing import Any, TypeAlias

from pydantic import AliasChoices, Field, PositiveInt

from project_architect_db.models.repository import RepositoryType, RunStatus
from project_architect_db.schemas.common import BaseSchema, TimestampSchema

__all__ = [
    "BuildSchema",
    "BuildStats",
    "DeploymentSchema",
    "Repository",
    "RepositoryBase",
    "RepositoryCreate",
    "RepositorySchema",
    "RepositorySummary",
    "RepositoryUpdate",
]


class RepositoryBase(BaseSchema):
    """What a repository says of itself."""

    name: str = Field(min_length=1, max_length=255)
    description: str | None = Field(default=None, max_length=5_000)
    repo_type: RepositoryType = RepositoryType.BACKEND
    github_url: str | None = Field(default=None, max_length=1_000)
    remotes: dict[str, str] = Field(default_factory=dict)


class RepositoryCreate(RepositoryBase):
    """A new repository."""

    project_id: PositiveInt
    metadata: dict[str, Any] = Field(default_factory=dict)


class RepositoryUpdate(BaseSchema):
    """What may change of a repository; what is not set stays as it is."""

    name: str | None = Field(default=None, min_length=1, max_length=255)
    description: str | None = Field(default=None, max_length=5_000)
    repo_type: RepositoryType | None = None
    github_url: str | None = Field(default=None, max_length=1_000)
    remotes: dict[str, str] | None = None
    metadata: dict[str, Any] | None = None
    version: int | None = None


class RepositorySummary(TimestampSchema):
    """A repository in a list."""

    id: int
    project_id: int
    name: str
    repo_type: RepositoryType
    github_url: str | None
    language: str | None


class Repository(RepositoryBase, TimestampSchema):
    """A repository as it is read."""

    id: int
    project_id: int
    version: int
    default_branch: str | None
    language: str | None
    languages: dict[str, int]
    stars: int | None
    forks: int | None
    open_issues: int | None
    pushed_at: dt.datetime | None
    synced_at: dt.datetime | None
    metadata: dict[str, Any] = Field(validation_alias=AliasChoices("repo_metadata", "metadata"))


RepositorySchema: TypeAlias = Repository
"""The same, by a name that no model has."""


class _RunSchema(BaseSchema):
    id: int
    repository_id: int
    status: RunStatus
    started_at: dt.datetime
    finished_at: dt.datetime | None
    seconds: float | None
    commit: str | None
    url: str | None


class BuildSchema(_RunSchema):
    """A build as it is read."""

    branch: str | None


class DeploymentSchema(_RunSchema):
    """A deployment as it is read."""

    environment: str
    release: str | None


class BuildStats(BaseSchema):
    """How builds went. Rate and durations are of those that succeeded or failed."""

    total: int
    by_status: dict[str, int]
    success_rate: float | None
    average_seconds: float | None
    median_seconds: float | None
    last_status: RunStatus | None
    last_started_at: dt.datetime | None
