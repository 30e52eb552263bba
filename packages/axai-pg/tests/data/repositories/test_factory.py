"""One object has all repositories of a session."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from axai_pg.data.models import Organization, Role
from axai_pg.data.repositories import RepositoryFactory

if TYPE_CHECKING:
    from andamios_orm import Session
    from andamios_orm.repositories import CallNext, Operation
    from axai_pg.data.config.database import DatabaseManager
    from axai_pg.data.models import Document, User

pytestmark = [pytest.mark.integration, pytest.mark.db]

NAMES = ["organizations", "users", "documents", "collections", "topics", "summaries", "graph"]


@pytest.mark.parametrize("name", NAMES)
async def test_each_repository_is_on_the_session(
    session: Session, document: Document, name: str
) -> None:
    repositories = RepositoryFactory(session)
    repository = getattr(repositories, name)

    assert repository.session is session
    assert getattr(repositories, name) is repository
    assert await repository.count() == int(name in {"organizations", "users", "documents"})


async def test_documents_are_those_of_the_viewer(
    session: Session, document: Document, other: User
) -> None:
    assert await RepositoryFactory(session, viewer=other.id).documents.list() == []


async def test_a_scope_commits(manager: DatabaseManager) -> None:
    org_id = uuid.uuid4()
    async with RepositoryFactory.scope(manager, org_id) as repositories:
        await repositories.organizations.create(Organization(id=org_id, name="Acme"))
        await repositories.of(Role).create({"name": "editors"})

    async with RepositoryFactory.scope(manager, str(org_id)) as repositories:
        assert [role.name for role in await repositories.of(Role).list()] == ["editors"]


async def test_a_scope_may_have_a_viewer(manager: DatabaseManager) -> None:
    org_id, viewer = uuid.uuid4(), uuid.uuid4()

    async with RepositoryFactory.scope(manager, org_id, viewer=viewer) as repositories:
        assert repositories.viewer == repositories.documents.viewer == viewer
        assert await repositories.documents.list() == []


async def test_each_repository_uses_the_middleware(manager: DatabaseManager) -> None:
    org_id, seen = uuid.uuid4(), []

    async def note(operation: Operation, call_next: CallNext) -> object:
        seen.append(operation.model)
        return await call_next(operation)

    async with RepositoryFactory.scope(manager, org_id, middleware=[note]) as repositories:
        for name in NAMES:
            await getattr(repositories, name).count()
        await repositories.of(Role).count()

    assert len(set(seen)) == len(seen) == len(NAMES) + 1
