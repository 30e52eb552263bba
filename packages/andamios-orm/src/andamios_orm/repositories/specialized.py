"""Repositories for less, and for other questions: read-only ones, and analytics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from andamios_orm.queries.aggregations import bucket, count
from andamios_orm.repositories.events import operation
from andamios_orm.repositories.reading import Reader

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from pyarrow.lib import Table as ArrowTable

    from andamios_orm.queries.aggregations import Expression, Unit
    from andamios_orm.repositories.reading import Condition

__all__ = ["AnalyticsRepository", "Point", "ReadOnlyRepository"]

ModelT = TypeVar("ModelT")


class ReadOnlyRepository(Reader[ModelT]):
    """The questions of a repository, without a method that could write."""


@dataclass(frozen=True, slots=True)
class Point:
    """One step of a time series: where it begins, and what was measured in it."""

    time: dt.datetime
    value: Any


class AnalyticsRepository(ReadOnlyRepository[ModelT]):
    """Questions about many rows at once; the base of an application's own analytics.

    Measures are named: ``total=sum_("amount")``, from ``andamios_orm.queries.aggregations``
    or SQLAlchemy. Rows that were deleted softly do not count.
    """

    @operation()
    async def aggregate(self, *conditions: Condition, **measures: Any) -> dict[str, Any]:
        """Return measures over all rows that meet the conditions.

        Raises:
            QueryRefused: a measure or a condition is none.
        """
        row = await self.query().filter(*conditions).aggregate(**measures).one()
        return dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name

    @operation()
    async def grouped(
        self,
        by: str | Sequence[str],
        *conditions: Condition,
        limit: int | None = None,
        **measures: Any,
    ) -> list[dict[str, Any]]:
        """Return measures for each value of ``by``, in the order of those values.

        Raises:
            QueryRefused: a measure or a condition is none, or ``by`` names no field.
        """
        names = [by] if isinstance(by, str) else list(by)
        query = self.query().filter(*conditions).group_by(*names).aggregate(**measures)
        rows = await query.order_by(*names).limit(limit).all()
        return [dict(row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public name

    @operation()
    async def time_series(
        self,
        field: str,
        granularity: Unit = "day",
        *conditions: Condition,
        measure: Expression | None = None,
    ) -> list[Point]:
        """Return a measure (how many) per hour, day, month ... of a point in time, in order.

        Steps without a row are left out.

        Raises:
            QueryRefused: there is no such granularity or field.
        """
        step = bucket(field, granularity)
        query = self.query().filter(*conditions).group_by(step).aggregate(value=measure or count())
        rows: Sequence[Any] = await query.all()
        points = [Point(time, value) for time, value in rows if time is not None]
        return sorted(points, key=lambda point: point.time)

    @operation()
    async def arrow(self, *columns: str, conditions: Sequence[Condition] = ()) -> ArrowTable:
        """Return columns (all of them) of the rows that meet conditions as an Arrow table.

        Raises:
            MissingExtra: pyarrow is not installed.
        """
        return await self.query().filter(*conditions).arrow(*columns)
