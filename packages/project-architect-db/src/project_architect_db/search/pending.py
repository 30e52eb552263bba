"""Which rows changes are about: keys, ranges of keys, or nobody knows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from project_architect_db.search.entries import ENTITIES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from andamios_orm.core import Change
    from project_architect_db.search.entries import Kind

__all__ = ["Pending", "pending_of"]


@dataclass(slots=True)
class Pending:
    """Rows by kind that were changed, however often and however."""

    keys: dict[Kind, set[int]] = field(default_factory=dict)
    ranges: dict[Kind, list[tuple[int, int]]] = field(default_factory=dict)
    count: int = 0
    """How many rows there are to read, at most."""
    is_unknown: bool = False
    """Whether a statement has changed rows of which only the number is known."""


def pending_of(changes: Iterable[Change]) -> Pending:
    """Return the rows that ``changes`` are about."""
    pending = Pending()
    for change in changes:
        kind = ENTITIES[change.entity]
        keys = change.keys if change.key is None else (change.key,)
        if keys is not None:
            pending.keys.setdefault(kind, set()).update(map(int, keys))
        elif change.first_key is not None and change.last_key is not None:
            known = int(change.first_key), int(change.last_key)
            pending.ranges.setdefault(kind, []).append(known)
        else:
            pending.is_unknown = True
    pending.count = sum(map(len, pending.keys.values()))
    pending.count += sum(
        last - first + 1 for found in pending.ranges.values() for first, last in found
    )
    return pending
