"""A portfolio collected: some thirty statements, however many projects there are."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final

from andamios_orm.exceptions import ValueRefused
from andamios_orm.models import clock
from project_architect_db.analytics.repositories import WEIGHTS
from project_architect_db.analytics.scope import Scope
from project_architect_db.reporting import statements
from project_architect_db.reporting.portfolio import (
    Change,
    Event,
    Period,
    Portfolio,
    ProjectLine,
    RepositoryLine,
)
from project_architect_db.repositories import AnalyticsRepository
from project_architect_db.schemas.analytics.periods import zone_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sqlalchemy.ext.asyncio import AsyncSession

    from andamios_orm.core import SessionManager
    from project_architect_db.schemas.analytics import TimeSeriesData

__all__ = ["METRICS", "collect"]

METRICS: Final = (
    *("projects_created", "projects_completed", "conversations", "messages", "documents"),
    *("commits", "builds", "failed_builds", "deployments"),
)
"""What happened in a period, in the order of the report."""

_RECENT: Final = 30
_BY_DAY: Final = 62
_BY_WEEK: Final = 400
_WEEKS: Final = 52
_MONTHS: Final = 24
_LINES: Final = 10
_EXTREMES: Final = 5
_EVENTS: Final = 12


async def collect(  # noqa: PLR0913 - what one may choose
    database: SessionManager,
    *,
    viewer: str | None = None,
    timezone: str = "UTC",
    now: dt.datetime | None = None,
    since: dt.date | None = None,
    until: dt.date | None = None,
    samples: bool = True,
) -> Portfolio:
    """Return the portfolio as it is now, with what happened from ``since`` to before ``until``.

    Both are days of ``timezone``. Without them it is the last 30 days, today included; with
    only one, 30 days from or before it. ``samples=False`` leaves sample data out of every
    figure. ``now`` is what ages count from. The number of statements does not depend on the
    number of projects, and what the analytics answer comes from the cache of the database.

    Raises:
        ValueRefused: there is no such time zone, or no such period.
    """
    zone = zone_of(timezone)
    moment = (now or clock.now()).astimezone(zone)
    period = _period(since, until, moment.date())
    async with database.session() as session:
        work = _Collecting(session, viewer, moment, period, samples=samples)
        return await work.portfolio()


def _period(since: dt.date | None, until: dt.date | None, today: dt.date) -> Period:
    is_recent = since is None and until is None
    span = dt.timedelta(days=_RECENT)
    try:
        if until is None:
            until = today + dt.timedelta(days=1) if since is None else since + span
        if since is None:
            since = until - span
        _ = since - (until - since)
    except OverflowError:
        raise ValueRefused("no calendar goes that far", since or until, "since") from None
    if since >= until:
        raise ValueRefused(
            f"it has to be before the end of the period, {until}, which is itself no part of it",
            since,
            "since",
        )
    return Period(start=since, end=until, is_recent=is_recent)


class _Collecting:
    """One portfolio that is collected in a session."""

    def __init__(
        self,
        session: AsyncSession,
        viewer: str | None,
        moment: dt.datetime,
        period: Period,
        *,
        samples: bool,
    ) -> None:
        zone = zone_of(moment.tzinfo)
        every = Scope.of(None, viewer, zone.key, now=moment)
        self._session = session
        self._moment = moment
        self._period = period
        self._samples = samples
        self._viewer = viewer
        self._scope = every if samples else every.without_samples()
        analytics = AnalyticsRepository(session, viewer=viewer, timezone=zone.key).at(moment)
        self._analytics = analytics if samples else analytics.without_samples()

    async def portfolio(self) -> Portfolio:
        """Return everything."""
        ask, days = self._analytics, (self._period.start, self._period.end)
        figures: dict[str, Any] = {
            "projects": await ask.project_analytics(),
            "flow": await ask.conversation_flow_analysis(),
            "lives": await ask.cross_entity_analytics(),
            "health": await ask.repository_health_metrics(days),
            "attention": await ask.needs_attention(_LINES),
            "changes": [await self._change(name) for name in METRICS],
            **await self._series(),
            **await self._lists(),
        }
        return Portfolio(
            made_at=self._moment,
            timezone=self._analytics.timezone,
            viewer=self._viewer,
            period=self._period,
            has_samples=self._samples,
            sample_projects=await self._session.scalar(statements.samples(self._scope)) or 0,
            sample_ids=await self._sample_ids(figures),
            **figures,
        )

    # ---- what happened ---------------------------------------------------------------------

    async def _change(self, metric: str) -> Change:
        period = self._period
        found = await self._analytics.time_series_analysis(
            metric, "day", (period.start, period.end), compare=True
        )
        return Change(
            name=metric,
            values=_steps([point.value for point in found.points]),
            total=found.total,
            previous_total=found.previous_total or 0,
            change_ratio=found.change_ratio,
        )

    async def _series(self) -> dict[str, TimeSeriesData]:
        """Return commits by week, and projects by month, up to the end of the period."""
        end, last = self._period.end, self._period.last
        week = last - dt.timedelta(days=last.weekday(), weeks=_WEEKS - 1)
        months = last.year * 12 + last.month - _MONTHS
        month = dt.date(months // 12, months % 12 + 1, 1)
        ask = self._analytics.time_series_analysis
        return {
            "commits": await ask("commits", "week", (week, end)),
            "created": await ask("projects_created", "month", (month, end)),
            "completed": await ask("projects_completed", "month", (month, end)),
        }

    # ---- lists -------------------------------------------------------------------------------

    async def _lists(self) -> dict[str, Any]:
        best, worst = _extremes(await self._rows(statements.extremes(self._scope, _EXTREMES)))
        happened = statements.events(self._happened(), _EVENTS)
        return {
            "lines": [
                _line(*row) for row in await self._rows(statements.lines(self._scope, _LINES))
            ],
            "healthiest": best,
            "weakest": worst,
            "events": [_event(*row) for row in await self._rows(happened)],
        }

    def _happened(self) -> Scope:
        """Return the scope of what is listed: a chosen period, or everything up to now."""
        if self._period.is_recent:
            return self._scope.within(None, self._moment)
        zone = self._scope.zone
        days = (self._period.start, self._period.end)
        bounds = [dt.datetime.combine(day, dt.time(), zone).astimezone(dt.UTC) for day in days]
        return self._scope.within(*bounds)

    async def _sample_ids(self, figures: dict[str, Any]) -> list[int]:
        named = set(_named(figures))
        if not named:
            return []
        return sorted(await self._session.scalars(statements.samples_among(named)))

    async def _rows(self, statement: Any) -> Sequence[Any]:
        return (await self._session.execute(statement)).all()


def _steps(values: list[int]) -> list[int]:
    """Return the values of days as at most some sixty steps: days, weeks, or months of 30 days."""
    step = 1 if len(values) <= _BY_DAY else 7 if len(values) <= _BY_WEEK else _RECENT
    return [sum(values[at : at + step]) for at in range(0, len(values), step)]


def _line(*row: Any) -> ProjectLine:
    return ProjectLine(**dict(zip(ProjectLine.model_fields, row, strict=True)))


def _event(*row: Any) -> Event:
    return Event(**dict(zip(Event.model_fields, row, strict=True)))


def _extremes(rows: Iterable[Any]) -> tuple[list[RepositoryLine], list[RepositoryLine]]:
    """Return the healthiest repositories, and the weakest ones that are none of those."""
    best, worst = [], []
    for row in rows:
        *named, score, grade = row[:7]
        place, from_bottom = row[-2:]
        names = ("id", "name", "project_id", "project", "is_sample")
        line = RepositoryLine(
            **dict(zip(names, named, strict=True)),
            score=score,
            grade=grade,
            points=dict(zip(WEIGHTS, row[7:-2], strict=True)),
        )
        if place <= _EXTREMES:
            best.append(line)
        else:
            worst.append((from_bottom, line))
    return best, [line for _, line in sorted(worst, key=lambda each: each[0])]


def _named(figures: dict[str, Any]) -> Iterator[int]:
    """Yield the projects that are named anywhere."""
    yield from (each.id for each in figures["lines"])
    for name in ("healthiest", "weakest", "events"):
        yield from (each.project_id for each in figures[name])
    yield from (each.project_id for each in figures["attention"].items)
    yield from (each.project_id for each in figures["health"].least_healthy)
    for _, top in figures["lives"].top_projects:
        yield from (each.project_id for each in top)
