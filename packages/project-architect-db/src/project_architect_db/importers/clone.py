"""A local clone as a whole: what a project is made from."""

from __future__ import annotations

import os
import re
import stat
from collections import deque
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import TYPE_CHECKING, Final, NamedTuple

from project_architect_db.importers.activity import (
    Activity,
    Branch,
    Release,
    Remote,
    read_branches,
    read_releases,
    read_remotes,
)
from project_architect_db.importers.ahead import read_beside
from project_architect_db.importers.architecture import Architecture, read_architecture
from project_architect_db.importers.blobs import Blobs
from project_architect_db.importers.documents import (
    MAX_DOCUMENT,
    DocumentIndex,
    decoded,
    is_document,
    merge_changes,
    print_merges,
    read_documents,
)
from project_architect_db.importers.errors import CloneDamaged
from project_architect_db.importers.history import (
    Tips,
    commit_count,
    find_tips,
    known_beside,
    print_main_line,
    read_history,
)
from project_architect_db.importers.phases import conversations
from project_architect_db.importers.plumbing import Git, open_git
from project_architect_db.importers.tree import Notice, TreeFile, read_tree

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from project_architect_db.importers.documents import DocumentVersion
    from project_architect_db.importers.history import Commit
    from project_architect_db.importers.phases import Conversation

__all__ = ["CloneReading", "first_paragraph", "read_clone"]

_LONGEST_NAME: Final = 255
_LONGEST_DESCRIPTION: Final = 5000
_UNNAMED: Final = "Unnamed repository"
_README: Final = re.compile(r"readme(?:\.(?:md|markdown|rst|txt))?", re.IGNORECASE)
# Lines of a readme that are no prose: headings, badges, pictures, rules, directives, tables.
_NO_PROSE: Final = re.compile(r"[#=~*_`|+-]{3,}\s*$|#|!?\[!?\[|!\[|<|\.\. |:\w+:|\||```")
_UNDERLINE: Final = re.compile(r"([=~^\"'*+#-])\1{2,}\s*")


class _Past(NamedTuple):
    """What is known once the history has been read."""

    activity: Activity
    documents: DocumentIndex
    cursor: str


@dataclass(slots=True)
class CloneReading:
    """A clone that was opened, and what can be read from it.

    ``commits``, ``conversations`` and ``documents`` are read while they are iterated,
    with bounded memory. Contributors, days, documents and ``cursor`` come from the history:
    the first of them that is asked for reads it, unless ``commits`` or ``conversations``
    has been iterated to its end. ``notices`` grows while reading; ``is_complete`` is false once
    something could not be read because the clone is damaged or partial.
    """

    path: Path
    name: str
    description: str
    readme: str
    branch: str | None
    is_bare: bool
    is_shallow: bool
    architecture: Architecture
    remotes: tuple[Remote, ...]
    branches: tuple[Branch, ...]
    releases: tuple[Release, ...]
    tips: Tips
    notices: list[Notice]
    _git: Git = field(repr=False)
    _files: list[TreeFile] = field(repr=False)
    _past: _Past | None = field(default=None, repr=False)

    @property
    def cursor(self) -> str:
        """Up to where it is read: what the next reading takes as ``since``."""
        return self._read().cursor

    @property
    def is_complete(self) -> bool:
        """Whether nothing was left out that should have been there."""
        return all(notice.kind != "damaged" for notice in self.notices)

    @property
    def activity(self) -> Activity:
        """Contributors and days of what is read."""
        return self._read().activity

    @property
    def removed_documents(self) -> tuple[str, ...]:
        """Documents that were deleted or renamed in what is read, by their old paths."""
        return self._read().documents.removed(self._files)

    def count_commits(self) -> int:
        """Return how many commits there are to read, for a progress bar."""
        return commit_count(self._git, self.tips)

    def commits(self) -> Iterator[Commit]:
        """Yield each commit, parents before children; at last those that only tags lead to.

        Where the contents of files cannot be read, it goes on without counting lines.

        Raises:
            CloneDamaged: git cannot read on.
            ReadingInterrupted: git was ended from outside.
        """
        git, tips = self._git, self.tips
        unseen = set(tips.tags)
        activity, index = Activity(), DocumentIndex()
        if tips.is_head_new:
            counted = known_beside(git, tips)  # and merged since
            with read_beside(print_merges(git, tips)) as merges:
                for commit in self._history([tips.head], tips.known[:1], is_on_head=True):
                    unseen.discard(commit.id)
                    index.add(commit)
                    if commit.id not in counted:
                        activity.add(commit)
                        yield commit
                index.add_merges(merge_changes([merges()]))
        beside = set()
        if tips.are_tags_new and unseen:
            for commit in self._history(sorted(unseen), [tips.head, *tips.known], is_on_head=False):
                beside.add(commit.id)
                activity.add(commit)
                yield commit
        self._past = _Past(activity, index, tips.cursor(unseen & beside))
        self._repeat_warnings()

    def conversations(self) -> Iterator[Conversation]:
        """Yield the commits as conversations, by the rules of ``phases``.

        Raises:
            CloneDamaged: git cannot read on.
            ReadingInterrupted: git was ended from outside.
        """
        commits = self.commits()
        with read_beside(print_main_line(self._git, self.tips)) as listed:
            first = list(islice(commits, 1))  # git has begun to compare
            main_line = frozenset(listed().decode().split())
        yield from conversations(chain(first, commits), main_line)

    def documents(self) -> Iterator[DocumentVersion]:
        """Yield the versions of each document at HEAD: by document, oldest first.

        Raises:
            CloneDamaged: git cannot read the history.
            ReadingInterrupted: git was ended from outside.
        """
        index = self._read().documents
        with Blobs(self._git) as blobs:
            yield from read_documents(blobs, self._files, index, self.notices)

    def _read(self) -> _Past:
        while self._past is None:
            deque(self.commits(), maxlen=0)
        return self._past

    def _history(
        self, wanted: Sequence[str], known: Sequence[str], *, is_on_head: bool
    ) -> Iterator[Commit]:
        """Yield a history; from where lines cannot be counted on, without them."""
        count = 0
        try:
            for commit in read_history(self._git, wanted, known, is_on_head=is_on_head):
                yield commit
                count += 1
        except CloneDamaged as error:
            text = f"lines are not counted in all commits: {error.reason}"
            self.notices.append(Notice("damaged", "", text))
        else:
            return
        rest = read_history(self._git, wanted, known, is_on_head=is_on_head, with_lines=False)
        yield from islice(rest, count, None)

    def _repeat_warnings(self) -> None:
        told = {notice.text for notice in self.notices}
        new = [line for line in dict.fromkeys(self._git.said) if line not in told]
        self.notices.extend(Notice("warning", "", line) for line in new)


