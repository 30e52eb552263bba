"""The statements about projects that need attention: which do, and why one does."""

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
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import ColumnElement, CompoundSelect, Select

    Keys = tuple[int, ...]
    Reason = tuple[str, int, dt.datetime]

__all__ = ["REASONS", "attention", "own_reasons", "quiet_since", "reasons_around", "usual_stays"]

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


def _build_failed(scope: Scope, keys: Keys | None = None) -> Select[Any]:
    failed = case((Build.status == RunStatus.FAILED, Build.started_at))
    last = (
        select(Build.repository_id, func.max(Build.started_at).label("started_at"))
        .where(*_within(Build.repository_id, keys))
        .group_by(Build.repository_id)
        .having(func.max(Build.started_at) == func.max(failed))
        .subquery()
    )
    return (
        _reason("build_failed", Repository.project_id, func.count(), func.min(last.c.started_at))
        .select_from(Repository)
        .join(last, last.c.repository_id == Repository.id)
        .where(*scope.counts(Repository))
        .where(Repository.project_id.in_(_open(scope) if keys is None else keys))
        .group_by(Repository.project_id)
    )


def _phase_overdue(scope: Scope, last_phase: str) -> Select[Any]:
    usual = usual_stays(scope, last_phase).subquery()
    return _waiting(scope, usual.c.seconds, _open(scope)).join(
        usual, usual.c.phase == Conversation.phase
    )


@remembered
def usual_stays(scope: Scope, last_phase: str) -> Select[str, float]:
    """Return the statement for the seconds that most stays in a phase take, by phase."""
    return (
        select(
            ConversationPhase.phase,
            ninth_tenth(quantiles(ConversationPhase.seconds)).label("seconds"),
        )
        .where(*scope.counts(ConversationPhase), ConversationPhase.phase != last_phase)
        .group_by(ConversationPhase.phase)
        .having(func.count() >= _FEWEST_STAYS)
    )


def _waiting(scope: Scope, usual: Any, projects: Any) -> Select[Any]:
    """Return which projects have conversations that wait longer than usual."""
    waiting = seconds_between(Conversation.phase_entered_at, literal(scope.as_of))
    since = func.min(Conversation.phase_entered_at)
    return (
        _reason("phase_overdue", Conversation.project_id, func.count(), since)
        .select_from(Conversation)
        .where(*scope.counts(Conversation), waiting > usual)
        .where(Conversation.project_id.in_(projects))
        .group_by(Conversation.project_id)
    )


def _inactive(scope: Scope) -> Select[Any]:
    before = quiet_since(scope)
    return _reason("inactive", Project.id, literal(1), Project.updated_at).where(
        *scope.counts(Project),
        Project.status == ProjectStatus.ACTIVE,
        Project.updated_at < before,
        Project.id.not_in(_busy(before)),
    )


def quiet_since(scope: Scope) -> dt.datetime:
    """Return since when nothing has happened in an inactive project."""
    return scope.as_of - _QUIET


def _busy(since: dt.datetime, keys: Keys | None = None) -> Any:
    """Return the keys of the projects in which something has happened since a moment."""
    of_repository = (model.repository_id for model in (Build, Deployment, RepositoryActivity))
    builds, deployments, days = (_within(column, keys) for column in of_repository)
    at_work = union_all(
        select(Build.repository_id).where(Build.started_at >= since, *builds),
        select(Deployment.repository_id).where(Deployment.started_at >= since, *deployments),
        select(RepositoryActivity.repository_id).where(
            RepositoryActivity.day >= since.date(), RepositoryActivity.commits > 0, *days
        ),
    )
    return union_all(
        select(Conversation.project_id).where(
            Conversation.deleted_at.is_(None),
            or_(Conversation.created_at >= since, Conversation.last_message_at >= since),
            *_of(Conversation.project_id, keys),
        ),
        select(Document.project_id).where(
            Document.deleted_at.is_(None),
            or_(Document.created_at >= since, Document.changed_at >= since),
            *_of(Document.project_id, keys),
        ),
        select(Repository.project_id).where(
            Repository.deleted_at.is_(None),
            or_(Repository.created_at >= since, Repository.id.in_(at_work)),
            *_of(Repository.project_id, keys),
        ),
    )


def _of(column: Any, keys: Keys | None) -> list[ColumnElement[bool]]:
    return [] if keys is None else [column.in_(keys)]


def _within(repository_id: Any, keys: Keys | None) -> list[ColumnElement[bool]]:
    if keys is None:
        return []
    return [repository_id.in_(select(Repository.id).where(Repository.project_id.in_(keys)))]


def _old(scope: Scope) -> Select[Any]:
    return _reason("old_draft", Project.id, literal(1), Project.created_at).where(
        *scope.counts(Project),
        Project.status == ProjectStatus.DRAFT,
        Project.created_at < scope.as_of - _OLD,
    )


# ---- of some projects ------------------------------------------------------------------------


def reasons_around(
    scope: Scope, keys: Keys, usual: Iterable[tuple[str, float]]
) -> CompoundSelect[Any]:
    """Return the statement for the reasons that are in what belongs to some projects.

    Key, reason, number and since when; ``busy`` is one against another reason. ``usual`` are
    the rows of ``usual_stays``.
    """
    stays = [(Conversation.phase == phase, longest) for phase, longest in usual]
    waiting = [_waiting(scope, case(*stays, else_=None), keys)] if stays else []
    at_work = _busy(quiet_since(scope), keys).subquery()
    busy = _reason("busy", at_work.c.project_id, func.count(), literal(scope.as_of))
    return union_all(
        _build_failed(scope, keys),
        *waiting,
        busy.group_by(at_work.c.project_id),
    )


def own_reasons(
    scope: Scope, values: Mapping[str, Any] | None, around: Sequence[Reason]
) -> list[Reason]:
    """Return the reasons of a project with some values; ``around`` are those around it."""
    if values is None or values["deleted_at"] is not None or values["status"] not in _OPEN:
        return []
    found = [reason for reason in around if reason[0] != "busy"]
    is_busy, is_draft = len(found) < len(around), values["status"] == ProjectStatus.DRAFT
    if not is_draft and not is_busy and values["updated_at"] < quiet_since(scope):
        found.append(("inactive", 1, values["updated_at"]))
    if is_draft and values["created_at"] < scope.as_of - _OLD:
        found.append(("old_draft", 1, values["created_at"]))
    return found
