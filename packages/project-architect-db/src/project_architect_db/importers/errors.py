"""What can be wrong with a clone that is to be read, in one tree.

Each error names the clone and what to do about it::

    AndamiosError
    └── CloneRefused                        attributes: path, reason
        ├── PathMissing                     FileNotFoundError
        ├── GitMissing                      FileNotFoundError
        ├── NotARepository                  ValueError
        ├── EmptyRepository                 ValueError
        ├── CloneDamaged                    OSError
        ├── HistoryRewritten                LookupError
        └── ReadingInterrupted              InterruptedError
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from andamios_orm.exceptions import AndamiosError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "CloneDamaged",
    "CloneRefused",
    "EmptyRepository",
    "GitMissing",
    "HistoryRewritten",
    "NotARepository",
    "PathMissing",
    "ReadingInterrupted",
]


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
