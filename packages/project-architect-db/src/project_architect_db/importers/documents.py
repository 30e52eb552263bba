"""The documents of a clone, each with its versions.

What a document is goes by its name (``is_document``): Markdown, reStructuredText and
text, and README, LICENSE and the like without an ending. Those that exist at HEAD are
documents; a version is each commit that changed one, under this name or one it was
renamed from. Merges count where their content is none of their parents' (somebody
resolved a conflict), so that the last version is what HEAD holds.
"""

from __future__ import annotations

import codecs
import re
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from project_architect_db.importers.history import (
    Commit,
    FileChange,
    revisions,
    shown,
    tokens,
)
from project_architect_db.importers.tree import Notice, NoticeKind, TreeFile, is_inside

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from project_architect_db.importers.blobs import Blob, Blobs
    from project_architect_db.importers.history import Tips
    from project_architect_db.importers.plumbing import Git

__all__ = [
    "MAX_DOCUMENT",
    "Document",
    "DocumentIndex",
    "DocumentType",
    "DocumentVersion",
    "decoded",
    "doc_type",
    "is_document",
    "is_regular",
    "merge_changes",
    "print_merges",
    "read_documents",
]

MAX_DOCUMENT: Final = 1 << 20
"""A version of more bytes than this is left out, and named."""

DocumentType = Literal["architecture", "api_spec", "deployment", "requirements", "readme", "other"]
"""What a document is about."""

_ENDINGS: Final = (".md", ".markdown", ".mdown", ".mkd", ".mdx", ".rst", ".rest", ".txt", ".text")
_BARE: Final = frozenset(
    (
        *("authors", "changelog", "changes", "code_of_conduct", "contributing", "copying"),
        *("history", "install", "license", "licence", "maintainers", "news", "notice"),
        *("readme", "roadmap", "security", "todo"),
    )
)
# Text by its ending, and read by a program.
_READ_BY_PROGRAMS: Final = re.compile(
    r"(?:cmakelists|robots|humans|ads|top_level|sources|entry_points|(?:.*[-_.])?requirements"
    r"(?:[-_.].*)?|(?:.*[-_.])?constraints(?:[-_.].*)?)\.txt"
)
_FOREIGN: Final = re.compile(
    r"(?:^|/)(?:node_modules|bower_components|vendor|third[-_]?party|site-packages|\.venv|venv)/"
)
_TYPES: Final[tuple[tuple[DocumentType, str], ...]] = (
    ("readme", r"(?:^|/)readme[^/]*$"),
    ("architecture", r"architect|(?:^|/)adrs?/|decision|(?:^|/|[-_])design"),
    ("api_spec", r"(?:^|[-_/.])(?:api|openapi|swagger|endpoints?|graphql)(?:[-_/.]|$)"),
    ("deployment", r"deploy|install|docker|kubernetes|helm|release|operations|runbook"),
    (
        "requirements",
        r"requirement|(?:^|[-_/])(?:specs?|prd|user[-_]stor|use[-_]case|roadmap|scope)",
    ),
)
_TYPE_PATTERNS: Final = tuple((kind, re.compile(pattern)) for kind, pattern in _TYPES)
_REGULAR: Final = frozenset({"100644", "100755", "100664"})
_PROBED: Final = 8000  # bytes in which git, too, looks for a zero
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True, slots=True)
class Document:
    """One document at HEAD. ``former_paths`` are its names before, the latest first.

    In an incremental reading only what is new is there.
    """

    path: str
    doc_type: DocumentType
    former_paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DocumentVersion:
    """One content of a document, and the commit that made it."""

    document: Document
    commit: str
    changed_at: datetime
    author: str
    email: str
    subject: str
    path: str
    blob: str
    content: str


class _Change(NamedTuple):
    """One commit's doing to one path; ``order`` is the commit's place in the history."""

    order: int
    status: str
    blob: str
    mode: str
    old_path: bytes | None


class _Source(NamedTuple):
    """What a version says about its commit."""

    commit: str
    changed_at: datetime
    author: str
    email: str
    subject: str


_Found = tuple[bytes, _Change, _Source]


