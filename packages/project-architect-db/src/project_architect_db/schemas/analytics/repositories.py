"""Figures about repositories of code, and the score of their health.

The score is out of four parts, each from 0 to 100, all by whole numbers: ``//`` is a division
that drops the rest. ``today`` is the day of ``as_of`` in UTC, moments are taken by their day
in UTC, and days in the future count as today.

================ ====== ==================================================================
part             weight points
================ ====== ==================================================================
``activity``     30     by the days since the last day with commits: 100 up to 30 days, 0
                        from 365 on, else ``(365 - days) * 100 // 335``
``builds``       30     of builds that started within 90 days, from the beginning of the day
                        ``today - 90`` on: ``succeeded * 100 // (succeeded + failed)``
``deployments``  20     by the days since the last deployment that succeeded started, as for
                        ``activity``
``contributors`` 20     how much is not by the one with most commits:
                        ``min(100, (commits - most) * 200 // commits)``, so that 100 is for a
                        half or more
================ ====== ==================================================================

A part about which nothing is known (no day with commits, no build that succeeded or failed in
90 days, no deployment that succeeded, no commits of contributors) is left out:
``score = sum(weight * points) // sum(weight)`` over those that are known. Without any there is
no score. The grade is ``A`` from 90 on, ``B`` from 75, ``C`` from 60, ``D`` from 40, else ``F``.
"""

from __future__ import annotations

import datetime as dt

from project_architect_db.schemas.analytics.results import AnalyticsResult, Part
from project_architect_db.schemas.analytics.statistics import NamedCount

__all__ = [
    "ContributorShare",
    "HealthPart",
    "HealthScore",
    "RepositoryHealth",
    "RepositoryHealthMetrics",
    "ScoredRepository",
]


class HealthPart(Part):
    """One part of a score."""

    name: str
    """``activity``, ``builds``, ``deployments`` or ``contributors``."""
    weight: int
    """How much it counts."""
    points: int | None
    """From 0 to 100; None if nothing is known about it, and then it does not count."""


class HealthScore(Part):
    """How healthy a repository is; the module says by which formula."""

    score: int | None
    """From 0 to 100; None if nothing is known."""
    grade: str | None
    """``A``, ``B``, ``C``, ``D`` or ``F``; None if there is no score."""
    parts: list[HealthPart]
    """All four parts, in the order of the table."""


class ScoredRepository(HealthScore):
    """One repository with its score."""

    id: int
    """Its key."""
    name: str
    """Its name."""
    project_id: int
    """Its project."""


class RepositoryHealth(AnalyticsResult, ScoredRepository):
    """One repository with its score, and what the score is made of."""

    last_commit_day: dt.date | None
    """The last day with commits in its activity."""
    commits: int
    """The sum of the commits of its contributors."""
    contributors: int
    """How many contributors it has."""
    recent_succeeded_builds: int
    """How many builds of the last 90 days succeeded, as the formula counts them."""
    recent_failed_builds: int
    """How many of them failed."""
    last_deployed_at: dt.datetime | None
    """When its last deployment that succeeded started."""


class ContributorShare(Part):
    """Somebody with commits, in all repositories that count."""

    email: str
    """Their address, as it is written in ``Contributor``."""
    name: str
    """Their name in the first row of ``Contributor`` with that address, by ``id``."""
    commits: int
    """The sum of their commits; never 0."""
    repositories: int
    """In how many repositories they have commits: rows with ``commits`` above 0."""
    share: float
    """``commits`` by the commits of all contributors."""


class RepositoryHealthMetrics(AnalyticsResult):
    """All repositories as they are now, and what happened in them in the date range.

    A repository counts if it is not deleted, whenever it was created; with a viewer, if the
    viewer owns its project or is a member of it. Builds, deployments, commits and lines count
    by their own time in ``[start, end)``: ``started_at``, and for activity the beginning of
    its ``day``, which is taken as a day of the time zone. Scores, grades and contributors are
    of now, whatever the range.
    """

    total_repositories: int
    """How many repositories there are."""
    repositories_by_type: dict[str, int]
    """How many are of each type, all four in the order of ``RepositoryType``."""
    average_score: float | None
    """The mean of the scores of those that have one; None if none has."""
    repositories_by_grade: dict[str, int]
    """How many have each grade: ``A``, ``B``, ``C``, ``D``, ``F``, always there."""
    unscored_repositories: int
    """How many have no score, since nothing is known about them."""
    least_healthy: list[ScoredRepository]
    """The ten with the lowest scores, lowest first, equals by id; without those of no score."""
    builds: int
    """How many builds started, of any status."""
    builds_by_status: dict[str, int]
    """The same by status, all five in the order of ``RunStatus``."""
    build_success_rate: float | None
    """``succeeded / (succeeded + failed)`` of these builds; None if none succeeded or failed."""
    deployments: int
    """How many deployments started, of any status."""
    deployments_by_status: dict[str, int]
    """The same by status, all five in the order of ``RunStatus``."""
    deployment_success_rate: float | None
    """``succeeded / (succeeded + failed)`` of these deployments, or None, as for builds."""
    commits: int
    """The sum of the commits of all days of activity."""
    lines_added: int
    """The sum of the lines added on these days."""
    lines_removed: int
    """The sum of the lines removed on these days."""
    active_repositories: int
    """How many repositories have a day with commits among these days."""
    commits_by_weekday: list[int]
    """The commits by the day of the week of their ``day``, Monday first: 7 numbers."""
    contributors: int
    """How many different addresses of contributors there are, in any repository."""
    top_contributors: list[ContributorShare]
    """The ten addresses with most commits: most first, equals by the ``id`` of the first row of
    ``Contributor`` with that address."""
    languages: list[NamedCount]
    """The ten most frequent values of ``language`` of the repositories, most frequent first,
    equals by name (code points)."""
