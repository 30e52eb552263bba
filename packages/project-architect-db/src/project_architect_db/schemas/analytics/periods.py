"""Which time a question is about, and in which time zone its days begin."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from andamios_orm.exceptions import ValueRefused

if TYPE_CHECKING:
    from typing import Self

__all__ = ["Bounds", "DateRange", "Moment", "zone_of"]

Moment: TypeAlias = dt.datetime | dt.date
"""An aware datetime, or a date: the moment at which that day begins in the time zone."""


class Bounds(NamedTuple):
    """A range as moments in UTC; None is open."""

    start: dt.datetime | None
    end: dt.datetime | None


@dataclass(frozen=True, slots=True)
class DateRange:
    """A time from ``start`` on, and before ``end``: half-open, so ranges can follow each other.

    A bound is a date, an aware datetime, or None: then the range is open on that side. A date
    is the moment at which its day begins, in the time zone of the question. So
    ``DateRange(date(2026, 1, 1), date(2026, 2, 1))`` is January, all of it.
    """

    start: Moment | None = None
    end: Moment | None = None

    @classmethod
    def of(cls, given: Any) -> Self:
        """Return a range out of a range, a pair of bounds, or None, which is all time.

        Raises:
            ValueRefused: it is none of these.
        """
        if given is None:
            return cls()
        if isinstance(given, cls):
            return given
        if isinstance(given, (tuple, list)) and len(given) == 2:  # noqa: PLR2004 - a pair
            return cls(*given)
        raise ValueRefused(
            "pass a DateRange, or a pair of dates or aware datetimes: (start, end)",
            given,
            "date_range",
        )

    def bounds(self, zone: dt.tzinfo) -> Bounds:
        """Return the range in UTC; dates are days of ``zone``.

        Raises:
            ValueRefused: a bound is no date and no aware datetime, or the end is not after
                the start.
        """
        found = Bounds(_moment(self.start, zone), _moment(self.end, zone))
        if found.start is not None and found.end is not None and found.start >= found.end:
            raise ValueRefused(
                "its end has to be after its start, and is itself not part of it",
                (self.start, self.end),
                "date_range",
            )
        return found


def _moment(bound: Any, zone: dt.tzinfo) -> dt.datetime | None:
    if bound is None:
        return None
    if isinstance(bound, dt.datetime):
        if bound.utcoffset() is None:
            raise ValueRefused(
                "it has no time zone: pass an aware datetime, or a date", bound, "date_range"
            )
        return bound.astimezone(dt.UTC)
    if isinstance(bound, dt.date):
        try:
            return dt.datetime.combine(bound, dt.time(), zone).astimezone(dt.UTC)
        except OverflowError:
            raise ValueRefused("no clock goes that far", bound, "date_range") from None
    raise ValueRefused("pass a date, an aware datetime, or None", bound, "date_range")


def zone_of(name: Any) -> ZoneInfo:
    """Return the time zone with a name of IANA's: ``Europe/Madrid``, ``UTC``.

    >>> zone_of("Europe/Madrid").key
    'Europe/Madrid'

    Raises:
        ValueRefused: there is no such time zone.
    """
    if isinstance(name, ZoneInfo) and name.key is not None:
        name = name.key
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError) as error:
        raise ValueRefused(
            "there is no time zone of that name: pass one of IANA's, such as 'UTC' or "
            "'Europe/Madrid'",
            name,
            "timezone",
        ) from error
