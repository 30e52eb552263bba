"""Analytics: questions about all projects, and what belongs to them, at once."""

from __future__ import annotations

import asyncio
import copy
import datetime as dt
from itertools import groupby, islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Self

from andamios_orm.core.cache import Caching
from andamios_orm.exceptions import NotFound, ValueRefused
from andamios_orm.repositories import operation
from andamios_orm.repositories.binding import Bound
from project_architect_db.analytics import following_attention
from project_architect_db.analytics.attention import REASONS, attention
from project_architect_db.analytics.following_attention import SPARE
from project_architect_db.analytics.metrics import METRICS, metric_of
from project_architect_db.analytics.repositories import health
from project_architect_db.analytics.scope import Scope
from project_architect_db.analytics.series import compared_scope, counts_of, series_of
from project_architect_db.analytics.shapes import ratio
from project_architect_db.analytics.steps import refuse_too_many, steps_of
from project_architect_db.models import Project, Repository, rollups
from project_architect_db.models.conversation import PHASES
from project_architect_db.repositories import figures
from project_architect_db.repositories.asking import Asked
from project_architect_db.schemas.analytics import (
    Attention,
    AttentionItem,
    AttentionReason,
    ConversationFlowMetrics,
    ConversationMetrics,
    CrossEntityMetrics,
    Dashboard,
    DocumentUsageStats,
    ProjectAnalytics,
    ProjectMetrics,
    RepositoryHealth,
    RepositoryHealthMetrics,
    SeriesChange,
    TimeSeriesData,
)
from project_architect_db.schemas.analytics.periods import zone_of

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from sqlalchemy.ext.asyncio import AsyncSession

    from andamios_orm.core import SessionManager
    from project_architect_db.analytics.metrics import Granularity
    from project_architect_db.schemas.analytics.periods import DateRange, Moment

    Range = DateRange | tuple[Moment | None, Moment | None] | None

__all__ = ["AnalyticsRepository"]


