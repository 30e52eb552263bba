"""The graph of what documents speak of: nodes, relationships, and walks through it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import or_, select

from andamios_orm.repositories import operation
from andamios_orm.repositories.statements import window
from axai_pg.data.models import GraphNode, GraphRelationship
from axai_pg.data.repositories.viewing import PartRepository
from axai_pg.data.repositories.walks import NODES, Walk, way_to

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement

__all__ = ["GraphPath", "GraphRepository", "Neighbourhood"]


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """Nodes around one, which is the first, and what is between them.

    ``depths`` has how far each node is.
    """

    nodes: list[GraphNode]
    depths: dict[uuid.UUID, int]
    relationships: list[GraphRelationship]


@dataclass(frozen=True, slots=True)
class GraphPath:
    """A way through the graph: between two nodes lies a relationship."""

    nodes: list[GraphNode]
    relationships: list[GraphRelationship]


class GraphRepository(PartRepository[GraphNode]):
    """Nodes, the relationships between them, and walks along those that are active.

    With ``viewer=user_id``, what was found in documents that the user may not read is not
    there, and no walk goes through it.
    """

    model = GraphNode

    @operation()
    async def find_by_document(
        self, document_id: uuid.UUID, limit: int | None = 100, offset: int = 0
    ) -> list[GraphNode]:
        """Return nodes that were found in a document, by name."""
        return await self.list(limit, offset, order_by="name", document_id=document_id)

    @operation()
    async def find_by_name(
        self, name: str, limit: int | None = 100, offset: int = 0, *, node_type: str | None = None
    ) -> list[GraphNode]:
        """Return nodes with a name, of all types or of one."""
        narrowed: dict[str, Any] = {} if node_type is None else {"node_type": node_type}
        return await self.list(limit, offset, order_by="node_type", name=name, **narrowed)

    @operation(writes=True)
    async def relate(
        self, source_id: uuid.UUID, target_id: uuid.UUID, values: Any
    ) -> GraphRelationship:
        """Return a new relationship from one node to another.

        ``values`` are its ``relationship_type``, ``created_by_tool`` and what else is known.

        Raises:
            NotFound: there is no such node.
            NotPermitted: the viewer may not change the document that says so.
            UnknownField: a name is none of the model's; the error lists those.
            ValueRefused: a column is not the caller's to write, or a value does not fit.
        """
        await self.get(source_id)
        await self.get(target_id)
        relationships = self._edges()
        made = relationships._new(values)  # noqa: SLF001 - it is a repository of ours
        made.source_node_id, made.target_node_id = source_id, target_id
        return await relationships.create(made)

    @operation()
    async def relationships(
        self, key: uuid.UUID, limit: int | None = 100, offset: int = 0
    ) -> list[GraphRelationship]:
        """Return relationships from or to a node, the oldest first.

        Raises:
            NotFound: there is no such node.
        """
        await self.get(key)
        table = GraphRelationship
        return await self._edges().list(
            or_(table.source_node_id == key, table.target_node_id == key),
            *self._between_seen(),
            limit=limit,
            offset=offset,
            order_by="created_at",
        )

    def _edges(self) -> PartRepository[GraphRelationship]:
        return PartRepository(self.session, GraphRelationship, viewer=self.viewer)

    def _between_seen(self) -> list[ColumnElement[bool]]:
        """Return the conditions that the viewer may see both nodes of a relationship."""
        if self.viewer is None:
            return []
        nodes = select(GraphNode.id).where(*self.scope())
        ends = (GraphRelationship.source_node_id, GraphRelationship.target_node_id)
        return [end.in_(nodes) for end in ends]

    # ---- walks ---------------------------------------------------------------------------

    @operation()
    async def neighbourhood(
        self,
        key: uuid.UUID,
        max_depth: int = 1,
        *,
        types: Sequence[str] | None = None,
        is_directed: bool = False,
        limit: int = 100,
    ) -> Neighbourhood:
        """Return the nodes around one, the nearest first, and what is between them.

        It goes along relationships in both directions, or where they point, and no farther
        once it has 10,000 nodes; of what is between them it has 10,000 relationships at most.

        Raises:
            NotFound: there is no such node.
            ValueRefused: ``max_depth`` is no number from 1 to 10.
        """
        walk = Walk(max_depth, types, is_directed)
        window((), limit, 0)
        await self.get(key)
        depths = walk.depths(GraphNode.id == key)
        statement = select(GraphNode, depths.c.depth).join(depths, GraphNode.id == depths.c.id)
        ordered = statement.order_by(depths.c.depth, GraphNode.name, GraphNode.id).limit(limit)
        rows = (await self.session.execute(ordered.options(*self._sight()))).all()
        found = {node.id: depth for node, depth in rows}
        table = GraphRelationship
        between = [table.source_node_id.in_(found), table.target_node_id.in_(found)]
        if types is not None:
            between.append(table.relationship_type.in_(types))
        relationships = await self._edges().list(*between, limit=NODES, is_active=True)
        return Neighbourhood([node for node, _ in rows], found, relationships)

    @operation()
    async def shortest_path(
        self,
        source_id: uuid.UUID,
        target_id: uuid.UUID,
        max_depth: int = 6,
        *,
        types: Sequence[str] | None = None,
        is_directed: bool = True,
    ) -> GraphPath | None:
        """Return a way from one node to another that is as short as any, or None.

        It goes where relationships point, or along them in both directions, and no farther
        once it has 10,000 nodes.

        Raises:
            NotFound: there is no such node.
            ValueRefused: ``max_depth`` is no number from 1 to 10.
        """
        walk = Walk(max_depth, types, is_directed)
        await self.get(source_id)
        await self.get(target_id)
        statement = way_to(walk, source_id, target_id).options(*self._sight())
        way = (await self.session.execute(statement)).all()
        if not way:
            return None
        passed = await self.list(GraphNode.id.in_([step.id for step in way]))
        nodes = {node.id: node for node in passed}
        keys = [step.relationship_id for step in way[:-1]]
        between = {
            each.id: each for each in await self._edges().list(GraphRelationship.id.in_(keys))
        }
        return GraphPath([nodes[step.id] for step in way], [between[key] for key in keys])
