"""Topics are assigned to documents by tools, which say how relevant they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from andamios_orm.exceptions import ValueRefused
from axai_pg.data.repositories import DocumentRepository, TopicRepository

if TYPE_CHECKING:
    from andamios_orm import Session
    from axai_pg.data.models import Document

pytestmark = [pytest.mark.integration, pytest.mark.db]


@pytest.fixture
def topics(session: Session) -> TopicRepository:
    """Return the topics of the organisation."""
    return TopicRepository(session)


async def test_topics_are_found_by_name_and_by_what_found_them(topics: TopicRepository) -> None:
    trees = await topics.create({"name": "Trees", "created_by_tool": "reader"})
    await topics.create({"name": "Rivers"})

    assert await topics.find_by_name("Trees") == trees
    assert await topics.find_by_name("trees") is None
    assert await topics.find_by_tool("reader") == [trees]


async def test_what_a_document_is_about_is_told_by_the_last_tool(
    topics: TopicRepository, document: Document
) -> None:
    trees, rivers = [await topics.create({"name": name}) for name in ("Trees", "Rivers")]
    await topics.assign(trees.id, document.id, "reader", relevance_score=0.2)
    await topics.assign(rivers.id, document.id, "reader", relevance_score=0.5)
    await topics.assign(trees.id, document.id, "person", context={"page": 1})

    found = await topics.find_by_document(document.id)

    assert [(each.topic.name, each.extracted_by_tool, each.context) for each in found] == [
        ("Trees", "person", {"page": 1}),
        ("Rivers", "reader", None),
    ]
    assert await topics.unassign(trees.id, document.id)
    assert not await topics.unassign(trees.id, document.id)
    assert await topics.find_by_document(document.id, 1, 1) == []


async def test_documents_are_found_by_topics_below(
    topics: TopicRepository, documents: DocumentRepository, document: Document
) -> None:
    trees = await topics.create({"name": "Trees"})
    oaks = await topics.create({"name": "Oaks", "parent_topic_id": trees.id})
    await topics.assign(oaks.id, document.id, "reader")

    assert await documents.find_by_topic(trees.id) == []
    assert await documents.find_by_topic(trees.id, max_depth=1) == [document]


async def test_a_relevance_is_from_0_to_1(topics: TopicRepository, document: Document) -> None:
    trees = await topics.create({"name": "Trees"})

    with pytest.raises(ValueRefused, match="relevance_score"):
        await topics.assign(trees.id, document.id, "reader", relevance_score=2)

    assert await topics.find_by_document(document.id) == []
