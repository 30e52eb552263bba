"""What somebody may do with documents is a matter of the organisation that these are of."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import insert, select

from axai_pg.data.models import (
    Action,
    Document,
    DocumentPermission,
    Organization,
    Role,
    RolePermission,
    User,
    UserRole,
)
from axai_pg.data.repositories import DocumentRepository
from axai_pg.data.security.documents import permitted

if TYPE_CHECKING:
    from andamios_orm import Session
    from axai_pg.data.config.database import DatabaseManager

pytestmark = [pytest.mark.integration, pytest.mark.db]

# Whoever chooses keys gives rows of two organisations the same.
USER, OWNER, ROLE, DOCUMENT = (uuid.uuid4() for _ in range(4))
WAYS: dict[str, list[tuple[type[Any], dict[str, Any]]]] = {
    "administrator": [],
    "role": [
        (UserRole, {"user_id": USER, "role_id": ROLE}),
        (RolePermission, {"role_id": ROLE, "resource": "documents", "action": "update"}),
    ],
    "sharing": [
        (DocumentPermission, {"document_id": DOCUMENT, "user_id": USER, "permission": "write"})
    ],
    "shared role": [
        (UserRole, {"user_id": USER, "role_id": ROLE}),
        (DocumentPermission, {"document_id": DOCUMENT, "role_id": ROLE, "permission": "write"}),
    ],
}
UNHELD = [
    (RolePermission, {"role_id": ROLE, "resource": "documents", "action": "update"}),
    (DocumentPermission, {"document_id": DOCUMENT, "role_id": ROLE, "permission": "write"}),
]
"""What a role of the other organisation permits there, which the user does not have."""


async def put(session: Session, model: type[Any], **values: Any) -> None:
    await session.execute(insert(model).values(**values))


async def organisation(session: Session, *, is_admin: bool) -> uuid.UUID:
    """Return a new organisation with the user, a role and a document of somebody else."""
    org_id = uuid.uuid4()
    await put(session, Organization, id=org_id, name="x")
    for key in (USER, OWNER):
        name = str(key)
        await put(
            session,
            User,
            org_id=org_id,
            id=key,
            username=name,
            email=f"{name}@example.org",
            is_admin=is_admin and key == USER,
        )
    await put(session, Role, org_id=org_id, id=ROLE, name="editors")
    await put(session, Document, org_id=org_id, id=DOCUMENT, owner_id=OWNER, title="x")
    return org_id


@pytest.mark.parametrize("way", list(WAYS))
async def test_no_permission_reaches_into_another_organisation(
    careless: DatabaseManager, way: str
) -> None:
    async with careless.async_system_scope("look") as session:
        ours = await organisation(session, is_admin=way == "administrator")
        await organisation(session, is_admin=False)
        for model, values in WAYS[way]:
            await put(session, model, org_id=ours, **values)

        found = select(Document.org_id).where(permitted(USER, Action.UPDATE))

        assert set(await session.scalars(found)) == {ours}
        await session.rollback()


async def test_a_role_permits_what_it_permits_where_the_user_has_it(
    careless: DatabaseManager,
) -> None:
    async with careless.async_system_scope("look") as session:
        ours = await organisation(session, is_admin=False)
        theirs = await organisation(session, is_admin=False)
        await put(session, UserRole, org_id=ours, user_id=USER, role_id=ROLE)
        for model, values in UNHELD:
            await put(session, model, org_id=theirs, **values)

        assert not await DocumentRepository(session, viewer=USER).exists()
        await session.rollback()


@pytest.mark.parametrize("values", [{"is_active": False}, None])
async def test_who_is_not_active_in_an_organisation_may_do_nothing_there(
    careless: DatabaseManager,
    values: dict[str, Any] | None,
) -> None:
    async with careless.async_system_scope("look") as session:
        await organisation(session, is_admin=True)
        other = uuid.uuid4()
        await put(session, Organization, id=other, name="y")
        name = str(OWNER)
        await put(session, User, org_id=other, id=OWNER, username=name, email="o@example.org")
        await put(session, Document, org_id=other, owner_id=OWNER, title="y")
        if values is not None:
            await put(session, User, org_id=other, id=USER, username="u", email="u@e.org", **values)

        assert await DocumentRepository(session, viewer=USER).count() == 1
        await session.rollback()
