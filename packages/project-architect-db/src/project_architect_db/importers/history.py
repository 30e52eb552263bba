"""The history of a clone, oldest first, in one pass over what git prints.

git compares each commit with its parent and counts lines; here its output is only
split. Merges come without files, as from ``git log`` itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from project_architect_db.importers.errors import CloneDamaged, EmptyRepository, HistoryRewritten

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence

    from project_architect_db.importers.plumbing import Git

__all__ = [
    "Commit",
    "FileChange",
    "Person",
    "Tips",
    "commit_count",
    "find_tips",
    "known_beside",
    "moment",
    "print_main_line",
    "read_history",
    "revisions",
    "shown",
    "tokens",
]

_START: Final = b"\x02"
_FIELDS: Final = "%H%x00%P%x00%aN%x00%aE%x00%at%x00%cN%x00%cE%x00%ct%x00%B"
_FIELD_COUNT: Final = _FIELDS.count("%x00") + 1
# What the configuration of a clone could say otherwise.
_PLAIN: Final = (
    *("--date-order", "--reverse", "--ignore-missing", "--stdin", "-z"),
    *("--no-abbrev", "--no-color", "--no-ext-diff", "--no-notes", "--no-relative"),
    *("--no-show-signature", "--no-textconv", "--diff-algorithm=myers"),
    *("--ignore-submodules=none", "--raw", f"--format=%x02{_FIELDS}"),
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST: Final = datetime(9999, 12, 31, tzinfo=UTC)
_FIRST: Final = datetime(1, 1, 1, tzinfo=UTC)
_COMMIT_ID: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_BLANK: Final = re.compile(r"\n[ \t]*\n")


class Person(NamedTuple):
    """Who made a commit, as ``.mailmap`` has it."""

    name: str
    email: str


class FileChange(NamedTuple):
    """What one commit did to one file.

    ``status`` is git's letter: A(dded), M(odified), D(eleted), R(enamed), T(ype). ``blob``
    is the id of the new content. ``added`` and ``removed`` are lines; None in a binary
    file, and where lines were not counted.
    """

    status: str
    raw_path: bytes
    blob: str
    mode: str
    raw_old_path: bytes | None = None
    added: int | None = None
    removed: int | None = None
    is_binary: bool = False

    @property
    def path(self) -> str:
        """The path as it is shown; what is no UTF-8 in it is replaced."""
        return shown(self.raw_path)

    @property
    def old_path(self) -> str | None:
        """The path before a rename."""
        return None if self.raw_old_path is None else shown(self.raw_old_path)


class Commit(NamedTuple):
    """One commit. ``is_on_head`` is false where only a tag leads to it."""

    id: str
    parents: tuple[str, ...]
    author: Person
    authored_at: datetime
    committer: Person
    committed_at: datetime
    subject: str
    body: str
    files: tuple[FileChange, ...]
    is_on_head: bool = True

    @property
    def is_merge(self) -> bool:
        """Whether it has several parents."""
        return len(self.parents) > 1


@dataclass(frozen=True, slots=True)
class Tips:
    """From where to where a history is read.

    ``tags`` are the commits that tags lead to, and ``digest`` stands for all of them.
    ``known`` is what the cursor of the last reading said: its HEAD, then the tags that this
    did not lead to; from those nothing is read again.
    """

    head: str
    tags: frozenset[str] = frozenset()
    known: tuple[str, ...] = ()
    known_digest: str = ""

    @property
    def digest(self) -> str:
        """What changes when a tag does."""
        return f"tags-{sha256(' '.join(sorted(self.tags)).encode()).hexdigest()[:16]}"

    @property
    def is_head_new(self) -> bool:
        """Whether HEAD has moved."""
        return self.head not in self.known[:1]

    @property
    def are_tags_new(self) -> bool:
        """Whether any tag may have changed."""
        return bool(self.tags) and self.digest != self.known_digest

    def cursor(self, beside: Iterable[str]) -> str:
        """Return what the next reading takes as ``since``, as one text.

        ``beside`` are the tags, among those that were read, that HEAD does not lead to.
        """
        side = sorted({*self.known[1:], *beside} - {self.head})
        return " ".join((self.head, *side, self.digest))


def shown(raw: bytes) -> str:
    r"""Return text as it can be shown and stored; what is no UTF-8 is replaced.

    >>> shown(b"caf\xe9")
    'caf\ufffd'
    """
    return raw.decode("utf-8", errors="replace")


def moment(seconds: bytes) -> datetime:
    """Return the time that git says, in UTC; 1970 where it is none, the last year at most.

    >>> moment(b"86400").isoformat()
    '1970-01-02T00:00:00+00:00'
    """
    try:
        return _EPOCH + timedelta(seconds=int(seconds))
    except OverflowError:
        return _FIRST if seconds.startswith(b"-") else _LAST
    except ValueError:
        return _EPOCH


def find_tips(git: Git, since: str | None = None) -> Tips:
    """Return what there is to read, after ``since``: a cursor, or the id of a commit.

    Raises:
        EmptyRepository: HEAD has no commit.
        CloneDamaged: HEAD has one that cannot be read.
        HistoryRewritten: ``since`` is no longer a part of the history of HEAD.
        ValueError: ``since`` is no id of a commit.
    """
    head = git.line("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    if not head:
        raise _no_head(git)
    known, digest = _parsed(since)
    if known and not git.agrees("merge-base", "--is-ancestor", known[0], head):
        raise HistoryRewritten(git.path, known[0], head)
    listed = git.run(
        "for-each-ref",
        "--format=%(objecttype) %(objectname)%0a%(*objecttype) %(*objectname)",
        "refs/tags",
    )
    lines = listed.decode().splitlines()
    tags = frozenset(line.split()[1] for line in lines if line.startswith("commit "))
    return Tips(head, tags, known, digest)


def _parsed(since: str | None) -> tuple[tuple[str, ...], str]:
    """Return the commits and the digest in a cursor."""
    parts = since.split() if since is not None else []
    digest = parts.pop() if parts[1:] and parts[-1].startswith("tags-") else ""
    if since is not None and not (parts and all(map(_COMMIT_ID.fullmatch, parts))):
        raise ValueError(f"since={since!r}: give the cursor of a reading, or a whole commit id")
    return tuple(parts), digest


def _no_head(git: Git) -> EmptyRepository | CloneDamaged:
    """Return what explains that HEAD has no commit."""
    named = git.line("rev-parse", "--verify", "--quiet", "HEAD")
    if named:
        reason = f"the commit {named[:12]} of its HEAD cannot be read; check it with 'git fsck'"
        return CloneDamaged(git.path, reason)
    branch = git.line("symbolic-ref", "--short", "HEAD")
    listed = git.line("for-each-ref", "--count=5", "--format=%(refname:short)", "refs/heads")
    if not listed:
        return EmptyRepository(git.path, "it has no commits yet")
    others = ", ".join(listed.splitlines())
    return EmptyRepository(
        git.path,
        f"its HEAD is the branch {branch!r}, which has no commits; there are {others}: "
        "'git symbolic-ref HEAD refs/heads/…' picks one",
    )


def commit_count(git: Git, tips: Tips) -> int:
    """Return how many commits are to be read."""
    return int(_listed(git, "--count", wanted=(tips.head, *tips.tags), known=tips.known))


def print_main_line(git: Git, tips: Tips) -> Generator[bytes]:
    """Yield the commits that HEAD leads to by first parents: what others were merged into.

    They come as git prints them, in lines.
    """
    return _printed(git, "--first-parent", wanted=(tips.head,), known=tips.known[:1])


def known_beside(git: Git, tips: Tips) -> frozenset[str]:
    """Return the commits that were read because of a tag, and not because of HEAD."""
    if not tips.known[1:]:
        return frozenset()
    listed = _listed(git, wanted=tips.known[1:], known=tips.known[:1])
    return frozenset(listed.decode().split())


def _listed(git: Git, *options: str, wanted: Sequence[str], known: Sequence[str]) -> bytes:
    return b"".join(_printed(git, *options, wanted=wanted, known=known))


def _printed(
    git: Git, *options: str, wanted: Sequence[str], known: Sequence[str]
) -> Generator[bytes]:
    given = revisions(wanted, known)
    return git.stream("rev-list", "--ignore-missing", "--stdin", *options, given=given)


def read_history(
    git: Git,
    wanted: Sequence[str],
    known: Sequence[str] = (),
    *,
    is_on_head: bool = True,
    with_lines: bool = True,
) -> Iterator[Commit]:
    """Yield each commit that ``wanted`` leads to, and ``known`` does not.

    Parents come before children, else the older ones first. ``with_lines`` needs all
    contents; without it no lines are counted, and only files that were moved as they are
    count as renamed.

    Raises:
        CloneDamaged: git cannot read on.
        ReadingInterrupted: git was ended from outside.
    """
    counted = ("--numstat", "--find-renames=50%") if with_lines else ("--find-renames=100%",)
    printed = git.stream("log", *_PLAIN, *counted, given=revisions(wanted, known))
    try:
        yield from _commits(tokens(printed), is_on_head=is_on_head)
    except _Garbled as error:
        reason = "git printed what it never prints; check it with 'git fsck'"
        raise CloneDamaged(git.path, reason) from error


def revisions(wanted: Iterable[str], known: Iterable[str]) -> bytes:
    """Return what git reads from where to where it is to go."""
    return "".join([*(f"{each}\n" for each in wanted), *(f"^{each}\n" for each in known)]).encode()


def tokens(chunks: Iterable[bytes]) -> Iterator[bytes]:
    r"""Yield what stands between the zeros, however it was cut.

    >>> list(tokens([b"a\0b", b"c", b"d\0", b"e"]))
    [b'a', b'bcd', b'e']
    """
    held: list[bytes] = []
    for chunk in chunks:
        first, *others = chunk.split(b"\0")
        held.append(first)
        if others:
            yield b"".join(held)
            yield from others[:-1]
            held = [others[-1]]
    rest = b"".join(held)
    if rest:
        yield rest


class _Garbled(Exception):
    """What git printed is not of the form that was asked for."""


def _commits(found: Iterator[bytes], *, is_on_head: bool) -> Iterator[Commit]:
    people = _People()
    token = next(found, None)
    while token is not None:
        header = [token, *islice(found, _FIELD_COUNT - 1)]
        if len(header) < _FIELD_COUNT or not token.startswith(_START):
            raise _Garbled(token)
        files, token = _changes(found)
        yield _commit(header, files, people, is_on_head=is_on_head)


class _People(dict[tuple[bytes, bytes], Person]):
    """Everybody so far, by name and address as git prints them."""

    def __missing__(self, printed: tuple[bytes, bytes]) -> Person:
        self[printed] = person = Person(shown(printed[0]), shown(printed[1]))
        return person


def _commit(
    header: list[bytes], files: tuple[FileChange, ...], people: _People, *, is_on_head: bool
) -> Commit:
    number, parents, name, email, time, committer, address, committed, message = header
    text = shown(message).strip("\n")
    head, *rest = _BLANK.split(text, maxsplit=1) if "\n" in text else (text,)
    authored_at = moment(time)
    return Commit(
        number[1:].decode(),
        tuple(parents.decode().split()),
        people[name, email],
        authored_at,
        people[committer, address],
        authored_at if committed == time else moment(committed),
        " ".join(head.split("\n")),
        "".join(rest).strip("\n"),
        files,
        is_on_head,
    )


def _changes(found: Iterator[bytes]) -> tuple[tuple[FileChange, ...], bytes | None]:
    """Return the files of one commit, and the token with which the next one starts."""
    raw: list[tuple[list[bytes], bytes, bytes | None]] = []
    lines: dict[bytes, tuple[bytes, bytes]] = {}
    token = next(found, None)
    while token is not None and not token.startswith(_START):
        entry = token.lstrip(b"\n")
        if entry.startswith(b":"):
            path, old = _next(found), None
            parts = entry.split(b" ")
            if parts[-1].startswith((b"R", b"C")):
                path, old = _next(found), path
            raw.append((parts, path, old))
        else:
            added, _, rest = entry.partition(b"\t")
            removed, _, path = rest.partition(b"\t")
            if not path:  # a rename: the old and the new one follow
                _next(found)
                path = _next(found)
            lines[path] = added, removed
        token = next(found, None)
    return tuple(_change(*each, lines.get(each[1])) for each in raw), token


def _next(found: Iterator[bytes]) -> bytes:
    token = next(found, None)
    if token is None:
        raise _Garbled
    return token


def _change(
    parts: list[bytes], path: bytes, old: bytes | None, lines: tuple[bytes, bytes] | None
) -> FileChange:
    _, mode, _, blob, status = parts
    letter = chr(status[0])
    if lines is None:
        return FileChange(letter, path, blob.decode(), mode.decode(), old)
    if lines[0] == b"-":
        return FileChange(letter, path, blob.decode(), mode.decode(), old, is_binary=True)
    added, removed = int(lines[0]), int(lines[1])
    return FileChange(letter, path, blob.decode(), mode.decode(), old, added, removed)
