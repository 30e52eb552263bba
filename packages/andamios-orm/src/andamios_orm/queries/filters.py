"""Filters: objects that can be kept, combined and reused, and the strict grammar of keywords.

A filter knows a condition, not a model: ``filter.where(Model)`` gives the condition
for one. ``&``, ``|`` and ``~`` combine filters; ``~filter`` keeps exactly the rows
that ``filter`` does not keep, so rows with NULL are kept by one of both.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import and_, false, func, not_, or_, true, types
from sqlalchemy.orm import RelationshipProperty
from sqlalchemy.sql import ColumnElement

from andamios_orm.exceptions import QueryRefused, UnknownField, UnknownOperator, ValueRefused
from andamios_orm.queries.fields import (
    Field,
    field_of,
    fields_of,
    find_field,
    plain_type,
    unknown_field,
)
from andamios_orm.queries.json import JSONPath, PathElement, json_kind, parse_path
from andamios_orm.queries.operators import OPERATORS, compare, operators_of
from andamios_orm.queries.visible import visible

__all__ = [
    "AllOf",
    "AnyOf",
    "Compare",
    "Filter",
    "JSONCompare",
    "Not",
    "Period",
    "Related",
    "Search",
    "condition_of",
    "from_keywords",
    "related",
    "search",
]

ModelT = TypeVar("ModelT")


class Filter(Generic[ModelT]):
    """A condition on the rows of a model, independent of a statement.

    The parameter says for which models: ``Filter[Project]``; ``Filter[Any]`` fits all.
    """

    __slots__ = ()

    def where(self, model: type[ModelT]) -> ColumnElement[bool]:
        """Return the condition for ``model``, or for an alias of it.

        Raises:
            QueryRefused: the model has no such field, or cannot be compared like that.
            ValueRefused: a value does not fit its column.
        """
        raise NotImplementedError

    def __and__(self, other: Filter[ModelT]) -> AllOf[ModelT]:
        return AllOf((self, other))

    def __or__(self, other: Filter[ModelT]) -> AnyOf[ModelT]:
        return AnyOf((self, other))

    def __invert__(self) -> Not[ModelT]:
        return Not(self)


Condition = ColumnElement[bool] | Filter[ModelT]


@dataclass(frozen=True)
class Compare(Filter[ModelT]):
    """A field compared with a value: ``Compare("total", "ge", 100)``.

    The operators are those of ``andamios_orm.queries.operators.OPERATORS``.
    """

    field: Any
    operator: str
    value: Any

    def where(self, model: type[ModelT]) -> ColumnElement[bool]:
        """Return the comparison."""
        return compare(field_of(model, self.field), self.operator, self.value)


@dataclass(frozen=True)
class Period(Filter[ModelT]):
    """From ``start`` on and before ``end``; None leaves that side open.

    A day in place of a point in time is its midnight in UTC; as an end, the
    midnight after it, so that both days are included.
    """

    field: Any
    start: dt.date | None = None
    end: dt.date | None = None

    def where(self, model: type[ModelT]) -> ColumnElement[bool]:
        """Return both bounds."""
        field = field_of(model, self.field)
        start, end = _bound(field, self.start, 0), _bound(field, self.end, 1)
        last = "lt" if _holds_moments(field) else "le"
        bounds = []
        if start is not None:
            bounds.append(compare(field, "ge", start))
        if end is not None:
            bounds.append(compare(field, last, end))
        elif self.end is not None:  # the last day there is
            bounds.append(field.column.is_not(None))
        return and_(true(), *bounds)


def _holds_moments(field: Field) -> bool:
    return isinstance(plain_type(field.type), types.DateTime)


def _bound(field: Field, value: dt.date | None, days: int) -> dt.date | None:
    """Return ``value`` as the column holds it; a day may stand for a point in time."""
    if not isinstance(value, dt.date) or isinstance(value, dt.datetime):
        return value
    if not _holds_moments(field):
        return value
    zone = dt.UTC if plain_type(field.type).timezone else None
    try:
        return dt.datetime.combine(value, dt.time(), zone) + dt.timedelta(days=days)
    except OverflowError:
        return None


@dataclass(frozen=True)
class JSONCompare(Filter[ModelT]):
    """What a JSON column holds at a path, compared: ``("architecture", ("name",), "eq", "x")``."""

    field: Any
    path: tuple[PathElement, ...]
    operator: str
    value: Any

    def where(self, model: type[ModelT]) -> ColumnElement[bool]:
        """Return the comparison, of the type that the value has."""
        field = json_field_of(model, self.field)
        place = JSONPath(field.column, parse_path(self.path))
        return compare_json(field.name, place, self.operator, self.value)


def json_field_of(model: Any, name: Any) -> Field:
    """Return the field ``name``, which must hold JSON.

    Raises:
        UnknownField: there is none, or it holds something else.
    """
    field = field_of(model, name)
    if not is_json(field):
        known = [known for known, other in fields_of(model).items() if is_json(other)]
        raise UnknownField(f"{field.name} holds no JSON", known)
    return field


def is_json(field: Field) -> bool:
    """Return whether ``field`` holds JSON documents."""
    return isinstance(plain_type(field.type), types.JSON)


def compare_json(name: str, place: JSONPath, operator: str, value: Any) -> ColumnElement[bool]:
    """Return ``place`` compared with ``value``.

    Raises:
        UnknownOperator: documents cannot be compared like that.
        ValueRefused: JSON holds no such value.
    """
    if operator == "eq":
        return place.is_(value)
    if operator == "ne":
        return not_(func.coalesce(place.is_(value), false()))
    if operator == "has":
        return place.has_item(value)
    if operator == "is_null" and isinstance(value, bool):
        return place.is_null() if value else not_(place.is_null())
    sample = value
    if operator in {"in", "not_in", "between"}:
        sample = _first(name, value)
    if operator not in OPERATORS:
        raise UnknownOperator(f"there is no comparison {operator!r:.60}", sorted(OPERATORS))
    return compare(Field(name, place.as_(_kind_of(sample, value))), operator, value)


def _first(name: str, values: Any) -> Any:
    if isinstance(values, (str, bytes, Mapping)) or not isinstance(values, Sequence) or not values:
        raise ValueRefused("pass a list of values of one type", values, name)
    return values[0]


def _kind_of(sample: Any, value: Any) -> type[Any]:
    several = isinstance(value, Sequence) and not isinstance(value, str)
    kinds = {json_kind(item) for item in value} if several else {json_kind(sample)}
    if kinds == {int, float}:
        return float
    if len(kinds) != 1:
        raise ValueRefused("pass values of one type", value)
    return kinds.pop()


@dataclass(frozen=True)
class Related(Filter[ModelT]):
    """Rows for which the relation leads to at least one row that meets all conditions."""

    relation: Any
    conditions: tuple[Any, ...] = ()
    keywords: tuple[tuple[str, Any], ...] = ()

    def where(self, model: type[ModelT]) -> ColumnElement[bool]:
        """Return an EXISTS; soft-deleted rows at the other end do not count."""
        attribute = self.relation
        if isinstance(attribute, str):
            attribute = getattr(model, attribute, None)
        prop = getattr(attribute, "property", None)
        if not isinstance(prop, RelationshipProperty):
            raise UnknownField(f"{self.relation!r:.60} is no relation")
        target = prop.mapper.class_
        inner = [condition_of(target, condition) for condition in self.conditions]
        inner.extend(found.where(target) for found in from_keywords(target, dict(self.keywords)))
        seen = visible(target)
        if seen is not None:
            inner.append(seen)
        exists = attribute.any if prop.uselist else attribute.has
        found: ColumnElement[bool] = exists(and_(true(), *inner))
        return found


def related(relation: Any, *conditions: Condition[Any], **keywords: Any) -> Related[Any]:
    """Return the filter for rows whose ``relation`` leads to a row that meets all conditions.

    ``related(Project.documents, Document.name == "x")``; no condition at all asks
    whether there is any.
    """
    return Related(relation, conditions, tuple(keywords.items()))


@dataclass(frozen=True)
class Search(Filter[ModelT]):
    """Rows in which every word of ``text`` occurs in at least one of the columns, any case."""

    text: str
    columns: tuple[Any, ...] = ()

    def where(self, model: type[ModelT]) -> ColumnElement[bool]:
        """Return one condition for each word; without columns all text columns are searched."""
        words = self.text.split()
        if len(words) > MOST_WORDS:
            raise ValueRefused(f"a search has at most {MOST_WORDS} words", self.text)
        fields = [field_of(model, column) for column in self.columns] or [
            field for field in fields_of(model).values() if _holds_text(field)
        ]
        for field in fields:
            if not _holds_text(field):
                raise UnknownField(f"{field.name} holds no text to search")
        found = [or_(false(), *(compare(f, "icontains", word) for f in fields)) for word in words]
        return and_(true(), *found)


MOST_WORDS = 32


def _holds_text(field: Field) -> bool:
    return isinstance(field.type, types.String) and not isinstance(field.type, types.Enum)


def search(text: str, *columns: Any) -> Search[Any]:
    """Return the filter for rows in whose columns every word of ``text`` occurs."""
    return Search(text, columns)


@dataclass(frozen=True)
class AllOf(Filter[ModelT]):
    """Rows that meet every condition; all of them if there is none."""

    filters: tuple[Condition[ModelT], ...]

    def where(self, model: type[ModelT]) -> ColumnElement[bool]:
        """Return all conditions, joined by AND."""
        return and_(true(), *(condition_of(model, found) for found in self.filters))


@dataclass(frozen=True)
class AnyOf(Filter[ModelT]):
    """Rows that meet at least one condition; none if there is none."""

    filters: tuple[Condition[ModelT], ...]

    def where(self, model: type[ModelT]) -> ColumnElement[bool]:
        """Return all conditions, joined by OR."""
        return or_(false(), *(condition_of(model, found) for found in self.filters))


@dataclass(frozen=True)
class Not(Filter[ModelT]):
    """Exactly the rows that the filter does not keep."""

    filter: Condition[ModelT]

    def where(self, model: type[ModelT]) -> ColumnElement[bool]:
        """Return the complement: where the condition is unknown, it holds."""
        return not_(func.coalesce(condition_of(model, self.filter), false()))


def condition_of(model: type[ModelT], condition: Any) -> ColumnElement[bool]:
    """Return ``condition``, a filter or an expression of SQLAlchemy, as the latter.

    Raises:
        QueryRefused: it is text, or anything else.
    """
    if isinstance(condition, Filter):
        return condition.where(model)
    element = condition
    if not isinstance(element, ColumnElement) and hasattr(element, "__clause_element__"):
        element = element.__clause_element__()
    if not isinstance(element, ColumnElement):
        raise QueryRefused(
            f"{type(condition).__name__} is no condition: pass Model.field == value, a filter, "
            "or a keyword; text is never taken for SQL"
        )
    return element


def from_keywords(model: Any, keywords: Mapping[str, Any]) -> list[Compare[Any]]:
    """Return a filter for each keyword, ``field=value`` or ``field__operator=value``.

    Every name and value is checked against the model.

    Raises:
        UnknownField: the model has no such field.
        UnknownOperator: the field has no such comparison.
        ValueRefused: the value does not fit the field.
    """
    filters: list[Compare[Any]] = []
    for keyword, value in keywords.items():
        name, operator = split_keyword(model, keyword)
        found: Compare[Any] = Compare(name, operator, value)
        found.where(model)
        filters.append(found)
    return filters


def split_keyword(model: Any, keyword: str) -> tuple[str, str]:
    """Return field and operator of ``keyword``.

    Raises:
        UnknownField: the model has no such field.
        UnknownOperator: the field has no such comparison.
    """
    if find_field(model, keyword) is not None:
        return keyword, "eq"
    name, mark, operator = keyword.rpartition("__")
    field = find_field(model, name) if mark else None
    if field is None:
        raise unknown_field(model, name if mark and operator in OPERATORS else keyword)
    known = operators_of(field)
    if operator not in known:
        raise UnknownOperator(f"{name} has no comparison {operator!r:.60}", sorted(known))
    return name, operator
