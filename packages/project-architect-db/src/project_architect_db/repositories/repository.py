"""Repositories of code: what is known of them elsewhere, their builds and deployments."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy import Double, cast, extract, func, select

from andamios_orm.exceptions import NotFound, ValueRefused
from andamios_orm.models.clock import now
from andamios_orm.repositories import GenericRepository, operation
from andamios_orm.repositories.fields import Values, attributes_of
from project_architect_db.models.repository import (
    Build,
    Deployment,
    Repository,
    RepositoryType,
    RunStatus,
)
from project_architect_db.repositories.analytics import AnalyticsRepository
from project_architect_db.repositories.base import BaseRepository
from project_architect_db.schemas.repository import BuildStats

if TYPE_CHECKING:
    from collections.abc import Mapping

    from project_architect_db.schemas.analytics import RepositoryHealth

__all__ = ["RepositoryRepository"]

RunT = TypeVar("RunT", Build, Deployment)

_FINISHED: Final = (RunStatus.SUCCEEDED, RunStatus.FAILED)
# What GitHub calls it, and what it is called here.
_NUMBERS: Final = {
    "stargazers_count": "stars",
    "forks_count": "forks",
    "open_issues_count": "open_issues",
}
_TEXTS: Final = {
    "description": "description",
    "default_branch": "default_branch",
    "language": "language",
}
_KEPT: Final = (
    *("id", "full_name", "homepage", "topics", "visibility", "private", "archived", "fork"),
    *("size", "license", "created_at", "updated_at"),
)


class RepositoryRepository(BaseRepository[Repository]):
    """Repositories of code, all of them or those of projects that a viewer sees."""

    model = Repository

    @operation()
    async def get_by_project(
        self, project_id: int, limit: int | None = 100, offset: int = 0
    ) -> list[Repository]:
        """Return repositories of a project, by name."""
        return await self.list(limit, offset, order_by="name", project_id=project_id)

    @operation()
    async def get_by_type(
        self, repo_type: RepositoryType | str, limit: int | None = 100, offset: int = 0
    ) -> list[Repository]:
        """Return repositories of a type, by name.

        Raises:
            ValueRefused: there is no such type; the error names those there are.
        """
        return await self.list(limit, offset, order_by="name", repo_type=repo_type)

    # ---- what GitHub says -----------------------------------------------------------------

    @operation(writes=True)
    async def sync_github_metadata(
        self, payload: Mapping[str, Any], *, key: int | None = None, project_id: int | None = None
    ) -> Repository:
        """Return the repository that a payload of GitHub's API is about, brought up to date.

        It is the one with ``key``, or with the same ``github_url``; with ``project_id`` one
        that is not there is made.

        Raises:
            NotFound: there is no such repository.
            ValueRefused: the payload describes none.
        """
        url = payload.get("html_url")
        name = payload.get("name")
        if not isinstance(url, str) or not isinstance(name, str) or not url or not name:
            raise ValueRefused("a payload of a repository has html_url and name", payload)
        found = await self._meant(url, key)
        values = _known(payload)
        if found is not None:
            metadata = {**found.repo_metadata, **values.pop("repo_metadata")}
            return await self.update(found.id, {**values, "repo_metadata": metadata})
        if project_id is None:
            raise NotFound(Repository.__name__, f"at {url}")
        return await self.create({**values, "name": name, "project_id": project_id})

    async def _meant(self, url: str, key: int | None) -> Repository | None:
        if key is not None:
            return await self._existing(key)
        return await self.first(github_url=url)

    # ---- builds and deployments -------------------------------------------------------------

    @operation(writes=True)
    async def record_build(self, key: int, values: Values) -> Build:
        """Return a build of a repository, recorded: its status, and what else is known.

        Raises:
            NotFound: there is no such repository.
            ValueRefused: a value does not fit; of a status the error names those there are.
        """
        return await self._record(Build, key, values)

    @operation(writes=True)
    async def record_deployment(self, key: int, values: Values) -> Deployment:
        """Return a deployment of a repository, recorded: its status, and what else is known.

        Raises:
            NotFound: there is no such repository.
            ValueRefused: a value does not fit; of a status the error names those there are.
        """
        return await self._record(Deployment, key, values)

    async def _record(self, model: type[RunT], key: int, values: Values) -> RunT:
        if not await self.exists(id=key):
            raise self._not_found(key)
        given, explicit = attributes_of(values)
        said = {name: given[name] for name in given if name in explicit}
        return await GenericRepository(self.session, model).create({**said, "repository_id": key})

    @operation()
    async def build_stats(self, key: int | None = None) -> BuildStats:
        """Return how the builds of a repository, or of all, went.

        Raises:
            NotFound: there is no such repository.
        """
        if key is not None and not await self.exists(id=key):
            raise self._not_found(key)
        where = self._where((), {} if key is None else {"id": key})
        seconds = cast(extract("epoch", Build.finished_at - Build.started_at), Double)
        own = Build.repository_id == Repository.id
        counts = select(Build.status, func.count()).join(Repository, own).where(*where)
        rows = (await self.session.execute(counts.group_by(Build.status))).all()
        finished = (
            select(func.avg(seconds), func.percentile_cont(0.5).within_group(seconds))
            .select_from(Build)
            .join(Repository, own)
            .where(*where, Build.status.in_(_FINISHED), Build.finished_at.is_not(None))
        )
        average, median = (await self.session.execute(finished)).one()
        newest = (
            select(Build.status, Build.started_at)
            .join(Repository, own)
            .where(*where)
            .order_by(Build.started_at.desc(), Build.id.desc())
            .limit(1)
        )
        last = (await self.session.execute(newest)).one_or_none()
        by_status = {str(status): count for status, count in rows}
        ended = sum(by_status.get(status, 0) for status in _FINISHED)
        return BuildStats(
            total=sum(by_status.values()),
            by_status=by_status,
            success_rate=by_status.get(RunStatus.SUCCEEDED, 0) / ended if ended else None,
            average_seconds=average,
            median_seconds=median,
            last_status=None if last is None else last[0],
            last_started_at=None if last is None else last[1],
        )

    @operation()
    async def health(self, key: int) -> RepositoryHealth:
        """Return the score of a repository's health from 0 to 100, its grade and its parts.

        The formula is in ``schemas.analytics.repositories``.

        Raises:
            NotFound: there is no such repository.
        """
        analytics = AnalyticsRepository(self.session, viewer=self.viewer)
        return await analytics.repository_health(key)

    # ---- metadata, by the name it has in schemas --------------------------------------------

    def _new(self, values: Values | Repository) -> Repository:
        if isinstance(values, Repository):
            return values
        return super()._new(_renamed(values))

    @operation(writes=True)
    async def update(self, key: Any, values: Values, *, version: int | None = None) -> Repository:
        """Return the repository with a key, changed.

        Raises:
            NotFound: there is no such repository.
            StaleVersion: it has another version; the error has both.
        """
        return await super().update(key, _renamed(values), version=version)


def _renamed(values: Values) -> dict[str, Any]:
    """Return what was said, with metadata by the name that it has in the model."""
    given, explicit = attributes_of(values)
    said = {name: given[name] for name in given if name in explicit}
    if "metadata" in said:
        said["repo_metadata"] = said.pop("metadata")
    return said


def _known(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a payload says that has a place here."""
    values: dict[str, Any] = {"github_url": payload["html_url"], "synced_at": now()}
    for theirs, ours in _NUMBERS.items():
        number = payload.get(theirs)
        if isinstance(number, int) and not isinstance(number, bool):
            values[ours] = number
    for theirs, ours in _TEXTS.items():
        if isinstance(payload.get(theirs), str):
            values[ours] = payload[theirs]
    pushed_at = _moment(payload.get("pushed_at"))
    if pushed_at is not None:
        values["pushed_at"] = pushed_at
    values["repo_metadata"] = {name: payload[name] for name in _KEPT if name in payload}
    return values


def _moment(text: object) -> dt.datetime | None:
    """Return the moment that GitHub writes as ``2026-01-31T12:00:00Z``."""
    try:
        moment = dt.datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return moment if moment is not None and moment.utcoffset() is not None else None
