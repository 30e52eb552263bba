"""Walks through the graph of an organisation, as queries: each bounded, none caught in a circle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import (
    ARRAY,
    Uuid,
    any_,
    column,
    exists,
    false,
    func,
    literal,
    null,
    select,
    true,
    union_all,
)
from sqlalchemy.orm import aliased

from andamios_orm.exceptions import ValueRefused
from axai_pg.data.models import GraphNode, GraphRelationship

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

    from sqlalchemy import CTE, ColumnElement, Select, Subquery, TableValuedAlias

__all__ = ["DEEPEST", "NODES", "STEPS", "Walk", "way_to"]

DEEPEST: Final = 10
"""Relationships that a walk may be long."""
NODES: Final = 10_000
"""Nodes after which a walk goes no farther."""
STEPS: Final = 100_000
"""Relationships that one turn of a walk looks at."""


@dataclass(frozen=True, slots=True)
class Walk:
    """How to walk: how far, along which types of relationships, and only where they point."""

    max_depth: int
    types: Sequence[str] | None = None
    is_directed: bool = False

    def __post_init__(self) -> None:
        """Look at the depth.

        Raises:
            ValueRefused: it is no number from 1 to 10.
        """
        depth = self.max_depth
        if isinstance(depth, bool) or depth not in range(1, DEEPEST + 1):
            raise ValueRefused(f"max_depth is a number from 1 to {DEEPEST}", depth)

    def depths(self, start: ColumnElement[bool], *, until: uuid.UUID | None = None) -> CTE:
        """Return the nodes that are reached from those at the start, and how far each is.

        Each turn goes from the nodes that the last one has found to those that none has, so
        that a circle ends where it is closed. It stops at ``until``.
        """
        keys = ARRAY(Uuid)
        first = select(func.array_agg(GraphNode.id, type_=keys).label("frontier"))
        first = first.add_columns(func.array_agg(GraphNode.id, type_=keys).label("visited"))
        first = first.add_columns(literal(0).label("depth"))
        walk = first.where(start, GraphNode.is_active).cte("walk", recursive=True)
        further = self._further(walk.c.frontier, walk.c.visited).lateral("further")
        step = (
            select(further.c.found, walk.c.visited.op("||")(further.c.found), walk.c.depth + 1)
            .select_from(walk)
            .join(further, further.c.found.is_not(None))
            .where(walk.c.depth < self.max_depth, func.cardinality(walk.c.visited) < NODES)
        )
        if until is not None:
            step = step.where(~(literal(until) == any_(walk.c.frontier)))
        walk = walk.union_all(step)
        return select(func.unnest(walk.c.frontier).label("id"), walk.c.depth).cte("depths")

    def _further(self, frontier: ColumnElement[Any], visited: ColumnElement[Any]) -> Select[Any]:
        """Return the query for the keys of nodes that are one step away, and not visited."""
        edges, node = self.edges(), aliased(GraphNode)
        near, before = _rows(frontier, "last"), _rows(visited, "before")
        steps = (
            select(edges.c.far)
            .join_from(edges, near, edges.c.near == near.c.key)
            .where(~exists().where(before.c.key == edges.c.far))
            .limit(STEPS)
            .subquery("steps")
        )
        found = (
            select(node.id)
            .where(node.is_active, node.id.in_(select(steps.c.far)))
            .limit(NODES)
            .subquery("found")
        )
        return select(func.array_agg(found.c.id, type_=ARRAY(Uuid)).label("found"))

    def edges(self) -> Subquery:
        """Return the steps that there are: each along a relationship, from one node to the next."""
        table = GraphRelationship
        where: list[ColumnElement[bool]] = [table.is_active.is_(True)]
        if self.types is not None:
            where.append(table.relationship_type.in_(self.types))
        there = select(
            table.id, table.source_node_id.label("near"), table.target_node_id.label("far")
        )
        back = select(
            table.id, table.target_node_id.label("near"), table.source_node_id.label("far")
        )
        if self.is_directed:
            back = back.where(table.is_directed == false())
        return union_all(there.where(*where), back.where(*where)).subquery("edges")


def _rows(keys: ColumnElement[Any], name: str) -> TableValuedAlias:
    return func.unnest(keys).table_valued(column("key", Uuid)).render_derived(name=name)


def way_to(walk: Walk, source: uuid.UUID, target: uuid.UUID) -> Select[Any]:
    """Return the query for a shortest way: nodes, and the relationship by which each is left.

    The nodes know how far they are, so the way back leads each time to one that is nearer.
    """
    depths = walk.depths(GraphNode.id == source, until=target)
    nothing = null().cast(Uuid).label("relationship_id")
    last = select(depths.c.id, depths.c.depth, nothing)
    way = last.where(depths.c.id == target).cte("way", recursive=True)
    edges = walk.edges()
    nearer = (
        select(edges.c.near, depths.c.depth, edges.c.id)
        .join_from(edges, depths, depths.c.id == edges.c.near)
        .where(edges.c.far == way.c.id, depths.c.depth == way.c.depth - 1)
        .order_by(edges.c.id)
        .limit(1)
        .lateral("nearer")
    )
    step = select(nearer.c.near, nearer.c.depth, nearer.c.id)
    way = way.union_all(step.select_from(way).join(nearer, true()))
    return select(way.c.id, way.c.relationship_id).order_by(way.c.depth)
