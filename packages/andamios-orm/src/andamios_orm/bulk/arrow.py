"""Columns of Arrow, which need not become Python values; pyarrow is loaded on first use."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import re
import sys
import uuid
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, overload

from andamios_orm.core.texts import same_throughout
from andamios_orm.dialect.binds import OFTEN, each_once
from andamios_orm.exceptions import MissingExtra

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect
    from sqlalchemy.types import TypeEngine

__all__ = [
    "ArrowColumn",
    "arrow_table",
    "arrow_type",
    "has_pyarrow",
    "is_arrow",
    "is_text",
    "load_pyarrow",
    "pyarrow",
    "read_arrow",
    "require_pyarrow",
]

_DECIMAL = re.compile(r"(?:DECIMAL|NUMERIC)\((\d+), ?(\d+)\)")
_MOST_DIGITS = 38


def pyarrow(module: str = "pyarrow") -> Any:
    """Return a module of pyarrow, which comes without types."""
    return importlib.import_module(module)


def has_pyarrow() -> bool:
    """Whether pyarrow is installed; it is not loaded by asking."""
    return importlib.util.find_spec("pyarrow") is not None


async def load_pyarrow() -> None:
    """Load what bulks on DuckDB use, if it is installed, in another thread.

    It takes some 0.2 seconds of the first bulk, in which the event loop goes on.
    """
    if "pyarrow.dataset" not in sys.modules and has_pyarrow():
        await asyncio.to_thread(pyarrow, "pyarrow.dataset")  # which DuckDB's own code loads


def require_pyarrow(what: str, *, package: str = "andamios-orm") -> Any:
    """Return pyarrow, which is an extra of ``package``.

    Raises:
        MissingExtra: it is not installed.
    """
    if not has_pyarrow():
        raise MissingExtra(f"{what} needs pyarrow: pip install '{package}[arrow]'")
    return pyarrow()


def is_arrow(source: Any) -> bool:
    """Whether ``source`` hands out Arrow columns, as tables of Polars and pandas do."""
    return hasattr(source, "__arrow_c_stream__") or hasattr(source, "__arrow_c_array__")


def read_arrow(source: Any) -> Any:
    """Return ``source`` as a ``pyarrow.Table``; its columns are not copied."""
    pa = require_pyarrow("reading Arrow columns")
    if hasattr(source, "__arrow_c_stream__"):
        return pa.RecordBatchReader.from_stream(source).read_all()
    return pa.Table.from_batches([pa.record_batch(source)])


class ArrowColumn(Sequence[Any]):
    """An Arrow column that makes a Python value of an item when it is read, and all only once."""

    __slots__ = ("_values", "array", "convert")

    def __init__(self, array: Any, convert: Callable[[Any], Any] | None = None) -> None:
        """Read items of ``array``, through ``convert`` unless they are None."""
        self.array = array
        self.convert = convert
        self._values: list[Any] | None = None

    def __len__(self) -> int:
        return len(self.array)

    @overload
    def __getitem__(self, index: int) -> Any: ...

    @overload
    def __getitem__(self, index: slice) -> ArrowColumn: ...

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return ArrowColumn(self.array[index], self.convert)
        value = self.array[index].as_py()
        return value if value is None or self.convert is None else self.convert(value)

    def values(self) -> list[Any]:
        """Return all items, in a list that is not to be changed.

        Equal texts are one object, and so are the documents that equal texts say.
        """
        if self._values is None:
            listed = _listed(self.array)
            if self.convert is not None:
                listed = each_once(self._converted, listed)
            self._values = listed
        return self._values

    def own_values(self) -> list[Any]:
        """Return all items in a list of the caller's own, and no document is another's."""
        if self.convert is None:
            return list(self.values())
        return list(map(self._converted, _listed(self.array)))

    def _converted(self, value: Any) -> Any:
        return None if value is None or self.convert is None else self.convert(value)


def _listed(array: Any) -> list[Any]:
    """Return the items of an array; texts that come again are made once, if they are few."""
    if not is_text(array.type):
        listed: list[Any] = array.to_pylist()
        return listed
    encoded = array.dictionary_encode()
    listed = []
    for chunk in encoded.chunks if hasattr(encoded, "chunks") else (encoded,):
        if len(chunk.dictionary) * OFTEN > len(chunk):
            listed += chunk.cast(array.type).to_pylist()
        else:
            texts = [*chunk.dictionary.to_pylist(), None]
            places = chunk.indices.fill_null(len(texts) - 1).to_pylist()
            listed += map(texts.__getitem__, places)
    return listed


def arrow_type(name: str | None) -> Any:
    """Return the Arrow type that DuckDB reads as its type ``name``, or None if there is none."""
    if name is None:
        return None
    pa = require_pyarrow("sending columns")
    if name.endswith("]"):
        item = arrow_type(name[: name.rindex("[")])
        return None if item is None else pa.list_(item)
    decimal = _DECIMAL.fullmatch(name)
    if decimal is not None:
        digits, scale = map(int, decimal.groups())
        return pa.decimal128(digits, scale) if digits <= _MOST_DIGITS else None
    make = _TYPES.get(name)
    return None if make is None else make(pa)


_TYPES: dict[str, Callable[[Any], Any]] = {
    "BIGINT": lambda pa: pa.int64(),
    "INTEGER": lambda pa: pa.int32(),
    "SMALLINT": lambda pa: pa.int16(),
    "TINYINT": lambda pa: pa.int8(),
    "BOOLEAN": lambda pa: pa.bool_(),
    "VARCHAR": lambda pa: pa.string(),
    "JSON": lambda pa: pa.string(),
    "DOUBLE": lambda pa: pa.float64(),
    "DOUBLE PRECISION": lambda pa: pa.float64(),
    "FLOAT": lambda pa: pa.float64(),
    "REAL": lambda pa: pa.float64(),
    "DATE": lambda pa: pa.date32(),
    "TIME": lambda pa: pa.time64("us"),
    "TIME WITHOUT TIME ZONE": lambda pa: pa.time64("us"),
    "TIMESTAMP": lambda pa: pa.timestamp("us"),
    "TIMESTAMP WITHOUT TIME ZONE": lambda pa: pa.timestamp("us"),
    "TIMESTAMP WITH TIME ZONE": lambda pa: pa.timestamp("us", "UTC"),
    "UUID": lambda pa: pa.uuid(),
    "NUMERIC": lambda pa: pa.decimal128(18, 3),
    "BLOB": lambda pa: pa.binary(),
    "BYTEA": lambda pa: pa.binary(),
}


def is_text(type_: Any) -> bool:
    """Whether an Arrow type is that of texts which Arrow can measure."""
    pa = pyarrow()

    return bool(pa.types.is_string(type_) or pa.types.is_large_string(type_))


def arrow_array(values: Sequence[Any], type_: Any) -> Any:
    """Return checked values as an Arrow array of ``type_``.

    Raises:
        ValueError: Arrow has no exact form for one of them; so do TypeError, OverflowError.
    """
    pa = pyarrow()

    if isinstance(values, ArrowColumn):
        return values.array
    if isinstance(type_, pa.UuidType):
        raw = [None if value is None else _bytes_of(value) for value in values]
        return pa.array(raw, pa.binary(16)).cast(type_)
    if pa.types.is_floating(type_):
        values = [float(value) if isinstance(value, Decimal) else value for value in values]
    if not pa.types.is_nested(type_) and len(values) > 1 and same_throughout(values):
        return pa.repeat(pa.array(values[:1], type_)[0], len(values))
    if pa.types.is_timestamp(type_) and isinstance(values, list):
        return _moments(values, type_)
    return pa.array(values, type_)


def _moments(values: list[Any], type_: Any) -> Any:
    """Return moments as an Arrow array; each object is looked at once, for that takes long."""
    pa = pyarrow()
    places = list(map(id, values))
    once = dict(zip(places, values, strict=True))
    order = dict(zip(once, range(len(once)), strict=True))
    indices = pa.array(list(map(order.__getitem__, places)), pa.int64())
    return pa.array(list(once.values()), type_).take(indices)


def _bytes_of(value: uuid.UUID | str) -> bytes:
    return value.bytes if isinstance(value, uuid.UUID) else uuid.UUID(value).bytes


def arrow_table(
    columns: Sequence[tuple[str, TypeEngine[Any], Sequence[Any]]], dialect: Dialect
) -> Any:
    """Return named, typed columns as an Arrow table, or None if one of them cannot be."""
    from andamios_orm.dialect.types import duckdb_type

    if not has_pyarrow():
        return None
    pa = pyarrow()

    arrays, names = [], []
    for name, type_, values in columns:
        wanted = arrow_type(duckdb_type(type_, dialect))
        if wanted is None:
            return None
        try:
            arrays.append(arrow_array(values, wanted))
        except (pa.ArrowException, OverflowError, TypeError, ValueError):
            return None
        names.append(name)
    return pa.table(arrays, names=names)
