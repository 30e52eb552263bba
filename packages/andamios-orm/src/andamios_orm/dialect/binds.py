"""Which parameters of a statement become the value of a column, and their checks.

Values of INSERT and of UPDATE ... SET must be kept as they are; a parameter of
WHERE may be anything that compares (``count > 1.5``). SQLAlchemy knows the
difference only while it compiles, so that is where the checks are put: as part
of the bind processors, which are compiled once and cached with the statement.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from duckdb_sqlalchemy import DuckDBCompiler, DuckDBFloat, DuckDBNumeric
from duckdb_sqlalchemy import datatypes as duckdb_types
from sqlalchemy import types, util
from sqlalchemy.dialects import postgresql
from sqlalchemy.sql import coercions
from sqlalchemy.sql.elements import BindParameter

from andamios_orm.dialect.moments import Dates, Instants, Intervals, Times, Timestamps
from andamios_orm.dialect.types import DuckDBDateTime, implementation
from andamios_orm.dialect.values import (
    Admission,
    Binary,
    Decimals,
    Floats,
    Identifiers,
    Lists,
    Maps,
    Structs,
    Text,
    Unions,
    WholeNumbers,
)
from andamios_orm.exceptions import ValueRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy.engine import Dialect

    from andamios_orm.dialect.types import Processor

__all__ = ["OFTEN", "CheckedCompiler", "admission", "as_list", "bind_column", "each_once"]

_BOUNDS: dict[type, tuple[str, int | None, int | None]] = {
    duckdb_types.TinyInteger: ("TINYINT", -(2**7), 2**7 - 1),
    duckdb_types.UTinyInteger: ("UTINYINT", 0, 2**8 - 1),
    duckdb_types.UInt8: ("UTINYINT", 0, 2**8 - 1),
    duckdb_types.USmallInteger: ("USMALLINT", 0, 2**16 - 1),
    duckdb_types.UInt16: ("USMALLINT", 0, 2**16 - 1),
    duckdb_types.UInteger: ("UINTEGER", 0, 2**32 - 1),
    duckdb_types.UInt32: ("UINTEGER", 0, 2**32 - 1),
    duckdb_types.UBigInteger: ("UBIGINT", 0, 2**64 - 1),
    duckdb_types.UInt64: ("UBIGINT", 0, 2**64 - 1),
    duckdb_types.HugeInteger: ("HUGEINT", -(2**127), 2**127 - 1),
    duckdb_types.UHugeInteger: ("UHUGEINT", 0, 2**128 - 1),
    duckdb_types.VarInt: ("BIGNUM", None, None),
    types.SmallInteger: ("SMALLINT", -(2**15), 2**15 - 1),
    types.BigInteger: ("BIGINT", -(2**63), 2**63 - 1),
    types.Integer: ("INTEGER", -(2**31), 2**31 - 1),
}
# What DuckDB makes of NUMERIC without digits.
_PRECISION, _SCALE = 18, 3
_MILLISECONDS = 3
# They mend what the driver makes of Decimal("1E+5"); an admission has done so before.
_REDUNDANT = (DuckDBNumeric.bind_processor, DuckDBFloat.bind_processor)
_MULTIPLE_ROWS = re.compile(r"_m\d+$")
OFTEN = 4
"""How often each object comes, on average, where it pays to look for them."""


class CheckedCompiler(DuckDBCompiler):
    """Compiles statements whose values are checked before they are sent."""

    @util.memoized_property
    def _bind_processors(self) -> dict[str, Any]:
        processors: dict[str, Any] = dict(super()._bind_processors)
        for bind, column in self._column_values():
            name = self.bind_names[bind]
            if bind not in self.literal_execute_params:
                checked = _checked(bind.type, self.dialect, processors.get(name), column)
                if checked is not None:
                    processors[name] = checked
        return processors

    def _column_values(self) -> Iterator[tuple[BindParameter[Any], str]]:
        """Yield each parameter that becomes the value of a column, and the column's name."""
        columns = self._columns_of_named_values()
        for bind in self.bind_names:
            if bind.key in columns:
                yield bind, columns[bind.key]
            elif bind._is_crud:  # noqa: SLF001  # SQLAlchemy has no public name
                yield bind, _MULTIPLE_ROWS.sub("", bind.key)

    def _columns_of_named_values(self) -> dict[str, str]:
        own = getattr(self.compile_state, "_dict_parameters", None)
        return {**self.__dict__.get("_known_columns", {}), **_columns_by_bind(own)}

    def visit_bitwise_xor_op_binary(self, binary: Any, operator: Any, **options: Any) -> str:
        """Compile XOR, which is a function: DuckDB reads ``#`` otherwise."""
        left = self.process(binary.left, **options)
        right = self.process(binary.right, **options)
        return f"xor({left}, {right})"

    def _learn_columns(self, values: Any) -> None:
        self.__dict__.setdefault("_known_columns", {}).update(_columns_by_bind(values))

    def visit_insert(self, insert_stmt: Any, *arguments: Any, **options: Any) -> Any:
        """Compile INSERT, which may stand in a WITH of another statement."""
        self._learn_columns(insert_stmt._values)  # noqa: SLF001  # SQLAlchemy has no public name
        return super().visit_insert(insert_stmt, *arguments, **options)  # type: ignore[no-untyped-call]  # SQLAlchemy's

    def visit_update(self, update_stmt: Any, *arguments: Any, **options: Any) -> Any:
        """Compile UPDATE, which may stand in a WITH of another statement."""
        self._learn_columns(update_stmt._values)  # noqa: SLF001  # SQLAlchemy has no public name
        return super().visit_update(update_stmt, *arguments, **options)

    def visit_on_conflict_do_update(self, on_conflict: Any, **options: Any) -> str:
        """Compile ON CONFLICT DO UPDATE, whose values are those of columns too."""
        insert: Any = self.stack[-1]["selectable"]
        columns = insert.table.c
        values = dict(on_conflict.update_values_to_set)
        for target, value in values.items():
            column = columns.get(target) if isinstance(target, str) else target
            if column is not None:  # SQLAlchemy warns of it
                values[target] = bind = _bound(value, column.type)
                self._learn_columns({column: bind})
        typed = on_conflict._clone()  # noqa: SLF001  # as SQLAlchemy's own compilers do
        typed.update_values_to_set = values
        compiled: str = super().visit_on_conflict_do_update(typed, **options)  # type: ignore[no-untyped-call]  # SQLAlchemy's
        return compiled


