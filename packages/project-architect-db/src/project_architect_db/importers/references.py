"""Which project, or which repository, rows of a file belong to: by id or by name.

A cell of text with digits alone may be either, so it is looked up as both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sqlalchemy import or_, select

from andamios_orm.exceptions import MoreThanOne, NotFound
from project_architect_db.models.project import Project
from project_architect_db.models.repository import Repository
from project_architect_db.repositories.base import visible_projects

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncSession

__all__ = ["References", "project_id_of"]

_AT_ONCE: Final = 1_000
_HIGHEST: Final = 2**63
_DIGITS: Final = 19
_MOST_KNOWN: Final = 50_000
"""Names that are remembered from one batch to the next."""

Place: TypeAlias = "tuple[str, str]"
"""A field, and what is wrong with it."""


async def project_id_of(session: AsyncSession, project: int | str, viewer: str | None) -> int:
    """Return the id of the project that an id or a name means.

    Raises:
        NotFound: there is none that the viewer sees.
        MoreThanOne: several have this name.
    """
    named = isinstance(project, str)
    condition = Project.name == project if named else Project.id == project
    statement = select(Project.id).where(condition, *_alive(viewer)).order_by(Project.id).limit(2)
    found = (await session.scalars(statement)).all()
    if not found:
        raise NotFound(Project.__name__, repr(project) if named else project)
    if len(found) > 1:
        raise MoreThanOne(Project.__name__, f"name={project!r}: pass its id")
    return found[0]


def _alive(viewer: str | None) -> Sequence[ColumnElement[bool]]:
    seen = () if viewer is None else (visible_projects(viewer),)
    return (Project.deleted_at.is_(None), *seen)


class References:
    """Projects and repositories that rows name, looked up many at a time."""

    def __init__(self, viewer: str | None, project_id: int | None) -> None:
        """Look up what ``viewer`` sees; rows that say nothing belong to ``project_id``."""
        self._viewer = viewer
        self._project_id = project_id
        self._names: dict[str, list[int]] = {}
        self._ids: dict[int, bool] = {}

    async def projects(
        self, session: AsyncSession, rows: Sequence[dict[str, Any]]
    ) -> list[Place | None]:
        """Put the id of its project into each row; return what is wrong, row by row."""
        await self._learn(session, rows)
        return [self._project(row) for row in rows]

    async def repositories(
        self, session: AsyncSession, rows: Sequence[dict[str, Any]]
    ) -> list[Place | None]:
        """Put the id of its repository into each row; return what is wrong, row by row."""
        await self._learn(session, rows)
        wrong = [self._project(row, is_needed=False) for row in rows]
        wanted = {each for row in rows for each in _meant(row)}
        found = await self._repositories(session, wanted)
        return [error or _repository(row, found) for row, error in zip(rows, wrong, strict=True)]

    async def _learn(self, session: AsyncSession, rows: Iterable[dict[str, Any]]) -> None:
        """Look up the projects that rows name, and that are not known yet."""
        if len(self._names) + len(self._ids) > _MOST_KNOWN:
            self._names.clear()
            self._ids.clear()
        names: set[str] = set()
        keys: set[int] = set()
        for row in rows:
            name = row.get("project")
            if isinstance(name, str):
                names.add(name)
            key = _number(row.get("project_id", name))
            if key is not None:
                keys.add(key)
        await self._learn_names(session, sorted(names - self._names.keys()))
        await self._learn_ids(session, sorted(keys - self._ids.keys()))

    async def _learn_names(self, session: AsyncSession, names: Sequence[str]) -> None:
        for some in _parts(names):
            self._names.update((name, []) for name in some)
            statement = select(Project.name, Project.id).where(
                Project.name.in_(some), *_alive(self._viewer)
            )
            for name, key in await session.execute(statement.order_by(Project.id)):
                self._names[name].append(key)

    async def _learn_ids(self, session: AsyncSession, keys: Sequence[int]) -> None:
        for some in _parts(keys):
            self._ids.update(dict.fromkeys(some, False))
            statement = select(Project.id).where(Project.id.in_(some), *_alive(self._viewer))
            self._ids.update(dict.fromkeys(await session.scalars(statement), True))

    def _project(self, row: dict[str, Any], *, is_needed: bool = True) -> Place | None:
        name = row.pop("project", None)
        if "project_id" in row:
            key = _number(row["project_id"])
            if key is None:
                return "project_id", f"{row['project_id']!r:.80} is no id of a project"
            row["project_id"] = key
            return None if self._ids[key] else ("project_id", f"project {key} does not exist")
        if name is None:
            row["project_id"] = self._project_id
            missing = is_needed and self._project_id is None
            text = "it belongs to no project: say its name here, its project_id, or pass project="
            return ("project", text) if missing else None
        key = _number(name)
        found = list(self._names.get(name, ())) if isinstance(name, str) else []
        if key is not None and self._ids[key] and key not in found:
            found.append(key)
        if len(found) == 1:
            row["project_id"] = found[0]
            return None
        return "project", _not_one("project", name, found)

    async def _repositories(
        self, session: AsyncSession, wanted: set[Any]
    ) -> dict[Any, list[tuple[int, int]]]:
        """Return the id and the project of repositories, by id, name and address."""
        found: dict[Any, list[tuple[int, int]]] = {}
        names = sorted(each for each in wanted if isinstance(each, str))
        keys = sorted(each for each in wanted if isinstance(each, int))
        table = Repository
        conditions = [
            *(or_(table.name.in_(some), table.github_url.in_(some)) for some in _parts(names)),
            *(table.id.in_(some) for some in _parts(keys)),
        ]
        for condition in conditions:
            statement = (
                select(table.id, table.project_id, table.name, table.github_url)
                .join(Project, table.project_id == Project.id)
                .where(condition, table.deleted_at.is_(None), *_alive(self._viewer))
                .order_by(table.id)
            )
            for key, project_id, *said in await session.execute(statement):
                for name in {key, *said}:
                    place = (key, project_id)
                    if place not in found.setdefault(name, []):
                        found[name].append(place)
        return found


def _meant(row: dict[str, Any]) -> list[str | int]:
    """Return what a row may mean: the name or address of a repository, its id, or either."""
    said = row.get("repository", row.get("repository_id"))
    meant: list[str | int] = []
    if "repository" in row and isinstance(said, str):
        meant.append(said)
    key = _number(said)
    if key is not None:
        meant.append(key)
    return meant


def _repository(row: dict[str, Any], found: dict[Any, list[tuple[int, int]]]) -> Place | None:
    field = "repository" if "repository" in row else "repository_id"
    places = [place for wanted in _meant(row) for place in found.get(wanted, [])]
    within = row.pop("project_id", None)
    said = row.pop(field, None)
    if said is None:
        return "repository", "it belongs to no repository: say its name, address, or repository_id"
    fitting = [
        key for key, project_id in dict.fromkeys(places) if within is None or project_id == within
    ]
    if len(fitting) == 1:
        row["repository_id"] = fitting[0]
        return None
    return field, _not_one(
        "repository", said if field == "repository" else _number(said) or said, fitting
    )


def _not_one(what: str, said: object, found: Sequence[int]) -> str:
    key = _number(said) if isinstance(said, str) else None
    named = f"{what} {said!r:.80}"
    if not found:
        both = ": it is neither the id nor the name of one"
        return f"{named} does not exist{'' if key is None else both}"
    listed = ", ".join(map(str, found[:5]))
    if key in found:
        return f"{named} is the id of one and the name of another: say {what}_id, one of {listed}"
    return f"{named} is not the only one of that name: say which by its id, one of {listed}"


def _number(value: object) -> int | None:
    """Return an id; as text it has digits only."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _DIGITS:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 < value < _HIGHEST else None


def _parts(items: Sequence[Any]) -> list[Sequence[Any]]:
    return [items[start : start + _AT_ONCE] for start in range(0, len(items), _AT_ONCE)]
