"""Who acts, in which organisation; and that it stays so until the end."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from andamios_orm.exceptions import ValueRefused
from axai_pg.exceptions import OrganizationChanged

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Scope"]

_NIL: Final = uuid.UUID(int=0)


@dataclass(frozen=True, slots=True)
class Scope:
    """The organisation and the user of all that a session does.

    With a ``reason`` it is an operator's, of all organisations.
    """

    org_id: uuid.UUID | None = None
    user_id: uuid.UUID | None = None
    reason: str | None = None

    @classmethod
    def of(cls, org_id: uuid.UUID | str | None, user_id: uuid.UUID | str | None) -> Scope:
        """Return the scope of an organisation, or of none.

        Raises:
            ValueRefused: a key is no UUID.
        """
        return cls(_key("org_id", org_id), _key("user_id", user_id))

    @classmethod
    def system(cls, reason: str, user_id: uuid.UUID | str | None = None) -> Scope:
        """Return the scope of an operator, who says why.

        Raises:
            ValueRefused: the reason is empty; the key is no UUID.
        """
        if not reason.strip():
            raise ValueRefused("say why: the audit log keeps it", reason, "reason")
        return cls(None, _key("user_id", user_id), reason.strip())

    @property
    def is_system(self) -> bool:
        """Whether it is an operator's."""
        return self.reason is not None

    @property
    def is_bare(self) -> bool:
        """Whether it has no organisation, so that no row is for it."""
        return self.org_id is None and not self.is_system

    @contextmanager
    def entered(self, owner: object) -> Iterator[None]:
        """Be the scope of this task or thread, as far as ``owner`` is concerned.

        Raises:
            OrganizationChanged: it is inside one of another organisation.
        """
        before = _CURRENT.get()
        outer = _innermost(before, owner)
        if outer is not None and outer.org_id is not None and not self._may_be_in(outer):
            raise OrganizationChanged(outer.org_id, self.org_id)
        place = _Place(self, owner, before)
        _CURRENT.set(place)
        try:
            yield
        finally:
            # Whoever leaves may be in another context than whoever entered: a fixture is.
            place.is_open = False
            if _CURRENT.get() is place:
                _CURRENT.set(before)

    def _may_be_in(self, outer: Scope) -> bool:
        return not self.is_system and self.org_id in {None, outer.org_id}


@dataclass(slots=True, eq=False)
class _Place:
    """A scope that has been entered, and what it is inside of."""

    scope: Scope
    owner: object
    outer: _Place | None
    is_open: bool = True


_CURRENT: ContextVar[_Place | None] = ContextVar("axai_scope", default=None)


def _innermost(place: _Place | None, owner: object) -> Scope | None:
    """Return the scope of an organisation that is open here, of the same owner."""
    while place is not None:
        if place.is_open and place.owner is owner and place.scope.org_id is not None:
            return place.scope
        place = place.outer
    return None


def _key(name: str, value: uuid.UUID | str | None) -> uuid.UUID | None:
    if value is None:
        return None
    try:
        found = value if isinstance(value, uuid.UUID) else uuid.UUID(value)
    except (ValueError, TypeError, AttributeError):
        raise ValueRefused("it is no UUID", value, name) from None
    if found == _NIL:
        raise ValueRefused("nobody has the nil UUID", value, name)
    return found
