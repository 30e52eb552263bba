"""The comparisons there are, by the names they have in keywords and query strings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import and_, false, literal, or_, true, types
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import ColumnElement
from sqlalchemy.sql.functions import FunctionElement

from andamios_orm.exceptions import UnknownOperator, ValueRefused
from andamios_orm.queries.fields import Field, checked, checked_items, plain_text, plain_type
from andamios_orm.queries.json import JSONPath

if TYPE_CHECKING:
    from sqlalchemy.sql.compiler import SQLCompiler

__all__ = ["OPERATORS", "Operator", "compare", "operators_of"]

Taken = Literal["one", "many", "pair", "text", "flag"]
"""What an operator is given: a value, several, two, text whatever the column is, or a bool."""

_Build = Callable[[Field, Any], ColumnElement[bool]]


@dataclass(frozen=True, slots=True)
class Operator:
    """One comparison: its name, what it takes, and what it means."""

    name: str
    takes: Taken
    meaning: str
    build: _Build


def compare(field: Field, operator: str, value: Any) -> ColumnElement[bool]:
    """Return the comparison of ``field`` with ``value``, which is checked first.

    Raises:
        UnknownOperator: there is none of this name, or not for this field.
        ValueRefused: the field cannot be compared with the value.
    """
    known = operators_of(field)
    if operator not in known:
        raise UnknownOperator(f"{field.name} has no comparison {operator!r:.60}", sorted(known))
    try:
        return known[operator].build(field, value)
    except ValueRefused as error:
        shown = "(secret)" if field.secret else value
        raise ValueRefused(error.reason, shown, field.name) from None


def operators_of(field: Field) -> dict[str, Operator]:
    """Return the comparisons that the type of ``field`` allows, by name."""
    kind = plain_type(field.type)
    if isinstance(kind, (types.JSON, types.ARRAY)):
        names = _FOR_DOCUMENTS if isinstance(kind, types.JSON) else _FOR_LISTS
        return {name: OPERATORS[name] for name in names}
    without = {"has"} if isinstance(kind, (types.String, types.NullType)) else _TEXT | {"has"}
    if isinstance(kind, types.Enum):
        without = _TEXT | {"has"}
    return {name: found for name, found in OPERATORS.items() if name not in without}


_TEXT = frozenset(
    {"like", "ilike", "not_like", "not_ilike", "startswith", "istartswith", "endswith"}
    | {"iendswith", "contains", "icontains", "iexact"}
)
_FOR_DOCUMENTS = ("has", "is_null")
_FOR_LISTS = ("eq", "ne", "has", "is_null")


def _equal(field: Field, value: Any) -> ColumnElement[bool]:
    return field.column.is_(None) if value is None else field.column == checked(field, value)


def _unequal(field: Field, value: Any) -> ColumnElement[bool]:
    return field.column.is_not(None) if value is None else field.column != checked(field, value)


def _ordered(compared: Callable[[Any, Any], ColumnElement[bool]]) -> _Build:
    def build(field: Field, value: Any) -> ColumnElement[bool]:
        if value is None:
            raise ValueRefused("nothing is above or below NULL", value, field.name)
        found = checked(field, value)
        if isinstance(found, bool):
            found = literal(found, field.type)
        return compared(field.column, found)

    return build


def _one_of(field: Field, values: Any) -> ColumnElement[bool]:
    items = checked_items(field, values)
    some = [item for item in items if item is not None]
    found = field.column.in_(some) if some else false()
    return found if len(some) == len(items) else or_(found, field.column.is_(None))


def _none_of(field: Field, values: Any) -> ColumnElement[bool]:
    items = checked_items(field, values)
    some = [item for item in items if item is not None]
    found = field.column.not_in(some) if some else true()
    return found if len(some) == len(items) else and_(found, field.column.is_not(None))


def _between(field: Field, values: Any) -> ColumnElement[bool]:
    pair = checked_items(field, values)
    if len(pair) != 2 or None in [item for item in pair if item is None]:  # noqa: PLR2004
        raise ValueRefused("pass two values, the lowest and the highest", values, field.name)
    return field.column.between(*pair)


def _is_null(field: Field, value: Any) -> ColumnElement[bool]:
    if not isinstance(value, bool):
        raise ValueRefused("pass True or False", value, field.name)
    return field.column.is_(None) if value else field.column.is_not(None)


def _like(method: str) -> _Build:
    def build(field: Field, value: Any) -> ColumnElement[bool]:
        pattern = _text(field, value)
        if (len(pattern) - len(pattern.rstrip("\\"))) % 2:
            raise ValueRefused("the pattern ends in an escape character", value, field.name)
        found: ColumnElement[bool] = getattr(field.column, method)(pattern, escape="\\")
        return found

    return build


def _literal(before: str, after: str, *, ignore_case: bool) -> _Build:
    def build(field: Field, value: Any) -> ColumnElement[bool]:
        pattern = f"{before}{escaped(_text(field, value))}{after}"
        method = field.column.ilike if ignore_case else field.column.like
        return method(pattern, escape=ESCAPE)

    return build


ESCAPE = "/"
"""Stands before a character that is meant as itself; what SQLAlchemy's autoescape takes."""


