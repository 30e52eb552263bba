"""Rows of any number out of any source, a batch at a time."""

from __future__ import annotations

import asyncio
import inspect
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from andamios_orm.bulk.create import create_batch, prepare
from andamios_orm.bulk.positions import move_position, read_position
from andamios_orm.bulk.rows import batch_of
from andamios_orm.bulk.sources import batches_of, is_text_file, read_text, size_of
from andamios_orm.bulk.target import target_of
from andamios_orm.bulk.work import dialect_of, read_rows
from andamios_orm.core.transaction import take_gate
from andamios_orm.exceptions import BulkRefused, ConfigurationError, LoadTooLarge, RowRefusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from andamios_orm.bulk.rows import Batch
    from andamios_orm.bulk.target import Target
    from andamios_orm.core.session import SessionManager

__all__ = ["LoadReport", "load"]

BATCH = 10_000
"""Rows that are checked, sent and, without ``atomic``, committed together."""
INDEXED = 64
"""Bytes that an entry of an index takes until COMMIT, about."""


@dataclass(slots=True)
class LoadReport:
    """What a load has done so far.

    ``read`` counts rows of the source, those before a resumed position included;
    ``errors`` has what ``on_error="collect"`` collected, rows counted from the source's
    first; ``memory`` is what one transaction was reckoned to hold, in bytes.
    """

    read: int = 0
    created: int = 0
    refused: int = 0
    batches: int = 0
    resumed_at: int = 0
    seconds: float = 0.0
    memory: int | None = None
    errors: list[RowRefusal] = field(default_factory=list)


async def load(  # noqa: PLR0913 - each is a choice of its own
    into: SessionManager | AsyncSession,
    model: type[Any],
    source: Any,
    *,
    atomic: bool = True,
    batch_size: int = BATCH,
    schema: type[Any] | None = None,
    on_error: str = "raise",
    progress: Callable[[LoadReport], Any] | None = None,
    resume: str | None = None,
) -> LoadReport:
    """Return what was created of ``model`` out of ``source``, read a batch at a time.

    ``source`` is an iterable or async iterator of rows, a table of Arrow, Polars or
    pandas, or the path of a ``.parquet``, ``.csv``, ``.ndjson`` or ``.jsonl`` file.

    With ``atomic`` all of it is one transaction: that of the session ``into``, which
    you commit, or one of its own on a database. Without, every batch is committed, and a
    load with a name in ``resume`` that was broken off goes on behind its last batch.

    With ``on_error="collect"`` bad rows are left out and reported. ``progress`` is
    called, and awaited if it can be, with the report after each batch.

    Raises:
        BulkRefused: some rows of a batch are wrong; without ``atomic`` the batches before
            it are stored.
        LoadTooLarge: one transaction cannot hold it.
        ConfigurationError: the choices contradict each other.
    """
    _check(into, atomic=atomic, on_error=on_error, resume=resume, batch_size=batch_size)
    loading = _Loading(target_of(model), source, schema, progress, collect=on_error == "collect")
    loading.batch_size = batch_size
    if isinstance(into, AsyncSession):
        await loading.into_session(into)
    elif atomic:
        async with into.transaction(write=True) as session:
            await loading.into_session(session)
    else:
        await loading.by_batch(into, resume)
    return loading.report


def _check(into: Any, *, atomic: bool, on_error: str, resume: str | None, batch_size: int) -> None:
    if on_error not in {"raise", "collect"}:
        raise ConfigurationError(f"on_error={on_error!r}: use 'raise' or 'collect'")
    size: Any = batch_size
    if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size < 2**31:
        raise ConfigurationError(
            f"batch_size={size!r:.40} is refused: pass a whole number from 1 up"
        )
    if resume is not None and atomic:
        raise ConfigurationError(
            "resume= goes with atomic=False: one transaction is all or nothing"
        )
    if not atomic and isinstance(into, AsyncSession):
        raise ConfigurationError(
            "atomic=False commits every batch, and a session's commit is yours: pass the database"
        )


