"""What can be wrong with a clone or a file that is to be read, in one tree.

Each error names what was read and what to do about it::

    AndamiosError
    ├── CloneRefused                        attributes: path, reason
    │   ├── PathMissing                     FileNotFoundError
    │   ├── GitMissing                      FileNotFoundError
    │   ├── NotARepository                  ValueError
    │   ├── EmptyRepository                 ValueError
    │   ├── CloneDamaged                    OSError
    │   ├── HistoryRewritten                LookupError
    │   └── ReadingInterrupted              InterruptedError
    └── SourceRefused                       attributes: source, reason
        ├── SourceMissing                   OSError
        ├── FormatUnknown                   ValueError: known
        ├── EncodingRefused                 ValueError: encoding, offset
        ├── SourceDamaged                   ValueError: line
        ├── NamesRefused                    ValueError: names, known
        └── RowsRefused                     ValueError: errors, count
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final, NamedTuple

from andamios_orm.exceptions import AndamiosError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

__all__ = [
    "CloneDamaged",
    "CloneRefused",
    "EmptyRepository",
    "EncodingRefused",
    "FormatUnknown",
    "GitMissing",
    "HistoryRewritten",
    "NamesRefused",
    "NotARepository",
    "PathMissing",
    "ReadingInterrupted",
    "RowError",
    "RowsRefused",
    "SourceDamaged",
    "SourceMissing",
    "SourceRefused",
    "nearest",
]

_LISTED: Final = 10


class CloneRefused(AndamiosError):
    """A clone cannot be read. Attributes: ``path``, ``reason``."""

    def __init__(self, path: Path, reason: str) -> None:
        """Keep which clone it is, and why."""
        self.path = path
        self.reason = reason
        super().__init__(path, reason)

    def __str__(self) -> str:
        """Return "folder/of/clone: it has no commits"."""
        return f"{self.path}: {self.reason}"


class PathMissing(CloneRefused, FileNotFoundError):
    """There is no folder under this path."""


class GitMissing(CloneRefused, FileNotFoundError):
    """The program ``git`` is not installed, or not on the PATH."""


class NotARepository(CloneRefused, ValueError):
    """The folder is there, and is not the root of a git repository."""


class EmptyRepository(CloneRefused, ValueError):
    """The repository is there, and its HEAD has no commit."""


class CloneDamaged(CloneRefused, OSError):
    """git cannot read what the repository should hold, or never answers."""


class HistoryRewritten(CloneRefused, LookupError):
    """The commit up to which the clone was read is no longer part of its history.

    Attributes: ``known`` (that commit), ``head`` (the present one).
    """

    def __init__(self, path: Path, known: str, head: str) -> None:
        """Keep both commits."""
        self.known = known
        self.head = head
        super().__init__(
            path,
            f"commit {known[:12]}, up to which it was read, no longer leads to HEAD ({head[:12]}): "
            "its history was rewritten or cut, or HEAD is another branch; import it anew",
        )

    def __reduce__(self) -> tuple[type[HistoryRewritten], tuple[Path, str, str]]:
        """Pickle by what it was made of, which is not what its message holds."""
        return type(self), (self.path, self.known, self.head)


class ReadingInterrupted(CloneRefused, InterruptedError):
    """git was ended from outside while it was being read."""


# ---- files of rows -----------------------------------------------------------------------


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ", did you mean 'name'?", or nothing where no known name is near.

    >>> nearest("nmae", ["name", "status"])
    ", did you mean 'name'?"
    """
    found = difflib.get_close_matches(name.lower(), list(known), n=2)
    return f", did you mean {' or '.join(map(repr, found))}?" if found else ""


class RowError(NamedTuple):
    """What is wrong with a row of a file: rows and lines are counted from 1.

    ``row`` is None where it is about every row, ``line`` where the format has no lines.
    """

    row: int | None
    line: int | None
    field: str
    message: str
    value: object = None

    def __str__(self) -> str:
        """Return "row 3 (line 4), name: it has 300 characters"."""
        where = "every row" if self.row is None else f"row {self.row}"
        where += "" if self.line is None else f" (line {self.line})"
        where += f", {self.field}" if self.field else ""
        return f"{where}: {self.message}"


class SourceRefused(AndamiosError):
    """A file or stream cannot be imported; nothing was stored. Attributes: ``source``, ``reason``.

    ``source`` is the path, or the name of the stream.
    """

    def __init__(self, source: str, reason: str) -> None:
        """Keep which file it is, and why."""
        self.source = source
        self.reason = reason
        super().__init__(source, reason)

    def __str__(self) -> str:
        """Return "projects.csv: there is no such file"."""
        return f"{self.source}: {self.reason}"


class SourceMissing(SourceRefused, OSError):
    """The file is not there, is none, or cannot be read."""


class FormatUnknown(SourceRefused, ValueError):
    """It is of no known format. Attribute: ``known``."""

    def __init__(self, source: str, reason: str, known: Sequence[str] = ()) -> None:
        """Keep the formats there are."""
        super().__init__(source, reason)
        self.known = tuple(known)


class EncodingRefused(SourceRefused, ValueError):
    """A text is in another encoding. Attributes: ``encoding``, ``offset`` (in bytes, from 0)."""

    def __init__(self, source: str, reason: str, encoding: str = "", offset: int = 0) -> None:
        """Keep which encoding it is not, and where that shows."""
        super().__init__(source, reason)
        self.encoding = encoding
        self.offset = offset


class SourceDamaged(SourceRefused, ValueError):
    """It is not what its format says. Attribute: ``line`` (None where there are no lines)."""

    def __init__(self, source: str, reason: str, line: int | None = None) -> None:
        """Keep where that shows."""
        super().__init__(source, reason if line is None else f"line {line}: {reason}")
        self.line = line


class NamesRefused(SourceRefused, ValueError):
    """Columns or fields have names that mean nothing. Attributes: ``names``, ``known``."""

    def __init__(
        self, source: str, reason: str, names: Sequence[str] = (), known: Sequence[str] = ()
    ) -> None:
        """Keep the names, and those there are."""
        super().__init__(source, reason)
        self.names = tuple(names)
        self.known = tuple(known)


class RowsRefused(SourceRefused, ValueError):
    """Rows are wrong. Attributes: ``errors`` (the first of them), ``count`` (of all)."""

    def __init__(self, source: str, errors: Sequence[RowError], count: int, left: str = "") -> None:
        """Keep the errors, and how many there are; ``left`` says what is stored all the same."""
        self.errors = tuple(errors)
        self.count = count
        listed = "; ".join(map(str, self.errors[:_LISTED]))
        more = f"; and {count - _LISTED} more" if count > _LISTED else ""
        values = "value is" if count == 1 else "values are"
        super().__init__(
            source, f"{count} {values} refused, {left or 'nothing was stored'}: {listed}{more}"
        )
