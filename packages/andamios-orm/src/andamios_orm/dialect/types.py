"""How SQLAlchemy's types travel to DuckDB and back.

Over what duckdb-sqlalchemy brings, these types keep values that the driver
would lose: points in time come back in ``datetime.UTC``, times of day with an
offset, nanosecond times and BIGNUM are sent as text, BIGNUM comes back as an
int, JSON is written by orjson and never with NaN, structs are sent with the fields
they declare, maps with keys that no dict can have go both ways as
``{"key": [...], "value": [...]}``.

Some things cannot be kept. A nanosecond column read from elsewhere is cut to
microseconds by Python's own types, and DuckDB's ``infinity`` arrives as
``datetime.max``. Neither BIGNUM nor TIME_NS can be a key of a map: the driver cannot
read them there.
"""
# the signatures are SQLAlchemy's

from __future__ import annotations

import datetime as dt
import enum
import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import orjson
from duckdb_sqlalchemy import DuckDBENUM, DuckDBNullType
from duckdb_sqlalchemy.datatypes import (
    FixedArray,
    Geometry,
    Map,
    Struct,
    TimeNs,
    Union,
    Variant,
    VarInt,
)
from sqlalchemy import ARRAY, exc, types
from sqlalchemy.dialects import postgresql

from andamios_orm.dialect.values import Rendered, plain_sequence
from andamios_orm.exceptions import ValueRefused

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

__all__ = [
    "COLSPECS",
    "AnyValue",
    "decode_json",
    "duckdb_type",
    "encode_documents",
    "encode_json",
    "implementation",
]

Processor = Callable[[Any], Any]

_JUST_FLOATS = {float}
_OFFSETS_END = dt.timedelta(hours=16)
_UNHASHABLE = (ARRAY, FixedArray, Map, Struct)
_ASCII_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")


class DuckDBDateTime(types.DateTime):
    """TIMESTAMP and TIMESTAMPTZ; the latter is read in UTC."""

    def __init__(self, timezone: bool = False, precision: int | None = None) -> None:  # noqa: FBT001, FBT002  # SQLAlchemy's signature
        super().__init__(timezone=timezone)
        self.precision = precision

    def result_processor(self, dialect: Dialect, coltype: object) -> Processor | None:
        """Convert what is aware: ``func.now()`` is, though SQLAlchemy does not know."""
        aware = self.timezone or coltype == "TIMESTAMP WITH TIME ZONE"
        return _to_utc if aware else None


def _to_utc(value: Any) -> Any:
    # A year outside of 1 to 9999 arrives as text.
    if not isinstance(value, dt.datetime):
        return value
    if value.tzinfo is None:  # -infinity does
        return value.replace(tzinfo=dt.UTC)
    return value.astimezone(dt.UTC)


class DuckDBTime(types.Time):
    """TIME and TIMETZ."""

    def bind_processor(self, dialect: Dialect) -> Processor | None:
        """Write aware times as text.

        The driver cannot send a negative offset, and DuckDB's own cast to text, as in
        a list of both, takes the seconds of an offset for minutes.
        """
        return _offset_time if self.timezone else None

    def result_processor(self, dialect: Dialect, coltype: object) -> Processor | None:
        """Read what was sent as text and came back at once, as in ``select(literal(time))``."""
        return _time_of_text if self.timezone else None


def _offset_time(value: Any) -> Any:
    if not isinstance(value, dt.time) or value.tzinfo is None:
        return value
    offset = value.utcoffset()
    if offset is None:
        reason = "its zone has no fixed offset without a date: use a datetime.timezone"
        raise ValueRefused(reason, value)
    if abs(offset) >= _OFFSETS_END or offset.microseconds:
        reason = "DuckDB keeps offsets of whole seconds, below 16 hours"
        raise ValueRefused(reason, value)
    return Rendered(value.isoformat())


def _time_of_text(value: Any) -> Any:
    return dt.time.fromisoformat(value) if isinstance(value, str) else value


class DuckDBInterval(postgresql.INTERVAL):
    """INTERVAL, which has no precision here."""

    @classmethod
    def adapt_emulated_to_native(cls, interval: types.Interval, **_options: Any) -> DuckDBInterval:  # type: ignore[override]  # the base returns its own
        """Return the type for ``Interval()``."""
        return cls()

    def literal_processor(self, dialect: Dialect) -> Callable[[dt.timedelta], str]:
        """Write an interval out in days and microseconds."""

        def process(value: dt.timedelta) -> str:
            microseconds = value.seconds * 1_000_000 + value.microseconds
            return f"INTERVAL '{value.days} days {microseconds} microseconds'"

        return process


