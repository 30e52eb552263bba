"""The repository: every question about the rows of a model, and every change of them."""

from __future__ import annotations

from typing import TypeVar

from andamios_orm.repositories.deleting import Deleter

__all__ = ["BaseRepository"]

ModelT = TypeVar("ModelT")


class BaseRepository(Deleter[ModelT]):
    """The rows of one model: ``BaseRepository(session, Project)``, or a class with ``model``.

    On a session it flushes and never commits: whoever opened the session does. On a
    ``Database`` each call is a transaction of its own, run again after a conflict, and
    single creates of concurrent tasks share a commit.

    ::

        class ProjectRepository(BaseRepository[Project]):
            model = Project


        async with database.transaction() as session, ProjectRepository(session) as projects:
            project = await projects.create({"name": "Andamios"})
    """
