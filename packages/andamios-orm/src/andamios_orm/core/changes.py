"""The change feed: what was changed, by whom, in an order in which nothing is missed.

Every write through the library leaves a ``Change`` in its own transaction. What is
derived from the tables (an index, a cache, a mirror, a live page) follows the feed by
position.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy import MetaData, delete, func, inspect, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncEngine

from andamios_orm.core import versions
from andamios_orm.core.followers import Follower, FollowerState
from andamios_orm.core.positions import SHIFT, is_settled
from andamios_orm.core.records import Entity
from andamios_orm.core.selection import MOST, Selection, entity_names
from andamios_orm.core.signals import Signals
from andamios_orm.exceptions import ConfigurationError, FollowerUnknown, HistoryExpired
from andamios_orm.models.clock import now
from andamios_orm.models.feed import BASE, COMPACTED, PRUNED, feed_tables

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection
    from types import TracebackType

    from sqlalchemy import ColumnElement, RowMapping, Select
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

    from andamios_orm.core.session import SessionManager
    from andamios_orm.core.versions import RowVersion

__all__ = ["Change", "ChangeFeed"]

_RESERVED = "andamios:"


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a row, or of a batch of rows.

    ``kind`` is create, update, delete, restore, purge, erase or bulk_*. A batch has no
    ``key``; it has ``keys`` if they are at most 1,000, else ``first_key`` and
    ``last_key``. One with none of them is of a statement whose rows are not known.
    """

    position: int
    time: dt.datetime
    actor: str | None
    entity: str
    key: str | None
    kind: str
    count: int = 1
    keys: tuple[str, ...] | None = None
    first_key: str | None = None
    last_key: str | None = None
    tenant: str | None = None

    @property
    def transaction(self) -> int:
        """The number of the transaction: changes that were committed together share it."""
        return self.position >> SHIFT

    @property
    def is_batch(self) -> bool:
        """Whether this stands for several rows."""
        return self.kind.startswith("bulk_")


