"""Figures that join what belongs to a project: its life, what it takes, what it lacks."""

from __future__ import annotations

import datetime as dt

from project_architect_db.schemas.analytics.results import AnalyticsResult, Part
from project_architect_db.schemas.analytics.statistics import DurationStatistics

__all__ = [
    "Attention",
    "AttentionItem",
    "AttentionReason",
    "CrossEntityMetrics",
    "Milestone",
    "ResourceUse",
    "TopProjects",
]


class Milestone(Part):
    """One step in the lives of projects, and how long it takes to get there.

    The steps, and when a project reached one: ``idea`` (its ``created_at``), ``conversation``
    (the first ``created_at`` of its conversations), ``document`` (of its documents),
    ``repository`` (of its repositories), ``build`` (the first ``started_at`` of a build of its
    repositories), ``deployment`` (of a deployment), ``completed`` (its ``completed_at``).
    Conversations, documents and repositories that are deleted do not count, nor builds and
    deployments of deleted repositories; the status of builds and deployments does not matter.
    """

    name: str
    """Which step."""
    reached: int
    """How many of the projects have reached it."""
    share: float | None
    """``reached`` by the number of projects; None without a project."""
    since_idea: DurationStatistics
    """Seconds from the idea, of those that have reached it; what was before the idea, as after
    an import, counts as 0. Of the idea itself the count is ``reached``, and all else 0, or None
    without a project."""
    since_previous: DurationStatistics
    """Seconds from the step before it in the list, of those that have reached both; 0 if this
    one was first. Of the idea the count is 0."""


class ResourceUse(Part):
    """How much one project has of something."""

    project_id: int
    """Which project."""
    name: str
    """Its name."""
    amount: int
    """How much; never 0."""


class TopProjects(Part):
    """The ten projects with most of something: most first, equals by ``project_id``."""

    messages: list[ResourceUse]
    """The sum of ``message_count`` of their conversations created in the range."""
    words: list[ResourceUse]
    """The sum of ``word_count`` of the same conversations."""
    documents: list[ResourceUse]
    """How many documents were created in the range."""
    bytes: list[ResourceUse]
    """The sum of the ``size`` of the same documents."""
    commits: list[ResourceUse]
    """The sum of commits in the activity of their repositories, on days in the range: a day
    counts by its beginning, and is taken as a day of the time zone."""
    builds: list[ResourceUse]
    """How many builds of their repositories started in the range."""


class CrossEntityMetrics(AnalyticsResult):
    """What belongs together: the lives of projects, and what they take.

    Nothing that is deleted counts, nor what belongs to a deleted conversation, document or
    repository; with a viewer only projects count that the viewer owns or is a member of.
    """

    projects: int
    """How many projects have their ``created_at`` in ``[start, end)``."""
    lifecycle: list[Milestone]
    """The seven steps in their order, of those projects; the steps themselves may be later."""
    conversations_per_project: float | None
    """Conversations created in the range by ``projects``; None without a project."""
    messages_per_project: float | None
    """Messages with ``time`` in the range by ``projects``, in the same way."""
    documents_per_project: float | None
    """Documents created in the range by ``projects``, in the same way."""
    repositories_per_project: float | None
    """Repositories created in the range by ``projects``, in the same way."""
    top_projects: TopProjects
    """Which projects have most, whenever they were created."""


class AttentionReason(Part):
    """Why a project needs attention.

    ================= ====================================================================
    ``code``          when
    ================= ====================================================================
    ``build_failed``  of one of its repositories the last build failed: no build started
                      later than one that failed. ``count`` is the number of such
                      repositories, ``since`` when the first of these builds started
    ``phase_overdue`` a conversation is in a phase, not the last one, for longer than the
                      p90 of the stays in that phase that have ended, of which there have to
                      be five at least, in all projects that count. ``count`` is the number
                      of such conversations, ``since`` when the first one entered its phase
    ``inactive``      its status is ``active``, and nothing has happened for 30 days: its own
                      ``updated_at``, ``created_at`` and ``last_message_at`` of its
                      conversations, ``created_at`` and ``changed_at`` of its documents,
                      ``created_at`` of its repositories, ``started_at`` of their builds and
                      deployments, and their days with commits are all before
                      ``as_of - 30 days`` (days: before its day in UTC). ``count`` is 1,
                      ``since`` its ``updated_at``
    ``old_draft``     its status is ``draft``, and it was created before ``as_of - 90 days``.
                      ``count`` is 1, ``since`` its ``created_at``
    ================= ====================================================================
    """

    code: str
    """Which reason."""
    text: str
    """The same for people, in a few words."""
    count: int
    """Of how many things, as the table says."""
    since: dt.datetime
    """Since when, as the table says."""


class AttentionItem(Part):
    """A project that needs attention."""

    project_id: int
    """Which project."""
    name: str
    """Its name."""
    status: str
    """Its status."""
    since: dt.datetime
    """The earliest ``since`` of its reasons."""
    reasons: list[AttentionReason]
    """Why, in the order of the table of ``AttentionReason``; at least one."""


class Attention(AnalyticsResult):
    """The projects that need attention, those with most reasons first.

    Of projects that are neither completed nor archived, nor deleted; with a viewer, that the
    viewer owns or is a member of. Deleted conversations, documents and repositories, and what
    belongs to them, count for nothing. ``start`` and ``end`` are None.
    """

    total: int
    """How many there are, whatever the limit."""
    items: list[AttentionItem]
    """The first of them, up to the limit: most reasons first, then the earliest ``since``, then
    by ``project_id``."""
