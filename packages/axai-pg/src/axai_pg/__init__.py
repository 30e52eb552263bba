"""Multi-tenant document management on PostgreSQL, isolated by the database itself."""

from __future__ import annotations

from axai_pg.data.config.database import (
    DatabaseManager,
    PostgresConnectionConfig,
    PostgresPoolConfig,
)
from axai_pg.data.models import (
    Collection,
    Document,
    DocumentTopic,
    DocumentVersion,
    GraphNode,
    GraphRelationship,
    Organization,
    Summary,
    Topic,
    User,
)

__all__ = [
    "Collection",
    "DatabaseManager",
    "Document",
    "DocumentTopic",
    "DocumentVersion",
    "GraphNode",
    "GraphRelationship",
    "Organization",
    "PostgresConnectionConfig",
    "PostgresPoolConfig",
    "Summary",
    "Topic",
    "User",
    "__version__",
]

__version__ = "0.1.0"
