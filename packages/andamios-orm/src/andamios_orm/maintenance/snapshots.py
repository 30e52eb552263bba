"""A copy that other programs may read while a service goes on with the database."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from andamios_orm.dialect.files import sync_folder
from andamios_orm.exceptions import ConfigurationError
from andamios_orm.maintenance.backups import Backup, backup

if TYPE_CHECKING:
    from collections.abc import Callable

    from andamios_orm.core import Database

__all__ = ["snapshot"]

_READ_ONLY: Final = 0o444
_WRITABLE: Final = 0o222


async def snapshot(
    database: Database,
    target: str | Path,
    *,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Backup:
    """Return a copy of a DuckDB file at ``target`` that can only be read.

    It is a ``backup()``, made while others write. DuckDB opens it with ``read_only``. With
    ``overwrite`` it takes the place of the snapshot that was there, at one moment; who reads
    that one goes on with it.

    Raises:
        ConfigurationError: the database is no DuckDB file; or ``target`` exists and is not to
            be replaced, or is no snapshot.
        BackupFailed: the copy is not what was copied.
    """
    place = Path(target)
    _require_free(place, overwrite=overwrite)
    draft = place.with_name(f"{place.name}.{uuid4().hex}.snapshot")
    try:
        copy = await backup(database, draft, progress=progress)
        naming = asyncio.ensure_future(asyncio.to_thread(_name, draft, place, overwrite=overwrite))
        try:
            await asyncio.shield(naming)
        except asyncio.CancelledError:
            await asyncio.wait([naming])
            raise
    finally:
        draft.unlink(missing_ok=True)
    return replace(copy, path=place)


def _require_free(place: Path, *, overwrite: bool) -> None:
    """Refuse a place where something is that is not to be lost.

    Raises:
        ConfigurationError: there is.
    """
    if not place.exists() and not place.is_symlink():
        return
    if not overwrite:
        raise ConfigurationError(
            f"{place} exists: overwrite=True (--replace) lets a snapshot take its place"
        )
    if place.is_symlink() or not place.is_file() or place.stat().st_mode & _WRITABLE:
        raise ConfigurationError(
            f"{place} is no snapshot, for it can be written: remove it, or name another place"
        )


def _name(draft: Path, place: Path, *, overwrite: bool) -> None:
    """Give the copy its name, once nobody can write it."""
    descriptor = os.open(draft, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fchmod(descriptor, _READ_ONLY)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if overwrite:
        _require_free(place, overwrite=True)  # copying has taken its time
        draft.replace(place)
    else:
        place.hardlink_to(draft)  # which overwrites nothing
    sync_folder(place.parent)
