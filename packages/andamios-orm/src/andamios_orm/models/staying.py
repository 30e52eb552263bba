"""Children that stay with a parent that is deleted softly: rows that nobody reaches without it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from sqlalchemy.orm import RelationshipProperty

__all__ = ["STAYS", "stays"]

STAYS: Final = {"andamios_stays": True}
"""What a relationship says of such children: ``relationship(info=STAYS)``.

Deleting the parent softly then costs nothing for them, and restoring it brings all of them
back. They go with it when it is removed for good.
"""


def stays(relation: RelationshipProperty[Any]) -> bool:
    """Return whether the children stay as they are while their parent is deleted softly."""
    return "andamios_stays" in relation.info
