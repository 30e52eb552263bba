"""What columns of dates, times and intervals let in."""

from __future__ import annotations

import datetime as dt
from types import NoneType
from typing import TYPE_CHECKING, Any

from andamios_orm.dialect.values import Admission, Rendered, present, refuse

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Dates", "Instants", "Intervals", "Times", "Timestamps"]

_JUST_DATES = frozenset({dt.date, NoneType})
_JUST_DATETIMES = frozenset({dt.datetime, NoneType})


class Dates(Admission):
    """Days; of a datetime without a time zone, its day.

    That the time is dropped there is what SQLAlchemy's compliance suite asks of a
    dialect (``date_coerces_from_datetime``).
    """

    __slots__ = ()

    def one(self, value: Any) -> Any:
        """Return the date."""
        if type(value) is dt.date or value is None:
            return value
        if not isinstance(value, dt.date):
            refuse("the column holds dates: pass a datetime.date", value)
        if isinstance(value, dt.datetime):
            if value.tzinfo is not None:
                refuse("its day depends on the time zone: pass .date()", value)
            return value.date()
        return value

    def many(self, values: Sequence[Any]) -> Sequence[Any]:
        """Return ``values`` themselves if they are dates."""
        if _JUST_DATES.issuperset(map(type, values)):
            return values
        return super().many(values)


class Times(Admission):
    """Times of day, all with a time zone or all without."""

    __slots__ = ("aware",)

    def __init__(self, *, aware: bool) -> None:
        self.aware = aware

    def one(self, value: Any) -> Any:
        """Return the time of day."""
        if value is None or type(value) is Rendered:
            return value
        if not isinstance(value, dt.time):
            refuse("the column holds times of day: pass a datetime.time", value)
        if self.aware and value.tzinfo is None:
            refuse("the column needs a time zone: pass time(…, tzinfo=…)", value)
        if not self.aware and value.tzinfo is not None:
            refuse("the column has no time zone and would drop this one", value)
        return value


class Timestamps(Admission):
    """Dates with a time, without a time zone, down to ``tick`` microseconds."""

    __slots__ = ("tick",)

    def __init__(self, tick: int = 1) -> None:
        self.tick = tick

    def one(self, value: Any) -> Any:
        """Return the naive datetime; a date becomes its midnight."""
        if type(value) is dt.datetime and value.tzinfo is None and self.tick == 1:
            return value
        if value is None:
            return None
        if type(value) is dt.date:
            return dt.datetime.combine(value, dt.time.min)
        moment = _moment(value)
        if moment.tzinfo is not None:
            refuse(
                "the column has no time zone and would shift it to the session's: "
                "use DateTime(timezone=True), or pass .replace(tzinfo=None)",
                value,
            )
        if moment.microsecond % self.tick:
            refuse("it is finer than the column and would be cut", value)
        return moment

    def many(self, values: Sequence[Any]) -> Sequence[Any]:
        """Return ``values`` themselves if all are naive datetimes."""
        kinds = set(map(type, values))
        simple = self.tick == 1 and kinds <= _JUST_DATETIMES
        if simple and all(value.tzinfo is None for value in present(values, kinds)):
            return values
        return super().many(values)


class Instants(Admission):
    """Points in time: datetimes with a time zone, which are sent in UTC."""

    __slots__ = ()

    def one(self, value: Any) -> Any:
        """Return the aware datetime in UTC."""
        if type(value) is dt.datetime and value.tzinfo is dt.UTC:
            return value
        if value is None:
            return None
        moment = _moment(value)
        if moment.utcoffset() is None:
            refuse("the column needs a time zone: pass datetime(…, tzinfo=UTC)", value)
        try:
            return moment.astimezone(dt.UTC)
        except OverflowError:
            refuse("in UTC it is outside the years 1 to 9999", value)

    def many(self, values: Sequence[Any]) -> Sequence[Any]:
        """Return ``values`` themselves if all are datetimes in UTC."""
        kinds = set(map(type, values))
        simple = kinds <= _JUST_DATETIMES
        if simple and all(value.tzinfo is dt.UTC for value in present(values, kinds)):
            return values
        return super().many(values)


def _moment(value: Any) -> dt.datetime:
    if not isinstance(value, dt.datetime):
        refuse("the column holds moments: pass a datetime.datetime", value)
    if getattr(value, "nanosecond", 0):
        refuse("its nanoseconds would be cut: round it to microseconds", value)
    return value


class Intervals(Admission):
    """Spans of time."""

    __slots__ = ()

    def one(self, value: Any) -> Any:
        """Return the timedelta."""
        if value is not None and not isinstance(value, dt.timedelta):
            refuse("the column holds spans of time: pass a datetime.timedelta", value)
        return value
