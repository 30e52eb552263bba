"""Files: the names and identity of a database's, whole ones, and where extensions lie."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import secrets
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Final

import duckdb

from andamios_orm.exceptions import MissingExtra

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

__all__ = [
    "alias_of",
    "complete_file",
    "extension_path",
    "first_free",
    "has_log",
    "identity_of",
    "own_files",
    "sync_folder",
]

_RESERVED_ALIASES: Final = frozenset(
    {"memory", "temp", "system", "main", "pg_catalog", "information_schema"}
)
_EXTENSION: Final = re.compile(r"[a-z][a-z0-9_]*\Z")


def identity_of(path: Path | None) -> tuple[int, int] | None:
    """Return device and inode of a file, which all its names share; None if there is none."""
    if path is None:
        return None
    try:
        status = os.stat(path)  # noqa: PTH116 - the fast form; it runs at every commit
    except OSError:
        return None
    return status.st_dev, status.st_ino


def alias_of(path: Path) -> str:
    """Return the name that DuckDB knows the database of ``path`` by."""
    alias = path.name.split(".", 1)[0] or path.name
    return f"{alias}_db" if alias.lower() in _RESERVED_ALIASES else alias


def own_files(path: Path | None) -> tuple[str, ...]:
    """Return the names that no statement may reach."""
    name = path.name.lower() if path is not None else ""
    return (name, f"{name}.wal", f"{name}.journal") if name else ()


def has_log(path: Path | None) -> bool:
    """Return whether there is something that opening will replay."""
    if path is None:
        return False
    log = Path(f"{path}.wal")
    return log.exists() and log.stat().st_size > 0


def extension_path(extension: str) -> str:
    """Return the file of an extension, given by path or by the name of its wheel."""
    if not _EXTENSION.match(extension):
        return str(Path(extension).resolve())
    found = importlib.util.find_spec(f"duckdb_extension_{extension}")
    if found is None or found.origin is None:
        raise MissingExtra(
            f"the DuckDB extension {extension!r} is not installed: "
            f"pip install duckdb-extension-{extension.replace('_', '-')}=={duckdb.__version__}"
        )
    folder = Path(found.origin).parent / "extensions" / f"v{duckdb.__version__}"
    return str(folder / f"{extension}.duckdb_extension")


def sync_folder(folder: Path) -> None:
    """Make the name of a file durable, which fsync of the file does not."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def complete_file(path: Path, *, mode: int = 0o666) -> Iterator[BinaryIO]:
    """Yield what is written to; it takes the place of ``path`` when all is, or is removed.

    Nobody has more permission for it than ``mode`` says, at any time.
    """
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with os.fdopen(os.open(partial, flags, mode), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def first_free(path: Path) -> Path:
    """Return ``path``, or the first of ``path-2``, ``path-3`` and so on that does not exist."""
    numbered = (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in count(2))
    return path if not path.exists() else next(each for each in numbered if not each.exists())
