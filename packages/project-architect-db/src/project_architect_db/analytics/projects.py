"""Statements about projects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Double, cast, func, select

from project_architect_db.analytics.scope import median, ninth_tenth, seconds_between
from project_architect_db.models import Project, Repository

if TYPE_CHECKING:
    from sqlalchemy import Select

    from project_architect_db.analytics.scope import Scope

__all__ = ["completion", "created_repositories"]


def completion(scope: Scope) -> Select[Any]:
    """Return the statement for how long projects took, and how complex they are: one row.

    Number of those finished, mean, median and p90 of their seconds, mean of complexity.
    """
    seconds = seconds_between(Project.created_at, Project.completed_at)
    return select(
        func.count(Project.completed_at),
        cast(func.avg(seconds), Double),
        median(seconds),
        ninth_tenth(seconds),
        cast(func.avg(Project.complexity_score), Double),
    ).where(*scope.counts(Project), *scope.during(Project.created_at))


def created_repositories(scope: Scope) -> Select[Any]:
    """Return the statement for the number of repositories that were created."""
    return select(func.count()).where(
        *scope.counts(Repository), *scope.during(Repository.created_at)
    )