def read_clone(path: Path, *, since: str | None = None) -> CloneReading:
    """Open the clone whose root ``path`` is, and return what it holds.

    A bare clone, a worktree, a shallow or partial clone will do. With ``since`` (the
    cursor of an earlier reading, or the id of a commit) only what came after is read;
    name, readme, architecture, releases, branches and remotes are always those of today.

    Raises:
        PathMissing: there is no such folder.
        GitMissing: git is not installed.
        NotARepository: it is no repository, or not its root.
        EmptyRepository: it has no commits.
        CloneDamaged: git cannot read it.
        HistoryRewritten: ``since`` is no longer a part of its history.
        ReadingInterrupted: git was ended from outside.
    """
    git = open_git(path)
    tips = find_tips(git, since)
    files, notices = read_tree(git, tips.head)
    releases, of_tags = read_releases(git)
    is_shallow = git.line("rev-parse", "--is-shallow-repository") == "true"
    oddities = filter(None, (each.oddity for each in files))
    notices += [*_state(git, is_shallow=is_shallow), *of_tags, *oddities]
    remotes = read_remotes(git)
    with Blobs(git) as blobs:
        architecture = read_architecture(blobs, files, notices)
        readme = _readme(blobs, files)
    return CloneReading(
        path=git.path,
        name=_name(git.path, architecture, remotes),
        description=_description(git, architecture, readme),
        readme=readme,
        branch=git.line("symbolic-ref", "--quiet", "--short", "HEAD") or None,
        is_bare=git.line("rev-parse", "--is-bare-repository") == "true",
        is_shallow=is_shallow,
        architecture=architecture,
        remotes=remotes,
        branches=read_branches(git),
        releases=releases,
        tips=tips,
        notices=notices,
        _git=git,
        _files=files,
    )


def _state(git: Git, *, is_shallow: bool) -> Iterator[Notice]:
    """Yield what is unusual about the clone as a whole."""
    if is_shallow:
        text = "it is a shallow clone: older history is not there; 'git fetch --unshallow' gets it"
        yield Notice("shallow", "", text)
    if git.agrees("config", "--local", "--get-regexp", r"^remote\..*\.promisor$"):
        text = "it is a partial clone: contents that were never fetched are left out"
        yield Notice("partial", "", text)
    own, common = git.run("rev-parse", "--git-dir", "--git-common-dir").splitlines()
    if own != common:
        yield Notice("worktree", "", "it is one of several worktrees of the same repository")


def _name(path: Path, architecture: Architecture, remotes: tuple[Remote, ...]) -> str:
    """Return the name of the manifest, of the remote, or of the folder."""
    origin = next((each for each in remotes if each.name == "origin"), None)
    last = re.split("[/:]", origin.url.rstrip("/"))[-1] if origin else ""
    names = (architecture.name.strip(), last.removesuffix(".git"), path.name.removesuffix(".git"))
    return next((name for name in names if name.strip(".")), "repository")[:_LONGEST_NAME]


def _readme(blobs: Blobs, files: list[TreeFile]) -> str:
    """Return the readme of the root folder, or nothing."""
    for file in files:
        if _README.fullmatch(file.path) and file.oddity is None and is_document(file.raw_path):
            content = blobs.read(file.blob, MAX_DOCUMENT).content
            return (decoded(content) if content else None) or ""
    return ""


def _description(git: Git, architecture: Architecture, readme: str) -> str:
    """Return what the manifest, the readme or git itself says that it is."""
    told = (architecture.description.strip(), first_paragraph(readme), _described(git))
    return next(filter(None, told), "")[:_LONGEST_DESCRIPTION]


def _described(git: Git) -> str:
    """Return what ``.git/description`` says; it may be anything, so it is opened with care."""
    folder = git.run("rev-parse", "--git-common-dir").decode().rstrip("\n")
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(git.path / folder / "description", flags)
    except OSError:
        return ""
    try:
        is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
        text = os.read(descriptor, _LONGEST_DESCRIPTION) if is_file else b""
    finally:
        os.close(descriptor)
    told = (decoded(text) or "").strip()
    return "" if told.startswith(_UNNAMED) else told


def first_paragraph(readme: str) -> str:
    r"""Return the first prose of a readme, in one line.

    >>> first_paragraph("Thing\n=====\n\n[![badge](x)](y)\n\nDoes *this*\nand that.")
    'Does *this* and that.'
    """
    for paragraph in re.split(r"\n[ \t]*\n", readme.replace("\r\n", "\n")):
        lines = paragraph.strip("\n").split("\n")
        if not paragraph.strip() or any(_UNDERLINE.fullmatch(line) for line in lines):
            continue
        if not any(_NO_PROSE.match(line.strip()) for line in lines):
            return " ".join(paragraph.split())
    return ""
