"""Vectors of fixed length, such as embeddings, and the distances between them."""

from __future__ import annotations

import math
from array import array
from typing import TYPE_CHECKING, Any

from duckdb_sqlalchemy.datatypes import FixedArray
from sqlalchemy import ARRAY, ColumnElement, Double, Float, cast
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import operators
from sqlalchemy.sql.functions import FunctionElement

from andamios_orm.dialect.values import plain_sequence
from andamios_orm.exceptions import ConfigurationError, ValueRefused
from andamios_orm.models.checked import Checked

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Dialect

__all__ = ["Vector"]

_AMONG = frozenset({operators.in_op, operators.not_in_op})


class _Distance(FunctionElement[float]):
    type = Double()
    inherit_cache = True


class _Cosine(_Distance):
    name = "cosine_distance"
    inherit_cache = True


class _Euclid(_Distance):
    name = "l2_distance"
    inherit_cache = True


class _Inner(_Distance):
    name = "inner_product"
    inherit_cache = True


def _on_duckdb(function: str) -> Callable[..., str]:
    def write(element: _Distance, compiler: Any, **options: Any) -> str:
        return f"{function}({compiler.process(element.clauses, **options)})"

    return write


def _on_postgresql(formula: str, *, nowhere: str = "NULL") -> Callable[..., str]:
    """Write a formula over the numbers ``a`` and ``b`` of both vectors.

    The function of DuckDB calls two directions as far apart as can be if one of the
    vectors has no direction; ``nowhere`` says the same here.
    """

    def write(element: _Distance, compiler: Any, **options: Any) -> str:
        one, other = (compiler.process(each, **options) for each in element.clauses)
        return (
            f"CASE WHEN {one} IS NOT NULL AND {other} IS NOT NULL THEN coalesce("  # noqa: S608 # nosec B608 - compiled text
            f"(SELECT {formula} FROM unnest({one}, {other}) AS _pairs(a, b)), {nowhere}) END"
        )

    return write


for _kind, _function, _formula, _nowhere in (
    (
        _Cosine,
        "array_cosine_distance",
        "1 - sum(a * b) / nullif(sqrt(sum(a * a)) * sqrt(sum(b * b)), 0)",
        "2",
    ),
    (_Euclid, "array_distance", "sqrt(sum((a - b) * (a - b)))", "NULL"),
    (_Inner, "array_inner_product", "sum(a * b)", "NULL"),
):
    compiles(_kind, "duckdb")(_on_duckdb(_function))
    compiles(_kind, "postgresql")(_on_postgresql(_formula, nowhere=_nowhere))


class Vector(Checked[list[float]]):
    """A list of exactly ``size`` numbers in single precision; arrays of NumPy are taken too.

    ``FLOAT[size]`` on DuckDB, ``DOUBLE PRECISION[]`` on PostgreSQL; pgvector is not needed.
    """

    impl = ARRAY(Double, dimensions=1)
    cache_ok = True

    def __init__(self, size: int) -> None:
        """Keep vectors of ``size`` numbers.

        Raises:
            ConfigurationError: the size is less than 1.
        """
        if size < 1:
            raise ConfigurationError(f"Vector({size}): the size is 1 or more")
        self.size = size
        super().__init__()

    class Comparator(Checked.Comparator[Any], ARRAY.Comparator[Any]):
        """What a vector column can be compared by."""

        def cosine_distance(self, other: Any) -> ColumnElement[float]:
            """Return 1 minus the cosine of the angle: 0 is the same direction, 2 its opposite."""
            return _Cosine(self.expr, self._vector(other))

        def l2_distance(self, other: Any) -> ColumnElement[float]:
            """Return the length of the way from one to the other."""
            return _Euclid(self.expr, self._vector(other))

        def inner_product(self, other: Any) -> ColumnElement[float]:
            """Return the sum of the products; for unit vectors, greater is nearer."""
            return _Inner(self.expr, self._vector(other))

        def operate(self, op: Any, *other: Any, **options: Any) -> Any:
            """Compare with a list as with a vector."""
            if op in _AMONG and isinstance(other[0], (list, tuple)):
                return super().operate(op, [*map(self._vector, other[0])], **options)
            return super().operate(op, *map(self._vector, other), **options)

        def _vector(self, other: Any) -> Any:
            plain = other is None or hasattr(other, "__clause_element__")
            if plain or isinstance(other, ColumnElement):
                return other
            return cast(other, self.type)

    comparator_factory = Comparator

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        """Return the type of the database."""
        if dialect.name == "duckdb":
            return dialect.type_descriptor(FixedArray(Float(), self.size))
        return dialect.type_descriptor(self.impl_instance)

    def stored(self, value: Any, dialect: Dialect) -> list[float]:
        """Return the numbers in single precision, as DuckDB keeps them."""
        numbers = plain_sequence(value)
        if len(numbers) != self.size:
            raise ValueRefused(f"the column holds vectors of {self.size} numbers", value)
        try:
            single = array("f", numbers)
        except TypeError:
            raise ValueRefused("the column holds vectors: pass numbers", value) from None
        if not all(map(math.isfinite, single)):
            raise ValueRefused("its numbers are not finite in single precision", value)
        return single.tolist()

    def loaded(self, value: Any) -> list[float]:
        """Return the numbers as a list."""
        return list(value)