class AnalyticsRepository(Bound[Project]):
    """Figures over all projects, or over those that a viewer owns or is a member of.

    ``AnalyticsRepository(database)``, or of a session. Each answer is a schema whose
    docstrings say what every figure counts; it has the SQL it is from (``sql``), and leaves as
    JSON, CSV, Arrow or Parquet.

    A ``date_range`` is a ``DateRange`` or a pair of dates or aware datetimes, from the first on
    and before the second; None, also for one of the two, is open. Dates are days of
    ``timezone``. Answers come from the cache of the database as long as nothing they depend on
    has changed; ``uncached()`` always asks. A session sees what it has written itself.
    """

    model = Project

    def __init__(
        self,
        source: AsyncSession | SessionManager,
        *,
        viewer: str | None = None,
        timezone: str = "UTC",
        phases: Sequence[str] = PHASES,
    ) -> None:
        """Work on a session or a database, for everybody or for ``viewer``.

        ``phases`` are those of conversations, in order; in the last one they end.

        Raises:
            ConfigurationError: ``source`` is neither of the two.
            ValueRefused: there is no such time zone.
        """
        super().__init__(source)
        self.viewer = viewer
        self.timezone = zone_of(timezone).key
        self.phases = tuple(phases)
        self._caching = Caching()
        self._with_samples = True
        self._now: dt.datetime | None = None

    def cached(self, *, ttl: float | None = None, tenant: Hashable = None) -> Self:
        """Return this repository with answers that may be ``ttl`` seconds old, or for a tenant."""
        twin = copy.copy(self)
        twin._caching = Caching(ttl, tenant)  # noqa: SLF001 - its own class
        return twin

    def without_samples(self) -> Self:
        """Return this repository for projects that were not made up, and what belongs to them."""
        twin = copy.copy(self)
        twin._with_samples = False  # noqa: SLF001 - its own class
        return twin

    def at(self, now: dt.datetime) -> Self:
        """Return this repository with ages as they are at ``now``; rows count as they are.

        Raises:
            ValueRefused: it has no time zone.
        """
        if now.utcoffset() is None:
            raise ValueRefused("it has no time zone: pass an aware datetime", now, "now")
        twin = copy.copy(self)
        twin._now = now  # noqa: SLF001 - its own class
        return twin

    # ---- projects ----------------------------------------------------------------------

    @operation()
    async def project_metrics(self, date_range: Range = None) -> ProjectMetrics:
        """Return how many projects there are, in which status, and how long they take.

        Raises:
            ValueRefused: there is no such range.
        """
        scope, asked = await self._scope(date_range), self._asked()
        found = await figures.project_figures(asked, scope)
        return asked.answer(ProjectMetrics(**figures.head(scope), **found))

    @operation()
    async def project_analytics(self, date_range: Range = None) -> ProjectAnalytics:
        """Return the same, with how much belongs to projects.

        Raises:
            ValueRefused: there is no such range.
        """
        scope, asked = await self._scope(date_range), self._asked()
        found = await figures.project_figures(asked, scope)
        owned = await figures.ownership_figures(asked, scope)
        return asked.answer(ProjectAnalytics(**figures.head(scope), **found, **owned))

    # ---- conversations -------------------------------------------------------------------

    @operation()
    async def conversation_metrics(self, date_range: Range = None) -> ConversationMetrics:
        """Return in which phases conversations are, for how long, and what is said in them.

        Raises:
            ValueRefused: there is no such range.
        """
        scope, asked = await self._scope(date_range), self._asked()
        found = await figures.conversation_figures(asked, scope, self.phases)
        return asked.answer(ConversationMetrics(**figures.head(scope), **found))

    @operation()
    async def conversation_flow_analysis(self, date_range: Range = None) -> ConversationFlowMetrics:
        """Return how conversations go through phases, where they wait, when people write.

        Raises:
            ValueRefused: there is no such range.
        """
        scope, asked = await self._scope(date_range), self._asked()
        found = await figures.conversation_figures(asked, scope, self.phases)
        more = await figures.flow_figures(asked, scope, self.phases, found)
        return asked.answer(ConversationFlowMetrics(**figures.head(scope), **found, **more))

    # ---- documents, repositories, and all of it together ---------------------------------

    @operation()
    async def document_usage_stats(self, date_range: Range = None) -> DocumentUsageStats:
        """Return which documents there are, how large, how often changed, and who reads them.

        Raises:
            ValueRefused: there is no such range.
        """
        scope, asked = await self._scope(date_range), self._asked()
        found = await figures.document_figures(asked, scope)
        return asked.answer(DocumentUsageStats(**figures.head(scope), **found))

    @operation()
    async def repository_health_metrics(self, date_range: Range = None) -> RepositoryHealthMetrics:
        """Return how healthy repositories are, how builds went, and who contributes.

        Raises:
            ValueRefused: there is no such range.
        """
        scope, asked = await self._scope(date_range), self._asked()
        found = await figures.repository_figures(asked, scope)
        return asked.answer(RepositoryHealthMetrics(**figures.head(scope), **found))

    @operation()
    async def repository_health(self, key: int) -> RepositoryHealth:
        """Return the score of one repository, and what it is made of.

        Raises:
            NotFound: there is no such repository.
        """
        scope, asked = await self._scope(None), self._asked()
        rows = await asked.rows(health(scope, key))
        if not rows:
            raise NotFound(Repository.__name__, key)
        found = figures.health_figures(rows[0])
        return asked.answer(RepositoryHealth(**figures.head(scope), **found))

    @operation()
    async def cross_entity_analytics(self, date_range: Range = None) -> CrossEntityMetrics:
        """Return how projects go from the idea to completion, and which take most.

        Raises:
            ValueRefused: there is no such range.
        """
        scope, asked = await self._scope(date_range), self._asked()
        found = await figures.cross_entity_figures(asked, scope)
        return asked.answer(CrossEntityMetrics(**figures.head(scope), **found))

    # ---- time series -------------------------------------------------------------------

    @operation()
    async def time_series_analysis(
        self,
        metric: str,
        granularity: Granularity = "day",
        date_range: Range = None,
        *,
        compare: bool = False,
    ) -> TimeSeriesData:
        """Return a metric by hour, day, week, month, quarter or year, without gaps.

        With ``compare`` each value is beside that of as many steps before as the range has.

        Raises:
            ValueRefused: there is no such metric, granularity or range; the error names those
                there are. Or it is to be compared, and has no whole steps to compare.
        """
        counted = metric_of(metric, granularity)
        scope = await self._scope(date_range)
        wider, back = compared_scope(granularity, scope) if compare else (scope, None)
        refuse_too_many(granularity, scope)  # before the database is asked
        asked = self._asked()
        rows = await asked.sums((counted.kind,), wider, granularity)
        counts = counts_of(counted, rows)
        points = await asyncio.to_thread(series_of, granularity, scope, counts, back)
        total = points[-1].running_total if points else 0
        before = counts.total() - total if compare else None
        return asked.answer(
            TimeSeriesData(
                **figures.head(scope),
                metric=counted.name,
                granularity=granularity,
                points=points,
                total=total,
                previous_total=before,
                change=None if before is None else total - before,
                change_ratio=None if before is None else ratio(total - before, before),
            )
        )

    # ---- what one looks at first ----------------------------------------------------------

    @operation()
    async def dashboard(self) -> Dashboard:
        """Return the state of everything, the last 30 days, and what needs attention."""
        scope = await self._scope(None)
        asked = self._asked()
        found = await figures.project_figures(asked, scope)
        totals = await asked.totals(_TOTAL_KINDS, scope)
        recent = scope.within(*_last_days(scope))
        return asked.answer(
            Dashboard(
                **figures.head(recent),
                projects=ProjectMetrics(**figures.head(scope), **found),
                totals={name: _total(totals, name) for name in _TOTALS},
                conversations_by_phase=figures.by_phase(totals["conversation.phase"], self.phases),
                recent=await self._recent(asked, recent),
                attention=await self._attention(asked, scope, _SHOWN),
            )
        )

    async def _recent(self, asked: Asked, scope: Scope) -> list[SeriesChange]:
        wider, _ = compared_scope("day", scope)
        kinds = tuple(dict.fromkeys(METRICS[name].kind for name in _RECENT))
        rows = await asked.sums(kinds, wider, "day")
        days = [day for day, _ in steps_of("day", scope, None)]
        found = []
        for name in _RECENT:
            counts = counts_of(METRICS[name], rows)
            values = [counts[day] for day in days]
            total = sum(values)
            before = counts.total() - total
            found.append(
                SeriesChange(
                    name=name,
                    values=values,
                    total=total,
                    previous_total=before,
                    change_ratio=ratio(total - before, before),
                )
            )
        return found

    @operation()
    async def needs_attention(self, limit: int = 20) -> Attention:
        """Return the projects that need attention, with the reasons.

        Raises:
            ValueRefused: ``limit`` is no whole number from 1 up.
        """
        given: Any = limit
        if isinstance(given, bool) or not isinstance(given, int) or given < 1:
            raise ValueRefused("pass a whole number from 1 up", given, "limit")
        asked = self._asked()
        return asked.answer(await self._attention(asked, await self._scope(None), limit))

    async def _attention(self, asked: Asked, scope: Scope, limit: int) -> Attention:
        shown, last_phase = max(limit, _USUAL), self.phases[-1]  # one list for all usual limits
        rows = await asked.rows(
            attention(scope, last_phase, shown + SPARE),
            following_attention.attention(scope, last_phase, shown),
        )
        by_project = groupby(rows, key=itemgetter(0))
        return Attention(
            **figures.head(scope),
            total=rows[0][6] if rows else 0,
            items=[_item(list(found)) for _, found in islice(by_project, limit)],
        )

    # ---- what the answers are made of -----------------------------------------------------

    async def _scope(self, date_range: Any) -> Scope:
        scope = Scope.of(date_range, self.viewer, self.timezone, now=self._now)
        if not self._with_samples:
            scope = scope.without_samples()
        session = self.session.sync_session
        pending = session.in_transaction(), session.new, session.dirty, session.deleted
        if any(pending) and await self.session.run_sync(rollups.are_behind):
            return scope.behind()
        return scope

    def _asked(self) -> Asked:
        return Asked(self.session, self._caching)


