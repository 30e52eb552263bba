"""Constraints of migrations and of DuckDB's catalog, and which of them are the same."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Column, MetaData, Table
from sqlalchemy.schema import (
    CheckConstraint,
    ForeignKeyConstraint,
    PrimaryKeyConstraint,
    UniqueConstraint,
)

from andamios_orm.dialect.shapes import ConstraintShape

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlalchemy.engine import Dialect
    from sqlalchemy.schema import Constraint

    from andamios_orm.dialect.shapes import TableShape

__all__ = ["KINDS", "find", "named_like", "shape_of", "written_in"]

KINDS: Final[dict[type[Constraint], str]] = {
    CheckConstraint: "CHECK",
    ForeignKeyConstraint: "FOREIGN KEY",
    PrimaryKeyConstraint: "PRIMARY KEY",
    UniqueConstraint: "UNIQUE",
}
_SUFFIX: Final = {"CHECK": "check", "FOREIGN KEY": "fkey", "PRIMARY KEY": "pkey", "UNIQUE": "key"}


def written_in(table: Table) -> list[Constraint]:
    """Return the constraints of a table in the order in which CREATE TABLE says them."""
    in_columns = [each for column in table.columns for each in column.constraints]
    rest = table.constraints.difference(in_columns)
    ordered = [*in_columns, *sorted(rest, key=lambda each: each._creation_order)]  # noqa: SLF001 - SQLAlchemy's own order
    return [each for each in ordered if type(each) in KINDS]


def shape_of(constraint: Constraint, dialect: Dialect) -> ConstraintShape:
    """Return a constraint of a migration as the catalog would show it, with its name."""
    kind = KINDS[type(constraint)]
    name = str(constraint.name) if isinstance(constraint.name, str) else None
    if isinstance(constraint, CheckConstraint):
        compiler: Any = dialect.ddl_compiler(dialect, None)  # type: ignore[arg-type]  # nothing is compiled yet
        expression = compiler.sql_compiler.process(
            constraint.sqltext, include_table=False, literal_binds=True
        )
        return ConstraintShape(kind, expression=str(expression), name=name)
    columns = tuple(column.name for column in _columns(constraint))
    if not isinstance(constraint, ForeignKeyConstraint):
        return ConstraintShape(kind, columns, name=name)
    return ConstraintShape(
        kind,
        columns,
        refers_to=constraint.elements[0].column.table.name,
        referred=tuple(key.column.name for key in constraint.elements),
        name=name,
    )


def named_like(
    found: Iterable[ConstraintShape], given: Iterable[ConstraintShape]
) -> tuple[ConstraintShape, ...]:
    """Return the constraints that were ``found`` with the names that were ``given``.

    Those of the same kind and columns are the same; checks, whose expressions DuckDB
    writes in its own way, are those at the same place, if there are as many.
    """
    names: dict[object, list[str | None]] = defaultdict(list)
    given, found = tuple(given), tuple(found)
    for each in given:
        names[_identity(each)].append(each.name)
    checks = [each for each in found if each.kind == "CHECK"]
    if len(checks) != len(names["CHECK"]):
        names["CHECK"] = [None] * len(checks)
    return tuple(
        replace(each, name=waiting.pop(0) if (waiting := names[_identity(each)]) else None)
        for each in found
    )


def _identity(constraint: ConstraintShape) -> object:
    if constraint.kind == "CHECK":
        return "CHECK"
    return constraint.kind, tuple(name.lower() for name in constraint.columns)


def find(
    table: TableShape, name: str, kind: str | None, models: Iterable[MetaData]
) -> ConstraintShape | None:
    """Return the constraint that a migration calls ``name``; None if there is none.

    It is the one that was given this name; else the one that DuckDB calls so, or the naming
    convention of the models; else the only one of its kind.
    """
    of_kind = [each for each in table.constraints if kind in {None, each.kind}]
    by_name = {_name_in_duckdb(table, each): each for each in reversed(of_kind)}
    by_name.update({each.name: each for each in of_kind if each.name is not None})
    if name in by_name:
        return by_name[name]
    nameless = [each for each in of_kind if each.name is None]
    for each in nameless:
        if name in _conventional_names(table, each, models):
            return each
    return nameless[0] if kind is not None and len(nameless) == len(of_kind) == 1 else None


def _name_in_duckdb(table: TableShape, constraint: ConstraintShape) -> str:
    columns = [name.lower() for name in constraint.columns]
    return "_".join([table.name, *columns, _SUFFIX[constraint.kind]])


def _conventional_names(
    table: TableShape, constraint: ConstraintShape, models: Iterable[MetaData]
) -> Iterator[str]:
    for model in models:
        metadata = MetaData(naming_convention=model.naming_convention)
        same = Table(table.name, metadata, *(Column(each.name) for each in table.columns))
        made: Any = None
        if constraint.kind == "UNIQUE":
            made = UniqueConstraint(*constraint.columns)
        elif constraint.kind == "PRIMARY KEY":
            made = PrimaryKeyConstraint(*constraint.columns)
        elif constraint.refers_to is not None:
            others: list[Column[Any]] = [Column(each) for each in constraint.referred]
            Table(constraint.refers_to, metadata, *others, extend_existing=True)
            made = ForeignKeyConstraint(constraint.columns, others)
        if made is not None:
            same.append_constraint(made)
            yield str(made.name)


def _columns(constraint: Constraint) -> Iterable[Column[Any]]:
    columns: Iterable[Column[Any]] = constraint.columns  # type: ignore[attr-defined]  # of all kinds that have columns
    return columns
