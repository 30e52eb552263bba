"""A copy of a DuckDB file that is consistent while others write, and known to be readable."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

import duckdb

from andamios_orm.dialect.files import sync_folder
from andamios_orm.dialect.quoting import literal
from andamios_orm.exceptions import BackupFailed, ConfigurationError
from andamios_orm.maintenance.digests import counted, digest_of
from andamios_orm.maintenance.exporting import export
from andamios_orm.maintenance.manifests import MANIFEST
from andamios_orm.maintenance.progress import say_nothing

if TYPE_CHECKING:
    from collections.abc import Callable

    from andamios_orm.core import Database
    from andamios_orm.dialect.checkpoints import Checkpoints
    from andamios_orm.dialect.database import DuckDBDatabase

__all__ = ["Backup", "backup"]


@dataclass(frozen=True, slots=True)
class Backup:
    """A copy that was made: its file, its size in bytes, its SHA-256, the rows of each table."""

    path: Path
    size: int
    digest: str
    rows: dict[str, int]


async def backup(
    database: Database,
    target: str | Path,
    *,
    form: Literal["file", "open"] = "file",
    progress: Callable[[int, int], None] | None = None,
) -> Backup:
    """Return a copy of a DuckDB file at ``target``, which does not exist yet.

    Writers wait while the file is copied, readers do not. The log is written back first,
    so that the copy is one file; it gets its name when it is complete, is on the disk, and
    was opened and counted. ``progress(done, total)`` is called with bytes, on a thread.
    A backup that is cancelled leaves nothing.

    The ``form`` "open" is a folder that other programs read: ``schema.sql``, a Parquet file
    for each table, and ``manifest.json`` with their checksums; ``digest`` is that of the
    manifest, ``size`` of all files. It is made from such a copy, so writers wait no longer.

    Raises:
        ConfigurationError: the database is no DuckDB file, or ``target`` exists.
        BackupFailed: the copy is not what was copied, or a table cannot be had as Parquet.
        WriteGateTimeout: a transaction writes for longer than one may wait.
    """
    opened = await _opened(database)
    place = Path(target)
    if place.exists():  # noqa: ASYNC240 - a look, not work
        raise ConfigurationError(f"{place} exists: a backup overwrites nothing")
    stopped = threading.Event()
    kind = _Work if form == "file" else _OpenWork
    work = kind(opened, place, progress or say_nothing, stopped)
    running = asyncio.ensure_future(asyncio.to_thread(work.run))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        stopped.set()
        await asyncio.wait([running])
        if running.exception() is None:
            work.remove()
        raise


async def _opened(database: Database) -> DuckDBDatabase:
    """Return the database behind an engine, which a statement has opened by now."""
    if database.engine.dialect.name != "duckdb":
        raise ConfigurationError("this copies DuckDB files: back PostgreSQL up with pg_dump")
    async with database.engine.connect() as connection:
        await connection.exec_driver_sql("SELECT 1")
    dialect: Any = database.engine.dialect
    opened: DuckDBDatabase = dialect.holder.database
    if opened.checkpoints is None:
        raise ConfigurationError(
            f"{database!r} is no file that can be written: only such a one is copied"
        )
    return opened


class _Stopped(Exception):
    """The task that waits for the copy was cancelled."""


class _Work:
    """What the thread does."""

    def __init__(
        self,
        opened: DuckDBDatabase,
        target: Path,
        progress: Callable[[int, int], None],
        stopped: threading.Event,
    ) -> None:
        self._opened = opened
        self._target = target
        self._draft = target.with_name(f"{target.name}.{uuid4().hex}.part")
        self._progress = progress
        self._stopped = stopped

    def run(self) -> Backup:
        """Copy, look at the copy, and give it its name."""
        try:
            with self._opened.raw(write=True) as raw:
                self._checkpoints.run(raw)
                rows = counted(raw)
                written = self._copy()
            digest = self._looked_at(written, rows)
            return self._named(digest, rows)
        finally:
            for leftover in (self._draft, Path(f"{self._draft}.wal")):
                leftover.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the copy, which nobody waits for any more."""
        self._target.unlink(missing_ok=True)

    def _named(self, digest: str, rows: dict[str, int]) -> Backup:
        self._target.hardlink_to(self._draft)  # which overwrites nothing
        sync_folder(self._target.parent)
        return Backup(self._target, self._target.stat().st_size, digest, rows)

    @property
    def _checkpoints(self) -> Checkpoints:
        assert self._opened.checkpoints is not None  # noqa: S101 - it is a file that can be written
        return self._opened.checkpoints

    def _copy(self) -> str:
        """Copy the file to the disk, and return the SHA-256 of what was written."""
        assert self._opened.path is not None  # noqa: S101 - it is a file
        total = self._opened.path.stat().st_size
        digest = hashlib.sha256()
        with self._draft.open("xb") as draft:
            for piece in self._checkpoints.journal.copied():
                if self._stopped.is_set():
                    raise _Stopped
                draft.write(piece)
                digest.update(piece)
                self._progress(draft.tell(), total)
            draft.flush()
            os.fsync(draft.fileno())
        if self._checkpoints.log_size:  # somebody reads what writing it back would clear away
            shutil.copyfile(f"{self._opened.path}.wal", f"{self._draft}.wal")
        return digest.hexdigest()

    def _looked_at(self, written: str, rows: dict[str, int]) -> str:
        """Open the copy, count what is in it, and return its SHA-256.

        Raises:
            BackupFailed: it is something else than what was copied.
        """
        if digest_of(self._draft) != written:
            raise BackupFailed(f"{self._draft} does not hold what was written into it")
        has_log = Path(f"{self._draft}.wal").exists()
        mode = "TYPE duckdb" if has_log else "TYPE duckdb, READ_ONLY"
        with duckdb.connect(":memory:") as raw:
            raw.execute(f"ATTACH {literal(str(self._draft))} AS copy ({mode})")
            raw.execute("USE copy")
            there = counted(raw)
            if has_log:  # DETACH would do it, and leave what was replayed out of the indexes
                raw.execute("CHECKPOINT copy")
            raw.execute("USE memory")
            raw.execute("DETACH copy")
        if there != rows:
            raise BackupFailed(f"the copy has {there}, and {self._opened.path} has {rows}")
        return digest_of(self._draft) if has_log else written


class _OpenWork(_Work):
    """The same, and then a folder from the copy."""

    def remove(self) -> None:
        """Remove the folder, which nobody waits for any more."""
        shutil.rmtree(self._target, ignore_errors=True)

    def _named(self, digest: str, rows: dict[str, int]) -> Backup:  # noqa: ARG002 - of the copy
        folder = self._target.with_name(f"{self._draft.name}.open")
        try:
            export(self._draft, folder, self._exported)
            folder.rename(self._target)  # which overwrites nothing but an empty folder
            sync_folder(self._target.parent)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        files = [path for path in self._target.rglob("*") if path.is_file()]
        size = sum(path.stat().st_size for path in files)
        return Backup(self._target, size, digest_of(self._target / MANIFEST), rows)

    def _exported(self, _done: int, _total: int) -> None:
        if self._stopped.is_set():
            raise _Stopped
