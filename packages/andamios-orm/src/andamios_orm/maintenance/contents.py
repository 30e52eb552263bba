"""What two databases hold, compared as values: the same on both, however each stores them."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import struct
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sqlalchemy import types

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Content", "plain_form"]

Plain: TypeAlias = Callable[[Any], Any]
"""Makes of a value what is equal wherever the value is."""

_SIZE: Final = 16
_MODULUS: Final = 1 << 8 * _SIZE


@dataclass(slots=True)
class Content:
    """The number of rows that were added, and a sum over them that knows no order.

    Each row is hashed (BLAKE2b, 128 bits) and the hashes are added up: AdHash, of Bellare
    and Micciancio, "A New Paradigm for Collision-Free Hashing", 1997. It tells rows that
    were lost, doubled or altered by accident; it is no proof against somebody who wants
    two contents to look alike.
    """

    rows: int = 0
    total: int = 0

    def add(self, rows: Sequence[Sequence[Any]], forms: Sequence[Plain | None]) -> None:
        """Add rows, whose columns are brought into their plain forms before."""
        columns: Iterable[Sequence[Any]] = zip(*rows, strict=True)
        plain = [
            column if form is None else [None if each is None else form(each) for each in column]
            for column, form in zip(columns, forms, strict=True)
        ]
        for row in zip(*plain, strict=True):
            hashed = hashlib.blake2b(repr(row).encode("utf-8", "surrogatepass"), digest_size=_SIZE)
            self.total += int.from_bytes(hashed.digest(), "little")
        self.total %= _MODULUS
        self.rows += len(rows)


def plain_form(type_: types.TypeEngine[Any], *, is_document: bool, is_single: bool) -> Plain | None:
    """Return what makes values of a type comparable; None if they are as they come.

    ``is_document`` says that they are JSON as text, ``is_single`` that they are floats of
    32 bits, which some drivers write out with fewer digits than others.
    """
    if is_document:
        return _document
    if isinstance(type_, types.Float):
        return _single if is_single else float
    if isinstance(type_, types.Uuid):
        return _identifier
    return None if isinstance(type_, (types.Boolean, types.Integer)) else _plain


def _identifier(value: uuid.UUID | str) -> object:
    return value.int if isinstance(value, uuid.UUID) else value


def _single(value: float) -> float:
    return float(struct.unpack("<f", struct.pack("<f", value))[0])


def _document(text: str) -> str:
    return _ENCODER.encode(_DECODER.decode(text))


def _plain(value: Any) -> Any:
    make = _FORMS.get(type(value))
    return value if make is None else make(value)


def _number(value: Decimal) -> object:
    """Return an int if it is whole: one database may keep as a decimal what is no other's int."""
    if value.is_finite() and value == value.to_integral_value():
        return int(value)
    return {"\0": f"{value:f}".rstrip("0")}  # no text, and no document of anybody's


def _moment(value: dt.datetime) -> str:
    return (value if value.tzinfo is None else value.astimezone(dt.UTC)).isoformat()


def _members(value: Sequence[Any]) -> list[Any]:
    return [_plain(member) for member in value]


_FORMS: Final[dict[type, Plain]] = {
    Decimal: _number,
    dt.datetime: _moment,
    bytearray: bytes,
    memoryview: bytes,
    list: _members,
    tuple: _members,
    dict: lambda value: sorted((name, _plain(member)) for name, member in value.items()),
}
_DECODER: Final = json.JSONDecoder(parse_float=Decimal)
_ENCODER: Final = json.JSONEncoder(sort_keys=True, default=_number)
