"""The files of a clone at HEAD, as git has them; the working tree is not looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from project_architect_db.importers.errors import CloneDamaged
from project_architect_db.importers.history import shown, tokens

if TYPE_CHECKING:
    from collections.abc import Iterator

    from project_architect_db.importers.plumbing import Git

__all__ = ["Notice", "NoticeKind", "TreeFile", "is_inside", "read_tree"]

NoticeKind = Literal[
    "binary",
    "damaged",
    "encoding",
    "manifest",
    "outside",
    "partial",
    "payload",
    "shallow",
    "submodule",
    "symlink",
    "tag",
    "too large",
    "warning",
    "worktree",
]

_SYMLINK: Final = "120000"
_SUBMODULE: Final = "160000"


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that was left out or is not as usual; ``name`` is the file or the like."""

    kind: NoticeKind
    name: str
    text: str

    def __str__(self) -> str:
        """Return "docs/latest.md: a symbolic link is not followed"."""
        return f"{self.name}: {self.text}" if self.name else self.text


@dataclass(frozen=True, slots=True)
class TreeFile:
    """One file at HEAD; ``size`` is 0 where the content is not there."""

    raw_path: bytes
    blob: str
    mode: str
    size: int

    @property
    def path(self) -> str:
        """The path as it is shown."""
        return shown(self.raw_path)

    @property
    def is_symlink(self) -> bool:
        """Whether it only points to another file."""
        return self.mode == _SYMLINK

    @property
    def is_submodule(self) -> bool:
        """Whether it is the commit of another repository."""
        return self.mode == _SUBMODULE

    @property
    def oddity(self) -> Notice | None:
        """What keeps it from being read, if anything."""
        if self.is_submodule:
            return Notice("submodule", self.path, "a submodule is a project of its own")
        if not is_inside(self.raw_path):
            return Notice("outside", self.path, "its path leads out of the repository")
        if self.is_symlink:
            return Notice("symlink", self.path, "a symbolic link is not followed")
        return None


def is_inside(raw_path: bytes) -> bool:
    r"""Return whether a path stays inside of the folder it is joined to, on every system.

    >>> [is_inside(path) for path in (b"docs/a.md", b"../a.md", b"a\\..\\..\\b.md", b"C:/a.md")]
    [True, False, False, False]
    """
    parts = raw_path.replace(b"\\", b"/").split(b"/")
    if b":" in parts[0][1:2]:
        return False
    return not any(part in {b"", b".", b".."} or part.lower() == b".git" for part in parts)


def read_tree(git: Git, head: str) -> tuple[list[TreeFile], list[Notice]]:
    """Return the files at ``head``, and what is odd about the listing as a whole.

    Raises:
        CloneDamaged: git cannot list them.
        ReadingInterrupted: git was ended from outside.
    """
    listing = ("ls-tree", "-r", "-z", "--full-tree")
    try:
        listed = git.run(*listing, "--long", head)
    except CloneDamaged as error:
        files = [file for file, _ in _files(git.run(*listing, head))]
        return files, [Notice("damaged", "", f"sizes of files are unknown: {error.reason}")]
    found = list(_files(listed))
    text = "its content is missing or damaged"
    bad = [Notice("damaged", file.path, text) for file, size in found if size == b"BAD"]
    return [file for file, _ in found], bad


def _files(listed: bytes) -> Iterator[tuple[TreeFile, bytes]]:
    """Yield each file and what git says for its size, if anything."""
    for entry in tokens([listed]):
        about, _, path = entry.partition(b"\t")
        mode, _, blob, *said = about.split()
        size = b"".join(said)
        number = int(size) if size.isdigit() else 0
        yield TreeFile(path, blob.decode(), mode.decode(), number), size
