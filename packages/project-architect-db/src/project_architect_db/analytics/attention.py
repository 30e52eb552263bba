"""The statement about projects that need attention."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import String, case, cast, func, literal, or_, select, union_all

from andamios_orm.queries.times import seconds_between
from project_architect_db.analytics.quantiles import ninth_tenth, quantiles
from project_architect_db.analytics.scope import Scope, remembered
from project_architect_db.models import (
    Build,
    Conversation,
    ConversationPhase,
    Deployment,
    Document,
    Project,
    ProjectStatus,
    Repository,
    RepositoryActivity,
    RunStatus,
)

if TYPE_CHECKING:
    from sqlalchemy import Select

__all__ = ["REASONS", "attention"]

REASONS: Final = ("build_failed", "phase_overdue", "inactive", "old_draft")
"""The reasons there are, in their order."""
_OPEN: Final = (ProjectStatus.DRAFT, ProjectStatus.ACTIVE)
_QUIET: Final = dt.timedelta(days=30)
_OLD: Final = dt.timedelta(days=90)
_FEWEST_STAYS: Final = 5


@remembered
def attention(scope: Scope, last_phase: str, limit: int) -> Select[Any]:
    """Return the statement for the reasons of the first ``limit`` projects.

    Key, name and status of a project, reason, number, since when, and of the project the
    number of reasons, the earliest moment, and how many projects there are in all. Ordered by
    project as they come first, and not within it.
    """
    found = union_all(
        _build_failed(scope), _phase_overdue(scope, last_phase), _inactive(scope), _old(scope)
    ).cte("found")
    reasons, since = func.count(), func.min(found.c.since)
    order = (reasons.desc(), since.asc(), found.c.project_id.asc())
    first = (
        select(
            found.c.project_id,
            func.count().over().label("total"),
            func.row_number().over(order_by=order).label("place"),
        )
        .group_by(found.c.project_id)
        .order_by(*order)
        .limit(limit)
        .subquery("chosen")
    )
    return (
        select(
            Project.id,
            Project.name,
            cast(Project.status, String),
            found.c.reason,
            found.c.number,
            found.c.since,
            first.c.total,
        )
        .select_from(first)
        .join(found, found.c.project_id == first.c.project_id)
        .join(Project, Project.id == first.c.project_id)
        .order_by(first.c.place)
    )


def _reason(name: str, project_id: Any, number: Any, since: Any) -> Select[Any]:
    return select(
        project_id.label("project_id"),
        literal(name, String()).label("reason"),
        number.label("number"),
        since.label("since"),
    )


def _open(scope: Scope) -> Select[Any]:
    """Return the keys of the projects that can need attention."""
    return select(Project.id).where(*scope.counts(Project), Project.status.in_(_OPEN))


def _build_failed(scope: Scope) -> Select[Any]:
    failed = case((Build.status == RunStatus.FAILED, Build.started_at))
    last = (
        select(Build.repository_id, func.max(Build.started_at).label("started_at"))
        .group_by(Build.repository_id)
        .having(func.max(Build.started_at) == func.max(failed))
        .subquery()
    )
    return (
        _reason("build_failed", Repository.project_id, func.count(), func.min(last.c.started_at))
        .select_from(Repository)
        .join(last, last.c.repository_id == Repository.id)
        .where(*scope.counts(Repository), Repository.project_id.in_(_open(scope)))
        .group_by(Repository.project_id)
    )


def _phase_overdue(scope: Scope, last_phase: str) -> Select[Any]:
    usual = (
        select(
            ConversationPhase.phase,
            ninth_tenth(quantiles(ConversationPhase.seconds)).label("seconds"),
        )
        .where(*scope.counts(ConversationPhase), ConversationPhase.phase != last_phase)
        .group_by(ConversationPhase.phase)
        .having(func.count() >= _FEWEST_STAYS)
        .subquery()
    )
    waiting = seconds_between(Conversation.phase_entered_at, literal(scope.as_of))
    since = func.min(Conversation.phase_entered_at)
    return (
        _reason("phase_overdue", Conversation.project_id, func.count(), since)
        .select_from(Conversation)
        .join(usual, usual.c.phase == Conversation.phase)
        .where(*scope.counts(Conversation), waiting > usual.c.seconds)
        .where(Conversation.project_id.in_(_open(scope)))
        .group_by(Conversation.project_id)
    )


def _inactive(scope: Scope) -> Select[Any]:
    before = scope.as_of - _QUIET
    return _reason("inactive", Project.id, literal(1), Project.updated_at).where(
        *scope.counts(Project),
        Project.status == ProjectStatus.ACTIVE,
        Project.updated_at < before,
        Project.id.not_in(_busy(before)),
    )


def _busy(since: dt.datetime) -> Any:
    """Return the keys of the projects in which something has happened since a moment."""
    at_work = union_all(
        select(Build.repository_id).where(Build.started_at >= since),
        select(Deployment.repository_id).where(Deployment.started_at >= since),
        select(RepositoryActivity.repository_id).where(
            RepositoryActivity.day >= since.date(), RepositoryActivity.commits > 0
        ),
    )
    return union_all(
        select(Conversation.project_id).where(
            Conversation.deleted_at.is_(None),
            or_(Conversation.created_at >= since, Conversation.last_message_at >= since),
        ),
        select(Document.project_id).where(
            Document.deleted_at.is_(None),
            or_(Document.created_at >= since, Document.changed_at >= since),
        ),
        select(Repository.project_id).where(
            Repository.deleted_at.is_(None),
            or_(Repository.created_at >= since, Repository.id.in_(at_work)),
        ),
    )


def _old(scope: Scope) -> Select[Any]:
    return _reason("old_draft", Project.id, literal(1), Project.created_at).where(
        *scope.counts(Project),
        Project.status == ProjectStatus.DRAFT,
        Project.created_at < scope.as_of - _OLD,
    )
