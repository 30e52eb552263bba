"""Statements about repositories of code: what happens in them, and how healthy they are.

The formula of the score is in ``schemas/analytics/repositories.py``, word for word.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import (
    BigInteger,
    Date,
    Double,
    Integer,
    String,
    case,
    cast,
    distinct,
    extract,
    func,
    literal,
    select,
    true,
)

from andamios_orm.queries.times import utc_time
from project_architect_db.analytics.scope import remembered, whole
from project_architect_db.models import (
    Build,
    Contributor,
    Deployment,
    Repository,
    RepositoryActivity,
    RunStatus,
)

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Select, Subquery

    from project_architect_db.analytics.scope import Scope

__all__ = ["GRADES", "WEIGHTS", "activity", "contributors", "health", "kinds", "overview"]

WEIGHTS: Final = {"activity": 30, "builds": 30, "deployments": 20, "contributors": 20}
"""The parts of a score, and how much each counts."""
GRADES: Final = {"A": 90, "B": 75, "C": 60, "D": 40, "F": 0}
"""The grades, and from which score on."""
_FRESH: Final = 30
_STALE: Final = 365
_RECENT: Final = dt.timedelta(days=90)


@remembered
def kinds(scope: Scope) -> Select[str, str | None, int]:
    """Return the statement for the number of repositories by type and language."""
    return (
        select(cast(Repository.repo_type, String), Repository.language, func.count())
        .where(*scope.counts(Repository))
        .group_by(Repository.repo_type, Repository.language)
    )


@remembered
def activity(scope: Scope) -> Select[Any]:
    """Return the statement for commits and lines by weekday (Monday is 1).

    Weekday, commits, lines added, lines removed, and in how many repositories there were
    commits at all.
    """
    chosen = [*scope.counts(RepositoryActivity), *scope.during(RepositoryActivity.day)]
    active = (
        select(func.count(distinct(RepositoryActivity.repository_id)))
        .where(*chosen, RepositoryActivity.commits > 0)
        .scalar_subquery()
    )
    days = (
        select(
            cast(extract("isodow", RepositoryActivity.day), Integer).label("weekday"),
            RepositoryActivity.commits,
            RepositoryActivity.added,
            RepositoryActivity.removed,
        )
        .where(*chosen)
        .subquery()
    )
    amounts = (days.c.commits, days.c.added, days.c.removed)
    return select(
        days.c.weekday, *(whole(func.sum(amount)) for amount in amounts), active
    ).group_by(days.c.weekday)


@remembered
def contributors(scope: Scope, limit: int) -> Select[Any]:
    """Return the statement for those with most commits, in this order.

    Address, name, commits, repositories; how many addresses there are in all, and how many
    commits.
    """
    commits = whole(func.sum(Contributor.commits))
    first = func.min(Contributor.id)
    most = (
        select(
            first.label("id"),
            commits.label("commits"),
            func.count(case((Contributor.commits > 0, 1))).label("repositories"),
            func.count().over().label("people"),
            whole(func.sum(func.sum(Contributor.commits)).over()).label("all_commits"),
        )
        .where(*scope.counts(Contributor))
        .group_by(Contributor.email)
        .order_by(commits.desc(), first)
        .limit(limit)
        .subquery()
    )
    figures = (most.c.commits, most.c.repositories, most.c.people, most.c.all_commits)
    return (
        select(Contributor.email, Contributor.name, *figures)
        .join(most, most.c.id == Contributor.id)
        .order_by(most.c.commits.desc(), most.c.id)
    )


# ---- health --------------------------------------------------------------------------------


@remembered
def overview(scope: Scope, limit: int) -> Select[Any]:
    """Return the statement for scores in all, and the lowest ones, in order.

    How many repositories, how many with a score, their mean, how many of each grade; then of
    one repository the columns of ``health``, or NULL if none has a score.
    """
    scored = health(scope).cte("scored")
    grades = (func.count(case((scored.c.grade == grade, 1))).label(grade) for grade in GRADES)
    summary = select(
        func.count().label("number"),
        func.count(scored.c.score).label("scored"),
        cast(func.avg(scored.c.score), Double).label("average"),
        *grades,
    ).subquery("summary")
    lowest = (
        select(scored)
        .where(scored.c.score.is_not(None))
        .order_by(scored.c.score, scored.c.id)
        .limit(limit)
        .subquery("lowest")
    )
    return (
        select(summary, lowest)
        .select_from(summary.join(lowest, true(), isouter=True))
        .order_by(lowest.c.score, lowest.c.id)
    )


@remembered
def health(scope: Scope, key: int | None = None) -> Select[Any]:
    """Return the statement for what the scores of repositories are made of, and the scores."""
    chosen = scope.counts(Repository)
    if key is not None:
        chosen = [*chosen, Repository.id == key]
    days, builds, deployed, people = (
        _days(key),
        _builds(scope, key),
        _deployments(key),
        _people(key),
    )
    found: Any = Repository.__table__
    for part in (days, builds, deployed, people):
        found = found.outerjoin(part, part.c.repository_id == Repository.id)
    finished = builds.c.succeeded + builds.c.failed
    rest = (people.c.commits - people.c.most) * 200
    points: dict[str, Any] = {
        "activity": _freshness(scope, days.c.day),
        "builds": _dropped(builds.c.succeeded * 100, func.nullif(finished, 0)),
        "deployments": _freshness(scope, deployed.c.day),
        "contributors": func.least(100, _dropped(rest, people.c.commits)),
    }
    # least() passes over NULL: without commits there is nothing to be told.
    points["contributors"] = case((people.c.commits > 0, points["contributors"]))
    inner = (
        select(
            *(Repository.id, Repository.name, Repository.project_id, days.c.day),
            func.coalesce(people.c.commits, 0).label("commits"),
            func.coalesce(people.c.people, 0).label("people"),
            func.coalesce(builds.c.succeeded, 0).label("succeeded"),
            func.coalesce(builds.c.failed, 0).label("failed"),
            deployed.c.started_at.label("deployed_at"),
            *(value.label(f"{name}_points") for name, value in points.items()),
        )
        .select_from(found)
        .where(*chosen)
        .subquery("parts")
    )
    return _scored(inner)


def _scored(parts: Subquery) -> Select[Any]:
    """Return the parts with the score, and its grade."""
    points = [(parts.c[f"{name}_points"], weight) for name, weight in WEIGHTS.items()]
    weighted: Any = sum(func.coalesce(each * weight, 0) for each, weight in points)
    weights: Any = sum(case((each.is_not(None), weight), else_=0) for each, weight in points)
    scored = select(parts, _dropped(weighted, func.nullif(weights, 0)).label("score")).subquery(
        "rated"
    )
    steps = ((scored.c.score >= least, grade) for grade, least in GRADES.items())
    return select(scored, cast(case(*steps), String).label("grade"))


def _dropped(number: Any, by: Any) -> ColumnElement[int]:
    """Return the whole part of a division: both databases have another sign for it."""
    return cast(func.floor(cast(number, Double) / cast(by, Double)), BigInteger)


def _freshness(scope: Scope, day: Any) -> ColumnElement[int | None]:
    """Return the points for how long ago a day is."""
    days = literal(scope.today, Date()) - day
    part = _dropped((_STALE - days) * 100, literal(_STALE - _FRESH))
    return case((days <= _FRESH, 100), (days >= _STALE, 0), (day.is_not(None), part))


def _of(model: Any, key: int | None) -> list[ColumnElement[bool]]:
    return [] if key is None else [model.repository_id == key]


def _days(key: int | None) -> Subquery:
    day = func.max(RepositoryActivity.day).label("day")
    return (
        select(RepositoryActivity.repository_id, day)
        .where(RepositoryActivity.commits > 0, *_of(RepositoryActivity, key))
        .group_by(RepositoryActivity.repository_id)
        .subquery("days")
    )


def _builds(scope: Scope, key: int | None) -> Subquery:
    since = dt.datetime.combine(scope.today, dt.time(), dt.UTC) - _RECENT
    counts = (
        func.count(case((Build.status == status, 1))).label(str(status))
        for status in (RunStatus.SUCCEEDED, RunStatus.FAILED)
    )
    return (
        select(Build.repository_id, *counts)
        .where(Build.started_at >= since, *_of(Build, key))
        .group_by(Build.repository_id)
        .subquery("recent_builds")
    )


def _deployments(key: int | None) -> Subquery:
    last = func.max(Deployment.started_at)
    return (
        select(
            Deployment.repository_id,
            last.label("started_at"),
            cast(utc_time(last), Date).label("day"),
        )
        .where(Deployment.status == RunStatus.SUCCEEDED, *_of(Deployment, key))
        .group_by(Deployment.repository_id)
        .subquery("last_deployments")
    )


def _people(key: int | None) -> Subquery:
    return (
        select(
            Contributor.repository_id,
            whole(func.sum(Contributor.commits)).label("commits"),
            whole(func.max(Contributor.commits)).label("most"),
            func.count().label("people"),
        )
        .where(*_of(Contributor, key))
        .group_by(Contributor.repository_id)
        .subquery("people")
    )
