"""Figures about repositories of code, out of plain rows."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import TYPE_CHECKING, Any

from tests.recomputation.numbers_of import grouped, named, quotient

if TYPE_CHECKING:
    from tests.recomputation.rows import Question, Row, Rows

__all__ = ["repository_health", "repository_health_metrics"]

TYPES = ("backend", "frontend", "docs", "infrastructure")
RUNS = ("queued", "running", "succeeded", "failed", "cancelled")
WEIGHTS = {"activity": 30, "builds": 30, "deployments": 20, "contributors": 20}
GRADES = {"A": 90, "B": 75, "C": 60, "D": 40, "F": 0}


def repository_health(rows: Rows, question: Question, key: int) -> Row:
    """Return the fields of ``RepositoryHealth``; ``rows`` are those that count."""
    (repository,) = (row for row in rows.repositories if row["id"] == key)
    return {**question.head(), **_scored(rows, question, repository), **_facts(rows, question, key)}


def repository_health_metrics(rows: Rows, question: Question) -> Row:
    """Return the fields of ``RepositoryHealthMetrics``."""
    scored = [_scored(rows, question, row) for row in rows.repositories]
    known = sorted(
        (each for each in scored if each["score"] is not None),
        key=lambda each: (each["score"], each["id"]),
    )
    types = Counter(str(row["repo_type"]) for row in rows.repositories)
    grades = Counter(each["grade"] for each in known)
    return {
        **question.head(),
        "total_repositories": len(scored),
        "repositories_by_type": {each: types[each] for each in TYPES},
        "average_score": quotient(sum(each["score"] for each in known), len(known)),
        "repositories_by_grade": {grade: grades[grade] for grade in GRADES},
        "unscored_repositories": len(scored) - len(known),
        "least_healthy": known[:10],
        **_runs("build", [row for row in rows.builds if question.has(row["started_at"])]),
        **_runs("deployment", [row for row in rows.deployments if question.has(row["started_at"])]),
        **_activity([row for row in rows.activity if question.has_day(row["day"])]),
        **_contributors(rows.contributors),
        "languages": named(row["language"] for row in rows.repositories),
    }


# ---- the score ---------------------------------------------------------------------------


def _facts(rows: Rows, question: Question, key: int) -> dict[str, Any]:
    active = [r["day"] for r in rows.activity if r["repository_id"] == key and r["commits"] > 0]
    people = [row for row in rows.contributors if row["repository_id"] == key]
    oldest = _today(question) - dt.timedelta(days=90)
    recent = Counter(
        str(row["status"])
        for row in rows.builds
        if row["repository_id"] == key and row["started_at"].astimezone(dt.UTC).date() >= oldest
    )
    deployed = [
        row["started_at"]
        for row in rows.deployments
        if row["repository_id"] == key and row["status"] == "succeeded"
    ]
    return {
        "last_commit_day": max(active, default=None),
        "commits": sum(row["commits"] for row in people),
        "contributors": len(people),
        "recent_succeeded_builds": recent["succeeded"],
        "recent_failed_builds": recent["failed"],
        "last_deployed_at": max(deployed, default=None),
    }


def _scored(rows: Rows, question: Question, repository: Row) -> dict[str, Any]:
    points = _points(rows, question, repository["id"])
    known = {name: each for name, each in points.items() if each is not None}
    score = None
    if known:
        weight = sum(WEIGHTS[name] for name in known)
        score = sum(WEIGHTS[name] * each for name, each in known.items()) // weight
    return {
        "id": repository["id"],
        "name": repository["name"],
        "project_id": repository["project_id"],
        "score": score,
        "grade": None
        if score is None
        else next(g for g, least in GRADES.items() if score >= least),
        "parts": [
            {"name": name, "weight": weight, "points": points[name]}
            for name, weight in WEIGHTS.items()
        ],
    }


def _points(rows: Rows, question: Question, key: int) -> dict[str, int | None]:
    facts = _facts(rows, question, key)
    deployed = facts["last_deployed_at"]
    succeeded, failed = facts["recent_succeeded_builds"], facts["recent_failed_builds"]
    commits = facts["commits"]
    most = max((r["commits"] for r in rows.contributors if r["repository_id"] == key), default=0)
    return {
        "activity": _fresh(facts["last_commit_day"], question),
        "builds": succeeded * 100 // (succeeded + failed) if succeeded + failed else None,
        "deployments": _fresh(deployed and deployed.astimezone(dt.UTC).date(), question),
        "contributors": min(100, (commits - most) * 200 // commits) if commits else None,
    }


def _fresh(day: dt.date | None, question: Question) -> int | None:
    if day is None:
        return None
    days = max(0, (_today(question) - day).days)
    if days <= 30:
        return 100
    return 0 if days >= 365 else (365 - days) * 100 // 335


def _today(question: Question) -> dt.date:
    return question.as_of.date()


# ---- what happened -----------------------------------------------------------------------


def _runs(name: str, runs: list[Row]) -> dict[str, Any]:
    status = Counter(str(row["status"]) for row in runs)
    decided = status["succeeded"] + status["failed"]
    return {
        f"{name}s": len(runs),
        f"{name}s_by_status": {each: status[each] for each in RUNS},
        f"{name}_success_rate": quotient(status["succeeded"], decided),
    }


def _activity(days: list[Row]) -> dict[str, Any]:
    by_weekday = [0] * 7
    for row in days:
        by_weekday[row["day"].weekday()] += row["commits"]
    return {
        "commits": sum(row["commits"] for row in days),
        "lines_added": sum(row["added"] for row in days),
        "lines_removed": sum(row["removed"] for row in days),
        "active_repositories": len({row["repository_id"] for row in days if row["commits"] > 0}),
        "commits_by_weekday": by_weekday,
    }


def _contributors(contributors: list[Row]) -> dict[str, Any]:
    total = sum(row["commits"] for row in contributors)
    people = grouped(contributors, "email")
    shares = [
        (
            rows[0]["id"],
            {
                "email": email,
                "name": rows[0]["name"],
                "commits": sum(row["commits"] for row in rows),
                "repositories": sum(row["commits"] > 0 for row in rows),
                "share": sum(row["commits"] for row in rows) / total if total else 0.0,
            },
        )
        for email, rows in people.items()
    ]
    worked = [each for each in shares if each[1]["commits"] > 0]
    worked.sort(key=lambda each: (-each[1]["commits"], each[0]))
    return {"contributors": len(people), "top_contributors": [each for _, each in worked[:10]]}
