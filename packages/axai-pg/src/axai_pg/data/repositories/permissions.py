"""Who may do what with documents: conditions, and who acts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Uuid, and_, cast, exists, func, or_, select

from axai_pg.data.models import (
    Action,
    Document,
    DocumentPermission,
    Permission,
    RolePermission,
    User,
    UserRole,
)

if TYPE_CHECKING:
    import uuid
    from collections.abc import Mapping

    from sqlalchemy import ColumnElement, Select

__all__ = ["ACTIONS", "RESOURCE", "acting_user", "permitted"]

RESOURCE: Final = "documents"
"""What documents are called in the permissions of a role."""
ACTIONS: Final[Mapping[Permission, Action]] = {
    Permission.READ: Action.READ,
    Permission.WRITE: Action.UPDATE,
    Permission.SHARE: Action.SHARE,
}
"""What a permission for one document lets somebody do; each of them lets them read it."""


def permitted(user_id: uuid.UUID, action: Action) -> ColumnElement[bool]:
    """Return the condition that a user may do something with a document.

    Its owner and administrators may do anything, somebody with a role what the role permits
    on documents, and others what was permitted for this document, to them or to a role of
    theirs. Who is not active may do nothing.
    """
    held = select(UserRole.role_id).where(UserRole.user_id == user_id)
    grants = [each for each in ACTIONS if action in {Action.READ, ACTIONS[each]}]
    shared = select(DocumentPermission.document_id).where(
        DocumentPermission.permission.in_(grants),
        or_(DocumentPermission.expires_at.is_(None), DocumentPermission.expires_at > func.now()),
        or_(DocumentPermission.user_id == user_id, DocumentPermission.role_id.in_(held)),
    )
    by_role = exists().where(
        RolePermission.role_id.in_(held),
        RolePermission.resource == RESOURCE,
        RolePermission.action == action,
    )
    active = exists().where(User.id == user_id, User.is_active)
    administers = exists().where(User.id == user_id, User.is_admin)
    return and_(
        active,
        or_(Document.owner_id == user_id, Document.id.in_(shared), by_role, administers),
    )


def acting_user() -> Select[Any]:
    """Return the query for the key of the user in context, if that is one of the organisation."""
    setting = func.nullif(func.current_setting("axai.user_id", True), "")  # noqa: FBT003 - SQL
    return select(User.id).where(User.id == cast(setting, Uuid))
