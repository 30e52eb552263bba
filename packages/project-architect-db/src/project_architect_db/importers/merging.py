"""What is known of a repository on GitHub, brought together with what is stored of it."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, TypeVar

from sqlalchemy import func, select

from andamios_orm.repositories import BaseRepository
from project_architect_db.importers.payloads import (
    About,
    Remark,
    Run,
    Talk,
    repository_of,
)
from project_architect_db.models.conversation import Conversation, ConversationMessage
from project_architect_db.models.project import Project, ProjectStatus
from project_architect_db.models.repository import Build, Deployment, Repository
from project_architect_db.repositories.base import visible_projects
from project_architect_db.repositories.repository import RepositoryRepository

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncSession

    from project_architect_db.importers.payloads import Payload

__all__ = ["Merging"]

ModelT = TypeVar("ModelT")
ItemT = TypeVar("ItemT")
Values: TypeAlias = dict[str, Any]

_LEAST_IDEA: Final = 10
_MOST_IDEA: Final = 10_000
_MOST_DESCRIPTION: Final = 5_000
_LONGEST: Final = 255
_AT_ONCE: Final = 500
_NAMES: Final[dict[type[Any], str]] = {
    Conversation: "conversations",
    ConversationMessage: "messages",
    Build: "builds",
    Deployment: "deployments",
}


class _Place(NamedTuple):
    """A repository and its project."""

    repository_id: int
    project_id: int


class Merging:
    """One import: what is added is stored, or changes what is there."""

    def __init__(
        self,
        session: AsyncSession,
        created: Counter[str],
        updated: Counter[str],
        *,
        project_id: int | None,
        viewer: str | None,
    ) -> None:
        """Store for ``viewer``, in ``project_id`` if it is said; count in the two counters."""
        self._session = session
        self._created = created
        self._updated = updated
        self._project_id = project_id
        self._viewer = viewer
        self._places: dict[str, _Place] = {}
        self._new_projects: set[int] = set()
        self._new_repositories: set[int] = set()
        self._abouts: dict[str, About] = {}
        self._releases: dict[str, Values] = {}

    def _rows(self, model: type[ModelT]) -> BaseRepository[ModelT]:
        return BaseRepository(self._session, model)

    async def add(self, payloads: Sequence[Payload]) -> None:
        """Store conversations, builds and deployments; what needs others waits for them."""
        talks: dict[str, dict[str, Talk]] = defaultdict(dict)
        runs: dict[str, dict[str, Values]] = defaultdict(dict)
        releases: dict[str, dict[str, Values]] = defaultdict(dict)
        for payload in payloads:
            if isinstance(payload, Talk):
                talks[payload.repository][payload.source] = payload
            elif isinstance(payload, Run):
                runs[payload.repository][payload.url] = payload.values
            elif isinstance(payload, About):
                self._abouts[payload.repository.lower()] = payload
            elif payload.repository is not None:
                releases[payload.repository][payload.tag] = payload.values
            else:
                self._releases[payload.tag] = payload.values
        for repository, some in talks.items():
            await self._talks(await self._place(repository), some)
        for repository, values in runs.items():
            place = await self._place(repository)
            await self._merge(Build, "url", place.repository_id, values)
        for repository, values in releases.items():
            place = await self._place(repository)
            await self._merge(Deployment, "release", place.repository_id, values)

    async def finish(self) -> int:
        """Store what had to wait until all else was there; return how many releases are left.

        Those are the ones that do not say of which repository they are, where it is not
        the only one.
        """
        for about in self._abouts.values():
            await self._about(about)
        repositories = {place.repository_id for place in self._places.values()}
        if not repositories and self._project_id is not None:
            of_project = select(Repository.id).where(
                Repository.project_id == self._project_id, Repository.deleted_at.is_(None)
            )
            repositories = set(await self._session.scalars(of_project))
        if len(repositories) != 1:
            return len(self._releases)
        await self._merge(Deployment, "release", repositories.pop(), self._releases)
        return 0

    # ---- repositories -----------------------------------------------------------------

    async def _place(self, repository: str) -> _Place:
        """Return where the repository with an address is; it is made if it is not there."""
        key = repository.lower()
        if key not in self._places:
            self._places[key] = await self._found(key) or await self._made(repository)
        return self._places[key]

    async def _found(self, key: str) -> _Place | None:
        conditions: list[ColumnElement[bool]] = [
            func.lower(Repository.github_url).in_([key, f"{key}.git"]),
            Repository.deleted_at.is_(None),
            Project.deleted_at.is_(None),
        ]
        if self._project_id is not None:
            conditions.append(Project.id == self._project_id)
        if self._viewer is not None:
            conditions.append(visible_projects(self._viewer))
        statement = (
            select(Repository.id, Project.id)
            .join(Project, Repository.project_id == Project.id)
            .where(*conditions)
            .order_by(Repository.id)
            .limit(1)
        )
        found = (await self._session.execute(statement)).one_or_none()
        return None if found is None else _Place(*found)

    async def _made(self, repository: str) -> _Place:
        name = repository.rsplit("/", 1)[1][:_LONGEST]
        project_id = self._project_id
        if project_id is None:
            project = await self._rows(Project).create(
                {
                    "name": name,
                    "project_idea": f"{name}, imported from GitHub",
                    "status": ProjectStatus.ACTIVE,
                    "source": repository,
                    **({} if self._viewer is None else {"owner": self._viewer}),
                }
            )
            project_id = project.id
            self._new_projects.add(project_id)
            self._created["projects"] += 1
        made = await self._rows(Repository).create(
            {"project_id": project_id, "name": name, "github_url": repository}
        )
        self._new_repositories.add(made.id)
        self._created["repositories"] += 1
        return _Place(made.id, project_id)

    async def _about(self, about: About) -> None:
        """Take over what GitHub says of a repository, and of a project that was just made."""
        place = await self._place(about.repository)
        payload = about.payload
        await RepositoryRepository(self._session).sync_github_metadata(
            payload, key=place.repository_id
        )
        if place.repository_id not in self._new_repositories:
            self._updated["repositories"] += 1
        description = payload.get("description")
        if place.project_id in self._new_projects and isinstance(description, str):
            values = {"description": description[:_MOST_DESCRIPTION]}
            if len(description) >= _LEAST_IDEA:
                values["project_idea"] = description[:_MOST_IDEA]
            await self._rows(Project).update(place.project_id, values)

    # ---- builds and deployments -------------------------------------------------------

    async def _merge(
        self, model: type[Any], name: str, repository_id: int, rows: Mapping[str, Values]
    ) -> None:
        """Store rows of a repository that are known by the column ``name``."""
        column = getattr(model, name)
        there: dict[str, Any] = {}
        for keys in _parts(list(rows)):
            statement = select(model).where(model.repository_id == repository_id, column.in_(keys))
            for row in await self._session.scalars(statement.order_by(model.id.desc())):
                there[getattr(row, name)] = row
        new = [
            {"repository_id": repository_id, name: key, **values}
            for key, values in rows.items()
            if key not in there
        ]
        changed = [
            {"id": there[key].id, **values}
            for key, values in rows.items()
            if key in there and _differs(there[key], values)
        ]
        await self._write(model, new, changed)

    async def _write(
        self, model: type[Any], new: list[Values], changed: list[Values]
    ) -> Sequence[int]:
        """Create and change rows; return the keys of the new ones."""
        created = await self._rows(model).bulk_create(new)
        await self._rows(model).bulk_update(changed)
        self._created[_NAMES[model]] += len(new)
        self._updated[_NAMES[model]] += len(changed)
        return created.ids

    # ---- conversations ----------------------------------------------------------------

    async def _talks(self, place: _Place, talks: Mapping[str, Talk]) -> None:
        """Store conversations with their messages, or bring them up to date."""
        there = await self._conversations(list(talks), place.project_id)
        new: list[Values] = []
        changed: list[Values] = []
        for source, talk in talks.items():
            values = {"title": talk.title, "phase": talk.phase}
            row = there.get(source)
            if row is None:
                times = {"phase_entered_at": talk.entered_at}
                new.append({"project_id": place.project_id, "source": source, **values, **times})
            elif _differs(row, values):
                entered = max(talk.entered_at, row.phase_entered_at)
                times = {} if row.phase == talk.phase else {"phase_entered_at": entered}
                changed.append({"id": row.id, **values, **times})
        ids = {source: row.id for source, row in there.items()}
        created = await self._write(Conversation, new, changed)
        ids.update(zip([row["source"] for row in new], created, strict=True))
        await self._remarks(
            [(ids[talk.source], remark) for talk in talks.values() for remark in talk.remarks]
        )

    async def add_remarks(self, remarks: Sequence[Remark]) -> int:
        """Store comments; return of how many the conversation is not there."""
        by_repository: dict[str, list[Remark]] = defaultdict(list)
        for remark in remarks:
            by_repository[repository_of(remark.source) or ""].append(remark)
        lost = 0
        for repository, some in by_repository.items():
            key = repository.lower()
            place = self._places.get(key) or await self._found(key)
            sources = list(dict.fromkeys(remark.source for remark in some))
            there = {} if place is None else await self._conversations(sources, place.project_id)
            known = [each for each in some if each.source in there]
            lost += len(some) - len(known)
            await self._remarks([(there[each.source].id, each) for each in known])
        return lost

    async def _conversations(self, sources: Sequence[str], project_id: int) -> dict[str, Any]:
        """Return the conversations with these sources, as rows of a few columns."""
        table = Conversation
        there: dict[str, Any] = {}
        for some in _parts(sources):
            statement = select(
                table.id, table.source, table.title, table.phase, table.phase_entered_at
            ).where(table.project_id == project_id, table.source.in_(some))
            rows = await self._session.execute(statement.where(table.deleted_at.is_(None)))
            there.update((str(row.source), row) for row in rows)
        return there

    async def _remarks(self, remarks: Sequence[tuple[int, Remark]]) -> None:
        """Store messages: each is known by its conversation, its author and its time."""
        there: dict[tuple[Any, ...], list[Any]] = defaultdict(list)
        table = ConversationMessage
        for keys in _parts(list(dict.fromkeys(key for key, _ in remarks))):
            columns = (table.id, table.conversation_id, table.author, table.time, table.content)
            statement = select(*columns).where(table.conversation_id.in_(keys)).order_by(table.id)
            for row in await self._session.execute(statement):
                there[row.conversation_id, row.author, row.time].append(row)
        new, changed = [], []
        for key, remark in remarks:
            known = there.get((key, remark.author, remark.time))
            if not known:
                said = {"role": remark.role, "author": remark.author, "content": remark.content}
                new.append({"conversation_id": key, "time": remark.time, **said})
            elif (row := known.pop(0)).content != remark.content:
                changed.append({"id": row.id, "content": remark.content})
        await self._write(table, new, changed)


def _differs(row: Any, values: Mapping[str, Any]) -> bool:
    return any(getattr(row, name) != value for name, value in values.items())


def _parts(items: Sequence[ItemT]) -> Iterator[Sequence[ItemT]]:
    return (items[start : start + _AT_ONCE] for start in range(0, len(items), _AT_ONCE))
