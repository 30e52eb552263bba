"""Whose documents are, who else may do what with them, and what a viewer cannot do."""

from __future__ import annotations

import datetime as dt
import pickle
import re
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event

from andamios_orm.exceptions import NotFound, QueryRefused, ValueRefused
from axai_pg.data.models import Action, Document, Permission, Role, RolePermission
from axai_pg.data.repositories import BaseRepository, DocumentRepository, UserRepository
from axai_pg.exceptions import NotPermitted, PermissionRequired

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from andamios_orm import Session
    from axai_pg.data.models import User

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(3)]

NOW = dt.datetime.now(dt.UTC)
ALL = {Action.READ, Action.UPDATE, Action.DELETE, Action.SHARE}


@pytest.fixture
async def role(session: Session, other: User) -> Role:
    """Return a role that the other user has, which permits nothing yet."""
    made = await BaseRepository(session, Role).create({"name": "editors"})
    await UserRepository(session).add_role(other.id, made.id)
    return made


@pytest.fixture
def theirs(session: Session, other: User) -> DocumentRepository:
    """Return what the other user sees."""
    return DocumentRepository(session, viewer=other.id)


# ---- who may do what -----------------------------------------------------------------------


async def test_an_owner_may_do_anything_and_others_nothing(
    documents: DocumentRepository, document: Document, user: User, other: User
) -> None:
    assert await documents.actions(document.id, user.id) == ALL
    assert await documents.actions(document.id, other.id) == set()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("permission", "actions"),
    [
        ("read", {Action.READ}),
        ("write", {Action.READ, Action.UPDATE}),
        ("share", {Action.READ, Action.SHARE}),
    ],
)
async def test_what_is_permitted_for_a_document(
    documents: DocumentRepository,
    document: Document,
    other: User,
    role: Role,
    permission: str,
    actions: set[Action],
) -> None:
    await documents.share(document.id, permission, user_id=other.id)
    to_user = await documents.actions(document.id, other.id)
    await documents.unshare(document.id, permission, user_id=other.id)
    await documents.share(document.id, permission, role_id=role.id)

    assert to_user == actions
    assert await documents.actions(document.id, other.id) == actions


@pytest.mark.parametrize("action", [Action.READ, Action.UPDATE, Action.DELETE, Action.SHARE])
async def test_what_a_role_permits_on_all_documents(
    session: Session,
    documents: DocumentRepository,
    document: Document,
    other: User,
    role: Role,
    action: Action,
) -> None:
    await BaseRepository(session, RolePermission).create(
        {"role_id": role.id, "resource": "documents", "action": action}
    )
    await BaseRepository(session, RolePermission).create(
        {"role_id": role.id, "resource": "users", "action": "create"}
    )

    assert await documents.actions(document.id, other.id) == {action}


async def test_an_administrator_may_do_anything_while_active(
    session: Session, documents: DocumentRepository, document: Document, other: User
) -> None:
    await UserRepository(session).update(other.id, {"is_admin": True})
    active = await documents.actions(document.id, other.id)
    await UserRepository(session).update(other.id, {"is_active": False})

    assert active == ALL
    assert await documents.actions(document.id, other.id) == set()


@pytest.mark.slow
async def test_a_permission_ends(
    documents: DocumentRepository, document: Document, user: User, other: User
) -> None:
    hour = dt.timedelta(hours=1)
    await documents.share(document.id, "read", user_id=other.id, expires_at=NOW - hour)
    ended = await documents.actions(document.id, other.id)
    shown = await documents.shared_with(document.id)
    renewed = await documents.share(document.id, "read", user_id=other.id, expires_at=NOW + hour)

    assert not ended
    assert not shown
    assert await documents.actions(document.id, other.id) == {Action.READ}
    assert await documents.shared_with(document.id) == [renewed]
    assert renewed.granted_by_id == user.id


@pytest.mark.parametrize("named", [(), ("user_id", "role_id")])
async def test_a_document_is_shared_with_a_user_or_a_role(
    documents: DocumentRepository,
    document: Document,
    other: User,
    role: Role,
    named: tuple[str, ...],
) -> None:
    keys: dict[str, Any] = {"user_id": other.id, "role_id": role.id}

    with pytest.raises(ValueRefused, match="with a user_id or with a role_id"):
        await documents.share(document.id, "read", **{name: keys[name] for name in named})


