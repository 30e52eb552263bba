"""Whether the user of a scope may do something; the database says so.

A role permits an action on a kind of row, named by its table. An administrator may do
everything inside the organisation, a user that is not active nothing, and so may whoever
is not named: a scope without a user.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Uuid, and_, cast, exists, func, or_, select, true

from andamios_orm.exceptions import ConfigurationError, ValueRefused
from axai_pg.data.isolation import IsolatedSession
from axai_pg.data.models import (
    Action,
    Document,
    DocumentPermission,
    Permission,
    RolePermission,
    User,
    UserRole,
)
from axai_pg.exceptions import PermissionRequired

if TYPE_CHECKING:
    import enum
    import uuid

    from sqlalchemy import ColumnElement, Select
    from sqlalchemy.ext.asyncio import AsyncSession

__all__ = ["SecurityManager", "isolated", "permits", "require"]

# What the database writes into the audit log, so nobody is asked about somebody else.
_USER: Final = cast(func.nullif(func.current_setting("axai.user_id", true()), ""), Uuid)
_IMPLIED_BY: Final = {
    Permission.READ: (Permission.READ, Permission.WRITE, Permission.SHARE),
    Permission.WRITE: (Permission.WRITE,),
    Permission.SHARE: (Permission.SHARE,),
}


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

        Its owner may, and whoever was granted it, alone or through a role; whoever may
        write or share it may read it.

        Raises:
            ValueRefused: there is no such permission.
        """
        if isolated(self._session).scope.is_system:
            return True
        wanted = _IMPLIED_BY[_one_of(Permission, permission)]
        found = await self._session.scalar(_document_permitted(document_id, wanted))
        return bool(found)


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
    return select(exists().where(_is_active(), or_(User.is_admin, granted)))


def _document_permitted(
    document_id: uuid.UUID, permissions: tuple[Permission, ...]
) -> Select[bool]:
    through_role = (
        exists()
        .where(
            UserRole.org_id == User.org_id,
            UserRole.user_id == User.id,
            UserRole.role_id == DocumentPermission.role_id,
        )
        .correlate(User, DocumentPermission)
    )
    granted = exists().where(
        DocumentPermission.org_id == User.org_id,
        DocumentPermission.document_id == document_id,
        DocumentPermission.permission.in_(permissions),
        or_(
            DocumentPermission.expires_at.is_(None),
            DocumentPermission.expires_at > func.now(),
        ),
        or_(DocumentPermission.user_id == User.id, through_role),
    )
    owned = exists().where(
        Document.org_id == User.org_id, Document.id == document_id, Document.owner_id == User.id
    )
    there = exists().where(Document.org_id == User.org_id, Document.id == document_id)
    return select(exists().where(_is_active(), there, or_(User.is_admin, owned, granted)))


def _is_active() -> ColumnElement[bool]:
    return and_(User.id == _USER, User.is_active)


def _one_of(kind: Any, value: enum.StrEnum | str) -> Any:
    try:
        return kind(value)
    except ValueError:
        known = ", ".join(each.value for each in kind)
        raise ValueRefused(f"there are {known}", value, kind.__name__.lower()) from None
