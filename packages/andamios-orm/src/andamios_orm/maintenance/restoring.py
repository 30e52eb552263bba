"""Putting a copy of a DuckDB file in the place of the file."""

from __future__ import annotations

import asyncio
import fcntl
import os
from pathlib import Path
from uuid import uuid4

import duckdb

from andamios_orm.dialect.files import first_free, sync_folder
from andamios_orm.dialect.quoting import literal
from andamios_orm.dialect.registry import registry
from andamios_orm.dialect.translation import opening_error
from andamios_orm.exceptions import (
    ConfigurationError,
    DatabaseAlreadyOpen,
    DatabaseLocked,
)
from andamios_orm.maintenance.backups import Backup
from andamios_orm.maintenance.digests import counted, digest_of, require_digest
from andamios_orm.maintenance.importing import build, checked

__all__ = ["restore"]

_PIECE = 4 * 2**20
_BESIDE = (".wal", ".journal")
"""What belongs to a file, and lies beside it under its name and one of these."""


async def restore(
    source: str | Path,
    target: str | Path,
    *,
    digest: str | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
) -> Backup:
    """Return what was restored: the copy ``source``, of either form, is at ``target`` now.

    The copy is copied (of the open form: looked through, and made a database of), put on the
    disk, opened and counted before anything else is touched. With ``overwrite`` a file that is
    there is kept, as ``target.replaced``, with its log; nobody may have it open. ``digest`` is
    the SHA-256 that the copy must have, of the open form its manifest. Whatever stops it, the
    old file is there under one of both names, and what is at ``target`` is whole.

    With ``dry_run`` nothing is written: the copy is looked through where it is (of the open
    form: its manifest and the checksums), and what would be restored is returned.

    Raises:
        ConfigurationError: ``source`` is no plain file or folder, or ``target`` is not to be
            replaced.
        BackupFailed: the copy has another digest, or is not what its manifest says.
        DatabaseCorrupt: the copy is no DuckDB file, or is damaged.
        DatabaseAlreadyOpen: this process has ``target`` open.
        DatabaseLocked: another process has it open.
    """
    work = _examine if dry_run else _restore
    return await asyncio.to_thread(work, Path(source), Path(target), digest, overwrite)


def _require_possible(source: Path, target: Path, overwrite: bool) -> None:  # noqa: FBT001 - of restore()
    """Refuse what is no copy, or has no place to go to."""
    if source.is_symlink() or not (source.is_file() or source.is_dir()):
        raise ConfigurationError(
            f"{source} is no file or folder: restore() takes a copy that backup() made"
        )
    if target.exists():
        if not overwrite:
            raise ConfigurationError(f"{target} exists: pass overwrite=True to replace it")
        _require_closed(target)


def _examine(source: Path, target: Path, digest: str | None, overwrite: bool) -> Backup:  # noqa: FBT001 - of restore()
    _require_possible(source, target, overwrite)
    if source.is_dir():
        manifest, found = checked(source, digest)
        size = sum(table.size for table in manifest.tables)
        return Backup(target, size, found, manifest.rows)
    found = digest_of(source)
    require_digest(source, found, digest)
    return Backup(target, source.stat().st_size, found, _rows(source, source))


def _restore(source: Path, target: Path, digest: str | None, overwrite: bool) -> Backup:  # noqa: FBT001 - of restore()
    _require_possible(source, target, overwrite)
    draft = target.with_name(f"{target.name}.{uuid4().hex}.part")
    try:
        found, rows = (_built if source.is_dir() else _copied)(source, draft, digest)
        if target.exists():
            _require_closed(target)  # copying has taken its time
            _keep(target)
        draft.replace(target)
        sync_folder(target.parent)
    finally:
        for leftover in (draft, Path(f"{draft}.wal")):
            leftover.unlink(missing_ok=True)
    return Backup(target, target.stat().st_size, found, rows)


def _require_closed(target: Path) -> None:
    """Refuse a file that somebody has open.

    Raises:
        DatabaseAlreadyOpen: this process has.
        DatabaseLocked: another one has.
    """
    place = target.resolve()
    if any(database.path == place for database in registry):
        raise DatabaseAlreadyOpen(f"{target} is open in this process: close it first", path=target)
    descriptor = os.open(target, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        raise DatabaseLocked(
            f"another process has {target} open: stop it first", path=target
        ) from None
    finally:
        os.close(descriptor)


def _built(source: Path, draft: Path, digest: str | None) -> tuple[str, dict[str, int]]:
    """Make the draft from a backup of the open form; return the digest and the rows."""
    manifest, found = build(source, draft, digest)
    descriptor = os.open(draft, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return found, manifest.rows


def _copied(source: Path, draft: Path, digest: str | None) -> tuple[str, dict[str, int]]:
    """Make the draft from a copy of the file; return the digest and the rows."""
    _copy(source, draft)
    found = digest_of(draft)
    require_digest(source, found, digest)
    return found, _rows(draft, source)


def _copy(source: Path, draft: Path) -> None:
    with source.open("rb") as original, draft.open("xb") as copy:
        while piece := original.read(_PIECE):
            copy.write(piece)
        copy.flush()
        os.fsync(copy.fileno())


def _rows(draft: Path, source: Path) -> dict[str, int]:
    """Return the rows of each table of a copy, which proves that it can be read."""
    with duckdb.connect(":memory:") as raw:
        try:
            raw.execute(f"ATTACH {literal(str(draft))} AS copy (TYPE duckdb, READ_ONLY)")
            raw.execute("USE copy")
            return counted(raw)
        except duckdb.Error as error:
            raise opening_error(error, source) from error


def _keep(target: Path) -> None:
    """Give the old file a second name, with what belongs to it, before its first name is taken."""
    kept = first_free(target.with_name(f"{target.name}.replaced"))
    kept.hardlink_to(target)
    for suffix in _BESIDE:
        beside = Path(f"{target}{suffix}")
        if beside.exists():
            Path(f"{kept}{suffix}").hardlink_to(beside)
            beside.unlink()
    sync_folder(target.parent)