class DuckDBTimeNs(TimeNs):
    """TIME_NS, to which the driver's own times cannot be cast."""

    def bind_processor(self, dialect: Dialect) -> Processor:
        """Write the time as text."""
        return lambda value: Rendered(value.isoformat()) if isinstance(value, dt.time) else value


class DuckDBVarInt(VarInt):
    """BIGNUM, an integer of any size, which the driver knows as text only."""

    def bind_processor(self, dialect: Dialect) -> Processor:
        """Write the integer as text: DuckDB casts 2**56 from BIGINT to the BIGNUM 0."""
        return lambda value: Rendered(int(value)) if isinstance(value, int) else value

    def result_processor(self, dialect: Dialect, coltype: object) -> Processor:
        """Read the text."""
        return lambda value: int(value) if isinstance(value, str) else value


class DuckDBJSON(types.JSON):
    """JSON, by orjson unless the engine was given functions of its own."""

    def bind_processor(self, dialect: Dialect) -> Processor:
        """Encode, and refuse what is no JSON."""
        own: Callable[[Any], str] | None = dialect._json_serializer  # noqa: SLF001  # set by create_engine
        encode = encode_json if own is None else _refusing_nan(own)
        make: Any = self._make_bind_processor
        process: Processor = make(None, encode)
        return process

    def bind_many(self, values: Sequence[Any], dialect: Dialect) -> list[str] | None:
        """Return a column of documents as JSON texts; None if each needs a look by itself."""
        if dialect._json_serializer is not None:  # noqa: SLF001  # set by create_engine
            return None
        return encode_documents(values)

    def result_processor(self, dialect: Dialect, coltype: object) -> Processor:
        """Decode."""
        own: Processor | None = dialect._json_deserializer  # noqa: SLF001  # set by create_engine
        decode = decode_json if own is None else own
        return lambda value: None if value is None else decode(value)


def encode_json(value: Any) -> str:
    """Return ``value`` as JSON text.

    >>> encode_json({"name": "Ana", "tags": [1, None]})
    '{"name":"Ana","tags":[1,null]}'

    Raises:
        ValueRefused: JSON has no form for it, or it holds NaN or an infinity.
    """
    try:
        encoded = _write(value)
    except TypeError as error:
        reason = f"it has no JSON form: {error}"
        raise ValueRefused(reason, value) from error
    # orjson writes NaN as null, without a word.
    if b"null" in encoded:
        try:
            _strict_encode(value)
        except ValueError as error:
            raise ValueRefused(_NOT_A_NUMBER, value) from error
    return encoded.decode()


def encode_documents(values: Sequence[Any]) -> list[str] | None:
    """Return objects and arrays as ``encode_json()`` does; None if that is to look at each.

    >>> encode_documents([{"name": "Ana"}, [1, None]])
    ['{"name":"Ana"}', '[1,null]']
    >>> encode_documents([{"name": "Ana"}, None])
    """
    if not _DOCUMENTS.issuperset(map(type, values)):
        return None
    try:
        # A text takes a kilobyte until it is decoded: none may wait for the others.
        texts = [_write(value).decode() for value in values]
    except TypeError:
        return None
    return [
        encode_json(value) if "null" in text else text
        for text, value in zip(texts, values, strict=True)
    ]


def decode_json(text: str | bytes) -> Any:
    """Return what the JSON ``text`` says."""
    return orjson.loads(text)


_DOCUMENTS = frozenset({dict, list})
_write = partial(orjson.dumps, option=orjson.OPT_PASSTHROUGH_DATACLASS)
_NOT_A_NUMBER = "JSON has neither NaN nor infinities: use null, or text"


def _bare(value: Any) -> Any:
    return value.value if isinstance(value, enum.Enum) else str(value)


_strict_encode = json.JSONEncoder(allow_nan=False, check_circular=False, default=_bare).encode


def _refusing_nan(encode: Callable[[Any], str]) -> Callable[[Any], str]:
    """Return ``encode`` with a look at the constants that are no JSON."""

    def checked(value: Any) -> str:
        text = encode(value)
        if "NaN" in text or "Infinity" in text:

            def refuse(_constant: str) -> Any:
                raise ValueRefused(_NOT_A_NUMBER, value)

            json.loads(text, parse_constant=refuse)
        return text

    return checked