def _last_days(scope: Scope, days: int = 30) -> tuple[dt.datetime, dt.datetime]:
    today = scope.as_of.astimezone(scope.zone).date()
    first, behind = (today + dt.timedelta(days=count) for count in (1 - days, 1))
    bounds = [dt.datetime.combine(day, dt.time(), scope.zone) for day in (first, behind)]
    return bounds[0].astimezone(dt.UTC), bounds[1].astimezone(dt.UTC)


def _total(totals: Any, name: str) -> int:
    metric = METRICS[name]
    found = totals[metric.kind]
    return sum(found.values()) if metric.key is None else found[metric.key]


def _item(rows: Sequence[Any]) -> AttentionItem:
    """Return a project out of its rows of ``attention()``, its reasons in their order."""
    key, name, status = rows[0][:3]
    ordered = sorted(rows, key=lambda row: REASONS.index(row[3]))
    return AttentionItem(
        project_id=key,
        name=name,
        status=status,
        since=min(row[5] for row in rows),
        reasons=[
            AttentionReason(code=code, text=_text(code, number, since), count=number, since=since)
            for _, _, _, code, number, since, _ in ordered
        ],
    )


def _text(code: str, number: int, since: dt.datetime) -> str:
    """Return a reason in words."""
    day = f"{since:%Y-%m-%d}"
    return {
        "build_failed": f"the last build failed in {number} of its repositories, since {day}",
        "phase_overdue": f"{number} of its conversations wait unusually long, since {day}",
        "inactive": f"nothing has happened for 30 days; it was changed on {day}",
        "old_draft": f"it has been a draft since {day}",
    }[code]


_SHOWN = 10
_USUAL = 20
_TOTALS = (
    *("conversations", "messages", "words", "tokens", "documents", "document_bytes"),
    *("accesses", "builds", "failed_builds", "deployments"),
)
_TOTAL_KINDS = tuple(dict.fromkeys(METRICS[name].kind for name in _TOTALS))
_RECENT = (
    *("projects_created", "projects_completed", "conversations", "messages", "documents"),
    *("accesses", "builds", "failed_builds", "deployments"),
)
