"""Aggregates, groups by time, and windows: named by a field's name or by the attribute.

Each function gives an expression that is looked up in a model when a query takes
it (``QueryBuilder.aggregate``, ``group_by``, ``window``); ``expression.on(Model)``
does so for a statement of one's own. Sums of whole numbers are ints and averages
floats on both databases.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args
from typing import cast as cast_type

from sqlalchemy import cast, distinct, func, literal, literal_column, type_coerce, types
from sqlalchemy.sql.elements import BindParameter, Label
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.visitors import replacement_traverse

from andamios_orm.exceptions import QueryRefused, UnknownField
from andamios_orm.queries.fields import Field, field_of, find_field
from andamios_orm.queries.json import JSONPath, parse_path
from andamios_orm.queries.operators import compare
from andamios_orm.queries.ordering import Order, sort_keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Dialect
    from sqlalchemy.sql import ColumnElement

__all__ = [
    "Aggregate",
    "Bucket",
    "Expression",
    "Unit",
    "Window",
    "avg",
    "bucket",
    "count",
    "count_distinct",
    "dense_rank",
    "expression_of",
    "having_of",
    "lag",
    "lead",
    "max_",
    "median",
    "min_",
    "moving_average",
    "percentile",
    "rank",
    "row_number",
    "running_sum",
    "sum_",
]

Unit = Literal[
    "microseconds", "second", "minute", "hour", "day", "week", "month", "quarter", "year"
]
_UNITS: tuple[str, ...] = get_args(Unit)


class _WholeNumber(types.TypeDecorator[int]):
    """A sum of whole numbers, which PostgreSQL gives as a Decimal."""

    impl = types.Numeric
    cache_ok = True

    def process_result_value(self, value: Any, dialect: Dialect) -> int | None:  # noqa: ARG002  # SQLAlchemy's signature
        """Return the int."""
        return None if value is None else int(value)


class Expression:
    """Something to select that is looked up in a model later."""

    __slots__ = ()

    def on(self, model: Any) -> ColumnElement[Any]:
        """Return the expression for ``model``.

        Raises:
            UnknownField: the model has no such field.
        """
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Aggregate(Expression):
    """A function over the values of a field."""

    function: str
    field: Any = None
    fraction: float | None = None

    def on(self, model: Any) -> ColumnElement[Any]:
        """Return the function, labelled with its name and that of the field."""
        if self.field is None:
            return func.count().label("count")
        found = field_of(model, self.field)
        return _aggregated(self.function, found, self.fraction).label(
            f"{self.function}_{found.name}"
        )


def _aggregated(function: str, found: Field, fraction: float | None = None) -> ColumnElement[Any]:
    column = found.column
    if function == "count":
        return func.count(column)
    if function == "count_distinct":
        return func.count(distinct(column))
    if function == "percentile":
        ordered = func.percentile_cont(literal(fraction, types.Double())).within_group(column.asc())
        return cast(ordered, types.Double())
    if function == "sum":
        return _summed(found, func.sum(column))
    if function == "avg":
        return cast(func.avg(column), types.Double())
    made: ColumnElement[Any] = getattr(func, function)(column)
    return made


def _summed(found: Field, total: ColumnElement[Any]) -> ColumnElement[Any]:
    whole = isinstance(found.type, types.Integer)
    return type_coerce(total, _WholeNumber()) if whole else total


def count(field: Any = None) -> Aggregate:
    """Return the number of rows, or of those whose ``field`` is not NULL."""
    return Aggregate("count", field)


def count_distinct(field: Any) -> Aggregate:
    """Return how many different values there are."""
    return Aggregate("count_distinct", field)


def sum_(field: Any) -> Aggregate:
    """Return the sum; NULL over no rows."""
    return Aggregate("sum", field)


def avg(field: Any) -> Aggregate:
    """Return the average, as a float."""
    return Aggregate("avg", field)


def min_(field: Any) -> Aggregate:
    """Return the smallest value."""
    return Aggregate("min", field)


def max_(field: Any) -> Aggregate:
    """Return the largest value."""
    return Aggregate("max", field)


def percentile(field: Any, fraction: float) -> Aggregate:
    """Return the value below which ``fraction`` (0 to 1) of the values lie, interpolated.

    Raises:
        QueryRefused: the fraction is no number from 0 to 1.
    """
    given: Any = fraction
    if isinstance(given, bool) or not isinstance(given, (int, float)) or not 0 <= given <= 1:
        raise QueryRefused(f"percentile {fraction!r:.40} is refused: pass a number from 0 to 1")
    return Aggregate("percentile", field, float(fraction))


def median(field: Any) -> Aggregate:
    """Return the middle value."""
    return percentile(field, 0.5)


@dataclass(frozen=True, slots=True)
class Bucket(Expression):
    """The beginning of the hour, day, month ... in which a point in time lies, in UTC."""

    field: Any
    unit: str

    def on(self, model: Any) -> ColumnElement[Any]:
        """Return the truncated time, labelled with the unit."""
        found = field_of(model, self.field)
        # The unit is one of a fixed list: the same text in SELECT and in GROUP BY.
        unit: ColumnElement[str] = literal_column(f"'{self.unit}'", types.String())
        truncated = func.date_trunc(unit, found.column, type_=found.type)
        return truncated.label(self.unit)


def bucket(field: Any, unit: Unit) -> Bucket:
    """Return the time of ``field`` cut to a unit, to group by.

    Raises:
        QueryRefused: there is no such unit.
    """
    if unit not in _UNITS:
        raise QueryRefused(f"there is no unit {unit!r:.40}", _UNITS)
    return Bucket(field, unit)


@dataclass(frozen=True, slots=True)
class Window(Expression):
    """A function over the rows around each row."""

    function: str
    field: Any = None
    partition_by: tuple[Any, ...] = ()
    order_by: tuple[Order, ...] = ()
    preceding: int | None = None
    offset: int | None = None
    default: Any = None
    framed: bool = False

    def on(self, model: Any) -> ColumnElement[Any]:
        """Return the function OVER its window; the primary key decides between equals."""
        unique = self.function not in {"rank", "dense_rank"}
        keys = sort_keys(model, self.order_by, unique=unique)
        rows = (None if self.preceding is None else -self.preceding, 0) if self.framed else None
        return self._function(model).over(  # type: ignore[no-any-return]  # it is one
            partition_by=[field_of(model, name).column for name in self.partition_by],
            order_by=[key.clause for key in keys],
            rows=rows,
        )

    def _function(self, model: Any) -> Any:
        if self.field is None:
            return getattr(func, self.function)()
        found = field_of(model, self.field)
        if self.offset is None:
            return getattr(func, self.function)(found.column)
        arguments = [found.column, cast(literal(self.offset), types.Integer())]
        if self.default is not None:
            arguments.append(cast(literal(self.default, found.type), found.type))
        return getattr(func, self.function)(*arguments, type_=found.type)


@dataclass(frozen=True, slots=True)
class _Converted(Expression):
    """A window whose result has another type on each database."""

    window: Window

    def on(self, model: Any) -> ColumnElement[Any]:
        over = self.window.on(model)
        if self.window.function == "avg":
            return cast(over, types.Double())
        return _summed(field_of(model, self.window.field), over)


def _several(names: Any) -> tuple[Any, ...]:
    if names is None:
        return ()
    return tuple(names) if isinstance(names, (list, tuple)) else (names,)


def _window(function: str, field: Any, partition_by: Any, order_by: Any, **more: Any) -> Window:
    orders = tuple(Order.of(order) for order in _several(order_by))
    return Window(function, field, _several(partition_by), orders, **more)


def row_number(*, partition_by: Any = None, order_by: Any = None) -> Expression:
    """Return the position of a row in its partition, from 1."""
    return _window("row_number", None, partition_by, order_by)


def rank(*, partition_by: Any = None, order_by: Any) -> Expression:
    """Return the rank of a row; equals share one and leave a gap."""
    return _window("rank", None, partition_by, order_by)


def dense_rank(*, partition_by: Any = None, order_by: Any) -> Expression:
    """Return the rank of a row; equals share one and leave no gap."""
    return _window("dense_rank", None, partition_by, order_by)


def running_sum(field: Any, *, partition_by: Any = None, order_by: Any) -> Expression:
    """Return the sum of ``field`` up to and with the row."""
    return _Converted(_window("sum", field, partition_by, order_by, framed=True))


def moving_average(field: Any, size: int, *, partition_by: Any = None, order_by: Any) -> Expression:
    """Return the average of ``field`` over the row and the ``size - 1`` rows before it.

    Raises:
        QueryRefused: ``size`` is no whole number from 1 up.
    """
    given: Any = size
    if isinstance(given, bool) or not isinstance(given, int) or given < 1:
        raise QueryRefused(f"size={size!r:.40} is refused: pass a whole number from 1 up")
    window = _window("avg", field, partition_by, order_by, framed=True, preceding=size - 1)
    return _Converted(window)


def lag(
    field: Any, offset: int = 1, *, default: Any = None, partition_by: Any = None, order_by: Any
) -> Expression:
    """Return the value ``offset`` rows before; ``default`` where there is none."""
    return _window("lag", field, partition_by, order_by, offset=offset, default=default)


def lead(
    field: Any, offset: int = 1, *, default: Any = None, partition_by: Any = None, order_by: Any
) -> Expression:
    """Return the value ``offset`` rows after; ``default`` where there is none."""
    return _window("lead", field, partition_by, order_by, offset=offset, default=default)


def expression_of(model: Any, given: Any) -> ColumnElement[Any]:
    """Return what ``given`` selects: a name, a column, an expression.

    In ``func.json_extract("architecture", "$.score")`` the name of a JSON column
    means the column.

    Raises:
        UnknownField: the model has no such field.
    """
    if isinstance(given, Expression):
        return given.on(model)
    if isinstance(given, str):
        found = field_of(model, given)
        return found.column.label(found.name)
    field_of(model, given)
    return _with_documents(model, given)


def _with_documents(model: Any, given: Any) -> ColumnElement[Any]:
    def replaced(element: Any, **_options: Any) -> Any:
        if not isinstance(element, FunctionElement):
            return None
        parts = list(element.clauses)
        name = getattr(element, "name", "")
        if name in _NUMERIC and len(parts) == 1:
            place = _place(model, parts[0])
            return None if place is None else getattr(func, name)(place.as_(float))
        place = _place(model, element)
        return None if place is None else place.as_(str)

    if isinstance(given, Label):
        return _with_documents(model, given.element).label(given.name)
    if not isinstance(given, FunctionElement):
        return cast_type("ColumnElement[Any]", given)
    found: ColumnElement[Any] = replacement_traverse(given, {}, replaced)
    return found


_NUMERIC = frozenset({"avg", "sum", "min", "max"})


def _place(model: Any, element: Any) -> JSONPath | None:
    """Return the place in a document that ``json_extract("column", "path")`` means."""
    if not isinstance(element, FunctionElement):
        return None
    if getattr(element, "name", "") not in {"json_extract", "json_extract_string"}:
        return None
    column, *path = element.clauses
    if not isinstance(column, BindParameter) or len(path) != 1:
        return None
    if not isinstance(path[0], BindParameter):
        return None
    found = find_field(model, str(column.value))
    return None if found is None else JSONPath(found.column, parse_path(str(path[0].value)))


def having_of(columns: Sequence[Any], keyword: str, value: Any) -> ColumnElement[bool]:
    """Return the condition on what was named in ``columns`` that a keyword says.

    Raises:
        UnknownField: nothing has that name.
    """
    named = {column.key: column for column in columns}
    name, operator = keyword, "eq"
    if name not in named:
        name, _, operator = keyword.rpartition("__")
    if name not in named:
        raise UnknownField(f"the rows have no column {keyword!r:.60}", sorted(map(str, named)))
    column = named[name]
    inner = column.element if isinstance(column, Label) else column
    return compare(Field(name, inner), operator, value)
