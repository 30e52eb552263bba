"""What callers say of projects, and what they are told."""

from __future__ import annotations

import datetime as dt
from typing import Any, TypeAlias

from pydantic import Field

from project_architect_db.models.project import ProjectStatus
from project_architect_db.schemas.common import BaseSchema, TimestampSchema
from project_architect_db.schemas.conversation import ConversationSummary
from project_architect_db.schemas.document import DocumentSummary
from project_architect_db.schemas.repository import RepositorySummary

__all__ = [
    "Project",
    "ProjectBase",
    "ProjectCreate",
    "ProjectMemberSchema",
    "ProjectSchema",
    "ProjectSummary",
    "ProjectUpdate",
]


class ProjectBase(BaseSchema):
    """What a project says of itself."""

    name: str = Field(min_length=1, max_length=255)
    description: str | None = Field(default=None, max_length=5_000)
    project_idea: str = Field(min_length=10, max_length=10_000)
    architecture: dict[str, Any] | None = None
    status: ProjectStatus = ProjectStatus.DRAFT


class ProjectCreate(ProjectBase):
    """A new project; its owner is who acts unless it is said."""

    owner: str | None = Field(default=None, min_length=1, max_length=255)


class ProjectUpdate(BaseSchema):
    """What may change of a project; what is not set stays as it is."""

    name: str | None = Field(default=None, min_length=1, max_length=255)
    description: str | None = Field(default=None, max_length=5_000)
    project_idea: str | None = Field(default=None, min_length=10, max_length=10_000)
    architecture: dict[str, Any] | None = None
    status: ProjectStatus | None = None
    owner: str | None = Field(default=None, min_length=1, max_length=255)
    version: int | None = None


class ProjectSummary(TimestampSchema):
    """A project in a list."""

    id: int
    name: str
    status: ProjectStatus
    owner: str | None
    framework: str | None
    complexity_score: int | None


class Project(ProjectBase, TimestampSchema):
    """A project as it is read, with summaries of what belongs to it."""

    id: int
    version: int
    owner: str | None
    source: str | None
    is_sample: bool
    framework: str | None
    complexity_score: int | None
    completed_at: dt.datetime | None
    conversations: list[ConversationSummary]
    documents: list[DocumentSummary]
    repositories: list[RepositorySummary]


ProjectSchema: TypeAlias = Project
"""The same, by a name that no model has."""


class ProjectMemberSchema(BaseSchema):
    """Who may see a project, and as what."""

    project_id: int
    member: str
    role: str
    added_at: dt.datetime
