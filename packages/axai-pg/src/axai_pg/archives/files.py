"""Archives as files: a folder, a ``.zip`` or a ``.tar.gz``, of files with names that we know."""

from __future__ import annotations

import io
import os
import re
import secrets
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

from andamios_orm.dialect.files import complete_file
from andamios_orm.exceptions import AndamiosError, ConfigurationError
from axai_pg.exceptions import ArchiveRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path
    from typing import IO, BinaryIO

__all__ = ["Files", "opened", "written"]

_NAME: Final = re.compile(r"[a-z_]+\.(?:json|ndjson)")
_FORMS: Final = "a folder, FILE.zip or FILE.tar.gz"
_PRIVATE: Final = 0o600
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


class Files(Protocol):
    """The files of an archive that is read."""

    def names(self) -> list[str]:
        """Return their names."""
        ...

    def open(self, name: str) -> IO[bytes]:
        """Return one of them, to be read."""
        ...


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
    if not target.absolute().parent.is_dir():
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
            yield lambda name: _spooled(tar, name, target.absolute().parent)
    elif target.suffix:
        raise ConfigurationError(f"{target} says no form of an archive: name {_FORMS}")
    else:
        yield from _folder(target)


def _folder(target: Path) -> Iterator[Callable[[str], AbstractContextManager[IO[bytes]]]]:
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    partial.mkdir(0o700)
    try:
        yield lambda name: _private_file(partial / name)
        partial.rename(target)
    except BaseException:
        shutil.rmtree(partial)
        raise


def _private_file(path: Path) -> BinaryIO:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _PRIVATE)
    return os.fdopen(descriptor, "wb")


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
def opened(source: Path) -> Iterator[Files]:
    """Yield the files of an archive; nothing of it is unpacked.

    Raises:
        ArchiveRefused: it is damaged, or has a file that no archive of ours has.
        ConfigurationError: it is not there.
    """
    if not source.exists():
        raise ConfigurationError(f"there is no archive {source}")
    try:
        with _opened(source) as files:
            names = files.names()
            strange = [name for name in names if _NAME.fullmatch(name) is None]
            if strange:
                raise ArchiveRefused(f"{source} has a file {strange[0]!r}, which is none of ours")
            twice = [name for name in names if names.count(name) > 1]
            if twice:
                raise ArchiveRefused(f"{source} has {twice[0]} twice")
            yield files
    except _BROKEN as error:
        if isinstance(error, AndamiosError | InterruptedError):
            raise  # it comes from what is done with the files
        raise ArchiveRefused(f"{source} cannot be read: {error}") from error


@contextmanager
def _opened(source: Path) -> Iterator[Files]:
    if source.is_dir():
        yield _Folder(source)
        return
    with source.open("rb") as file:
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as zip_:
                yield _Zip(zip_)
        else:
            file.seek(0)
            with tarfile.open(fileobj=file, mode="r:gz") as tar:
                yield _Tar(tar)


class _Folder:
    """Files of a folder; what is a link leads out of it, and is none."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> list[str]:
        for path in sorted(self._folder.iterdir()):
            if not stat.S_ISREG(path.lstat().st_mode):
                raise ArchiveRefused(f"{path} is no ordinary file")
        return sorted(path.name for path in self._folder.iterdir())

    def open(self, name: str) -> BinaryIO:
        return (self._folder / name).open("rb")


class _Zip:
    """Files of a zip."""

    def __init__(self, zip_: zipfile.ZipFile) -> None:
        self._zip = zip_

    def names(self) -> list[str]:
        return [entry.filename for entry in self._zip.infolist()]

    def open(self, name: str) -> IO[bytes]:
        return self._zip.open(name)


class _Tar:
    """Files of a tar; links and devices are none."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar

    def names(self) -> list[str]:
        for entry in self._tar:
            if not entry.isreg():
                raise ArchiveRefused(f"{entry.name!r} in the archive is no ordinary file")
        return self._tar.getnames()

    def open(self, name: str) -> IO[bytes]:
        return self._tar.extractfile(name) or io.BytesIO()