def _bound(value: Any, type_: types.TypeEngine[Any]) -> Any:
    """Return the value as a parameter of the type, if it is a parameter or plain."""
    plain = coercions._is_literal(value)  # noqa: SLF001  # SQLAlchemy 2.0 leaves them so
    bind = BindParameter(None, value, type_=type_) if plain else value
    if isinstance(bind, BindParameter) and bind.type._isnull:  # noqa: SLF001  # no public name
        return bind._with_binary_element_type(type_)  # noqa: SLF001
    return bind


def _columns_by_bind(values: Any) -> dict[str, str]:
    """Return the name of the column for each parameter among the values of a statement."""
    return {
        value.key: str(getattr(column, "key", column))
        for column, value in (values or {}).items()
        if isinstance(value, BindParameter)
    }


def bind_column(
    type_: types.TypeEngine[Any], values: Sequence[Any], dialect: Dialect, *, column: str
) -> Sequence[Any]:
    """Return what to send for the values of one column, as one list.

    For ``unnest($1::T[])``: the same values pass and the same are refused as in an
    INSERT of single rows, at a fraction of the cost.

    Raises:
        ValueRefused: the column would change one of the values.
    """
    impl = type_.dialect_impl(dialect)
    redundant = type(impl).bind_processor in _REDUNDANT
    process = None if redundant else impl.bind_processor(dialect)
    admitting = admission(type_, dialect)
    bind_many = getattr(impl, "bind_many", None)
    try:
        sent = None if bind_many is None else bind_many(values, dialect)
        if sent is None:
            sent = values if process is None else each_once(process, values)
        return sent if admitting is None else admitting.many(sent)
    except ValueRefused as refused:
        raise ValueRefused(refused.reason, refused.value, column) from refused


