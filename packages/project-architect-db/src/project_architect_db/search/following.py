"""Keeps the index of a DuckDB database up to date: it follows the change feed by position.

One search at a time catches up; the others wait for it, and then find nothing left to do.
What takes tantivy's time runs in a thread of its own, in the order it was asked for.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING, Any, Final, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy import select

from andamios_orm.core import ChangeFeed
from andamios_orm.core.commits import commits_of
from andamios_orm.core.selection import Selection
from project_architect_db.models import Base, Conversation, Project
from project_architect_db.search.entries import ENTITIES, MODELS, Kind, entries, entry_of
from project_architect_db.search.index import Index, State
from project_architect_db.search.pending import Pending, pending_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Sequence
    from pathlib import Path

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from andamios_orm.core import Change
    from project_architect_db.search.entries import Entry
    from project_architect_db.search.index import Writing

__all__ = ["Following"]

ResultT = TypeVar("ResultT")

_POLL: Final = 0.001
_LONGEST_POLL: Final = 0.05
_PAGE: Final = 2_000
_AT_ONCE: Final = 1_000
_CHANGES: Final = 1_000
_MANY: Final = 2_000
"""Changed rows that are always worth following; more than half of all are not."""


class Following:
    """The index of one open database."""

    def __init__(self, path: Path | None) -> None:
        """Describe the index of the database in the file ``path``, or in memory."""
        self.index = Index(None if path is None else path.with_name(f"{path.name}.search"))
        self._busy = threading.Lock()
        self._worker = ThreadPoolExecutor(1, "project-architect-search")
        self._noted: int | None = None
        self._is_open = False

    @classmethod
    async def of(cls, engine: AsyncEngine) -> Following:
        """Return the one index of the database that ``engine`` leads to, which is opened first."""
        dialect: Any = engine.dialect
        if dialect.holder.database is None or dialect.holder.database not in _OPEN:
            async with engine.connect() as connection:
                await connection.exec_driver_sql("SELECT 1")
        opened = dialect.holder.database
        with _LOCK:
            if opened not in _OPEN:
                _OPEN[opened] = cls(opened.path)
            return _OPEN[opened]

    # ---- up to date ----------------------------------------------------------------

    async def catch_up(self, engine: AsyncEngine) -> int:
        """Return how many entries were written, so that every commit is in the index.

        Raises:
            SearchUnavailable: the folder of the index cannot be written.
        """
        if self._is_current(engine):
            return 0
        async with self._alone():
            return 0 if self._is_current(engine) else await self._follow(engine)

    async def rebuild(self, engine: AsyncEngine) -> int:
        """Return how many entries there are, all of them made anew from the tables.

        Raises:
            SearchUnavailable: the folder of the index cannot be written.
        """
        async with self._alone():
            return await self._noting(engine, self._rebuild)

    async def damaged(self, searcher: Any) -> None:
        """Have the index made anew by whoever searches next, if ``searcher`` still reads it."""
        async with self._alone():
            if self.index.searcher is searcher:
                self._noted = None
                await self._run(self.index.reset)

    async def behind(self, engine: AsyncEngine) -> int:
        """Return how many changes are not in the index yet."""
        async with self._alone():
            await self._open()
        state = self.index.state
        after = state.position if state is not None else -1
        changes = _feed(engine).tables.changes
        async with engine.connect() as connection:
            rows = await connection.execute(
                select(changes.c.count).where(
                    changes.c.position > after, changes.c.entity.in_(ENTITIES)
                )
            )
            return sum(rows.scalars())

    def _is_current(self, engine: AsyncEngine) -> bool:
        """Return whether no commit of this process, the only one there is, came since."""
        commits = commits_of(engine.dialect)
        return (
            self._noted is not None
            and commits is not None
            and commits.unchanged(ENTITIES, self._noted)
        )

    async def _follow(self, engine: AsyncEngine) -> int:
        await self._open()
        return await self._noting(engine, self._catch_up)

    async def _open(self) -> None:
        if not (self._is_open and await self._run(self.index.is_there)):
            await self._run(self.index.open)
            self._is_open = True

    async def _noting(self, engine: AsyncEngine, work: Callable[[AsyncEngine], Any]) -> int:
        """Return what ``work`` returns, and note the commits that it has seen for sure."""
        commits = commits_of(engine.dialect)
        seen = None if commits is None else commits.count
        written: int = await work(engine)
        self._noted = seen
        return written

    async def _catch_up(self, engine: AsyncEngine) -> int:
        state = self.index.state
        written: int | None = None
        if state is not None:
            with closing(_Opening(self._worker, self.index)) as opening:
                if self._noted is not None:  # something has changed, or it would not be looked
                    opening.begin()
                written = await self._changed(engine, state, opening)
        return await self._rebuild(engine) if written is None else written

    async def _changed(self, engine: AsyncEngine, state: State, opening: _Opening) -> int | None:
        """Return how many entries were written for changes behind ``state``.

        None if that cannot be told, or would be more than making all of them anew.
        """
        written = 0
        while True:
            async with engine.connect() as connection:
                changes = await _changes(engine, connection, state)
                if changes is None:
                    return None
                pending = pending_of(
                    change
                    for change in changes
                    if change.position > state.position and change.entity in ENTITIES
                )
                if pending.is_unknown or pending.count > max(_MANY, self.index.count // 2):
                    return None
                if changes:
                    state = State(changes[-1].position, changes[-1].time.isoformat())
                if pending.count:
                    refresh = _Refresh(self, await opening.done(), connection)
                    written += await refresh.run(pending)
            if pending.count:
                await self._run((await opening.done()).commit, state)
            if len(changes) < _CHANGES:
                return written

    async def _rebuild(self, engine: AsyncEngine) -> int:
        feed = _feed(engine)
        await self._open()
        position = await feed.position()
        state = State(position, (await _times(feed, position)).get(position))
        with closing(_Opening(self._worker, self.index)) as opening:
            writing = await opening.done()
            async with engine.connect() as connection:
                return await self._all(writing, connection, state)

    async def _all(self, writing: Writing, connection: AsyncConnection, state: State) -> int:
        written = 0
        await self._run(writing.remove_all)
        for kind in MODELS:
            async for page in _pages(connection, kind, ()):
                await self._run(writing.add, page)
                written += len(page)
        await self._run(writing.commit, state)
        return written

    # ---- one at a time ---------------------------------------------------------------

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """Let one task catch up, of whatever loop and thread; asyncio's locks know one loop."""
        pause = _POLL
        while not self._busy.acquire(blocking=False):
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_POLL)
        try:
            yield
        finally:
            self._busy.release()

    async def _run(self, work: Callable[..., ResultT], *arguments: Any) -> ResultT:
        """Return what ``work`` returns, in the thread of the index."""
        return await asyncio.wrap_future(self._worker.submit(work, *arguments))

    async def known(self, uids: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Return what the index has under these names."""
        return await self._run(self.index.known, uids)

    async def put(
        self, writing: Writing, page: Sequence[Entry], removed: Iterable[str] = ()
    ) -> int:
        """Return how many entries were written in the place of those with the same names."""
        names = {entry.uid for entry in page}.union(removed)

        def work() -> int:
            writing.remove("uid", names)
            writing.add(page)
            return len(page)

        return await self._run(work)

    async def remove(self, writing: Writing, field: str, keys: Iterable[int]) -> None:
        """Remove the entries that belong to one of some rows."""
        await self._run(writing.remove, field, [str(key) for key in keys])

    async def between(self, kind: Kind, first: int, last: int) -> list[int]:
        """Return the keys of a kind that the index has, from one to another."""
        return await self._run(self.index.between, kind, first, last)


class _Opening:
    """A change of the index that is opened in the thread of the index, while others go on.

    What is not committed before it is closed is forgotten.
    """

    def __init__(self, worker: ThreadPoolExecutor, index: Index) -> None:
        self._worker = worker
        self._index = index
        self._future: Future[Writing] | None = None

    def begin(self) -> None:
        """Begin to open it; it may turn out not to be needed."""
        if self._future is None:
            self._future = self._worker.submit(self._index.writing)

    async def done(self) -> Writing:
        """Return it when it is open.

        Raises:
            SearchUnavailable: the folder cannot be written, or somebody else writes to it.
        """
        self.begin()
        assert self._future is not None  # noqa: S101 - it has begun
        return await asyncio.wrap_future(self._future)

    def close(self) -> None:
        """Have it closed: that waits for merges, and nobody waits for it but the next change."""
        if self._future is not None:
            self._future.add_done_callback(self._close)

    def _close(self, future: Future[Writing]) -> None:
        if not future.cancelled() and future.exception() is None:
            self._worker.submit(future.result().close)


class _Refresh:
    """Brings the entries of changed rows, and of what belongs to them, into the index."""

    def __init__(self, following: Following, writing: Writing, connection: AsyncConnection) -> None:
        self.following = following
        self.writing = writing
        self.connection = connection

    async def run(self, pending: Pending) -> int:
        """Return how many entries were written."""
        written = 0
        for kind in MODELS:
            keys = set(pending.keys.get(kind, ()))
            for first, last in pending.ranges.get(kind, ()):
                keys.update(await self._between(kind, first, last))
            ordered = sorted(keys)
            for start in range(0, len(ordered), _AT_ONCE):
                written += await self._refresh(kind, ordered[start : start + _AT_ONCE])
        return written

    async def _between(self, kind: Kind, first: int, last: int) -> list[int]:
        key = MODELS[kind].id
        found = await self.connection.scalars(select(key).where(key.between(first, last)))
        return [*found, *await self.following.between(kind, first, last)]

    async def _refresh(self, kind: Kind, keys: Sequence[int]) -> int:
        rows = await self.connection.execute(entries(kind).where(*_are(MODELS[kind].id, keys)))
        page = [entry_of(row) for row in rows]
        names = {f"{kind}:{key}": key for key in keys}
        if kind not in _CHILDREN:
            return await self.following.put(self.writing, page, names)
        known = await self.following.known(names)
        written = await self.following.put(self.writing, page, names)
        there = {entry.uid: entry.project_id for entry in page}
        moved = [
            key
            for name, key in names.items()
            if there.get(name) != known.get(name, {}).get("project_id")
        ]
        return written + await self._follow_children(kind, moved)

    async def _follow_children(self, kind: Kind, moved: Sequence[int]) -> int:
        """Return how many entries were written below rows that came, went or moved."""
        if not moved:
            return 0
        written = 0
        children, field = _CHILDREN[kind]
        await self.following.remove(self.writing, field, moved)
        for child, column in children.items():
            async for page in _pages(self.connection, child, (column.in_(moved),)):
                written += await self.following.put(self.writing, page)
        return written


def _are(column: Any, keys: Sequence[int]) -> list[ColumnElement[bool]]:
    """Return the conditions for rows with these keys.

    DuckDB finds one key by its index, and of several reads all rows, unless bounds tell it
    where to look.
    """
    if len(keys) == 1:
        return [column == keys[0]]
    return [column.between(min(keys), max(keys)), column.in_(keys)]


async def _pages(
    connection: AsyncConnection, kind: Kind, conditions: Iterable[ColumnElement[bool]]
) -> AsyncIterator[list[Entry]]:
    """Yield the entries of a kind, some at a time, by key."""
    key = MODELS[kind].id
    statement = entries(kind).where(*conditions).order_by(key).limit(_PAGE)
    last = 0
    while True:
        page = [entry_of(row) for row in await connection.execute(statement.where(key > last))]
        if page:
            yield page
            last = page[-1].id
        if len(page) < _PAGE:
            return


async def _changes(
    engine: AsyncEngine, connection: AsyncConnection, state: State
) -> list[Change] | None:
    """Return changes from the last one on that is in the index.

    None if that is not there: there was none, it was removed, or it is another feed.
    """
    selection = Selection(limit=_CHANGES)
    changes, _ = await _feed(engine).there(connection, selection, state.position - 1)
    if not changes:
        return [] if state.time is None else None
    first = changes[0]
    is_last = (first.position, first.time.isoformat()) == (state.position, state.time)
    return changes if is_last else None


async def _times(feed: ChangeFeed, *positions: int) -> dict[int, str]:
    """Return when the changes at these positions were made, of those that are there."""
    changes = feed.tables.changes
    statement = select(changes.c.position, changes.c.time).where(changes.c.position.in_(positions))
    async with feed.engine.connect() as connection:
        return {row.position: row.time.isoformat() for row in await connection.execute(statement)}


def _feed(engine: AsyncEngine) -> ChangeFeed:
    return ChangeFeed(engine, Base)


_CHILDREN: Final = {
    Kind.PROJECT: (
        {
            Kind.PROJECT: Project.id,
            Kind.CONVERSATION: Conversation.project_id,
            Kind.MESSAGE: Conversation.project_id,
            Kind.DOCUMENT: MODELS[Kind.DOCUMENT].project_id,
            Kind.REPOSITORY: MODELS[Kind.REPOSITORY].project_id,
        },
        "project",
    ),
    Kind.CONVERSATION: (
        {Kind.CONVERSATION: Conversation.id, Kind.MESSAGE: Conversation.id},
        "conversation",
    ),
}
"""What belongs to a row of a kind, by which column, and the field that says so."""
_OPEN: Final[WeakKeyDictionary[Any, Following]] = WeakKeyDictionary()
_LOCK: Final = threading.Lock()
