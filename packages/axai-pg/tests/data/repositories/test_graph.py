"""Walks through the graph: short, bounded, and not caught in circles."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import insert, literal, select, text

from andamios_orm.exceptions import NotFound, UnknownField, ValueRefused
from axai_pg.data.models import Document, GraphNode, GraphRelationship
from axai_pg.data.repositories import BaseRepository, DocumentRepository, GraphRepository

if TYPE_CHECKING:
    from andamios_orm import Session
    from axai_pg.data.models import User

    Nodes = dict[str, GraphNode]

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(3)]


@pytest.fixture
def graph(session: Session) -> GraphRepository:
    """Return the graph of the organisation."""
    return GraphRepository(session)


@pytest.fixture
async def nodes(graph: GraphRepository, user: User) -> Nodes:
    """Return a graph: a -> b -> c -> a, a circle; c -> d; e - a, without direction; f, alone."""
    rows = [{"name": name, "node_type": "thing", "created_by_tool": "t"} for name in "abcdef"]
    made = dict(zip("abcdef", await graph.add_many(rows), strict=True))
    for source, target in ("ab", "bc", "ca", "cd"):
        await relate(graph, made, source + target)
    await relate(graph, made, "ea", is_directed=False, relationship_type="like")
    return made


async def relate(
    graph: GraphRepository, nodes: Nodes, between: str, **values: Any
) -> GraphRelationship:
    given = {"relationship_type": "next", "created_by_tool": "t", **values}
    return await graph.relate(nodes[between[0]].id, nodes[between[1]].id, given)


def names(found: list[GraphNode]) -> str:
    return "".join(node.name for node in found)


# ---- nodes and relationships ---------------------------------------------------------------


async def test_nodes_are_found_by_name_and_document(
    graph: GraphRepository, nodes: Nodes, document: Document
) -> None:
    await graph.update(nodes["a"].id, {"document_id": document.id, "node_type": "person"})

    assert await graph.find_by_document(document.id) == [nodes["a"]]
    assert await graph.find_by_name("a") == [nodes["a"]]
    assert await graph.find_by_name("a", node_type="thing") == []


async def test_relationships_are_those_from_and_to_a_node(
    graph: GraphRepository, nodes: Nodes
) -> None:
    found = await graph.relationships(nodes["c"].id)

    ends = [(each.source_node_id, each.target_node_id) for each in found]
    assert ends == [(nodes[source].id, nodes[target].id) for source, target in ("bc", "ca", "cd")]
    assert await graph.relationships(nodes["c"].id, 1, 2) == found[2:]


@pytest.mark.parametrize(
    ("values", "error"),
    [({"confidence_score": 2}, ValueRefused), ({"weigth": 1}, UnknownField)],
)
async def test_what_a_relationship_cannot_be_is_refused(
    graph: GraphRepository, nodes: Nodes, values: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        await relate(graph, nodes, "ab", **values)


async def test_a_relationship_is_between_nodes_there_are(
    graph: GraphRepository, nodes: Nodes
) -> None:
    with pytest.raises(NotFound, match="GraphNode"):
        await graph.relate(nodes["a"].id, uuid.uuid4(), {})


# ---- walks ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "depth", "options", "found"),
    [
        ("a", 1, {}, "abce"),
        ("a", 2, {}, "abced"),
        ("a", 10, {}, "abced"),
        ("a", 1, {"is_directed": True}, "abe"),
        ("e", 1, {"is_directed": True}, "ea"),
        ("d", 10, {"is_directed": True}, "d"),
        ("a", 10, {"types": ["next"]}, "abcd"),
        ("a", 10, {"types": []}, "a"),
        ("a", 10, {"limit": 2}, "ab"),
        ("f", 10, {}, "f"),
    ],
)
async def test_a_neighbourhood_has_the_nearest_first(
    graph: GraphRepository,
    nodes: Nodes,
    start: str,
    depth: int,
    options: dict[str, Any],
    found: str,
) -> None:
    around = await graph.neighbourhood(nodes[start].id, depth, **options)

    assert names(around.nodes) == found
    assert around.depths[nodes[start].id] == 0


async def test_a_neighbourhood_has_what_is_between_its_nodes(
    graph: GraphRepository, nodes: Nodes
) -> None:
    around = await graph.neighbourhood(nodes["a"].id)
    narrow = await graph.neighbourhood(nodes["a"].id, types=["like"])

    assert [each.relationship_type for each in around.relationships].count("next") == 3
    assert [each.relationship_type for each in narrow.relationships] == ["like"]
    assert around.depths[nodes["b"].id] == 1


@pytest.mark.parametrize(
    ("between", "depth", "options", "way"),
    [
        ("ad", 6, {}, "abcd"),
        ("ad", 2, {}, None),
        ("ad", 6, {"is_directed": False}, "acd"),
        ("ed", 6, {}, "eabcd"),
        ("de", 6, {}, None),
        ("ed", 6, {"types": ["next"]}, None),
        ("aa", 6, {}, "a"),
        ("af", 10, {}, None),
    ],
)
async def test_a_path_is_as_short_as_any(
    graph: GraphRepository,
    nodes: Nodes,
    between: str,
    depth: int,
    options: dict[str, Any],
    way: str | None,
) -> None:
    source, target = (nodes[name].id for name in between)

    path = await graph.shortest_path(source, target, depth, **options)

    assert (None if path is None else names(path.nodes)) == way
    if path is not None:
        ends = [{each.source_node_id, each.target_node_id} for each in path.relationships]
        steps = zip(path.nodes, path.nodes[1:], strict=False)
        assert ends == [{one.id, next_.id} for one, next_ in steps]


async def test_what_is_not_active_is_not_passed(graph: GraphRepository, nodes: Nodes) -> None:
    await graph.update(nodes["b"].id, {"is_active": False})

    assert await graph.shortest_path(nodes["a"].id, nodes["d"].id) is None
    assert names((await graph.neighbourhood(nodes["a"].id)).nodes) == "ace"


@pytest.mark.parametrize("depth", [0, 11, -1, True, "2"])
async def test_a_walk_has_a_length(
    graph: GraphRepository, documents: DocumentRepository, depth: Any
) -> None:
    nobody = uuid.uuid4()
    for walk in (
        graph.neighbourhood(nobody, depth),
        graph.shortest_path(nobody, nobody, depth),
        documents.find_related_documents(nobody, depth),
    ):
        with pytest.raises(ValueRefused, match="from 1 to 10"):
            await walk


@pytest.mark.slow
async def test_a_walk_through_a_dense_graph_ends(
    session: Session, graph: GraphRepository, user: User
) -> None:
    rows = [{"name": str(n), "node_type": "x", "created_by_tool": "t"} for n in range(100)]
    made = await graph.add_many(rows)
    source = select(GraphNode.id).subquery("source")
    target = select(GraphNode.id).subquery("target")
    pairs = select(source.c.id, target.c.id, literal("x"), literal("t")).join_from(
        source, target, source.c.id != target.c.id
    )
    columns = ["source_node_id", "target_node_id", "relationship_type", "created_by_tool"]
    await session.execute(
        insert(GraphRelationship).from_select(columns, pairs, include_defaults=False)
    )
    await session.execute(text("SET LOCAL statement_timeout = '10s'"))

    around = await graph.neighbourhood(made[0].id, 10, limit=50)
    path = await graph.shortest_path(made[0].id, made[99].id, 10)

    assert len(around.nodes) == 50
    assert path is not None
    assert len(path.relationships) == 1


# ---- documents -----------------------------------------------------------------------------


async def test_documents_are_related_by_their_nodes(
    graph: GraphRepository, documents: DocumentRepository, nodes: Nodes, user: User
) -> None:
    made = {name: await documents.create({"title": name, "owner_id": user.id}) for name in "abdf"}
    for name, document in made.items():
        await graph.update(nodes[name].id, {"document_id": document.id})
    await graph.update(nodes["c"].id, {"document_id": made["b"].id})

    related = await documents.find_related_documents(made["a"].id)
    near = await documents.find_related_documents(made["a"].id, max_depth=1)
    await documents.delete(made["b"].id)

    assert [(each.document.title, each.depth, each.nodes) for each in related] == [
        ("b", 1, 2),
        ("d", 2, 1),
    ]
    assert [each.document.title for each in near] == ["b"]
    left = await documents.find_related_documents(made["a"].id, limit=5)
    assert [each.document.title for each in left] == ["d"]


@pytest.mark.slow
async def test_a_viewer_is_told_of_documents_they_may_read(
    session: Session, graph: GraphRepository, nodes: Nodes, document: Document, other: User
) -> None:
    viewed = DocumentRepository(session, viewer=other.id)
    own = await viewed.create({"title": "mine"})
    await graph.update(nodes["a"].id, {"document_id": document.id})
    await graph.update(nodes["b"].id, {"document_id": own.id})

    assert await viewed.find_related_documents(own.id) == []
    with pytest.raises(NotFound):
        await viewed.find_related_documents(document.id)
    assert await BaseRepository(session, Document).count() == 2
