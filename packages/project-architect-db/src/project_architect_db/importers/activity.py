"""Who worked on a clone and when, and what its references say: tags, branches, remotes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from project_architect_db.importers.history import moment, shown
from project_architect_db.importers.tree import Notice

if TYPE_CHECKING:
    from datetime import date, datetime

    from project_architect_db.importers.history import Commit
    from project_architect_db.importers.plumbing import Git

__all__ = [
    "Activity",
    "Branch",
    "Contributor",
    "Day",
    "Release",
    "Remote",
    "read_branches",
    "read_releases",
    "read_remotes",
    "web_address",
    "without_credentials",
]

_VERSION: Final = re.compile(r"(?:.*[^0-9a-z])?v?\d+(?:[._]\d+)+.*", re.IGNORECASE)
_BAD_PORT: Final = re.compile(r":(?!\d*$)[^@\]]*$")
_SCP: Final = re.compile(r"(?:[^@/\s]+@)?(?P<host>[^:/\s]{2,}):(?P<path>[^/].*)")
_WEB_HOSTS: Final = re.compile(r"(?:^|\.)(?:github|gitlab|bitbucket|codeberg|gitea|sr)\b")


@dataclass(frozen=True, slots=True)
class Contributor:
    """One author, known by e-mail address; ``name`` is the one used last."""

    email: str
    name: str
    commits: int
    added: int
    removed: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Day:
    """What was done on one day (UTC) by ``authors`` (e-mail addresses)."""

    day: date
    commits: int
    added: int
    removed: int
    authors: frozenset[str]


@dataclass(frozen=True, slots=True)
class Release:
    """One tag that leads to a commit; ``is_version`` if its name looks like one."""

    name: str
    commit: str
    released_at: datetime
    tagger: str
    message: str
    is_version: bool


@dataclass(frozen=True, slots=True)
class Branch:
    """One branch of the clone, or one of a remote as it was seen last."""

    name: str
    commit: str
    changed_at: datetime
    is_head: bool
    is_remote: bool


@dataclass(frozen=True, slots=True)
class Remote:
    """Where a clone came from, without passwords. ``web`` is its page, if that is known."""

    name: str
    url: str
    web: str | None


@dataclass(slots=True, kw_only=True)
class _Sum:
    """What is added up for one author or one day."""

    commits: int = 0
    added: int = 0
    removed: int = 0

    def add(self, added: int, removed: int) -> None:
        """Count one commit."""
        self.commits += 1
        self.added += added
        self.removed += removed


@dataclass(slots=True)
class _Author(_Sum):
    """One author so far."""

    name: str
    first_at: datetime
    last_at: datetime


@dataclass(slots=True)
class _Day(_Sum):
    """One day so far."""

    emails: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Activity:
    """Contributors and days, counted while the history passes by.

    Times are those at which a commit was written, not those at which it was rebased.
    E-mail addresses count as the same whatever the case of their letters.
    """

    _authors: dict[str, _Author] = field(default_factory=dict)
    _days: dict[date, _Day] = field(default_factory=dict)

    def add(self, commit: Commit) -> None:
        """Count one commit."""
        added = sum([change.added or 0 for change in commit.files])
        removed = sum([change.removed or 0 for change in commit.files])
        when = commit.authored_at
        email = commit.author.email.lower()
        author = self._authors.get(email)
        if author is None:
            author = self._authors[email] = _Author(commit.author.name, when, when)
        author.add(added, removed)
        author.first_at = min(author.first_at, when)
        if when >= author.last_at:
            author.name, author.last_at = commit.author.name, when
        day = self._days.get(when.date())
        if day is None:
            day = self._days[when.date()] = _Day()
        day.add(added, removed)
        day.emails.add(email)

    @property
    def contributors(self) -> tuple[Contributor, ...]:
        """Who made commits, the busiest first."""
        found = (
            Contributor(
                email,
                each.name,
                each.commits,
                each.added,
                each.removed,
                each.first_at,
                each.last_at,
            )
            for email, each in self._authors.items()
        )
        return tuple(sorted(found, key=lambda each: (-each.commits, each.email)))

    @property
    def days(self) -> tuple[Day, ...]:
        """The days on which there were commits, in order."""
        return tuple(
            Day(day, each.commits, each.added, each.removed, frozenset(each.emails))
            for day, each in sorted(self._days.items())
        )


def read_releases(git: Git) -> tuple[tuple[Release, ...], list[Notice]]:
    """Return the tags, oldest first, and a notice for each that leads to no commit.

    Raises:
        CloneDamaged: git cannot list them.
        ReadingInterrupted: git was ended from outside.
    """
    fields = (
        *("refname:strip=2", "objectname", "objecttype", "*objectname", "*objecttype"),
        *("creatordate:unix", "taggername", "contents:subject"),
    )
    form = "%00".join(f"%({each})" for each in fields)
    listed = git.run("for-each-ref", "--sort=creatordate", f"--format={form}", "refs/tags")
    releases: list[Release] = []
    notices: list[Notice] = []
    for line in filter(None, listed.split(b"\n")):
        raw, own, kind, aim, aimed, time, tagger, subject = line.split(b"\0")
        name = shown(raw)
        commit = (own if kind == b"commit" else aim).decode()
        if b"commit" not in {kind, aimed}:  # a tag of a tag, or of a file
            commit = git.line("rev-parse", "--verify", "--quiet", f"{own.decode()}^{{commit}}")
        if not commit:
            notices.append(Notice("tag", name, "this tag leads to no commit"))
            continue
        version = _VERSION.fullmatch(name) is not None
        message = "" if kind == b"commit" else shown(subject)
        releases.append(Release(name, commit, moment(time), shown(tagger), message, version))
    return tuple(releases), notices


def read_branches(git: Git) -> tuple[Branch, ...]:
    """Return the branches, by name.

    Raises:
        CloneDamaged: git cannot list them.
        ReadingInterrupted: git was ended from outside.
    """
    form = "%00".join(
        f"%({each})" for each in ("refname", "objectname", "committerdate:unix", "HEAD", "symref")
    )
    listed = git.run("for-each-ref", f"--format={form}", "refs/heads", "refs/remotes")
    branches = []
    for line in filter(None, listed.split(b"\n")):
        raw, commit, time, head, symbolic = line.split(b"\0")
        if not symbolic:  # origin/HEAD is another name
            _, kind, name = shown(raw).split("/", 2)
            is_remote = kind == "remotes"
            branches.append(Branch(name, commit.decode(), moment(time), head == b"*", is_remote))
    return tuple(branches)


def read_remotes(git: Git) -> tuple[Remote, ...]:
    """Return the remotes as the clone's own configuration has them, without credentials."""
    listed = git.line("config", "--local", "-z", "--get-regexp", r"^remote\..*\.url$")
    remotes: dict[str, Remote] = {}
    for entry in filter(None, listed.split("\0")):
        key, _, url = entry.partition("\n")
        name = key.removeprefix("remote.").removesuffix(".url")
        clean = without_credentials(url)
        remotes.setdefault(name, Remote(name, clean, web_address(clean)))
    return tuple(remotes.values())


