"""Who may do what with documents: conditions, until when, and who acts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sqlalchemy import Uuid, and_, cast, exists, func, not_, or_, select, true, tuple_

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

    Who: TypeAlias = uuid.UUID | ColumnElement[uuid.UUID]

__all__ = [
    "ACTING",
    "ACTIONS",
    "RESOURCE",
    "acting_user",
    "active_in",
    "administrator_in",
    "ending",
    "is_active",
    "permitted",
]

RESOURCE: Final = "documents"
"""What documents are called in the permissions of a role."""
ACTIONS: Final[Mapping[Permission, Action]] = {
    Permission.READ: Action.READ,
    Permission.WRITE: Action.UPDATE,
    Permission.SHARE: Action.SHARE,
}
"""What a permission for one document lets somebody do; each of them lets them read it."""
ACTING: Final = cast(func.nullif(func.current_setting("axai.user_id", true()), ""), Uuid)
"""The key of the user in context, whom the audit log names as well."""


def permitted(user: Who, action: Action) -> ColumnElement[bool]:
    """Return the condition that a user may do something with a document.

    Its owner and administrators may do anything, somebody with a role what the role permits
    on documents, and others what was permitted for this document, to them or to a role of
    theirs; all of it in the organisation of the document. Who is not active may do nothing.
    """
    granted = select(DocumentPermission.org_id, DocumentPermission.document_id)
    shared = tuple_(Document.org_id, Document.id).in_(granted.where(_grants(user, action)))
    return and_(active_in(Document, user), or_(_stands(user, action), shared))


def active_in(model: Any, user: Who) -> ColumnElement[bool]:
    """Return the condition that a user is an active one of the organisation of a row."""
    return _in_organisation(model, user, User.is_active)


def administrator_in(model: Any, user: Who) -> ColumnElement[bool]:
    """Return the condition that a user is an administrator of the organisation of a row."""
    return _in_organisation(model, user, User.is_admin)


def ending(user: Who, action: Action, document_id: uuid.UUID) -> Select[Any, Any]:
    """Return the query for whether what a user may do with a document ends, and when.

    It ends with the last of what was permitted for this document, unless the user may do it
    for another reason.
    """
    until = DocumentPermission.expires_at
    grants = and_(
        DocumentPermission.org_id == Document.org_id,
        DocumentPermission.document_id == document_id,
        _grants(user, action),
    )
    endless = exists().where(grants, until.is_(None)).correlate(Document)
    last = select(func.max(until)).where(grants).correlate(Document).scalar_subquery()
    ends = and_(not_(_stands(user, action)), not_(endless))
    return select(ends.label("ends"), last.label("until")).where(Document.id == document_id)


def is_active(user: Who) -> Select[bool]:
    """Return the query for whether a user of the organisation is active."""
    return select(exists().where(User.id == user, User.is_active))


def acting_user() -> Select[Any]:
    """Return the query for the key of the user in context, if that is one of the organisation."""
    return select(User.id).where(User.id == ACTING)


def _stands(user: Who, action: Action) -> ColumnElement[bool]:
    """Return the condition that a user may do it with a document that nobody shared."""
    by_role = select(RolePermission.org_id).where(
        tuple_(RolePermission.org_id, RolePermission.role_id).in_(_held(user)),
        RolePermission.resource == RESOURCE,
        RolePermission.action == action,
    )
    return or_(
        Document.owner_id == user,
        Document.org_id.in_(by_role),
        administrator_in(Document, user),
    )


def _grants(user: Who, action: Action) -> ColumnElement[bool]:
    """Return the condition that something permitted for a document lets a user do it now."""
    table = DocumentPermission
    return and_(
        table.permission.in_([each for each in ACTIONS if action in {Action.READ, ACTIONS[each]}]),
        or_(table.expires_at.is_(None), table.expires_at > func.now()),
        or_(table.user_id == user, tuple_(table.org_id, table.role_id).in_(_held(user))),
    )


def _held(user: Who) -> Select[Any, Any]:
    return select(UserRole.org_id, UserRole.role_id).where(UserRole.user_id == user)


def _in_organisation(model: Any, user: Who, condition: Any) -> ColumnElement[bool]:
    found: ColumnElement[bool] = model.org_id.in_(
        select(User.org_id).where(User.id == user, condition)
    )
    return found
