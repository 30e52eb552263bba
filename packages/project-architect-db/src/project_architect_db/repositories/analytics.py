"""Analytics: questions about all projects, and what belongs to them, at once."""

from __future__ import annotations

import copy
import datetime as dt
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from andamios_orm.core.cache import Caching
from andamios_orm.exceptions import ValueRefused
from andamios_orm.queries.copies import execute
from andamios_orm.repositories import operation
from andamios_orm.repositories.binding import Bound
from project_architect_db.analytics import attention as attention_statements
from project_architect_db.analytics import projects as project_statements
from project_architect_db.analytics.attention import REASONS
from project_architect_db.analytics.metrics import METRICS, metric_of
from project_architect_db.analytics.scope import Scope
from project_architect_db.analytics.series import compared_scope, points_of, values_of
from project_architect_db.analytics.shapes import by_name, most, ratio, tens, totals_of
from project_architect_db.analytics.sums import sums
from project_architect_db.models import Project, ProjectStatus
from project_architect_db.models.conversation import PHASES
from project_architect_db.schemas.analytics import (
    AnalyticsResult,
    Attention,
    AttentionItem,
    AttentionReason,
    Dashboard,
    ProjectMetrics,
    SeriesChange,
    TimeSeriesData,
)
from project_architect_db.schemas.analytics.periods import zone_of

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from sqlalchemy import Dialect, SelectBase
    from sqlalchemy.ext.asyncio import AsyncSession

    from andamios_orm.core import SessionManager
    from project_architect_db.analytics.metrics import Granularity
    from project_architect_db.schemas.analytics.periods import DateRange, Moment

    Range = DateRange | tuple[Moment | None, Moment | None] | None

__all__ = ["AnalyticsRepository"]

ResultT = TypeVar("ResultT", bound=AnalyticsResult)


