"""Median and p90 of the same values, found in one pass, and what is needed to keep them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from sqlalchemy import Double, cast, func, types
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

if TYPE_CHECKING:
    from sqlalchemy.sql import ColumnElement
    from sqlalchemy.sql.compiler import SQLCompiler

__all__ = ["SHARES", "described", "described_around", "ninth_tenth", "quantiles"]

SHARES: Final = (0.5, 0.9)
"""Which quantiles there are."""
_AROUND: Final = 0.0005


class _Quantiles(FunctionElement[Any]):
    """A list of both; NULL where there is no value."""

    name = "quantiles"
    type = types.NullType()
    inherit_cache = True
    shares: ClassVar[tuple[float, ...]] = SHARES


class _Around(_Quantiles):
    """A list of both, and of the bounds around each."""

    name = "quantiles_around"
    inherit_cache = True
    shares = (*SHARES, *(share + by for share in SHARES for by in (-_AROUND, _AROUND)))


class _Second(FunctionElement[Any]):
    name = "second"
    type = types.Double()
    inherit_cache = True


@compiles(_Quantiles, "duckdb")
def _on_duckdb(element: _Quantiles, compiler: SQLCompiler, **options: Any) -> str:
    values = compiler.process(element.clauses, **options)
    return f"quantile_cont({values}, [{_shares(element)}])"


@compiles(_Quantiles)
def _on_postgresql(element: _Quantiles, compiler: SQLCompiler, **options: Any) -> str:
    values = compiler.process(element.clauses, **options)
    return f"percentile_cont(ARRAY[{_shares(element)}]) WITHIN GROUP (ORDER BY {values})"


def _shares(element: _Quantiles) -> str:
    return ", ".join(f"{share:g}" for share in element.shares)


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


def described_around(values: Any) -> tuple[ColumnElement[Any], ...]:
    """Return the same, with bounds around both quantiles, among which they stay for a while."""
    return (*described(values)[:2], _Around(cast(values, Double)))
