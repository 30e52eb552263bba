"""How kept answers follow projects that were changed, without reading all of them again.

Of a project as it was and as it is one can tell what it counted for and counts for now. What
cannot be told so, such as a project that takes others with it, is computed anew.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import TYPE_CHECKING, Any

from project_architect_db.analytics import lifecycle as lives
from project_architect_db.analytics import projects
from project_architect_db.analytics.near import Near
from project_architect_db.analytics.steps import beginning
from project_architect_db.analytics.sums import are_kept
from project_architect_db.models import rollups

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from andamios_orm.core.folds import Ask, Follow
    from andamios_orm.models import WrittenRow
    from project_architect_db.analytics.scope import Scope

    Values = Mapping[str, Any]

__all__ = ["completion", "lifecycle", "sums", "top_projects"]


def sums(kinds: tuple[str, ...], scope: Scope, step: str | None = None) -> Follow | None:
    """Return how sums follow; None if they are not those that are kept by day."""
    if not are_kept(kinds, scope, step):
        return None

    async def follow(
        rows: Sequence[Any], changes: Sequence[WrittenRow], _ask: Ask
    ) -> Sequence[Any] | None:
        changed: Counter[tuple[Any, ...]] = Counter()
        for sign, values in _sides(changes):
            for (day, kind, key), amount in rollups.of_project(values):
                if kind in kinds and _is_within(scope, day):
                    time = dt.datetime.combine(day, dt.time())
                    by = () if step is None else (beginning(step, time),)
                    changed[kind, key, *by] += sign * amount
        if not any(changed.values()):
            return rows
        for kind, key, total, *by in rows:
            changed[kind, key, *by] += total
        return [(*at[:2], total, *at[2:]) for at, total in changed.items() if total]

    return follow


def completion(scope: Scope) -> Follow | None:
    """Return how the row of ``projects.completion`` follows."""
    if not scope.is_of_all:
        return None

    async def follow(
        rows: Sequence[Any], changes: Sequence[WrittenRow], ask: Ask
    ) -> Sequence[Any] | None:
        *spent, total, scored = rows[0]
        times: Counter[float] = Counter()
        for sign, values in _sides(changes):
            if not _is_created_within(scope, values):
                continue
            if values["complexity_score"] is not None:
                total, scored = total + sign * values["complexity_score"], scored + sign
            if values["completed_at"] is not None:
                times[_seconds(values)] += sign
        if any(times.values()):
            near = Near.of(projects.times(scope), spent[2])
            found = near and await near.described(ask, _times(scope))
            if not found:
                return None
            spent = found
        return [(*spent, total, scored)]

    return follow


def lifecycle(scope: Scope) -> Follow | None:
    """Return how the row of ``lifecycle.lifecycle`` follows."""
    if not scope.is_of_all:
        return None

    async def follow(
        rows: Sequence[Any], changes: Sequence[WrittenRow], ask: Ask
    ) -> Sequence[Any] | None:
        number, *figures = rows[0]
        completed = deployed = False
        for before, after in changes:
            was, is_now = (_lived(scope, values) for values in (before, after))
            if was == is_now:
                continue
            if before is None:
                number += 1
                completed = completed or after["completed_at"] is not None  # type: ignore[index]  # it is there now
            elif was is None or is_now is None or was[0] != is_now[0]:
                return None
            else:
                completed = deployed = True
        for is_changed, is_since, place in ((completed, False, -6), (deployed, True, -3)):
            if is_changed:
                near = Near.of(lives.times(scope, deployed=is_since), figures[place + 2])
                follow = _times_since_deployment(scope) if is_since else _times(scope, least=0.0)
                found = near and await near.described(ask, follow)
                if not found:
                    return None
                figures[place : place + 3 or None] = found
        return [(number, *figures)]

    return follow


def top_projects(scope: Scope) -> Follow | None:
    """Return how the rows of ``lifecycle.top_projects`` follow."""
    if not scope.is_of_all:
        return None

    async def follow(
        rows: Sequence[Any], changes: Sequence[WrittenRow], _ask: Ask
    ) -> Sequence[Any] | None:
        listed = {row[1] for row in rows}
        names: dict[int, str] = {}
        for before, after in changes:
            if before is None:
                continue  # nothing belongs to it yet
            key, is_there = before["id"], after is not None and after["deleted_at"] is None
            if is_there and before["deleted_at"] is not None:
                return None
            if key in listed and not is_there:
                return None
            if key in listed:
                names[key] = after["name"]  # type: ignore[index]  # it is there
        if not names:
            return rows
        return [(what, key, names.get(key, name), amount) for what, key, name, amount in rows]

    return follow


# ---- what projects count for ---------------------------------------------------------------


def _sides(changes: Sequence[WrittenRow]) -> Iterator[tuple[int, Values]]:
    """Yield rows that are not deleted: with -1 as they were, with 1 as they are."""
    for row in changes:
        for sign, values in zip((-1, 1), row, strict=True):
            if values is not None and values["deleted_at"] is None:
                yield sign, values


def _is_within(scope: Scope, day: dt.date) -> bool:
    start, end = (bound and bound.astimezone(dt.UTC).date() for bound in (scope.start, scope.end))
    return (start is None or start <= day) and (end is None or day < end)


def _is_created_within(scope: Scope, values: Values) -> bool:
    moment = values["created_at"]
    is_behind = scope.start is None or scope.start <= moment
    return is_behind and (scope.end is None or moment < scope.end)


def _lived(scope: Scope, values: Values | None) -> tuple[Any, Any] | None:
    """Return when a project was created and completed; None if it does not count."""
    if values is None or values["deleted_at"] is not None:
        return None
    return (
        (values["created_at"], values["completed_at"])
        if _is_created_within(scope, values)
        else None
    )


def _seconds(values: Values) -> float:
    seconds: float = (values["completed_at"] - values["created_at"]).total_seconds()
    return seconds


def _times(scope: Scope, *, least: float | None = None) -> Any:
    """Return what tells how many projects more, or fewer, took a time since their creation."""

    async def changed(changes: Sequence[WrittenRow], _ask: Ask) -> Counter[float]:
        found: Counter[float] = Counter()
        for sign, values in _sides(changes):
            if values["completed_at"] is not None and _is_created_within(scope, values):
                seconds = _seconds(values)
                found[seconds if least is None else max(seconds, least)] += sign
        return found

    return changed


def _times_since_deployment(scope: Scope) -> Any:
    """Return what tells the same of the times since their first deployment."""

    async def changed(changes: Sequence[WrittenRow], ask: Ask) -> Counter[float]:
        keys = {before["id"] for before, _ in changes if before is not None}
        found: Counter[float] = Counter()
        if not keys:
            return found
        first = dict(await ask(lives.first_deployments(scope, tuple(sorted(keys)))))
        for sign, values in _sides(changes):
            moment = first.get(values["id"])
            if (
                moment is not None
                and values["completed_at"] is not None
                and _is_created_within(scope, values)
            ):
                found[max((values["completed_at"] - moment).total_seconds(), 0.0)] += sign
        return found

    return changed
