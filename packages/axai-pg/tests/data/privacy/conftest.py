"""A session of a new organisation, and who has left what in it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import delete

from axai_pg.data.models import (
    Collection,
    Document,
    DocumentCollection,
    DocumentPermission,
    GraphNode,
    GraphRelationship,
    Organization,
    Permission,
    PersonalDataRequest,
    RequestKind,
    Role,
    Summary,
    User,
    UserRole,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from andamios_orm import Session
    from axai_pg.data.config.database import DatabaseManager


@dataclass
class People:
    """Who is in the organisation: ``ana`` is to be erased, ``bo`` administers it."""

    org_id: uuid.UUID
    ana: uuid.UUID
    bo: uuid.UUID
    anas: uuid.UUID
    bos: uuid.UUID


async def settle(session: Session, org_id: uuid.UUID) -> People:
    """Return who is in a new organisation, in which ana and bo have worked together."""
    session.add(Organization(id=org_id, name="Acme"))
    await session.flush()
    ana = User(username="ana", email="Ana@example.org", is_admin=True)
    ana.hashed_password = "x"  # noqa: S105 - a digest of none
    bo = User(username="bo", email="bo@example.org", is_admin=True)
    role = Role(name="editors")
    session.add_all([ana, bo, role])
    await session.flush()
    anas = Document(title="Notes of ana", content="one", owner_id=ana.id, changed_by_id=ana.id)
    bos = Document(title="Oaks", content="two", owner_id=bo.id, changed_by_id=ana.id)
    hers = Collection(name="Hers", owner_id=ana.id)
    request = PersonalDataRequest(user_id=ana.id, kind=RequestKind.ERASURE, note="by ana, by mail")
    session.add_all([anas, bos, hers, request, UserRole(user_id=ana.id, role_id=role.id)])
    await session.flush()
    inside = Collection(name="Of bo", owner_id=bo.id, parent_id=hers.id)
    nodes = [GraphNode(name="ana", node_type="person", created_by_tool="x", document_id=anas.id)]
    nodes.append(GraphNode(name="oak", node_type="tree", created_by_tool="x", document_id=bos.id))
    session.add_all([inside, *nodes])
    await session.flush()
    session.add_all(
        [
            DocumentCollection(collection_id=hers.id, document_id=bos.id),
            GraphRelationship(
                source_node_id=nodes[1].id,
                target_node_id=nodes[0].id,
                relationship_type="seen by",
                created_by_tool="x",
            ),
            Summary(document_id=anas.id, content="of ana", tool_agent="x"),
            DocumentPermission(document_id=bos.id, user_id=ana.id, permission=Permission.READ),
            DocumentPermission(
                document_id=anas.id,
                user_id=bo.id,
                permission=Permission.WRITE,
                granted_by_id=ana.id,
            ),
        ]
    )
    for document in (anas, bos):
        document.content = "changed"
    await session.flush()
    bos.changed_by_id = ana.id
    await session.flush()
    return People(org_id, ana.id, bo.id, anas.id, bos.id)


@pytest.fixture(name="settle")
def settling() -> Callable[[Session, uuid.UUID], Awaitable[People]]:
    """Return what lets ana and bo into a new organisation."""
    return settle


@pytest.fixture
async def session(manager: DatabaseManager) -> AsyncIterator[Session]:
    """Yield a session of a new organisation, in which nobody acts; nothing stays."""
    async with manager.async_session_scope(uuid.uuid4()) as session:
        yield session
        await session.rollback()
        await session.execute(delete(Organization))  # where a test has committed


@pytest.fixture
async def people(session: Session) -> People:
    """Return who is in the organisation of the session."""
    return await settle(session, session.sync_session.scope.org_id)  # type: ignore[attr-defined]  # it is one of ours
