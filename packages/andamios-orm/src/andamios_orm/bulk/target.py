"""What a bulk operation has to know of a model: columns, key, and who writes what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Table, inspect

from andamios_orm.exceptions import BulkRefused, ConfigurationError, RowRefusal
from andamios_orm.models.derived import kept_by_model, rules_of
from andamios_orm.models.mixins import AuditMixin, SoftDeleteMixin, TimestampMixin

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy.orm import Mapper

    from andamios_orm.models.derived import Derived

__all__ = ["Target", "target_of"]

_CACHE = "andamios.bulk"
_KEPT: tuple[tuple[type, tuple[str, ...], str], ...] = (
    (TimestampMixin, ("created_at", "updated_at"), "it is set when the row is written"),
    (AuditMixin, ("created_by", "updated_by"), "acting_as() says who writes"),
    (SoftDeleteMixin, ("deleted_at",), "bulk_delete() sets it"),
)


@dataclass(frozen=True, slots=True)
class Target:
    """A model and its one table; everything goes by the names of attributes.

    ``kept`` says of an attribute that callers cannot write who writes it instead;
    ``stamped`` are those that have one value for the whole of a bulk; ``derived`` follow
    from another one.
    """

    model: type[Any]
    mapper: Mapper[Any]
    table: Table
    columns: Mapping[str, Column[Any]]
    key: tuple[str, ...]
    generated: frozenset[str]
    version: str | None
    deleted: str | None
    kept: Mapping[str, str]
    stamped: frozenset[str]
    derived: Mapping[str, Derived]

    @property
    def name(self) -> str:
        """The name of the model."""
        return self.model.__name__

    @property
    def constants(self) -> dict[str, Any]:
        """Values that the mapping itself gives a new row: its version, its place in a tree."""
        found: dict[str, Any] = {}
        mapper = self.mapper
        if self.version is not None and callable(mapper.version_id_generator):
            found[self.version] = mapper.version_id_generator(None)
        if mapper.polymorphic_on is not None and mapper.polymorphic_identity is not None:
            discriminator = mapper.get_property_by_column(mapper.polymorphic_on).key
            found[discriminator] = mapper.polymorphic_identity
        return found

    def is_secret(self, attribute: str) -> bool:
        """Whether a value must not be shown."""
        column = self.columns.get(attribute)
        if column is None:
            return False
        return bool(column.info.get("secret") or getattr(column.type, "secret", False))

    def refusal(self, row: int | None, attribute: str, message: str, value: object) -> RowRefusal:
        """Return what is wrong with a value, which is masked if it is secret."""
        shown = "***" if value is not None and self.is_secret(attribute) else value
        return RowRefusal(row, attribute, message, shown)

    def refuse(self, errors: Iterable[RowRefusal]) -> None:
        """Raise if there are errors, sorted by row."""
        found = sorted(errors, key=lambda error: -1 if error.row is None else error.row)
        if found:
            raise BulkRefused(self.name, found)

    def require_known(self, names: Iterable[str]) -> None:
        """Refuse names that are no columns of the model.

        Raises:
            BulkRefused: the message lists the names there are.
        """
        known = ", ".join(name for name in self.columns if name not in self.kept)
        self.refuse(
            RowRefusal(None, name, self._why_unknown(name, known))
            for name in names
            if name not in self.columns
        )

    def _why_unknown(self, name: str, known: str) -> str:
        if name in self.mapper.relationships:
            return "it is a relation: write the related rows with a bulk of their own"
        return f"{self.name} has no such field; it has {known}"

    def keys_of(self, columns: Mapping[str, Sequence[Any]]) -> Sequence[Any]:
        """Return the keys in ``columns``: values, or tuples where the key has several parts."""
        if len(self.key) == 1:
            return columns[self.key[0]]
        return list(zip(*(columns[name] for name in self.key), strict=True))


def target_of(model: type[Any]) -> Target:
    """Return what a bulk needs to know of ``model``, worked out once.

    Raises:
        ConfigurationError: the model is not mapped to a single table.
    """
    mapper: Mapper[Any] = inspect(model)
    table = mapper.local_table
    if not isinstance(table, Table) or len(mapper.tables) > 1:
        raise ConfigurationError(f"{model.__name__} is not mapped to a single table")
    known: dict[type[Any], Target] = table.metadata.info.setdefault(_CACHE, {})
    if model not in known:
        known[model] = _target(model, mapper, table)
    return known[model]


def _target(model: type[Any], mapper: Mapper[Any], table: Table) -> Target:
    columns = {
        attribute.key: attribute.columns[0]
        for attribute in mapper.column_attrs
        if isinstance(attribute.columns[0], Column) and attribute.columns[0].table is table
    }
    key = tuple(mapper.get_property_by_column(column).key for column in mapper.primary_key)
    generated = frozenset(name for name in key if _is_generated(columns[name]))
    kept = dict.fromkeys(generated, "it is generated")
    version = None
    if mapper.version_id_col is not None:
        version = mapper.get_property_by_column(mapper.version_id_col).key
        kept[version] = "it counts by itself"
    stamped: set[str] = set()
    for mixin, names, reason in _KEPT:
        if issubclass(model, mixin):
            kept.update(dict.fromkeys(names, reason))
            stamped.update(names)
    kept.update({name: "it is computed" for name in columns if columns[name].computed is not None})
    deleted = "deleted_at" if issubclass(model, SoftDeleteMixin) else None
    kept.update(kept_by_model(columns))
    return Target(
        model,
        mapper,
        table,
        columns,
        key,
        generated,
        version,
        deleted,
        kept,
        frozenset(stamped),
        rules_of(columns),
    )


def _is_generated(column: Column[Any]) -> bool:
    """Whether a key comes about by itself: a sequence, an identity, a default."""
    table: Any = column.table
    return (
        table.autoincrement_column is column
        or column.default is not None
        or column.server_default is not None
    )
