"""Rows of repositories: who works on them, what was built and deployed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import String, case, cast, func, literal, null

from project_architect_db.models import Repository
from project_architect_db.seeding.chance import DAY, moment_of, whole
from project_architect_db.seeding.projects import owner_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import ColumnElement, Subquery

    from project_architect_db.seeding.plan import Plan, Span

__all__ = [
    "activity_rows",
    "build_rows",
    "contributor_rows",
    "deployment_rows",
    "repository_rows",
]

_ENDINGS: Final = (("", "backend"), ("-web", "frontend"), ("-infra", "infrastructure"))
_LATE: Final = 8
"""Last builds of a hundred that are still running or waiting, where a project goes on."""


def _repositories(plan: Plan, span: Span) -> Subquery:
    """Return the repositories of projects, with their address."""
    rows = plan.children("repositories", plan.lives(span))
    row = rows.c
    part = row.place * 10 + plan.draw(row.n, "made", 6)
    rows = plan.with_columns(
        rows,
        started=row.began + whole((row.ended - row.began) * part, row.siblings * 15),
        repository_place=row.place,
    )
    rows = plan.chosen(rows, title=("titles", plan.place_in("titles", rows.c.project, "title")))
    row = rows.c
    ending = case(
        *((row.repository_place == at, each) for at, (each, _) in enumerate(_ENDINGS)),
        else_=literal("-docs-") + cast(row.repository_place, String),
    )
    rows = plan.with_columns(rows, left=row.ended - row.started, name=row.title_short + ending)
    url = literal("https://github.com/") + rows.c.title_client + "/" + rows.c.name
    return plan.with_columns(rows, url=url, repository=rows.c.n)


def repository_rows(plan: Plan, span: Span) -> Mapping[str, ColumnElement[Any]]:
    """Return the columns of repositories."""
    rows = _repositories(plan, span)
    n = rows.c.n
    rows = plan.chosen(
        rows,
        tongue=("tongues", plan.place_in("tongues", n, "tongue")),
        about=("openings", plan.place_in("openings", n, "repository")),
    )
    row, table = rows.c, Repository.__table__.c
    kind = case(
        *((row.repository_place == at, each) for at, (_, each) in enumerate(_ENDINGS)), else_="docs"
    )
    pushed = row.started + whole(row.left * (90 + plan.draw(row.n, "pushed", 10)), 100)
    return {
        "id": plan.key("repositories", row.n),
        "project_id": plan.key("projects", row.parent),
        "name": row.name,
        "description": row.about_text,
        "repo_type": kind,
        "github_url": row.url,
        "remotes": cast(literal('{"origin":"') + row.url + '.git"}', table.remotes.type),
        "default_branch": literal("main"),
        "language": row.tongue_main,
        "languages": cast(row.tongue_all, table.languages.type),
        "stars": plan.skewed(row.n, "stars", 900),
        "forks": plan.skewed(row.n, "forks", 90),
        "open_issues": plan.skewed(row.n, "issues", 60),
        "pushed_at": plan.time(pushed),
        "synced_at": plan.time(row.ended),
        "metadata": cast(literal("{}"), table.metadata.type),
        "created_at": plan.time(row.started),
        "updated_at": plan.time(row.ended),
        "version": literal(1),
        "deleted_at": null(),
    }


def _runs(plan: Plan, kind: str, span: Span) -> Subquery:
    """Return builds or deployments: when they started, and of which commit."""
    rows = plan.children(kind, _repositories(plan, span))
    row = rows.c
    part = row.place * 10 + plan.draw(row.n, kind, 8)
    rows = plan.with_columns(
        rows,
        run=row.started + whole(row.left * part, row.siblings * 10),
        chance=plan.draw(row.n, f"{kind} status", 100),
        lasted=30 + plan.skewed(row.n, f"{kind} lasted", 1_800),
        is_late=(row.place == row.siblings - 1)
        & ~row.over
        & (plan.draw(row.n, f"{kind} late", 100) < _LATE),
    )
    number = cast(rows.c.n, String)
    commit = func.md5(literal(f"{kind} ") + number, type_=String())
    more = func.substr(func.md5(number, type_=String()), 1, 8, type_=String())
    return plan.with_columns(rows, commit=commit + more)


def _of_run(plan: Plan, row: Any) -> dict[str, ColumnElement[Any]]:
    """Return the columns that builds and deployments share."""
    finished = func.to_timestamp(moment_of(row.run) + row.lasted)
    return {
        "repository_id": plan.key("repositories", row.parent),
        "status": case(
            (row.is_late & (row.chance < 50), "running"),
            (row.is_late, "queued"),
            (row.chance < 81, "succeeded"),
            (row.chance < 95, "failed"),
            else_="cancelled",
        ),
        "started_at": plan.time(row.run),
        "finished_at": case((~row.is_late, finished)),
        "commit": row.commit,
    }


def build_rows(plan: Plan, span: Span) -> Mapping[str, ColumnElement[Any]]:
    """Return the columns of builds."""
    row = _runs(plan, "builds", span).c
    number = cast(row.n + 1, String)
    issue = literal("feature/") + cast(100 + plan.draw(row.n, "branch", 900), String)
    return {
        "id": plan.key("builds", row.n),
        "branch": case((plan.draw(row.n, "main", 100) < 62, "main"), else_=issue),
        "url": row.url + "/actions/runs/" + number,
        **_of_run(plan, row),
    }


def deployment_rows(plan: Plan, span: Span) -> Mapping[str, ColumnElement[Any]]:
    """Return the columns of deployments."""
    row = _runs(plan, "deployments", span).c
    release = literal("v1.") + cast(row.place, String) + "." + cast(row.chance % 4, String)
    return {
        "id": plan.key("deployments", row.n),
        "environment": case(
            (plan.draw(row.n, "environment", 100) < 58, "production"), else_="staging"
        ),
        "release": release,
        "url": null(),
        **_of_run(plan, row),
    }


def contributor_rows(plan: Plan, span: Span) -> Mapping[str, ColumnElement[Any]]:
    """Return the columns of who worked on repositories, the owner of the project first."""
    rows = plan.children("contributors", _repositories(plan, span))
    row = rows.c
    person = (owner_of(plan, row.project) + row.place * 37) % plan.sizes["people"]
    rows = plan.chosen(rows, person=("people", person))
    row = rows.c
    commits = 1 + plan.skewed(row.n, "commits", 400)
    first = row.started + whole(row.left * plan.draw(row.n, "first", 40), 100)
    last = row.started + whole(row.left * (60 + plan.draw(row.n, "last", 40)), 100)
    return {
        "id": plan.key("contributors", row.n),
        "repository_id": plan.key("repositories", row.parent),
        "email": row.person_address,
        "name": row.person_name,
        "commits": commits,
        "added": commits * (8 + plan.draw(row.n, "added", 40)),
        "removed": commits * (3 + plan.draw(row.n, "removed", 20)),
        "first_at": plan.time(first),
        "last_at": plan.time(last),
    }


def activity_rows(plan: Plan, span: Span) -> Mapping[str, ColumnElement[Any]]:
    """Return the columns of what was done on days: the last ones, one to three days apart."""
    rows = plan.children("activity", _repositories(plan, span))
    row = rows.c
    apart = DAY * (1 + plan.draw(row.repository, "apart", 3))
    commits = 1 + plan.skewed(row.n, "activity", 14)
    return {
        "id": plan.key("repository_activity", row.n),
        "repository_id": plan.key("repositories", row.parent),
        "day": plan.day(row.ended - (row.siblings - 1 - row.place) * apart),
        "commits": commits,
        "added": commits * (4 + plan.draw(row.n, "added", 60)),
        "removed": commits * (1 + plan.draw(row.n, "removed", 40)),
        "authors": 1 + plan.draw(row.n, "authors", 3),
    }
