"""What documents say is hidden from a viewer wherever it is, and changed where they are."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from andamios_orm.exceptions import NotFound, QueryRefused
from axai_pg.data.models import Document, Role, Summary
from axai_pg.data.repositories import RepositoryFactory
from axai_pg.exceptions import NotPermitted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from andamios_orm import Session
    from axai_pg.data.models import Collection, GraphNode, Topic, User

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(3)]

MADE: dict[str, Any] = {"created_by_tool": "t", "node_type": "tree"}


class Archive:
    """Two documents, of which the viewer may read one, with the same things in each."""

    def __init__(self, everybody: RepositoryFactory, viewer: User) -> None:
        self.everybody = everybody
        self.viewer = viewer
        self.seen = RepositoryFactory(everybody.session, viewer=viewer.id)
        self.parts: dict[str, dict[str, Any]] = {}
        self.node: GraphNode
        self.topic: Topic
        self.collection: Collection

    async def add(self, name: str, owner: User) -> Document:
        """Return a new document, with something of each kind."""
        all_ = self.everybody
        document = await all_.documents.create({"title": name, "owner_id": owner.id})
        summary = await all_.summaries.create(
            {"document_id": document.id, "content": name, "tool_agent": "t"}
        )
        node = await all_.graph.create({"document_id": document.id, "name": name, **MADE})
        use = await all_.topics.assign(self.topic.id, document.id, "t")
        await all_.collections.add_document(self.collection.id, document.id)
        self.parts[name] = {"document": document, "summary": summary, "node": node, "use": use}
        return document


@pytest.fixture
async def archive(session: Session, user: User, other: User) -> Archive:
    """Return it, with a node of no document between those of the two."""
    everybody = RepositoryFactory(session)
    archive = Archive(everybody, other)
    archive.topic = await everybody.topics.create({"name": "Trees", "created_by_tool": "t"})
    archive.collection = await everybody.collections.create({"name": "All", "owner_id": user.id})
    archive.node = await everybody.graph.create({"name": "none", **MADE})
    for name in ("hidden", "shared"):
        await archive.add(name, user)
        node = archive.parts[name]["node"]
        values = {"relationship_type": "near", "created_by_tool": "t"}
        await everybody.graph.relate(archive.node.id, node.id, values)
    shared = archive.parts["shared"]["document"].id
    await everybody.documents.share(shared, "read", user_id=other.id)
    return archive


READS: dict[str, Callable[[Archive, dict[str, Any]], Awaitable[Any]]] = {
    "summary": lambda a, its: a.seen.summaries.get_by_id(its["summary"].id),
    "summaries of it": lambda a, its: a.seen.summaries.find_by_document(its["document"].id),
    "the best summary": lambda a, its: a.seen.summaries.best(its["document"].id),
    "summaries counted": lambda a, its: a.seen.summaries.count(content=its["summary"].content),
    "what it is about": lambda a, its: a.seen.topics.find_by_document(its["document"].id),
    "where it is": lambda a, its: a.seen.collections.find_by_document(its["document"].id),
    "nodes of it": lambda a, its: a.seen.graph.find_by_document(its["document"].id),
    "nodes by name": lambda a, its: a.seen.graph.find_by_name(its["node"].name),
    "a way to it": lambda a, its: way(a, its["node"]),
}


async def way(archive: Archive, node: GraphNode) -> Any:
    try:
        return await archive.seen.graph.shortest_path(archive.node.id, node.id)
    except NotFound:
        return None


@pytest.mark.slow
@pytest.mark.parametrize("name", list(READS))
async def test_what_belongs_to_a_document_is_seen_by_who_may_read_it(
    archive: Archive, name: str
) -> None:
    assert await READS[name](archive, archive.parts["shared"])
    assert not await READS[name](archive, archive.parts["hidden"])


async def test_nothing_of_a_deleted_document_is_seen(archive: Archive) -> None:
    its = archive.parts["shared"]
    await archive.everybody.documents.delete(its["document"].id)

    assert not await archive.seen.summaries.exists()
    assert await archive.everybody.summaries.exists(id=its["summary"].id)


@pytest.mark.slow
async def test_relations_lead_to_what_is_seen(session: Session, archive: Archive) -> None:
    session.expunge_all()
    shared, seen = archive.parts["shared"], archive.seen

    topic = await seen.topics.get(archive.topic.id, load=["document_topics"])
    collection = await seen.collections.get(archive.collection.id, load=["documents"])
    session.expunge_all()
    document = await seen.documents.get(shared["document"].id, load=["collections.documents"])

    assert [use.id for use in topic.document_topics] == [shared["use"].id]
    assert [each.id for each in collection.documents] == [shared["document"].id]
    assert [each.documents for each in document.collections] == [[document]]


@pytest.mark.slow
async def test_no_walk_goes_through_what_is_hidden(session: Session, archive: Archive) -> None:
    graph, everybody = archive.seen.graph, archive.everybody.graph
    hidden, shared = (archive.parts[name]["node"].id for name in ("hidden", "shared"))
    beyond = await everybody.create({"name": "beyond", **MADE})
    await everybody.relate(hidden, beyond.id, {"relationship_type": "x", "created_by_tool": "t"})

    around = await graph.neighbourhood(archive.node.id, 3)

    assert set(around.depths) == {archive.node.id, shared}
    assert [each.target_node_id for each in around.relationships] == [shared]
    assert await graph.shortest_path(archive.node.id, beyond.id) is None
    assert await everybody.shortest_path(archive.node.id, beyond.id) is not None
    assert [each.target_node_id for each in await graph.relationships(archive.node.id)] == [shared]
    assert len(await everybody.relationships(archive.node.id)) == 2


@pytest.mark.slow
async def test_documents_are_not_related_through_what_is_hidden(
    archive: Archive, user: User, other: User
) -> None:
    mine = await archive.add("mine", other)
    hidden, shared, own = (archive.parts[name] for name in ("hidden", "shared", "mine"))
    for source, target in ((own, hidden), (hidden, shared)):
        await archive.everybody.graph.relate(
            source["node"].id,
            target["node"].id,
            {"relationship_type": "x", "created_by_tool": "t"},
        )
    await archive.everybody.graph.update(archive.node.id, {"is_active": False})

    assert await archive.seen.documents.find_related_documents(mine.id, 5) == []
    assert len(await archive.everybody.documents.find_related_documents(mine.id, 5)) == 2


# ---- changes -------------------------------------------------------------------------------

CHANGES: dict[str, Callable[[Archive, dict[str, Any]], Awaitable[Any]]] = {
    "a new summary": lambda a, its: a.seen.summaries.create(
        {"document_id": its["document"].id, "content": "x", "tool_agent": "t"}
    ),
    "a new summary of an instance": lambda a, its: a.seen.summaries.create(
        Summary(document=its["document"], content="x", tool_agent="t")
    ),
    "a summary": lambda a, its: a.seen.summaries.update(its["summary"].id, {"content": "x"}),
    "no summary": lambda a, its: a.seen.summaries.delete(its["summary"].id),
    "a topic": lambda a, its: a.seen.topics.assign(a.topic.id, its["document"].id, "x"),
    "no topic": lambda a, its: a.seen.topics.unassign(a.topic.id, its["document"].id),
    "no collection": lambda a, its: a.seen.collections.remove_document(
        a.collection.id, its["document"].id
    ),
    "a node": lambda a, its: a.seen.graph.create(
        {"document_id": its["document"].id, "name": "x", **MADE}
    ),
    "a node of no document": lambda a, its: a.seen.graph.update(
        a.node.id, {"document_id": its["document"].id}
    ),
    "a relationship": lambda a, its: a.seen.graph.relate(
        a.node.id,
        a.node.id,
        {"relationship_type": "x", "created_by_tool": "t", "document_id": its["document"].id},
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", list(CHANGES))
async def test_who_may_read_a_document_changes_nothing_of_it(archive: Archive, name: str) -> None:
    with pytest.raises(NotPermitted):
        await CHANGES[name](archive, archive.parts["shared"])


@pytest.mark.slow
@pytest.mark.parametrize("name", list(CHANGES))
async def test_who_may_change_a_document_changes_what_belongs_to_it(
    archive: Archive, name: str
) -> None:
    its = archive.parts["shared"]
    await archive.everybody.documents.share(its["document"].id, "write", user_id=archive.viewer.id)

    assert await CHANGES[name](archive, its)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(CHANGES))
async def test_what_is_hidden_is_not_changed(archive: Archive, name: str) -> None:
    changed: Any = False
    with suppress(NotFound, NotPermitted):
        changed = await CHANGES[name](archive, archive.parts["hidden"])

    assert not changed


@pytest.mark.slow
async def test_a_readable_document_goes_into_no_collection(archive: Archive) -> None:
    other = await archive.everybody.collections.create(
        {"name": "other", "owner_id": archive.viewer.id}
    )

    with pytest.raises(NotPermitted):
        await archive.seen.collections.add_document(
            other.id, archive.parts["shared"]["document"].id
        )
    with pytest.raises(NotFound):
        await archive.seen.collections.add_document(
            other.id, archive.parts["hidden"]["document"].id
        )


@pytest.mark.parametrize("name", ["summaries", "graph", "documents"])
async def test_a_viewer_makes_nothing_of_documents_by_thousands(
    archive: Archive, name: str
) -> None:
    repository = getattr(archive.seen, name)

    for bulk in (
        repository.bulk_create([]),
        repository.load([]),
        repository.bulk_update([]),
        repository.bulk_delete([]),
    ):
        with pytest.raises(QueryRefused):
            await bulk


async def test_other_models_know_of_no_viewer(archive: Archive) -> None:
    with pytest.raises(QueryRefused, match="a repository of Role knows nothing of a viewer"):
        archive.seen.of(Role)


@pytest.mark.slow
async def test_what_was_found_in_a_document_goes_with_it(
    session: Session, archive: Archive
) -> None:
    its = archive.parts["hidden"]
    private = {
        "relationship_type": "private",
        "created_by_tool": "t",
        "document_id": its["document"].id,
    }
    await archive.everybody.graph.relate(archive.node.id, archive.node.id, private)

    await archive.everybody.documents.purge(its["document"].id)
    session.expunge_all()

    assert await archive.seen.graph.find_by_name("hidden") == []
    assert not await archive.everybody.graph.exists(id=its["node"].id)
    left = await archive.seen.graph.relationships(archive.node.id)
    assert [each.relationship_type for each in left] == ["near"]
