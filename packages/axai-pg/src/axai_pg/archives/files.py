"""Archives as files: a folder, a ``.zip`` or a ``.tar.gz``, of files with names that we know."""

from __future__ import annotations

import gzip
import io
import re
import secrets
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from andamios_orm.dialect.files import complete_file, sync_folder
from andamios_orm.exceptions import ConfigurationError
from axai_pg.exceptions import ArchiveRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path
    from typing import IO

__all__ = ["Files", "opened", "written"]

_NAME: Final = re.compile(r"[a-z_]+\.(?:json|ndjson)")
_FORMS: Final = "a folder, FILE.zip or FILE.tar.gz"
_PRIVATE: Final = 0o600
_LONGEST_HEADERS: Final = 2**20
_LONGEST_SHOWN: Final = 80
_BROKEN: Final = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    OSError,
)
"""What the libraries raise for a file that is not what its name says."""


@dataclass(frozen=True, slots=True)
class Files:
    """The files of an archive that is read: their names, and what is in each.

    Reading raises ``ArchiveRefused`` where the archive is damaged.
    """

    source: Path
    names: frozenset[str]
    _open: Callable[[str], IO[bytes]]

    def start(self, name: str, most: int) -> bytes:
        """Return what is in a file, or its first ``most`` bytes."""
        with _reading(self.source), self._open(name) as file:
            return file.read(most)

    def lines(self, name: str, longest: int) -> Iterator[bytes]:
        """Yield the lines of a file, each up to its end or to ``longest`` bytes."""
        with _reading(self.source), self._open(name) as file:
            while line := file.readline(longest):
                yield line


# ---- written ---------------------------------------------------------------------


@contextmanager
def written(target: Path) -> Iterator[Callable[[str], AbstractContextManager[IO[bytes]]]]:
    """Yield what adds a file; the archive has its name when all are, or is removed.

    Nobody but the owner may read it, at any time.

    Raises:
        ConfigurationError: there is something of that name; its end says no form.
    """
    if target.exists():
        raise ConfigurationError(f"{target} is there already: name another file")
    folder = target.absolute().parent
    if not folder.is_dir():
        raise ConfigurationError(f"there is no folder {target.parent}")
    if target.name.endswith(".zip"):
        with (
            complete_file(target, mode=_PRIVATE) as file,
            zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as zip_,
        ):
            yield lambda name: zip_.open(name, "w", force_zip64=True)
    elif target.name.endswith((".tar.gz", ".tgz")):
        with (
            complete_file(target, mode=_PRIVATE) as file,
            tarfile.open(fileobj=file, mode="w:gz") as tar,
        ):
            yield lambda name: _spooled(tar, name, folder)
    elif target.suffix:
        raise ConfigurationError(f"{target} says no form of an archive: name {_FORMS}")
    else:
        yield from _folder(target)
    sync_folder(folder)


def _folder(target: Path) -> Iterator[Callable[[str], AbstractContextManager[IO[bytes]]]]:
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    partial.mkdir(0o700)
    try:
        yield lambda name: complete_file(partial / name, mode=_PRIVATE)
        sync_folder(partial)
        partial.rename(target)
    except BaseException:
        shutil.rmtree(partial)
        raise


@contextmanager
def _spooled(tar: tarfile.TarFile, name: str, folder: Path) -> Iterator[IO[bytes]]:
    """Yield a file beside the archive, which says before it how long it is."""
    with tempfile.TemporaryFile(dir=folder) as file:
        yield file
        entry = tarfile.TarInfo(name)
        entry.mode = _PRIVATE
        entry.size = file.tell()
        file.seek(0)
        tar.addfile(entry, file)


# ---- read ------------------------------------------------------------------------


@contextmanager
def opened(source: Path, *, most: int) -> Iterator[Files]:
    """Yield the files of an archive, ``most`` at most; nothing of it is unpacked.

    Raises:
        ArchiveRefused: it is damaged, or has a file that no archive of ours has.
        ConfigurationError: it is not there.
    """
    if not source.exists():
        raise ConfigurationError(f"there is no archive {source}")
    with ExitStack() as stack:
        with _reading(source):
            names, open_one = stack.enter_context(_opened(source))
            found = frozenset(_known(source, names, most))
        yield Files(source, found, open_one)


@contextmanager
def _reading(source: Path) -> Iterator[None]:
    """Say of what cannot be read that it is the archive.

    Raises:
        ArchiveRefused: it cannot be read.
    """
    try:
        yield
    except _BROKEN as error:
        raise ArchiveRefused(f"{source} cannot be read: {error}") from error


def _known(source: Path, names: Iterable[str], most: int) -> set[str]:
    """Return the names, of which no more are read than an archive of ours has."""
    found: set[str] = set()
    for name in names:
        if _NAME.fullmatch(name) is None:
            shown = name if len(name) <= _LONGEST_SHOWN else f"{name[:_LONGEST_SHOWN]}..."
            raise ArchiveRefused(f"{source} has a file {shown!r}, which is none of ours")
        if name in found:
            raise ArchiveRefused(f"{source} has {name} twice")
        found.add(name)
        if len(found) > most:
            raise ArchiveRefused(f"{source} has more than {most} files: it is none of ours")
    return found


@contextmanager
def _opened(source: Path) -> Iterator[tuple[Iterable[str], Callable[[str], IO[bytes]]]]:
    """Yield the names of the files, read as they are asked for, and what opens one."""
    if source.is_dir():
        yield _names_of_folder(source), lambda name: (source / name).open("rb")
        return
    with source.open("rb") as file:
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as zip_:
                yield (entry.filename for entry in zip_.infolist()), zip_.open
            return
        file.seek(0)
        with (
            _Unpacked(fileobj=file) as unpacked,
            tarfile.open(fileobj=unpacked, mode="r:") as tar,
        ):
            yield _names_of_tar(tar, unpacked), lambda name: tar.extractfile(name) or io.BytesIO()


def _names_of_folder(folder: Path) -> Iterator[str]:
    """Yield the names; what is a link leads out of it, and is none."""
    for path in folder.iterdir():
        if not stat.S_ISREG(path.lstat().st_mode):
            raise ArchiveRefused(f"{path} is no ordinary file")
        yield path.name


def _names_of_tar(tar: tarfile.TarFile, unpacked: _Unpacked) -> Iterator[str]:
    """Yield the names; links, devices and files with holes are none."""
    for entry in tar:
        if not entry.isreg() or entry.issparse():
            raise ArchiveRefused(f"{entry.name!r} in the archive is no ordinary file")
        yield entry.name
    unpacked.headers_left = None


class _Unpacked(gzip.GzipFile):
    """The bytes of a ``.tar.gz``; a header says how long it is, and tarfile reads it whole."""

    headers_left: int | None = _LONGEST_HEADERS
    """How much may be read until all headers are; None then."""

    def read(self, size: int | None = -1) -> bytes:
        """Return so many bytes.

        Raises:
            ArchiveRefused: headers are longer than those of an archive of ours.
        """
        if self.headers_left is not None:
            if size is None or not 0 <= size <= self.headers_left:
                raise ArchiveRefused(
                    f"the headers of the archive are longer than {_LONGEST_HEADERS} bytes"
                )
            self.headers_left -= size
        return super().read(size)