@dataclass(slots=True)
class DocumentIndex:
    """Who changed which document; fed with the history, oldest first.

    It holds a few hundred bytes for each change of a document, and no contents.
    """

    _changes: dict[bytes, list[_Change]] = field(default_factory=lambda: defaultdict(list))
    _sources: list[_Source] = field(default_factory=list)
    _merges: dict[str, int] = field(default_factory=dict)  # their places among the sources
    _last: _Source | None = None
    _known: dict[bytes, bool] = field(default_factory=dict)  # whether a path is a document

    def add(self, commit: Commit) -> None:
        """Note what a commit did to documents; HEAD has to lead to it."""
        author, when = commit.author, commit.committed_at
        self._last = _Source(commit.id, when, author.name, author.email, commit.subject)
        touched = [each for each in commit.files if self._is_touched(each)]
        order = len(self._sources)
        if touched or commit.is_merge:
            self._sources.append(self._last)
        if commit.is_merge:
            self._merges[commit.id] = order
        for each in touched:
            self._changes[each.raw_path].append(_changed(each, order))

    def add_merges(self, merges: Mapping[str, Sequence[FileChange]]) -> None:
        """Note what merges themselves did, once all commits have been added."""
        changed = set()
        for commit, files in merges.items():
            for each in files:
                self._changes[each.raw_path].append(_changed(each, self._merges[commit]))
                changed.add(each.raw_path)
        for path in changed:
            self._changes[path].sort(key=lambda change: change.order)

    def _is_touched(self, change: FileChange) -> bool:
        old = change.raw_old_path
        return self._is_document(change.raw_path) or (old is not None and self._is_document(old))

    def _is_document(self, raw_path: bytes) -> bool:
        known = self._known.get(raw_path)
        if known is None:
            known = self._known[raw_path] = is_document(raw_path)
        return known

    def changes_of(self, file: TreeFile) -> list[_Found]:
        """Return what made a document what it is at HEAD, oldest first, across renames.

        Where branches were merged by leaving one of them out, the last change is not
        what HEAD has; HEAD then counts as one more.
        """
        found = self._followed(file.raw_path)
        if found and found[-1][1].blob != file.blob and self._last:
            change = _Change(len(self._sources), "M", file.blob, file.mode, None)
            found.append((file.raw_path, change, self._last))
        return found

    def _followed(self, raw_path: bytes) -> list[_Found]:
        found: list[_Found] = []
        path, before = raw_path, len(self._sources)
        while True:
            for change in reversed(self._changes.get(path, ())):
                if change.order >= before:
                    continue
                if change.status != "D":
                    found.append((path, change, self._sources[change.order]))
                if change.old_path is not None:
                    path, before = change.old_path, change.order
                    break
            else:
                return found[::-1]

    def removed(self, files: Iterable[TreeFile]) -> tuple[str, ...]:
        """Return the documents that were deleted, or renamed, and are not there at HEAD."""
        gone: set[bytes] = set()
        for path, changes in self._changes.items():
            gone.update(change.old_path for change in changes if change.old_path)
            if any(change.status == "D" for change in changes):
                gone.add(path)
        gone.difference_update(file.raw_path for file in files)
        return tuple(sorted(shown(path) for path in gone if is_document(path)))


def _changed(file: FileChange, order: int) -> _Change:
    return _Change(order, file.status, file.blob, file.mode, file.raw_old_path)


def is_document(raw_path: bytes) -> bool:
    """Return whether a file is a document, by its path.

    >>> [is_document(p) for p in (b"docs/a.md", b"README", b"requirements.txt", b"a.py")]
    [True, True, False, False]
    """
    path = shown(raw_path).lower()
    name = path.rpartition("/")[2]
    if _FOREIGN.search(path) or not is_inside(raw_path):
        return False
    if name.endswith(_ENDINGS):
        return not _READ_BY_PROGRAMS.fullmatch(name)
    return name in _BARE


