"""Times between moments, and what clocks show, in the way that each database is fast at.

DuckDB computes with aware timestamps by the calendar of a time zone, which costs 0.3 to 2
microseconds each. Most of what is asked of many rows needs no calendar.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from sqlalchemy import types
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

if TYPE_CHECKING:
    import datetime as dt

    from sqlalchemy.sql import ColumnElement
    from sqlalchemy.sql.compiler import SQLCompiler

__all__ = ["local_time", "quarter_hour", "seconds_between", "utc_time"]


class _Time(FunctionElement[Any]):
    """A formula of moments, for each database."""

    inherit_cache = True
    duckdb: ClassVar[str]
    postgresql: ClassVar[str]


class _Seconds(_Time):
    name = "seconds_between"
    type = types.Double()
    inherit_cache = True
    # A whole number by a whole number, rounded once: what timedelta.total_seconds() does.
    duckdb = "((epoch_us({1}) - epoch_us({0})) / 1000000)"
    postgresql = "CAST(EXTRACT(epoch FROM {1} - {0}) AS DOUBLE PRECISION)"


class _UTCTime(_Time):
    name = "utc_time"
    type = types.DateTime()
    inherit_cache = True
    duckdb = "make_timestamp(epoch_us({0}))"
    postgresql = "timezone('UTC', {0})"


class _LocalTime(_Time):
    name = "local_time"
    type = types.DateTime()
    inherit_cache = True
    duckdb = postgresql = "timezone({1}, {0})"


class _QuarterHour(_Time):
    name = "quarter_hour"
    type = types.DateTime(timezone=True)
    inherit_cache = True
    duckdb = "make_timestamptz(CAST(floor(epoch_us({0}) / 900000000) AS BIGINT) * 900000000)"
    postgresql = "to_timestamp(floor(EXTRACT(epoch FROM {0}) / 900) * 900)"


@compiles(_Time, "duckdb")
def _compile_duckdb(element: _Time, compiler: SQLCompiler, **options: Any) -> str:
    return element.duckdb.format(*_arguments(element, compiler, options))


@compiles(_Time, "postgresql")
def _compile_postgresql(element: _Time, compiler: SQLCompiler, **options: Any) -> str:
    return element.postgresql.format(*_arguments(element, compiler, options))


def _arguments(element: _Time, compiler: SQLCompiler, options: dict[str, Any]) -> list[str]:
    return [compiler.process(clause, **options) for clause in element.clauses]


def seconds_between(earlier: Any, later: Any) -> ColumnElement[float]:
    """Return the seconds from one moment to another one, as ``timedelta.total_seconds()`` does."""
    return _Seconds(earlier, later)


def utc_time(moment: Any) -> ColumnElement[dt.datetime]:
    """Return what a clock in UTC shows, without a zone."""
    return _UTCTime(moment)


def local_time(moment: Any, timezone: str) -> ColumnElement[dt.datetime]:
    """Return what a clock shows in a time zone of IANA's, without a zone."""
    return utc_time(moment) if timezone == "UTC" else _LocalTime(moment, timezone)


def quarter_hour(moment: Any) -> ColumnElement[dt.datetime]:
    """Return when the quarter of an hour began: all clocks of today show other ones together.

    Group many rows by it before asking what clocks show: there are few quarters.
    """
    return _QuarterHour(moment)
