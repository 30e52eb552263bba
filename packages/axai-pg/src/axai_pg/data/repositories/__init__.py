"""Repositories: every question about the rows of an organisation, and every change of them."""

from __future__ import annotations

from axai_pg.data.caching import CacheManager
from axai_pg.data.metrics import track_metrics
from axai_pg.data.repositories.base import BaseRepository
from axai_pg.data.repositories.collection import CollectionRepository
from axai_pg.data.repositories.document import DocumentRepository
from axai_pg.data.repositories.factory import RepositoryFactory
from axai_pg.data.repositories.graph import GraphRepository
from axai_pg.data.repositories.organization import OrganizationRepository
from axai_pg.data.repositories.summary import SummaryRepository
from axai_pg.data.repositories.topic import TopicRepository
from axai_pg.data.repositories.user import UserRepository

__all__ = [
    "BaseRepository",
    "CacheManager",
    "CollectionRepository",
    "DocumentRepository",
    "GraphRepository",
    "OrganizationRepository",
    "RepositoryFactory",
    "SummaryRepository",
    "TopicRepository",
    "UserRepository",
    "track_metrics",
]
