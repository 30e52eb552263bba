"""What a query builder has been told so far, and the statements that follow from it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import Select, func, inspect, literal, select
from sqlalchemy.orm import selectinload, with_loader_criteria

from andamios_orm.exceptions import QueryRefused, UnknownField
from andamios_orm.queries.fields import Field, field_of, fields_of, mapper_of
from andamios_orm.queries.ordering import Order, SortKey, reversed_keys, sort_keys
from andamios_orm.queries.pagination import position_of, seek
from andamios_orm.queries.visible import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from sqlalchemy.sql import ColumnElement
    from sqlalchemy.sql.base import ExecutableOption

__all__ = ["Plan"]


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a query was told; each change is a new one."""

    model: Any
    conditions: tuple[ColumnElement[bool], ...] = ()
    orders: tuple[Order, ...] = ()
    limit: int | None = None
    offset: int | None = None
    after: str | None = None
    before: str | None = None
    options: tuple[ExecutableOption, ...] = ()
    deleted: bool = False
    distinct: bool = False
    groups: tuple[ColumnElement[Any], ...] = ()
    aggregates: tuple[ColumnElement[Any], ...] = ()
    windows: tuple[ColumnElement[Any], ...] = ()
    having: tuple[ColumnElement[bool], ...] = ()
    made: dict[Any, Select[Any]] = field(
        default_factory=dict, init=False, compare=False, repr=False
    )
    """Statements that were made already: a builder that is kept makes each of them once."""

    @property
    def gives_rows(self) -> bool:
        """Whether it gives rows of columns rather than instances."""
        return bool(self.groups or self.aggregates or self.windows)

    @property
    def summarises(self) -> bool:
        """Whether a row stands for several of the table."""
        return bool(self.groups or self.aggregates)

    def keys(self) -> list[SortKey]:
        """Return what decides the order, the last of it unique."""
        return sort_keys(self.model, self.orders)

    def statement(self) -> Select[Any]:
        """Return the query, in reading order unless it seeks backwards."""
        return self._once("statement", lambda: self.finished(self._selected()))

    def limited(self, limit: int) -> Select[Any]:
        """Return the query for at most ``limit`` rows."""
        least = limit if self.limit is None else min(limit, self.limit)
        return self._once(("limited", least), lambda: replace(self, limit=least).statement())

    def table(self, names: Sequence[Any] = ()) -> Select[Any]:
        """Return the query for columns: those named, or all that are stored."""
        if all(isinstance(name, str) for name in names):
            return self._once(("table", *names), lambda: self.columns(self.fields(names)))
        return self.columns(self.fields(names))

    def entities(self) -> Select[Any]:
        """Return the query with the values of its order beside each instance."""
        keys = [key.column.label(f"_key{at}") for at, key in enumerate(self.keys())]
        return self.finished(self._filtered(select(self.model, *keys)))

    def columns(self, fields: Sequence[Field]) -> Select[Any]:
        """Return the query for columns in place of instances."""
        if self.gives_rows and not (self.windows and not self.summarises):
            return self.statement()
        chosen = [field.column.label(field.name) for field in fields]
        return replace(self, options=()).finished(self._filtered(select(*chosen, *self.windows)))

    def counted(self) -> Select[Any]:
        """Return the query for the number of rows, whatever limit, offset and cursor say."""
        return self._once("counted", self._counted)

    def _counted(self) -> Select[Any]:
        whole = replace(self, orders=(), limit=None, offset=None, after=None, before=None)
        if whole.summarises or whole.distinct:
            inner = replace(whole, options=()).statement().subquery()
            return select(func.count()).select_from(inner)
        return whole._filtered(select(func.count()).select_from(self.model))  # noqa: SLF001 - ours

    def some(self) -> Select[Any]:
        """Return the query for one row that says there are any."""
        return self._once("some", self._some)

    def _some(self) -> Select[Any]:
        whole = replace(self, orders=(), options=())
        if self.gives_rows or self.distinct or self.after or self.before or self.offset:
            inner = replace(self, options=()).statement().limit(1).subquery()
            return select(literal(1)).select_from(inner).limit(1)
        return whole._filtered(select(literal(1)).select_from(self.model)).limit(1)  # noqa: SLF001 - ours

    def fields(self, names: Sequence[Any] = ()) -> list[Field]:
        """Return the fields for a table of the result: those named, or all that are stored."""
        if names:
            return [field_of(self.model, name) for name in names]
        stored = {prop.key for prop in mapper_of(self.model).column_attrs}
        return [field for name, field in fields_of(self.model).items() if name in stored]

    def _once(self, name: Hashable, make: Callable[[], Select[Any]]) -> Select[Any]:
        found = self.made.get(name)
        if found is None:
            found = self.made[name] = make()
        return found

    def _selected(self) -> Select[Any]:
        if not self.summarises:
            return self._filtered(select(self.model, *self.windows))
        selected = select(*self.groups, *self.aggregates, *self.windows)
        return self._filtered(selected.select_from(self.model))

    def _filtered(self, selected: Select[Any]) -> Select[Any]:
        seen = None if self.deleted else visible(self.model)
        conditions = self.conditions if seen is None else (*self.conditions, seen)
        return selected.where(*conditions) if conditions else selected

    def finished(self, selected: Select[Any]) -> Select[Any]:
        """Return ``selected`` with groups, order, limits and options."""
        if self.groups:
            selected = selected.group_by(*self.groups)
        if self.having:
            selected = selected.having(*self.having)
        if self.distinct:
            selected = selected.distinct()
        selected = self._ordered(selected)
        if self.limit is not None:
            selected = selected.limit(self.limit)
        if self.offset is not None:
            selected = selected.offset(self.offset)
        return selected.options(*self.options) if self.options else selected

    def _ordered(self, selected: Select[Any]) -> Select[Any]:
        if self.summarises:
            return self._ordered_rows(selected)
        sliced = (self.limit, self.offset, self.after, self.before) != (None,) * 4
        if not self.orders and not sliced:
            return selected
        keys = self.keys()
        if self.after is not None:
            selected = selected.where(seek(keys, position_of(self.model, keys, self.after)))
        if self.before is not None:
            position = position_of(self.model, keys, self.before)
            keys = reversed_keys(keys)
            selected = selected.where(seek(keys, position))
        return selected.order_by(*(key.clause for key in keys))

    def _ordered_rows(self, selected: Select[Any]) -> Select[Any]:
        """Order rows of columns by the names that they have."""
        if self.after is not None or self.before is not None:
            raise QueryRefused("rows of groups have no cursor: use limit() and offset()")
        names = {column.key: column for column in (*self.groups, *self.aggregates, *self.windows)}
        orders = []
        for order in self.orders:
            column = names.get(order.field) if isinstance(order.field, str) else order.field
            if column is None:
                raise UnknownField(
                    f"the rows have no column {order.field!r:.60}", sorted(map(str, names))
                )
            orders.append(SortKey("", column, order.descending, order.nulls_first, True).clause)  # noqa: FBT003
        if not orders and (self.limit, self.offset) == (None, None):
            return selected
        return selected.order_by(*orders, *(group.nulls_last() for group in self.groups))


