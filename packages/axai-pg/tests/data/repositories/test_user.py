"""Users are found by name and address, and have roles."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from andamios_orm.exceptions import NotFound
from axai_pg.data.models import Role
from axai_pg.data.repositories import BaseRepository, OrganizationRepository, UserRepository

if TYPE_CHECKING:
    from andamios_orm import Session
    from axai_pg.data.models import User

pytestmark = [pytest.mark.integration, pytest.mark.db]


async def test_users_are_found_by_name_address_and_organisation(
    session: Session, user: User, other: User
) -> None:
    users = UserRepository(session)

    assert await users.find_by_username("ana") == user
    assert await users.find_by_email("BO@example.org") == other
    assert await users.find_by_email("nobody@example.org") is None
    assert await users.find_by_organization(user.org_id) == [user, other]
    assert await users.find_by_organization(user.org_id, 1, 1) == [other]


async def test_a_role_is_held_once_until_it_is_taken(session: Session, user: User) -> None:
    users = UserRepository(session)
    role = await BaseRepository(session, Role).create({"name": "editors"})

    first, second = [await users.add_role(user.id, role.id) for _ in range(2)]

    assert first is second
    assert await users.roles(user.id) == [role]
    assert await users.remove_role(user.id, role.id)
    assert not await users.remove_role(user.id, role.id)
    assert await users.roles(user.id) == []


async def test_a_role_that_is_not_there_is_not_given(session: Session, user: User) -> None:
    with pytest.raises(NotFound, match="Role"):
        await UserRepository(session).add_role(user.id, uuid.uuid4())


async def test_a_session_sees_its_own_organisation(session: Session, user: User) -> None:
    assert [each.id for each in await OrganizationRepository(session).list()] == [user.org_id]
