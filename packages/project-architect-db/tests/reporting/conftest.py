"""A portfolio made by hand, for what only shows it."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from project_architect_db.models import ProjectStatus, RepositoryType, RunStatus
from project_architect_db.models.conversation import PHASES
from project_architect_db.reporting import (
    Change,
    Event,
    Period,
    Portfolio,
    ProjectLine,
    RepositoryLine,
)
from project_architect_db.reporting.collecting import METRICS
from project_architect_db.schemas.analytics import (
    Attention,
    AttentionItem,
    AttentionReason,
    Bottleneck,
    ConversationFlowMetrics,
    CrossEntityMetrics,
    Distribution,
    DurationStatistics,
    Milestone,
    NamedCount,
    PhaseFlow,
    ProjectAnalytics,
    RepositoryHealthMetrics,
    TimePoint,
    TimeSeriesData,
    TopProjects,
)

if TYPE_CHECKING:
    from collections.abc import Callable

ZONE = ZoneInfo("Europe/Madrid")
NOW = dt.datetime(2026, 7, 1, 12, 30, tzinfo=ZONE)
DAY = 86_400.0
HEAD: dict[str, Any] = {"timezone": ZONE.key, "start": None, "end": None, "as_of": NOW}


@pytest.fixture
def made() -> Callable[..., Portfolio]:
    """Return what makes a portfolio of two projects, one of them a sample."""
    return portfolio


@pytest.fixture
def parts() -> SimpleNamespace:
    """Return what makes the parts of a portfolio: a line, an event, a change and so on."""
    return SimpleNamespace(
        attention=attention,
        change=change,
        event=event,
        flow=flow,
        line=line,
        scored=scored,
        series=series,
    )


@pytest.fixture
def empty() -> Portfolio:
    """Return a portfolio without a project."""
    nothing = portfolio()
    nothing.projects.total_projects = nothing.sample_projects = 0
    return nothing


def portfolio(**changes: Any) -> Portfolio:
    """Return a portfolio of two projects, with some fields changed."""
    fields: dict[str, Any] = {
        "made_at": NOW,
        "timezone": ZONE.key,
        "viewer": None,
        "period": Period(start=dt.date(2026, 6, 2), end=dt.date(2026, 7, 2), is_recent=True),
        "has_samples": True,
        "sample_projects": 1,
        "projects": projects(),
        "flow": flow(),
        "lives": lives(),
        "health": health(),
        "attention": attention(),
        "changes": [change(name) for name in METRICS],
        "commits": series("commits", "week", dt.date(2025, 7, 7), 7, [0] * 30 + [5] * 22),
        "created": series("projects_created", "month", dt.date(2024, 8, 1), 30, [0] * 23 + [2]),
        "completed": series("projects_completed", "month", dt.date(2024, 8, 1), 30, [0] * 24),
        "lines": [
            line(1, "Harbour", is_sample=False),
            line(2, "Made up", is_sample=True),
        ],
        "healthiest": [scored(1, "harbour-api", 92, "A", is_sample=False)],
        "weakest": [scored(2, "made-up-web", 12, "F", is_sample=True)],
        "events": [
            event("commits", "harbour-api", "3", is_sample=False),
            event("build", "made-up-web", "failed", is_sample=True),
        ],
        "sample_ids": [2],
    }
    return Portfolio(**{**fields, **changes})


def line(key: int, name: str, *, is_sample: bool) -> ProjectLine:
    """Return a project of the list."""
    return ProjectLine(
        id=key,
        name=name,
        status="active",
        is_sample=is_sample,
        conversations=3,
        documents=1_234,
        repositories=2,
        commits=17,
        last_activity=NOW - dt.timedelta(hours=5),
    )


def scored(key: int, name: str, score: int, grade: str, *, is_sample: bool) -> RepositoryLine:
    """Return a repository of the list."""
    return RepositoryLine(
        id=key,
        name=name,
        project_id=key,
        project="Harbour",
        is_sample=is_sample,
        score=score,
        grade=grade,
        points={"activity": score, "builds": None},
    )


def event(kind: str, subject: str | None, detail: str | None, *, is_sample: bool = False) -> Event:
    """Return something that happened."""
    return Event(
        kind=kind,
        at=NOW - dt.timedelta(days=2),
        project_id=2 if is_sample else 1,
        project="Made up" if is_sample else "Harbour",
        is_sample=is_sample,
        subject=subject,
        detail=detail,
    )


def change(name: str, total: int = 15, before: int = 10) -> Change:
    """Return a metric of the period."""
    ratio = (total - before) / before if before else None
    values = [0] * 29 + [total]
    return Change(name=name, values=values, total=total, previous_total=before, change_ratio=ratio)


def series(metric: str, step: str, start: dt.date, days: int, values: list[int]) -> TimeSeriesData:
    """Return a series."""
    points = [
        TimePoint(
            start=dt.datetime.combine(start + dt.timedelta(days=days * at), dt.time(), ZONE),
            value=value,
            running_total=0,
            moving_average=0.0,
            previous=None,
            change=None,
            change_ratio=None,
        )
        for at, value in enumerate(values)
    ]
    return TimeSeriesData(
        **HEAD,
        metric=metric,
        granularity=step,
        points=points,
        total=sum(values),
        previous_total=None,
        change=None,
        change_ratio=None,
    )


def spread(median: float | None = None) -> dict[str, Any]:
    """Return a distribution around a median."""
    p90 = None if median is None else median * 3
    return {"count": 0 if median is None else 9, "mean": median, "median": median, "p90": p90}


def projects() -> ProjectAnalytics:
    """Return figures about two projects."""
    return ProjectAnalytics(
        **HEAD,
        total_projects=2,
        active_projects=1,
        completed_projects=1,
        project_by_status={**dict.fromkeys(ProjectStatus, 0), "active": 1, "completed": 1},
        finished_projects=1,
        completion_rate=0.5,
        average_completion_time=40 * DAY,
        median_completion_time=40 * DAY,
        p90_completion_time=90 * DAY,
        average_complexity=None,
        complexity_distribution={},
        unscored_projects=2,
        top_frameworks=[NamedCount(name="FastAPI", count=2)],
        conversations=6,
        messages=40,
        documents=2_468,
        document_bytes=1,
        repositories=2,
    )


def flow() -> ConversationFlowMetrics:
    """Return figures about conversations: three wait in the design."""
    phases = [
        PhaseFlow(
            phase=phase,
            stays=DurationStatistics(**spread(5 * DAY if phase != "done" else None)),
            waiting=3 if phase == "design" else 0,
            waiting_seconds=3 * DAY if phase == "design" else 0.0,
            overdue=0,
        )
        for phase in PHASES
    ]
    slow = Bottleneck(
        phase="design",
        waiting=3,
        waiting_seconds=3 * DAY,
        share=1.0,
        average_wait=DAY,
        overdue=0,
        usual_wait=None,
    )
    return ConversationFlowMetrics(
        **HEAD,
        total_conversations=6,
        conversations_by_phase={},
        open_conversations=3,
        phases=phases,
        messages_per_conversation=Distribution(**spread(6.0)),
        total_messages=40,
        total_words=400,
        total_tokens=0,
        messages_by_role=[],
        funnel=[],
        bottlenecks=[slow],
        messages_by_hour=[],
        messages_by_weekday=[],
        message_lengths={},
    )


def lives() -> CrossEntityMetrics:
    """Return the steps of two projects."""
    names = ("idea", "conversation", "document", "repository", "build", "deployment", "completed")
    steps = [
        Milestone(
            name=name,
            reached=2 - at // 4,
            share=(2 - at // 4) / 2,
            since_idea=DurationStatistics(**spread(DAY * at)),
            since_previous=DurationStatistics(**spread()),
        )
        for at, name in enumerate(names)
    ]
    return CrossEntityMetrics(
        **HEAD,
        projects=2,
        lifecycle=steps,
        conversations_per_project=3.0,
        messages_per_project=20.0,
        documents_per_project=1.0,
        repositories_per_project=1.0,
        top_projects=TopProjects(
            messages=[], words=[], documents=[], bytes=[], commits=[], builds=[]
        ),
    )


def health() -> RepositoryHealthMetrics:
    """Return figures about two repositories."""
    return RepositoryHealthMetrics(
        **HEAD,
        total_repositories=2,
        repositories_by_type=dict.fromkeys(RepositoryType, 0),
        average_score=52.0,
        repositories_by_grade={"A": 1, "B": 0, "C": 0, "D": 0, "F": 1},
        unscored_repositories=0,
        least_healthy=[],
        builds=3,
        builds_by_status=dict.fromkeys(RunStatus, 0),
        build_success_rate=None,
        deployments=0,
        deployments_by_status=dict.fromkeys(RunStatus, 0),
        deployment_success_rate=None,
        commits=110,
        lines_added=0,
        lines_removed=0,
        active_repositories=1,
        commits_by_weekday=[0] * 7,
        contributors=0,
        top_contributors=[],
        languages=[NamedCount(name="Python", count=1)],
    )


def attention(total: int = 1) -> Attention:
    """Return what needs attention: the sample."""
    reason = AttentionReason(
        code="inactive", text="nothing has happened for 30 days", count=1, since=NOW
    )
    item = AttentionItem(project_id=2, name="Made up", status="active", since=NOW, reasons=[reason])
    return Attention(**HEAD, total=total, items=[item] * min(total, 10))
