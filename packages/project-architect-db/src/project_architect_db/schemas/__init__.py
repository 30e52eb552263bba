"""Schemas, by the names that no model has; ``schemas.project.Project`` is ``ProjectSchema``."""

from __future__ import annotations

from project_architect_db.schemas.common import BaseSchema, TimestampSchema
from project_architect_db.schemas.conversation import (
    ConversationCreate,
    ConversationSchema,
    ConversationSummary,
    ConversationUpdate,
    MessageCreate,
    MessageSchema,
    MessageUpdate,
)
from project_architect_db.schemas.document import (
    DocumentCreate,
    DocumentSchema,
    DocumentSummary,
    DocumentUpdate,
    DocumentUsage,
    DocumentVersionSchema,
)
from project_architect_db.schemas.project import (
    ProjectCreate,
    ProjectMemberSchema,
    ProjectSchema,
    ProjectSummary,
    ProjectUpdate,
)
from project_architect_db.schemas.repository import (
    BuildSchema,
    BuildStats,
    DeploymentSchema,
    RepositoryCreate,
    RepositorySchema,
    RepositorySummary,
    RepositoryUpdate,
)
from project_architect_db.schemas.search import (
    SearchHit,
    SearchKind,
    SearchResults,
    SearchStatus,
    Suggestion,
)

__all__ = [
    "BaseSchema",
    "BuildSchema",
    "BuildStats",
    "ConversationCreate",
    "ConversationSchema",
    "ConversationSummary",
    "ConversationUpdate",
    "DeploymentSchema",
    "DocumentCreate",
    "DocumentSchema",
    "DocumentSummary",
    "DocumentUpdate",
    "DocumentUsage",
    "DocumentVersionSchema",
    "MessageCreate",
    "MessageSchema",
    "MessageUpdate",
    "ProjectCreate",
    "ProjectMemberSchema",
    "ProjectSchema",
    "ProjectSummary",
    "ProjectUpdate",
    "RepositoryCreate",
    "RepositorySchema",
    "RepositorySummary",
    "RepositoryUpdate",
    "SearchHit",
    "SearchKind",
    "SearchResults",
    "SearchStatus",
    "Suggestion",
    "TimestampSchema",
]
