"""Files below one folder, which no path leads out of: neither by its name nor by a link."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from andamios_orm.models.paths import checked_path
from project_architect_db.exceptions.validation import FileRefused

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["LARGEST", "Root"]

LARGEST: Final = 16 * 2**20
"""Bytes of a file that is read as a document."""
_FOLDER: Final = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
_FILE: Final = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)


class Root:
    """A folder whose files are read and written by paths below it.

    Each folder on the way is opened by itself, and none of them may be a link, so that
    nobody can put one there between a check and its use.
    """

    def __init__(self, folder: Path | str) -> None:
        """Work below ``folder``, which has to be there when a file is read or written."""
        self.folder = Path(folder)

    def read(self, path: str) -> str:
        """Return the text of a file.

        Raises:
            ValueRefused: the path is none below a folder.
            FileRefused: there is no such file, it is too large, or no text in UTF-8.
        """
        with self._parent(path, make=False) as (folder, name), _named(path):
            file = os.open(name, _FILE, dir_fd=folder)
            with os.fdopen(file, "rb") as opened:
                if not stat.S_ISREG(os.fstat(file).st_mode):
                    raise FileRefused(path, "it is no ordinary file")
                content = opened.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise FileRefused(path, f"it has more than {LARGEST:,} bytes")
        try:
            return content.decode()
        except UnicodeDecodeError:
            raise FileRefused(path, "it is no text in UTF-8") from None

    def write(self, path: str, text: str) -> int:
        """Return how many bytes a file has now, which is written whole or not at all.

        Raises:
            ValueRefused: the path is none below a folder.
            FileRefused: a folder on its way is a link, or it cannot be written.
        """
        content = text.encode()
        with self._parent(path, make=True) as (folder, name), _named(path):
            part = f".{secrets.token_hex(8)}.part"
            file = os.open(part, _NEW, 0o666, dir_fd=folder)
            try:
                with os.fdopen(file, "wb") as opened:
                    opened.write(content)
                    opened.flush()
                    os.fsync(file)
                os.replace(part, name, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                with suppress(OSError):
                    os.unlink(part, dir_fd=folder)
                raise
        return len(content)

    @contextmanager
    def _parent(self, path: str, *, make: bool) -> Iterator[tuple[int, str]]:
        """Yield the folder of a file, opened, and the name of the file in it."""
        *folders, name = checked_path(path).split("/")
        with _named(path):
            opened = os.open(self.folder, os.O_RDONLY)
        try:
            for folder in folders:
                with _named(path):
                    if make:
                        with suppress(FileExistsError):
                            os.mkdir(folder, dir_fd=opened)
                    inner = _opened(folder, opened)
                os.close(opened)
                opened = inner
            yield opened, name
        finally:
            os.close(opened)


def _opened(folder: str, outer: int) -> int:
    """Return a folder in ``outer``, opened; of a link it is said that it is one."""
    try:
        return os.open(folder, _FOLDER, dir_fd=outer)
    except NotADirectoryError as error:
        if stat.S_ISLNK(os.stat(folder, dir_fd=outer, follow_symlinks=False).st_mode):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP)) from error
        raise


@contextmanager
def _named(path: str) -> Iterator[None]:
    """Name the path, below the root, in the errors of the system."""
    try:
        yield
    except FileRefused:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno == errno.ELOOP:
            reason = "a link on its way is not followed"
        raise FileRefused(path, reason[:1].lower() + reason[1:]) from error
