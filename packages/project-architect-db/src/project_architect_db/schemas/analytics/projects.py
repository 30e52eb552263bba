"""Figures about projects."""

from __future__ import annotations

from project_architect_db.schemas.analytics.results import AnalyticsResult
from project_architect_db.schemas.analytics.statistics import NamedCount

__all__ = ["ProjectAnalytics", "ProjectMetrics"]


class ProjectMetrics(AnalyticsResult):
    """The projects created in the date range, as they are now.

    All fields are about the same projects: those that are not deleted, and whose
    ``created_at`` is in ``[start, end)``; with a viewer, those the viewer owns or is a member
    of. Archived projects are among them.
    """

    total_projects: int
    """How many projects there are."""
    active_projects: int
    """How many have the status ``active``."""
    completed_projects: int
    """How many have the status ``completed``; archived ones do not count here."""
    project_by_status: dict[str, int]
    """How many are in each status: ``draft``, ``active``, ``completed``, ``archived``, all four
    always there, in this order."""
    finished_projects: int
    """How many have a ``completed_at``: completed ones, and archived ones that were completed."""
    completion_rate: float | None
    """``finished_projects / total_projects``, from 0 to 1; None without a project."""
    average_completion_time: float | None
    """The mean of the seconds from ``created_at`` to ``completed_at`` of the finished projects;
    None if there is none. A project with ``completed_at`` before ``created_at`` counts with a
    negative number."""
    median_completion_time: float | None
    """The median of the same seconds, interpolated as ``Distribution`` says."""
    p90_completion_time: float | None
    """The 90th percentile of the same seconds, interpolated as ``Distribution`` says."""
    average_complexity: float | None
    """The mean ``complexity_score`` of those that have one; None if none has."""
    complexity_distribution: dict[str, int]
    """How many have a ``complexity_score`` of each ten: ``0-9``, ``10-19`` ... ``80-89``,
    ``90-100``, all ten always there, in this order."""
    unscored_projects: int
    """How many have no ``complexity_score``."""
    top_frameworks: list[NamedCount]
    """The ten most used values of ``framework``, most used first, equals by name (by code
    points); projects without one do not count."""


class ProjectAnalytics(ProjectMetrics):
    """The same, with how much belongs to projects.

    The fields below count rows that are not deleted and whose own ``created_at`` (of a
    message its ``time``) is in the range, whenever their project was created.
    """

    conversations: int
    """How many conversations were created."""
    messages: int
    """How many messages were written; those of deleted conversations do not count."""
    documents: int
    """How many documents were created."""
    document_bytes: int
    """The sum of the ``size`` of those documents: bytes of their content, as UTF-8."""
    repositories: int
    """How many repositories were created."""