def doc_type(path: str) -> DocumentType:
    """Return what kind of document it is, by the first rule that its path fulfils.

    >>> [doc_type(p) for p in ("README.md", "docs/adr/1.md", "docs/api.md", "notes.txt")]
    ['readme', 'architecture', 'api_spec', 'other']
    """
    lowered = path.lower()
    for kind, pattern in _TYPE_PATTERNS:
        if pattern.search(lowered):
            return kind
    return "other"


def is_regular(mode: str) -> bool:
    """Return whether a mode is that of a file with a content of its own."""
    return mode in _REGULAR


def decoded(content: bytes) -> str | None:
    r"""Return a content as text; None if it is binary.

    Text that is no UTF-8 is taken for Latin-1, in which each byte is some character.

    >>> decoded(b"caf\xe9"), decoded(b"\x00\x01")
    ('café', None)
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return content.decode(encoding, errors="replace").replace("\0", "\ufffd")
    if b"\0" in content[:_PROBED]:
        return None
    try:
        text = content.decode()
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    return text.replace("\0", "\ufffd")


def print_merges(git: Git, tips: Tips) -> Generator[bytes]:
    """Yield what ``merge_changes`` takes, as git prints it.

    Raises:
        CloneDamaged: git cannot read on.
        ReadingInterrupted: git was ended from outside.
    """
    options = ("--stdin", "--ignore-missing", "--merges", "-c", "--raw", "-z", "--no-abbrev")
    plain = ("--no-renames", "--no-color", "--no-show-signature", "--format=%x02%H")
    given = revisions((tips.head,), tips.known[:1])
    return git.stream("log", *options, *plain, given=given)


def merge_changes(printed: Iterable[bytes]) -> dict[str, list[FileChange]]:
    """Return what merges themselves did to documents: contents that no parent has."""
    merges: dict[str, list[FileChange]] = {}
    merge = ""
    found = tokens(printed)
    for token in found:
        if token.startswith(b"\x02"):
            merge = token[1:].decode()
        entry = token.lstrip(b"\n")
        if not entry.startswith(b":"):
            continue
        parts = entry.lstrip(b":").decode().split(" ")
        raw_path = next(found, b"")
        if is_document(raw_path):
            # Modes of n parents and of the result, their ids, and a letter for each parent.
            mode, blob, letter = parts[len(parts) // 2 - 1], parts[-2], parts[-1][0]
            merges.setdefault(merge, []).append(FileChange(letter, raw_path, blob, mode))
    return merges


def read_documents(
    blobs: Blobs, files: Iterable[TreeFile], index: DocumentIndex, notices: list[Notice]
) -> Iterator[DocumentVersion]:
    """Yield the versions of each document at HEAD that changed: by document, oldest first.

    What cannot be read is left out, and told in ``notices`` once for each document.

    Raises:
        ReadingInterrupted: git was ended from outside.
    """
    for file in files:
        if not is_document(file.raw_path) or not is_regular(file.mode):
            continue
        changes = index.changes_of(file)
        paths = [
            path for raw, change, _ in reversed(changes) for path in (raw, change.old_path) if path
        ]
        former = tuple(path for path in dict.fromkeys(map(shown, paths)) if path != file.path)
        document = Document(file.path, doc_type(file.path), former)
        told: set[NoticeKind] = set()
        # What was a symbolic link then has no content of its own.
        changes = [each for each in changes if is_regular(each[1].mode)]
        found = blobs.read_all([change.blob for _, change, _ in changes], MAX_DOCUMENT)
        for (raw_path, change, source), blob in zip(changes, found, strict=True):
            content = _content(blob)
            if isinstance(content, str):
                yield DocumentVersion(document, *source, shown(raw_path), change.blob, content)
            elif content.kind not in told:
                told.add(content.kind)
                where = f"{content.text} (first at {source.commit[:12]})"
                notices.append(replace(content, name=file.path, text=where))


def _content(found: Blob) -> str | Notice:
    """Return a content as text, or what keeps it from being shown."""
    if found.size is None:
        return Notice("damaged", "", "its content is missing or damaged")
    if found.content is None:
        return Notice("too large", "", f"versions of more than {MAX_DOCUMENT} bytes are left out")
    text = decoded(found.content)
    return Notice("binary", "", "it is binary") if text is None else text
