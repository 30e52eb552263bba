"""Paths into JSON documents, whose elements are always bound and never text of the statement.

On DuckDB a path travels as a JSON pointer (``/framework/name``), on PostgreSQL as
an array of text; neither knows wildcards, so a key is a key whatever it contains.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

from sqlalchemy import Text, bindparam, func, literal, or_, types
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from andamios_orm.exceptions import QueryRefused, ValueRefused
from andamios_orm.queries.fields import plain_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Dialect
    from sqlalchemy.orm import InstrumentedAttribute
    from sqlalchemy.sql import ColumnElement
    from sqlalchemy.sql.compiler import SQLCompiler
    from sqlalchemy.sql.type_api import TypeEngine

__all__ = ["JSONPath", "PathElement", "json_path", "parse_path"]

PathElement = str | int
_ValueT = TypeVar("_ValueT", str, int, float, bool)
"""What a JSON document can hold that SQL can compare."""


class _PathType(types.TypeDecorator[tuple[PathElement, ...]]):
    """A path as each database wants it."""

    impl = types.Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the type of the parameter."""
        kind: TypeEngine[Any] = Text()
        if dialect.name == "postgresql":
            kind = postgresql.ARRAY(Text())
        return dialect.type_descriptor(kind)

    def process_bind_param(self, value: tuple[PathElement, ...] | None, dialect: Dialect) -> Any:
        """Return the array of PostgreSQL, or the pointer of DuckDB."""
        path = [str(element) for element in value or ()]
        if dialect.name == "postgresql":
            return path
        return "".join(f"/{key.replace('~', '~0').replace('/', '~1')}" for key in path)


class _Extracted(FunctionElement[Any]):
    """A part of a document; its arguments are the document and the path."""

    inherit_cache = True
    duckdb = ""
    postgresql = ""

    def __init__(self, column: ColumnElement[Any], path: tuple[PathElement, ...]) -> None:
        super().__init__(column, bindparam(None, path, type_=_PathType(), unique=True))


class _Part(_Extracted):
    name = "json_part"
    type = types.JSON()
    inherit_cache = True
    duckdb = "json_extract({0}, {1})"
    postgresql = "({0} #> {1})"


class _PartText(_Extracted):
    name = "json_part_text"
    type = types.Text()
    inherit_cache = True
    duckdb = "json_extract_string({0}, {1})"
    postgresql = "({0} #>> {1})"


class _Kind(_Extracted):
    """``string``, ``number``, ``integer`` (DuckDB only), ``boolean``, ``object``, ``array``."""

    name = "json_kind"
    type = types.Text()
    inherit_cache = True
    duckdb = (
        "CASE json_type({0}, {1}) WHEN 'VARCHAR' THEN 'string' WHEN 'BOOLEAN' THEN 'boolean' "
        "WHEN 'DOUBLE' THEN 'number' WHEN 'BIGINT' THEN 'number' WHEN 'UBIGINT' THEN 'number' "
        "ELSE lower(json_type({0}, {1})) END"
    )
    postgresql = "json_typeof(CAST(({0} #> {1}) AS JSON))"


@compiles(_Extracted, "duckdb")
def _compile_duckdb(element: _Extracted, compiler: SQLCompiler, **options: Any) -> str:
    return element.duckdb.format(*_arguments(element, compiler, options))


@compiles(_Extracted, "postgresql")
def _compile_postgresql(element: _Extracted, compiler: SQLCompiler, **options: Any) -> str:
    column, path = _arguments(element, compiler, options)
    return element.postgresql.format(column, f"CAST({path} AS TEXT[])")


def _arguments(
    element: FunctionElement[Any], compiler: SQLCompiler, options: dict[str, Any]
) -> list[str]:
    # The values of literals and identifiers may hold braces: only templates are formatted.
    return [compiler.process(clause, **options) for clause in element.clauses]


class _HasItem(FunctionElement[bool]):
    """Whether the array (1) holds the item; (2) is ``[item]`` as JSON text."""

    name = "json_has_item"
    type = types.Boolean()
    inherit_cache = True


