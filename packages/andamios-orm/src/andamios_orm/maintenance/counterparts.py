"""The tables of one database as another one has them, and how their values travel."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from duckdb_sqlalchemy.datatypes import TimeNs, TimestampNs
from sqlalchemy import (
    Column,
    ForeignKeyConstraint,
    Index,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    cast,
    func,
    inspect,
    text,
    type_coerce,
    types,
)
from sqlalchemy.exc import CompileError
from sqlalchemy.schema import sort_tables_and_constraints

from andamios_orm.dialect.types import implementation
from andamios_orm.exceptions import ConfigurationError
from andamios_orm.maintenance.contents import plain_form

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sqlalchemy import ColumnElement, Connection, Inspector
    from sqlalchemy.engine import Dialect

    from andamios_orm.maintenance.contents import Plain

__all__ = [
    "Carried",
    "Found",
    "carried",
    "counterparts",
    "in_order",
    "is_single",
    "missing",
    "reflected",
    "stored",
]

_KEPT: Final = (
    types.Boolean,
    types.Integer,
    types.Numeric,
    types.Float,
    types.String,
    types.Date,
    types.Time,
    types.DateTime,
    types.Interval,
    types.LargeBinary,
    types.Uuid,
    types.JSON,
)
_WIDER: Final[dict[str, types.TypeEngine[Any]]] = {
    "TINYINT": types.SmallInteger(),
    "UTINYINT": types.SmallInteger(),
    "USMALLINT": types.Integer(),
    "UINTEGER": types.BigInteger(),
    "UBIGINT": types.Numeric(20, 0),
    "HUGEINT": types.Numeric(38, 0),
}
"""What holds the whole numbers for which one of the databases has no type of that size."""
_FINER: Final = ("TIMESTAMP_NS", "TIME_NS", "UHUGEINT", "BIGNUM")
_SINGLE: Final = {"duckdb": ("FLOAT", "REAL"), "postgresql": ("REAL",)}
_CONSTANT: Final = re.compile(
    r"(?:CAST\()?\(*(?P<value>-?\d+(?:\.\d+)?|'(?:[^']|'')*'|true|false)\)*"
    r"(?:::[\w ]+| AS [\w ]+\))?",
    re.IGNORECASE,
)
_NOW: Final = re.compile(r"now\(\)|current_timestamp|get_current_timestamp\(\)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Found:
    """The tables of a database, and what cannot be said in another one's words."""

    metadata: MetaData
    left_out: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Carried:
    """A column on its way: how it is read, into what it is written, how it is compared."""

    column: Column[Any]
    read: ColumnElement[Any]
    type_: types.TypeEngine[Any]
    """The type of what was read, with which it is sent."""
    stored: types.TypeEngine[Any]
    """The type of the column, where it is another one."""
    form: Plain | None

    @property
    def is_document(self) -> bool:
        """Whether it is JSON, which travels as text: no number in it is touched."""
        return isinstance(self.stored, types.JSON)


def carried(column: Column[Any], dialect: Dialect, *, is_single: bool) -> Carried:
    """Return how the values of a column travel, out of all decorators of its type.

    Raises:
        ConfigurationError: they would lose something on the way.
    """
    found = implementation(column.type, dialect)
    if isinstance(found, (TimestampNs, TimeNs)):
        raise ConfigurationError(
            f"{column.table.name}.{column.name} counts nanoseconds, and Python's times do not: "
            f"make it a column of microseconds, or copy the file with backup()"
        )
    is_document = isinstance(found, types.JSON)
    as_text = is_document or isinstance(found, types.Enum)
    return Carried(
        column,
        (cast(column, Text) if as_text else type_coerce(column, found)).label(column.name),
        Text() if as_text else found,
        found,
        plain_form(found, is_document=is_document, is_single=is_single),
    )


def is_single(column: Column[Any], dialect: Dialect) -> bool:
    """Return whether a column holds floats of 32 bits."""
    if not isinstance(implementation(column.type, dialect), types.Float):
        return False
    written: str = dialect.type_compiler_instance.process(column.type)  # type: ignore[attr-defined, unused-ignore]
    return written in _SINGLE[dialect.name]


def in_order(tables: Iterable[Table]) -> list[Table]:
    """Return tables so that each stands behind those that it refers to.

    Raises:
        ConfigurationError: some refer to each other in a circle.
    """
    listed = list(tables)
    sorted_ = sort_tables_and_constraints(listed)  # type: ignore[no-untyped-call]  # SQLAlchemy's
    circle = [key for table, keys in sorted_ if table is None for key in keys]
    if circle:
        names = ", ".join(f"{key.table.name} to {key.referred_table.name}" for key in circle)
        raise ConfigurationError(
            f"tables refer to each other in a circle ({names}): rows of one would have to be "
            f"there before those of the other; drop one of these keys for the time of the copy"
        )
    return [table for table, _ in sorted_ if table is not None]


# ---- from the catalog ------------------------------------------------------------------------


def reflected(connection: Connection) -> Found:
    """Return the tables of the own schema of a database, as they are."""
    metadata = MetaData()
    metadata.reflect(connection, resolve_fks=False)
    inspector = inspect(connection)
    return Found(metadata, [f"view {name}" for name in sorted(inspector.get_view_names())])


