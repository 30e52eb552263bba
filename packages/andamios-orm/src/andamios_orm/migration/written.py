"""How the database itself writes the defaults and checks of the models.

Every database has its own spelling of an expression, so what models say and what a table
has are compared in that one: the models' tables are made for a moment, read, and dropped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Boolean, CheckConstraint, Column, Enum, MetaData, Table, inspect
from sqlalchemy.dialects.postgresql import ENUM

from andamios_orm.dialect import rebuilding
from andamios_orm.dialect.constraint_names import named

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection
    from sqlalchemy.engine import Dialect

__all__ = [
    "MOMENTARY",
    "Check",
    "Written",
    "checks_of",
    "defaults_of",
    "escaped",
    "plain",
    "written",
]

MOMENTARY: Final = "andamios_written"
"""How the tables begin that are made for a moment."""


_NUMBER: Final = re.compile(r"'-?\d+(?:\.\d+)?'")
_CAST: Final = re.compile(
    r"(\()?(?P<literal>'(?:[^']|'')*'|-?\d+(?:\.\d+)?)(?(1)\))"
    r"::(?:[a-z]+(?: [a-z]+)*|\"char\")(?:\(\d+(?:,\s*\d+)?\))?"
)


@dataclass(frozen=True, slots=True)
class Check:
    """A check as the database writes it; ``constraint`` is the models', if it is one of theirs."""

    name: str | None
    text: str
    constraint: CheckConstraint | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """Of each table of the models: its defaults by column, and its checks."""

    defaults: dict[str, dict[str, str | None]] = field(default_factory=dict)
    checks: dict[str, list[Check]] = field(default_factory=dict)


def written(connection: Connection, metadata: Sequence[MetaData]) -> Written:
    """Return what the database makes of the tables of the models that it has already."""
    result = Written()
    there = inspect(connection)
    tables = [table for each in metadata for table in each.tables.values()]
    for number, table in enumerate(tables):
        checks = list(_checks(table, connection.dialect))
        has_defaults = any(column.server_default is not None for column in table.columns)
        if not (checks or has_defaults) or not there.has_table(table.name, table.schema):
            continue
        copy = _copy(table, checks, f"{MOMENTARY}_{number}", connection.dialect.name)
        copy.create(connection)
        defaults, texts = _read(connection, copy.name)
        copy.drop(connection)
        result.defaults[table.key] = defaults
        result.checks[table.key] = [
            Check(str(each.name) if isinstance(each.name, str) else None, text, each)
            for each, text in zip(checks, texts, strict=True)
        ]
    return result


def defaults_of(connection: Connection, table: Table) -> dict[str, str | None]:
    """Return the defaults that a table has in the database; not what is computed or counted."""
    if connection.dialect.name == "duckdb":
        shape = rebuilding.read(connection, table.name, table.schema)
        assert shape is not None  # noqa: S101 - only tables that are there are compared
        return {each.name: each.default for each in shape.stored}
    found = inspect(connection).get_columns(table.name, table.schema)
    return {
        each["name"]: each["default"]
        for each in found
        if not each.get("computed") and not each.get("identity")
    }


def checks_of(connection: Connection, table: Table) -> list[Check]:
    """Return the checks that a table has in the database."""
    if connection.dialect.name == "duckdb":
        shape = rebuilding.read(connection, table.name, table.schema)
        assert shape is not None  # noqa: S101 - only tables that are there are compared
        return [
            Check(
                each.name or "_".join([shape.name, *map(str.lower, each.columns), "check"]),
                each.expression or "",
            )
            for each in named(connection, shape).constraints
            if each.kind == "CHECK"
        ]
    found = inspect(connection).get_check_constraints(table.name, table.schema)
    return [Check(each["name"], each["sqltext"]) for each in found]


def plain(expression: str) -> str:
    """Return an expression without casts of literals: PostgreSQL adds one per type of a column.

    >>> plain("((a >= (0)::numeric) AND (b = 'it''s'::text))"), plain("(b)::text")
    ("((a >= 0) AND (b = 'it''s'))", '(b)::text')
    >>> plain("'3'::bigint"), plain("(3)::numeric(10,2)"), plain("3")
    ('3', '3', '3')
    """
    without = _CAST.sub(lambda found: found["literal"], expression)
    return without[1:-1] if _NUMBER.fullmatch(without) else without


def escaped(sql: str) -> str:
    r"""Return SQL as ``text()`` takes it: its colons are no parameters.

    >>> escaped("'a :b'::text"), escaped(r"'\:b'")
    ("'a \\:b'::text", "'\\:b'")
    """
    return re.sub(r"(?<![:\w\\]):(?=\w)", r"\\:", sql)


def _checks(table: Table, dialect: Dialect) -> Iterator[CheckConstraint]:
    """Yield the checks that this database has of a table, in the order they are written in."""
    compiler = SimpleNamespace(dialect=dialect)
    ordered = sorted(table.constraints, key=lambda each: each._creation_order)  # noqa: SLF001 - SQLAlchemy's own order
    for constraint in ordered:
        if isinstance(constraint, CheckConstraint):
            rule: Any = constraint._create_rule  # noqa: SLF001 - that of a type may be for others
            if rule is None or rule(compiler):
                yield constraint


def _copy(table: Table, checks: Sequence[CheckConstraint], name: str, system: str) -> Table:
    """Return a table with the same columns, defaults and checks, and no more."""
    columns = [
        Column(each.name, _type(each.type), *_computed(each), server_default=_default(each))
        for each in table.columns
    ]
    copies = [
        # It would attach itself to the table of the columns in its expression.
        CheckConstraint(each.sqltext, name=f"{MOMENTARY}_{number}", _autoattach=False)
        for number, each in enumerate(checks)
    ]
    prefixes = ["TEMPORARY"] if system == "postgresql" else []
    return Table(name, MetaData(), *columns, *copies, prefixes=prefixes)


def _type(type_: Any) -> Any:
    """Return the type without what comes with it: its own type, which is there, and its check."""
    if isinstance(type_, Enum) and type_.native_enum and type_.name:
        return ENUM(*type_.enums, name=type_.name, create_type=False)
    if isinstance(type_, (Enum, Boolean)):
        alone: Any = type_.copy()  # type: ignore[no-untyped-call, unused-ignore]  # SQLAlchemy's own
        alone.create_constraint = False
        return alone
    return type_


def _computed(column: Column[Any]) -> list[Any]:
    return [] if column.computed is None else [column.computed._copy()]  # noqa: SLF001 - as Column.copy() does


def _default(column: Column[Any]) -> Any:
    default = column.server_default
    if column.computed is not None or column.identity is not None or default is None:
        return None
    return getattr(default, "arg", None)


def _read(connection: Connection, name: str) -> tuple[dict[str, str | None], list[str]]:
    """Return the defaults by column, and the texts of the checks in their order."""
    if connection.dialect.name == "duckdb":
        shape = rebuilding.read(connection, name)
        assert shape is not None  # noqa: S101 - it was made a moment ago
        texts = [each.expression or "" for each in shape.constraints if each.kind == "CHECK"]
        return {each.name: each.default for each in shape.columns}, texts
    inspector = inspect(connection)
    defaults = {each["name"]: each["default"] for each in inspector.get_columns(name)}
    by_name = {each["name"]: each["sqltext"] for each in inspector.get_check_constraints(name)}
    return defaults, [by_name[f"{MOMENTARY}_{number}"] for number in range(len(by_name))]
