"""What the change feed keeps of a row: its entity, its key, its values as they are stored."""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import decimal
import enum
import hashlib
import math
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self
from weakref import WeakKeyDictionary

import orjson
from sqlalchemy import Column, Enum, Table, TypeDecorator, inspect
from sqlalchemy.orm import mapperlib

from andamios_orm.core.commits import note_changed
from andamios_orm.core.ledger import Entry
from andamios_orm.core.positions import write_records
from andamios_orm.models.base import is_told_of_rows
from andamios_orm.models.feed import FeedTables, feed_tables
from andamios_orm.models.mixins import SoftDeleteMixin

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import Connection, MetaData
    from sqlalchemy.engine import Dialect
    from sqlalchemy.orm import Mapper
    from sqlalchemy.types import TypeEngine

    from andamios_orm.core.scans import Scan
    from andamios_orm.core.texts import Texts
    from andamios_orm.models.written import WrittenRow

__all__ = ["LARGEST", "MOST_KEYS", "Entity", "Record", "Version", "all_mappers", "cut", "plain"]

MOST_KEYS: Final = 1_000
"""Keys that a record of a batch lists; of more it tells the first and the last."""
LARGEST: Final = 8 * 1024
"""Bytes of a value that history keeps; of a larger one it keeps size and hash."""

_LONG = 2**63
_ENTITIES: Final = "andamios_entities"


@dataclass(slots=True)
class Version:
    """One row before and after a change; None where it did not exist."""

    key: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    version: int | None = None


@dataclass(slots=True)
class Record(Entry):
    """A change that waits for the COMMIT of its transaction."""

    announced: ClassVar[bool] = True

    tables: FeedTables
    entity: str
    kind: str
    key: str | None = None
    actor: str | None = None
    tenant: str | None = None
    count: int = 1
    keys: list[str] | None = None
    first_key: str | None = None
    last_key: str | None = None
    versions: Sequence[Version] = ()
    texts: Texts | None = None
    scan: Scan | None = None
    rows: Sequence[WrittenRow] | None = None
    """What is remembered of the rows; None if nothing is, or not of all."""

    @classmethod
    def settle(cls, connection: Connection, entries: Sequence[Self]) -> None:
        """Write the records, those of each feed in one statement."""
        for entry in entries:
            note_changed(connection, entry.entity, entry.rows)
        write_records(connection, entries)


def all_mappers() -> Iterator[Mapper[Any]]:
    """Yield the mappers of all models, since a table does not know its own."""
    for registry in mapperlib._all_registries():  # noqa: SLF001 - SQLAlchemy has no public name
        yield from registry.mappers


Wrote = Callable[["Connection", "Sequence[WrittenRow]"], None]
"""What a model has to be told of its rows: ``__wrote__``."""


class Entity:
    """How one model, or one table, appears in the feed."""

    def __init__(
        self, model: type[Any] | None, table: Table, names: Mapping[str, Column[Any]]
    ) -> None:
        """Describe the table ``table`` whose columns are known by ``names``."""
        self.model = model
        self.table = table
        self.tables = feed_tables(table.metadata)
        self.columns = {name: column for name, column in names.items() if not _is_secret(column)}
        self.key_names = _key_names(table, names)
        self.name: str = getattr(model, "__feed_name__", None) or table.name
        self.history: bool = getattr(model, "__history__", False)
        self.wrote: Wrote | None = (
            getattr(model, "__wrote__", None) if is_told_of_rows(model) else None
        )
        self.tenant_name: str | None = getattr(model, "__tenant__", None)
        self.remembered: tuple[str, ...] = getattr(model, "__remembered__", ())
        self.soft = model is not None and issubclass(model, SoftDeleteMixin)
        self.version_name: str | None = None
        self.names = dict(names)
        self._converters: dict[str, dict[str, Callable[[Any], Any]]] = {}

    @classmethod
    def of(cls, target: type[Any] | Table | Mapper[Any]) -> Entity | None:
        """Return how ``target`` is recorded, or None if its changes are not."""
        if isinstance(target, Table):
            return cls(None, target, dict(target.c.items())) if _has_feed(target.metadata) else None
        mapper: Mapper[Any] = inspect(target)
        table = mapper.base_mapper.local_table
        if not isinstance(table, Table) or not _has_feed(table.metadata):
            return None
        known: WeakKeyDictionary[Any, Entity | None]
        known = table.metadata.info.setdefault(_ENTITIES, WeakKeyDictionary())
        if mapper not in known:
            known[mapper] = cls._of_mapper(mapper, table)
        return known[mapper]

    @classmethod
    def _of_mapper(cls, mapper: Mapper[Any], table: Table) -> Entity | None:
        model = mapper.class_
        if not getattr(model, "__feed__", True):
            return None
        columns = {
            attribute.key: attribute.columns[0]
            for attribute in mapper.column_attrs
            if isinstance(attribute.columns[0], Column)
        }
        entity = cls(model, table, columns)
        entity.key_names = [mapper.get_property_by_column(each).key for each in mapper.primary_key]
        if mapper.version_id_col is not None:
            entity.version_name = mapper.get_property_by_column(mapper.version_id_col).key
        return entity

    def key_of(self, values: Mapping[str, Any], dialect: Dialect) -> str:
        """Return the key of a row as text; of several columns, a JSON list of texts."""
        return self.key_text([values.get(name) for name in self.key_names], dialect)

    def key_text(self, key: Any, dialect: Dialect) -> str:
        """Return a key as text: a value, or a sequence or mapping of the values."""
        if isinstance(key, dict):
            key = [key[name] for name in self.key_names]
        values = list(key) if isinstance(key, (tuple, list)) else [key]
        return self.texts(zip(self.key_names, values, strict=True), dialect)

    def texts(self, values: Iterable[tuple[str, Any]], dialect: Dialect) -> str:
        """Return a named value as text; of several, a JSON list of texts."""
        converters = self.converters_for(dialect)
        parts = [_text(converters[name](value)) for name, value in values]
        return parts[0] if len(parts) == 1 else orjson.dumps(parts).decode()

    def tenant_of(self, values: Mapping[str, Any], dialect: Dialect) -> str | None:
        """Return whose row it is, as text."""
        value = values.get(self.tenant_name) if self.tenant_name is not None else None
        if value is None or self.tenant_name is None:
            return None
        return _text(self.converters_for(dialect)[self.tenant_name](value))

    def stored(self, values: Mapping[str, Any], dialect: Dialect) -> dict[str, Any]:
        """Return ``values`` as the database stores them, without secrets, large ones cut."""
        converters = self.converters_for(dialect)
        return {
            name: cut(converters[name](values[name])) for name in self.columns if name in values
        }

    def converters_for(self, dialect: Dialect) -> dict[str, Callable[[Any], Any]]:
        """Return what makes of a value of each attribute what JSON says of the stored one."""
        found = self._converters.get(dialect.name)
        if found is None:
            found = {name: _converter(column.type, dialect) for name, column in self.names.items()}
            self._converters[dialect.name] = found
        return found