def without_credentials(url: str) -> str:
    """Return an address without the password, token or query in it.

    >>> without_credentials("https://me:secret@host.example/a/b.git?token=x")
    'https://host.example/a/b.git'
    >>> without_credentials("ssh://git:secret@host.example/a/b.git")
    'ssh://git@host.example/a/b.git'
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        return url
    authority, slash, path = rest.partition("/")
    if _BAD_PORT.search(authority) and "@" in path:  # a password with a slash in it
        authority, slash, path = rest.rpartition("@")[2].partition("/")
    user, at, host = authority.rpartition("@")
    login = user.partition(":")[0] + at if scheme.lower() == "ssh" else ""
    path = re.split("[?#]", path, maxsplit=1)[0]
    host = re.split("[?#]", host, maxsplit=1)[0]
    return f"{scheme}://{login}{host}{slash}{path}"


def web_address(url: str) -> str | None:
    """Return the page of a repository on one of the well-known hosts.

    >>> web_address("git@github.com:someone/thing.git")
    'https://github.com/someone/thing'
    """
    scp = _SCP.fullmatch(url) if "://" not in url else None
    if scp:
        host, path = scp["host"], scp["path"]
    else:
        try:
            parts = urlsplit(url)
        except ValueError:  # half of an IPv6 address
            return None
        host, path = parts.hostname or "", parts.path
    if not _WEB_HOSTS.search(host):
        return None
    return f"https://{host}/{path.strip('/').removesuffix('.git')}"
