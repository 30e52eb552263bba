"""Whose documents are, and who else may do what with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import func, or_, select

from andamios_orm.exceptions import ValueRefused
from andamios_orm.repositories import operation
from axai_pg.data.models import Action, Document, DocumentPermission, Permission, Role, User
from axai_pg.data.repositories.base import BaseRepository
from axai_pg.data.repositories.viewing import ViewedRepository
from axai_pg.data.security.documents import ACTIONS, acting_user, ending, permitted
from axai_pg.exceptions import NotPermitted

if TYPE_CHECKING:
    import datetime as dt
    import uuid
    from collections.abc import Sequence


__all__ = ["SharedDocuments"]


class SharedDocuments(ViewedRepository[Document]):
    """Documents of the organisation, all of them or those that a viewer may see."""

    model = Document

    # ---- sharing -----------------------------------------------------------------------

    @operation(writes=True)
    async def transfer(self, key: uuid.UUID, owner_id: uuid.UUID) -> Document:
        """Return a document that belongs to another user from now on.

        Raises:
            NotFound: there is no such document, or no such user.
            NotPermitted: the viewer is neither its owner nor may delete it.
        """
        await BaseRepository(self.session, User).get(owner_id)
        return await self.update(key, {"owner_id": owner_id})

    @operation(writes=True)
    async def share(
        self,
        key: uuid.UUID,
        permission: Permission | str,
        *,
        user_id: uuid.UUID | None = None,
        role_id: uuid.UUID | None = None,
        expires_at: dt.datetime | None = None,
    ) -> DocumentPermission:
        """Return that a user, or everybody with a role, may do something with a document.

        Who could until some time, can until ``expires_at`` from now on. A viewer permits
        nothing that they may not do themselves, and nothing for longer than they may.

        Raises:
            NotFound: there is no such document, user or role.
            NotPermitted: the viewer may not share it.
            ValueRefused: there is no such permission; user and role were named, or neither; it
                would end later than what the viewer was permitted, which the error says.
        """
        grant = await self._grant(key, permission, user_id, role_id)
        fields = BaseRepository(self.session, DocumentPermission).fields
        ends: Any = fields.check("expires_at", expires_at)
        for action in dict.fromkeys((Action.SHARE, ACTIONS[grant["permission"]])):
            await self._require_no_longer(action, key, ends)
        by = self.viewer or await self.session.scalar(acting_user())
        grants = BaseRepository(self.session, DocumentPermission)
        given = {"granted_by_id": by, "expires_at": ends}
        found, is_new = await grants.get_or_create(given, **grant)
        return found if is_new else await grants.update(found.id, given)

    @operation(writes=True)
    async def unshare(
        self,
        key: uuid.UUID,
        permission: Permission | str,
        *,
        user_id: uuid.UUID | None = None,
        role_id: uuid.UUID | None = None,
    ) -> bool:
        """Return whether that was permitted, and is no longer.

        Raises:
            NotFound: there is no such document, user or role.
            NotPermitted: the viewer may not share it.
            ValueRefused: there is no such permission; user and role were named, or neither.
        """
        grant = await self._grant(key, permission, user_id, role_id)
        grants = BaseRepository(self.session, DocumentPermission)
        found = await grants.get_one_or_none(**grant)
        return found is not None and await grants.delete(found.id)

    @operation()
    async def shared_with(self, key: uuid.UUID) -> list[DocumentPermission]:
        """Return what has been permitted for a document, and has not expired.

        Raises:
            NotFound: there is no such document.
        """
        await self.get(key)
        until = DocumentPermission.expires_at
        return await BaseRepository(self.session, DocumentPermission).list(
            or_(until.is_(None), until > func.now()),
            document_id=key,
            limit=None,
            order_by="created_at",
        )

    @operation()
    async def actions(self, key: uuid.UUID, user_id: uuid.UUID) -> frozenset[Action]:
        """Return what a user may do with a document.

        Raises:
            NotFound: there is no such document, or no such user.
        """
        await self.get(key)
        await BaseRepository(self.session, User).get(user_id)
        asked = (Action.READ, Action.UPDATE, Action.DELETE, Action.SHARE)
        answers = select(*(permitted(user_id, each).label(each) for each in asked))
        row = (await self.session.execute(answers.where(Document.id == key))).one()
        return frozenset(each for each, may in zip(asked, row, strict=True) if may)

    async def _grant(
        self,
        key: uuid.UUID,
        permission: Permission | str,
        user_id: uuid.UUID | None,
        role_id: uuid.UUID | None,
    ) -> dict[str, Any]:
        """Return the columns that tell a grant from others, each looked up."""
        if (user_id is None) == (role_id is None):
            raise ValueRefused("share with a user_id or with a role_id", user_id, "user_id")
        fields = BaseRepository(self.session, DocumentPermission).fields
        kind = fields.check("permission", permission)
        await self.get(key)
        await self._require(Action.SHARE, [key])
        if user_id is not None:
            await BaseRepository(self.session, User).get(user_id)
        if role_id is not None:
            await BaseRepository(self.session, Role).get(role_id)
        return {"document_id": key, "user_id": user_id, "role_id": role_id, "permission": kind}

    # ---- what a viewer changes -----------------------------------------------------------

    async def _insert(self, *instances: Document) -> None:
        self._claim(*instances)
        await super()._insert(*instances)

    async def _change(self, changes: Sequence[tuple[Document, dict[str, Any], Any]]) -> None:
        await self._require(Action.UPDATE, [each.id for each, _, _ in changes])
        given_away = [each.id for each, values, _ in changes if "owner_id" in values]
        await self._require(Action.DELETE, given_away)
        await super()._change(changes)

    async def _delete(self, found: Sequence[Document], *, softly: bool) -> None:
        await self._require(Action.DELETE, [each.id for each in found])
        await super()._delete(found, softly=softly)

    @operation(writes=True)
    async def restore(self, key: Any) -> Document:
        """Return the document with a key, back in sight with all that its deletion took along.

        Raises:
            NotFound: there is no such document.
            NotPermitted: the viewer may not delete it.
        """
        found = await self._existing(key, with_deleted=True)
        await self._require(Action.DELETE, [found.id])
        return await super().restore(key)

    async def _require_no_longer(
        self, action: Action, key: uuid.UUID, expires_at: dt.datetime | None
    ) -> None:
        """Raise if there is a viewer who may not do something with a document for so long.

        Raises:
            NotPermitted: the viewer may not do it at all.
            ValueRefused: they may until an earlier time.
        """
        if self.viewer is None:
            return
        for ends, until in await self.session.execute(ending(self.viewer, action, key)):
            if not ends:
                return
            if until is None:
                raise NotPermitted(self.viewer, action, key)
            if expires_at is None or expires_at > until:
                reason = (
                    f"the viewer may {action} it until {until.isoformat()}, and permits no more"
                )
                raise ValueRefused(reason, expires_at, "expires_at")
