"""A person whose data is asked for or removed: found in the organisation, and held on to."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from andamios_orm.exceptions import NotFound, ValueRefused
from axai_pg.data.models import User
from axai_pg.exceptions import LastAdministrator

if TYPE_CHECKING:
    import datetime as dt

    from sqlalchemy.ext.asyncio import AsyncSession

__all__ = ["Person", "find_person", "refuse_last_administrator", "require_successor"]


@dataclass(frozen=True, slots=True)
class Person:
    """A user, the organisation, and when the user was erased, if so."""

    id: uuid.UUID
    org_id: uuid.UUID
    is_admin: bool
    erased_at: dt.datetime | None


async def find_person(
    session: AsyncSession, user_id: uuid.UUID | str, *, lock: bool = False
) -> Person:
    """Return a user whom the scope of ``session`` sees; with ``lock``, until its transaction ends.

    Raises:
        NotFound: there is none, or it is another organisation's.
        ValueRefused: the key is no UUID, or belongs to users of several organisations.
    """
    statement = select(User.id, User.org_id, User.is_admin, User.erased_at)
    wanted = statement.where(User.id == _key("user_id", user_id))
    rows = (await session.execute(wanted.with_for_update() if lock else wanted)).all()
    if not rows:
        raise NotFound("User", user_id)
    if len(rows) > 1:
        raise ValueRefused(
            "users of several organisations have this key: open a scope of one", user_id, "user_id"
        )
    return Person(*rows[0])


async def refuse_last_administrator(session: AsyncSession, person: Person) -> None:
    """Raise if nobody else administers the organisation; of two who go at once, one waits.

    Raises:
        LastAdministrator: nobody does.
    """
    if not person.is_admin:
        return
    active = (User.org_id == person.org_id, User.is_admin, User.is_active)
    statement = select(User.id).where(*active).order_by(User.id).with_for_update()
    found = (await session.scalars(statement)).all()
    if list(found) == [person.id]:
        raise LastAdministrator(person.id)


async def require_successor(
    session: AsyncSession, person: Person, reassign_to: uuid.UUID | str
) -> uuid.UUID:
    """Return the key of who gets the documents of a person.

    Raises:
        NotFound: there is no such user in the organisation.
        ValueRefused: it is the person, or somebody who is not active.
    """
    key = _key("reassign_to", reassign_to)
    if key == person.id:
        raise ValueRefused("it is the person to be erased", reassign_to, "reassign_to")
    statement = select(User.is_active).where(User.org_id == person.org_id, User.id == key)
    is_active = await session.scalar(statement.with_for_update(read=True, key_share=True))
    if is_active is None:
        raise NotFound("User", key)
    if not is_active:
        raise ValueRefused("that user is not active", reassign_to, "reassign_to")
    return key


def _key(name: str, value: uuid.UUID | str) -> uuid.UUID:
    try:
        return value if isinstance(value, uuid.UUID) else uuid.UUID(value)
    except (ValueError, TypeError, AttributeError):
        raise ValueRefused("it is no UUID", value, name) from None
