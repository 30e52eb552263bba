"""Statements about projects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Double, cast, func, select

from andamios_orm.queries.times import seconds_between
from project_architect_db.analytics.quantiles import described
from project_architect_db.analytics.scope import remembered
from project_architect_db.models import Project, Repository

if TYPE_CHECKING:
    from sqlalchemy import Select

    from project_architect_db.analytics.scope import Scope

__all__ = ["completion", "created_repositories"]


@remembered
def completion(scope: Scope) -> Select[Any]:
    """Return the statement for how long projects took, and how complex they are: one row.

    A distribution of the seconds of those finished, and the mean of complexity.
    """
    seconds = seconds_between(Project.created_at, Project.completed_at)
    return select(
        *described(seconds),
        cast(func.avg(Project.complexity_score), Double),
    ).where(*scope.counts(Project), *scope.during(Project.created_at))


@remembered
def created_repositories(scope: Scope) -> Select[Any]:
    """Return the statement for the number of repositories that were created."""
    return select(func.count()).where(
        *scope.counts(Repository), *scope.during(Repository.created_at)
    )