def each_once(process: Processor, values: Sequence[Any]) -> list[Any]:
    """Return ``process`` of the values; of objects that each come often enough, only once."""
    if not isinstance(values, (list, tuple)):  # whose objects may be gone when others come
        return [process(value) for value in values]
    first = values[: len(values) // OFTEN + 1]
    if len(set(map(id, first))) == len(first) > 1:
        return list(map(process, values))  # to look for the few that come again takes longer
    places = list(map(id, values))
    once = dict(zip(places, values, strict=True))
    known = {place: process(value) for place, value in once.items()}
    return list(map(known.__getitem__, places))


def as_list(type_: types.TypeEngine[Any], values: Sequence[Any], dialect: Dialect) -> Sequence[Any]:
    """Return values that were bound one by one in the form that one list needs.

    In a list the driver makes ``nan`` NULL, and finds one type for all the items.
    """
    admitting = admission(type_, dialect)
    return values if admitting is None else admitting.many(values)


def admission(type_: types.TypeEngine[Any], dialect: Dialect) -> Admission | None:
    """Return what a column of the type lets in, or None if that is everything.

    It sees values as the type's own bind processor left them.
    """
    if type_._has_bind_expression:  # noqa: SLF001  # SQLAlchemy has no public name
        return None  # the expression, not the value, is what is stored
    found = implementation(type_, dialect)
    return _scalar(found) or _nested(found, dialect)


def _text(found: Any) -> Admission:
    native = isinstance(found, types.Enum) and found.native_enum
    return Text(None if native else found.length)


def _whole_numbers(found: Any) -> Admission:
    return WholeNumbers(*next(_BOUNDS[kind] for kind in type(found).__mro__ if kind in _BOUNDS))


def _decimals(found: Any) -> Admission:
    if found.precision is None:
        return Decimals(_PRECISION, _SCALE)
    return Decimals(found.precision, found.scale or 0)


def _moments(found: Any) -> Admission:
    if found.timezone:
        return Instants()
    if found.precision is None or found.precision > _MILLISECONDS:
        return Timestamps()
    return Timestamps(tick=1_000 if found.precision else 1_000_000)


_SCALARS: tuple[tuple[type | tuple[type, ...], Callable[[Any], Admission]], ...] = (
    (types.String, _text),
    ((types.LargeBinary, types.BINARY, types.VARBINARY), lambda _: Binary()),
    (types.Integer, _whole_numbers),
    (types.Float, lambda _: Floats()),  # SQLAlchemy 2.0 makes it a Numeric: first
    (types.Numeric, _decimals),
    (DuckDBDateTime, _moments),
    (types.Date, lambda _: Dates()),
    (types.Time, lambda found: Times(aware=found.timezone)),
    ((types.Interval, postgresql.INTERVAL), lambda _: Intervals()),
    (types.Uuid, lambda _: Identifiers()),
)


def _scalar(found: types.TypeEngine[Any]) -> Admission | None:
    for kinds, build in _SCALARS:
        if isinstance(found, kinds):
            return build(found)
    return None


def _nested(found: types.TypeEngine[Any], dialect: Dialect) -> Admission | None:
    def inner(member: types.TypeEngine[Any]) -> Admission:
        return admission(member, dialect) or Admission()

    if isinstance(found, types.ARRAY):
        return Lists(inner(found.item_type), found.dimensions or 1)  # as the column is made
    if isinstance(found, duckdb_types.FixedArray):
        return Lists(inner(found.item_type))
    if isinstance(found, duckdb_types.Map):
        return Maps(inner(found.key_type), inner(found.value_type))
    fields = [member for _, member in getattr(found, "_fields", None) or ()]
    if fields and isinstance(found, duckdb_types.Struct):
        return Structs(map(inner, fields))
    if fields and isinstance(found, duckdb_types.Union):
        return Unions(map(inner, fields))
    return None


def _checked(
    type_: types.TypeEngine[Any], dialect: Dialect, process: Processor | None, column: str
) -> Processor | None:
    """Return the bind processor with the check after it, and the column in its errors."""
    admitting = admission(type_, dialect)
    if admitting is None:
        return process and _named(process, column)
    if process is None or type(type_.dialect_impl(dialect)).bind_processor in _REDUNDANT:
        return _named(admitting.one, column)
    return _named(_chain(process, admitting.one), column)


def _chain(process: Processor, admit: Processor) -> Processor:
    return lambda value: admit(process(value))


def _named(process: Processor, column: str) -> Processor:
    def named(value: Any) -> Any:
        try:
            return process(value)
        except ValueRefused as refused:
            raise ValueRefused(refused.reason, refused.value, column) from refused

    return named
