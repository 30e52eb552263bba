"""What a database will not do with a model, before it is asked to.

DuckDB reads the DDL of PostgreSQL, but not all of it; and it uses an index only where one
condition on a single column finds few rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from duckdb_sqlalchemy.datatypes import FixedArray, Map, Struct
from sqlalchemy import (
    ARRAY,
    Boolean,
    Column,
    Enum,
    Interval,
    MetaData,
    PrimaryKeyConstraint,
    String,
    UniqueConstraint,
)
from sqlalchemy import types as sa_types
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql.ranges import AbstractMultiRange, AbstractRange

from andamios_orm.exceptions import ConfigurationError
from andamios_orm.models.types import EnumByValue
from andamios_orm.models.unique import unique_columns
from andamios_orm.models.vector import Vector

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import ForeignKeyConstraint, Index, Table
    from sqlalchemy.orm import DeclarativeBase

__all__ = ["Finding", "lint"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as the model says.

    ``kind`` is ``refused`` (creating the tables fails), ``different`` (something else
    happens) or ``useless`` (it costs every write and helps no query).
    """

    kind: Literal["refused", "different", "useless"]
    table: str
    name: str
    message: str

    def __str__(self) -> str:
        """Return ``table.name: message (kind)``."""
        return f"{self.table}.{self.name}: {self.message} ({self.kind})"


_WITHOUT = "write duckdb_index=False to leave it out there"
_NO_TYPE = (
    AbstractMultiRange,
    AbstractRange,
    postgresql.CIDR,
    postgresql.CITEXT,
    postgresql.DOMAIN,
    postgresql.HSTORE,
    postgresql.INET,
    postgresql.MACADDR,
    postgresql.MACADDR8,
    postgresql.MONEY,
    postgresql.REGCLASS,
    postgresql.REGCONFIG,
    postgresql.TSQUERY,
    postgresql.TSVECTOR,
)
_NO_KEY = (ARRAY, FixedArray, Interval, Map, Struct, Vector, postgresql.INTERVAL)
_FEW_VALUES = (Boolean, Enum, EnumByValue)
_NO_OPTIONS = frozenset(
    f"postgresql_{name}" for name in ("where", "using", "include", "ops", "nulls_not_distinct")
)
_COLLATIONS = frozenset({"C", "POSIX", "BINARY", "NOCASE", "NOACCENT", "NFC"})


def lint(models: MetaData | type[DeclarativeBase], dialect_name: str = "duckdb") -> list[Finding]:
    """Return what ``dialect_name`` cannot do with the tables, and what happens instead.

    Raises:
        ConfigurationError: the dialect is neither ``duckdb`` nor ``postgresql``.
    """
    if dialect_name not in {"duckdb", "postgresql"}:
        raise ConfigurationError(f"{dialect_name!r}: say duckdb or postgresql")
    metadata = models if isinstance(models, MetaData) else models.metadata
    look = _on_duckdb if dialect_name == "duckdb" else _on_postgresql
    return [finding for table in metadata.sorted_tables for finding in look(table)]


def _on_duckdb(table: Table) -> Iterator[Finding]:
    for column in table.columns:
        yield from _column(column)
    for key in sorted(table.foreign_key_constraints, key=lambda key: list(key.column_keys)):
        yield from _foreign_key(key)
    for constraint in sorted(table.constraints, key=lambda each: str(each.name)):
        yield from _constraint(constraint)
    for index in sorted(table.indexes, key=lambda index: str(index.name)):
        if index.dialect_options["duckdb"]["index"]:
            yield from _index(table, index)
    yield from _doubles(table)


def _on_postgresql(table: Table) -> Iterator[Finding]:
    for key in sorted(table.foreign_key_constraints, key=lambda key: list(key.column_keys)):
        yield from _referred(key)
    yield from _doubles(table)


def _column(column: Column[Any]) -> Iterator[Finding]:
    place = (column.table.name, column.name)
    type_: Any = column.type
    if isinstance(type_, _NO_TYPE):
        yield Finding("refused", *place, f"DuckDB has no type {type(type_).__name__}")
    if column.computed is not None and column.computed.persisted:
        yield Finding("refused", *place, "DuckDB stores no generated column: drop persisted=True")
    if isinstance(type_, String) and not isinstance(type_, Enum):
        if type_.length is not None:
            message = f"only the library keeps to {type_.length} characters; DuckDB takes more"
            yield Finding("different", *place, message)
        if (type_.collation or "C").upper() not in _COLLATIONS:
            yield Finding("refused", *place, f"DuckDB has no collation {type_.collation}")


