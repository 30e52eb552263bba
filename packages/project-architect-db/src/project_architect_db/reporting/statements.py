"""The lists of a report as statements: projects, repositories, what happened last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import (
    BigInteger,
    Date,
    String,
    and_,
    cast,
    func,
    literal,
    null,
    or_,
    select,
    union_all,
)

from andamios_orm.models import UTCDateTime
from project_architect_db.analytics.repositories import WEIGHTS, health
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
    from collections.abc import Collection

    from sqlalchemy import CompoundSelect, Select

    from project_architect_db.analytics.scope import Scope

__all__ = ["events", "extremes", "lines", "samples", "samples_among"]

_OF_A_KIND: Final = 4


def samples(scope: Scope) -> Select[int]:
    """Return the statement for how many projects are samples."""
    return select(func.count()).where(*scope.counts(Project), Project.is_sample.is_(True))


def samples_among(ids: Collection[int]) -> Select[int]:
    """Return the statement for which of some projects are samples."""
    return select(Project.id).where(Project.id.in_(sorted(ids)), Project.is_sample.is_(True))


# ---- projects ------------------------------------------------------------------------------


def lines(scope: Scope, limit: int) -> Select[Any]:
    """Return the statement for projects one by one: no samples first, then the last active.

    Key, name, status, whether it is a sample; conversations, documents, repositories,
    commits; the last activity.
    """
    talks = _grouped(scope, Conversation, Conversation.last_message_at)
    texts = _grouped(scope, Document, Document.changed_at)
    code = _grouped(scope, Repository, Repository.created_at)
    commits = _commits(scope)
    # greatest() passes over NULL, on both databases.
    last = func.greatest(
        Project.updated_at, talks.c.last, texts.c.last, commits.c.last, type_=UTCDateTime()
    )
    found: Any = Project.__table__
    for part in (talks, texts, code, commits):
        found = found.outerjoin(part, part.c.project_id == Project.id)
    numbers = (func.coalesce(part.c.number, 0) for part in (talks, texts, code, commits))
    return (
        select(
            *(Project.id, Project.name, cast(Project.status, String), Project.is_sample),
            *numbers,
            last.label("last_activity"),
        )
        .select_from(found)
        .where(*scope.counts(Project))
        .order_by(Project.is_sample, last.desc(), Project.id)
        .limit(limit)
    )


def _grouped(scope: Scope, model: Any, moment: Any) -> Any:
    """Return how many rows each project has, and the last moment of them."""
    last = func.max(moment, type_=UTCDateTime()).label("last")
    return (
        select(model.project_id, func.count().label("number"), last)
        .where(*scope.counts(model))
        .group_by(model.project_id)
        .subquery()
    )


def _commits(scope: Scope) -> Any:
    """Return the commits of each project, and when the last day with some begins."""
    return (
        select(
            Repository.project_id,
            cast(func.sum(RepositoryActivity.commits), BigInteger).label("number"),
            _beginning(func.max(RepositoryActivity.day, type_=Date())).label("last"),
        )
        .join(Repository, Repository.id == RepositoryActivity.repository_id)
        .where(*scope.counts(Repository), RepositoryActivity.commits > 0)
        .group_by(Repository.project_id)
        .subquery()
    )


def _beginning(day: Any) -> Any:
    """Return when a day begins, in UTC, which is the time zone of all connections."""
    return cast(day, UTCDateTime())


# ---- repositories ----------------------------------------------------------------------------


def extremes(scope: Scope, limit: int) -> Select[Any]:
    """Return the statement for the repositories with the highest and the lowest scores.

    Key, name; key and name of the project, whether that is a sample; score, grade, the points
    of each part; the place from the top and the place from the bottom. Best first.
    """
    scored = health(scope).subquery("scored")
    column = scored.c
    ranked = (
        select(
            scored,
            func.row_number().over(order_by=(column.score.desc(), column.id)).label("best"),
            func.row_number().over(order_by=(column.score, column.id)).label("worst"),
        )
        .where(column.score.is_not(None))
        .subquery("ranked")
    )
    row = ranked.c
    return (
        select(
            *(row.id, row.name, Project.id, Project.name, Project.is_sample),
            *(row.score, row.grade, *(row[f"{name}_points"] for name in WEIGHTS)),
            *(row.best, row.worst),
        )
        .join(Project, Project.id == row.project_id)
        .where(or_(row.best <= limit, row.worst <= limit))
        .order_by(row.best)
    )


# ---- what happened ---------------------------------------------------------------------------


def events(scope: Scope, limit: int) -> Select[Any]:
    """Return the statement for what happened last: latest first, at most four of a kind.

    Kind, moment, key of the project, its name, whether it is a sample, subject, detail.
    """
    none = cast(null(), String)
    parts = (
        _latest(scope, "project", Project.created_at, Project.id, none, none),
        _latest(scope, "completed", Project.completed_at, Project.id, none, none),
        _latest(
            scope,
            *("conversation", Conversation.last_message_at, Conversation.project_id),
            *(Conversation.title, Conversation.phase),
        ),
        _latest(scope, "document", Document.changed_at, Document.project_id, Document.name, none),
        *(
            _latest_run(scope, name, run)
            for name, run in (("build", Build), ("deployment", Deployment))
        ),
        _latest_commits(scope),
    )
    found = _united(parts).subquery("events")
    row = found.c
    return (
        select(
            row.kind, row.at, Project.id, Project.name, Project.is_sample, row.subject, row.detail
        )
        .join(Project, Project.id == row.project_id)
        .order_by(row.at.desc(), row.kind, Project.id, row.subject)
        .limit(limit)
    )


def _united(parts: Any) -> CompoundSelect[Any]:
    return union_all(*(select(part.subquery()) for part in parts))


def _latest(
    scope: Scope, kind: str, moment: Any, project: Any, subject: Any, detail: Any
) -> Select[Any]:
    """Return the latest rows of a model that has a project."""
    rows = _of_kind(kind, moment, project, subject, detail)
    return rows.where(moment.is_not(None), *scope.counts(moment.class_), *scope.during(moment))


def _latest_run(scope: Scope, kind: str, run: Any) -> Select[Any]:
    """Return the latest builds or deployments."""
    rows = _of_kind(
        kind, run.started_at, Repository.project_id, Repository.name, cast(run.status, String)
    )
    return rows.join(Repository, Repository.id == run.repository_id).where(
        *scope.counts(Repository), *scope.during(run.started_at)
    )


def _latest_commits(scope: Scope) -> Select[Any]:
    """Return the latest days with commits."""
    day = RepositoryActivity.day
    rows = _of_kind(
        "commits",
        day,
        Repository.project_id,
        Repository.name,
        cast(RepositoryActivity.commits, String),
        shown=_beginning(day),
    )
    return rows.join(Repository, Repository.id == RepositoryActivity.repository_id).where(
        and_(RepositoryActivity.commits > 0, *scope.counts(Repository)), *scope.during(day)
    )


def _of_kind(
    kind: str, moment: Any, project: Any, subject: Any, detail: Any, *, shown: Any = None
) -> Select[Any]:
    return (
        select(
            literal(kind, String()).label("kind"),
            (moment if shown is None else shown).label("at"),
            project.label("project_id"),
            subject.label("subject"),
            detail.label("detail"),
        )
        .select_from(moment.class_)
        .order_by(moment.desc(), project, subject)
        .limit(_OF_A_KIND)
    )
