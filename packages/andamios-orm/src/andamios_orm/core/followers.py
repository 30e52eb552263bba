"""Followers: those who derive something from the feed, and how far they have come."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, overload

from sqlalchemy import update

from andamios_orm.exceptions import WriteConflict
from andamios_orm.models.clock import now

if TYPE_CHECKING:
    import datetime as dt

    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

    from andamios_orm.core.changes import Change, ChangeFeed
    from andamios_orm.core.selection import Selection

__all__ = ["Batch", "Follower", "FollowerState"]

_HELD_BACK: Final = 0.02
_LONGEST_HELD_BACK: Final = 0.5
_SAVE_WHEN_IDLE: Final = 60.0


@dataclass(frozen=True, slots=True)
class FollowerState:
    """How far a follower has come: all changes up to ``position``, saved at ``time``."""

    name: str
    position: int
    time: dt.datetime


class Batch(Sequence["Change"]):
    """Changes in their order, and the position that is reached when all are done."""

    def __init__(self, changes: Sequence[Change], position: int, follower: Follower) -> None:
        """Belong to ``follower``."""
        self.position = position
        self._changes = changes
        self._follower = follower

    @overload
    def __getitem__(self, index: int) -> Change: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Change]: ...

    def __getitem__(self, index: int | slice) -> Change | Sequence[Change]:
        """Return one change, or some."""
        return self._changes[index]

    def __len__(self) -> int:
        """Return how many changes there are."""
        return len(self._changes)

    async def save(self, within: AsyncSession | AsyncConnection) -> None:
        """Save the position in the caller's transaction, so that it is saved exactly once.

        What the caller derives in the same transaction is then stored together with
        the position, or not at all; if it is rolled back, the batch comes again.

        Raises:
            WriteConflict: somebody else follows under the same name and was faster.
        """
        await self._follower.save_within(within, self.position)


class Follower(AsyncIterator[Batch]):
    """Batches of changes, without end; see ``ChangeFeed.follow()``.

    It holds no connection between batches, so a loop over it can be left at any time.
    """

    def __init__(self, feed: ChangeFeed, name: str, selection: Selection) -> None:
        """Follow ``feed`` under ``name``."""
        self.name = name
        self._feed = feed
        self._selection = selection
        self._saved: int | None = None
        self._reached = 0
        self._saved_at = time.monotonic()
        self._stopped = False

    def __aiter__(self) -> Follower:
        """Return the follower."""
        return self

    async def __anext__(self) -> Batch:
        """Return the next batch, when there is one; asking for it saves the one before.

        Raises:
            HistoryExpired: what comes next was removed by retention.
            WriteConflict: somebody else follows under the same name.
        """
        if self._saved is None:
            self._saved = self._reached = await self._feed.enroll(self.name, self._selection.after)
        await self._save()
        pause = _HELD_BACK
        while not self._stopped and not self._feed.closed:
            armed = self._feed.signals.arm()
            try:
                changes, reached, held = await self._feed.look(self._selection, self._reached)
                self._reached = reached
                if changes:
                    return Batch(changes, reached, self)
                await self._save_when_idle()
                await self._feed.signals.wait(armed, at_most=pause if held else None)
                pause = min(2 * pause, _LONGEST_HELD_BACK) if held else _HELD_BACK
            finally:
                self._feed.signals.disarm(armed)
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Stop: a loop over it ends."""
        self._stopped = True
        self._feed.signals.wake()

    async def save_within(self, within: AsyncSession | AsyncConnection, position: int) -> None:
        """Save ``position`` in the transaction of ``within``; see ``Batch.save()``."""
        assert self._saved is not None  # noqa: S101 - there was a batch
        if not await self._move(within, self._saved, position):
            raise self._conflict()
        self._saved = None  # only the database knows whether the caller commits

    async def _save(self) -> None:
        """Save what was reached, unless it is saved already."""
        if self._saved is None or self._saved == self._reached:
            return
        async with self._feed.engine.begin() as connection:
            moved = await self._move(connection, self._saved, self._reached)
        if not moved and await self._feed.follower_position(self.name) != self._reached:
            raise self._conflict()
        self._saved, self._saved_at = self._reached, time.monotonic()

    async def _save_when_idle(self) -> None:
        """Save now and then that nothing of interest came: retention goes on meanwhile."""
        if time.monotonic() - self._saved_at >= _SAVE_WHEN_IDLE:
            await self._save()

    async def _move(
        self, within: AsyncSession | AsyncConnection, expected: int, position: int
    ) -> bool:
        followers = self._feed.tables.followers
        statement = (
            update(followers)
            .where(followers.c.name == self.name, followers.c.position == expected)
            .values(position=position, time=now())
        )
        result: Any = await within.execute(statement)
        return bool(result.rowcount)

    def _conflict(self) -> WriteConflict:
        return WriteConflict(
            f"somebody else follows the change feed as {self.name!r} and has moved on: give each "
            f"follower a name of its own"
        )
