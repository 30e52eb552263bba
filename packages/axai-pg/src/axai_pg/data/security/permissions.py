"""Whether the user of a scope may do something; the database says so.

A role permits an action on a kind of row, named by its table. An administrator may do
everything inside the organisation, a user that is not active nothing, and so may whoever
is not named: a scope without a user.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import exists, or_, select

from andamios_orm.exceptions import ConfigurationError, ValueRefused
from axai_pg.data.isolation import IsolatedSession
from axai_pg.data.models import Action, Document, Permission, RolePermission, User, UserRole
from axai_pg.data.security.documents import ACTING, ACTIONS, permitted
from axai_pg.exceptions import PermissionRequired

if TYPE_CHECKING:
    import enum
    import uuid

    from sqlalchemy import Select
    from sqlalchemy.ext.asyncio import AsyncSession

__all__ = ["SecurityManager", "isolated", "permits", "require"]


class SecurityManager:
    """What the user of a session may do; the session is that of an ``async_session_scope``."""

    def __init__(self, session: AsyncSession) -> None:
        """Ask for the user of ``session``.

        Raises:
            ConfigurationError: it is of no scope.
        """
        self._session = session
        isolated(session)

    async def permits(self, resource: str, action: Action | str) -> bool:
        """Return whether the user may do ``action`` with rows of the table ``resource``.

        Raises:
            ValueRefused: there is no such action.
        """
        return await self._session.run_sync(
            lambda session: permits(isolated(session), resource, action)
        )

    async def require(self, resource: str, action: Action | str) -> None:
        """Raise unless the user may do ``action`` with rows of the table ``resource``.

        Raises:
            PermissionRequired: the user may not.
            ValueRefused: there is no such action.
        """
        await self._session.run_sync(lambda session: require(isolated(session), resource, action))

    async def permits_document(self, document_id: uuid.UUID, permission: Permission | str) -> bool:
        """Return whether the user may read, write or share one document.

        It is what ``DocumentRepository(session, viewer=user_id)`` goes by: of a document that
        is deleted, or is none, nobody may do anything. An operator may do everything.

        Raises:
            ValueRefused: there is no such permission.
        """
        action = ACTIONS[_one_of(Permission, permission)]
        if isolated(self._session).scope.is_system:
            return True
        there = [Document.id == document_id, Document.deleted_at.is_(None)]
        return bool(
            await self._session.scalar(select(exists().where(*there, permitted(ACTING, action))))
        )


def isolated(session: Any) -> IsolatedSession:
    """Return the session of a scope that ``session`` is, or has inside.

    Raises:
        ConfigurationError: it is of no scope.
    """
    inner = getattr(session, "sync_session", session)
    if not isinstance(inner, IsolatedSession):
        raise ConfigurationError(
            "the session is of no scope: take it from session_scope() or async_session_scope()"
        )
    return inner


def permits(session: IsolatedSession, resource: str, action: Action | str) -> bool:
    """Return whether the user of ``session`` may do it; an operator may."""
    wanted = _one_of(Action, action)
    return session.scope.is_system or bool(session.scalar(_permitted(resource, wanted)))


def require(session: IsolatedSession, resource: str, action: Action | str) -> None:
    """Raise unless the user of ``session`` may do it.

    Raises:
        PermissionRequired: the user may not.
    """
    if not permits(session, resource, action):
        raise PermissionRequired(resource, str(action), session.scope.user_id)


def _permitted(resource: str, action: Action) -> Select[bool]:
    granted = exists().where(
        UserRole.user_id == User.id,
        UserRole.org_id == User.org_id,
        RolePermission.org_id == UserRole.org_id,
        RolePermission.role_id == UserRole.role_id,
        RolePermission.resource == resource,
        RolePermission.action == action,
    )
    return select(exists().where(User.id == ACTING, User.is_active, or_(User.is_admin, granted)))


def _one_of(kind: Any, value: enum.StrEnum | str) -> Any:
    try:
        return kind(value)
    except ValueError:
        known = ", ".join(each.value for each in kind)
        raise ValueRefused(f"there are {known}", value, kind.__name__.lower()) from None