class DuckDBEnum(DuckDBENUM):
    """ENUM. Without a name it is written out in the column, and no type is to be dropped."""

    def _on_table_drop(self, *arguments: Any, **options: Any) -> None:
        if self.name:  # SQLAlchemy 2.1 asserts that every other one belongs to a metadata
            super()._on_table_drop(*arguments, **options)


class DuckDBList(postgresql.ARRAY[Any]):
    """LIST, of as many items as the value has."""

    def bind_processor(self, dialect: Dialect) -> Processor:
        """Process the items; text is no list of characters."""
        item, depth = _bind(self.item_type, dialect), self._depth(dialect)
        as_they_are = _as_they_are(self.item_type, dialect)

        def process(value: Any) -> Any:
            if value is None:
                return None
            values = plain_sequence(value)
            if item is None or as_they_are(values):
                return values
            return self._apply_item_processor(values, item, depth, list)

        return process

    def result_processor(self, dialect: Dialect, coltype: object) -> Processor | None:  # type: ignore[override]  # None is allowed
        """Process the items, if they need it."""
        item = _result(self.item_type, dialect)
        if item is None and not self.as_tuple:
            return None
        collection, depth = (tuple if self.as_tuple else list), self._depth(dialect)

        def process(value: Any) -> Any:
            if value is None:
                return None
            return self._apply_item_processor(value, item, depth, collection)

        return process

    def _depth(self, dialect: Dialect) -> int | None:
        """Return how deep the items are; None finds it in the value, if that can tell."""
        if self.dimensions is None and isinstance(
            implementation(self.item_type, dialect), types.JSON
        ):
            return 1  # an item may be a list itself
        return self.dimensions


class DuckDBFixedArray(FixedArray):
    """ARRAY, of a fixed number of items."""

    def bind_processor(self, dialect: Dialect) -> Processor:
        """Process the items; an array of NumPy is taken as well."""
        item = _bind(self.item_type, dialect)
        as_they_are = _as_they_are(self.item_type, dialect)

        def process(value: Any) -> Any:
            if value is None:
                return None
            values = plain_sequence(value)
            if item is None or as_they_are(values):
                return values
            return [item(member) for member in values]

        return process


class DuckDBStruct(Struct):
    """STRUCT, sent with exactly the fields that it declares."""

    def bind_processor(self, dialect: Dialect) -> Processor | None:
        """Name and order the fields; one that is absent is NULL, a stranger is refused."""
        if not self._fields:
            return None
        names = [name for name, _ in self._fields]
        # The driver takes a dict of just "key" and "value" for a map; DuckDB matches
        # the names of fields regardless of their case.
        sent = [name.upper() for name in names] if set(names) == {"key", "value"} else names
        places = {name.translate(_ASCII_LOWER): place for place, name in enumerate(names)}
        members = [_bind(member, dialect) for _, member in self._fields]

        def process(value: Any) -> Any:
            if value is None:
                return None
            if not isinstance(value, Mapping):
                reason = "the column holds structs: pass a dict"
                raise ValueRefused(reason, value)
            items: list[Any] = [None] * len(names)
            for name, item in value.items():
                place = places.get(str(name).translate(_ASCII_LOWER))
                if place is None:
                    reason = f"its field {name!r} is unknown; known are {', '.join(names)}"
                    raise ValueRefused(reason, value)
                member = members[place]
                items[place] = item if member is None else member(item)
            return dict(zip(sent, items, strict=True))

        return process


class DuckDBMap(Map):
    """MAP. Keys that no dict can have are passed and returned as two lists."""

    def bind_processor(self, dialect: Dialect) -> Processor:
        """Send keys and values as two lists."""
        keys = _bind(self.key_type, dialect)
        values = _bind(self.value_type, dialect)
        pairs = isinstance(implementation(self.key_type, dialect), _UNHASHABLE)

        def process(value: Any) -> Any:
            if value is None:
                return None
            if not isinstance(value, Mapping):
                reason = "the column holds maps: pass a dict"
                raise ValueRefused(reason, value)
            if pairs and value.keys() == {"key", "value"}:
                left, right = value["key"], value["value"]
            else:
                left, right = value.keys(), value.values()
            return {
                "key": list(left) if keys is None else [keys(item) for item in left],
                "value": list(right) if values is None else [values(item) for item in right],
            }

        return process


