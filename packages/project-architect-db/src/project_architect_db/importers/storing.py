"""What was read of a clone, stored: a new project, or what is new of a known one.

All of it is one transaction: an import that is broken off has stored nothing, and the next
one begins where the last complete one ended.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy import select

from andamios_orm.exceptions import ValueRefused
from andamios_orm.models.paths import checked_path
from andamios_orm.repositories import BaseRepository
from project_architect_db.importers.ahead import read_ahead
from project_architect_db.importers.clone import read_clone
from project_architect_db.importers.clone_rows import (
    LONGEST,
    added_up,
    content_of,
    idea_of,
    named,
    order_of,
    type_of,
)
from project_architect_db.importers.tree import Notice
from project_architect_db.models.conversation import Conversation, ConversationMessage
from project_architect_db.models.document import Document, DocumentVersion
from project_architect_db.models.project import Project, ProjectStatus
from project_architect_db.models.repository import (
    Contributor,
    Deployment,
    Repository,
    RepositoryActivity,
    RunStatus,
)

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence

    from sqlalchemy.ext.asyncio import AsyncSession

    from andamios_orm.core import Database
    from project_architect_db.importers.clone import CloneReading
    from project_architect_db.importers.documents import DocumentVersion as Version
    from project_architect_db.importers.phases import Conversation as Talk

__all__ = ["ImportReport", "import_clone"]

T = TypeVar("T")

_GIT: Final = "git"
"""What the metadata of a repository says of its clone: the folder, and up to where it is read."""
_AT_ONCE: Final = 1_000


@dataclass(slots=True)
class ImportReport:
    """What an import has stored, none of it before; ``notices`` say what was left out, and why."""

    project_id: int
    repository_id: int
    name: str
    is_new: bool
    commits: int = 0
    conversations: int = 0
    messages: int = 0
    documents: int = 0
    versions: int = 0
    contributors: int = 0
    releases: int = 0
    notices: list[Notice] = field(default_factory=list)


async def import_clone(
    database: Database,
    path: str | Path,
    *,
    owner: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ImportReport:
    """Return what was stored of the local clone at ``path``: as a project, or what is new of it.

    The project is known by the folder of the clone. Its conversations are its commits, by the
    rules of ``importers.phases``; its documents are the texts at HEAD with their versions;
    tags are deployments. ``owner`` is that of a new project. ``progress(done, total)`` is
    called with commits.

    Raises:
        CloneRefused: it cannot be read; the subclass and the message say why.
        HistoryRewritten: what was imported is no longer a part of its history.
    """
    # Path.resolve() does not return from a loop of links before Python 3.13.
    place = await asyncio.to_thread(os.path.realpath, path)
    known = await _known(database, place)
    since = known[2] if known else None
    reading = await asyncio.to_thread(partial(read_clone, Path(place), since=since))
    async with database.transaction(write=True) as session:
        work = _Storing(session, reading, progress)
        return await work.run(known, owner)


async def _known(database: Database, place: str) -> tuple[int, int, str] | None:
    """Return the project and the repository of a clone, and up to where it was read."""
    statement = (
        select(Project.id, Repository.id, Repository.repo_metadata)
        .join(Repository, Repository.project_id == Project.id)
        .where(
            Project.source == place, Project.deleted_at.is_(None), Repository.deleted_at.is_(None)
        )
        .order_by(Repository.id)
    )
    async with database.session() as session:
        found = (await session.execute(statement)).all()
    imported = (row for row in found if _GIT in row[-1])
    return next(((row[0], row[1], row[2][_GIT]["cursor"]) for row in imported), None)


class _Storing:
    """One import."""

    def __init__(
        self,
        session: AsyncSession,
        reading: CloneReading,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self._session = session
        self._reading = reading
        self._progress = progress
        self._known: dict[str, int] = {}

    def _rows(self, model: type[T]) -> BaseRepository[T]:
        return BaseRepository(self._session, model)

    async def run(self, known: tuple[int, int, str] | None, owner: str | None) -> ImportReport:
        """Store everything; return what it was."""
        reading = self._reading
        report = await self._entities(known, owner)
        async with (
            self._counting() as told,
            aclosing(read_ahead(reading.conversations(), _AT_ONCE)) as pieces,
        ):
            async for talks in pieces:
                await self._conversations(report, talks)
                await told(report.messages)
        documents = _by_document(reading.documents())
        async with aclosing(read_ahead(documents, _AT_ONCE // 10)) as found:
            async for versions in found:
                await self._documents(report, versions)
        await self._removed(report)
        await self._activity(report)
        await self._releases(report)
        await self._note_cursor(report)
        report.notices += reading.notices
        return report

    @asynccontextmanager
    async def _counting(self) -> AsyncIterator[Callable[[int], Awaitable[None]]]:
        """Yield what tells how many commits are stored; all of them are counted beside that."""
        progress = self._progress
        if progress is None:
            yield _tell_nobody
            return

        async def tell(done: int) -> None:
            progress(done, max(await total, done))

        total = asyncio.ensure_future(asyncio.to_thread(self._reading.count_commits))
        try:
            yield tell
        finally:
            await asyncio.wait([total])
            total.cancelled() or total.exception()

    async def _entities(
        self, known: tuple[int, int, str] | None, owner: str | None
    ) -> ImportReport:
        """Make the project and its repository, or bring them up to date."""
        reading = self._reading
        about = {
            "name": reading.name[:LONGEST],
            "description": reading.description or None,
            "architecture": reading.architecture.as_json(),
        }
        of_code = self._of_code()
        if known is not None:
            project_id, repository_id, _ = known
            await self._rows(Project).update(project_id, about)
            await self._rows(Repository).update(repository_id, of_code)
            return ImportReport(project_id, repository_id, reading.name, is_new=False)
        project = await self._rows(Project).create(
            {
                **about,
                "project_idea": idea_of(reading),
                "status": ProjectStatus.ACTIVE,
                "source": str(reading.path),
                **({} if owner is None else {"owner": owner}),
            }
        )
        repository = await self._rows(Repository).create({"project_id": project.id, **of_code})
        return ImportReport(project.id, repository.id, reading.name, is_new=True)

    def _of_code(self) -> dict[str, Any]:
        """Return what is said of the repository."""
        reading = self._reading
        languages = dict(reading.architecture.languages)
        pages = [remote.web for remote in reading.remotes if remote.web]
        return {
            "name": reading.name[:LONGEST],
            "description": reading.description or None,
            "repo_type": type_of(languages),
            "github_url": next((page for page in pages if "github." in page), None),
            "remotes": {remote.name: remote.url for remote in reading.remotes},
            "default_branch": reading.branch,
            "language": next(iter(languages), None),
            "languages": languages,
        }

    # ---- conversations ----------------------------------------------------------------

    async def _conversations(self, report: ImportReport, talks: Sequence[Talk]) -> None:
        """Store conversations, or add to those that are there."""
        by_key: dict[str, list[Talk]] = {}
        for talk in talks:
            by_key.setdefault(talk.key, []).append(talk)
        there = {key: self._known[key] for key in by_key if key in self._known}
        if not report.is_new:  # of a new one, nothing was there before
            unseen = [key for key in by_key if key not in there]
            there |= await self._there(report.project_id, unseen)
        new = [key for key in by_key if key not in there]
        rows = [self._talk_row(report.project_id, by_key[key]) for key in new]
        created = await self._rows(Conversation).bulk_create(rows)
        ids = {**there, **dict(zip(new, created.ids, strict=True))}
        self._known.update(ids)
        messages = [
            {
                "conversation_id": ids[talk.key],
                "role": message.role,
                "author": f"{message.name} <{message.email}>"[:LONGEST],
                "content": message.content,
                "time": message.said_at,
            }
            for talk in talks
            for message in talk.messages
        ]
        await self._rows(ConversationMessage).bulk_create(messages)
        await self._advance(there, by_key)
        report.conversations += len(new)
        report.messages += len(messages)

    async def _there(self, project_id: int, keys: Sequence[str]) -> dict[str, int]:
        table = Conversation
        statement = select(table.source, table.id).where(
            table.project_id == project_id, table.source.in_([key[:LONGEST] for key in keys])
        )
        found = {row.source: row.id for row in await self._session.execute(statement)}
        return {key: found[key[:LONGEST]] for key in keys if key[:LONGEST] in found}

    @staticmethod
    def _talk_row(project_id: int, talks: Sequence[Talk]) -> dict[str, Any]:
        first = talks[0]
        return {
            "project_id": project_id,
            "title": first.title[:LONGEST],
            "source": first.key[:LONGEST],
            "phase": talks[-1].phase,
            "phase_entered_at": first.messages[0].said_at,
        }

    async def _advance(self, there: dict[str, int], by_key: dict[str, list[Talk]]) -> None:
        """Let conversations that go on reach a later phase."""
        if not there:
            return
        statement = select(Conversation.id, Conversation.phase).where(
            Conversation.id.in_(there.values())
        )
        phases = {row.id: row.phase for row in await self._session.execute(statement)}
        rows = [
            {"id": key, "phase": by_key[name][-1].phase}
            for name, key in there.items()
            if order_of(by_key[name][-1].phase) > order_of(phases[key])
        ]
        await self._rows(Conversation).bulk_update(rows)

    # ---- documents --------------------------------------------------------------------

    async def _documents(self, report: ImportReport, found: Sequence[list[Version]]) -> None:
        """Store documents with their versions, or add versions to those that are there."""
        taken = {path: versions for versions in found if (path := _path(report, versions[-1]))}
        paths = [
            name for path, each in taken.items() for name in (path, *each[-1].document.former_paths)
        ]
        there = {} if report.is_new else await self._documents_at(report.project_id, paths)
        new: dict[str, list[Version]] = {}
        for path, versions in taken.items():
            names = (path, *versions[-1].document.former_paths)
            known = next((there[name] for name in names if name in there), None)
            report.versions += len(versions)
            if known is None:
                new[path] = versions
                continue
            for version in versions:
                values = {**named(path), **content_of(version)}
                await self._rows(Document).update(known, values)
        rows = [
            {
                "project_id": report.project_id,
                "doc_type": versions[-1].document.doc_type,
                **named(path),
                **content_of(versions[-1]),
            }
            for path, versions in new.items()
        ]
        created = await self._rows(Document).bulk_create(rows)
        past = [
            {"document_id": key, "number": number, **content_of(version)}
            for key, versions in zip(created.ids, new.values(), strict=True)
            for number, version in enumerate(versions[:-1], 1)
        ]
        await self._rows(DocumentVersion).bulk_create(past)
        report.documents += len(new)

    async def _documents_at(self, project_id: int, paths: Sequence[str]) -> dict[str, int]:
        statement = select(Document.file_path, Document.id).where(
            Document.project_id == project_id,
            Document.file_path.in_(paths),
            Document.deleted_at.is_(None),
        )
        return {str(path): key for path, key in await self._session.execute(statement)}

    async def _removed(self, report: ImportReport) -> None:
        """Delete documents, softly, that HEAD no longer has."""
        if report.is_new:
            return
        gone = await self._documents_at(report.project_id, self._reading.removed_documents)
        await self._rows(Document).bulk_delete(gone.values())

    # ---- activity ---------------------------------------------------------------------

    async def _activity(self, report: ImportReport) -> None:
        """Add to what contributors have done, and to what was done on each day."""
        activity = self._reading.activity
        report.commits = sum(day.commits for day in activity.days)
        report.contributors = len(activity.contributors)
        authors = await self._authors_of(report, [day.day for day in activity.days])
        people = [
            {
                "repository_id": report.repository_id,
                "email": each.email[:LONGEST],
                "name": (each.name or each.email)[:LONGEST],
                "commits": each.commits,
                "added": each.added,
                "removed": each.removed,
                "first_at": each.first_at,
                "last_at": each.last_at,
            }
            for each in activity.contributors
        ]
        await self._add_up(Contributor, "email", people)
        days = [
            {
                "repository_id": report.repository_id,
                "day": each.day,
                "commits": each.commits,
                "added": each.added,
                "removed": each.removed,
                "authors": authors.get(each.day, len(each.authors)),
            }
            for each in activity.days
        ]
        await self._add_up(RepositoryActivity, "day", days)

    async def _authors_of(
        self, report: ImportReport, days: Sequence[dt.date]
    ) -> dict[dt.date, int]:
        """Return how many authors days had of which a part was imported before."""
        table = RepositoryActivity
        statement = select(table.day).where(
            table.repository_id == report.repository_id, table.day.in_(days)
        )
        again = set(await self._session.scalars(statement)) if not report.is_new else set()
        if not again:
            return {}
        whole = await asyncio.to_thread(_whole_activity, self._reading.path)
        return {day: count for day, count in whole.items() if day in again}

    async def _add_up(self, model: type[Any], key: str, rows: Sequence[dict[str, Any]]) -> None:
        """Store rows, or add them to those that are there."""
        repository_id = rows[0]["repository_id"] if rows else None
        found = await self._session.scalars(
            select(model).where(model.repository_id == repository_id)
        )
        there = {getattr(each, key): each for each in found}
        changes = []
        for row in rows:
            before = there.get(row[key])
            if before is not None:
                changes.append({"id": before.id, **added_up(before, row)})
        repository = self._rows(model)
        await repository.bulk_create([row for row in rows if row[key] not in there])
        await repository.bulk_update(changes)

    async def _releases(self, report: ImportReport) -> None:
        """Store tags as deployments, once each."""
        table = Deployment
        names = select(table.release).where(table.repository_id == report.repository_id)
        there = set(await self._session.scalars(names))
        rows = [
            {
                "repository_id": report.repository_id,
                "status": RunStatus.SUCCEEDED,
                "started_at": each.released_at,
                "finished_at": each.released_at,
                "commit": each.commit,
                "release": each.name[:LONGEST],
            }
            for each in self._reading.releases
            if each.name[:LONGEST] not in there
        ]
        await self._rows(Deployment).bulk_create(rows)
        report.releases = len(rows)

    async def _note_cursor(self, report: ImportReport) -> None:
        repository = await self._rows(Repository).get(report.repository_id)
        noted = {
            "path": str(self._reading.path),
            "cursor": self._reading.cursor,
            "is_shallow": self._reading.is_shallow,
        }
        metadata = {**repository.repo_metadata, _GIT: noted}
        await self._rows(Repository).update(repository.id, {"repo_metadata": metadata})


async def _tell_nobody(_done: int) -> None:
    """Do without progress."""


def _by_document(versions: Iterable[Version]) -> Iterator[list[Version]]:
    for _, found in groupby(versions, key=lambda version: version.document.path):
        yield list(found)


def _whole_activity(path: Path) -> dict[dt.date, int]:
    return {day.day: len(day.authors) for day in read_clone(path).activity.days}


def _path(report: ImportReport, version: Version) -> str | None:
    """Return where a document is, unless no file of a document may be there."""
    try:
        return checked_path(version.document.path)
    except ValueRefused as refused:
        report.notices.append(Notice("outside", version.document.path, refused.reason))
        return None
