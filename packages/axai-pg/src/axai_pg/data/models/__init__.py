"""The tables: organisations, their users and documents, and what belongs to those."""

from __future__ import annotations

from axai_pg.data.models.accountability import (
    AuditLog,
    AuditSeal,
    PersonalDataRequest,
    RequestKind,
    RequestStatus,
)
from axai_pg.data.models.base import Base
from axai_pg.data.models.collection import Collection, DocumentCollection
from axai_pg.data.models.document import (
    Document,
    DocumentStatus,
    DocumentVersion,
    ProcessingStatus,
)
from axai_pg.data.models.graph import GraphNode, GraphRelationship
from axai_pg.data.models.organization import Organization, User
from axai_pg.data.models.security import (
    Action,
    DocumentPermission,
    Permission,
    Role,
    RolePermission,
    UserRole,
)
from axai_pg.data.models.summary import Summary
from axai_pg.data.models.topic import DocumentTopic, Topic

__all__ = [
    "Action",
    "AuditLog",
    "AuditSeal",
    "Base",
    "Collection",
    "Document",
    "DocumentCollection",
    "DocumentPermission",
    "DocumentStatus",
    "DocumentTopic",
    "DocumentVersion",
    "GraphNode",
    "GraphRelationship",
    "Organization",
    "Permission",
    "PersonalDataRequest",
    "ProcessingStatus",
    "RequestKind",
    "RequestStatus",
    "Role",
    "RolePermission",
    "Summary",
    "Topic",
    "User",
    "UserRole",
]
