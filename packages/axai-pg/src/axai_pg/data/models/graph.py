"""A graph of what documents speak of: nodes, and the relationships between them."""

from __future__ import annotations

import decimal
import uuid
from typing import TYPE_CHECKING, Any

from sqlalchemy import CheckConstraint, Index, Numeric, String, Uuid, text, true
from sqlalchemy.orm import Mapped, mapped_column, relationship

from andamios_orm.models import TimestampMixin
from axai_pg.data.models.base import Base, TenantMixin, refers_to, tenant_key, within
from axai_pg.data.models.fraction import Fraction

if TYPE_CHECKING:
    from axai_pg.data.models.document import Document

__all__ = ["GraphNode", "GraphRelationship"]


class GraphNode(TenantMixin, TimestampMixin, Base):
    """Somebody or something that documents speak of; one may be found in a document."""

    __tablename__ = "graph_nodes"
    __table_args__ = (
        tenant_key(),
        refers_to("documents", "document_id", ondelete="CASCADE"),
        CheckConstraint("btrim(name) <> ''", name="name_not_empty"),
        CheckConstraint("btrim(node_type) <> ''", name="node_type_not_empty"),
        Index("ix_graph_nodes_org_id_document_id", "org_id", "document_id"),
        Index("ix_graph_nodes_org_id_node_type_name", "org_id", "node_type", "name"),
        Index(
            "ix_graph_nodes_org_id_entity_id",
            "org_id",
            "entity_id",
            postgresql_where=text("entity_id IS NOT NULL"),
        ),
    )

    document_id: Mapped[uuid.UUID | None] = mapped_column(Uuid)
    entity_id: Mapped[str | None] = mapped_column(String(255))
    """What the tool that found it calls it."""
    node_type: Mapped[str] = mapped_column(String(50))
    name: Mapped[str] = mapped_column(String(255))
    description: Mapped[str | None] = mapped_column(String(5_000))
    properties: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    created_by_tool: Mapped[str] = mapped_column(String(100))
    is_active: Mapped[bool] = mapped_column(default=True, server_default=true())

    document: Mapped[Document | None] = relationship(
        primaryjoin=within("Document", "GraphNode.document_id")
    )
    outgoing: Mapped[list[GraphRelationship]] = relationship(
        primaryjoin=within("GraphNode", "GraphRelationship.source_node_id"),
        back_populates="source",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )
    incoming: Mapped[list[GraphRelationship]] = relationship(
        primaryjoin=within("GraphNode", "GraphRelationship.target_node_id"),
        back_populates="target",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )


class GraphRelationship(TenantMixin, TimestampMixin, Base):
    """What one node has to do with another, and how sure a tool was of it."""

    __tablename__ = "graph_relationships"
    __table_args__ = (
        refers_to("graph_nodes", "source_node_id", ondelete="CASCADE"),
        refers_to("graph_nodes", "target_node_id", ondelete="CASCADE"),
        refers_to("documents", "document_id", ondelete="CASCADE"),
        CheckConstraint("btrim(relationship_type) <> ''", name="relationship_type_not_empty"),
        CheckConstraint("weight > 0", name="valid_weight"),
        CheckConstraint("confidence_score BETWEEN 0 AND 1", name="valid_confidence"),
        Index(
            "ix_graph_relationships_org_id_source_node_id",
            "org_id",
            "source_node_id",
            "target_node_id",
        ),
        Index(
            "ix_graph_relationships_org_id_target_node_id",
            "org_id",
            "target_node_id",
            "source_node_id",
        ),
        Index(
            "ix_graph_relationships_org_id_document_id",
            "org_id",
            "document_id",
            postgresql_where=text("document_id IS NOT NULL"),
        ),
    )

    source_node_id: Mapped[uuid.UUID] = mapped_column(Uuid)
    target_node_id: Mapped[uuid.UUID] = mapped_column(Uuid)
    document_id: Mapped[uuid.UUID | None] = mapped_column(Uuid)
    """The document that says so."""
    relationship_type: Mapped[str] = mapped_column(String(50))
    is_directed: Mapped[bool] = mapped_column(default=True, server_default=true())
    weight: Mapped[decimal.Decimal | None] = mapped_column(Numeric(10, 5))
    confidence_score: Mapped[decimal.Decimal | None] = mapped_column(Fraction)
    properties: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    created_by_tool: Mapped[str] = mapped_column(String(100))
    is_active: Mapped[bool] = mapped_column(default=True, server_default=true())

    source: Mapped[GraphNode] = relationship(
        primaryjoin=within("GraphNode", "GraphRelationship.source_node_id"),
        back_populates="outgoing",
    )
    target: Mapped[GraphNode] = relationship(
        primaryjoin=within("GraphNode", "GraphRelationship.target_node_id"),
        back_populates="incoming",
    )
