"""The plan of changes, as Sqitch writes it, with the ids that Sqitch gives them.

The id of a change is the SHA-1 of what the plan says about it and of the id of the change
before it, so a database knows whether it has been deployed from this plan.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from andamios_orm.exceptions import MigrationRefused, RevisionUnknown
from axai_pg.migrations.script import Script, read_script

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["FOLDER", "Change", "Plan", "Tag", "read_plan"]

FOLDER: Final = Path(__file__).parent
"""Where the plan and the scripts of this package are; sqitch itself runs there as well."""

_PRAGMA: Final = re.compile(r"%(?P<name>[a-z-]+)=(?P<value>.*)")
_LINE: Final = re.compile(
    r"(?P<name>@?[^\s\[\]#@]+)(?:\s+\[(?P<needs>[^\]]*)\])?"
    r"\s+(?P<date>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)"
    r"\s+(?P<planner>[^<]+?)\s+<(?P<email>[^>]+)>(?:\s*#\s*(?P<note>.*))?"
)
_CONFLICT: Final = re.compile(r"@[^@:]+|([^@:]+:)?[^@:]+")


@dataclass(frozen=True)
class Tag:
    """A name for a state of the database: the one after ``change``."""

    name: str
    project: str
    change_id: str
    date: str
    planner: str
    email: str
    note: str

    @cached_property
    def id(self) -> str:
        """The id that Sqitch gives it."""
        lines = [
            f"project {self.project}",
            f"tag {self.name}",
            f"change {self.change_id}",
            f"planner {self.planner} <{self.email}>",
            f"date {self.date}",
        ]
        return _digest("tag", lines, self.note)


@dataclass(frozen=True)
class Change:
    """One step: a script that makes it, one that takes it back, one that looks at it."""

    name: str
    project: str
    parent: str | None
    requires: tuple[str, ...]
    conflicts: tuple[str, ...]
    date: str
    planner: str
    email: str
    note: str
    folder: Path

    @cached_property
    def id(self) -> str:
        """The id that Sqitch gives it."""
        lines = [f"project {self.project}", f"change {self.name}"]
        if self.parent is not None:
            lines.append(f"parent {self.parent}")
        lines += [f"planner {self.planner} <{self.email}>", f"date {self.date}"]
        for title, sign, names in (
            ("requires", "+", self.requires),
            ("conflicts", "-", self.conflicts),
        ):
            if names:
                lines += [title, *(f"  {sign} {name}" for name in names)]
        return _digest("change", lines, self.note)

    @property
    def script_hash(self) -> str:
        """The SHA-1 of the script that deploys it."""
        return hashlib.sha1(self._path("deploy").read_bytes(), usedforsecurity=False).hexdigest()

    def script(self, kind: str) -> Script | None:
        """Return the script to ``deploy``, ``revert`` or ``verify``, or None without one.

        One that is framed by BEGIN and COMMIT runs in one transaction. Any other is for
        what PostgreSQL does in no transaction, and holds a single statement.

        Raises:
            MigrationRefused: it would begin or end a transaction in between.
        """
        path = self._path(kind)
        return read_script(path) if path.exists() else None

    def _path(self, kind: str) -> Path:
        return self.folder / kind / f"{self.name}.sql"


@dataclass(frozen=True)
class Plan:
    """All changes, in their order, and the tags behind some of them."""

    project: str
    changes: tuple[Change, ...]
    tags: tuple[Tag, ...]

    def position(self, name: str) -> int:
        """Return where in the plan a change, or the change of a tag, is.

        Raises:
            RevisionUnknown: the plan has neither.
        """
        for tag in self.tags:
            if tag.name == name:
                name = tag.change_id
        for place, change in enumerate(self.changes):
            if name in {change.name, change.id}:
                return place
        raise RevisionUnknown(name, [change.name for change in self.changes])

    def has_before(self, change: Change, name: str) -> bool:
        """Return whether ``name``, a change or a tag, is planned before ``change``."""
        try:
            return self.position(name) < self.position(change.id)
        except RevisionUnknown:
            return False

    def tags_of(self, change: Change) -> Iterator[Tag]:
        """Yield the tags of the state after ``change``."""
        return (tag for tag in self.tags if tag.change_id == change.id)


def read_plan(folder: Path = FOLDER) -> Plan:
    """Return the plan in ``folder``.

    Raises:
        MigrationRefused: it is no plan, or says something that is not supported here.
    """
    path = folder / "sqitch.plan"
    pragmas: dict[str, str] = {}
    changes: list[Change] = []
    tags: list[Tag] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        pragma, entry = _PRAGMA.fullmatch(line), _LINE.fullmatch(line.strip())
        if pragma:
            pragmas[pragma["name"]] = pragma["value"]
        elif entry:
            _add(entry, pragmas.get("project", ""), changes, tags, folder)
        elif line.strip() and not line.lstrip().startswith("#"):
            raise MigrationRefused(f"{path}, line {number} is no change and no tag: {line!r}")
    if not pragmas.get("project") or "uri" in pragmas:
        raise MigrationRefused(f"{path} has to say %project=, and nothing else but the syntax")
    return Plan(pragmas["project"], tuple(changes), tuple(tags))


def _add(
    entry: re.Match[str], project: str, changes: list[Change], tags: list[Tag], folder: Path
) -> None:
    planned = {
        "date": entry["date"],
        "planner": entry["planner"],
        "email": entry["email"],
        "note": entry["note"] or "",
    }
    if entry["name"].startswith("@"):
        if not changes:
            raise MigrationRefused(f"the tag {entry['name']} stands before all changes")
        tags.append(Tag(entry["name"], project, changes[-1].id, **planned))
        return
    names = {change.name for change in changes}
    needs = (entry["needs"] or "").split()
    conflicts = tuple(need[1:] for need in needs if need.startswith("!"))
    requires = tuple(need for need in needs if not need.startswith("!"))
    if entry["name"] in names or not names.issuperset(requires):
        raise MigrationRefused(
            f"{entry['name']}: a change is planned once, after those that it requires"
        )
    for name in conflicts:
        if not _CONFLICT.fullmatch(name):
            raise MigrationRefused(
                f"{entry['name']}: the conflict !{name} is not understood: name a change, a tag, "
                f"or project:change"
            )
    parent = changes[-1].id if changes else None
    changes.append(
        Change(entry["name"], project, parent, requires, conflicts, folder=folder, **planned)
    )


def _digest(kind: str, lines: list[str], note: str) -> str:
    content = "\n".join([*lines, *(["", note] if note else [])]).encode()
    framed = f"{kind} {len(content)}\0".encode() + content
    return hashlib.sha1(framed, usedforsecurity=False).hexdigest()
