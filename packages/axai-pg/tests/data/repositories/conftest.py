"""A session of a new organisation, and who and what is in it."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from axai_pg.data.models import Organization
from axai_pg.data.repositories import DocumentRepository, UserRepository

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from andamios_orm import Session
    from axai_pg.data.config.database import DatabaseManager
    from axai_pg.data.models import Document, User


@pytest.fixture
async def session(manager: DatabaseManager) -> AsyncIterator[Session]:
    """Yield a session of a new organisation, in which its first user acts; nothing stays."""
    org_id, user_id = uuid.uuid4(), uuid.uuid4()
    async with manager.async_session_scope(org_id, user_id) as session:
        session.add(Organization(id=org_id, name="Acme"))
        await session.flush()
        yield session
        await session.rollback()


@pytest.fixture
async def user(session: Session) -> User:
    """Return the user who acts."""
    acting = session.sync_session.scope.user_id  # type: ignore[attr-defined]  # it is one of ours
    made = UserRepository(session).model(id=acting, username="ana", email="ana@example.org")
    return await UserRepository(session).create(made)


@pytest.fixture
async def other(session: Session, user: User) -> User:
    """Return somebody else of the organisation."""
    return await UserRepository(session).create({"username": "bo", "email": "Bo@Example.org"})


@pytest.fixture
def documents(session: Session) -> DocumentRepository:
    """Return the documents of the organisation."""
    return DocumentRepository(session)


@pytest.fixture
async def document(documents: DocumentRepository, user: User) -> Document:
    """Return a document of the user who acts."""
    return await documents.create({"title": "Oaks", "content": "one\ntwo\n", "owner_id": user.id})