def _foreign_key(key: ForeignKeyConstraint) -> Iterator[Finding]:
    place = (key.parent.name, ", ".join(key.column_keys))
    physical = key.parent.metadata.info.get("duckdb_foreign_keys") != "none"
    if physical:
        yield from _referred(key)
    for option in ("ondelete", "onupdate"):
        action = getattr(key, option)
        if action is None or action.upper() in {"NO ACTION", "RESTRICT"}:
            continue
        if physical:
            message = (
                f"DuckDB has no {option}={action!r}: use a base with Row, or foreign_keys=none"
            )
            yield Finding("refused", *place, message)
        else:
            message = f"{option}={action!r} is left to the relationship's cascade"
            yield Finding("different", *place, message)


def _referred(key: ForeignKeyConstraint) -> Iterator[Finding]:
    """Yield that a foreign key refers to columns that are unique among the rows that are there."""
    referred = {element.column for element in key.elements}
    partial = [
        set(index.columns)
        for index in key.referred_table.indexes
        if index.dialect_options["postgresql"]["where"] is not None
    ]
    unique = unique_columns(key.referred_table)
    if unique.count(referred) and unique.count(referred) == partial.count(referred):
        message = (
            f"it refers to {key.referred_table.name}, where deleted rows do not count: write "
            f"info={{'with_deleted': True}} on what is unique there"
        )
        yield Finding("refused", key.parent.name, ", ".join(key.column_keys), message)


def _constraint(constraint: Any) -> Iterator[Finding]:
    place = (constraint.table.name, str(constraint.name or constraint.__visit_name__))
    if isinstance(constraint, postgresql.ExcludeConstraint):
        yield Finding("refused", *place, "DuckDB has no EXCLUDE")
        return
    if not isinstance(constraint, (UniqueConstraint, PrimaryKeyConstraint)):
        return
    for column in constraint.columns:
        if isinstance(column.type, _NO_KEY):
            message = f"DuckDB has no key over {column.name}, a {type(column.type).__name__}"
            yield Finding("refused", *place, message)
    if constraint.dialect_kwargs.get("postgresql_nulls_not_distinct"):
        yield Finding("refused", *place, "DuckDB has no NULLS NOT DISTINCT")
    if constraint.deferrable:
        yield Finding("different", *place, "DuckDB checks it with each statement, not at commit")


def _index(table: Table, index: Index) -> Iterator[Finding]:
    place = (table.name, str(index.name))
    partial = index.dialect_options["duckdb"]["where"] is not None
    known = {"postgresql_where"} if partial else set()
    refused = sorted((_NO_OPTIONS - known) & set(index.dialect_kwargs))
    if refused or (partial and not index.unique):
        what = ", ".join(refused) or "duckdb_where, unless it is unique"
        also = " duckdb_where= gives a unique index its condition;" if index.unique else ""
        yield Finding("refused", *place, f"DuckDB has no index with {what};{also} {_WITHOUT}")
        return
    keys = [column for column in index.columns if isinstance(column.type, _NO_KEY)]
    if keys:
        message = f"DuckDB has no index over {keys[0].name}, a {type(keys[0].type).__name__}"
        yield Finding("refused", *place, f"{message}; {_WITHOUT}")
    elif not index.unique and (reason := _never_chosen(index)):
        yield Finding("useless", *place, f"DuckDB never chooses it: {reason}; {_WITHOUT}")


def _never_chosen(index: Index) -> str | None:
    """Return why no query uses the index, or None if one may."""
    if len(index.expressions) > 1:
        return "it has more than one column"
    (expression,) = index.expressions
    if not isinstance(expression, Column):
        return None
    type_: Any = expression.type
    plain = type_.impl_instance if isinstance(type_, sa_types.TypeDecorator) else type_
    if isinstance(type_, _FEW_VALUES):
        return "a value is found in too many rows"
    if isinstance(plain, sa_types.JSON):
        return "it knows whole documents, not what is in them"
    return None


def _doubles(table: Table) -> Iterator[Finding]:
    """Yield the indexes over what a key has an index over."""
    unique = (
        each
        for each in table.constraints
        if isinstance(each, (UniqueConstraint, PrimaryKeyConstraint))
    )
    known = {tuple(each.columns.keys()): str(each.name or each.__visit_name__) for each in unique}
    for index in sorted(table.indexes, key=lambda index: str(index.name)):
        same = known.get(tuple(index.columns.keys()))
        plain = all(isinstance(expression, Column) for expression in index.expressions)
        if same is not None and plain:
            message = f"{same} has an index over the same columns"
            yield Finding("useless", table.name, str(index.name), message)