async def test_an_unknown_permission_is_named_with_those_there_are(
    documents: DocumentRepository, document: Document, other: User
) -> None:
    with pytest.raises(ValueRefused, match="share"):
        await documents.share(document.id, "burn", user_id=other.id)


async def test_what_was_not_permitted_is_not_taken_back(
    documents: DocumentRepository, document: Document, other: User
) -> None:
    assert not await documents.unshare(document.id, Permission.READ, user_id=other.id)


# ---- a viewer ------------------------------------------------------------------------------


async def test_a_viewer_sees_what_they_may_read(
    documents: DocumentRepository, document: Document, other: User, theirs: DocumentRepository
) -> None:
    own = await theirs.create({"title": "mine"})
    before = await theirs.list()
    with pytest.raises(NotFound):
        await theirs.get(document.id)
    await documents.share(document.id, "read", user_id=other.id)

    assert (own.owner_id, before) == (other.id, [own])
    assert await theirs.count() == 2


CHANGES: dict[str, Callable[[DocumentRepository, Document], Awaitable[Any]]] = {
    "update": lambda documents, it: documents.update(it.id, {"title": "x"}),
    "update_many": lambda documents, it: documents.update_many([{"id": it.id, "title": "x"}]),
    "set_status": lambda documents, it: documents.set_status(it.id, "published"),
    "restore_version": lambda documents, it: documents.restore_version(it.id, 1),
    "delete": lambda documents, it: documents.delete(it.id),
    "purge": lambda documents, it: documents.purge(it.id),
    "share": lambda documents, it: documents.share(it.id, "read", user_id=it.owner_id),
    "unshare": lambda documents, it: documents.unshare(it.id, "read", user_id=it.owner_id),
    "transfer": lambda documents, it: documents.transfer(it.id, it.owner_id),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", list(CHANGES))
async def test_a_viewer_who_may_read_changes_nothing(
    documents: DocumentRepository,
    document: Document,
    other: User,
    theirs: DocumentRepository,
    name: str,
) -> None:
    await documents.share(document.id, "read", user_id=other.id)

    with pytest.raises(NotPermitted) as refused:
        await CHANGES[name](theirs, document)

    again = pickle.loads(pickle.dumps(refused.value))  # noqa: S301 - our own
    assert (again.user_id, again.key) == (other.id, document.id)
    assert f"user {other.id} may not {again.action} document {document.id}" in str(again)
    assert (await documents.get(document.id)).version == 1


@pytest.mark.slow
async def test_a_viewer_changes_what_they_may_and_gives_away_what_is_theirs(
    documents: DocumentRepository, document: Document, other: User, theirs: DocumentRepository
) -> None:
    await documents.share(document.id, "write", user_id=other.id)

    changed = await theirs.update(document.id, {"title": "x"})
    with pytest.raises(NotPermitted):
        await theirs.transfer(document.id, other.id)
    await documents.transfer(document.id, other.id)
    await theirs.delete(document.id)
    restored = await theirs.restore(document.id)

    assert (changed.title, restored.owner_id) == ("x", other.id)


async def test_who_may_not_delete_does_not_restore(
    documents: DocumentRepository, document: Document, other: User, theirs: DocumentRepository
) -> None:
    await documents.share(document.id, "write", user_id=other.id)
    await documents.delete(document.id)

    with pytest.raises(NotPermitted):
        await theirs.restore(document.id)


@pytest.mark.slow
async def test_a_viewer_permits_only_what_they_may_do(
    documents: DocumentRepository, document: Document, other: User, theirs: DocumentRepository
) -> None:
    await documents.share(document.id, "share", user_id=other.id)

    with pytest.raises(NotPermitted):
        await theirs.share(document.id, "write", user_id=other.id)
    granted = await theirs.share(document.id, "read", user_id=document.owner_id)

    assert granted.granted_by_id == other.id


@pytest.mark.slow
async def test_what_a_viewer_may_is_asked_once(
    session: Session,
    documents: DocumentRepository,
    document: Document,
    user: User,
    theirs: DocumentRepository,
) -> None:
    await documents.share(document.id, "share", user_id=theirs.viewer)
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_others: Any) -> None:
        sent.append(statement)

    engine = session.sync_session.get_bind().engine
    event.listen(engine, "before_cursor_execute", note)
    for permission in ("share", "read"):
        await theirs.share(document.id, permission, user_id=user.id)
    event.remove(engine, "before_cursor_execute", note)

    assert sum("AS until" in statement for statement in sent) == 1 + 2


