"""What a report shows: figures and lists, each defined by its docstring."""

from __future__ import annotations

import datetime as dt

from project_architect_db.schemas.analytics import (
    Attention,
    ConversationFlowMetrics,
    CrossEntityMetrics,
    ProjectAnalytics,
    RepositoryHealthMetrics,
    TimeSeriesData,
)
from project_architect_db.schemas.analytics.results import Part

__all__ = ["Change", "Event", "Period", "Portfolio", "ProjectLine", "RepositoryLine"]


class Period(Part):
    """The days that are compared with as many days before them."""

    start: dt.date
    """The first day, in the time zone."""
    end: dt.date
    """The first day that is no longer part of it."""
    is_recent: bool
    """Whether nobody has chosen it: it is the last 30 days, and today is one of them."""

    @property
    def days(self) -> int:
        """How many days there are."""
        return (self.end - self.start).days

    @property
    def last(self) -> dt.date:
        """The last day."""
        return self.end - dt.timedelta(days=1)


class Change(Part):
    """A metric in the period, beside as many days before it."""

    name: str
    """The metric, as in ``time_series_analysis``."""
    values: list[int]
    """Its value in each step of the period."""
    total: int
    """Their sum."""
    previous_total: int
    """The same of the days before."""
    change_ratio: float | None
    """``(total - previous_total) / previous_total``; None if that is 0."""


class ProjectLine(Part):
    """One project, and how much belongs to it; nothing that is deleted counts."""

    id: int
    name: str
    status: str
    is_sample: bool
    """Whether it was made up."""
    conversations: int
    documents: int
    repositories: int
    commits: int
    """The sum of the commits of all days of activity."""
    last_activity: dt.datetime
    """The last of: its ``updated_at``, the last message, the last change of a document, and
    the beginning of the last day with commits (in UTC)."""


class RepositoryLine(Part):
    """One repository with the score of its health."""

    id: int
    name: str
    project_id: int
    project: str
    """The name of its project."""
    is_sample: bool
    """Whether its project was made up."""
    score: int
    grade: str
    points: dict[str, int | None]
    """The points of the parts of the score; None if nothing is known about one."""


class Event(Part):
    """Something that happened."""

    kind: str
    """``project``, ``completed``, ``conversation``, ``document``, ``build``, ``deployment`` or
    ``commits``."""
    at: dt.datetime
    """When. Commits are known by day: this is when their day begins, in UTC."""
    project_id: int
    project: str
    """The name of the project that it is about."""
    is_sample: bool
    """Whether that was made up."""
    subject: str | None
    """What it is about: a title or a name; of a project None."""
    detail: str | None
    """The status of a build or deployment, the phase of a conversation, how many commits."""


class Portfolio(Part):
    """Everything that a report shows, in one moment.

    What there is, is shown as it is now: projects, phases, health, attention. What happened is
    shown for ``period``, and beside the days before it. Deleted rows do not count; with a
    viewer only what belongs to projects that the viewer owns or is a member of.
    """

    made_at: dt.datetime
    """When it was collected, in the time zone."""
    timezone: str
    """The time zone, by IANA's name, in which days begin and times are shown."""
    viewer: str | None
    """For whom it is; None is for everybody."""
    period: Period
    """The days that are looked at more closely."""
    has_samples: bool
    """Whether sample data may be part of it; if not, no figure has any."""
    sample_projects: int
    """How many of the projects are sample data; 0 if they were left out."""
    projects: ProjectAnalytics
    """All projects, whenever they were created, and how much belongs to them."""
    flow: ConversationFlowMetrics
    """All conversations: where they are, how long they take, where they wait."""
    lives: CrossEntityMetrics
    """How all projects go from the idea to completion."""
    health: RepositoryHealthMetrics
    """All repositories; builds, deployments and commits are those of the period."""
    attention: Attention
    """The first ten projects that need attention."""
    changes: list[Change]
    """What happened in the period: projects created and completed, conversations, messages,
    documents, commits, builds, failed builds, deployments."""
    commits: TimeSeriesData
    """Commits by week: 52 weeks up to the end of the period."""
    created: TimeSeriesData
    """Projects created by month: 24 months up to the end of the period."""
    completed: TimeSeriesData
    """Projects completed in the same months."""
    lines: list[ProjectLine]
    """The ten projects shown one by one: no samples first, then the last active ones."""
    healthiest: list[RepositoryLine]
    """The five repositories with the highest scores, highest first, equals by id."""
    weakest: list[RepositoryLine]
    """The five with the lowest scores, lowest first, without those of ``healthiest``."""
    events: list[Event]
    """The last twelve things that happened, latest first, at most four of a kind; with a
    chosen period, in it."""
    sample_ids: list[int]
    """Which of the projects that are named anywhere above are samples."""

    def is_sample(self, project_id: int) -> bool:
        """Return whether a project that is named here was made up."""
        return project_id in self.sample_ids

    def to_json(self) -> str:
        """Return the portfolio as JSON, by the names of its fields; moments in ISO 8601."""
        return self.model_dump_json()
