"""How the list of projects that need attention follows projects that were changed."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from project_architect_db.analytics.attention import own_reasons, reasons_around, usual_stays

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from andamios_orm.core.folds import Ask, Follow
    from andamios_orm.models import WrittenRow
    from project_architect_db.analytics.scope import Scope

    Values = Mapping[str, Any]

__all__ = ["SPARE", "attention"]

SPARE: Final = 80
"""How many projects more are kept than are shown: each that leaves the list makes room."""


def attention(scope: Scope, last_phase: str, limit: int) -> Follow | None:
    """Return how the rows of the first ``limit + SPARE`` projects follow; None of a viewer."""
    if not scope.is_of_all:
        return None

    async def follow(
        rows: Sequence[Any], changes: Sequence[WrittenRow], ask: Ask
    ) -> Sequence[Any] | None:
        sides = _ends(changes)
        around = await _around(scope, last_phase, sides, ask)
        total = rows[0][6] if rows else 0
        items: dict[int, list[Any]] = defaultdict(list)
        for row in rows:
            items[row[0]].append(row[:6])
        is_whole = len(items) == total
        places = {key: _place(item) for key, item in items.items()}
        last = max(places.values()) if items and not is_whole else None
        for key, (before, after) in sides.items():
            was, found = (own_reasons(scope, side, around[key]) for side in (before, after))
            total += bool(found) - bool(was)
            items.pop(key, None)
            if found and after is not None:
                item = [(key, after["name"], str(after["status"]), *reason) for reason in found]
                places[key] = _place(item)
                if last is None or places[key] <= last:
                    items[key] = item
        if len(items) < min(limit, total):
            return None
        order = sorted(items, key=places.__getitem__)[: limit + SPARE]
        return [(*row, total) for key in order for row in items[key]]

    return follow


def _place(item: Sequence[Any]) -> tuple[Any, ...]:
    """Return what projects are ordered by: most reasons, the earliest, key."""
    return -len(item), min(row[5] for row in item), item[0][0]


def _ends(changes: Sequence[WrittenRow]) -> dict[int, tuple[Values | None, Values | None]]:
    """Return each project as it was before all changes, and as it is."""
    found: dict[int, tuple[Values | None, Values | None]] = {}
    for before, after in changes:
        key = (after if before is None else before)["id"]  # type: ignore[index]  # one is there
        found[key] = (found[key][0] if key in found else before), after
    return found


async def _around(
    scope: Scope,
    last_phase: str,
    sides: Mapping[int, tuple[Values | None, Values | None]],
    ask: Ask,
) -> Mapping[int, list[Any]]:
    """Return the reasons in what belongs to projects; to new ones nothing does."""
    found: dict[int, list[Any]] = defaultdict(list)
    keys = tuple(sorted(key for key, (before, _) in sides.items() if before is not None))
    if keys:
        usual = await ask(usual_stays(scope, last_phase))
        for key, *reason in await ask(reasons_around(scope, keys, map(tuple, usual))):
            found[key].append(tuple(reason))
    return found