def counterparts(found: Found, source: Dialect, target: Dialect) -> Found:
    """Return tables that hold the same on another kind of database.

    Raises:
        ConfigurationError: that has no type which keeps what a column holds, or is of the
            same kind.
    """
    if source.name == target.name:
        raise ConfigurationError(
            f"both are {source.name}: backup() copies a DuckDB file exactly, pg_dump a PostgreSQL "
            f"database; pass metadata= (--models) to copy the tables of models"
        )
    metadata, left_out = MetaData(), list(found.left_out)
    for table in found.metadata.sorted_tables:
        _counterpart(table, metadata, source, target, left_out)
    return Found(metadata, left_out)


def _counterpart(
    table: Table, metadata: MetaData, source: Dialect, target: Dialect, left_out: list[str]
) -> None:
    columns = []
    for column in table.columns:
        if column.computed is not None:
            left_out.append(f"the computed column {table.name}.{column.name}")
            continue
        columns.append(_column(column, source, target, left_out))
    names = {column.name for column in columns}
    made = Table(table.name, metadata, *columns, comment=table.comment)
    constraints: list[Any] = sorted(table.constraints, key=lambda each: str(each.name))
    for constraint in constraints:
        described = _described(constraint)
        if described is None:
            continue
        if isinstance(described, str) or not {each.name for each in constraint.columns} <= names:
            left_out.append(f"{described} of {table.name}")
        else:
            made.append_constraint(described)
    for index in sorted(table.indexes, key=lambda each: str(each.name)):
        parts = [part.name if isinstance(part, Column) else None for part in index.expressions]
        if index.dialect_kwargs.get("postgresql_where") is not None or not names.issuperset(parts):
            left_out.append(f"the index {index.name} of {table.name}")
        else:
            Index(index.name, *(made.c[str(part)] for part in parts), unique=index.unique)


def _described(constraint: Any) -> Any:
    """Return a constraint for another table, its name if it has none, None if it is no news."""
    columns = [column.name for column in constraint.columns]
    if isinstance(constraint, PrimaryKeyConstraint):
        return PrimaryKeyConstraint(*columns) if columns else None
    if isinstance(constraint, UniqueConstraint):
        return UniqueConstraint(*columns, name=constraint.name)
    if isinstance(constraint, ForeignKeyConstraint):
        referred = [element.target_fullname for element in constraint.elements]
        return ForeignKeyConstraint(
            columns,
            referred,
            name=constraint.name,
            ondelete=constraint.ondelete,
            onupdate=constraint.onupdate,
        )
    return f"the check {constraint.name or constraint.sqltext}"


def _column(
    column: Column[Any], source: Dialect, target: Dialect, left_out: list[str]
) -> Column[Any]:
    default, counts = _default(column)
    if column.server_default is not None and default is None and not counts:
        left_out.append(f"the default of {column.table.name}.{column.name}")
    return Column(
        column.name,
        _type(column, source, target),
        nullable=column.nullable,
        server_default=default,
        autoincrement=counts,
        comment=column.comment,
    )


def _type(column: Column[Any], source: Dialect, target: Dialect) -> types.TypeEngine[Any]:
    """Return a type of both databases.

    Raises:
        ConfigurationError: there is none.
    """
    place = f"{column.table.name}.{column.name}"
    try:
        written: str = source.type_compiler_instance.process(column.type).upper()  # type: ignore[attr-defined, unused-ignore]
    except CompileError:
        written = repr(column.type)
    if written in _WIDER:
        return _WIDER[written]
    type_ = column.type
    member = type_.item_type if isinstance(type_, types.ARRAY) else type_
    is_open = isinstance(type_, types.Numeric) and not isinstance(type_, types.Float)
    if written in _FINER or not isinstance(member, _KEPT):
        raise ConfigurationError(
            f"{place} is {written}, and {target.name} has no type that keeps it: pass "
            f"metadata= (--models) with models that say what it becomes"
        )
    if is_open and type_.precision is None:  # type: ignore[attr-defined]  # a Numeric
        raise ConfigurationError(
            f"{place} is {written}, a number of any size, which DuckDB does not have: pass "
            f"metadata= (--models) with models that say how many digits it has"
        )
    if isinstance(type_, types.Enum):  # DuckDB writes it out, PostgreSQL wants a name
        name = type_.name or f"{column.table.name}_{column.name}"
        return types.Enum(*type_.enums, name=name)
    return type_.as_generic()


def _default(column: Column[Any]) -> tuple[Any, bool]:
    """Return the default of a column, if both databases know it, and whether it counts."""
    if column.identity is not None:
        return None, True
    given: Any = column.server_default
    if given is None:
        return None, False
    written = str(given.arg.text)
    if written.startswith("nextval(") and column.primary_key:
        return None, True
    if _NOW.fullmatch(written):
        return func.now(), False
    constant = _CONSTANT.fullmatch(written)
    return (None, False) if constant is None else (text(constant["value"]), False)


def missing(inspector: Inspector, table: Table) -> Iterator[str]:
    """Yield the columns that a table should have and has not; all, if there is no table."""
    if inspector.has_table(table.name, schema=table.schema):
        there = {each["name"] for each in inspector.get_columns(table.name, schema=table.schema)}
    else:
        there = set()
    yield from (column.name for column in stored(table) if column.name not in there)


def stored(table: Table) -> Sequence[Column[Any]]:
    """Return the columns that hold what was written into them."""
    return [column for column in table.columns if column.computed is None]