def _has_feed(metadata: MetaData) -> bool:
    return "andamios_feed" in metadata.info


def _key_names(table: Table, names: Mapping[str, Column[Any]]) -> list[str]:
    by_column = {column: name for name, column in names.items()}
    return [by_column[column] for column in table.primary_key if column in by_column]


def _is_secret(column: Column[Any]) -> bool:
    return bool(column.info.get("secret") or getattr(column.type, "secret", False))


def _converter(type_: TypeEngine[Any], dialect: Dialect) -> Callable[[Any], Any]:
    """Return the function that makes of a value what JSON can say of the stored one."""
    if isinstance(type_, TypeDecorator):
        return lambda value: plain(_bound(type_, value, dialect))
    if isinstance(type_, Enum):
        process: Any = type_.dialect_impl(dialect).bind_processor(dialect)
        return lambda value: None if value is None else plain(process(value))
    return plain


def _bound(type_: TypeEngine[Any], value: Any, dialect: Dialect) -> Any:
    """Return what decorators of ``type_``, one around the other, make of ``value``."""
    while isinstance(type_, TypeDecorator):
        value = type_.process_bind_param(value, dialect)
        type_ = type_.impl_instance
    return _converter(type_, dialect)(value)


def plain(value: Any) -> Any:
    """Return ``value`` as JSON can hold it, without loss where that is possible.

    >>> plain(decimal.Decimal("1.50")), plain(b"ab"), plain(float("nan"))
    ('1.50', {'$bytes': 'YWI='}, 'nan')
    """
    if type(value) in _EXACT:
        return value
    convert = _BY_TYPE.get(type(value))
    if convert is not None:  # of its subclasses one would have to ask, one kind after the other
        return convert(value)
    for kind, convert in _CONVERTERS:
        if isinstance(value, kind):
            return convert(value)
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return plain(dataclasses.asdict(value))
    return plain(value.tolist()) if hasattr(value, "tolist") else str(value)


def _integer(value: int) -> int | str:
    return int(value) if -_LONG <= value < _LONG else str(int(value))


def _moment(value: dt.datetime) -> str:
    return (value.astimezone(dt.UTC) if value.tzinfo else value).isoformat()


def _bytes(value: bytes) -> dict[str, Any]:
    raw = bytes(value)
    if len(raw) > LARGEST:
        return _size_and_hash(raw)
    return {"$bytes": base64.b64encode(raw).decode()}


_EXACT = frozenset({type(None), bool, str})
_CONVERTERS: Final[tuple[tuple[Any, Callable[[Any], Any]], ...]] = (
    (enum.Enum, lambda value: plain(value.value)),
    (str, str),
    (int, _integer),
    (float, lambda value: float(value) if math.isfinite(value) else str(value)),
    ((list, tuple, set, frozenset), lambda value: [plain(each) for each in value]),
    (dict, lambda value: {str(name): plain(each) for name, each in value.items()}),
    (dt.datetime, _moment),
    ((dt.date, dt.time), lambda value: value.isoformat()),
    (dt.timedelta, dt.timedelta.total_seconds),
    ((bytes, bytearray, memoryview), _bytes),
    ((decimal.Decimal, uuid.UUID), str),
)
_BY_TYPE: Final[Mapping[type[Any], Callable[[Any], Any]]] = {
    kind: convert
    for kinds, convert in _CONVERTERS
    for kind in (kinds if isinstance(kinds, tuple) else (kinds,))
    if kind is not enum.Enum
}


def cut(value: Any) -> Any:
    """Return a value that is small enough to be kept, or its size and hash."""
    if isinstance(value, str):
        if len(value) * 4 > LARGEST:
            raw = value.encode("utf-8", "surrogatepass")
            return _size_and_hash(raw) if len(raw) > LARGEST else value
    elif isinstance(value, (dict, list)):
        raw = orjson.dumps(value)
        return _size_and_hash(raw) if len(raw) > LARGEST else value
    return value


def _size_and_hash(raw: bytes) -> dict[str, Any]:
    return {"$size": len(raw), "$sha256": hashlib.sha256(raw).hexdigest()}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
