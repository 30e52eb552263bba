"""Viewers who are not active see nothing; collections are changed by those whose they are."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest

from andamios_orm.exceptions import NotFound, QueryRefused, ValueRefused
from axai_pg.data.models import Collection
from axai_pg.data.repositories import CollectionRepository, RepositoryFactory
from axai_pg.exceptions import NotPermitted, PermissionRequired

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from andamios_orm import Session
    from axai_pg.data.models import GraphNode, Topic, User

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(3)]

NODE: dict[str, Any] = {"name": "x", "node_type": "tree", "created_by_tool": "t"}
EDGE: dict[str, Any] = {"relationship_type": "x", "created_by_tool": "t"}


class Shelf:
    """What belongs to no document: a topic, two nodes that are related, and collections.

    ``theirs`` is of the user who acts, with ``inside`` in it; ``mine`` is the viewer's.
    """

    def __init__(self, session: Session, viewer: User) -> None:
        self.everybody = RepositoryFactory(session)
        self.viewer = viewer
        self.seen = RepositoryFactory(session, viewer=viewer.id)
        self.topic: Topic
        self.nodes: list[GraphNode] = []
        self.theirs: Collection
        self.inside: Collection
        self.mine: Collection


@pytest.fixture
async def shelf(session: Session, user: User, other: User) -> Shelf:
    """Return it; the viewer is active."""
    shelf = Shelf(session, other)
    everybody = shelf.everybody
    shelf.topic = await everybody.topics.create({"name": "Trees", "created_by_tool": "t"})
    shelf.nodes = await everybody.graph.add_many([NODE, NODE])
    await everybody.graph.relate(shelf.nodes[0].id, shelf.nodes[1].id, EDGE)
    collections = everybody.collections
    shelf.theirs = await collections.create({"name": "theirs", "owner_id": user.id})
    shelf.inside = await collections.create(
        {"name": "inside", "owner_id": user.id, "parent_id": shelf.theirs.id}
    )
    shelf.mine = await collections.create({"name": "mine", "owner_id": other.id})
    return shelf


@pytest.fixture(params=["inactive", "unknown"])
async def nobody(request: pytest.FixtureRequest, shelf: Shelf) -> RepositoryFactory:
    """Return the repositories of a viewer who is not active, or not there."""
    if request.param == "unknown":
        return RepositoryFactory(shelf.everybody.session, viewer=uuid.uuid4())
    await shelf.everybody.users.update(shelf.viewer.id, {"is_active": False})
    return shelf.seen


# ---- who is not active -----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["topics", "collections", "graph"])
async def test_who_is_not_active_sees_nothing(
    shelf: Shelf, nobody: RepositoryFactory, name: str
) -> None:
    assert await getattr(shelf.everybody, name).count() > 0
    assert await getattr(nobody, name).count() == 0


CREATED: dict[str, Callable[[RepositoryFactory], Awaitable[Any]]] = {
    "topic": lambda nobody: nobody.topics.create({"name": "x", "created_by_tool": "t"}),
    "collection": lambda nobody: nobody.collections.create({"name": "x"}),
    "node": lambda nobody: nobody.graph.create(NODE),
    "document": lambda nobody: nobody.documents.create({"title": "x"}),
}


@pytest.mark.parametrize("name", list(CREATED))
async def test_who_is_not_active_makes_nothing(nobody: RepositoryFactory, name: str) -> None:
    with pytest.raises(PermissionRequired, match="make an inactive user active"):
        await CREATED[name](nobody)


CHANGED: dict[str, Callable[[Shelf, RepositoryFactory], Awaitable[Any]]] = {
    "topic": lambda s, nobody: nobody.topics.update(s.topic.id, {"name": "x"}),
    "collection": lambda s, nobody: nobody.collections.update(s.mine.id, {"name": "x"}),
    "restored": lambda s, nobody: nobody.collections.restore(s.mine.id),
    "node": lambda s, nobody: nobody.graph.update(s.nodes[0].id, {"name": "x"}),
    "relationship": lambda s, nobody: nobody.graph.relate(s.nodes[0].id, s.nodes[1].id, EDGE),
    "relationships": lambda s, nobody: nobody.graph.relationships(s.nodes[0].id),
}


@pytest.mark.slow
@pytest.mark.sampled(6)
@pytest.mark.parametrize("name", list(CHANGED))
async def test_who_is_not_active_changes_nothing(
    shelf: Shelf, nobody: RepositoryFactory, name: str
) -> None:
    with pytest.raises(NotFound):
        await CHANGED[name](shelf, nobody)


@pytest.mark.parametrize("name", ["topics", "collections"])
async def test_a_viewer_makes_none_by_thousands(shelf: Shelf, name: str) -> None:
    repository = getattr(shelf.seen, name)

    for bulk in (repository.bulk_create([]), repository.bulk_delete([])):
        with pytest.raises(QueryRefused):
            await bulk


@pytest.mark.slow
async def test_an_active_viewer_sees_what_belongs_to_no_document(shelf: Shelf) -> None:
    topics, graph = shelf.seen.topics, shelf.seen.graph

    assert (await topics.update(shelf.topic.id, {"name": "Woods"})).name == "Woods"
    assert (await topics.create({"name": "x", "created_by_tool": "t"})).name == "x"
    assert len(await graph.relationships(shelf.nodes[0].id)) == 1
    assert (await graph.create(NODE)).document_id is None
    assert await shelf.seen.collections.count() == 3


# ---- collections -----------------------------------------------------------------------------

CHANGES: dict[str, Callable[[Shelf, CollectionRepository], Awaitable[Any]]] = {
    "a name": lambda s, its: its.update(s.theirs.id, {"name": "x"}),
    "an owner": lambda s, its: its.update(s.theirs.id, {"owner_id": s.viewer.id}),
    "a place": lambda s, its: its.move(s.inside.id, None),
    "a place in another's": lambda s, its: its.move(s.mine.id, s.theirs.id),
    "a new one in it": lambda s, its: its.create({"name": "x", "parent_id": s.theirs.id}),
    "a new instance in it": lambda s, its: its.create(Collection(name="x", parent=s.theirs)),
    "none": lambda s, its: its.delete(s.theirs.id),
    "none for good": lambda s, its: its.purge(s.inside.id),
    "none of several": lambda s, its: its.delete_many([s.mine.id, s.inside.id]),
}


@pytest.mark.parametrize("name", list(CHANGES))
async def test_a_viewer_changes_no_collection_of_another(shelf: Shelf, name: str) -> None:
    with pytest.raises(NotPermitted, match="its owner or an administrator can do that") as refused:
        await CHANGES[name](shelf, shelf.seen.collections)

    assert refused.value.resource == "collection"
    assert refused.value.key in {shelf.theirs.id, shelf.inside.id}


@pytest.mark.parametrize("name", list(CHANGES))
async def test_an_administrator_changes_them(shelf: Shelf, name: str) -> None:
    await shelf.everybody.users.update(shelf.viewer.id, {"is_admin": True})

    assert await CHANGES[name](shelf, shelf.seen.collections)


@pytest.mark.slow
async def test_a_viewer_changes_collections_of_their_own(shelf: Shelf) -> None:
    collections = shelf.seen.collections
    made = await collections.create({"name": "x", "parent_id": shelf.mine.id})

    assert made.owner_id == shelf.viewer.id
    assert (await collections.move(made.id, None)).parent_id is None
    assert await collections.delete(made.id)
    assert (await collections.restore(made.id)).name == "x"
    assert await collections.purge(made.id)


async def test_a_viewer_makes_no_collection_of_another(shelf: Shelf, user: User) -> None:
    for values in ({"name": "x", "owner_id": user.id}, Collection(name="x", owner=user)):
        with pytest.raises(ValueRefused, match="a viewer makes collections of their own"):
            await shelf.seen.collections.create(values)


async def test_a_collection_does_not_go_with_another_s(shelf: Shelf) -> None:
    everybody, collections = shelf.everybody.collections, shelf.seen.collections
    between = await collections.create({"name": "between", "parent_id": shelf.mine.id})
    await everybody.move(shelf.theirs.id, between.id)

    with pytest.raises(NotPermitted) as refused:
        await collections.delete(shelf.mine.id)

    assert refused.value.key in {shelf.theirs.id, shelf.inside.id}


async def test_what_is_deleted_goes_with_another_s_only_for_good(shelf: Shelf) -> None:
    everybody, collections = shelf.everybody.collections, shelf.seen.collections
    await everybody.move(shelf.theirs.id, shelf.mine.id)
    await everybody.delete(shelf.theirs.id)

    with pytest.raises(NotPermitted):
        await collections.purge(shelf.mine.id)
    assert await collections.delete(shelf.mine.id)


async def test_a_viewer_restores_no_collection_of_another(shelf: Shelf) -> None:
    await shelf.everybody.collections.delete(shelf.theirs.id)

    with pytest.raises(NotPermitted):
        await shelf.seen.collections.restore(shelf.theirs.id)


async def test_a_collection_that_there_is_not_is_said_to_be_missing(shelf: Shelf) -> None:
    with pytest.raises(NotFound):
        await shelf.seen.collections.create({"name": "x", "parent_id": uuid.uuid4()})
    with pytest.raises(NotFound):
        await shelf.seen.collections.move(shelf.mine.id, uuid.uuid4())
