"""What may be written to a model, by attribute: columns, keys, and what is out of bounds."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from sqlalchemy import JSON, Column, Float, Numeric, String, inspect

from andamios_orm.exceptions import UnknownField, ValueRefused
from andamios_orm.models.derived import kept_by_model
from andamios_orm.models.limits import why_not
from andamios_orm.models.mixins import AuditMixin, SoftDeleteMixin, TimestampMixin
from andamios_orm.queries.fields import Field, checked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Mapper

__all__ = ["Fields", "Values", "attributes_of", "fields_of"]

Values = Any
"""A mapping or a pydantic model (``values`` of a method)."""

_known: WeakKeyDictionary[Mapper[Any], Fields] = WeakKeyDictionary()
_KEPT: tuple[tuple[type, tuple[str, ...], str], ...] = (
    (TimestampMixin, ("created_at", "updated_at"), "it is set when the row is written"),
    (AuditMixin, ("created_by", "updated_by"), "acting_as() says who writes"),
    (SoftDeleteMixin, ("deleted_at",), "delete() and restore() set it"),
)


@dataclass(frozen=True, slots=True)
class Fields:
    """The attributes of a model: its columns, key, version, relations, and who sets what.

    ``kept`` says of an attribute that cannot be written who writes it instead.
    """

    model: type[Any]
    columns: Mapping[str, Column[Any]]
    key: tuple[str, ...]
    generated: frozenset[str]
    version: str | None
    deleted: str | None
    relations: frozenset[str]
    kept: Mapping[str, str]

    @property
    def writable(self) -> tuple[str, ...]:
        """The names that ``create`` takes, in the order of the model."""
        return tuple(name for name in self.columns if name not in self.kept)

    def for_create(self, values: Values) -> dict[str, Any]:
        """Return checked values of a new row.

        Raises:
            UnknownField: a name is none of the model's; the error lists those.
            ValueRefused: a column is not the caller's to write, or a value does not fit.
        """
        given, explicit = attributes_of(values)
        return self._checked(
            {name: value for name, value in given.items() if self._wanted(name, value, explicit)}
        )

    def for_update(self, values: Values) -> tuple[dict[str, Any], Any]:
        """Return checked changes, and the version that the caller expects (None: any).

        Of a pydantic model only what was set counts.

        Raises:
            UnknownField: a name is none of the model's; the error lists those.
            ValueRefused: a column is not the caller's to write, or a value does not fit.
        """
        given, explicit = attributes_of(values)
        changes = {name: value for name, value in given.items() if name in explicit}
        version = changes.pop(self.version, None) if self.version else None
        for name in self.key:
            if name in changes:
                raise ValueRefused("a key does not change", changes[name], name)
        return self._checked(changes), version

    def for_one(self, values: Values) -> tuple[dict[str, Any], dict[str, Any], Any]:
        """Return the key's part, the checked rest and the expected version of ``values``.

        Raises:
            UnknownField: a name is none of the model's; the error lists those.
            ValueRefused: a column is not the caller's to write, or a value does not fit.
        """
        given, explicit = attributes_of(values)
        key = {name: given[name] for name in self.key if name in explicit}
        rest = {name: given[name] for name in given if name in explicit and name not in key}
        version = rest.pop(self.version, None) if self.version else None
        return key, self._checked(rest), version

    def check(self, name: str, value: object) -> object:
        """Return ``value`` if the column behind an attribute can hold it.

        Raises:
            ValueRefused: it cannot; the error names the column and the value.
        """
        column = self.columns[name]
        if value is None:
            if not column.nullable:
                raise ValueRefused("the column must have a value", value, name)
            return value
        return _fitting(column, name, value)

    def unknown(self, name: str) -> Exception:
        """Return the error about a name that is none of the model's columns."""
        if name in self.relations:
            return ValueRefused(
                f"{self.model.__name__}.{name} is a relation: create the related rows with a "
                f"repository of their own, or pass an instance with its children",
                "…",
                name,
            )
        title = self.model.__name__
        return UnknownField(f"{title} has no field {name!r:.60}", sorted(self.writable))

    def matched(self, names: Sequence[str] | None) -> tuple[str, ...]:
        """Return the attributes that rows are matched by: the key unless told.

        Raises:
            UnknownField: a name is none of the model's.
        """
        if names is None:
            return self.key
        if isinstance(names, str) or not names:
            raise ValueRefused("match_fields is a list of names", names)
        for name in names:
            if name not in self.columns:
                raise self.unknown(name)
        return tuple(names)

    def check_key(self, instance: object) -> None:
        """Return if a new instance has the part of its key that nobody makes for it.

        Raises:
            ValueRefused: it has not.
        """
        for name in self.key:
            if name not in self.generated and getattr(instance, name) is None:
                if self.columns[name].foreign_keys:
                    continue  # the flush takes it from the related instance
                raise ValueRefused("nothing makes this key: it must be given", None, name)

    def _wanted(self, name: str, value: object, explicit: frozenset[str]) -> bool:
        """Whether a value counts: a schema's default does not where the model has its own."""
        if name in explicit:
            return True
        column = self.columns.get(name)
        fits = value is not None or column is None or column.nullable is not False
        return name not in self.kept and fits

    def _checked(self, values: Mapping[str, Any]) -> dict[str, Any]:
        for name in values:
            if name not in self.columns:
                raise self.unknown(name)
        for name, value in values.items():
            reason = self.kept.get(name)
            if reason is not None:
                raise ValueRefused(f"the column is not written by hand: {reason}", value, name)
        return {name: self.check(name, value) for name, value in values.items()}


