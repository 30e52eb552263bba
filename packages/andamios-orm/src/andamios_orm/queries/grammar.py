"""The query string of a list: ``?status=active&created_at__ge=2026-01-01&sort=-name&limit=20``.

A grammar names what may be asked for; everything else is refused with the list of
what there is. It knows no web framework: it reads a mapping of strings and describes
itself as JSON schema and as OpenAPI parameters.
"""

from __future__ import annotations

import datetime as dt
import enum
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import types

from andamios_orm.exceptions import (
    ConfigurationError,
    QueryRefused,
    UnknownField,
    UnknownOperator,
    ValueRefused,
)
from andamios_orm.queries.fields import Field, field_of, mapper_of, plain_type, python_type_of
from andamios_orm.queries.filters import Compare
from andamios_orm.queries.operators import OPERATORS, operators_of
from andamios_orm.queries.ordering import Order

if TYPE_CHECKING:
    from andamios_orm.queries.builder import QueryBuilder

__all__ = ["ParsedQuery", "QueryGrammar"]

ModelT = TypeVar("ModelT")
Parameters = Mapping[str, str | Sequence[str]]
_RESERVED = ("sort", "limit", "offset", "cursor")
MOST_ITEMS = 1_000
"""Values in one list, and parameters in one query."""


@dataclass(frozen=True, slots=True)
class ParsedQuery(Generic[ModelT]):
    """What a query string asks for."""

    filters: tuple[Compare[ModelT], ...]
    sort: tuple[Order, ...]
    limit: int
    offset: int = 0
    cursor: str | None = None

    def apply(self, query: QueryBuilder[ModelT]) -> QueryBuilder[ModelT]:
        """Return ``query`` with these filters and this order, if one was asked for.

        Limit, offset and cursor go to ``page()`` or ``cursor_page()``.
        """
        query = query.filter(*self.filters)
        return query.order_by(*self.sort) if self.sort else query


