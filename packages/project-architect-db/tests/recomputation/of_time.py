"""Figures by time, out of plain rows."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from itertools import accumulate
from typing import TYPE_CHECKING, Any, TypeAlias

from tests.recomputation.numbers_of import quotient
from tests.recomputation.of_conversations import in_phases
from tests.recomputation.of_lives import needs_attention
from tests.recomputation.of_projects import project_metrics
from tests.recomputation.steps import begins, day_begins, earlier, step_of, through

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.recomputation.rows import Question, Row, Rows

__all__ = ["DAILY", "METRICS", "dashboard", "time_series_analysis"]

Amount: TypeAlias = "Callable[[Row], int]"


def _one(_row: Row) -> int:
    return 1


def _words(row: Row) -> int:
    return len(row["content"].split())


def _bytes(row: Row) -> int:
    return len(row["content"].encode())


def _whose(status: str) -> Amount:
    return lambda row: int(row["status"] == status)


def _column(name: str) -> Amount:
    return lambda row: row[name] or 0


METRICS: dict[str, tuple[str, str, Amount]] = {
    "projects_created": ("projects", "created_at", _one),
    "projects_completed": ("projects", "completed_at", _one),
    "conversations": ("conversations", "created_at", _one),
    "messages": ("messages", "time", _one),
    "words": ("messages", "time", _words),
    "tokens": ("messages", "time", _column("tokens")),
    "documents": ("documents", "created_at", _one),
    "document_bytes": ("documents", "created_at", _bytes),
    "accesses": ("accesses", "accessed_at", _one),
    "repositories": ("repositories", "created_at", _one),
    "builds": ("builds", "started_at", _one),
    "succeeded_builds": ("builds", "started_at", _whose("succeeded")),
    "failed_builds": ("builds", "started_at", _whose("failed")),
    "deployments": ("deployments", "started_at", _one),
    "failed_deployments": ("deployments", "started_at", _whose("failed")),
    "commits": ("activity", "day", _column("commits")),
    "lines_added": ("activity", "day", _column("added")),
    "lines_removed": ("activity", "day", _column("removed")),
}
DAILY = ("commits", "lines_added", "lines_removed")
TOTALS = (
    "conversations",
    "messages",
    "words",
    "tokens",
    "documents",
    "document_bytes",
    "accesses",
    "builds",
    "failed_builds",
    "deployments",
)
RECENT = (
    "projects_created",
    "projects_completed",
    "conversations",
    "messages",
    "documents",
    "accesses",
    "builds",
    "failed_builds",
    "deployments",
)


def time_series_analysis(
    rows: Rows, question: Question, metric: str, granularity: str, *, compare: bool = False
) -> Row:
    """Return the fields of ``TimeSeriesData``; ``rows`` are those that count."""
    zone = question.zone
    inside = _by_step(rows, question, metric, granularity)
    steps = _steps(inside, question, granularity)
    values = [inside[step] for step in steps]
    previous: list[int | None] = [None] * len(steps)
    if compare:
        before = _by_step(rows, question.about(None), metric, granularity)
        previous = [before[step] for step in earlier(steps[0], len(steps), granularity, zone)]
    known = [each for each in previous if each is not None]
    total, before_total = sum(values), sum(known) if compare else None
    totals = list(accumulate(values))
    return {
        **question.head(),
        "metric": metric,
        "granularity": granularity,
        "points": [
            {
                "start": _begins(step, granularity, question),
                "value": values[place],
                "running_total": totals[place],
                "moving_average": _mean(values[max(0, place - 6) : place + 1]),
                "previous": previous[place],
                **_change(values[place], previous[place]),
            }
            for place, step in enumerate(steps)
        ],
        "total": total,
        "previous_total": before_total,
        **_change(total, before_total),
    }


def dashboard(rows: Rows, question: Question) -> Row:
    """Return the fields of ``Dashboard``."""
    always = question.about(None)
    today = question.as_of.astimezone(question.zone).date()
    days = (today - dt.timedelta(days=29), today + dt.timedelta(days=1))
    recent = question.about(
        (day_begins(days[0], question.zone), day_begins(days[1], question.zone))
    )
    return {
        **recent.head(),
        "projects": project_metrics(rows, always),
        "totals": {name: _by_step(rows, always, name, "year").total() for name in TOTALS},
        "conversations_by_phase": in_phases(rows, always),
        "recent": [_recent(rows, recent, name) for name in RECENT],
        "attention": needs_attention(rows, always, limit=10),
    }


def _recent(rows: Rows, question: Question, metric: str) -> dict[str, Any]:
    series = time_series_analysis(rows, question, metric, "day", compare=True)
    return {
        "name": metric,
        "values": [point["value"] for point in series["points"]],
        "total": series["total"],
        "previous_total": series["previous_total"],
        "change_ratio": series["change_ratio"],
    }


def _by_step(rows: Rows, question: Question, metric: str, granularity: str) -> Counter[dt.datetime]:
    name, moment, amount = METRICS[metric]
    found: Counter[dt.datetime] = Counter()
    for row in getattr(rows, name):
        at = row[moment]
        if at is None:
            continue
        if metric in DAILY:
            at = day_begins(at, question.zone)
        if question.has(at):
            found[step_of(at, granularity, question.zone)] += amount(row)
    return found


def _steps(inside: Counter[dt.datetime], question: Question, granularity: str) -> list[dt.datetime]:
    some = [step for step, value in inside.items() if value]
    first, last = min(some, default=None), max(some, default=None)
    if question.start is not None:
        first = step_of(question.start, granularity, question.zone)
    if question.end is not None:
        moment = question.end - dt.timedelta(microseconds=1)
        last = step_of(moment, granularity, question.zone)
    if first is None or last is None:
        return []
    return through(first, last, granularity, question.zone)


def _begins(step: dt.datetime, granularity: str, question: Question) -> dt.datetime:
    moment = begins(step, granularity, question.zone)
    assert moment is not None
    return moment.astimezone(question.zone)


def _mean(values: list[int]) -> float:
    return sum(values) / len(values)


def _change(value: int, previous: int | None) -> dict[str, Any]:
    if previous is None:
        return {"change": None, "change_ratio": None}
    return {"change": value - previous, "change_ratio": quotient(value - previous, previous)}
