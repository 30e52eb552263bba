"""What a model can be asked about: its fields by name, and the values they can be compared with."""

from __future__ import annotations

import datetime as dt
import enum
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NoReturn
from uuid import UUID

from sqlalchemy import inspect, types
from sqlalchemy.ext.hybrid import HybridExtensionType
from sqlalchemy.orm import ColumnProperty, Mapper, RelationshipProperty, SynonymProperty
from sqlalchemy.sql import ColumnElement

from andamios_orm.exceptions import QueryRefused, UnknownField, ValueRefused

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.sql.type_api import TypeEngine

__all__ = [
    "Field",
    "FieldName",
    "checked",
    "field_of",
    "fields_of",
    "find_field",
    "mapper_of",
    "plain_type",
]

FieldName = "str | InstrumentedAttribute[Any] | ColumnElement[Any]"
"""How a field is named: by a string, or by the attribute itself."""


@dataclass(frozen=True, slots=True)
class Field:
    """One thing that rows can be filtered and ordered by."""

    name: str
    column: ColumnElement[Any]
    secret: bool = False

    @property
    def type(self) -> TypeEngine[Any]:
        """The SQL type of its values."""
        found: TypeEngine[Any] = self.column.type
        return found

    @property
    def nullable(self) -> bool:
        """Whether it may be NULL; an expression always may."""
        column = getattr(self.column, "__clause_element__", lambda: self.column)()
        found = getattr(column, "nullable", None)
        return found is not False


def mapper_of(model: Any) -> Mapper[Any]:
    """Return the mapper of ``model``, a mapped class or an alias of one.

    Raises:
        QueryRefused: it is neither.
    """
    inspected = inspect(model, raiseerr=False)
    mapper = getattr(inspected, "mapper", None)
    if not isinstance(mapper, Mapper):
        raise QueryRefused(f"{model!r} is no mapped class")
    return mapper


def plain_type(kind: TypeEngine[Any]) -> Any:
    """Return the type below a type of one's own, which is what the database sees."""
    own = isinstance(kind, types.TypeDecorator) and not isinstance(kind, types.Interval)
    return kind.impl_instance if own else kind  # type: ignore[attr-defined]  # a decorator has one


def fields_of(model: Any, *, secret: bool = False) -> dict[str, Field]:
    """Return the fields of ``model`` by name; the secret ones only if asked for."""
    found = {}
    for name in mapper_of(model).all_orm_descriptors.keys():  # noqa: SIM118 - it is no dict
        field = find_field(model, name)
        if field is not None and (secret or not field.secret):
            found[name] = field
    return found


def find_field(model: Any, name: str) -> Field | None:
    """Return the field of ``model`` that is called ``name``, if there is one."""
    mapper = mapper_of(model)
    descriptor = mapper.all_orm_descriptors.get(name)
    if descriptor is None:
        return None
    if name in mapper.attrs:
        prop = mapper.attrs[name]
        if isinstance(prop, SynonymProperty):
            return find_field(model, prop.name)
        if not isinstance(prop, ColumnProperty):
            return None
    elif descriptor.extension_type is not HybridExtensionType.HYBRID_PROPERTY:
        return None
    column = getattr(model, name)
    return Field(name, column, _is_secret(column))


def field_of(model: Any, name: Any) -> Field:
    """Return the field that ``name`` means: a name, an attribute, or an expression.

    Raises:
        UnknownField: the model has no such field, or it is a relation.
    """
    if isinstance(name, str):
        field = find_field(model, name)
        if field is None:
            raise unknown_field(model, name)
        return field
    key = getattr(name, "key", None)
    prop = getattr(name, "property", None)
    if isinstance(prop, RelationshipProperty):
        raise unknown_field(model, str(key))
    if not isinstance(name, ColumnElement) and not hasattr(name, "__clause_element__"):
        raise UnknownField(f"{_shown(name)} names no field: pass a name or a column")
    element: Any = name if hasattr(name, "type") else name.__clause_element__()
    if not isinstance(element, ColumnElement) and not hasattr(element, "type"):
        raise UnknownField(f"{_shown(name)} names no field: pass a name or a column")
    return Field(str(key or "expression"), element, _is_secret(element))


