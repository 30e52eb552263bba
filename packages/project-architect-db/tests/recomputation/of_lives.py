"""Figures that join what belongs to a project, out of plain rows."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import TYPE_CHECKING, Any

from tests.recomputation.numbers_of import distribution, grouped, p90, quotient, seconds

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.recomputation.rows import Question, Row, Rows

__all__ = ["cross_entity_analytics", "needs_attention"]

STEPS = ("idea", "conversation", "document", "repository", "build", "deployment", "completed")
OPEN = ("draft", "active")


def cross_entity_analytics(rows: Rows, question: Question) -> Row:
    """Return the fields of ``CrossEntityMetrics``; ``rows`` are those that count."""
    projects = [row for row in rows.projects if question.has(row["created_at"])]
    count = len(projects)

    def each(what: Iterable[Row], moment: str) -> float | None:
        return quotient(sum(question.has(row[moment]) for row in what), count)

    return {
        **question.head(),
        "projects": count,
        "lifecycle": _lifecycle(projects, _reached(rows)),
        "conversations_per_project": each(rows.conversations, "created_at"),
        "messages_per_project": each(rows.messages, "time"),
        "documents_per_project": each(rows.documents, "created_at"),
        "repositories_per_project": each(rows.repositories, "created_at"),
        "top_projects": _top_projects(rows, question),
    }


def _reached(rows: Rows) -> dict[str, dict[int, dt.datetime]]:
    """Return when each project reached each step first, by step and project."""
    found: dict[str, dict[int, dt.datetime]] = {step: {} for step in STEPS}
    owner = {row["id"]: row["project_id"] for row in rows.repositories}

    def note(step: str, project: int, moment: dt.datetime | None) -> None:
        if moment is not None:
            found[step][project] = min(moment, found[step].get(project, moment))

    for row in rows.projects:
        note("idea", row["id"], row["created_at"])
        note("completed", row["id"], row["completed_at"])
    for step in ("conversation", "document", "repository"):
        name = "repositories" if step == "repository" else f"{step}s"
        for row in getattr(rows, name):
            note(step, row["project_id"], row["created_at"])
    for step in ("build", "deployment"):
        for row in getattr(rows, f"{step}s"):
            note(step, owner[row["repository_id"]], row["started_at"])
    return found


def _lifecycle(
    projects: list[Row], reached: dict[str, dict[int, dt.datetime]]
) -> list[dict[str, Any]]:
    keys = [row["id"] for row in projects]
    steps = []
    for place, name in enumerate(STEPS):
        here = {key: reached[name][key] for key in keys if key in reached[name]}
        idea = [max(0.0, seconds(reached["idea"][key], at)) for key, at in here.items()]
        before = reached[STEPS[place - 1]] if place else {}
        since = [max(0.0, seconds(before[key], at)) for key, at in here.items() if key in before]
        steps.append(
            {
                "name": name,
                "reached": len(here),
                "share": quotient(len(here), len(keys)),
                "since_idea": distribution(idea),
                "since_previous": distribution(since),
            }
        )
    return steps


def _top_projects(rows: Rows, question: Question) -> dict[str, Any]:
    sums: dict[str, Counter[int]] = {
        name: Counter() for name in ("messages", "words", "documents", "bytes", "commits", "builds")
    }
    talks = {row["id"]: row for row in rows.conversations if question.has(row["created_at"])}
    for row in rows.messages:
        if row["conversation_id"] in talks:
            project = talks[row["conversation_id"]]["project_id"]
            sums["messages"][project] += 1
            sums["words"][project] += len(row["content"].split())
    for row in rows.documents:
        if question.has(row["created_at"]):
            sums["documents"][row["project_id"]] += 1
            sums["bytes"][row["project_id"]] += len(row["content"].encode())
    owner = {row["id"]: row["project_id"] for row in rows.repositories}
    for row in rows.activity:
        if question.has_day(row["day"]):
            sums["commits"][owner[row["repository_id"]]] += row["commits"]
    for row in rows.builds:
        sums["builds"][owner[row["repository_id"]]] += question.has(row["started_at"])
    names = {row["id"]: row["name"] for row in rows.projects}
    return {name: _ten(counts, names) for name, counts in sums.items()}


def _ten(counts: Counter[int], names: dict[int, str]) -> list[dict[str, Any]]:
    some = [(key, amount) for key, amount in counts.items() if amount and key in names]
    some.sort(key=lambda each: (-each[1], each[0]))
    return [{"project_id": key, "name": names[key], "amount": amount} for key, amount in some[:10]]


# ---- what needs attention ----------------------------------------------------------------


def needs_attention(rows: Rows, question: Question, limit: int = 20) -> Row:
    """Return the fields of ``Attention``, without ``text`` of reasons."""
    asked = question.about(None)
    items = [item for row in rows.projects if (item := _item(row, rows, asked)) is not None]
    items.sort(key=lambda each: (-len(each["reasons"]), each["since"], each["project_id"]))
    return {**asked.head(), "total": len(items), "items": items[:limit]}


def _item(project: Row, rows: Rows, question: Question) -> dict[str, Any] | None:
    if project["status"] not in OPEN:
        return None
    found = (
        _build_failed(project, rows),
        _phase_overdue(project, rows, question),
        _inactive(project, rows, question),
        _old_draft(project, question),
    )
    reasons = [reason for reason in found if reason is not None]
    if not reasons:
        return None
    return {
        "project_id": project["id"],
        "name": project["name"],
        "status": str(project["status"]),
        "since": min(reason["since"] for reason in reasons),
        "reasons": reasons,
    }


def _reason(code: str, moments: list[dt.datetime]) -> dict[str, Any] | None:
    if not moments:
        return None
    return {"code": code, "count": len(moments), "since": min(moments)}


def _of_project(project: Row, rows: Iterable[Row]) -> list[Row]:
    return [row for row in rows if row["project_id"] == project["id"]]


def _of_repositories(project: Row, rows: Rows, name: str) -> list[Row]:
    keys = {row["id"] for row in _of_project(project, rows.repositories)}
    return [row for row in getattr(rows, name) if row["repository_id"] in keys]


def _build_failed(project: Row, rows: Rows) -> dict[str, Any] | None:
    moments = []
    for builds in grouped(_of_repositories(project, rows, "builds"), "repository_id").values():
        last = max(row["started_at"] for row in builds)
        if any(row["status"] == "failed" and row["started_at"] == last for row in builds):
            moments.append(last)
    return _reason("build_failed", moments)


def _phase_overdue(project: Row, rows: Rows, question: Question) -> dict[str, Any] | None:
    stays = grouped(rows.stays, "phase")
    moments = []
    for row in _of_project(project, rows.conversations):
        ended = [
            seconds(each["entered_at"], each["left_at"]) for each in stays.get(row["phase"], [])
        ]
        usual = p90(ended)
        if row["phase"] == question.phases[-1] or usual is None or len(ended) < 5:
            continue
        if seconds(row["phase_entered_at"], question.as_of) > usual:
            moments.append(row["phase_entered_at"])
    return _reason("phase_overdue", moments)


def _inactive(project: Row, rows: Rows, question: Question) -> dict[str, Any] | None:
    if project["status"] != "active":
        return None
    moments = [project["updated_at"]]
    moments += _column(_of_project(project, rows.conversations), "created_at", "last_message_at")
    moments += _column(_of_project(project, rows.documents), "created_at", "changed_at")
    moments += _column(_of_project(project, rows.repositories), "created_at")
    moments += _column(_of_repositories(project, rows, "builds"), "started_at")
    moments += _column(_of_repositories(project, rows, "deployments"), "started_at")
    activity = _of_repositories(project, rows, "activity")
    days = [row["day"] for row in activity if row["commits"] > 0]
    limit = question.as_of - dt.timedelta(days=30)
    if any(moment >= limit for moment in moments) or any(day >= limit.date() for day in days):
        return None
    return _reason("inactive", [project["updated_at"]])


def _column(rows: list[Row], *names: str) -> list[dt.datetime]:
    return [row[name] for row in rows for name in names if row[name] is not None]


def _old_draft(project: Row, question: Question) -> dict[str, Any] | None:
    if project["status"] != "draft":
        return None
    is_old = project["created_at"] < question.as_of - dt.timedelta(days=90)
    return _reason("old_draft", [project["created_at"]]) if is_old else None
