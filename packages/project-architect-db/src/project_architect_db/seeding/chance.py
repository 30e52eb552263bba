"""Chance that is the same on every database, and in Python: a few sums and remainders.

The hash functions of databases differ, and so do their random numbers. Here everything is
whole numbers below 2^63, so that a row of sample data is the same wherever it is made.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy import BigInteger, case, cast

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

__all__ = ["DAY", "WEEK", "Chance", "moment_of", "whole", "working_seconds"]

N = TypeVar("N", bound="int | ColumnElement[int]")

_PRIME: Final = 2_147_483_647
_FACTOR: Final = 69_621

DAY: Final = 28_800
"""Seconds of a working day: nine to five."""
WEEK: Final = 5 * DAY + 7_200
"""Working seconds of a week, of which the week-end has two hours."""
_REAL_DAY: Final = 86_400
_REAL_WEEK: Final = 7 * _REAL_DAY
_MONDAY: Final = 4 * _REAL_DAY
"""The first Monday of Unix time."""
_MORNING: Final = 9 * 3_600
_SATURDAY: Final = 5 * DAY
_SUNDAY: Final = _SATURDAY + 5_400
_SUNDAY_NOON: Final = 12 * 3_600


@dataclass(frozen=True, slots=True)
class Chance:
    """Numbers that look random and follow from ``seed``, a name and a number."""

    seed: int

    def draw(self, number: N, name: str, below: int) -> N:
        """Return a number from 0 to ``below`` - 1, of an int or of a column of ints.

        >>> [Chance(7).draw(number, "status", 100) for number in range(8)]
        [38, 6, 13, 22, 21, 53, 95, 29]
        """
        digest = hashlib.sha256(f"{self.seed} {name}".encode()).digest()
        factor, first, second = (
            int.from_bytes(digest[at : at + 4]) % (_PRIME - 1) + 1 for at in (0, 4, 8)
        )
        spread: Any = (number * factor + first) % _PRIME
        squared = (spread * spread + second) % _PRIME
        return (squared * _FACTOR + first) % _PRIME % below  # type: ignore[no-any-return]  # as number


def whole(number: ColumnElement[int], divisor: int | ColumnElement[int]) -> ColumnElement[int]:
    """Return how often ``divisor`` is in ``number``; what is left over is dropped."""
    return cast((number - number % divisor) / divisor, BigInteger)


# ---- time ------------------------------------------------------------------------------


def moment_of(working: ColumnElement[int]) -> ColumnElement[int]:
    """Return the Unix time of so many working seconds: what is later stays later.

    Times of sample data are made in working seconds, so that they have the rhythm of a
    week: five days from nine to five, a little on Saturday, less on Sunday.
    """
    of_week = working % WEEK
    monday = (working - of_week) * (_REAL_WEEK // WEEK) + _MONDAY
    of_day = of_week % DAY
    weekday = (of_week - of_day) * (_REAL_DAY // DAY) + of_day + _MORNING
    return monday + case(
        (of_week < _SATURDAY, weekday),
        (of_week < _SUNDAY, of_week - _SATURDAY + 5 * _REAL_DAY + _MORNING),
        else_=of_week - _SUNDAY + 6 * _REAL_DAY + _SUNDAY_NOON,
    )


def working_seconds(moment: int) -> int:
    """Return the last working second of the days before the one of ``moment``.

    >>> working_seconds(1_767_225_600) % WEEK // DAY  # the first of January 2026, a Thursday
    2
    """
    weeks, rest = divmod(moment - _MONDAY, _REAL_WEEK)
    return weeks * WEEK + min(rest // _REAL_DAY, 5) * DAY - 1