def unknown_field(model: Any, name: str) -> UnknownField:
    """Return the error that says what ``name`` is, if anything, and what there is instead."""
    mapper = mapper_of(model)
    title = mapper.class_.__name__
    known = sorted(fields_of(model))
    if name in mapper.relationships:
        target = mapper.relationships[name].mapper.class_.__name__
        return UnknownField(
            f"{title}.{name} is a relation: ask for what it leads to, "
            f"with related({title}.{name}, {target}....)",
            known,
        )
    return UnknownField(f"{title} has no field {_shown(name)}", known)


def _shown(name: object) -> str:
    text = repr(name)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


_SHOWN = 60


def _is_secret(column: Any) -> bool:
    info = getattr(column, "info", None) or {}
    return bool(info.get("secret")) or bool(getattr(column.type, "secret", False))


def checked(field: Field, value: Any) -> Any:
    """Return ``value`` if the field can be compared with it.

    An expression of SQLAlchemy is taken as it is, as is any value where the type
    of the column tells nothing.

    Raises:
        ValueRefused: it has another type, or is out of the type's range.
    """
    if value is None or isinstance(value, ColumnElement) or hasattr(value, "__clause_element__"):
        return value
    try:
        return _check(field.type, value)
    except ValueRefused as error:
        shown = "(secret)" if field.secret else value
        raise ValueRefused(error.reason, shown, field.name) from None


def _check(kind: TypeEngine[Any], value: Any) -> Any:
    if isinstance(kind, types.TypeDecorator) and not isinstance(kind, types.Interval):
        return _check_decorated(kind, value)
    for sql, check in _CHECKS:
        if isinstance(kind, sql):
            return check(kind, value)
    return value


def _check_decorated(kind: types.TypeDecorator[Any], value: Any) -> Any:
    """Check what the type says it takes: an enum, or just what its plain type takes."""
    inner = kind.impl_instance
    accepts = python_type_of(kind)
    if accepts is None:
        return _check(inner, value) if isinstance(inner, _TEMPORAL) else value
    if issubclass(accepts, enum.Enum):
        return _member(accepts, value)
    same = accepts is python_type_of(inner)
    return _check(inner, value) if same and isinstance(inner, _PLAIN) else value


def python_type_of(kind: Any) -> type[Any] | None:
    """Return the type of the values in Python, if the SQL type tells; the enum of an enum."""
    enumerated = getattr(kind, "enum_class", None)
    if isinstance(enumerated, type):
        return enumerated
    try:
        found = kind.python_type
    except NotImplementedError:
        return None
    return found if isinstance(found, type) and found is not object else None


_TEMPORAL = (types.DateTime, types.Date, types.Time)
_PLAIN = (types.DateTime, types.Date, types.Integer, types.Numeric, types.Boolean, types.Uuid)


def _boolean(_kind: Any, value: Any) -> Any:
    if not isinstance(value, bool):
        refuse("the column holds true or false: pass a bool", value)
    return value


def _integer(kind: Any, value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int):
        refuse("the column holds whole numbers: pass an int", value)
    bits = 16 if isinstance(kind, types.SmallInteger) else 32
    bits = 64 if isinstance(kind, types.BigInteger) else bits
    if not -(2 ** (bits - 1)) <= value < 2 ** (bits - 1):
        refuse(f"it is beyond the {bits} bits of the column", value)
    return value