class ChangeFeed:
    """The changes of one metadata's tables in one database.

    ``async with ChangeFeed(database, Base.metadata) as feed``; leaving it ends its
    followers. For reading alone it needs no closing.
    """

    def __init__(
        self, database: SessionManager | AsyncEngine, metadata: MetaData | type[Any]
    ) -> None:
        """Read the feed of ``metadata``, or of a base that has one.

        Raises:
            ConfigurationError: the metadata has no feed.
        """
        self.engine = database if isinstance(database, AsyncEngine) else database.engine
        found = metadata if isinstance(metadata, MetaData) else metadata.metadata
        if "andamios_feed" not in found.info:
            raise ConfigurationError(
                "this metadata has no change feed: make its base with Row, or call "
                "feed_tables(metadata)"
            )
        self.tables = feed_tables(found)
        self.signals = Signals(self.engine)

    async def __aenter__(self) -> Self:
        """Return the feed."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it."""
        await self.close()

    async def close(self) -> None:
        """End all loops over followers, and stop listening."""
        await self.signals.close()

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self.signals.closed

    # ---- reading -----------------------------------------------------------------

    async def position(self) -> int:
        """Return the position of the last change that can be read; 0 if there is none."""
        position, held_back = await self._end()
        return (await self._end())[0] if held_back else position

    async def read(
        self,
        *,
        after: int | None = None,
        entities: Collection[str | type[Any]] | None = None,
        tenant: Any = None,
        limit: int = MOST,
    ) -> list[Change]:
        """Return up to ``limit`` changes behind ``after``, or from the first that is kept.

        Raises:
            HistoryExpired: some of them were removed by retention.
        """
        selection = self._selection(entities, tenant, limit, after)
        changes, _, held_back = await self.look(selection, after)
        if held_back:
            # Perhaps by a transaction of another database that ended just then: nobody
            # could tell any more whose it was. A new snapshot does not know it.
            changes, _, _ = await self.look(selection, after)
        return changes

    def follow(
        self,
        name: str,
        *,
        entities: Collection[str | type[Any]] | None = None,
        tenant: Any = None,
        after: int | None = None,
        limit: int = MOST,
    ) -> Follower:
        """Return batches of changes as they come: ``async for batch in feed.follow("index")``.

        Its position is kept in the database under ``name``. Asking for the next batch
        saves that this one is done, so after a crash it comes again (at least once);
        ``await batch.save(session)`` in the transaction that derives something from it
        makes that exactly once. A new follower starts behind ``after``, or at the
        first change of all.

        Raises:
            ConfigurationError: the name is reserved.
        """
        _refuse_reserved(name)
        return Follower(self, name, self._selection(entities, tenant, limit, after))

    async def look(self, selection: Selection, after: int | None) -> tuple[list[Change], int, bool]:
        """Return changes, the position reached with them, and whether more are held back.

        Held back are changes in front of which a running transaction may yet store one.

        Raises:
            HistoryExpired: what comes behind ``after`` was removed.
        """
        start = after if after is not None else -1
        async with self.engine.connect() as connection:
            tail = start if selection.is_all else (await self._last(connection))[0]
            changes, held_back = await self.there(connection, selection, start)
            pruned = await self._pruned(connection)
        if after is not None and pruned is not None and after < pruned.position:
            raise _expired(after, pruned)
        reached = max(changes[-1].position if changes else start, start)
        if len(changes) + held_back < selection.limit:
            reached = max(reached, tail)
        return changes, max(reached, 0), held_back > 0

    async def there(
        self, connection: AsyncConnection, selection: Selection, after: int
    ) -> tuple[list[Change], int]:
        """Return the changes that are there, and how many more are held back.

        It does not look whether some behind ``after`` were removed. Who asks from a change on
        that was seen before, and finds it, has no need to.
        """
        found = (await connection.execute(self._behind(selection, after))).mappings().all()
        settled = next((n for n, row in enumerate(found) if not row["settled"]), len(found))
        return [_change(row) for row in found[:settled]], len(found) - settled

    def _behind(self, selection: Selection, start: int) -> Select[Any]:
        changes = self.tables.changes
        settled = is_settled(self.tables, self.engine.dialect.name).label("settled")
        statement = select(changes, settled).where(changes.c.position > start)
        if selection.entities is not None:
            statement = statement.where(changes.c.entity.in_(sorted(selection.entities)))
        if selection.tenant is not None:
            statement = statement.where(changes.c.tenant == selection.tenant)
        return statement.order_by(changes.c.position).limit(selection.limit)

    def _selection(
        self,
        entities: Collection[str | type[Any]] | None,
        tenant: Any,
        limit: int,
        after: int | None,
    ) -> Selection:
        names = None if entities is None else entity_names(self.tables, entities)
        return Selection(names, None if tenant is None else str(tenant), limit, after)

    async def _end(self) -> tuple[int, bool]:
        async with self.engine.connect() as connection:
            return await self._last(connection)

    async def _last(self, connection: AsyncConnection) -> tuple[int, bool]:
        """Return the last position that can be read, and whether there are more held back."""
        position = self.tables.changes.c.position
        newest = select(func.max(position)).scalar_subquery()
        settled: ColumnElement[Any] = newest
        if self.engine.dialect.name == "postgresql":
            readable = select(position).where(is_settled(self.tables, "postgresql"))
            settled = readable.order_by(position.desc()).limit(1).scalar_subquery()
        found, stored = (await connection.execute(select(settled, newest))).one()
        held_back = found != stored
        if found is None:
            pruned = await self._pruned(connection)
            found = pruned.position if pruned is not None else 0
        return int(found), held_back

    # ---- followers -----------------------------------------------------------------

    async def followers(self) -> list[FollowerState]:
        """Return how far each follower has come, the slowest first."""
        followers = self.tables.followers
        statement = (
            select(followers)
            .where(followers.c.name.not_in([BASE, COMPACTED, PRUNED]))
            .order_by(followers.c.position, followers.c.name)
        )
        async with self.engine.connect() as connection:
            rows = await connection.execute(statement)
            return [FollowerState(row.name, row.position, row.time) for row in rows]

    async def follower_position(self, name: str) -> int:
        """Return the position that a follower has saved.

        Raises:
            FollowerUnknown: nobody has followed under this name.
        """
        states = {state.name: state.position for state in await self.followers()}
        if name not in states:
            raise FollowerUnknown(name, sorted(states))
        return states[name]

    async def move(self, name: str, position: int | None = None) -> int:
        """Set a follower to ``position``, or behind all there is; return where it is now.

        It is what to do once what it derives was built anew from the tables.
        """
        _refuse_reserved(name)
        target = await self.position() if position is None else position
        followers = self.tables.followers
        statement = upsert(followers).values(name=name, position=target, time=now())
        changed = {"position": statement.excluded.position, "time": statement.excluded.time}
        async with self.engine.begin() as connection:
            await connection.execute(
                statement.on_conflict_do_update(index_elements=[followers.c.name], set_=changed)
            )
        return target

    async def forget(self, name: str) -> None:
        """Remove a follower that will not come back.

        Raises:
            FollowerUnknown: nobody has followed under this name.
        """
        await self.follower_position(name)
        followers = self.tables.followers
        async with self.engine.begin() as connection:
            await connection.execute(delete(followers).where(followers.c.name == name))

    async def enroll(self, name: str, after: int | None) -> int:
        """Return the saved position of a follower, which is entered if it is new."""
        followers = self.tables.followers
        known = select(followers.c.position).where(followers.c.name == name)
        async with self.engine.connect() as connection:
            found = await connection.scalar(known)
        if found is not None:
            return int(found)
        statement = upsert(followers).values(name=name, position=after or 0, time=now())
        async with self.engine.begin() as connection:
            await connection.execute(statement.on_conflict_do_nothing())
        return await self.follower_position(name)

    # ---- history -------------------------------------------------------------------

    async def history(
        self, model: type[Any], key: Any, *, since: dt.datetime | None = None
    ) -> list[RowVersion]:
        """Return the versions of one row, the oldest first, each with before and after.

        Values are as the database stores them; secret columns are left out, large
        values are replaced by their size and hash.

        Raises:
            HistoryExpired: older ones were removed; ``since=`` asks for what is kept.
            ConfigurationError: the model keeps no history.
        """
        entity = self._with_history(model)
        async with self.engine.connect() as connection:
            found = await versions.of_key(connection, entity, key, since)
            pruned = await self._pruned(connection)
        if pruned is None:
            return found
        if since is not None:
            expired = since < pruned.time
        else:
            expired = not found or found[0].before is not None or found[0].kind == "erase"
        if expired:
            raise HistoryExpired(
                f"versions up to {pruned.time.isoformat()} were removed by retention: ask for "
                f"since= that time",
                position=pruned.position,
                time=pruned.time,
            )
        return found

    async def as_of(self, model: type[Any], key: Any, time: dt.datetime) -> dict[str, Any] | None:
        """Return one row as it was at ``time``, or None if it did not exist.

        The values are as the database stores them, by attribute.

        Raises:
            HistoryExpired: that is longer ago than history is kept, or it was erased.
            ConfigurationError: the model keeps no history.
        """
        rows = await self._rewound(model, time, key=key)
        return next(iter(rows.values()), None)

    async def all_as_of(self, model: type[Any], time: dt.datetime) -> list[dict[str, Any]]:
        """Return all rows of a model as they were at ``time``, without those erased since.

        Raises:
            HistoryExpired: that is longer ago than history is kept.
            ConfigurationError: the model keeps no history, or is a subclass of another.
        """
        if inspect(model).inherits is not None:
            raise ConfigurationError(
                f"{model.__name__} is a subclass: ask for all rows of its base"
            )
        return list((await self._rewound(model, time)).values())

    async def _rewound(
        self, model: type[Any], time: dt.datetime, *, key: Any = None
    ) -> dict[str, dict[str, Any]]:
        entity = self._with_history(model)
        async with self.engine.connect() as connection:
            rows = await versions.rewound(connection, entity, time, key)
            pruned = await self._pruned(connection)
        if pruned is not None and time < pruned.time:
            raise HistoryExpired(
                f"versions up to {pruned.time.isoformat()} were removed by retention: ask for a "
                f"later time, or for a longer retention",
                position=pruned.position,
                time=pruned.time,
            )
        return rows

    async def erase(
        self, model: type[Any], key: Any, *, within: AsyncSession | None = None
    ) -> None:
        """Remove what the history has kept of one row; the row itself stays.

        It leaves a change of the kind ``erase``, so that followers forget it too.
        Purging a row does the same. ``within`` does it in the caller's transaction.

        Raises:
            ConfigurationError: the model keeps no history.
        """
        entity = self._with_history(model)
        if within is not None:
            await versions.erase(await within.connection(), entity, key)
            return
        async with self.engine.begin() as connection:
            await versions.erase(connection, entity, key)

    def _with_history(self, model: type[Any]) -> Entity:
        entity = Entity.of(model)
        if entity is None or not entity.history:
            raise ConfigurationError(
                f"{model.__name__} keeps no history: give it HistoryMixin, or __history__ = True"
            )
        return entity

    # ---- retention -----------------------------------------------------------------

    async def prune(self, *, before: dt.datetime | int) -> int:
        """Remove changes and history from before a time or a position; return how many changes.

        Followers that have not come so far raise ``HistoryExpired`` from then on.
        """
        async with self.engine.begin() as connection:
            return await versions.prune(connection, self.tables, before)

    async def compact(self, *, before: int | None = None) -> int:
        """Remove changes of rows that were changed again later; return how many.

        Only the last change of each row stays, up to ``before`` or up to where the slowest
        follower is. History is not touched. To those who read it later, a row's
        first change may then be an update.
        """
        if before is None:
            slowest = await self.followers()
            before = slowest[0].position + 1 if slowest else None
        settled = await self.position() + 1
        before = settled if before is None else min(before, settled)
        async with self.engine.begin() as connection:
            return await versions.compact(connection, self.tables, before)

    async def _pruned(self, connection: AsyncConnection) -> FollowerState | None:
        return await versions.pruned(connection, self.tables)


def _change(row: RowMapping) -> Change:
    keys = row["keys"]
    return Change(
        position=row["position"],
        time=row["time"],
        actor=row["actor"],
        entity=row["entity"],
        key=row["key"],
        kind=row["kind"],
        count=row["count"],
        keys=None if keys is None else tuple(keys),
        first_key=row["first_key"],
        last_key=row["last_key"],
        tenant=row["tenant"],
    )


def _refuse_reserved(name: str) -> None:
    if name.startswith(_RESERVED):
        raise ConfigurationError(f"{name!r} is reserved: choose a name without {_RESERVED!r}")


def _expired(after: int, pruned: FollowerState) -> HistoryExpired:
    return HistoryExpired(
        f"changes behind position {after} were removed by retention, up to {pruned.position}: "
        f"note feed.position(), build what you derive anew from the tables, and go on from there "
        f"with feed.move(name, position) or read(after=position)",
        position=pruned.position,
        time=pruned.time,
    )