@compiles(_HasItem, "duckdb")
def _has_item_duckdb(element: _HasItem, compiler: SQLCompiler, **options: Any) -> str:
    array, item = _arguments(element, compiler, options)
    return (
        f"coalesce(list_contains(TRY_CAST({array} AS JSON[]), "
        f"json_extract(CAST({item} AS JSON), '/0')), false)"
    )


@compiles(_HasItem, "postgresql")
def _has_item_postgresql(element: _HasItem, compiler: SQLCompiler, **options: Any) -> str:
    array, item = _arguments(element, compiler, options)
    return f"coalesce(CAST({array} AS JSONB) @> CAST({item} AS JSONB), false)"


class _Whole(_Extracted):
    name = "json_whole_number"
    type = types.BigInteger()
    inherit_cache = True
    duckdb = (
        "CASE WHEN json_type({0}, {1}) IN ('BIGINT', 'UBIGINT') "
        "THEN TRY_CAST(json_extract_string({0}, {1}) AS BIGINT) END"
    )
    postgresql = (
        "CASE WHEN json_typeof(CAST(({0} #> {1}) AS JSON)) = 'number' "
        "AND ({0} #>> {1}) ~ '^-?[0-9]{{1,19}}$' THEN CASE WHEN CAST(({0} #>> {1}) AS NUMERIC) "
        "BETWEEN -9223372036854775808 AND 9223372036854775807 "
        "THEN CAST(({0} #>> {1}) AS BIGINT) END END"
    )


class _Number(_Extracted):
    name = "json_number"
    type = types.Double()
    inherit_cache = True
    duckdb = (
        "CASE WHEN json_type({0}, {1}) IN ('DOUBLE', 'BIGINT', 'UBIGINT') "
        "THEN TRY_CAST(json_extract_string({0}, {1}) AS DOUBLE) END"
    )
    postgresql = (
        "CASE WHEN json_typeof(CAST(({0} #> {1}) AS JSON)) = 'number' "
        "THEN CAST(({0} #>> {1}) AS DOUBLE PRECISION) END"
    )


class _Truth(_Extracted):
    name = "json_truth"
    type = types.Boolean()
    inherit_cache = True
    duckdb = (
        "CASE WHEN json_type({0}, {1}) = 'BOOLEAN' THEN json_extract_string({0}, {1}) = 'true' END"
    )
    postgresql = (
        "CASE WHEN json_typeof(CAST(({0} #> {1}) AS JSON)) = 'boolean' "
        "THEN ({0} #>> {1}) = 'true' END"
    )


class _String(_Extracted):
    name = "json_string"
    type = types.Text()
    inherit_cache = True
    duckdb = "CASE WHEN json_type({0}, {1}) = 'VARCHAR' THEN json_extract_string({0}, {1}) END"
    postgresql = (
        "CASE WHEN json_typeof(CAST(({0} #> {1}) AS JSON)) = 'string' THEN ({0} #>> {1}) END"
    )


_READERS: dict[type, type[_Extracted]] = {
    str: _String,
    int: _Whole,
    float: _Number,
    bool: _Truth,
}


@dataclass(frozen=True, slots=True, eq=False)
class JSONPath:
    """A place in the documents of a column; ``as_(type)`` reads it."""

    column: ColumnElement[Any]
    path: tuple[PathElement, ...] = ()

    def __getitem__(self, element: PathElement) -> JSONPath:
        """Return the place one step further."""
        return JSONPath(self.column, (*self.path, *checked_path((element,))))

    def as_(self, kind: type[_ValueT]) -> ColumnElement[_ValueT]:
        """Return the value there; NULL where the document holds something of another type.

        ``float`` reads any number, ``int`` whole numbers only.

        Raises:
            QueryRefused: no document holds such a type.
        """
        reader = _READERS.get(kind)
        if reader is None:
            raise QueryRefused(f"{kind!r} is no type of JSON", ["str", "int", "float", "bool"])
        return cast("ColumnElement[_ValueT]", reader(self.column, self.path))

    @property
    def kind(self) -> ColumnElement[str]:
        """What is there: string, number, boolean, object, array or null; NULL if nothing is."""
        return _Kind(self.column, self.path)

    def exists(self) -> ColumnElement[bool]:
        """Return whether there is anything, be it null."""
        return self.kind.is_not(None)

    def is_null(self) -> ColumnElement[bool]:
        """Return whether there is nothing, or null."""
        return func.coalesce(self.kind, literal("null")) == literal("null")

    def has_item(self, value: str | float | bool) -> ColumnElement[bool]:  # noqa: FBT001 - a value
        """Return whether there is an array that holds ``value`` (a number by its value).

        Raises:
            ValueRefused: it is neither text, nor a number, nor true or false.
        """
        part: ColumnElement[Any] = _Part(self.column, self.path) if self.path else self.column
        return or_(*(_HasItem(part, literal(form)) for form in _json_forms(value)))

    def is_(self, value: str | float | bool | None) -> ColumnElement[bool]:  # noqa: FBT001
        """Return whether exactly ``value`` is there; None asks for nothing or null."""
        if value is None:
            return self.is_null()
        kind = json_kind(value)
        found: ColumnElement[bool] = self.as_(kind) == value
        return found


