"""Versions of many rows as columns of Arrow, which DuckDB scans where they are.

What a bulk has sent to its table is there as Arrow already. DuckDB makes JSON of those
columns by itself wherever that says what ``Entity.stored()`` does; the others are
converted here. Either way no row of history is made in Python.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

import orjson
from sqlalchemy import JSON, Boolean, Date, DateTime, Integer, String, TypeDecorator

from andamios_orm.core.records import LARGEST, plain
from andamios_orm.core.texts import FEW, converted, same_throughout, texts_of, texts_of_keys
from andamios_orm.models.written import ColumnRows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from sqlalchemy.engine import Dialect
    from sqlalchemy.types import TypeEngine

    from andamios_orm.core.records import Entity
    from andamios_orm.core.texts import Texts

__all__ = ["Scan", "scan_of"]

_NAME: Final = {b"ARROW:extension:name": b"arrow.json", b"ARROW:extension:metadata": b""}
"""What marks texts of Arrow as JSON, which DuckDB need not check again."""
_ODD: Final = r"[0-9]T[0-9:.]+[+-]|[0-9]{19}|NaN|Infinity"
"""Found in JSON of which ``plain()`` may make something else: moments with an offset, which it
says in UTC, numbers that are too large, and what is none."""


@dataclass(frozen=True, slots=True)
class Scan:
    """Versions of many rows: ``table`` of Arrow, and columns of history as SQL over it.

    The SQL has a ``?`` for each of ``parameters``.
    """

    table: Any
    columns: Mapping[str, str]
    parameters: Sequence[Any] = ()


def scan_of(
    entity: Entity,
    keys: Sequence[Any],
    before: Sequence[Mapping[str, Any] | None] | None,
    after: Sequence[Mapping[str, Any] | None] | None,
    dialect: Dialect,
) -> Scan | None:
    """Return versions of rows for DuckDB; None where ``texts_of()`` has to say them, or nobody.

    It takes pyarrow.
    """
    if dialect.name != "duckdb" or len(keys) < FEW or find_spec("pyarrow") is None:
        return None
    if before is None and isinstance(after, ColumnRows) and after.sent:
        return _of_new(entity, keys, after, dialect)
    texts = texts_of(entity, keys, before, after, dialect)
    return None if texts is None else _of_texts(texts)


def _of_texts(texts: Texts) -> Scan:
    """Return versions that are text already."""
    table = _Columns()
    columns = {"key": table.add(texts.keys), "version": table.numbers(texts.numbers)}
    for name, lines in (("before", texts.before), ("after", texts.after)):
        if lines is not None:
            columns[name] = table.json(lines)
    return Scan(table.made(), columns)


def _of_new(entity: Entity, keys: Sequence[Any], rows: ColumnRows, dialect: Dialect) -> Scan:
    """Return the versions of new rows, of which columns were sent as Arrow."""
    table, parameters, parts = _Columns(), [], []
    converters = entity.converters_for(dialect)
    for name, column in entity.columns.items():
        found = _as_sent(table, rows, name, column.type, dialect)
        if found is None:
            values, convert = rows.columns[name], converters[name]
            if not same_throughout(values):
                found = table.json(map(orjson.dumps, converted(values, convert)))
            elif values[0] is None:
                found = "NULL"
            else:
                found = "?::JSON"
                parameters.append(orjson.dumps(*converted(values[:1], convert)).decode())
        quoted = name.replace("'", "''")
        parts.append(f"'{quoted}', {found}")
    columns = {
        "key": _key(table, entity, keys, rows, dialect),
        "after": f"json_object({', '.join(parts)})",
    }
    if entity.version_name is not None:
        columns["version"] = table.numbers(rows.columns[entity.version_name])
    return Scan(table.made(), columns, parameters)


@dataclass(slots=True)
class _Columns:
    """Columns of a table that is being made; each is added under a name of SQL."""

    arrays: list[Any] = field(default_factory=list)
    fields: list[Any] = field(default_factory=list)
    arrow: Any = field(default_factory=lambda: importlib.import_module("pyarrow"))

    def add(self, values: Any, metadata: Any = None) -> str:
        """Add an array, or texts, and return its name."""
        array = values if hasattr(values, "null_count") else self.arrow.array(values, self.text)
        name = f"c{len(self.arrays)}"
        self.arrays.append(array)
        self.fields.append(self.arrow.field(name, array.type, metadata=metadata))
        return name

    def sent(self, array: Any, metadata: Any = None, *, lent: bool) -> str:
        """Add a column as it was sent; a copy of a caller's, who may write to it until COMMIT."""
        if lent:
            empty = self.arrow.array([], array.type)
            array = self.arrow.concat_arrays([empty, *getattr(array, "chunks", [array])])
        return self.add(array, metadata)

    def numbers(self, values: Sequence[int | None]) -> str:
        """Add whole numbers."""
        return self.add(self.arrow.array(values, self.arrow.int64()))

    def json(self, lines: Iterable[bytes]) -> str:
        """Add JSON texts."""
        return self.add(self.arrow.array(lines, self.arrow.binary()).cast(self.text), _NAME)

    @property
    def text(self) -> Any:
        return self.arrow.string()

    def made(self) -> Any:
        """Return the table."""
        return self.arrow.table(self.arrays, schema=self.arrow.schema(self.fields))


