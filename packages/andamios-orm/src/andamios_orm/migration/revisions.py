"""The folder of revisions: what there is, in which order, and how a new one is written."""

from __future__ import annotations

import re
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from alembic.script import ScriptDirectory
from alembic.script.revision import RangeNotAncestorError, ResolutionError
from alembic.util import CommandError

from andamios_orm.exceptions import MigrationRefused, RevisionUnknown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alembic.runtime.migration import RevisionStep
    from alembic.script import Script

    from andamios_orm.migration.running import Plan

__all__ = ["Folder", "Revision", "Scripts"]

_TEMPLATE: Final = Path(__file__).parent / "template" / "script.py.mako"
_RELATIVE: Final = re.compile(r"[+-]\d+\Z")
_FILES: Final = "%(year)d%(month).2d%(day).2d_%(rev)s_%(slug)s"


@dataclass(frozen=True, slots=True)
class Revision:
    """One revision: its id, what it says, its file, and the ids it comes after."""

    id: str
    message: str
    path: Path
    after: tuple[str, ...]
    is_head: bool

    def __str__(self) -> str:
        """Return id and message."""
        return f"{self.id} {self.message}"


class Folder:
    """A folder with ``script.py.mako`` and ``versions/``, as Alembic lays it out."""

    def __init__(self, path: Path) -> None:
        """Name the folder; it need not exist yet."""
        self.path = path

    def create(self) -> Path:
        """Return the folder, made, with the template of new revisions in it.

        Raises:
            MigrationRefused: there is something at its place already.
        """
        if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            raise MigrationRefused(f"{self.path} exists and is no empty folder: nothing was done")
        (self.path / "versions").mkdir(parents=True, exist_ok=True)
        shutil.copyfile(_TEMPLATE, self.path / _TEMPLATE.name)
        return self.path

    def scripts(self) -> Scripts:
        """Return what the folder holds now.

        Raises:
            MigrationRefused: there is no such folder.
        """
        if not (self.path / "versions").is_dir():
            raise MigrationRefused(
                f"there are no migrations in {self.path}: begin them with init(), or with "
                f"'andamios-orm init'"
            )
        quiet: Any = {"quiet": True}
        return Scripts(ScriptDirectory(str(self.path), file_template=_FILES, messaging_opts=quiet))


class Scripts:
    """The revisions of a folder as they were when it was read, in Alembic's hands."""

    def __init__(self, directory: ScriptDirectory) -> None:
        """Keep Alembic's view of the folder."""
        self.directory = directory

    def all(self) -> tuple[Revision, ...]:
        """Return every revision, in the order in which they are applied."""
        with self.refusals():
            return tuple(map(described, self.directory.walk_revisions()))[::-1]

    def heads(self) -> tuple[Revision, ...]:
        """Return the revisions that none comes after."""
        return tuple(each for each in self.all() if each.is_head)

    def find(self, name: str) -> Revision:
        """Return the revision with this id, the beginning of one, or a name like ``head``.

        Raises:
            RevisionUnknown: there is none.
            MigrationRefused: there are several.
        """
        with self.refusals():
            found = self.directory.get_revision(name)
        if found is None:
            raise RevisionUnknown(name, [each.id for each in self.all()])
        return described(found)

    def module(self, name: str) -> Any:
        """Return the module of a revision."""
        with self.refusals():
            script: Any = self.directory.get_revision(name)
        return script.module

    def upgrade(self, target: str, heads: tuple[str, ...]) -> list[RevisionStep]:
        """Return the steps from ``heads`` up to ``target``.

        Raises:
            RevisionUnknown: there is no such revision, or ``heads`` are none of this folder.
            MigrationRefused: the way up does not lead there.
        """
        with self.refusals():
            return list(self.directory._upgrade_revs(target, heads))  # type: ignore[arg-type, unused-ignore]  # noqa: SLF001 - what alembic.command calls

    def downgrade(self, target: str, heads: tuple[str, ...]) -> list[RevisionStep]:
        """Return the steps from ``heads`` down to ``target``.

        Raises:
            RevisionUnknown: there is no such revision, or ``heads`` are none of this folder.
            MigrationRefused: the way down does not lead there.
        """
        with self.refusals():
            return list(self.directory._downgrade_revs(target, heads))  # type: ignore[arg-type, unused-ignore]  # noqa: SLF001 - what alembic.command calls

    def below(self, heads: tuple[str, ...], target: str) -> Plan:
        """Return what says, at each step, how it goes on down to ``target``.

        ``-1`` and ``branch@-1`` mean what they lead to now: a step later it would be further.
        """
        if target.startswith("-") and len(heads) > 1:
            raise MigrationRefused(
                f"the database is at {', '.join(heads)}: name the revision to go down to"
            )
        if not _RELATIVE.search(target):
            return partial(self.downgrade, target)
        steps = self.downgrade(target, heads)  # at a merge it is refused as ambiguous
        return lambda now: [each for each in steps if each.revision.revision in self._applied(now)]

    def above(self, heads: tuple[str, ...], target: str) -> Plan:
        """Return what says, at each step, how it goes on up to ``target``, which may be ``+1``."""
        if not _RELATIVE.search(target):
            return partial(self.upgrade, target)
        steps = self.upgrade(target, heads)
        return lambda now: [
            each for each in steps if each.revision.revision not in self._applied(now)
        ]

    def _applied(self, heads: tuple[str, ...]) -> set[str]:
        """Return the revisions that a database at ``heads`` has behind it."""
        found: Any = self.directory.revision_map.iterate_revisions(heads, "base", inclusive=True)
        return {each.revision for each in found}

    @contextmanager
    def refusals(self) -> Iterator[None]:
        """Turn what Alembic refuses into our errors.

        Raises:
            RevisionUnknown: no revision has that name.
            MigrationRefused: Alembic's words say why.
        """
        try:
            yield
        except CommandError as error:
            cause = error.__cause__
            if isinstance(cause, ResolutionError):
                known = [each.revision for each in self.directory.walk_revisions()]
                raise RevisionUnknown(str(cause.argument), known) from error
            if isinstance(cause, RangeNotAncestorError):
                raise MigrationRefused(
                    f"the database is at {cause.lower}, and {cause.upper} is not on the way from "
                    f"there: is it already below, or on another branch?"
                ) from error
            if str(error) == "Ambiguous walk":
                raise MigrationRefused(
                    "several ways lead on from here: name the revision to go to"
                ) from error
            raise MigrationRefused(str(error)) from error


def described(script: Script) -> Revision:
    """Return a revision as we show it."""
    down: Any = script.down_revision or ()
    return Revision(
        script.revision,
        script.doc.removesuffix("."),
        Path(script.path),
        (down,) if isinstance(down, str) else tuple(down),
        script.is_head,
    )
