"""The values around a median and a p90, by which these can be told when a few values change.

All other values are only counted, by the ranges they are in. As long as a quantile stays among
those that are known one by one, it is exact, but for the last digit of what is between two.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from sqlalchemy import Double, Integer, and_, case, cast, func, null, select

from andamios_orm.core.folds import Ask
from andamios_orm.models.written import WrittenRow
from project_architect_db.analytics.quantiles import SHARES

if TYPE_CHECKING:
    from sqlalchemy import Select

__all__ = ["Changed", "Near"]

Changed = Callable[[Sequence[WrittenRow], Ask], Awaitable[Counter[float]]]
"""Tells how many more there are of each value after changes, or how many fewer."""


@dataclass(frozen=True, slots=True)
class Near:
    """The values of a statement that are between the first two bounds, or the last two."""

    values: Select[Any]
    bounds: tuple[float, ...]

    @classmethod
    def of(cls, values: Select[Any], quantiles: Sequence[float] | None) -> Near | None:
        """Return those around the quantiles of ``described_around``; None without any."""
        return None if quantiles is None else cls(values, tuple(quantiles[len(SHARES) :]))

    async def described(self, ask: Ask, changed: Changed) -> tuple[Any, ...] | None:
        """Return what ``described_around`` does, with the bounds as they are.

        None if a quantile is not among the values that are known.
        """
        rows = await ask(self._statement(), partial(self._follow, changed))
        count = sum(number for _, _, number, _ in rows)
        if not count:
            return None
        places = sorted(
            (part, -math.inf if value is None else value, number) for part, value, number, _ in rows
        )
        ends = list(accumulate(number for _, _, number in places))
        found = [_quantile(share, places, ends) for share in SHARES]
        if None in found:
            return None
        return count, math.fsum(total for *_, total in rows) / count, [*found, *self.bounds]

    def _statement(self) -> Select[Any]:
        """Return the statement for ranges: their number, value, how many, and their sum.

        Ranges between the bounds, which have odd numbers, have a row for each value.
        """
        value = self.values.subquery().c.value
        first, second, third, fourth = self.bounds
        part = case(
            (value < first, 0),
            (value <= second, 1),
            (value < third, 2),
            (value <= fourth, 3),
            else_=4,
        )
        one = case(
            (and_(value >= first, value <= second), value),
            (and_(value >= third, value <= fourth), value),
            else_=null(),
        )
        rows = select(part.label("part"), cast(one, Double).label("one"), value.label("value"))
        columns = rows.subquery().c
        by = (columns.part, columns.one)
        return select(
            cast(columns.part, Integer),
            columns.one,
            func.count(),
            cast(func.sum(columns.value), Double),
        ).group_by(*by)

    def _part(self, value: float) -> tuple[int, float | None]:
        """Return the range that a value is in, and the value if that is known one by one."""
        first, second, third, fourth = self.bounds
        part = (
            (0 if value < first else 1 if value <= second else 2 if value < third else 3)
            if value <= fourth
            else 4
        )
        is_known = first <= value <= second or third <= value <= fourth
        return part, value if is_known else None

    async def _follow(
        self, changed: Changed, rows: Sequence[Any], changes: Sequence[WrittenRow], ask: Ask
    ) -> Sequence[Any] | None:
        found = {(part, value): (number, total) for part, value, number, total in rows}
        for value, more in (await changed(changes, ask)).items():
            place = self._part(value)
            number, total = found.get(place, (0, 0.0))
            if number + more < 0:
                return None
            found[place] = number + more, total + more * value
        return [(*place, number, total) for place, (number, total) in found.items() if number]


def _quantile(
    share: float, places: Sequence[tuple[int, float, int]], ends: Sequence[int]
) -> float | None:
    """Return a quantile as ``quantile_cont()`` does; None if it is not known."""
    position = share * (ends[-1] - 1)
    around = [
        places[bisect_right(ends, rank)][1] for rank in (math.floor(position), math.ceil(position))
    ]
    if -math.inf in around:
        return None
    low, high = around
    return low + (high - low) * (position - math.floor(position))
