"""Kept results that follow from the rows which commits have changed since.

A result is out of date as soon as one row of its tables was changed, and computing it anew
may read all of them. Where one can tell from that row, as it was and as it is, what becomes
of the result, a ``Fold`` does: a sum loses what the row counted for, and gets what it counts
for now. It is used only if nothing else that the result depends on has changed, and if all
rows are known: those of the last commits of this process, of a model with ``__remembered__``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from andamios_orm.core.commits import Began, Commits, began
from andamios_orm.core.entries import Entry, Statement
from andamios_orm.models.clock import elapsed
from andamios_orm.models.written import WrittenRow

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

__all__ = ["Ask", "Fold", "Follow", "followed"]

Follow = Callable[[Sequence[Any], Sequence[WrittenRow], "Ask"], Awaitable[Sequence[Any] | None]]
"""Returns rows as they are after changes, in order; None if that cannot be told."""


class Ask(Protocol):
    """Returns the rows of another statement, which reads no other tables than the result."""

    async def __call__(self, statement: Any, follow: Follow | None = None) -> Sequence[Any]:
        """Ask the cache, where what is kept may ``follow`` the changes too, or the database."""


@dataclass(frozen=True, slots=True)
class Fold:
    """How a kept result follows the changes of one entity."""

    entity: str
    follow: Follow


Others = Callable[[Any, Fold | None], Awaitable[Sequence[Any]]]
"""Asks the cache for the rows of another statement."""


async def followed(
    fold: Fold, entry: Entry, known: Statement, session: AsyncSession, ask: Others
) -> Entry | None:
    """Return what ``entry`` is after the last commit; None if the database has to tell."""
    commits, since = entry.began.commits, entry.began.number
    others = known.dependence.entities - {fold.entity}
    time = elapsed()
    cut = commits.rows(fold.entity, since) if entry.is_exact else None
    if cut is None or not commits.unchanged(others, since):
        return None
    asked = False

    async def note_and_ask(statement: Any, follow: Follow | None = None) -> Sequence[Any]:
        nonlocal asked
        asked = True
        return await ask(statement, None if follow is None else Fold(fold.entity, follow))

    rows = await fold.follow(entry.kept.rows, cut.rows, note_and_ask)
    if rows is None:
        return None
    if asked and not await _is_still(commits, cut.number, known, session):
        return None
    kept = entry.kept if rows is entry.kept.rows else entry.kept.with_rows(rows)
    return Entry(kept, Began(commits, cut.number, time), None, time, guarded=False, is_exact=True)


async def _is_still(commits: Commits, number: int, known: Statement, session: AsyncSession) -> bool:
    """Return whether what a session has just read is as it was after a commit."""
    if session.in_transaction():
        connection = (await session.connection()).sync_connection
        found = began(connection) if connection is not None else None
        if found is None or found.number < number:
            return False
    return commits.unchanged(known.dependence.entities, number)