class DuckDBUnion(Union):
    """UNION. The driver does not say which member a value was stored as."""

    def result_processor(self, dialect: Dialect, coltype: object) -> Processor:
        """Return points in time in UTC, like every other type."""
        return lambda value: (
            _to_utc(value) if isinstance(value, dt.datetime) and value.tzinfo else value
        )


class AnyValue(DuckDBNullType):
    """The type of what SQLAlchemy does not know, as in ``text()``: the driver tells it."""

    def result_processor(self, dialect: Dialect, coltype: object) -> Processor | None:
        """Read JSON and points in time as the typed columns do."""
        if coltype == "JSON":
            return DuckDBJSON().result_processor(dialect, coltype)
        return _to_utc if coltype == "TIMESTAMP WITH TIME ZONE" else None


COLSPECS: Final[Mapping[type[types.TypeEngine[Any]], type[types.TypeEngine[Any]]]] = (
    MappingProxyType(
        {
            types.ARRAY: DuckDBList,
            postgresql.ARRAY: DuckDBList,
            postgresql.INTERVAL: DuckDBInterval,
            types.DateTime: DuckDBDateTime,
            types.Enum: DuckDBEnum,
            types.Interval: DuckDBInterval,
            types.JSON: DuckDBJSON,
            postgresql.JSON: DuckDBJSON,
            postgresql.JSONB: DuckDBJSON,
            types.Time: DuckDBTime,
            FixedArray: DuckDBFixedArray,
            Map: DuckDBMap,
            Struct: DuckDBStruct,
            TimeNs: DuckDBTimeNs,
            Union: DuckDBUnion,
            VarInt: DuckDBVarInt,
        }
    )
)
"""What to merge over duckdb-sqlalchemy's ``Dialect.colspecs``."""


def implementation(type_: types.TypeEngine[Any], dialect: Dialect) -> types.TypeEngine[Any]:
    """Return the type that stands in for ``type_`` here, out of all its decorators."""
    found = type_._unwrapped_dialect_impl(dialect)  # noqa: SLF001  # SQLAlchemy has no public name
    while isinstance(found, types.TypeDecorator):
        found = found.impl_instance._unwrapped_dialect_impl(dialect)  # noqa: SLF001
    return found


def duckdb_type(type_: types.TypeEngine[Any], dialect: Dialect) -> str | None:
    """Return the type's name in DuckDB, for ``unnest($1::NAME[])``.

    None says that a column of it cannot be sent as one list: values of different
    types cannot share one, and a type with an expression of its own around each
    value needs it written out.
    """
    if type_._has_bind_expression:  # noqa: SLF001  # SQLAlchemy has no public name
        return None
    found = implementation(type_, dialect)
    if _is_mixed(found, dialect):
        return None
    if isinstance(found, types.String):
        return "VARCHAR"  # ENUM as well; no length, no collation
    try:
        return dialect.type_compiler_instance.process(type_)  # type: ignore[attr-defined, no-any-return, unused-ignore]
    except exc.CompileError:
        return None


def _is_mixed(found: types.TypeEngine[Any], dialect: Dialect) -> bool:
    if isinstance(found, (Union, Variant, Geometry)):
        return True
    if isinstance(found, (ARRAY, FixedArray)):
        members = [found.item_type]
    elif isinstance(found, Map):
        members = [found.key_type, found.value_type]
    elif isinstance(found, Struct):
        members = [member for _, member in found._fields or ()]  # no public name
    else:
        members = []
    return any(_is_mixed(implementation(member, dialect), dialect) for member in members)


def _as_they_are(item: types.TypeEngine[Any], dialect: Dialect) -> Callable[[Sequence[Any]], bool]:
    """Return what says, in one go, that no item needs its processor: vectors are long."""
    if isinstance(item.dialect_impl(dialect), types.Float):
        return lambda values: set(map(type, values)) == _JUST_FLOATS
    return lambda _values: False


def _bind(type_: types.TypeEngine[Any], dialect: Dialect) -> Processor | None:
    return type_.dialect_impl(dialect).bind_processor(dialect)


def _result(type_: types.TypeEngine[Any], dialect: Dialect) -> Processor | None:
    return type_.dialect_impl(dialect).result_processor(dialect, None)
