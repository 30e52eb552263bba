"""In which order rows come: the same on both databases, and never by chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import inspect
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import UnaryExpression

from andamios_orm.exceptions import QueryRefused
from andamios_orm.queries.fields import field_of, mapper_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.sql import ColumnElement

__all__ = ["Order", "SortKey", "reversed_keys", "sort_keys"]


@dataclass(frozen=True, slots=True)
class Order:
    """One field to order by, upwards unless told otherwise; NULL comes last in both directions."""

    field: Any
    descending: bool = False
    nulls_first: bool = False

    @classmethod
    def of(cls, given: Any) -> Order:
        """Return the order that ``given`` means.

        ``"name"`` and ``"-name"``, a column, ``column.desc().nulls_first()``, or an Order.
        """
        if isinstance(given, Order):
            return given
        if isinstance(given, str):
            descending = given.startswith("-")
            return cls(given[1:] if descending else given, descending)
        return cls._of_expression(given)

    @classmethod
    def _of_expression(cls, given: Any) -> Order:
        descending = nulls_first = False
        while isinstance(given, UnaryExpression) and given.modifier in _MODIFIERS:
            descending = descending or given.modifier is operators.desc_op
            nulls_first = nulls_first or given.modifier is operators.nulls_first_op
            given = given.element
        return cls(given, descending, nulls_first)


_MODIFIERS = (
    operators.desc_op,
    operators.asc_op,
    operators.nulls_first_op,
    operators.nulls_last_op,
)


@dataclass(frozen=True, slots=True)
class SortKey:
    """An order that was looked up in a model."""

    name: str
    column: ColumnElement[Any]
    descending: bool
    nulls_first: bool
    nullable: bool

    @property
    def clause(self) -> ColumnElement[Any]:
        """What stands in ORDER BY; NULLs are mentioned only where there can be any."""
        ordered = self.column.desc() if self.descending else self.column.asc()
        if not self.nullable:
            return ordered
        return ordered.nulls_first() if self.nulls_first else ordered.nulls_last()

    def reversed(self) -> SortKey:
        """Return the same key the other way round."""
        return SortKey(
            self.name, self.column, not self.descending, not self.nulls_first, self.nullable
        )


def sort_keys(model: Any, orders: Sequence[Order], *, unique: bool = True) -> list[SortKey]:
    """Return the keys of ``orders``; if ``unique``, the primary key decides between equals.

    Raises:
        UnknownField: the model has no such field.
        QueryRefused: a field is named twice, or is secret.
    """
    keys = [_key(model, order) for order in orders]
    names = [key.name for key in keys]
    strings = [order.field for order in orders if isinstance(order.field, str)]
    if len(set(strings)) != len(strings):
        raise QueryRefused(f"a field is named twice in the order: {', '.join(names)}")
    if unique:
        keys.extend(_key(model, order) for order in _tie_breakers(model, keys))
    return keys


def _tie_breakers(model: Any, keys: Sequence[SortKey]) -> list[Order]:
    mapper = mapper_of(model)
    names = [mapper.get_property_by_column(column).key for column in mapper.primary_key]
    taken = {key.name for key in keys if inspect(key.column, raiseerr=False) is not None}
    descending = bool(keys) and all(key.descending for key in keys)
    return [Order(name, descending) for name in names if name not in taken]


def _key(model: Any, order: Order) -> SortKey:
    field = field_of(model, order.field)
    if field.secret:
        raise QueryRefused(f"{field.name} is secret: rows are not ordered by it")
    return SortKey(field.name, field.column, order.descending, order.nulls_first, field.nullable)


def reversed_keys(keys: Sequence[SortKey]) -> list[SortKey]:
    """Return ``keys`` for the way back."""
    return [key.reversed() for key in keys]
