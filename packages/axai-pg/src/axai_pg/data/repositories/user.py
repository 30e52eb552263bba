"""Users of an organisation, and the roles that each has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select

from andamios_orm.repositories import operation
from axai_pg.data.models import Role, User, UserRole
from axai_pg.data.repositories.base import BaseRepository

if TYPE_CHECKING:
    import uuid

__all__ = ["UserRepository"]


class UserRepository(BaseRepository[User]):
    """Users, and the roles that each has in the organisation."""

    model = User

    @operation()
    async def find_by_organization(
        self, org_id: uuid.UUID, limit: int | None = 100, offset: int = 0
    ) -> list[User]:
        """Return users of an organisation, by name; none of one that the session is not in."""
        return await self.list(limit, offset, order_by="username", org_id=org_id)

    @operation()
    async def find_by_username(self, username: str) -> User | None:
        """Return the user with a name, or None."""
        return await self.get_one_or_none(username=username)

    @operation()
    async def find_by_email(self, email: str) -> User | None:
        """Return the user with an address, in any case, or None."""
        return await self.get_one_or_none(func.lower(User.email) == email.lower())

    # ---- roles -----------------------------------------------------------------------------

    @operation()
    async def roles(self, key: uuid.UUID) -> list[Role]:
        """Return the roles of a user, by name.

        Raises:
            NotFound: there is no such user.
        """
        await self.get(key)
        held = select(UserRole.role_id).where(UserRole.user_id == key)
        statement = select(Role).where(Role.id.in_(held)).order_by(Role.name)
        return list(await self.session.scalars(statement))

    @operation(writes=True)
    async def add_role(self, key: uuid.UUID, role_id: uuid.UUID) -> UserRole:
        """Return that a user has a role from now on, if not before.

        Raises:
            NotFound: there is no such user, or no such role.
        """
        await self.get(key)
        await BaseRepository(self.session, Role).get(role_id)
        roles = BaseRepository(self.session, UserRole)
        held, _ = await roles.get_or_create(user_id=key, role_id=role_id)
        return held

    @operation(writes=True)
    async def remove_role(self, key: uuid.UUID, role_id: uuid.UUID) -> bool:
        """Return whether a user had a role, and has it no longer.

        Raises:
            NotFound: there is no such user.
        """
        await self.get(key)
        roles = BaseRepository(self.session, UserRole)
        return bool(await roles.delete_where(user_id=key, role_id=role_id))