def escaped(text: str) -> str:
    """Return the pattern that matches ``text`` and nothing else.

    >>> escaped("50%_/")
    '50/%/_//'
    """
    for character in (ESCAPE, "%", "_"):
        text = text.replace(character, ESCAPE + character)
    return text


def _text(field: Field, value: Any) -> str:
    if not isinstance(value, str):
        raise ValueRefused("pass a str", value, field.name)
    return plain_text(value)


class _HasElement(FunctionElement[bool]):
    """Whether a list column holds a value."""

    name = "has_element"
    type = types.Boolean()
    inherit_cache = True


@compiles(_HasElement, "duckdb")
def _has_element_duckdb(element: _HasElement, compiler: SQLCompiler, **options: Any) -> str:
    column, value = (compiler.process(clause, **options) for clause in element.clauses)
    return f"coalesce(list_contains({column}, {value}), false)"


@compiles(_HasElement, "postgresql")
def _has_element_postgresql(element: _HasElement, compiler: SQLCompiler, **options: Any) -> str:
    column, value = (compiler.process(clause, **options) for clause in element.clauses)
    return f"coalesce({column} @> ARRAY[{value}], false)"


def has(field: Field, value: Any) -> ColumnElement[bool]:
    """Return whether the list, or the JSON array, in ``field`` holds ``value``."""
    inner = plain_type(field.type)
    if isinstance(inner, types.JSON):
        return JSONPath(field.column).has_item(value)
    item = Field(field.name, literal(None, inner.item_type), field.secret)
    if value is None:
        raise ValueRefused("a list is not searched for NULL", value, field.name)
    return _HasElement(field.column, literal(checked(item, value), inner.item_type))


def _operators() -> Sequence[Operator]:
    text = _literal
    return (
        Operator("eq", "one", "equal; None means is null", _equal),
        Operator("ne", "one", "not equal; None means is not null", _unequal),
        Operator("lt", "one", "less than", _ordered(lambda a, b: a < b)),
        Operator("le", "one", "less than or equal", _ordered(lambda a, b: a <= b)),
        Operator("gt", "one", "greater than", _ordered(lambda a, b: a > b)),
        Operator("ge", "one", "greater than or equal", _ordered(lambda a, b: a >= b)),
        Operator("in", "many", "one of", _one_of),
        Operator("not_in", "many", "none of", _none_of),
        Operator("between", "pair", "from the first to the second, both included", _between),
        Operator("is_null", "flag", "is null, or is not", _is_null),
        Operator("like", "text", "matches a pattern of % and _", _like("like")),
        Operator("ilike", "text", "like, whatever the case", _like("ilike")),
        Operator("not_like", "text", "does not match", _like("not_like")),
        Operator("not_ilike", "text", "does not match, whatever the case", _like("not_ilike")),
        Operator("startswith", "text", "begins with", text("", "%", ignore_case=False)),
        Operator("istartswith", "text", "begins with, any case", text("", "%", ignore_case=True)),
        Operator("endswith", "text", "ends with", text("%", "", ignore_case=False)),
        Operator("iendswith", "text", "ends with, any case", text("%", "", ignore_case=True)),
        Operator("contains", "text", "contains", text("%", "%", ignore_case=False)),
        Operator("icontains", "text", "contains, any case", text("%", "%", ignore_case=True)),
        Operator("iexact", "text", "is, any case", text("", "", ignore_case=True)),
        Operator("has", "one", "the list, or JSON array, holds", has),
    )


OPERATORS = {operator.name: operator for operator in _operators()}
"""Every comparison by name."""
