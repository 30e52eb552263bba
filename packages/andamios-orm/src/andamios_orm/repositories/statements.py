"""The statements of a repository: pure, from a model and what was asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from sqlalchemy import ColumnElement, and_, func, literal_column, select, tuple_
from sqlalchemy.orm import selectinload, with_loader_criteria
from sqlalchemy.orm.attributes import InstrumentedAttribute
from sqlalchemy.sql.base import ExecutableOption

from andamios_orm.exceptions import QueryRefused, UnknownField, ValueRefused
from andamios_orm.queries.filters import Filter, condition_of, from_keywords
from andamios_orm.queries.ordering import Order, sort_keys
from andamios_orm.queries.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import Select
    from sqlalchemy.orm import Mapper

__all__ = ["Load", "Ordering"]

ModelT = TypeVar("ModelT")
Load: TypeAlias = "Any"
"""Relations to load: attributes, names with dots for deeper ones, or loader options."""
Ordering: TypeAlias = "Any"
"""Columns, ``column.desc()`` or names such as ``"-created_at"``; one or several."""

KEYS_AT_ONCE = 1_000
"""Rows that one statement asks for by their keys."""
_ENDLESS = 2**63


def conditions(
    mapper: Mapper[Any], given: Sequence[Any], keywords: Mapping[str, Any]
) -> list[ColumnElement[bool]]:
    """Return what a row has to meet, checked against the model.

    Raises:
        QueryRefused: a condition is none, or a keyword names no field.
        ValueRefused: a value does not fit its column.
    """
    model = mapper.class_
    where = [condition_of(model, one) for one in given]
    where += [one.where(model) for one in from_keywords(model, keywords)]
    return where


def is_condition(given: object) -> bool:
    """Return whether ``given`` is a condition rather than a key."""
    return isinstance(given, (ColumnElement, Filter)) or hasattr(given, "__clause_element__")


def alive(mapper: Mapper[Any]) -> ColumnElement[bool]:
    """Return the condition that a row of a model with soft deletion is not deleted."""
    condition = visible(mapper.class_)
    assert condition is not None  # noqa: S101 - asked only of such models
    return condition


def with_key(mapper: Mapper[Any], parts: Sequence[Any]) -> ColumnElement[bool]:
    """Return the condition that a row has a key."""
    return and_(*(column == part for column, part in zip(mapper.primary_key, parts, strict=True)))


def equal(mapper: Mapper[Any], values: Mapping[str, Any]) -> ColumnElement[bool]:
    """Return the condition that a row has ``values`` in its attributes."""
    if not values:
        raise ValueRefused("say which row: by fields and their values", None)
    return and_(
        *(
            mapper.columns[name].is_not_distinct_from(value)
            if value is None
            else mapper.columns[name] == value
            for name, value in values.items()
        )
    )


def among(
    mapper: Mapper[Any], names: Sequence[str], matches: Sequence[tuple[Any, ...]]
) -> Iterator[ColumnElement[bool]]:
    """Yield conditions that find all rows with one of ``matches`` in the attributes ``names``."""
    columns = [mapper.columns[name] for name in names]
    distinct = list(dict.fromkeys(matches))
    for start in range(0, len(distinct), KEYS_AT_ONCE):
        part = distinct[start : start + KEYS_AT_ONCE]
        if len(columns) == 1:
            yield columns[0].in_([match[0] for match in part])
        else:
            yield tuple_(*columns).in_(part)


def counted(mapper: Mapper[Any], where: Sequence[ColumnElement[bool]]) -> Select[Any]:
    """Return the query that counts rows."""
    return select(func.count()).select_from(mapper.class_).where(*where)


def existing(mapper: Mapper[Any], where: Sequence[ColumnElement[bool]]) -> Select[Any]:
    """Return the query that has a row if one meets the conditions."""
    return select(literal_column("1")).select_from(mapper.class_).where(*where).limit(1)


def ordered(statement: Select[ModelT], mapper: Mapper[Any], order: Ordering) -> Select[ModelT]:
    """Return ``statement`` in an order that is total: the key comes last.

    Raises:
        UnknownField: a name is none of the model's.
    """
    several = [order] if isinstance(order, (str, Order, ColumnElement)) else order
    if hasattr(several, "__clause_element__"):
        several = [several]
    keys = sort_keys(mapper.class_, [Order.of(one) for one in several])
    return statement.order_by(*(key.clause for key in keys))


def window(
    given: tuple[Any, ...], limit: int | None, offset: int
) -> tuple[tuple[Any, ...], int | None, int]:
    """Return conditions, limit and offset of a list whose limit and offset may come first.

    Raises:
        ValueRefused: limit or offset is no number from 0 up.
    """
    numbers: list[Any] = []
    for one in given[:2]:
        if one is not None and not isinstance(one, int):
            break
        numbers.append(one)
    rest = given[len(numbers) :]
    numbers += (limit, offset)[len(numbers) :]
    rows, skipped = numbers
    for name, number in (("limit", 0 if rows is None else rows), ("offset", skipped)):
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < _ENDLESS:
            raise ValueRefused(f"{name} is a number from 0 up", number)
    return rest, rows, skipped


def refreshing(statement: Select[ModelT], known: Sequence[object]) -> Select[ModelT]:
    """Return ``statement`` so that it renews the columns of instances that are known already."""
    return statement.execution_options(populate_existing=True) if known else statement


# ---- relations -----------------------------------------------------------------------


def loading(
    mapper: Mapper[Any], load: Load, *, with_deleted: bool = False
) -> list[ExecutableOption]:
    """Return options that load relations, one query each, without soft-deleted rows.

    Raises:
        UnknownField: a name is no relation of its model.
    """
    wanted = [load] if isinstance(load, (str, InstrumentedAttribute, ExecutableOption)) else load
    options: list[ExecutableOption] = [_loader(mapper, one) for one in wanted]
    if options and not with_deleted:
        for related in _related(mapper):
            condition = visible(related.class_)
            if condition is not None:
                options.append(with_loader_criteria(related.class_, condition))
    return options


def _loader(mapper: Mapper[Any], wanted: Any) -> ExecutableOption:
    if isinstance(wanted, ExecutableOption):
        return wanted
    if isinstance(wanted, InstrumentedAttribute):
        relation = getattr(wanted, "property", None)
        if relation not in set(mapper.relationships):
            raise unknown_relation(mapper, str(wanted))
        return selectinload(wanted)
    if not isinstance(wanted, str):
        raise QueryRefused(f"{wanted!r:.60} is nothing to load: pass a relation or its name")
    option: Any = None
    for name in wanted.split("."):
        if name not in mapper.relationships:
            raise unknown_relation(mapper, name)
        attribute = getattr(mapper.class_, name)
        option = selectinload(attribute) if option is None else option.selectinload(attribute)
        mapper = mapper.relationships[name].mapper
    found: ExecutableOption = option
    return found


def unknown_relation(mapper: Mapper[Any], name: str) -> UnknownField:
    """Return the error about something to load that is no relation of the model."""
    known = sorted(mapper.relationships.keys())
    return UnknownField(f"{mapper.class_.__name__} has no relation {name!r:.60}", known)


def _related(mapper: Mapper[Any]) -> list[Mapper[Any]]:
    """Return the mappers that relations lead to, at any depth."""
    found: dict[Mapper[Any], None] = {}
    waiting = [mapper]
    while waiting:
        for relation in waiting.pop().relationships:
            if relation.mapper not in found:
                found[relation.mapper] = None
                waiting.append(relation.mapper)
    return list(found)
