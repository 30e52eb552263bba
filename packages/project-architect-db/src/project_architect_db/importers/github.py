"""What was exported from GitHub, stored: nothing is fetched, and nothing is there twice.

Everything is known by its page on GitHub: what is new is added, what has changed is brought
up to date. Which payload becomes what is written down in ``payloads``.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from project_architect_db.importers.errors import SourceMissing, SourceRefused
from project_architect_db.importers.merging import Merging
from project_architect_db.importers.payloads import Payload, Remark, payload_of, unwrapped
from project_architect_db.importers.references import project_id_of
from project_architect_db.importers.texts import Text, json_values
from project_architect_db.importers.tree import Notice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from andamios_orm.core import Database
    from project_architect_db.importers.tree import NoticeKind

__all__ = ["GithubReport", "import_github"]

_AT_ONCE: Final = 500
_SUFFIXES: Final = (".json", ".ndjson", ".jsonl")

Paths: TypeAlias = "str | os.PathLike[str] | Sequence[str | os.PathLike[str]]"


@dataclass(slots=True)
class GithubReport:
    """What was new, and what has changed, by kind (``created["builds"]``).

    ``notices`` say what was left out, and why.
    """

    files: int = 0
    payloads: int = 0
    created: Counter[str] = field(default_factory=Counter)
    updated: Counter[str] = field(default_factory=Counter)
    notices: list[Notice] = field(default_factory=list)


async def import_github(
    into: Database,
    paths: Paths,
    *,
    project: int | str | None = None,
    viewer: str | None = None,
    on_progress: Callable[[GithubReport], None] | None = None,
) -> GithubReport:
    """Return what was stored of payloads of GitHub in files, or in the files of folders.

    They are JSON or NDJSON as ``gh api --paginate``, ``gh issue list --json`` and the like
    write them: issues, pull requests, comments, reviews, workflow runs, releases,
    repositories. They belong to ``project``, by id or name, or to the project that has the
    repository; where none has, it is made, for ``viewer`` if there is one. It is one
    transaction; a file that is damaged is taken as far as it goes, and said to be so.

    Raises:
        SourceMissing: a file is not there, or cannot be read.
        NotFound: there is no such project.
    """
    files = await asyncio.to_thread(_files, paths)
    report = GithubReport()
    async with into.transaction(write=True) as session:
        key = None if project is None else await project_id_of(session, project, viewer)
        merging = Merging(session, report.created, report.updated, project_id=key, viewer=viewer)
        work = _Importing(merging, report, on_progress)
        with_remarks = [path for path in files if await work.read(path)]
        for path in with_remarks:  # now that all conversations are there
            await work.read_remarks(path)
        left = await merging.finish()
    if left:
        text = f"{left} releases do not say of which repository they are: export their url as well"
        report.notices.append(Notice("payload", "", text))
    return report


def _files(paths: Paths) -> list[Path]:
    """Return the files that paths mean; of a folder those with payloads, in order."""
    given = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    files: list[Path] = []
    for path in map(Path, given):
        try:
            listed = sorted(path.iterdir())
        except (OSError, ValueError):  # what it is otherwise is found out when it is opened
            listed = [path]
        named = [each for each in listed if each == path or each.suffix.lower() in _SUFFIXES]
        if not named:
            raise SourceMissing(str(path), f"it has no files of {', '.join(_SUFFIXES)}")
        files += named
    return files


class _Importing:
    """One import."""

    def __init__(
        self,
        merging: Merging,
        report: GithubReport,
        on_progress: Callable[[GithubReport], None] | None,
    ) -> None:
        self._merging = merging
        self._report = report
        self._on_progress = on_progress

    async def read(self, path: Path) -> bool:
        """Store what is in a file, but for comments; return whether it has some."""
        self._report.files += 1
        has_remarks = False
        unknown: dict[str, list[int | None]] = {}
        found = _read(path, unknown)
        while some := await asyncio.to_thread(lambda: list(islice(found, _AT_ONCE))):
            remarks = [each for each in some if isinstance(each, Remark)]
            has_remarks = has_remarks or bool(remarks)
            await self._merging.add([each for each in some if not isinstance(each, Remark)])
            self._report.payloads += len(some)
            if self._on_progress is not None:
                self._on_progress(self._report)
        self._note(path, unknown)
        return has_remarks

    async def read_remarks(self, path: Path) -> None:
        """Store the comments that are in a file."""
        found = (each for each in _read(path, {}) if isinstance(each, Remark))
        lost = 0
        while some := await asyncio.to_thread(lambda: list(islice(found, _AT_ONCE))):
            lost += await self._merging.add_remarks(some)
            if self._on_progress is not None:
                self._on_progress(self._report)
        if lost:
            text = f"{lost} comments belong to issues that are not here: export those as well"
            self._report.notices.append(Notice("payload", str(path), text))

    def _note(self, path: Path, unknown: dict[str, list[int | None]]) -> None:
        """Say what could not be read, once for all that is alike."""
        for reason, lines in unknown.items():
            where = "" if lines[0] is None else f"line {lines[0]}: "
            more = f" (and {len(lines) - 1} more)" if len(lines) > 1 else ""
            kind: NoticeKind = "damaged" if lines[0] is None else "payload"
            self._report.notices.append(Notice(kind, str(path), f"{where}{reason}{more}"))


def _read(path: Path, unknown: dict[str, list[int | None]]) -> Iterator[Payload | Remark]:
    """Yield the payloads of a file; what is none is added to ``unknown``, with its line."""
    try:
        stream = path.open("rb")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SourceMissing(str(path), f"it cannot be opened: {reason}") from error
    with stream:
        try:
            for line, value in json_values(Text(str(path), stream)):
                for item in [value] if isinstance(value, str) else unwrapped(value):
                    found = item if isinstance(value, str) else payload_of(item)
                    if isinstance(found, str):
                        unknown.setdefault(found, []).append(line)
                    else:
                        yield found
        except SourceRefused as error:
            unknown.setdefault(error.reason, []).append(None)
