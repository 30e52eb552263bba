"""Statements that join what belongs to projects: when each step was reached, what they take."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import BigInteger, String, cast, func, literal, select, union_all

from andamios_orm.queries.times import seconds_between
from project_architect_db.analytics.quantiles import described, described_around
from project_architect_db.analytics.scope import at_least_zero, remembered, whole
from project_architect_db.models import (
    Build,
    Conversation,
    Deployment,
    Document,
    Project,
    Repository,
    RepositoryActivity,
)

if TYPE_CHECKING:
    import datetime as dt

    from sqlalchemy import Select, Subquery

    from project_architect_db.analytics.scope import Scope

__all__ = ["AMOUNTS", "MILESTONES", "first_deployments", "lifecycle", "times", "top_projects"]

MILESTONES: Final = (
    *("idea", "conversation", "document", "repository", "build", "deployment", "completed"),
)
"""The steps of a project's life, in order."""
AMOUNTS: Final = ("messages", "words", "documents", "bytes", "commits", "builds")
"""What a project can have much of."""


@remembered
def lifecycle(scope: Scope) -> Select[Any]:
    """Return the statement for how many projects have reached each step, and how fast: one row.

    The number of projects; then for each step but the idea a distribution of the seconds since
    the idea, and one since the step before it; those of the last step with bounds.
    """
    firsts = [_first(scope, model, model.created_at) for model in (Conversation, Document)]
    firsts.append(_first(scope, Repository, Repository.created_at))
    firsts += [_first_run(scope, model) for model in (Build, Deployment)]
    joined: Any = Project.__table__
    for first in firsts:
        joined = joined.outerjoin(first, first.c.project_id == Project.id)
    moments = [Project.created_at, *(first.c.moment for first in firsts), Project.completed_at]
    figures: list[Any] = []
    for before, moment in pairwise(moments):
        found = described_around if moment is Project.completed_at else described
        for earlier in (Project.created_at, before):
            figures += found(at_least_zero(seconds_between(earlier, moment)))
    return (
        select(func.count(), *figures)
        .select_from(joined)
        .where(*scope.counts(Project), *scope.during(Project.created_at))
    )


def times(scope: Scope, *, deployed: bool) -> Select[Any]:
    """Return the statement for how long projects took since the idea, or since ``deployed``."""
    first = _first_run(scope, Deployment)
    found = select(Project.id)
    if deployed:
        found = found.join(first, first.c.project_id == Project.id)
    earlier = first.c.moment if deployed else Project.created_at
    seconds = at_least_zero(seconds_between(earlier, Project.completed_at))
    return found.with_only_columns(seconds.label("value"), maintain_column_froms=True).where(
        *scope.counts(Project), *scope.during(Project.created_at), Project.completed_at.is_not(None)
    )


def first_deployments(scope: Scope, keys: tuple[int, ...]) -> Select[int, dt.datetime]:
    """Return the statement for when some projects were first deployed: key and moment."""
    own = select(Repository.id).where(Repository.project_id.in_(keys))
    return (
        select(Repository.project_id, func.min(Deployment.started_at))
        .join(Deployment, Deployment.repository_id == Repository.id)
        .where(*scope.counts(Repository), Repository.project_id.in_(keys))
        .where(Deployment.repository_id.in_(own))
        .group_by(Repository.project_id)
    )


def _first(scope: Scope, model: Any, moment: Any) -> Subquery:
    """Return when each project had its first conversation, document ..."""
    return (
        select(model.project_id, func.min(moment).label("moment"))
        .where(*scope.counts(model))
        .group_by(model.project_id)
        .subquery(f"first_{model.__tablename__}")
    )


def _first_run(scope: Scope, model: Any) -> Subquery:
    """Return when each project had its first build, or deployment."""
    return (
        select(Repository.project_id, func.min(model.started_at).label("moment"))
        .join(model, model.repository_id == Repository.id)
        .where(*scope.counts(Repository))
        .group_by(Repository.project_id)
        .subquery(f"first_{model.__tablename__}")
    )


@remembered
def top_projects(scope: Scope, limit: int) -> Select[Any]:
    """Return the statement for the projects with most of each amount.

    What, key, name, amount; ordered by amount within each.
    """
    found = union_all(*(_most(name, scope, limit) for name in AMOUNTS)).subquery("most")
    return (
        select(found.c.what, Project.id, Project.name, found.c.amount)
        .join(found, found.c.project_id == Project.id)
        .order_by(found.c.what, found.c.amount.desc(), Project.id)
    )


def _most(name: str, scope: Scope, limit: int) -> Select[Any]:
    """Return the projects with most of one thing."""
    rows = _amounts(name, scope)
    amount = cast(func.sum(rows.c.amount), BigInteger)
    # What belongs to a deleted project may have been restored by itself.
    deleted = select(Project.id).where(Project.deleted_at.is_not(None))
    ranked = (
        select(rows.c.project_id, amount.label("amount"))
        .where(rows.c.project_id.not_in(deleted))
        .group_by(rows.c.project_id)
        .having(amount > 0)
        .order_by(amount.desc(), rows.c.project_id)
        .limit(limit)
        .subquery()
    )
    what = literal(name, String()).label("what")
    return select(what, ranked.c.project_id, ranked.c.amount)


def _amounts(name: str, scope: Scope) -> Subquery:
    """Return rows of one amount, with the project they belong to."""
    if name in {"messages", "words"}:
        column = Conversation.message_count if name == "messages" else Conversation.word_count
        return _rows(scope, Conversation, column)
    if name in {"documents", "bytes"}:
        return _rows(scope, Document, literal(1) if name == "documents" else Document.size)
    if name == "commits":
        model, moment = RepositoryActivity, RepositoryActivity.day
        amount: Any = whole(func.sum(RepositoryActivity.commits))
    else:
        model, moment, amount = Build, Build.started_at, func.count()  # type: ignore[assignment]
    by_repository = (
        select(model.repository_id, amount.label("amount"))
        .where(*scope.during(moment))
        .group_by(model.repository_id)
        .subquery()
    )
    return (
        select(Repository.project_id, by_repository.c.amount)
        .join(by_repository, by_repository.c.repository_id == Repository.id)
        .where(*scope.counts(Repository))
        .subquery()
    )


def _rows(scope: Scope, model: Any, amount: Any) -> Subquery:
    return (
        select(model.project_id, amount.label("amount"))
        .where(*scope.counts(model), *scope.during(model.created_at))
        .subquery()
    )
