"""The tables: projects, conversations, documents, repositories, and what belongs to them."""

from __future__ import annotations

from project_architect_db.models.base import Base
from project_architect_db.models.complexity import complexity_score
from project_architect_db.models.conversation import (
    Conversation,
    ConversationMessage,
    ConversationPhase,
)
from project_architect_db.models.document import (
    Document,
    DocumentAccess,
    DocumentType,
    DocumentVersion,
)
from project_architect_db.models.project import Project, ProjectMember, ProjectStatus
from project_architect_db.models.repository import (
    Build,
    Contributor,
    Deployment,
    Repository,
    RepositoryActivity,
    RepositoryType,
    RunStatus,
)

__all__ = [
    "Base",
    "Build",
    "Contributor",
    "Conversation",
    "ConversationMessage",
    "ConversationPhase",
    "Deployment",
    "Document",
    "DocumentAccess",
    "DocumentType",
    "DocumentVersion",
    "Project",
    "ProjectMember",
    "ProjectStatus",
    "Repository",
    "RepositoryActivity",
    "RepositoryType",
    "RunStatus",
    "complexity_score",
]
