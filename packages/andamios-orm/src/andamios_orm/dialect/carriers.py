"""How a column of values travels to DuckDB: as JSON text where JSON is exact, else as a list.

The driver turns a list into DuckDB's values one by one, with the interpreter
lock held: seconds for ten thousand rows. One string costs nothing, and DuckDB
reads JSON in its own threads. Integers, finite floats and text come out of JSON
as they went in; moments, UUIDs and decimals are cast from their text.
"""

from __future__ import annotations

import datetime as dt
import decimal
import math
import uuid
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Carrier", "carrier"]

_SMALLEST, _LARGEST = -(2**63), 2**63 - 1


class Carrier(NamedTuple):
    """The SQL that unpacks a column from one parameter, and the function that packs it.

    ``sql`` has ``{parameter}`` where the placeholder goes.
    """

    sql: str
    pack: Callable[[Sequence[Any]], Any]


def carrier(
    values: Sequence[Any], name: str, as_list: Callable[[Sequence[Any]], Any]
) -> Carrier | None:
    """Return how ``values`` of DuckDB's type ``name`` travel, or None if they cannot together.

    ``as_list`` prepares them for the driver where JSON will not do.
    """
    kinds = set(map(type, values))
    kinds.discard(type(None))
    if len(kinds) > 1:
        return None
    kind = kinds.pop() if kinds else str
    if kind is int:
        fits = all(_SMALLEST <= value <= _LARGEST for value in values if value is not None)
        return _json("BIGINT", name, _dumps) if fits else _json("VARCHAR", name, _texts(str))
    if kind in _SIMPLE and _IS_EXACT.get(kind, _always)(values):
        carried, pack = _SIMPLE[kind]
        return _json(carried, name, pack)
    return Carrier(f"unnest({{parameter}}::{name}[])", as_list)


def _json(carried: str, name: str, pack: Callable[[Sequence[Any]], Any]) -> Carrier:
    unpacked = f"unnest({{parameter}}::JSON::{carried}[])"
    return Carrier(unpacked if carried == name else f"{unpacked}::{name}", pack)


def _dumps(values: Sequence[Any]) -> str:
    return orjson.dumps(values).decode()


def _texts(text: Callable[[Any], str]) -> Callable[[Sequence[Any]], str]:
    return lambda values: _dumps([None if value is None else text(value) for value in values])


def _is_encodable(values: Sequence[Any]) -> bool:
    """Whether there is no lone surrogate; the driver's own error is for one that has."""
    try:
        "".join(filter(None, values)).encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_finite(values: Sequence[Any]) -> bool:
    return all(map(math.isfinite, filter(None, values)))


def _always(_values: Sequence[Any]) -> bool:
    return True


_IS_EXACT = {float: _is_finite, str: _is_encodable}

_SIMPLE: dict[type, tuple[str, Callable[[Sequence[Any]], str]]] = {
    bool: ("BOOLEAN", _dumps),
    float: ("DOUBLE", _dumps),
    str: ("VARCHAR", _dumps),
    uuid.UUID: ("VARCHAR", _texts(str)),
    decimal.Decimal: ("VARCHAR", _texts(lambda value: format(value, "f"))),
    dt.date: ("VARCHAR", _texts(dt.date.isoformat)),
    dt.datetime: ("VARCHAR", _texts(dt.datetime.isoformat)),
}
