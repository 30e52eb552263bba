"""Rows of a bulk as JSON text, column by column: what history keeps of them.

It says what ``Entity.stored()`` says of each row. Most columns of a bulk hold values that
JSON has anyway, or the same value throughout; finding that out for a column takes a
fraction of converting it value by value.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import repeat
from operator import is_not
from typing import TYPE_CHECKING, Any, Final

import orjson

from andamios_orm.core.records import LARGEST, cut, plain
from andamios_orm.models.written import ColumnRows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sqlalchemy.engine import Dialect

    from andamios_orm.core.records import Entity

__all__ = ["FEW", "Same", "Texts", "converted", "same_throughout", "texts_of", "texts_of_keys"]

FEW: Final = 20
"""Rows that are converted one by one: their columns would not pay."""
_NOTHING: Final = type(None)
_DOCUMENT: Final = (
    orjson.OPT_PASSTHROUGH_DATACLASS
    | orjson.OPT_PASSTHROUGH_DATETIME
    | orjson.OPT_PASSTHROUGH_SUBCLASS
    | orjson.OPT_STRICT_INTEGER
)
"""What ``plain()`` would write in another way raises, and is left to it."""
_write: Final = partial(orjson.dumps, option=_DOCUMENT)
_LONG: Final = 2**63


@dataclass(frozen=True, slots=True)
class Texts:
    """The versions of many rows: their keys, their numbers, and the rows as JSON text."""

    keys: Sequence[str]
    numbers: Sequence[int | None]
    before: Sequence[bytes] | None
    after: Sequence[bytes] | None

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield each version as a row that orjson can write."""
        nothing = [None] * len(self.keys)
        columns = (self.keys, self.numbers, self.before or nothing, self.after or nothing)
        for key, number, before, after in zip(*columns, strict=True):
            yield {
                "key": key,
                "version": number,
                "before": None if before is None else orjson.Fragment(before),
                "after": None if after is None else orjson.Fragment(after),
            }


def texts_of(
    entity: Entity,
    keys: Sequence[Any],
    before: Sequence[Mapping[str, Any] | None] | None,
    after: Sequence[Mapping[str, Any] | None] | None,
    dialect: Dialect,
) -> Texts | None:
    """Return the versions of rows that were all there before, or none of them; and so after.

    None if they are few, or unlike each other: then each is converted by itself.
    """
    sides = [rows for rows in (before, after) if rows is not None]
    given = [None if rows is None else _columns(entity, rows) for rows in (before, after)]
    if len(keys) < FEW or not sides or given.count(None) != 2 - len(sides):
        return None
    latest: Mapping[str, Sequence[Any]] = given[1] or given[0] or {}
    numbers = latest.get(entity.version_name or "", [None] * len(keys))
    converters = entity.converters_for(dialect)
    texts = [
        None if columns is None else list(_written(columns, converters, len(keys)))
        for columns in given
    ]
    return Texts(texts_of_keys(entity, keys, dialect), numbers, *texts)


def texts_of_keys(entity: Entity, keys: Sequence[Any], dialect: Dialect) -> list[str]:
    """Return the keys of rows as text."""
    if set(map(type, keys)) == {int}:
        return list(map(str, keys))
    return [entity.key_text(key, dialect) for key in keys]


def _columns(
    entity: Entity, rows: Sequence[Mapping[str, Any] | None]
) -> dict[str, Sequence[Any]] | None:
    """Return the columns of rows that all have the same ones, without secrets."""
    if isinstance(rows, ColumnRows):
        return {name: each for name, each in rows.columns.items() if name in entity.columns}
    first = rows[0] if rows else None
    if first is None or any(row is None or row.keys() != first.keys() for row in rows):
        return None
    return {name: [row[name] for row in rows] for name in entity.columns if name in first}  # type: ignore[index]  # none is None


def _written(
    columns: Mapping[str, Sequence[Any]],
    converters: Mapping[str, Callable[[Any], Any]],
    count: int,
) -> Iterator[bytes]:
    """Yield each row as JSON; what is the same in all of them is written once."""
    same: dict[str, Any] = {}
    varying: dict[str, Sequence[Any]] = {}
    for name, values in columns.items():
        if same_throughout(values):
            same[name] = cut(converters[name](values[0]))
        else:
            varying[name] = converted(values, converters[name])
    end = orjson.dumps(same)[1:]
    if not varying:
        yield from [b"{" + end] * count
        return
    end = b"," + end if same else end
    names = list(varying)
    for row in zip(*varying.values(), strict=True):
        yield orjson.dumps(dict(zip(names, row, strict=True)))[:-1] + end


class Same(list[Any]):
    """A column of which it is known that all values are one object: to look takes its time."""

    __slots__ = ()


def same_throughout(values: Sequence[Any]) -> bool:
    """Whether all values of a column, which has some, are one object.

    >>> same_throughout(Same([1] * 3)), same_throughout([1, 1]), same_throughout([1, True])
    (True, True, False)
    """
    return type(values) is Same or not any(map(is_not, values, repeat(values[0])))


def converted(values: Sequence[Any], convert: Callable[[Any], Any]) -> Sequence[Any]:
    """Return the values of a column as JSON holds them, large ones cut."""
    kinds = set(map(type, values)) - {_NOTHING}
    if convert is not plain:
        return _remembered(values, convert)
    if kinds == {str}:
        longest = max(map(len, filter(None, values)), default=0)
        return values if longest * 4 <= LARGEST else [cut(value) for value in values]
    if kinds == {bool}:
        return values
    if kinds == {int}:
        numbers = [value for value in values if value is not None]
        if min(numbers) >= -_LONG and max(numbers) < _LONG:
            return values
    if kinds <= {dict, list}:
        return _documents(values) or [_document(value) for value in values]
    return [cut(plain(value)) for value in values]


def _remembered(values: Sequence[Any], convert: Callable[[Any], Any]) -> list[Any]:
    """Return converted values; the same text, or the same object, is converted once.

    Equal objects are not: numbers and moments may be equal, and stored differently.
    """
    known: dict[Any, Any] = {}
    converted = []
    for value in values:
        key = value if value.__class__ is str else id(value)
        if key not in known:
            known[key] = cut(convert(value))
        converted.append(known[key])
    return converted


def _documents(values: Sequence[Any]) -> list[Any] | None:
    """Return JSON documents, written already; None unless all of them are plain, and none large."""
    try:
        written = list(map(_write, values))
    except TypeError:
        return None
    if max(map(len, written)) > LARGEST or b"null" in b"\n".join(written):
        return None
    return list(map(orjson.Fragment, written))


def _document(value: Any) -> Any:
    """Return a JSON document, written already where orjson writes it as ``plain()`` would."""
    if value is None:
        return None
    try:
        raw = _write(value)
    except TypeError:
        return cut(plain(value))
    if len(raw) > LARGEST or b"null" in raw:  # which may stand for NaN
        return cut(plain(value))
    return orjson.Fragment(raw)
