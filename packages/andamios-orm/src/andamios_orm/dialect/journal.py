"""What undoes a checkpoint that was cut short.

A checkpoint of DuckDB 1.5 writes blocks of its metadata again *in place*, and
its header after that. A process that is killed during such a write leaves a
block that is half old and half new, and DuckDB refuses the file. So the blocks
are copied to a file beside it first. Whoever opens the database next and finds
this journal, with the header still the old one, puts the old blocks back: then
the file is as it was before the checkpoint, and the log replays the rest.

It is the rollback journal of SQLite (https://www.sqlite.org/atomiccommit.html),
for the few blocks that DuckDB does not write to a new place.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Journal"]

_MAGIC = b"andamios journal 1\n\0\0\0\0\0"
_SHAPE = struct.Struct("<QQ")
_BLOCK = struct.Struct("<Q")
_DIGEST_SIZE = 32

HEADERS = 3 * 4096
"""Bytes before block 0: DuckDB's main header and the two that it writes in turn."""


class Journal:
    """The journal of one database file.

    It holds a descriptor of the database while that is open: to close one drops
    the lock that DuckDB has on the file (POSIX locks belong to the process).
    """

    def __init__(self, database: Path) -> None:
        """Name the file of the database; nothing is opened."""
        self.path = Path(f"{database}.journal")
        self._database = database
        self._draft = Path(f"{self.path}.new")
        self._source: int | None = None

    def open(self) -> None:
        """Get ready to read the database, which DuckDB has open now."""
        if self._source is None:
            self._source = os.open(self._database, os.O_RDONLY | os.O_CLOEXEC)

    def close(self) -> None:
        """Let go of the database, which DuckDB has closed."""
        source, self._source = self._source, None
        if source is not None:
            os.close(source)

    def save(self, blocks: Iterable[int], block_size: int) -> None:
        """Copy headers and ``blocks``, in bytes of ``block_size``, so that they survive a crash.

        Raises:
            OSError: they could not be copied, for example because the disk is full.
        """
        assert self._source is not None  # noqa: S101 - open() comes before
        numbers = list(blocks)
        try:
            with self._draft.open("wb") as draft:
                digest = hashlib.blake2b(digest_size=_DIGEST_SIZE)
                for piece in self._pieces(self._source, numbers, block_size):
                    draft.write(piece)
                    digest.update(piece)
                draft.write(digest.digest())
                draft.flush()
                os.fsync(draft.fileno())
            self._draft.rename(self.path)
        except BaseException:
            self._draft.unlink(missing_ok=True)
            raise
        _sync_folder(self.path.parent)

    def discard(self) -> None:
        """Forget what was saved: the checkpoint is complete, or has not begun."""
        self.path.unlink(missing_ok=True)

    def undo(self) -> bool:
        """Put back what a checkpoint that was cut short has overwritten; say whether it did.

        It comes before DuckDB opens the file. A file that another process has open is left alone.
        """
        self._draft.unlink(missing_ok=True)
        if not self.path.exists():
            return False
        try:
            target = os.open(self._database, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            with contextlib.suppress(BlockingIOError, PermissionError):
                fcntl.lockf(target, fcntl.LOCK_EX | fcntl.LOCK_NB)
                undone = self._put_back(target)
                self.discard()
                return undone
            return False
        finally:
            os.close(target)

    def _put_back(self, target: int) -> bool:
        saved = self.path.read_bytes()
        body, digest = saved[:-_DIGEST_SIZE], saved[-_DIGEST_SIZE:]
        start = len(_MAGIC) + _SHAPE.size
        if (
            not body.startswith(_MAGIC)
            or hashlib.blake2b(body, digest_size=_DIGEST_SIZE).digest() != digest
            or os.pread(target, HEADERS, 0) != body[start : start + HEADERS]
        ):
            return False
        block_size, count = _SHAPE.unpack_from(body, len(_MAGIC))
        at = start + HEADERS
        for _ in range(count):
            (block,) = _BLOCK.unpack_from(body, at)
            at += _BLOCK.size
            os.pwrite(target, body[at : at + block_size], HEADERS + block * block_size)
            at += block_size
        os.fsync(target)
        return True

    @staticmethod
    def _pieces(source: int, blocks: list[int], block_size: int) -> Iterator[bytes]:
        yield _MAGIC
        yield _SHAPE.pack(block_size, len(blocks))
        yield os.pread(source, HEADERS, 0)
        for block in blocks:
            yield _BLOCK.pack(block)
            yield os.pread(source, block_size, HEADERS + block * block_size)


def _sync_folder(folder: Path) -> None:
    """Make the name of a file durable, which fsync of the file does not."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