class _Loading:
    """One run of a load."""

    def __init__(
        self,
        target: Target,
        source: Any,
        schema: type[Any] | None,
        progress: Callable[[LoadReport], Any] | None,
        *,
        collect: bool,
    ) -> None:
        self.target = target
        self.source = source
        self.schema = schema
        self.progress = progress
        self.collect = collect
        self.batch_size = BATCH
        self.report = LoadReport()
        self.started = time.monotonic()

    async def into_session(self, session: AsyncSession) -> None:
        """Load everything in the transaction of ``session``."""
        await take_gate(session)  # type: ignore[arg-type]  # any AsyncSession has a connection
        available = await _available(session)
        known = size_of(self.source)
        self.report.memory = None if known is None else self._need(known, 0)
        self._require_room(self.report.memory, available)
        async for rows in batches_of(self.source, self.batch_size):
            size = size_of(rows) if known is None else None
            await self._batch(session, rows)
            if known is None:
                batch = size if size is not None else _weigh(rows)
                self.report.memory = (self.report.memory or 0) + self._need(batch, len(rows))
                self._require_room(self.report.memory, available)
            await self._tell()

    def _need(self, bytes_: int, rows: int) -> int:
        """Return about how much memory rows take until COMMIT, with what indexes them."""
        indexes = 1 + len(self.target.table.indexes)
        return bytes_ + rows * indexes * INDEXED

    @staticmethod
    def _require_room(needed: int | None, available: int | None) -> None:
        if needed is not None and available is not None and needed > available:
            raise LoadTooLarge(needed, available)

    async def by_batch(self, database: SessionManager, resume: str | None) -> None:
        """Load batch by batch, each in a transaction with the position behind it."""
        report = self.report
        if resume is not None:
            report.resumed_at = report.read = await read_position(database, resume)
        async for rows in batches_of(self.source, self.batch_size, report.read):
            before = report.read
            async with database.transaction(write=True) as session:
                await self._batch(session, rows)
                if resume is not None:
                    await move_position(session, resume, before, report.read)
            await self._tell()

    async def _batch(self, session: AsyncSession, rows: Any) -> None:
        """Create the rows of one batch, or those of them that are right."""
        report, before = self.report, self.report.read
        try:
            batch = self._accepted(session, rows)
            created = await create_batch(session, self.target, batch)
        except BulkRefused as refused:
            raise BulkRefused(refused.model, _moved(refused.errors, before)) from None
        report.created += len(created)
        report.refused += len(rows) - batch.count
        report.read += len(rows)
        report.batches += 1

    def _accepted(self, session: AsyncSession, rows: Any) -> Batch:
        """Return the rows of a batch that are right; the others are reported, if that is asked."""
        while True:
            try:
                batch = self._columns(rows)
                if self.collect and batch.instances is None:
                    prepare(self.target, batch, dialect_of(session))
            except BulkRefused as refused:
                if not self.collect or any(error.row is None for error in refused.errors):
                    raise
                rows = self._without(rows, refused)
            else:
                return batch

    def _without(self, rows: Any, refused: BulkRefused) -> list[Any]:
        """Return the rows that were not refused; each knows where it stood."""
        if not isinstance(rows, _Placed):
            listed = rows if isinstance(rows, list) else rows.to_pylist()
            rows = _Placed(listed, range(len(listed)))
        places = [rows.places[error.row] for error in refused.errors if error.row is not None]
        self.report.errors.extend(
            error._replace(row=self.report.read + place)
            for error, place in zip(refused.errors, places, strict=True)
        )
        bad = {error.row for error in refused.errors}
        good = [row for row in range(len(rows)) if row not in bad]
        return _Placed([rows[row] for row in good], [rows.places[row] for row in good])

    def _columns(self, rows: Any) -> Batch:
        if self.schema is not None:
            return read_rows(rows, self.target, self.schema)
        batch = batch_of(rows, self.target)
        return read_text(batch, self.target) if is_text_file(self.source) else batch

    async def _tell(self) -> None:
        self.report.seconds = time.monotonic() - self.started
        if self.progress is not None:
            told = self.progress(self.report)
            if inspect.isawaitable(told):
                await told
        await asyncio.sleep(0)  # other tasks get their turn between two batches


class _Placed(list[Any]):
    """Rows that are left of a batch, and where in it they stood."""

    def __init__(self, rows: list[Any], places: Any) -> None:
        super().__init__(rows)
        self.places = places


def _moved(errors: tuple[RowRefusal, ...], by: int) -> list[RowRefusal]:
    return [error if error.row is None else error._replace(row=error.row + by) for error in errors]


def _weigh(rows: list[Any]) -> int:
    """Return about how many bytes a list of rows takes, from some of them."""
    sample = rows[:: max(1, len(rows) // 20)]
    return sum(len(repr(row)) for row in sample) * len(rows) // len(sample)


async def _available(session: AsyncSession) -> int | None:
    """Return how many bytes DuckDB has left for a transaction; None elsewhere."""
    connection = await session.connection()
    if connection.dialect.name != "duckdb":
        return None
    limit = await connection.scalar(text("SELECT current_setting('memory_limit')"))
    used = await connection.scalar(text("SELECT sum(memory_usage_bytes) FROM duckdb_memory()"))
    return _bytes(str(limit)) - int(used or 0)


def _bytes(said: str) -> int:
    """Return the number of bytes that DuckDB writes as text.

    >>> _bytes("1.5 GiB"), _bytes("100 bytes")
    (1610612736, 100)
    """
    number, unit = said.split()
    power = ("bytes", "KiB", "MiB", "GiB", "TiB").index(unit)
    return int(float(number) * 1024**power)
