"""Pages: by offset with a total, or by cursor, which stays right while rows come and go.

A cursor is opaque: it holds a version, a fingerprint of model and order, and the
values of the row it stands at. It is no secret and grants nothing: its values are
checked against the columns and bound.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import enum
import hashlib
import hmac
import json
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import and_, false, literal, or_

from andamios_orm.exceptions import CursorRefused, QueryRefused, ValueRefused
from andamios_orm.queries.fields import Field, checked, mapper_of, python_type_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.sql.elements import ColumnElement

    from andamios_orm.queries.ordering import SortKey

__all__ = ["CursorPage", "Page", "cursor_at", "position_of", "seek"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some of the rows, and how many there are."""

    items: Sequence[T]
    total: int
    limit: int
    offset: int

    @property
    def has_next(self) -> bool:
        """Whether rows follow."""
        return self.offset + len(self.items) < self.total

    @property
    def pages(self) -> int:
        """How many pages of this size there are."""
        return -(-self.total // self.limit)


@dataclass(frozen=True, slots=True)
class CursorPage(Generic[T]):
    """Some of the rows, and the cursors that lead on and back; None where nothing is."""

    items: Sequence[T]
    limit: int
    next: str | None = field(default=None)
    previous: str | None = field(default=None)


def seek(keys: Sequence[SortKey], values: Sequence[Any]) -> ColumnElement[bool]:
    """Return the condition for rows that come after ``values`` in the order of ``keys``."""
    alternatives: list[ColumnElement[bool]] = []
    equal: list[ColumnElement[bool]] = []
    for key, value in zip(keys, values, strict=True):
        beyond = _beyond(key, value)
        if beyond is not None:
            alternatives.append(and_(*equal, beyond))
        equal.append(key.column.is_(None) if value is None else key.column == value)
    return or_(false(), *alternatives)


def _beyond(key: SortKey, value: Any) -> ColumnElement[bool] | None:
    if value is None:
        return key.column.is_not(None) if key.nulls_first else None
    bound = literal(value, key.column.type)  # a bool is compared as well
    further: ColumnElement[bool] = key.column < bound if key.descending else key.column > bound
    if key.nullable and not key.nulls_first:
        return or_(further, key.column.is_(None))
    return further


_VERSION = 1
_LONGEST = 4096


def cursor_at(model: Any, keys: Sequence[SortKey], values: Sequence[Any], *, back: bool) -> str:
    """Return the cursor of the row that has ``values``; ``back`` if it leads to those before."""
    content = [_VERSION, int(back), *(_packed(value) for value in values)]
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=True).encode()
    return base64.urlsafe_b64encode(_seal(model, keys, text) + text).rstrip(b"=").decode()


def leads_back(cursor: str) -> bool:
    """Return whether ``cursor`` leads to the rows before it.

    Raises:
        CursorRefused: it is no cursor.
    """
    return bool(_content(_decoded(cursor))[1])


def position_of(model: Any, keys: Sequence[SortKey], cursor: str) -> list[Any]:
    """Return the values that ``cursor`` stands at.

    Raises:
        CursorRefused: it was made for another model or order, altered, or is none.
    """
    raw = _decoded(cursor)
    text = raw[_SEAL:]
    if not hmac.compare_digest(_seal(model, keys, text), raw[:_SEAL]):
        raise CursorRefused(
            "the cursor belongs to another model or order, or was altered: begin at the first page"
        )
    packed = _content(raw)[2:]
    try:
        return [_value(key, item) for key, item in zip(keys, packed, strict=True)]
    except (ValueError, TypeError, KeyError, ArithmeticError):
        raise CursorRefused(_NO_CURSOR) from None


_NO_CURSOR = "this is no cursor: pass one of a page, unchanged"
_SEAL = 12


def _decoded(cursor: Any) -> bytes:
    if not isinstance(cursor, str) or not cursor.isascii() or len(cursor) > _LONGEST:
        raise CursorRefused(_NO_CURSOR)
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise CursorRefused(_NO_CURSOR) from None
    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != cursor:
        raise CursorRefused(_NO_CURSOR)
    return raw


def _content(raw: bytes) -> list[Any]:
    try:
        content = json.loads(raw[_SEAL:])
    except (ValueError, RecursionError):
        raise CursorRefused(_NO_CURSOR) from None
    if not isinstance(content, list) or content[:1] != [_VERSION] or content[1:2] not in ([0], [1]):
        raise CursorRefused(_NO_CURSOR)
    return content


def _seal(model: Any, keys: Sequence[SortKey], text: bytes) -> bytes:
    """Return the check sum of ``text`` under a fingerprint of what it belongs to."""
    mark = hashlib.blake2b(fingerprint(model, keys).encode(), digest_size=32).digest()
    return hashlib.blake2b(text, key=mark, digest_size=_SEAL).digest()


def fingerprint(model: Any, keys: Sequence[SortKey]) -> str:
    """Return what model and order are, in words; the same in every process."""
    mapper = mapper_of(model)
    parts = [mapper.class_.__name__, str(mapper.local_table)]
    for key in keys:
        compiled = key.column.compile()
        way = (key.descending, key.nulls_first and key.nullable)
        parts.append(f"{key.name}|{compiled}|{sorted(compiled.params.items())}|{way}")
    return "\n".join(parts)


def _packed(value: Any) -> Any:
    """Return ``value`` as JSON holds it, with a letter for what JSON does not know."""
    if isinstance(value, enum.Enum):
        return ["e", value.name]
    if value is None or isinstance(value, (bool, int)) or type(value) is str:
        return value
    for letter, kind, pack, _ in _PACKERS:
        if isinstance(value, kind):
            return [letter, pack(value)]
    raise QueryRefused(f"a cursor cannot hold a {type(value).__name__}: order by something else")


_EPOCH = dt.timedelta(microseconds=1)
_PACKERS: tuple[tuple[str, type, Any, Any], ...] = (
    ("s", str, str, str),
    ("f", float, float.hex, float.fromhex),
    ("n", Decimal, str, Decimal),
    ("t", dt.datetime, dt.datetime.isoformat, dt.datetime.fromisoformat),
    ("d", dt.date, dt.date.isoformat, dt.date.fromisoformat),
    ("h", dt.time, dt.time.isoformat, dt.time.fromisoformat),
    ("i", dt.timedelta, lambda v: v // _EPOCH, lambda v: v * _EPOCH),
    ("u", UUID, str, UUID),
    ("b", bytes, bytes.hex, bytes.fromhex),
)
_UNPACK = {letter: unpack for letter, _, _, unpack in _PACKERS}


def _value(key: SortKey, packed: Any) -> Any:
    value = packed
    if isinstance(packed, list):
        letter, content = packed
        value = _enumerated(key)[content] if letter == "e" else _UNPACK[letter](content)
    if value is None and not key.nullable:
        raise ValueRefused("it is never NULL", value, key.name)
    return checked(Field(key.name, key.column), value)


def _enumerated(key: SortKey) -> type[enum.Enum]:
    kind = python_type_of(key.column.type)
    if kind is None or not issubclass(kind, enum.Enum):
        raise TypeError
    return kind
