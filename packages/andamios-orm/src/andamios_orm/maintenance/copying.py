"""The rows of one database into another, of whichever kind: resumable, and compared."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Column, MetaData, String, Table, delete, func, insert, inspect, select, true
from sqlalchemy.schema import CreateSchema

from andamios_orm.bulk.positions import load_table, move_position, read_position
from andamios_orm.exceptions import BackupFailed, ConfigurationError
from andamios_orm.maintenance.contents import Content
from andamios_orm.maintenance.counterparts import counterparts, in_order, missing, reflected
from andamios_orm.maintenance.pairs import Pair
from andamios_orm.maintenance.progress import say_nothing
from andamios_orm.maintenance.sequences import go_on, next_numbers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Sequence

    from sqlalchemy import Connection, Inspector
    from sqlalchemy.engine import Dialect
    from sqlalchemy.ext.asyncio import AsyncConnection

    from andamios_orm.core import Database
    from andamios_orm.maintenance.counterparts import Carried, Found
    from andamios_orm.maintenance.sequences import Name, Numbers

__all__ = ["Copied", "copy_to"]

_MARK: Final = "copy of "
"""How the positions of copies begin, in the table of the positions of loads."""
_REVISION: Final = "alembic_version"
_LOADS: Final = load_table(MetaData())


@dataclass(frozen=True, slots=True)
class Copied:
    """What was copied: the rows of each table, and how many of all an earlier run had copied.

    ``left_out`` names what the target does not have: views, and, without models, the
    conditions and defaults that only the source can read.
    """

    rows: dict[str, int]
    resumed: int
    left_out: tuple[str, ...]


async def copy_to(
    source: Database,
    target: Database,
    *,
    metadata: MetaData | Iterable[MetaData] | None = None,
    batch_size: int = 10_000,
    progress: Callable[[int, int], None] | None = None,
) -> Copied:
    """Return what was copied from one database into another, of whichever kind each is.

    ``metadata``, that of the models, says which tables there are, and what they are on the
    target; without it they are read from the source. Tables that the target lacks are made,
    the others have to be empty. A batch and the mark of how far it came are one transaction:
    a copy that was broken off goes on there when it is called again. The source is read as
    it was when the call began, others may write to it.

    At the end the rows of both are compared, value by value (a sum of 128-bit hashes for
    each table), and sequences go on behind the numbers that were copied.
    ``progress(done, total)`` counts every row twice: copied, and compared.

    Raises:
        ConfigurationError: a table of the target has rows, or other columns; a type has no
            counterpart; tables refer to each other in a circle.
        BackupFailed: what arrived differs: the source was changed between two runs, say, or
            the target does not keep a value as it is.
    """
    size: Any = batch_size
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise ConfigurationError(f"batch_size={batch_size!r}: pass a whole number from 1 up")
    if source.engine is target.engine or source.engine.url == target.engine.url:
        raise ConfigurationError("the source is the target: nothing is to be copied")
    listed = [metadata] if isinstance(metadata, MetaData) else metadata
    given = None if listed is None else list(listed)
    async with _snapshot(source) as reading:
        found = await reading.run_sync(_found, given, target.engine.dialect)
        pairs = [Pair.of(table, source, target) for table in found.tables]
        totals = [await _count(reading, pair.table) for pair in pairs]
        await _make(target, found)
        work = _Copying(reading, target, batch_size, progress or say_nothing, 2 * sum(totals))
        resumed = 0
        for pair, total in zip(pairs, totals, strict=True):
            resumed += await work.copy(pair, total)
        for pair in pairs:
            await work.compare(pair)
    async with target.engine.begin() as writing:
        absent = await writing.run_sync(go_on, found.tables, found.numbers)
        await writing.run_sync(_end, found)
    rows = {pair.name: total for pair, total in zip(pairs, totals, strict=True)}
    left_out = (*found.left_out, *(f"the sequence {name}" for name in absent))
    return Copied(rows, resumed, left_out)


@asynccontextmanager
async def _snapshot(source: Database) -> AsyncIterator[AsyncConnection]:
    """Yield a connection that sees the source as it is now."""
    async with source.engine.connect() as connection:
        is_snapshot = connection.dialect.name == "duckdb"
        level = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        yield await connection.execution_options(**({} if is_snapshot else level))


# ---- which tables ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Found:
    """What a source has: its tables, parents first, its sequences, the positions of its loads."""

    tables: list[Table]
    left_out: list[str]
    numbers: dict[Name, Numbers]
    loads: list[dict[str, Any]]
    has_loads: bool


def _found(connection: Connection, given: list[MetaData] | None, target: Dialect) -> _Found:
    """Return what is to be copied, and what is left out."""
    there = reflected(connection)
    has_loads = _LOADS.name in there.metadata.tables
    loads = (
        [dict(row) for row in connection.execute(select(_LOADS)).mappings()] if has_loads else []
    )
    if any(row["name"].startswith(_MARK) for row in loads):
        raise ConfigurationError(
            "the source is a copy that was broken off: let that one come to its end first"
        )
    if given is None:
        found = counterparts(there, connection.dialect, target)
        tables, left_out = list(found.metadata.tables.values()), found.left_out
    else:
        tables, left_out = _of_models(connection, given, there)
    copied = in_order(table for table in tables if table.name != _LOADS.name)
    is_kept = has_loads or any(table.name == _LOADS.name for table in tables)
    return _Found(copied, left_out, next_numbers(connection), loads, is_kept)


def _of_models(
    connection: Connection, given: list[MetaData], there: Found
) -> tuple[list[Table], list[str]]:
    """Return the tables of models, with that of their revision, and what has no model."""
    tables = [table for metadata in given for table in metadata.tables.values()]
    inspector = inspect(connection)
    for table in tables:
        if table.name != _LOADS.name:
            _require_columns(inspector, table, "the source")
    known = {table.name for table in tables} | {_REVISION, _LOADS.name}
    if _REVISION in there.metadata.tables:
        revision = Column("version_num", String(32), primary_key=True)
        tables.append(Table(_REVISION, MetaData(), revision))
    strangers = sorted(set(there.metadata.tables) - known)
    return tables, [*there.left_out, *(f"the table {name}: it has no model" for name in strangers)]


def _require_columns(inspector: Inspector, table: Table, where: str) -> None:
    """Refuse a table that lacks columns.

    Raises:
        ConfigurationError: it does.
    """
    lacking = list(missing(inspector, table))
    if lacking:
        raise ConfigurationError(
            f"{table.fullname} of {where} has no {', '.join(lacking)}: migrate it first"
        )


async def _make(target: Database, found: _Found) -> None:
    """Make the tables that the target lacks, and look at those that it has."""

    def make(connection: Connection) -> None:
        for schema in {table.schema for table in found.tables if table.schema is not None}:
            connection.execute(CreateSchema(schema, if_not_exists=True))
        for metadata in {table.metadata: None for table in found.tables}:
            metadata.create_all(connection)
        inspector = inspect(connection)
        for table in found.tables:
            _require_columns(inspector, table, "the target")

    async with target.engine.begin() as connection:
        await connection.run_sync(make)


# ---- the rows --------------------------------------------------------------------------------


class _Copying:
    """One run of a copy."""

    def __init__(
        self,
        reading: AsyncConnection,
        target: Database,
        batch_size: int,
        progress: Callable[[int, int], None],
        total: int,
    ) -> None:
        self._reading = reading
        self._target = target
        self._batch_size = batch_size
        self._progress = progress
        self._total = total
        self._done = 0
        self._contents: dict[Table, Content] = {}

    async def copy(self, pair: Pair, total: int) -> int:
        """Copy what the target does not have yet; return how much an earlier run had copied."""
        name = f"{_MARK}{pair.name}"
        if pair.table.name == _REVISION and await self._is_there(pair):
            self._tell(total)
            return 0
        before = await read_position(self._target, name)
        if not before:
            await self._require_empty(pair.table)
            self._contents[pair.table] = Content()
        self._tell(before)
        statement = pair.rows(self._reading.dialect).offset(before)
        done = before
        async with self._batches(self._reading, statement) as batches:
            async for batch in batches:
                async with self._target.transaction(write=True) as session:
                    await pair.write(await session.connection(), batch)
                    await move_position(session, name, done, done + len(batch))
                if pair.table in self._contents:
                    await self._add(self._contents[pair.table], batch, pair.read)
                done += len(batch)
                self._tell(len(batch))
        return before

    async def compare(self, pair: Pair) -> None:
        """Compare what was read with what the target has.

        Raises:
            BackupFailed: they differ.
        """
        async with self._target.engine.connect() as connection:
            there = await self._content(connection, pair.written, self._tell)
        here = self._contents.get(pair.table)
        if here is None:
            here = await self._content(self._reading, pair.read)
        if here == there:
            return
        async with self._target.transaction(write=True) as session:
            await session.execute(delete(_LOADS).where(_LOADS.c.name.startswith(_MARK)))
        raise BackupFailed(
            f"{pair.name} has {here.rows} rows, the copy {there.rows}, and they are not "
            f"the same: the source was changed between two runs, somebody else writes to the "
            f"target, or that does not keep a value as it is; empty its tables and copy again"
        )

    @asynccontextmanager
    async def _batches(
        self, connection: AsyncConnection, statement: Any
    ) -> AsyncIterator[AsyncIterator[Sequence[Any]]]:
        options = {"yield_per": self._batch_size, "compiled_cache": None}
        result = await connection.stream(statement, execution_options=options)
        try:  # its own context would leave it open when something else fails
            yield result.partitions()
        finally:
            await result.close()

    async def _content(
        self,
        connection: AsyncConnection,
        columns: Sequence[Carried],
        tell: Callable[[int], None] | None = None,
    ) -> Content:
        """Return what a table holds, whose ``columns`` are read."""
        content = Content()
        statement = select(*(each.read for each in columns))
        async with self._batches(connection, statement) as batches:
            async for batch in batches:
                await self._add(content, batch, columns)
                if tell is not None:
                    tell(len(batch))
        return content

    @staticmethod
    async def _add(content: Content, batch: Sequence[Any], columns: Sequence[Carried]) -> None:
        """Add rows on a thread: hashing them takes longer than others should wait."""
        width = len(columns)
        rows = batch if len(batch[0]) == width else [row[:width] for row in batch]
        await asyncio.to_thread(content.add, rows, [each.form for each in columns])

    async def _is_there(self, pair: Pair) -> bool:
        """Return whether the target is at a revision: at that of the source.

        Raises:
            ConfigurationError: it is at another one.
        """
        revision = select(pair.table.c.version_num)
        there: set[str]
        async with self._target.engine.connect() as connection:
            there = set(await connection.scalars(revision))
        here = set(await self._reading.scalars(revision))
        if there and there != here:
            raise ConfigurationError(
                f"the target is at revision {', '.join(sorted(there))}, the source at "
                f"{', '.join(sorted(here))}: migrate one of them first"
            )
        return bool(there)

    async def _require_empty(self, table: Table) -> None:
        """Refuse a table that has rows which this copy did not bring.

        Raises:
            ConfigurationError: it is one.
        """
        async with self._target.engine.connect() as connection:
            found = await connection.scalar(select(true()).select_from(table).limit(1))
        if found is not None:
            raise ConfigurationError(
                f"{table.fullname} of the target has rows already: only empty tables are filled"
            )

    def _tell(self, rows: int) -> None:
        self._done += rows
        self._progress(self._done, self._total)


async def _count(connection: AsyncConnection, table: Table) -> int:
    return int(await connection.scalar(select(func.count()).select_from(table)) or 0)


def _end(connection: Connection, found: _Found) -> None:
    """Put the positions of loads in the place of those of the copy."""
    connection.execute(delete(_LOADS).where(_LOADS.c.name.startswith(_MARK)))
    known = set(connection.scalars(select(_LOADS.c.name)))
    loads = [row for row in found.loads if row["name"] not in known]
    if loads:
        connection.execute(insert(_LOADS), loads)
    elif not known and not found.has_loads:
        _LOADS.drop(connection)
