"""Repositories: every question about projects and what belongs to them."""

from __future__ import annotations

from project_architect_db.repositories.analytics import AnalyticsRepository
from project_architect_db.repositories.base import BaseRepository
from project_architect_db.repositories.conversation import ConversationRepository
from project_architect_db.repositories.document import DocumentRepository
from project_architect_db.repositories.project import ProjectRepository
from project_architect_db.repositories.repository import RepositoryRepository
from project_architect_db.repositories.search import SearchRepository

__all__ = [
    "AnalyticsRepository",
    "BaseRepository",
    "ConversationRepository",
    "DocumentRepository",
    "ProjectRepository",
    "RepositoryRepository",
    "SearchRepository",
]
