"""Collections hold documents, and others, which go with them."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from andamios_orm.exceptions import NotFound, NotLoaded
from axai_pg.data.repositories import CollectionRepository, DocumentRepository

if TYPE_CHECKING:
    from andamios_orm import Session
    from axai_pg.data.models import Collection, Document, User

pytestmark = [pytest.mark.integration, pytest.mark.db]


@pytest.fixture
def collections(session: Session) -> CollectionRepository:
    """Return the collections of the organisation."""
    return CollectionRepository(session)


@pytest.fixture
async def nested(collections: CollectionRepository, user: User) -> tuple[Collection, Collection]:
    """Return a collection and one inside it."""
    outer = await collections.create({"name": "outer", "owner_id": user.id})
    inner = await collections.create({"name": "inner", "owner_id": user.id, "parent_id": outer.id})
    return outer, inner


async def test_a_document_is_in_a_collection_once(
    documents: DocumentRepository,
    collections: CollectionRepository,
    nested: tuple[Collection, Collection],
    document: Document,
) -> None:
    outer, inner = nested
    first, second = [await collections.add_document(inner.id, document.id) for _ in range(2)]

    assert first is second
    assert await documents.find_by_collection(inner.id) == [document]
    assert await documents.find_by_collection(outer.id) == []
    assert await documents.find_by_collection(outer.id, max_depth=1) == [document]
    assert await collections.find_by_document(document.id) == [inner]
    assert await collections.remove_document(inner.id, document.id)
    assert not await collections.remove_document(inner.id, document.id)
    assert await documents.find_by_collection(inner.id) == []


async def test_a_collection_goes_and_comes_back_with_those_inside_and_no_document_does(
    documents: DocumentRepository,
    collections: CollectionRepository,
    nested: tuple[Collection, Collection],
    document: Document,
) -> None:
    outer, inner = nested
    await collections.add_document(inner.id, document.id)
    await collections.delete(outer.id)
    gone = await collections.count(), await documents.count()
    hidden = await collections.find_by_document(document.id)
    deleted = await collections.with_deleted().subtree(outer.id)
    await collections.restore(outer.id)

    assert (gone, hidden, len(deleted)) == ((0, 1), [], 2)
    assert await documents.find_by_collection(outer.id, max_depth=1) == [document]
    assert await collections.find_by_owner(document.owner_id) == [inner, outer]


async def test_only_what_is_there_is_put_in(
    collections: CollectionRepository, nested: tuple[Collection, Collection], document: Document
) -> None:
    with pytest.raises(NotFound, match="Document"):
        await collections.add_document(nested[0].id, uuid.uuid4())
    with pytest.raises(NotFound, match="Collection"):
        await collections.add_document(uuid.uuid4(), document.id)


async def test_a_collection_is_purged_with_those_inside(
    collections: CollectionRepository, nested: tuple[Collection, Collection], user: User
) -> None:
    outer, inner = nested
    below = {"name": "innermost", "owner_id": user.id, "parent_id": inner.id}
    await collections.create(below)
    collections.session.expunge_all()

    assert await collections.purge(inner.id)

    left = await collections.with_deleted().list(limit=None)
    assert [each.id for each in left] == [outer.id]


async def test_what_a_savepoint_brings_back_knows_no_more_than_before(
    collections: CollectionRepository, nested: tuple[Collection, Collection]
) -> None:
    _, inner = nested
    collections.session.expunge_all()
    inner = await collections.get(inner.id)
    savepoint = await collections.session.begin_nested()
    await collections.purge(inner.id)
    await savepoint.rollback()

    with pytest.raises(NotLoaded):
        _ = inner.parent
    assert inner.name == "inner"
