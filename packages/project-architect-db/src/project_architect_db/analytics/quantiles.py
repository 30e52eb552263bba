"""Median and p90 of the same values, found in one pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Double, cast, func, types
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

if TYPE_CHECKING:
    from sqlalchemy.sql import ColumnElement
    from sqlalchemy.sql.compiler import SQLCompiler

__all__ = ["described", "ninth_tenth", "quantiles"]


class _Quantiles(FunctionElement[Any]):
    """A list of both; NULL where there is no value."""

    name = "quantiles"
    type = types.NullType()
    inherit_cache = True


class _Second(FunctionElement[Any]):
    name = "second"
    type = types.Double()
    inherit_cache = True


@compiles(_Quantiles, "duckdb")
def _on_duckdb(element: _Quantiles, compiler: SQLCompiler, **options: Any) -> str:
    return f"quantile_cont({compiler.process(element.clauses, **options)}, [0.5, 0.9])"


@compiles(_Quantiles, "postgresql")
def _on_postgresql(element: _Quantiles, compiler: SQLCompiler, **options: Any) -> str:
    values = compiler.process(element.clauses, **options)
    return f"percentile_cont(ARRAY[0.5, 0.9]) WITHIN GROUP (ORDER BY {values})"


@compiles(_Second)
def _second(element: _Second, compiler: SQLCompiler, **options: Any) -> str:
    return f"({compiler.process(element.clauses, **options)})[2]"


def quantiles(values: Any) -> ColumnElement[Any]:
    """Return median and p90 of values as a list, interpolated; NULL, or two, without any."""
    return _Quantiles(cast(values, Double))


def ninth_tenth(both: Any) -> ColumnElement[float]:
    """Return the p90 out of ``quantiles``."""
    return _Second(both)


def described(values: Any) -> tuple[ColumnElement[Any], ...]:
    """Return what a ``Distribution`` is made of: the count, the mean, and ``quantiles``."""
    return func.count(values), cast(func.avg(values), Double), quantiles(values)