def json_kind(value: Any) -> type[Any]:
    """Return as which type a document must be read to be compared with ``value``.

    Raises:
        ValueRefused: JSON values of that type cannot be compared.
    """
    if isinstance(value, bool):
        return bool
    if isinstance(value, str):
        plain_text(value)
        return str
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return float if abs(value) <= _EXACT else int
    if isinstance(value, float) and value == value and abs(value) != float("inf"):  # noqa: PLR0124
        return float
    raise ValueRefused("JSON is compared with text, finite numbers, true and false", value)


_EXACT = 2**53
"""Up to here every whole number is a float."""


def _json_forms(value: Any) -> list[str]:
    kind = json_kind(value)
    values = [value]
    if kind is float and value == int(value) and abs(value) <= _EXACT:
        values = [int(value), float(value)]
    return [json.dumps([item]) for item in values]


def json_path(
    column: InstrumentedAttribute[Any] | ColumnElement[Any], *path: PathElement
) -> JSONPath:
    """Return the place ``path`` (keys and positions) in the documents of ``column``.

    ``json_path(Project.architecture, "framework", "name").as_(str) == "FastAPI"``

    Raises:
        QueryRefused: an element is neither a key nor a position.
    """
    if not hasattr(column, "type"):
        raise QueryRefused(f"{type(column).__name__} is no column: pass Model.field")
    return JSONPath(cast("ColumnElement[Any]", column), checked_path(path))


def checked_path(path: Sequence[Any]) -> tuple[PathElement, ...]:
    """Return ``path`` if every element is a key or a position counted from 0.

    Raises:
        QueryRefused: one is something else.
    """
    for element in path:
        if isinstance(element, str):
            plain_text(element)
        elif isinstance(element, bool) or not isinstance(element, int) or element < 0:
            raise QueryRefused(f"{element!r} is neither a key nor a position in a JSON document")
    return tuple(path)


_STEP = re.compile(
    r'\.([A-Za-z_][\w-]*)|\."((?:[^"\\]|\\.)*)"|\[(\d{1,9})\]|\["((?:[^"\\]|\\.)*)"\]'
)
_ESCAPED = re.compile(r"\\(.)")


def parse_path(path: str | int | Sequence[PathElement]) -> tuple[PathElement, ...]:
    """Return the elements of ``path``: ``$.a.b[0]``, ``$."a key"``, or a sequence of elements.

    >>> parse_path('$.frameworks[0]."a name"')
    ('frameworks', 0, 'a name')
    >>> parse_path("framework")
    ('framework',)

    Raises:
        QueryRefused: it cannot be read.
    """
    if isinstance(path, (str, int)) and not str(path).startswith("$"):
        return checked_path((path,))
    if not isinstance(path, str):
        return checked_path(tuple(cast("Sequence[Any]", path)))
    elements: list[PathElement] = []
    at = 1
    while at < len(path):
        found = _STEP.match(path, at)
        if found is None:
            raise QueryRefused(
                f"the JSON path cannot be read from character {at + 1} on: "
                'write $.key, $[0] or $."a key", without wildcards'
            )
        key, quoted, position, bracketed = found.groups()
        if position is not None:
            elements.append(int(position))
        else:
            raw = next(text for text in (key, quoted, bracketed) if text is not None)
            elements.append(_ESCAPED.sub(r"\1", raw))
        at = found.end()
    return checked_path(elements)