class AnalyticsRepository(Bound[Project]):
    """Figures over all projects, or over those that a viewer owns or is a member of.

    ``AnalyticsRepository(database)``, or of a session. Each answer is a schema whose
    docstrings say what every figure counts; it has the SQL it is from (``sql``), and leaves as
    JSON, CSV, Arrow or Parquet.

    A ``date_range`` is a ``DateRange`` or a pair of dates or aware datetimes, from the first on
    and before the second; None, also for one of the two, is open. Dates are days of
    ``timezone``. Answers come from the cache of the database as long as nothing they depend on
    has changed; ``uncached()`` always asks.
    """

    model = Project
    phases: ClassVar[Sequence[str]] = PHASES
    """The phases of conversations, in order; the last one is where they end."""

    def __init__(
        self,
        source: AsyncSession | SessionManager,
        *,
        viewer: str | None = None,
        timezone: str = "UTC",
    ) -> None:
        """Work on a session or a database, for everybody or for ``viewer``.

        Raises:
            ConfigurationError: ``source`` is neither of the two.
            ValueRefused: there is no such time zone.
        """
        super().__init__(source)
        self.viewer = viewer
        self.timezone = zone_of(timezone).key
        self._caching = Caching()

    def cached(self, *, ttl: float | None = None, tenant: Hashable = None) -> Self:
        """Return this repository with answers that may be ``ttl`` seconds old, or for a tenant."""
        twin = copy.copy(self)
        twin._caching = Caching(ttl, tenant)  # noqa: SLF001 - its own class
        return twin

    # ---- projects ----------------------------------------------------------------------

    @operation()
    async def project_metrics(self, date_range: Range = None) -> ProjectMetrics:
        """Return how many projects there are, in which status, and how long they take.

        Raises:
            ValueRefused: there is no such range.
        """
        scope = self._scope(date_range)
        asked = _Asked(self)
        found = await self._project_figures(asked, scope)
        return asked.answer(ProjectMetrics(**_head(scope), **found))

    async def _project_figures(self, asked: _Asked, scope: Scope) -> dict[str, Any]:
        kinds = ("project.status", "project.framework", "project.complexity")
        totals = totals_of(await asked.rows(sums(kinds, scope)))
        (row,) = await asked.rows(project_statements.completion(scope))
        finished, mean, median, p90, complexity = row
        by_status = by_name(ProjectStatus, totals["project.status"])
        total = sum(by_status.values())
        scores = tens(totals["project.complexity"])
        return {
            "total_projects": total,
            "active_projects": by_status[ProjectStatus.ACTIVE],
            "completed_projects": by_status[ProjectStatus.COMPLETED],
            "project_by_status": by_status,
            "finished_projects": finished,
            "completion_rate": ratio(finished, total),
            "average_completion_time": mean,
            "median_completion_time": median,
            "p90_completion_time": p90,
            "average_complexity": complexity,
            "complexity_distribution": scores,
            "unscored_projects": total - sum(scores.values()),
            "top_frameworks": most(totals["project.framework"]),
        }

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
        scope = self._scope(date_range)
        wider, back = compared_scope(granularity, scope) if compare else (scope, None)
        points_of(granularity, scope, values_of(counted, ()), back)  # refuses too many steps
        asked = _Asked(self)
        rows = await asked.rows(sums([counted.kind], wider, granularity))
        points = points_of(granularity, scope, values_of(counted, rows), back)
        total = sum(point.value for point in points)
        before = sum(point.previous or 0 for point in points) if compare else None
        return asked.answer(
            TimeSeriesData(
                **_head(scope),
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
        scope = self._scope(None)
        asked = _Asked(self)
        figures = await self._project_figures(asked, scope)
        totals = totals_of(await asked.rows(sums(_TOTAL_KINDS, scope)))
        recent = scope.within(*_last_days(scope))
        return asked.answer(
            Dashboard(
                **_head(recent),
                projects=ProjectMetrics(**_head(scope), **figures),
                totals={name: _total(totals, name) for name in _TOTALS},
                conversations_by_phase=self._by_phase(totals["conversation.phase"]),
                recent=await self._recent(asked, recent),
                attention=await self._attention(asked, scope, _SHOWN),
            )
        )

    async def _recent(self, asked: _Asked, scope: Scope) -> list[SeriesChange]:
        wider, back = compared_scope("day", scope)
        kinds = list(dict.fromkeys(METRICS[name].kind for name in _RECENT))
        rows = await asked.rows(sums(kinds, wider, "day"))
        found = []
        for name in _RECENT:
            points = points_of("day", scope, values_of(METRICS[name], rows), back)
            total = sum(point.value for point in points)
            before = sum(point.previous or 0 for point in points)
            found.append(
                SeriesChange(
                    name=name,
                    values=[point.value for point in points],
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
        asked = _Asked(self)
        return asked.answer(await self._attention(asked, self._scope(None), limit))

    async def _attention(self, asked: _Asked, scope: Scope, limit: int) -> Attention:
        statement = attention_statements.attention(scope, self.phases[-1], limit)
        items: dict[int, AttentionItem] = {}
        total = 0
        for key, name, status, code, number, since, total in await asked.rows(statement):  # noqa: B007 - the last one is as good as any
            reason = AttentionReason(
                code=code, text=_reason(code, number, since), count=number, since=since
            )
            item = items.setdefault(
                key,
                AttentionItem(project_id=key, name=name, status=status, since=since, reasons=[]),
            )
            item.reasons.append(reason)
            item.since = min(item.since, since)
        for item in items.values():
            item.reasons.sort(key=lambda reason: REASONS.index(reason.code))
        return Attention(**_head(scope), total=total, items=list(items.values()))

    # ---- what the answers are made of -----------------------------------------------------

    def _scope(self, date_range: Any) -> Scope:
        return Scope.of(date_range, self.viewer, self.timezone)

    def _by_phase(self, totals: Any) -> dict[str, int]:
        others = sorted(phase for phase in totals if phase not in self.phases and totals[phase])
        return by_name([*self.phases, *others], totals)


class _Asked:
    """The statements of one answer, as they are asked."""

    def __init__(self, repository: AnalyticsRepository) -> None:
        self.repository = repository
        self.statements: list[SelectBase] = []

    async def rows(self, statement: Any) -> Sequence[Any]:
        """Return what the database, or its cache, answers."""
        self.statements.append(statement)
        session, caching = self.repository.session, self.repository._caching  # noqa: SLF001 - the two are one
        return (await execute(session, statement, caching)).all()

    def answer(self, result: ResultT) -> ResultT:
        """Return ``result`` with the statements that it is from."""
        dialect: Dialect = self.repository.session.get_bind().dialect
        result.asked(self.statements, dialect)
        return result


def _head(scope: Scope) -> dict[str, Any]:
    """Return what every answer says about the question."""
    return {
        "timezone": scope.timezone,
        "start": scope.start,
        "end": scope.end,
        "as_of": scope.as_of,
    }


def _last_days(scope: Scope, days: int = 30) -> tuple[dt.datetime, dt.datetime]:
    today = scope.as_of.astimezone(scope.zone).date()
    first, behind = (today + dt.timedelta(days=count) for count in (1 - days, 1))
    bounds = [dt.datetime.combine(day, dt.time(), scope.zone) for day in (first, behind)]
    return bounds[0].astimezone(dt.UTC), bounds[1].astimezone(dt.UTC)


def _total(totals: Any, name: str) -> int:
    metric = METRICS[name]
    found = totals[metric.kind]
    return sum(found.values()) if metric.key is None else found[metric.key]


def _reason(code: str, number: int, since: dt.datetime) -> str:
    """Return a reason in words."""
    day = f"{since:%Y-%m-%d}"
    return {
        "build_failed": f"the last build failed in {number} of its repositories, since {day}",
        "phase_overdue": f"{number} of its conversations wait unusually long, since {day}",
        "inactive": f"nothing has happened for 30 days; it was changed on {day}",
        "old_draft": f"it has been a draft since {day}",
    }[code]


_SHOWN = 10
_TOTALS = (
    *("conversations", "messages", "words", "tokens", "documents", "document_bytes"),
    *("accesses", "builds", "failed_builds", "deployments"),
)
_TOTAL_KINDS = tuple(dict.fromkeys(METRICS[name].kind for name in _TOTALS))
_RECENT = (
    *("projects_created", "projects_completed", "conversations", "messages", "documents"),
    *("accesses", "builds", "failed_builds", "deployments"),
)
