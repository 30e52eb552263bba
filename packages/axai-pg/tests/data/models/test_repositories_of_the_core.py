"""What the repositories of andamios_orm do with these models, as a service does it."""

from __future__ import annotations

import uuid
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select, text

from andamios_orm import Database
from andamios_orm.exceptions import ForeignKeyViolation, NotFound, StaleVersion
from andamios_orm.repositories import BaseRepository
from axai_pg.data.models import Document, DocumentVersion, Organization, Summary, Topic, User

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    from andamios_orm import Session

    Scope = Callable[[uuid.UUID], AbstractAsyncContextManager[Session]]

pytestmark = [pytest.mark.integration, pytest.mark.db]


@pytest.fixture
async def scope(shared_url: str) -> AsyncIterator[Scope]:
    """Yield ``scope(org_id)``: a transaction of a service in an organisation."""
    async with Database(shared_url) as database:

        @asynccontextmanager
        async def scope(org_id: uuid.UUID) -> AsyncIterator[Session]:
            async with database.transaction() as session:
                await session.execute(text("SET LOCAL ROLE axai_app"))
                await session.execute(
                    text("SELECT set_config('axai.org_id', :org_id, true)"), {"org_id": str(org_id)}
                )
                yield session

        yield scope


@pytest.fixture
async def document(scope: Scope) -> Document:
    """Return a document with an earlier version and a summary."""
    org_id = uuid.uuid4()
    async with scope(org_id) as session:
        session.add(Organization(id=org_id, name="x"))
        await session.flush()
        user = await BaseRepository(session, User).create({"username": "a", "email": "a@b"})
        documents = BaseRepository(session, Document)
        made = await documents.create({"title": "One", "owner_id": user.id})
        await documents.update(made.id, {"title": "Two"})
        await BaseRepository(session, Summary).create(
            {"document_id": made.id, "content": "x", "tool_agent": "t"}
        )
    return made


async def count(session: Session, model: type[DocumentVersion | Summary]) -> int | None:
    return await session.scalar(select(func.count()).select_from(model))


async def test_a_row_is_written_and_read_without_its_organisation(
    scope: Scope, document: Document
) -> None:
    async with scope(document.org_id) as session:
        found = await BaseRepository(session, Document).get_one(document.id)

        assert (found.org_id, found.title, found.version) == (document.org_id, "Two", 2)


async def test_a_row_of_others_is_not_found(scope: Scope, document: Document) -> None:
    async with scope(uuid.uuid4()) as session:
        documents = BaseRepository(session, Document)

        assert await documents.get_by_id(document.id) is None
        assert await documents.count() == 0
        with pytest.raises(NotFound):
            await documents.update(document.id, {"title": "Mine"})


async def test_a_row_does_not_refer_to_one_of_others(scope: Scope, document: Document) -> None:
    org_id = uuid.uuid4()
    with pytest.raises(ForeignKeyViolation):
        async with scope(org_id) as session:
            session.add(Organization(id=org_id, name="x"))
            await session.flush()
            summaries = BaseRepository(session, Summary)
            await summaries.create({"document_id": document.id, "content": "x", "tool_agent": "t"})


async def test_a_stale_version_is_refused(scope: Scope, document: Document) -> None:
    with pytest.raises(StaleVersion):
        async with scope(document.org_id) as session:
            await BaseRepository(session, Document).update(
                document.id, {"title": "Three", "version": 1}
            )


async def test_a_document_that_is_restored_has_what_it_had(
    scope: Scope, document: Document
) -> None:
    async with scope(document.org_id) as session:
        documents = BaseRepository(session, Document)
        assert await documents.delete(document.id)
        assert await documents.get_by_id(document.id) is None
    async with scope(document.org_id) as session:
        await BaseRepository(session, Document).restore(document.id)
        assert (await count(session, DocumentVersion), await count(session, Summary)) == (1, 1)


async def test_a_topic_that_goes_leaves_those_below_it(scope: Scope, document: Document) -> None:
    async with scope(document.org_id) as session:
        topics = BaseRepository(session, Topic)
        top = await topics.create({"name": "Trees"})
        below = await topics.create({"name": "Oaks", "parent_topic_id": top.id})

        await topics.delete(top.id)
        await session.refresh(below)

        assert below.parent_topic_id is None