def _key(
    table: _Columns, entity: Entity, keys: Sequence[Any], rows: ColumnRows, dialect: Dialect
) -> str:
    if len(entity.key_names) == 1:
        array = rows.sent.get(entity.key_names[0])
        if array is not None and table.arrow.types.is_integer(array.type):
            lent = entity.key_names[0] in rows.lent
            return f"{table.sent(array, lent=lent)}::VARCHAR"
    return table.add(texts_of_keys(entity, keys, dialect))


# ---- what DuckDB says of a column as ``Entity.stored()`` does -----------------------


def _as_sent(
    table: _Columns, rows: ColumnRows, name: str, type_: TypeEngine[Any], dialect: Dialect
) -> str | None:
    """Return the SQL of a column as it was sent, or None if it has to be converted here."""
    array = rows.sent.get(name)
    if array is None:
        return None
    found = _implementation(type_)
    for kind, add in _KINDS:
        if isinstance(found, kind):
            return add(table, array, dialect, lent=name in rows.lent)
    return None


def _implementation(type_: TypeEngine[Any]) -> TypeEngine[Any] | None:
    """Return the type below decorators, if it is one of SQLAlchemy's that binds as they do."""
    while isinstance(type_, TypeDecorator):
        if type(type_).bind_processor is not TypeDecorator.bind_processor:
            return None
        type_ = type_.impl_instance
    own = type(type_).__module__.startswith("sqlalchemy.")
    return type_ if own and not type_._has_bind_expression else None  # noqa: SLF001 - no public name


def _plain(table: _Columns, array: Any, _dialect: Dialect, *, lent: bool) -> str | None:
    return table.sent(array, lent=lent)


def _texts(table: _Columns, array: Any, _dialect: Dialect, *, lent: bool) -> str | None:
    return table.sent(array, lent=lent) if _are_short(array) else None


def _are_short(array: Any) -> bool:
    """Whether all are texts that history keeps whole."""
    compute = importlib.import_module("pyarrow.compute")
    return (compute.max(compute.binary_length(array)).as_py() or 0) <= LARGEST


def _moments(table: _Columns, array: Any, _dialect: Dialect, *, lent: bool) -> str | None:  # noqa: ARG001 - it is copied in any case
    """Moments and days: the few that are different are converted, and stand for the others."""
    encoded = array.combine_chunks().dictionary_encode()
    texts = table.arrow.array([plain(each.as_py()) for each in encoded.dictionary], table.text)
    return table.add(table.arrow.DictionaryArray.from_arrays(encoded.indices, texts))


def _documents(table: _Columns, array: Any, dialect: Any, *, lent: bool) -> str | None:
    """JSON of which DuckDB and ``plain()`` make the same."""
    compute = importlib.import_module("pyarrow.compute")
    if dialect._json_serializer is not None or not _are_short(array):  # noqa: SLF001 - SQLAlchemy's types ask the same
        return None
    odd = compute.any(compute.match_substring_regex(array, _ODD)).as_py()
    return None if odd else table.sent(array, _NAME, lent=lent)


_KINDS: Final[tuple[tuple[Any, Callable[..., str | None]], ...]] = (
    (JSON, _documents),
    (String, _texts),
    ((Boolean, Integer), _plain),
    ((DateTime, Date), _moments),
)
