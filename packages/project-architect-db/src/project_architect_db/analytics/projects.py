"""Statements about projects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from andamios_orm.queries.times import seconds_between
from project_architect_db.analytics.quantiles import described_around
from project_architect_db.analytics.scope import remembered, whole
from project_architect_db.models import Project

if TYPE_CHECKING:
    from sqlalchemy import Select

    from project_architect_db.analytics.scope import Scope

__all__ = ["completion", "times"]


@remembered
def completion(scope: Scope) -> Select[Any]:
    """Return the statement for how long projects took, and how complex they are: one row.

    A distribution of the seconds of those finished, with bounds; the sum of complexity, and of
    how many projects it is known.
    """
    score = Project.complexity_score
    return select(*described_around(_SECONDS), whole(func.sum(score)), func.count(score)).where(
        *scope.counts(Project), *scope.during(Project.created_at)
    )


def times(scope: Scope) -> Select[Any]:
    """Return the statement for how long each project took that is finished."""
    return select(_SECONDS.label("value")).where(
        *scope.counts(Project), *scope.during(Project.created_at), Project.completed_at.is_not(None)
    )


_SECONDS = seconds_between(Project.created_at, Project.completed_at)