def _number(_kind: Any, value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        refuse("the column holds numbers: pass an int, a float or a Decimal", value)
    if math.isnan(value):
        refuse("nothing is equal to NaN", value)
    return value


def _text(_kind: Any, value: Any) -> Any:
    if not isinstance(value, str):
        refuse("the column holds text: pass a str", value)
    return plain_text(value)


def plain_text(value: str) -> str:
    """Return ``value`` if both databases can hold it.

    Raises:
        ValueRefused: it holds NUL or half a surrogate pair.
    """
    if "\0" in value:
        refuse("it holds NUL, which text in a database cannot", value)
    try:
        value.encode()
    except UnicodeEncodeError:
        refuse("it holds half a surrogate pair, which is no valid text", value)
    return value


def _enumerated(kind: Any, value: Any) -> Any:
    if kind.enum_class is not None:
        if isinstance(value, str) and not isinstance(value, enum.Enum):
            value = kind.enum_class.__members__.get(value, value)
        return _member(kind.enum_class, value)
    if value not in kind.enums:
        refuse(f"known are {', '.join(kind.enums)}", value)
    return value


def _member(kind: type[enum.Enum], value: Any) -> enum.Enum:
    try:
        return kind(value)
    except ValueError:
        refuse(f"known are {', '.join(str(member.value) for member in kind)}", value)


def _moment(kind: Any, value: Any) -> Any:
    if not isinstance(value, dt.datetime):
        refuse("the column holds points in time: pass a datetime", value)
    if kind.timezone and value.tzinfo is None:
        refuse("the column holds points in time with a zone: pass an aware datetime", value)
    if not kind.timezone and value.tzinfo is not None:
        refuse("the column holds times without a zone: pass a naive datetime", value)
    return value


def _day(_kind: Any, value: Any) -> Any:
    if isinstance(value, dt.datetime) or not isinstance(value, dt.date):
        refuse("the column holds days: pass a date", value)
    return value


def _only(python: type, title: str) -> Any:
    def check(_kind: Any, value: Any) -> Any:
        if not isinstance(value, python):
            refuse(f"the column holds {title}: pass a {python.__name__}", value)
        return value

    return check


def _identifier(kind: Any, value: Any) -> Any:
    if isinstance(value, str) and not kind.as_uuid:
        try:
            value = UUID(value)
        except ValueError:
            refuse("it is no UUID", value)
    _only(UUID, "UUIDs")(kind, value)
    return value if kind.as_uuid else str(value)


def _document(_kind: Any, value: Any) -> NoReturn:
    refuse("the column holds JSON: use json_path() or filter_json()", value)


def _listed(kind: Any, value: Any) -> Any:
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Sequence):
        refuse("the column holds lists: pass a list", value)
    for item in value:
        _check(kind.item_type, item)
    return value


_CHECKS: tuple[tuple[type[TypeEngine[Any]], Any], ...] = (
    (types.Boolean, _boolean),
    (types.Integer, _integer),
    (types.Numeric, _number),
    (types.Float, _number),  # in SQLAlchemy 2.1 no Numeric
    (types.Enum, _enumerated),
    (types.String, _text),
    (types.DateTime, _moment),
    (types.Date, _day),
    (types.Time, _only(dt.time, "times of day")),
    (types.Interval, _only(dt.timedelta, "durations")),
    (types.Uuid, _identifier),
    (types.LargeBinary, _only(bytes, "bytes")),
    (types.JSON, _document),
    (types.ARRAY, _listed),
)


def checked_items(field: Field, values: Iterable[Any]) -> list[Any]:
    """Return ``values``, each of them checked.

    Raises:
        ValueRefused: one of them is refused, or they are no list.
    """
    if isinstance(values, (str, bytes, Mapping)) or not hasattr(values, "__iter__"):
        shown = "(secret)" if field.secret else values
        raise ValueRefused("pass a list of values", shown, field.name)
    return [checked(field, value) for value in values]


def refuse(reason: str, value: object) -> NoReturn:
    """Raise ``ValueRefused``."""
    raise ValueRefused(reason, value)