def attributes_of(values: Values) -> tuple[Mapping[str, Any], frozenset[str]]:
    """Return values by attribute, and which of them were said rather than left at a default.

    Raises:
        ValueRefused: ``values`` is neither a mapping nor a pydantic model.
    """
    if isinstance(values, Mapping):
        for name in values:
            if not isinstance(name, str):
                raise ValueRefused("a field is named by a string", name)
        return values, frozenset(values)
    pydantic = sys.modules.get("pydantic")  # who has one of its models has imported it
    if pydantic is not None and isinstance(values, pydantic.BaseModel):
        names = {*type(values).model_fields, *(values.model_extra or ())}
        return values.model_dump(include=names), frozenset(values.model_fields_set)
    raise ValueRefused("a row is given as a dict, a pydantic model or an instance", values)


def fields_of(mapper: Mapper[Any]) -> Fields:
    """Return the fields of a model, worked out once."""
    found = _known.get(mapper)
    if found is None:
        found = _known[mapper] = _fields(mapper)
    return found


def _fields(mapper: Mapper[Any]) -> Fields:
    model = mapper.class_
    columns = {
        attribute.key: attribute.columns[0]
        for attribute in mapper.column_attrs
        if isinstance(attribute.columns[0], Column)
    }
    key = tuple(mapper.get_property_by_column(column).key for column in mapper.primary_key)
    generated = frozenset(name for name in key if _is_generated(columns[name]))
    version = None
    if mapper.version_id_col is not None:
        version = mapper.get_property_by_column(mapper.version_id_col).key
    kept = dict.fromkeys(generated, "the key is made by the database or the model")
    if version is not None:
        kept[version] = "it counts by itself; update(..., version=) says which one you expect"
    for mixin, names, reason in _KEPT:
        if issubclass(model, mixin):
            kept.update(dict.fromkeys(names, reason))
    kept.update(kept_by_model(columns))
    deleted = "deleted_at" if issubclass(model, SoftDeleteMixin) else None
    relations = frozenset(inspect(model).relationships.keys())
    return Fields(model, columns, key, generated, version, deleted, relations, kept)


def _fitting(column: Column[Any], name: str, value: Any) -> Any:
    """Return ``value`` if a row can have it in ``column``."""
    secret = bool(column.info.get("secret")) or bool(getattr(column.type, "secret", False))
    if isinstance(column.type, JSON):
        reason = why_not(column, value)  # the rest is checked where it is encoded
    else:
        value = checked(Field(name, column, secret), value)
        reason = _too_long(column, value) or why_not(column, value)
    if reason is not None:
        raise ValueRefused(reason, "(secret)" if secret else value, name)
    return value


def _too_long(column: Column[Any], value: Any) -> str | None:
    kind = column.type
    if isinstance(kind, String) and isinstance(value, str) and kind.length is not None:
        if len(value) > kind.length:
            return f"it has {len(value)} characters, and the column holds {kind.length}"
    elif isinstance(kind, Numeric) and isinstance(value, (int, float, Decimal)):
        return None if isinstance(kind, Float) else _too_exact(kind, Decimal(str(value)))
    return None


def _too_exact(kind: Numeric[Any], value: Decimal) -> str | None:
    if kind.scale is None or kind.precision is None:
        return None
    if not value.is_finite():
        return "the column holds finite numbers"
    if abs(value) >= 10 ** (kind.precision - kind.scale):
        return f"the column holds {kind.precision - kind.scale} digits before the point"
    if round(value, kind.scale) != value:
        return f"the column holds {kind.scale} digits after the point"
    return None


def _is_generated(column: Column[Any]) -> bool:
    """Whether a key comes about by itself: a sequence, an identity, a default."""
    automatic = getattr(column.table, "autoincrement_column", None) is column
    defaults = (column.default, column.server_default, column.identity)
    return automatic or any(default is not None for default in defaults)
