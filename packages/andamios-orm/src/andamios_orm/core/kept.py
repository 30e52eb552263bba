"""Results as a cache keeps them: rows of plain values, copied for whoever asks."""

from __future__ import annotations

import copy
import datetime as dt
import decimal
import enum
import sys
import uuid
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import FrozenResult, Result

__all__ = ["Kept", "is_unchangeable"]

_UNCHANGEABLE: Final = frozenset(
    {
        type(None),
        bool,
        int,
        float,
        str,
        bytes,
        decimal.Decimal,
        uuid.UUID,
        dt.date,
        dt.datetime,
        dt.time,
        dt.timedelta,
        dt.timezone,
    }
)


class Kept:
    """The rows of one result; each call of ``result()`` gives a result of its own.

    Rows cannot be changed. Values that could be, such as JSON documents, are copied.
    """

    __slots__ = ("_changeable", "_frozen", "_rows", "size")

    def __init__(self, result: Result[Any]) -> None:
        """Take all rows of ``result``."""
        frozen = result.freeze()
        self._rows: list[tuple[Any, ...]] = [tuple(row) for row in frozen.data]
        self._frozen: FrozenResult[Any] = frozen.with_new_rows(self._rows)  # type: ignore[arg-type]  # tuples do
        self._changeable: list[int] = []
        size = sum(map(sys.getsizeof, self._rows))
        for column, values in enumerate(zip(*self._rows, strict=True)):
            if _UNCHANGEABLE.issuperset(map(type, values)):  # which most are, and is soon seen
                size += sum(map(sys.getsizeof, values))
                continue
            size += sum(map(_size, values))
            if not all(map(is_unchangeable, values)):
                self._changeable.append(column)
        self.size = size
        """About how many bytes the rows take."""

    @property
    def rows(self) -> Sequence[tuple[Any, ...]]:
        """The rows themselves, which nobody may change."""
        return self._rows

    def with_rows(self, rows: Sequence[Any]) -> Kept:
        """Return a result of the same columns with other rows."""
        return Kept(self._frozen.with_new_rows(rows)())

    def result(self) -> Result[Any]:
        """Return a result that shares nothing changeable with another one."""
        if not self._changeable:
            return self._frozen()
        rows: Any = [self._copied(row) for row in self._rows]
        return self._frozen.with_new_rows(rows)()

    def _copied(self, row: Sequence[Any]) -> tuple[Any, ...]:
        values = list(row)
        for column in self._changeable:
            values[column] = _copied(values[column])
        return tuple(values)


def is_unchangeable(value: Any) -> bool:
    """Return whether nobody can change ``value``."""
    return type(value) in _UNCHANGEABLE or isinstance(value, enum.Enum)


def _copied(value: Any) -> Any:
    """Return a copy; documents are copied by hand, which is ten times as fast.

    >>> document = {"a": [1, {"b": 2}]}
    >>> copied = _copied(document)
    >>> copied == document, copied["a"] is document["a"]
    (True, False)
    """
    if is_unchangeable(value):
        return value
    if type(value) is dict:
        return {name: _copied(each) for name, each in value.items()}
    if type(value) is list:
        return [_copied(each) for each in value]
    return copy.deepcopy(value)


def _size(value: Any) -> int:
    """Return about how many bytes a value takes, with what is in it."""
    if isinstance(value, (list, tuple)):
        return sys.getsizeof(value) + sum(map(_size, value))
    if isinstance(value, dict):
        return sys.getsizeof(value) + sum(_size(name) + _size(each) for name, each in value.items())
    inner = getattr(value, "__dict__", None)
    return sys.getsizeof(value) + (
        _size(inner) if inner and not isinstance(value, enum.Enum) else 0
    )