def loader_options(
    model: Any, relations: Sequence[Any], *, deleted: bool
) -> list[ExecutableOption]:
    """Return what loads ``relations``, each an attribute or a path of names (``"a.b"``).

    Raises:
        UnknownField: the model has no such relation.
    """
    options: list[ExecutableOption] = []
    for relation in relations:
        steps = relation.split(".") if isinstance(relation, str) else [relation]
        option: Any = None
        current = model
        for step in steps:
            attribute = _relation(current, step)
            option = selectinload(attribute) if option is None else option.selectinload(attribute)
            current = attribute.property.mapper.class_
            seen = None if deleted else visible(current)
            if seen is not None:
                options.append(with_loader_criteria(current, seen))
        options.append(option)
    return options


def _relation(model: Any, relation: Any) -> Any:
    relations = mapper_of(model).relationships
    name = relation if isinstance(relation, str) else getattr(relation, "key", "")
    if name not in relations:
        title = inspect(model).mapper.class_.__name__
        raise UnknownField(f"{title} has no relation {name!r:.60}", sorted(relations.keys()))
    return relation if not isinstance(relation, str) else getattr(model, name)


def natural(name: str, count: Any) -> int | None:
    """Return a number of rows from 0 up, or None.

    Raises:
        QueryRefused: it is none.
    """
    if count is None:
        return None
    if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count < 2**63:
        raise QueryRefused(f"{name}={count!r:.40} is refused: pass a whole number from 0 up")
    return count


def batch_of(size: Any) -> int:
    """Return a number of rows that are held at once, from 1 up.

    Raises:
        QueryRefused: it is none.
    """
    if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size < 2**31:
        raise QueryRefused(f"batch_size={size!r:.40} is refused: pass a whole number from 1 up")
    return size


def label_of(name: str) -> str:
    """Return a name for a column of the result.

    Raises:
        QueryRefused: it is none.
    """
    if not name.isidentifier():
        raise QueryRefused(f"{name[:40]!r} is no name for a column")
    return name