class QueryGrammar(Generic[ModelT]):
    """Which fields of a model a query string may filter and sort by, and how."""

    def __init__(
        self,
        model: type[ModelT],
        *,
        fields: Sequence[str] | Mapping[str, Sequence[str]],
        sort: Sequence[str] = (),
        max_limit: int = 100,
        default_limit: int = 50,
    ) -> None:
        """Allow ``fields`` with every comparison of their type, or with those named.

        Raises:
            ConfigurationError: a field is unknown, secret, or not to be had from text.
        """
        self.model = model
        self.sort = tuple(sort)
        self.max_limit = max_limit
        self.default_limit = min(default_limit, max_limit)
        chosen = fields if isinstance(fields, Mapping) else dict.fromkeys(fields, ())
        self._fields = {name: _allowed(model, name) for name in (*chosen, *sort)}
        self._operators = {
            name: _chosen(self._fields[name], operators) for name, operators in chosen.items()
        }

    @property
    def known(self) -> list[str]:
        """Every parameter there is."""
        names = [
            name if operator == "eq" else f"{name}__{operator}"
            for name, operators in self._operators.items()
            for operator in operators
        ]
        return [*names, *_RESERVED]

    def parse(self, parameters: Parameters) -> ParsedQuery[ModelT]:
        r"""Return what ``parameters`` ask for, with typed values.

        A repeated ``field=`` means one of them, as does ``field__in=a,b``; in a list
        ``\,`` is a comma.

        Raises:
            UnknownField: there is no such parameter.
            UnknownOperator: the field has no such comparison here.
            ValueRefused: a value does not fit its field.
            QueryRefused: cursor and offset together, or something given twice.
        """
        if len(parameters) > MOST_ITEMS:
            raise QueryRefused(f"a query has at most {MOST_ITEMS} parameters")
        given = {name: _texts(name, value) for name, value in parameters.items()}
        offset = self._number("offset", given, 0, None)
        cursor = _single("cursor", given)
        if cursor is not None and "offset" in given:
            raise QueryRefused("cursor and offset exclude each other")
        filters = [
            self._filter(name, texts) for name, texts in given.items() if name not in _RESERVED
        ]
        return ParsedQuery(
            tuple(filters),
            self._orders(given.get("sort", [])),
            self._number("limit", given, self.default_limit, self.max_limit),
            offset,
            cursor,
        )

    def _filter(self, parameter: str, texts: list[str]) -> Compare[ModelT]:
        name, operator = self._split(parameter)
        if operator == "eq" and len(texts) > 1:
            operator = "in"
        field = self._fields[name]
        takes = OPERATORS[operator].takes
        if takes in {"many", "pair"}:
            items = [item for text in texts for item in _items(text)]
            if len(items) > MOST_ITEMS:
                raise QueryRefused(f"{parameter} has at most {MOST_ITEMS} values")
            value: Any = [_read(field, item) for item in items]
        elif len(texts) != 1:
            raise QueryRefused(f"{parameter[:60]!r} is given {len(texts)} times")
        elif takes == "flag":
            value = _boolean(field.name, texts[0])
        else:
            value = texts[0] if takes == "text" else _read(field, texts[0])
        found: Compare[ModelT] = Compare(name, operator, value)
        found.where(self.model)
        return found

    def _split(self, parameter: str) -> tuple[str, str]:
        if parameter in self._operators:
            name, operator = parameter, "eq"
        else:
            name, _, operator = parameter.rpartition("__")
        if name not in self._operators:
            raise UnknownField(f"there is no parameter {parameter[:60]!r}", self.known)
        known = self._operators[name]
        if operator not in known:
            raise UnknownOperator(f"{name} has no comparison {operator[:60]!r}", known)
        return name, operator

    def _orders(self, texts: list[str]) -> tuple[Order, ...]:
        names = [name.strip() for text in texts for name in text.split(",") if name.strip()]
        for name in names:
            if name.removeprefix("-") not in self.sort:
                raise UnknownField(f"rows cannot be sorted by {name[:60]!r}", self.sort)
        bare = [name.removeprefix("-") for name in names]
        if len(set(bare)) != len(bare):
            raise QueryRefused("a field is named twice in sort")
        return tuple(Order.of(name) for name in names)

    def _number(
        self, name: str, given: Mapping[str, list[str]], default: int, most: int | None
    ) -> int:
        text = _single(name, given)
        if text is None:
            return default
        number = int(text) if re.fullmatch(r"[0-9]{1,18}", text) else -1
        lowest = 1 if name == "limit" else 0
        if number < lowest or (most is not None and number > most):
            bounds = f"from {lowest} up" if most is None else f"from {lowest} to {most}"
            raise ValueRefused(f"pass a whole number {bounds}", text, name)
        return number

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON schema of an object of all parameters."""
        properties = {
            parameter["name"]: {**parameter["schema"], "description": parameter["description"]}
            for parameter in self.openapi_parameters()
        }
        return {"type": "object", "properties": properties, "additionalProperties": False}

    def openapi_parameters(self) -> list[dict[str, Any]]:
        """Return the parameters as OpenAPI describes them, for the ``parameters`` of a route."""
        described = [
            _parameter(name if operator == "eq" else f"{name}__{operator}", operator, field)
            for name, operators in self._operators.items()
            for operator in operators
            for field in [self._fields[name]]
        ]
        limit = {"type": "integer", "minimum": 1, "maximum": self.max_limit}
        described += [
            _query("limit", {**limit, "default": self.default_limit}, "rows on one page"),
            _query("offset", {"type": "integer", "minimum": 0, "default": 0}, "rows to pass over"),
            _query("cursor", {"type": "string"}, "where to go on: a cursor of a page"),
        ]
        if self.sort:
            ways = [way for name in self.sort for way in (name, f"-{name}")]
            schema = {"type": "array", "items": {"type": "string", "enum": ways}}
            described.append(_listed("sort", schema, "order; - is downwards"))
        return described


def _allowed(model: Any, name: str) -> Field:
    try:
        field = field_of(model, name)
    except QueryRefused as error:
        raise ConfigurationError(str(error)) from None
    title = mapper_of(model).class_.__name__
    if field.secret:
        raise ConfigurationError(f"{title}.{name} is secret: it is nothing to ask for")
    if name in _RESERVED:
        raise ConfigurationError(f"{title}.{name} has the name of a parameter of every query")
    if _reader(_item_type(field)) is None:
        raise ConfigurationError(f"{title}.{name} is of a type that no query string can hold")
    return field


def _chosen(field: Field, operators: Sequence[str]) -> list[str]:
    possible = list(operators_of(field))
    if isinstance(plain_type(field.type), types.ARRAY):
        possible = ["has", "is_null"]
    unknown = [name for name in operators if name not in possible]
    if unknown:
        raise ConfigurationError(
            f"{field.name} has no comparison {', '.join(unknown)}; known are {', '.join(possible)}"
        )
    return list(operators) or possible


def _item_type(field: Field) -> Any:
    kind = plain_type(field.type)
    return kind.item_type if isinstance(kind, types.ARRAY) else field.type


def _texts(name: str, value: str | Sequence[str]) -> list[str]:
    texts = [value] if isinstance(value, str) else list(value)
    if not all(isinstance(text, str) for text in texts):
        raise QueryRefused(f"{name[:60]!r} is no text")
    return texts


def _single(name: str, given: Mapping[str, list[str]]) -> str | None:
    texts = given.get(name, [])
    if len(texts) > 1:
        raise QueryRefused(f"{name} is given {len(texts)} times")
    return texts[0] if texts else None


def _items(text: str) -> list[str]:
    r"""Return the parts of ``text`` between commas.

    >>> _items("a,b\\,c")
    ['a', 'b,c']
    """
    return [part.replace("\\,", ",") for part in re.split(r"(?<!\\),", text)]


def _read(field: Field, text: str) -> Any:
    reader = _reader(_item_type(field))
    if reader is None:  # pragma: no cover - such a field is refused by the grammar
        raise ValueRefused("it cannot be read from text", text, field.name)
    try:
        return reader(text)
    except (ValueError, ArithmeticError, KeyError):
        expected = _schema(_item_type(field))
        shown = expected.get("enum") or expected.get("format") or expected["type"]
        raise ValueRefused(f"expected is {shown}", text, field.name) from None


def _boolean(name: str, text: str) -> bool:
    if text not in _TRUTH:
        raise ValueRefused("pass true or false", text, name)
    return _TRUTH[text]


_TRUTH = {"true": True, "false": False, "1": True, "0": False}


def _reader(kind: Any) -> Callable[[str], Any] | None:
    """Return what reads text as values of ``kind``; None if nothing does."""
    members = _members(kind)
    if members is not None:
        return members.__getitem__
    inner = plain_type(kind)
    if isinstance(inner, types.DateTime):
        return _aware if inner.timezone else _naive
    for sql, read, _ in _TEXTUAL:
        if isinstance(inner, sql):
            return read
    return None


def _members(kind: Any) -> dict[str, Any] | None:
    """Return the values of an enum by the text that stands for each."""
    python = python_type_of(kind)
    if python is not None and issubclass(python, enum.Enum):
        return {str(member.value): member for member in python}
    return {name: name for name in kind.enums} if isinstance(kind, types.Enum) else None


def _whole(text: str) -> int:
    if not re.fullmatch(r"-?[0-9]{1,20}", text):
        raise ValueError
    return int(text)


def _decimal(text: str) -> Decimal:
    number = Decimal(text)
    if not number.is_finite():
        raise InvalidOperation
    return number


def _aware(text: str) -> dt.datetime:
    moment = dt.datetime.fromisoformat(text)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=dt.UTC)


def _naive(text: str) -> dt.datetime:
    moment = dt.datetime.fromisoformat(text)
    return moment if moment.tzinfo is None else moment.astimezone(dt.UTC).replace(tzinfo=None)


_TEXTUAL: tuple[tuple[type[Any], Callable[[str], Any], dict[str, Any]], ...] = (
    (types.Boolean, _TRUTH.__getitem__, {"type": "boolean"}),
    (types.Integer, _whole, {"type": "integer"}),
    (types.Float, float, {"type": "number"}),
    (types.Numeric, _decimal, {"type": "number"}),
    (types.String, str, {"type": "string"}),
    (types.DateTime, _aware, {"type": "string", "format": "date-time"}),
    (types.Date, dt.date.fromisoformat, {"type": "string", "format": "date"}),
    (types.Time, dt.time.fromisoformat, {"type": "string", "format": "time"}),
    (types.Uuid, UUID, {"type": "string", "format": "uuid"}),
)


def _schema(kind: Any) -> dict[str, Any]:
    members = _members(kind)
    if members is not None:
        return {"type": "string", "enum": list(members)}
    inner = plain_type(kind)
    return next(dict(schema) for sql, _, schema in _TEXTUAL if isinstance(inner, sql))


def _parameter(parameter: str, operator: str, field: Field) -> dict[str, Any]:
    found = OPERATORS[operator]
    description = f"{field.name}: {found.meaning}"
    if found.takes == "flag":
        return _query(parameter, {"type": "boolean"}, description)
    if found.takes == "text":
        return _query(parameter, {"type": "string"}, description)
    schema = _schema(_item_type(field))
    if found.takes == "one":
        return _query(parameter, schema, description)
    listed: dict[str, Any] = {"type": "array", "items": schema}
    if found.takes == "pair":
        listed |= {"minItems": 2, "maxItems": 2}
    return _listed(parameter, listed, description)


def _query(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": description,
        "schema": schema,
    }


def _listed(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {**_query(name, schema, description), "style": "form", "explode": False}
