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

import fcntl
import hashlib
import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from andamios_orm.dialect.files import sync_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Journal"]

_MAGIC = b"andamios journal 1\n\0\0\0\0\0"
_SHAPE = struct.Struct("<QQQQQ32s")
_BLOCK = struct.Struct("<Q")
_DIGEST_SIZE = 32
_LOG_SAMPLE = 2**20
"""Bytes of the log, at most, by which a journal knows its database."""

_PIECE = 4 * 2**20

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

    @property
    def in_place(self) -> bool:
        """Whether the name still leads to the file that DuckDB has open."""
        if self._source is None:
            return False
        try:
            return os.path.samestat(os.fstat(self._source), os.stat(self._database))  # noqa: PTH116
        except OSError:
            return False

    def copied(self) -> Iterator[bytes]:
        """Yield the bytes of the database, which nobody may write meanwhile.

        Any other way to read them would end DuckDB's lock on the file.
        """
        assert self._source is not None  # noqa: S101 - open() comes before
        place = 0
        while piece := os.pread(self._source, _PIECE, place):
            place += len(piece)
            yield piece

    def save(self, blocks: Sequence[int], block_size: int) -> None:
        """Copy headers and ``blocks``, in bytes of ``block_size``, so that they survive a crash.

        Raises:
            OSError: they could not be copied, for example because the disk is full.
        """
        assert self._source is not None  # noqa: S101 - open() comes before
        try:
            with self._draft.open("wb") as draft:
                digest = hashlib.blake2b(digest_size=_DIGEST_SIZE)
                for piece in self._pieces(self._source, blocks, block_size):
                    draft.write(piece)
                    digest.update(piece)
                draft.write(digest.digest())
                draft.flush()
                os.fsync(draft.fileno())
            self._draft.rename(self.path)
        except BaseException:
            self._draft.unlink(missing_ok=True)
            raise
        sync_folder(self.path.parent)

    def discard(self) -> None:
        """Forget what was saved: the checkpoint is complete, or has not begun."""
        self.path.unlink(missing_ok=True)

    def undo(self) -> bool:
        """Put back what a checkpoint that was cut short has overwritten; say whether it did.

        It comes before DuckDB opens the file. A file that another process has open is left
        alone; a journal of a file that is gone is removed.

        Raises:
            OSError: there is a journal, and it or the file cannot be used.
        """
        if not self.path.exists() and not self._draft.exists():
            return False
        try:
            target = os.open(self._database, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            self.discard()
            return False
        try:
            try:
                fcntl.lockf(target, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except (BlockingIOError, PermissionError):
                return False
            self._draft.unlink(missing_ok=True)
            undone = self._put_back(target)
            self.discard()
            return undone
        finally:
            os.close(target)

    def _put_back(self, target: int) -> bool:
        try:
            saved = self.path.read_bytes()
        except FileNotFoundError:
            return False
        body, digest = saved[:-_DIGEST_SIZE], saved[-_DIGEST_SIZE:]
        if not body.startswith(_MAGIC) or _digest(body) != digest:
            return False
        shape = _Shape(*_SHAPE.unpack_from(body, len(_MAGIC)))
        at = len(_MAGIC) + _SHAPE.size
        if not self._is_of(target, shape, body[at : at + HEADERS]):
            return False
        at += HEADERS
        for _ in range(shape.blocks):
            (block,) = _BLOCK.unpack_from(body, at)
            at += _BLOCK.size
            place = HEADERS + block * shape.block_size
            os.pwrite(target, body[at : at + shape.block_size], place)
            at += shape.block_size
        os.fsync(target)
        return True

    def _is_of(self, target: int, shape: _Shape, headers: bytes) -> bool:
        """Whether it was saved for this file, in the state in which that still is.

        The headers do not tell: those of two files can be the same. The log does, and
        without one, the file itself.
        """
        if os.pread(target, HEADERS, 0) != headers:
            return False
        if not shape.log_size:
            found = os.fstat(target)
            return (found.st_dev, found.st_ino) == (shape.device, shape.inode)
        return _digest(self._log_begin(shape.log_size)) == shape.log

    def _log_begin(self, size: int) -> bytes:
        """Return the first ``size`` bytes of the log, to the end of which DuckDB may add."""
        try:
            with Path(f"{self._database}.wal").open("rb") as log:
                return log.read(size)
        except FileNotFoundError:
            return b""

    def _pieces(self, source: int, blocks: Sequence[int], block_size: int) -> Iterator[bytes]:
        log = self._log_begin(_LOG_SAMPLE)
        status = os.fstat(source)
        shape = _Shape(
            block_size, len(blocks), status.st_dev, status.st_ino, len(log), _digest(log)
        )
        yield _MAGIC
        yield _SHAPE.pack(*shape)
        yield _read(source, HEADERS, 0)
        for block in blocks:
            yield _BLOCK.pack(block)
            yield _read(source, block_size, HEADERS + block * block_size)


class _Shape(NamedTuple):
    """What stands at the beginning of a journal."""

    block_size: int
    blocks: int
    device: int
    inode: int
    log_size: int
    log: bytes


def _read(source: int, size: int, place: int) -> bytes:
    found = os.pread(source, size, place)
    if len(found) != size:
        raise OSError(f"{len(found)} of {size} bytes at {place}: the file ends there")
    return found


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_DIGEST_SIZE).digest()