LATER = NOW + dt.timedelta(hours=1)
LATEST = NOW + dt.timedelta(hours=2)


@pytest.mark.slow
@pytest.mark.parametrize("expires_at", [None, LATEST + dt.timedelta(microseconds=1)])
@pytest.mark.parametrize("permission", ["read", "share"])
async def test_a_viewer_permits_nothing_for_longer_than_they_may(
    documents: DocumentRepository,
    document: Document,
    role: Role,
    theirs: DocumentRepository,
    permission: str,
    expires_at: dt.datetime | None,
) -> None:
    await documents.share(document.id, "share", user_id=theirs.viewer, expires_at=LATER)
    await documents.share(document.id, "share", role_id=role.id, expires_at=LATEST)

    with pytest.raises(ValueRefused, match=re.escape(LATEST.isoformat())) as refused:
        await theirs.share(document.id, permission, user_id=theirs.viewer, expires_at=expires_at)
    await theirs.share(document.id, permission, user_id=theirs.viewer, expires_at=LATEST)

    assert refused.value.column == "expires_at"
    until = {each.expires_at for each in await documents.shared_with(document.id)}
    assert until == ({LATEST} if permission == "share" else {LATER, LATEST})


@pytest.mark.slow
async def test_what_a_viewer_may_do_ends_with_what_ends_first(
    documents: DocumentRepository, document: Document, other: User, theirs: DocumentRepository
) -> None:
    await documents.share(document.id, "share", user_id=other.id)
    await documents.share(document.id, "write", user_id=other.id, expires_at=LATER)

    with pytest.raises(ValueRefused, match=re.escape(LATER.isoformat())):
        await theirs.share(document.id, "write", user_id=document.owner_id)

    granted = await theirs.share(document.id, "read", user_id=document.owner_id)
    assert granted.granted_by_id == other.id


@pytest.mark.slow
@pytest.mark.parametrize("lasts", ["role", "grant", "administrator", "owner"])
async def test_a_viewer_with_another_right_permits_for_good(
    other: User,
    documents: DocumentRepository,
    document: Document,
    role: Role,
    theirs: DocumentRepository,
    lasts: str,
) -> None:
    await documents.share(document.id, "share", user_id=theirs.viewer, expires_at=LATER)
    if lasts == "role":
        for action in ("read", "share"):
            await BaseRepository(documents.session, RolePermission).create(
                {"role_id": role.id, "resource": "documents", "action": action}
            )
    elif lasts == "grant":
        await documents.share(document.id, "share", role_id=role.id)
    elif lasts == "administrator":
        await UserRepository(documents.session).update(other.id, {"is_admin": True})
    else:
        await documents.transfer(document.id, other.id)

    granted = await theirs.share(document.id, "read", role_id=role.id)

    assert granted.expires_at is None


async def test_who_is_not_active_makes_no_document(
    session: Session, other: User, theirs: DocumentRepository
) -> None:
    await UserRepository(session).update(other.id, {"is_active": False})

    with pytest.raises(PermissionRequired, match=f"{other.id} may not create documents"):
        await theirs.create({"title": "x"})

    assert not await DocumentRepository(session).exists()


async def test_a_viewer_makes_documents_of_their_own_one_by_one(
    session: Session, user: User, other: User, theirs: DocumentRepository
) -> None:
    with pytest.raises(ValueRefused, match="of their own"):
        await theirs.create({"title": "x", "owner_id": user.id})
    for document in (
        Document(title="x", owner=user),
        Document(title="x", owner=user, owner_id=other.id),
    ):
        with pytest.raises(ValueRefused, match="of their own"):
            await theirs.create(document)
    own = await theirs.create(Document(title="mine", owner=other))
    with pytest.raises(QueryRefused):
        await theirs.bulk_create([{"title": "x"}])
    with pytest.raises(QueryRefused):
        await theirs.load([{"title": "x"}])

    assert await DocumentRepository(session).list() == [own]


async def test_a_document_is_transferred_to_somebody_there_is(
    documents: DocumentRepository, document: Document
) -> None:
    with pytest.raises(NotFound, match="User"):
        await documents.transfer(document.id, uuid.uuid4())
