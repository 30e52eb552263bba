"""Values checked and bound column by column: each bad row is named, nothing is sent before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import types

from andamios_orm.bulk.arrow import ArrowColumn, is_text, pyarrow
from andamios_orm.bulk.rows import holds
from andamios_orm.core.texts import Same, same_throughout
from andamios_orm.dialect import DuckDBDialect
from andamios_orm.dialect.binds import admission, bind_column
from andamios_orm.dialect.moments import Dates, Instants, Timestamps
from andamios_orm.dialect.types import duckdb_type, implementation
from andamios_orm.dialect.values import Binary, Decimals, Floats, Identifiers, Text, WholeNumbers
from andamios_orm.exceptions import RowRefusal, ValueRefused
from andamios_orm.models.limits import has_limits, why_not
from andamios_orm.models.types import UTCDateTime

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import Column
    from sqlalchemy.engine import Dialect

    from andamios_orm.bulk.target import Target

__all__ = ["Binder"]

_REFUSALS = (ValueRefused, ValueError, TypeError, LookupError, ArithmeticError)


class Binder:
    """Checks columns against those of a table and returns what to send for them.

    What a column lets in is the same on both databases: DuckDB's rules, which are exact.
    """

    def __init__(self, target: Target, dialect: Dialect) -> None:
        """Bind for ``dialect``; the errors speak of ``target``."""
        self.target = target
        self.dialect = dialect
        self.native = dialect.name == "duckdb"
        self.checking: Dialect = dialect if self.native else DuckDBDialect()
        self.errors: list[RowRefusal] = []

    def bind(self, columns: Mapping[str, Sequence[Any]]) -> dict[str, Sequence[Any]]:
        """Return what to send for ``columns``; what is refused is added to ``errors``."""
        return {
            name: self._column(name, self.target.columns[name], values)
            for name, values in columns.items()
        }

    def _column(self, name: str, column: Column[Any], values: Sequence[Any]) -> Sequence[Any]:
        if isinstance(values, ArrowColumn):
            ready = self._ready(column, values)
            if ready is not None:
                if not column.nullable and ready.array.null_count:
                    self._require_values(name, values)
                return ready
            values = values.values()
        try:
            sent = self._sent(column, values)
        except _REFUSALS:
            self.errors.extend(self._each(name, column, values))
            return values
        if not column.nullable and holds(sent, None):
            self._require_values(name, sent)
        return sent

    def _sent(self, column: Column[Any], values: Sequence[Any]) -> Sequence[Any]:
        """Return what to send for a whole column; what is the same throughout is checked once."""
        if len(values) > 1 and same_throughout(values):
            return Same([*self._sent(column, values[:1])] * len(values))
        type_ = column.type
        if has_limits(column):
            _require_limits(column, values)
        checked = bind_column(type_, values, self.checking, column=column.key)
        found = implementation(type_, self.checking)
        if isinstance(found, types.Uuid):
            checked = [_identifier(value) for value in checked]
        if self.native:
            return checked
        if isinstance(found, types.String) and any("\0" in text for text in checked if text):
            raise ValueRefused(_NUL, None, column.key)
        process = type_.dialect_impl(self.dialect).bind_processor(self.dialect)
        if process is not None:
            return [process(value) for value in values]
        return checked if isinstance(found, (types.Integer, types.Uuid)) else values

    def _each(self, name: str, column: Column[Any], values: Sequence[Any]) -> list[RowRefusal]:
        """Return what is wrong with each value that is refused."""
        errors = []
        for row, value in enumerate(values):
            try:
                sent = self._sent(column, [value])
            except _REFUSALS as error:
                reason = error.reason if isinstance(error, ValueRefused) else str(error)
                errors.append(self.target.refusal(row, name, reason, value))
            else:
                if sent[0] is None and not column.nullable:
                    errors.append(self.target.refusal(row, name, _REQUIRED, value))
        return errors

    def _require_values(self, name: str, values: Sequence[Any]) -> None:
        self.errors.extend(
            self.target.refusal(row, name, _REQUIRED, None)
            for row, value in enumerate(values)
            if value is None
        )

    def _ready(self, column: Column[Any], values: ArrowColumn) -> ArrowColumn | None:
        """Return an Arrow column that can be sent as it is, or None."""
        if not self.native or not _within_limits(column, values):
            return None
        type_ = column.type
        if isinstance(type_, types.TypeDecorator) and not isinstance(type_, UTCDateTime):
            return None
        pa = pyarrow()

        array = values.array
        if pa.types.is_dictionary(array.type):
            array = array.cast(array.type.value_type)
        if array.type == pa.string_view():  # Polars has them; Arrow cannot measure them
            array = array.cast(pa.large_string())
        found = implementation(type_, self.dialect)
        if isinstance(found, types.JSON):
            return values if values.convert is not None else None
        if isinstance(found, types.Enum):
            return None
        if duckdb_type(type_, self.dialect) == "BOOLEAN":
            return ArrowColumn(array) if pa.types.is_boolean(array.type) else None
        admitting: Any = admission(type_, self.dialect)
        accepts = _ACCEPTED.get(type(admitting))
        return ArrowColumn(array) if accepts is not None and accepts(admitting, array) else None


_REQUIRED = "the column must have a value"
_LONGEST_CHARACTER = 4
"""Bytes of UTF-8."""
_NUL = "PostgreSQL's text holds no NUL character"


def _require_limits(column: Column[Any], values: Sequence[Any]) -> None:
    if _are_objects(values) if column.info.get("object") else _are_long(column, values):
        return
    for value in values:
        reason = None if value is None else why_not(column, value)
        if reason is not None:
            raise ValueRefused(reason, value, column.key)


def _are_objects(values: Sequence[Any]) -> bool:
    """Whether it is certain at first sight that all are JSON objects, or None."""
    return set(map(type, values)) <= {dict, type(None)}


def _are_long(column: Column[Any], values: Sequence[Any]) -> bool:
    """Whether it is certain at first sight that all texts are long enough."""
    kinds = set(map(type, values))
    if kinds == {str, type(None)}:
        return _are_long(column, [value for value in values if value is not None])
    return kinds == {str} and min(map(len, values)) >= column.info["shortest"]


def _within_limits(column: Column[Any], values: ArrowColumn) -> bool:
    """Whether it is certain that an Arrow column has only what a column asks for."""
    if not has_limits(column):
        return True
    pa = pyarrow()
    pc = pyarrow("pyarrow.compute")

    array = values.array
    if column.info.get("object"):
        if values.convert is not None:
            return _are_objects(values.values())
        return bool(pa.types.is_struct(array.type) or pa.types.is_map(array.type))
    if not is_text(array.type):
        return False
    shortest = column.info["shortest"]
    fewest = pc.min(pc.binary_length(array)).as_py()
    if fewest is None or fewest >= shortest * _LONGEST_CHARACTER:
        return True
    return bool(pc.min(pc.utf8_length(array)).as_py() >= shortest)


def _identifier(value: Any) -> Any:
    import uuid

    return value if value is None or isinstance(value, uuid.UUID) else uuid.UUID(str(value))


def _whole_numbers(rule: WholeNumbers, array: Any) -> bool:
    pa = pyarrow()
    pc = pyarrow("pyarrow.compute")

    if not pa.types.is_integer(array.type):
        return False
    low, high = pc.min_max(array).values()
    return low.as_py() is None or bool(rule.low <= low.as_py() and high.as_py() <= rule.high)


def _text(rule: Text, array: Any) -> bool:
    pc = pyarrow("pyarrow.compute")

    if not is_text(array.type):
        return False
    if rule.length is None or (pc.max(pc.binary_length(array)).as_py() or 0) <= rule.length:
        return True
    return bool(pc.max(pc.utf8_length(array)).as_py() <= rule.length)


def _floats(_rule: Floats, array: Any) -> bool:
    pa = pyarrow()

    return bool(pa.types.is_floating(array.type))


def _decimals(rule: Decimals, array: Any) -> bool:
    pa = pyarrow()

    if not pa.types.is_decimal128(array.type):
        return False
    scale = -rule.unit.as_tuple().exponent  # type: ignore[operator]  # a unit is finite
    whole = rule.context.prec - scale
    return bool(array.type.scale <= scale and array.type.precision - array.type.scale <= whole)


def _moments(*, aware: bool) -> Callable[[Any, Any], bool]:
    def accepts(rule: Any, array: Any) -> bool:
        pa = pyarrow()

        return bool(
            pa.types.is_timestamp(array.type)
            and array.type.unit in {"s", "ms", "us"}
            and (array.type.tz is not None) is aware
            and (aware or rule.tick == 1)
        )

    return accepts


def _dates(_rule: Dates, array: Any) -> bool:
    pa = pyarrow()

    return bool(pa.types.is_date32(array.type))


def _binary(_rule: Binary, array: Any) -> bool:
    pa = pyarrow()

    return bool(pa.types.is_binary(array.type) or pa.types.is_large_binary(array.type))


def _identifiers(_rule: Identifiers, array: Any) -> bool:
    pa = pyarrow()

    return isinstance(array.type, pa.UuidType)


_ACCEPTED: dict[type, Callable[[Any, Any], bool]] = {
    WholeNumbers: _whole_numbers,
    Text: _text,
    Floats: _floats,
    Decimals: _decimals,
    Timestamps: _moments(aware=False),
    Instants: _moments(aware=True),
    Dates: _dates,
    Binary: _binary,
    Identifiers: _identifiers,
}
