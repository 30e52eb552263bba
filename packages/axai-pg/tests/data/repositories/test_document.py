"""Documents are found, made with a summary, and go from status to status."""

from __future__ import annotations

import pickle
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from andamios_orm import Database
from andamios_orm.exceptions import NotFound, UnknownField, ValueRefused
from axai_pg.data.models import Document, DocumentTopic, Topic
from axai_pg.data.repositories import BaseRepository, DocumentRepository, SummaryRepository
from axai_pg.exceptions import AccessDenied, StatusRefused

if TYPE_CHECKING:
    from andamios_orm import Session
    from axai_pg.data.models import User

pytestmark = [pytest.mark.integration, pytest.mark.db]


async def test_documents_are_found_page_by_page(
    documents: DocumentRepository, user: User, other: User
) -> None:
    made = [
        await documents.create({"title": str(number), "owner_id": user.id}) for number in range(3)
    ]
    for title in "xy":
        await documents.create({"title": title, "owner_id": other.id, "status": "published"})
    of_organization = await documents.find_by_organization(made[0].org_id)

    of_owner = [
        document.title
        for page in range(2)
        for document in await documents.find_by_owner(user.id, 2, 2 * page)
    ]

    assert of_owner == ["2", "1", "0"]
    assert [each.title for each in of_organization] == ["y", "x", "2", "1", "0"]
    assert await documents.find_by_organization(made[0].org_id, 1, 3) == of_organization[3:4]
    assert [each.title for each in await documents.find_by_status("published")] == ["y", "x"]


async def test_documents_are_found_by_topic(
    session: Session, documents: DocumentRepository, document: Document
) -> None:
    topic = await BaseRepository(session, Topic).create({"name": "Trees"})
    about = BaseRepository(session, DocumentTopic)
    await about.create(
        {
            "document_id": document.id,
            "topic_id": topic.id,
            "relevance_score": 0.5,
            "extracted_by_tool": "t",
        }
    )

    assert await documents.find_by_topic(topic.id, min_relevance=0.5) == [document]
    assert await documents.find_by_topic(topic.id, min_relevance=0.6) == []
    assert await documents.find_by_topic(uuid.uuid4()) == []


async def test_an_unknown_status_is_named_with_those_there_are(
    documents: DocumentRepository,
) -> None:
    with pytest.raises(ValueRefused, match="published"):
        await documents.find_by_status("burnt")


# ---- with a summary ------------------------------------------------------------------------


async def test_a_document_comes_with_its_summary(documents: DocumentRepository, user: User) -> None:
    made = await documents.create_with_summary(
        {"title": "Oaks", "owner_id": user.id},
        {"content": "Trees", "tool_agent": "reader", "confidence_score": 0.9},
    )

    assert [(each.content, each.document_id) for each in made.summaries] == [("Trees", made.id)]


async def test_a_document_with_a_summary_keeps_the_key_that_it_was_given(
    documents: DocumentRepository, user: User
) -> None:
    document = Document(id=uuid.uuid4(), title="Oaks", owner_id=user.id)
    key = document.id

    made = await documents.create_with_summary(document, {"content": "x", "tool_agent": "t"})

    assert (made.id, made.summaries[0].document_id) == (key, key)


@pytest.mark.parametrize(
    "summary",
    [
        {"content": "x", "tool_agent": "t", "confidence_score": 1.5},
        {"content": "x", "tool_agent": "t", "confidence": 1},
    ],
)
async def test_neither_is_made_when_the_summary_is_refused(
    documents: DocumentRepository, user: User, summary: dict[str, Any]
) -> None:
    with pytest.raises((ValueRefused, UnknownField)):
        await documents.create_with_summary({"title": "Oaks", "owner_id": user.id}, summary)

    assert await documents.count() == 0


# ---- status --------------------------------------------------------------------------------


async def test_a_status_that_does_not_follow_changes_nothing(
    documents: DocumentRepository, document: Document
) -> None:
    await documents.set_status(document.id, "archived", "no longer true")

    with pytest.raises(StatusRefused) as refused:
        await documents.update(document.id, {"status": "published", "title": "x"})

    again = pickle.loads(pickle.dumps(refused.value))  # noqa: S301 - our own
    assert str(again) == ("column 'status': 'published' is refused: after 'archived' comes 'draft'")
    found = await documents.get(document.id)
    assert (found.status, found.title, found.version) == ("archived", "Oaks", 2)
    assert found.change_description == "no longer true"


# ---- deletion ------------------------------------------------------------------------------


async def test_a_deleted_document_comes_back_with_its_summaries(
    session: Session, documents: DocumentRepository, document: Document
) -> None:
    await SummaryRepository(session).create(
        {"document_id": document.id, "content": "x", "tool_agent": "t"}
    )
    await documents.delete(document.id)
    with pytest.raises(NotFound):
        await documents.set_status(document.id, "published")

    await documents.restore(document.id)

    assert (await documents.get(document.id)).deleted_at is None
    assert await SummaryRepository(session).count() == 1


async def test_a_purged_document_is_gone_with_all_that_it_had(
    session: Session, documents: DocumentRepository, document: Document
) -> None:
    await SummaryRepository(session).create(
        {"document_id": document.id, "content": "x", "tool_agent": "t"}
    )
    await documents.delete(document.id)

    assert await documents.purge(document.id)

    assert await documents.with_deleted().count() == 0
    assert await SummaryRepository(session).count() == 0


# ---- files ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values", [{"file_path": "../secret"}, {"file_path": "/etc/passwd"}, {"filename": "a/b.md"}]
)
async def test_the_name_of_a_file_does_not_leave_its_folder(
    documents: DocumentRepository, document: Document, values: dict[str, str]
) -> None:
    with pytest.raises(ValueRefused):
        await documents.update(document.id, values)
    with pytest.raises(ValueRefused):
        await documents.create({"title": "x", "owner_id": document.owner_id, **values})

    assert await documents.count() == 1


async def test_a_name_is_looked_at_where_a_call_is_a_transaction(shared_url: str) -> None:
    async with Database(shared_url) as database:
        with pytest.raises(ValueRefused, match="write a path below the root"):
            await DocumentRepository(database).create(
                {"title": "x", "owner_id": uuid.uuid4(), "file_path": "../x"}
            )


async def test_a_document_is_not_given_to_another_organisation(
    documents: DocumentRepository, document: Document
) -> None:
    with pytest.raises(AccessDenied):
        await documents.update(document.id, {"org_id": uuid.uuid4()})
